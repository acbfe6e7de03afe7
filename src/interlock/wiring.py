"""The composition root: the only module that names both a port and its adapter."""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

import uvicorn

from interlock.adapters.clock import SystemClock
from interlock.adapters.databases.open import DeclaredDatabases
from interlock.adapters.envoy.plane import EnvoyDataPlane
from interlock.adapters.metrics.open import Sources
from interlock.adapters.probe import HttpProbe
from interlock.adapters.registry_api.app import build_registry
from interlock.adapters.registry_api.speaker import anybody, token_holder
from interlock.adapters.schemas.table_moves import MigrationWriter
from interlock.adapters.store.sql import open_store
from interlock.adapters.web.app import build_app
from interlock.adapters.workspace.loader import WorkspaceFiles
from interlock.config import RegistrySettings, Settings
from interlock.engine.context import Context
from interlock.engine.migration_runner import Office, Runner
from interlock.engine.reconcile import Loop
from interlock.engine.registry import Registry
from interlock.engine.releases import adopt_declared
from interlock.engine.tokens import OPERATOR, keep_token
from interlock.kernel.errors import Unavailable

TOKEN_FILE = "token"
API_FILE = "api"
LOCK_FILE = "up.lock"
REGISTRY_PATH = "/registry"
"""Below the control plane's address: what `interlock contract serve` answers alone."""


class PortTaken(Unavailable):
    """Something else listens where the API should."""

    code = "port.taken"


class AlreadyUp(Unavailable):
    """Another control plane runs in the same workspace."""

    code = "control_plane.already_up"


class ControlPlane:
    """Everything that `interlock up` starts: store, API, proxy, loop. `serve` blocks until stopped."""

    def __init__(self, settings: Settings, report: Callable[[str], None] = print) -> None:
        self.settings = settings
        self.report = report
        settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = _claim(settings.state_dir / LOCK_FILE)
        try:
            self._socket = _listen(settings.api, "--api")
        except PortTaken:
            self._lock.close()
            raise
        self.context = Context(
            store=open_store(settings.store),
            plane=EnvoyDataPlane(
                settings.state_dir / "envoy",
                edge=settings.edge,
                inner=settings.inner,
                concurrency=settings.concurrency,
            ),
            probe=HttpProbe(),
            workspaces=WorkspaceFiles(settings.workspace),
            clock=SystemClock(),
            block_s=settings.block_s,
            sources=Sources(),
            databases=databases_of(settings.workspace),
            renderer=MigrationWriter(settings.workspace),
        )
        self._loop = Loop(self.context, report)
        self._stop = threading.Event()
        app = build_app(self.context)
        app.mount(REGISTRY_PATH, build_registry(Registry(self.context.store, self.context.clock)))
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off"))

    def prepare(self) -> None:
        """Bring what serves in line with the declarations, keep the operator's token, start the proxy."""
        adopt_declared(self.context)
        token = operator_token(self.settings.state_dir)
        keep_token(self.context, token, OPERATOR, by="interlock")
        self._loop.tick()
        host, port = self._socket.getsockname()[:2]
        _write(self.settings.state_dir / API_FILE, f"http://{host}:{port}", mode=0o644)

    def serve(self) -> None:
        """Answer the API and reconcile until interrupted or terminated."""
        thread = threading.Thread(target=self._loop.run, args=(self._stop,), name="reconcile")
        try:
            thread.start()
            self._server.run(sockets=[self._socket])
        finally:
            self._stop.set()
            self.context.wake.set()
            if thread.ident is not None:
                thread.join()

    def close(self, *, keep_proxy: bool) -> None:
        """Stop the proxy (unless it is to keep serving), and let go of the store."""
        self._loop.close()
        if not keep_proxy:
            self.context.plane.stop()
        self.context.store.close()
        self._socket.close()
        with suppress(FileNotFoundError):
            (self.settings.state_dir / API_FILE).unlink()
        self._lock.close()


class SchemaRegistry:
    """Everything that `interlock contract serve` starts: store and API. `serve` blocks until stopped."""

    def __init__(self, settings: RegistrySettings) -> None:
        settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._socket = _listen(settings.listen, "--listen")
        try:
            self.registry = Registry(open_store(settings.store), SystemClock())
        except BaseException:
            self._socket.close()
            raise
        if not settings.is_open:
            keep_token(self.registry, operator_token(settings.state_dir), OPERATOR, by="interlock")
        app = build_registry(self.registry, anybody if settings.is_open else token_holder)
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off"))

    def serve(self) -> None:
        """Answer until interrupted or terminated."""
        self._server.run(sockets=[self._socket])

    def close(self) -> None:
        self.registry.store.close()
        self._socket.close()


def databases_of(workspace: Path) -> DeclaredDatabases:
    """The databases that a workspace declares."""
    return DeclaredDatabases(lambda: WorkspaceFiles(workspace).load()[0].databases, workspace)


def migration_runner(workspace: Path, office: Office, name: str) -> Runner:
    """What `interlock migration run` starts; others are told that `name` is at it."""
    return Runner(databases_of(workspace), office, SystemClock(), name)


def operator_token(state_dir: Path) -> str:
    """The operator's token; created at the first start, readable by its owner alone."""
    path = state_dir / TOKEN_FILE
    if not path.exists():
        _write(path, secrets.token_urlsafe(32), mode=0o600)
    return path.read_text().strip()


def _write(path: Path, text: str, mode: int) -> None:
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as out:
        out.write(text + "\n")
    fresh.replace(path)


def _claim(path: Path) -> IO[str]:
    """The lock file of a workspace, held until it is closed or the process ends in whatever way: two control planes
    would take the proxy from one another. AlreadyUp.
    """
    held = path.open("w")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as fault:
        held.close()
        raise AlreadyUp(
            f"another control plane runs in {path.parent.parent}", remedy="Stop it first, or use it."
        ) from fault
    return held


def _listen(at: tuple[str, int], option: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in at[0] else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(at)
        listener.listen(128)
    except OSError as fault:
        listener.close()
        raise PortTaken(
            f"the API cannot listen at {at[0]}:{at[1]} ({fault.strerror})",
            remedy=f"Is another control plane running? Choose another address with {option}.",
        ) from fault
    return listener
