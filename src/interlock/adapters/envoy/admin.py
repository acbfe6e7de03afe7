"""Envoy's admin interface over a Unix socket: no port to clash with, and only this user can reach it."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import socket
import tempfile
import threading
from pathlib import Path
from typing import Any

from interlock.kernel.errors import Unavailable

_SUN_PATH_BYTES = 100
"""Socket paths longer than about this do not fit `sockaddr_un` (108 on Linux, 104 on macOS)."""


class EnvoySilent(Unavailable):
    """Envoy does not answer on its admin socket."""

    code = "envoy.silent"


def socket_path(directory: Path) -> Path:
    """Where the admin socket of the Envoy with this state directory is: in it, or, when that path is too long for
    a socket, in a private directory named by its digest.
    """
    near = directory / "admin.sock"
    if len(os.fsencode(near)) <= _SUN_PATH_BYTES:
        return near
    name = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"interlock-{os.getuid()}-{name}" / "admin.sock"


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.settimeout(self.timeout)
        try:
            made.connect(str(self._path))
        except BaseException:
            made.close()
            raise
        self.sock = made


class Admin:
    """One kept connection, used by one thread at a time."""

    def __init__(self, path: Path, timeout_s: float = 5.0) -> None:
        self.path = path
        self._connection = _UnixConnection(path, timeout_s)
        self._lock = threading.Lock()

    def get(self, target: str) -> bytes:
        """The body that `target` answers; EnvoySilent when it does not."""
        return self._ask("GET", target)

    def post(self, target: str) -> bytes:
        return self._ask("POST", target)

    def json(self, target: str) -> Any:
        return json.loads(self.get(target))

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _ask(self, method: str, target: str) -> bytes:
        with self._lock:
            was_open = self._connection.sock is not None
            try:
                return self._exchange(method, target)
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                if not was_open:
                    raise self._silent(error) from error
            try:  # a kept connection may have been closed, or belong to an Envoy that is gone
                return self._exchange(method, target)
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                raise self._silent(error) from error

    def _exchange(self, method: str, target: str) -> bytes:
        self._connection.request(method, target)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise http.client.HTTPException(f"{method} {target}: {answer.status} {body[:200]!r}")
        return body

    def _silent(self, error: Exception) -> EnvoySilent:
        return EnvoySilent(f"Envoy does not answer on {self.path}: {error or type(error).__name__}")
