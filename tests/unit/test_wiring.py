"""What `interlock up` puts together."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from interlock.config import RegistrySettings, Settings
from interlock.wiring import AlreadyUp, ControlPlane, PortTaken, SchemaRegistry
from support.echo import free_port


def settings(workspace: Path) -> Settings:
    api, edge, inner = (("127.0.0.1", free_port()) for _ in range(3))
    return Settings(workspace, f"sqlite:///{workspace / '.interlock' / 'state.db'}", api, edge, inner)


def test_a_workspace_has_one_control_plane(tmp_path: Path) -> None:
    """A second one, at whatever addresses, would take the proxy from the first; once that is closed, it starts."""
    first = ControlPlane(settings(tmp_path))
    with pytest.raises(AlreadyUp, match=str(tmp_path)):
        ControlPlane(settings(tmp_path))
    first.close(keep_proxy=True)
    ControlPlane(settings(tmp_path)).close(keep_proxy=True)


def test_a_taken_port_is_told_with_the_option_that_chooses_another(tmp_path: Path) -> None:
    """That of the command that was typed."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()
        with pytest.raises(PortTaken, match="cannot listen") as registry:
            SchemaRegistry(RegistrySettings(tmp_path, "sqlite://", taken))
        with pytest.raises(PortTaken) as plane:
            ControlPlane(replace(settings(tmp_path), api=taken))
    assert "--listen" in registry.value.remedy
    assert "--api" in plane.value.remedy
