"""Compatibility settings and modes, for all subjects and for one."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body

from interlock.adapters.registry_api.bodies import ModeBody
from interlock.adapters.registry_api.speaker import Desk, Speaker
from interlock.adapters.registry_api.subjects import Named
from interlock.domain.registry.settings import Mode, body_of, settings_of
from interlock.engine import registry_settings as use

routes = APIRouter()

Given = Annotated[dict[str, Any], Body(examples=[{"compatibility": "FULL"}])]


@routes.get("/config", tags=["config"])
def config(desk: Desk) -> dict[str, Any]:
    """Settings that hold where a subject has none."""
    return body_of(use.config(desk, None, or_global=True))


@routes.put("/config", tags=["config"])
def set_config(given: Given, desk: Desk, person: Speaker) -> dict[str, Any]:
    """Change the settings for all; answers what was sent."""
    use.set_config(desk, None, settings_of(given), person)
    return given


@routes.delete("/config", tags=["config"])
def delete_config(desk: Desk, person: Speaker) -> dict[str, Any]:
    """Back to BACKWARD; answers what was set."""
    return body_of(use.delete_config(desk, None, person))


@routes.get("/config/{subject}", tags=["config"])
def subject_config(subject: Named, desk: Desk, defaultToGlobal: bool = False) -> dict[str, Any]:
    """A subject's own settings."""
    return body_of(use.config(desk, subject, or_global=defaultToGlobal))


@routes.put("/config/{subject}", tags=["config"])
def set_subject_config(subject: Named, given: Given, desk: Desk, person: Speaker) -> dict[str, Any]:
    """Change a subject's settings; answers what was sent."""
    use.set_config(desk, subject, settings_of(given), person)
    return given


@routes.delete("/config/{subject}", tags=["config"])
def delete_subject_config(subject: Named, desk: Desk, person: Speaker) -> dict[str, Any]:
    """Unset a subject's settings; answers what was set."""
    return body_of(use.delete_config(desk, subject, person))


@routes.get("/mode", tags=["mode"])
def mode(desk: Desk) -> dict[str, str]:
    """The mode that holds where a subject has none."""
    return {"mode": use.mode(desk, None, or_global=True)}


@routes.put("/mode", tags=["mode"])
def set_mode(given: ModeBody, desk: Desk, person: Speaker, force: bool = False) -> dict[str, str]:
    """Change the mode for all."""
    use.set_mode(desk, None, Mode.of(given.mode), person, force=force)
    return {"mode": Mode.of(given.mode)}


@routes.delete("/mode", tags=["mode"])
def delete_mode(desk: Desk, person: Speaker) -> dict[str, str]:
    """Back to READWRITE; answers what was set."""
    return {"mode": use.delete_mode(desk, None, person)}


@routes.get("/mode/{subject}", tags=["mode"])
def subject_mode(subject: Named, desk: Desk, defaultToGlobal: bool = False) -> dict[str, str]:
    """A subject's own mode."""
    return {"mode": use.mode(desk, subject, or_global=defaultToGlobal)}


@routes.put("/mode/{subject}", tags=["mode"])
def set_subject_mode(
    subject: Named, given: ModeBody, desk: Desk, person: Speaker, force: bool = False
) -> dict[str, str]:
    """Change a subject's mode."""
    use.set_mode(desk, subject, Mode.of(given.mode), person, force=force)
    return {"mode": Mode.of(given.mode)}


@routes.delete("/mode/{subject}", tags=["mode"])
def delete_subject_mode(subject: Named, desk: Desk, person: Speaker) -> dict[str, str]:
    """Unset a subject's mode; answers what was set."""
    return {"mode": use.delete_mode(desk, subject, person)}
