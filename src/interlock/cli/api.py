"""The command line's way to the control plane: plain HTTP with the stored token."""

from __future__ import annotations

import http.client
import json
import os
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from interlock.config import STATE_DIR
from interlock.kernel.errors import InterlockError, Invalid, Unavailable


class ControlPlaneSilent(Unavailable):
    """The control plane does not answer."""

    code = "control_plane.silent"


class RequestUnsendable(Invalid):
    """The control plane's address, the person or the token has characters that no request can carry."""

    code = "request.unsendable"


class Problem(InterlockError):
    """What the control plane answered instead of doing it; an instance carries its code and exit code."""

    code = "control_plane.answered"

    def __init__(self, body: dict[str, Any]) -> None:
        known = {"type", "title", "status", "detail", "remedy", "where", "exit_code"}
        details = {k: v for k, v in body.items() if k not in known}
        super().__init__(
            body.get("detail", "no reason given"),
            remedy=body.get("remedy", ""),
            where=body.get("where", ""),
            **details,
        )
        self.code = body.get("title", "http.error")  # type: ignore[misc]  # the server's code, not this class's
        self.exit_code = body.get("exit_code", 1)  # type: ignore[misc]  # likewise


class Api:
    """One control plane. The address and the token come from the environment, or from the workspace's state."""

    def __init__(self, workspace: Path, person: str | None = None) -> None:
        state = find_state(workspace)
        self.address = os.environ.get("INTERLOCK_API") or _first_line(state / "api")
        self.token = os.environ.get("INTERLOCK_TOKEN") or _first_line(state / "token")
        self.person = person or os.environ.get("INTERLOCK_PERSON")

    def get(self, path: str) -> Any:
        return self.call("GET", path)

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        return self.call("POST", path, body or {})

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """The JSON answer; Problem when the control plane says no, ControlPlaneSilent when it does not answer."""
        status, raw = self.raw(method, path, body)
        try:
            answer = json.loads(raw)
        except ValueError as fault:
            raise ControlPlaneSilent(f"{self.address} answered {status}, not JSON") from fault
        if status >= 400:
            if not isinstance(answer, dict) or "title" not in answer:
                raise ControlPlaneSilent(
                    f"{self.address} answered {status}, and not as a control plane does",
                    remedy="Check INTERLOCK_API.",
                )
            raise Problem(answer)
        return answer

    def raw(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, bytes]:
        """Status and bytes of the answer."""
        if not self.address or not self.token:
            raise ControlPlaneSilent(
                "there is no running control plane here",
                remedy="Start it with `interlock up`, or set INTERLOCK_API.",
            )
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        if self.person:
            headers["interlock-person"] = self.person
        try:
            return self._sent(method, "/v1" + path, json.dumps(body) if body is not None else None, headers)
        except (OSError, http.client.HTTPException) as fault:
            raise ControlPlaneSilent(
                f"the control plane at {self.address} does not answer ({fault})",
                remedy="Start it with `interlock up`.",
            ) from fault
        except ValueError as fault:  # its text may hold the token
            raise RequestUnsendable(
                "the address, the person or the token has characters that no request can carry",
                remedy="Check --as, INTERLOCK_API, INTERLOCK_PERSON and INTERLOCK_TOKEN.",
            ) from fault

    def _sent(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> tuple[int, bytes]:
        at = urlsplit(self.address)
        make = http.client.HTTPSConnection if at.scheme == "https" else http.client.HTTPConnection
        with closing(make(at.hostname or "", at.port, timeout=60)) as connection:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()


def find_state(workspace: Path) -> Path:
    """The state directory of the workspace that `workspace` is in, looking upward."""
    for folder in (workspace.resolve(), *workspace.resolve().parents):
        if (folder / STATE_DIR).is_dir():
            return folder / STATE_DIR
    return workspace / STATE_DIR


def part(name: str) -> str:
    """`name` as one path segment."""
    return quote(name, safe="")


def _first_line(path: Path) -> str:
    return path.read_text().strip() if path.is_file() else ""
