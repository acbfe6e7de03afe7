"""Settings of a control plane: read once, here, and passed down as plain values."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from interlock.kernel.errors import Invalid

STATE_DIR = ".interlock"


class AddressInvalid(Invalid):
    """An address is not host:port."""

    code = "address.invalid"


@dataclass(frozen=True, slots=True)
class Settings:
    """Where a control plane keeps its state and listens.

    edge: where outside callers come in; inner: where services call one another; api: the control plane itself.
    block_s: length of a block of evidence, seconds. concurrency: Envoy's worker threads.
    """

    workspace: Path
    store: str
    api: tuple[str, int]
    edge: tuple[str, int]
    inner: tuple[str, int]
    block_s: float = 1.0
    concurrency: int = 2

    @property
    def state_dir(self) -> Path:
        return self.workspace / STATE_DIR


def settings(workspace: Path, declared: Mapping[str, str], given: Mapping[str, Any]) -> Settings:
    """What was given (flags, environment) wins over what the workspace declares (`api`, `edge`, `inner`)."""
    at = {name: given.get(name) or declared[name] for name in ("api", "edge", "inner")}
    return Settings(
        workspace=workspace,
        store=given.get("store") or f"sqlite:///{workspace / STATE_DIR / 'state.db'}",
        api=address(at["api"]),
        edge=address(at["edge"]),
        inner=address(at["inner"]),
        block_s=given.get("block_s") or 1.0,
        concurrency=given.get("concurrency") or 2,
    )


class OpenToStrangers(Invalid):
    """A server without tokens may be reached from this machine alone."""

    code = "address.open_to_strangers"


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """Where a schema registry keeps its state and listens. is_open: nobody needs a token."""

    state_dir: Path
    store: str
    listen: tuple[str, int]
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """How a relay reads: key: what order and share go by (empty: as the broker has it); start: where without a
    cursor; body_limit: bytes of a body; metrics: where they are served, None for nowhere.
    """

    key: str = ""
    start: Literal["earliest", "latest"] = "earliest"
    body_limit: int = 1_048_576
    metrics: tuple[str, int] | None = None


def registry_settings(workspace: Path, listen: str, store: str | None, *, is_open: bool) -> RegistrySettings:
    """The registry shares the control plane's state unless `store` names another one. OpenToStrangers."""
    state_dir = workspace / STATE_DIR
    at = address(listen)
    if is_open and not _is_loopback(at[0]):
        raise OpenToStrangers(
            f"without tokens, everybody who reaches {listen} could register and delete schemas",
            remedy="Listen on 127.0.0.1, or leave out --no-auth.",
        )
    return RegistrySettings(state_dir, store or f"sqlite:///{state_dir / 'state.db'}", at, is_open)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def address(text: str) -> tuple[str, int]:
    """(host, port) of `host:port`; AddressInvalid otherwise."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65_536:
        raise AddressInvalid(f"{text!r} is not host:port", remedy="Write it like 127.0.0.1:8701.")
    return host.strip("[]"), int(port)
