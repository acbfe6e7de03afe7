"""Settings of a registry and of its subjects: compatibility and mode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

from interlock.domain.registry.extras import wrong_metadata, wrong_rules
from interlock.domain.registry.faults import (
    LevelInvalid,
    ModeInvalid,
    NotPermitted,
    SettingInvalid,
    SettingUnsupported,
)
from interlock.domain.registry.schema import Schema
from interlock.domain.schemas.modes import Mode as Level


class Mode(StrEnum):
    """What may be written. READONLY_OVERRIDE, set for all, wins over what subjects have set."""

    READWRITE = "READWRITE"
    READONLY = "READONLY"
    READONLY_OVERRIDE = "READONLY_OVERRIDE"
    IMPORT = "IMPORT"

    @classmethod
    def of(cls, text: object) -> Mode:
        try:
            return cls(str(text).upper())
        except ValueError:
            raise ModeInvalid(
                f"Invalid mode. Valid values are {', '.join(cls)}", remedy=f"Got {str(text)[:40]!r}."
            ) from None


def effective_mode(everywhere: Mode | None, own: Mode | None) -> Mode:
    """The mode that holds for a subject."""
    if everywhere is Mode.READONLY_OVERRIDE:
        return Mode.READONLY_OVERRIDE
    return own or everywhere or Mode.READWRITE


def require_writable(mode: Mode, subject: str) -> None:
    """NotPermitted in a read-only mode."""
    if mode in (Mode.READONLY, Mode.READONLY_OVERRIDE):
        raise NotPermitted(f"Subject {subject} is in read-only mode", remedy="Set its mode to READWRITE.")


@dataclass(frozen=True, slots=True)
class Settings:
    """Compatibility settings, as far as they are set: None or empty when they are not.

    group: the metadata property whose value divides versions into groups that need not go together. policy: STRICT
    (the default) or LENIENT. default_* and override_* are merged into each schema that is registered.
    """

    level: Level | None = None
    normalize: bool | None = None
    group: str = ""
    policy: str = ""
    default_metadata: Mapping[str, Any] = field(default_factory=dict)
    override_metadata: Mapping[str, Any] = field(default_factory=dict)
    default_rule_set: Mapping[str, Any] = field(default_factory=dict)
    override_rule_set: Mapping[str, Any] = field(default_factory=dict)

    def over(self, below: Settings) -> Settings:
        """These settings, with what they leave open taken from `below`."""
        chosen = {}
        for each in fields(self):
            mine = getattr(self, each.name)
            chosen[each.name] = getattr(below, each.name) if mine in (None, "", {}) else mine
        return Settings(**chosen)

    @property
    def is_lenient(self) -> bool:
        return self.policy == "LENIENT"

    def applied(self, schema: Schema) -> Schema:
        """`schema` with the metadata and rules that these settings add."""
        metadata = merged(merged(self.default_metadata, schema.metadata), self.override_metadata)
        rules = _rules(_rules(self.default_rule_set, schema.rule_set), self.override_rule_set)
        return Schema(schema.type, schema.text, schema.references, metadata, rules)


DEFAULTS = Settings(level=Level.BACKWARD)
"""What holds where nothing is set."""

_NAMES = {
    "compatibilityLevel": "level",
    "normalize": "normalize",
    "compatibilityGroup": "group",
    "compatibilityPolicy": "policy",
    "defaultMetadata": "default_metadata",
    "overrideMetadata": "override_metadata",
    "defaultRuleSet": "default_rule_set",
    "overrideRuleSet": "override_rule_set",
}


def settings_of(body: Mapping[str, Any]) -> Settings:
    """Settings from a request of the REST API. LevelInvalid, SettingUnsupported, SettingInvalid."""
    given = {k: v for k, v in body.items() if v is not None and v not in ("", {}, [])}
    if "compatibility" in given:
        given["compatibilityLevel"] = given.pop("compatibility")
    if unknown := sorted(given.keys() - _NAMES):
        raise SettingUnsupported(
            f"The setting {', '.join(unknown)} is not supported here", remedy=f"There is: {', '.join(_NAMES)}."
        )
    chosen = {_NAMES[k]: v for k, v in given.items()}
    if "level" in chosen:
        chosen["level"] = _level(chosen["level"])
    if "policy" in chosen:
        chosen["policy"] = _policy(chosen["policy"])
    for name, value in given.items():
        if says := _wrong(_NAMES[name], value):
            raise SettingInvalid(f"The setting {name} is not valid: {says}")
    return Settings(**chosen)


def _wrong(setting: str, value: object) -> str:
    """What is wrong with the value of a setting; empty when nothing is."""
    match setting:
        case "normalize":
            return "" if isinstance(value, bool) else "it is true or false"
        case "group":
            return "" if isinstance(value, str) else "it names a property"
        case "default_metadata" | "override_metadata":
            return wrong_metadata(value)
        case "default_rule_set" | "override_rule_set":
            return wrong_rules(value)
        case _:
            return ""


def body_of(settings: Settings) -> dict[str, Any]:
    """As the REST API shows them; what is not set is left out."""
    shown = {name: getattr(settings, attribute) for name, attribute in _NAMES.items()}
    return {name: value for name, value in shown.items() if value not in (None, "", {})}


def _level(text: object) -> Level:
    try:
        return Level(str(text).upper())
    except ValueError:
        allowed = ", ".join(level.value for level in Level)
        raise LevelInvalid(f"Invalid compatibility level. Valid values are {allowed}") from None


def _policy(text: object) -> str:
    if str(text).upper() not in ("STRICT", "LENIENT"):
        raise LevelInvalid("Invalid compatibility policy. Valid values are STRICT, LENIENT")
    return str(text).upper()


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata of two places: entries of `above` win, lists are joined."""
    found = dict(below)
    for key, value in above.items():
        match found.get(key), value:
            case dict() as first, dict():
                found[key] = first | value
            case list() as first, list():
                found[key] = sorted({*first, *value})
            case _:
                found[key] = value
    return found


def _rules(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Rules of two places, by name; those of `above` win."""
    found = dict(below)
    for kind, value in above.items():
        if isinstance(value, list) and isinstance(found.get(kind), list):
            named = {rule.get("name"): rule for rule in (*found[kind], *value)}
            found[kind] = list(named.values())
        else:
            found[kind] = value
    return found
