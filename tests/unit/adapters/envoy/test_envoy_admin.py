"""The admin socket: where it is, and what silence looks like."""

from __future__ import annotations

from pathlib import Path

import pytest

from interlock.adapters.envoy.admin import Admin, EnvoySilent, socket_path


def test_a_short_directory_holds_its_socket() -> None:
    """Beside the other files."""
    assert socket_path(Path("/var/lib/interlock")) == Path("/var/lib/interlock/admin.sock")


def test_a_long_directory_has_its_socket_elsewhere() -> None:
    """A socket's path has a limit; the place is short, stable, and another one for another directory."""
    long = Path("/" + "x" * 120)
    assert len(str(socket_path(long))) < 100
    assert socket_path(long) == socket_path(long) != socket_path(Path("/" + "y" * 120))


def test_silence_is_unavailable(tmp_path: Path) -> None:
    """Nothing listens there."""
    with pytest.raises(EnvoySilent, match=r"does not answer on .*nothing\.sock") as caught:
        Admin(tmp_path / "nothing.sock").get("/stats")
    assert caught.value.family == "unavailable"
