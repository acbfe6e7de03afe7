"""Use cases of the schema registry's settings: compatibility and modes, for all subjects (None) and for one."""

from __future__ import annotations

from interlock.domain.registry.faults import ConfigMissing, ModeMissing, NotPermitted
from interlock.domain.registry.settings import Mode, Settings, effective_mode, require_writable
from interlock.engine import registry_records as records
from interlock.engine.codec import dump
from interlock.engine.registry import Registry, current_mode, tell


def config(registry: Registry, subject: str | None, *, or_global: bool) -> Settings:
    """What is set for a subject, or with `or_global` what holds for it. ConfigMissing when nothing is set."""
    with registry.store.transaction(read_only=True) as tx:
        if subject is None or or_global:
            return records.effective_settings(tx, subject)
        own = records.read_settings(tx, subject)
    if own is None:
        raise ConfigMissing(f"Subject '{subject}' does not have subject-level compatibility configured")
    return own


def set_config(registry: Registry, subject: str | None, settings: Settings, by: str) -> None:
    """Set what `settings` has; what it leaves open stays."""
    with registry.store.transaction() as tx:
        if subject is not None:
            require_writable(current_mode(tx, subject), subject)
        chosen = settings.over(records.read_settings(tx, subject) or Settings())
        tx.write(records.CONFIG, records.key(subject), dump(chosen))
        tell(tx, registry, by, "schema.configured", subject, dump(chosen))


def delete_config(registry: Registry, subject: str | None, by: str) -> Settings:
    """Unset the settings; what they were. ConfigMissing."""
    with registry.store.transaction() as tx:
        was = records.read_settings(tx, subject)
        if was is None and subject is not None:
            raise ConfigMissing(f"Subject '{subject}' does not have subject-level compatibility configured")
        was = was or records.effective_settings(tx, None)
        tx.erase(records.CONFIG, records.key(subject))
        tell(tx, registry, by, "schema.configured", subject, {})
        return was


def mode(registry: Registry, subject: str | None, *, or_global: bool) -> Mode:
    """The mode that is set, or with `or_global` the one that holds. ModeMissing when none is set."""
    with registry.store.transaction(read_only=True) as tx:
        own = records.read_mode(tx, subject)
        if subject is None or or_global:
            return effective_mode(records.read_mode(tx, None), own)
    if own is None:
        raise ModeMissing(f"Subject '{subject}' does not have subject-level mode configured")
    return own


def set_mode(registry: Registry, subject: str | None, chosen: Mode, by: str, *, force: bool) -> None:
    """NotPermitted: IMPORT wants an empty subject (or registry), unless forced."""
    with registry.store.transaction() as tx:
        if chosen is Mode.IMPORT and not force:
            there = records.read_subjects(tx) if subject is None else [records.read_subject(tx, subject)]
            if any(s.is_live for s in there):
                raise NotPermitted("Cannot import since found existing subjects", remedy="Use force=true.")
        tx.write(records.MODE, records.key(subject), {"mode": chosen})
        tell(tx, registry, by, "schema.mode", subject, {"mode": chosen})


def delete_mode(registry: Registry, subject: str | None, by: str) -> Mode:
    """Unset the mode; what it was. ModeMissing."""
    with registry.store.transaction() as tx:
        was = records.read_mode(tx, subject)
        if was is None and subject is not None:
            raise ModeMissing(f"Subject '{subject}' does not have subject-level mode configured")
        tx.erase(records.MODE, records.key(subject))
        tell(tx, registry, by, "schema.mode", subject, {})
        return was or Mode.READWRITE
