"""A user's system for journeys: a workspace on disk, services, the control plane as a process, callers."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.echo import Echo, free_port, serving

WORKSPACE = """\
kind: Workspace
name: shop
people:
  ana: {{roles: [change-sponsor]}}
  ben: {{roles: [data-steward, model-validator]}}
  cleo: {{roles: [service-owner]}}
  eve: {{}}
addresses: {{edge: "127.0.0.1:{edge}", inner: "127.0.0.1:{inner}", api: "127.0.0.1:{api}"}}
---
kind: Service
name: front
owner: cleo
serving: "1"
edge: true
replay: all
calls: [scoring]
timeout_s: 2s
versions: {{"1": {{endpoints: ["{front}"]}}}}
---
kind: Service
name: scoring
owner: cleo
serving: "1"
edge: true
health: /health
timeout_s: 2s
callers: {{request: amounts@1}}
versions:
  "1": {{endpoints: ["{scoring_1}"], request: amounts@1, model: risk@1}}
  "2": {{endpoints: ["{scoring_2}"], request: amounts@2, model: risk@2}}
---
kind: Model
name: risk
owner: ben
serving: "1"
versions: {{"1": {{uri: risk-1}}, "2": {{uri: risk-2}}}}
---
kind: Lens
contract: amounts
from: "1"
to: "2"
ops:
  - rename: {{from: cents, to: amount_cents}}
---
kind: Change
name: better
why: a better model
author: eve
sponsor: ana
moves: [{{service: scoring, to: "2"}}, {{model: risk, to: "2"}}, {{contract: amounts, to: "2"}}]
gates: [{{metric: errors, service: scoring, margin: 10%}}, {{metric: latency, service: scoring, margin: 60%}}]
steps: {{canary: [20%, 50%], dwell_s: 2s, warmup_s: 1s, bake_s: 1s}}
"""

CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: amounts-{version}
name: amounts
version: "{version}"
status: active
schema:
  - name: amounts
    logicalType: object
    properties:
      - {{name: {field}, logicalType: integer, required: true}}
"""


@dataclass
class Journey:
    """Everything of one journey; `answers` is what the callers got, newest last."""

    root: Path
    ports: dict[str, int]
    services: dict[str, Echo]
    process: subprocess.Popen[str] | None = None
    answers: list[tuple[int, str]] = field(default_factory=list)

    def up(self, *options: str) -> dict[str, str]:
        """Start the control plane and wait until it says that it is ready."""
        with (self.root / "up.err").open("a") as told:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "interlock", "-C", str(self.root), "up", "-o", "json", *options],
                stdout=subprocess.PIPE,
                stderr=told,
                text=True,
                start_new_session=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, (self.root / "up.err").read_text()
        ready: dict[str, str] = json.loads(line)["ready"]
        return ready

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> None:
        """End the control plane; SIGKILL leaves Envoy as a crash would."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.process.send_signal(sign)
            self.process.wait(30)
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None

    def run(self, *arguments: str, person: str = "") -> tuple[int, str]:
        """One command as a user types it: exit code and everything it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "interlock", "-C", str(self.root), *arguments],
            capture_output=True,
            text=True,
            timeout=180,
            env={**os.environ, "INTERLOCK_PERSON": person},
        )
        return done.returncode, done.stdout + done.stderr

    def json(self, *arguments: str, person: str = "") -> Any:
        """One command with --output json, which must succeed."""
        code, printed = self.run(*arguments, "-o", "json", person=person)
        assert code == 0, printed
        return json.loads(printed)

    def approve_all(self) -> None:
        for requirement in self.json("plan", "better")["missing"]:
            self.json("approve", "better", "--role", requirement["role"], person=requirement["holders"][0])

    def status(self) -> Any:
        return self.json("status")

    def envoy_pid(self) -> int | None:
        """Of the Envoy that is written down; None while none is, as between two of them."""
        try:
            pid: int = json.loads((self.root / ".interlock/envoy/process.json").read_text())["pid"]
        except FileNotFoundError:
            return None
        return pid

    @contextmanager
    def callers(self, path: str = "/front/buy", per_s: int = 120) -> Iterator[None]:
        """Callers at the edge, one key after another, until the block ends."""
        done = threading.Event()
        thread = threading.Thread(target=self._call, args=(path, per_s, done))
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _call(self, path: str, per_s: int, done: threading.Event) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["edge"], timeout=10)
        number = 0
        while not done.wait(1 / per_s):
            number += 1
            try:
                headers = {"content-type": "application/json", "x-entity-key": f"k{number % 997}"}
                connection.request("POST", path, b'{"cents": 5}', headers)
                answer = connection.getresponse()
                answer.read()
                self.answers.append((answer.status, answer.getheader("x-interlock-release") or ""))
            except (OSError, http.client.HTTPException) as fault:
                self.answers.append((599, str(fault)))
                connection.close()
        connection.close()

    def until(self, holds: Callable[[], bool], seconds: float = 60) -> None:
        """Wait for a condition; the deadline is a failure, told with the status."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, self.run("status")
            threading.Event().wait(0.1)


@contextmanager
def journey(root: Path) -> Iterator[Journey]:
    """A journey with its services answering; whatever it started is ended with the block."""
    ports = {name: free_port() for name in ("edge", "inner", "api")}
    services = {name: Echo(name) for name in ("scoring_1", "scoring_2", "front")}
    with ExitStack() as stack:
        for echo in services.values():
            stack.enter_context(serving(echo))
        services["front"].calls.append((ports["inner"], "/scoring/score"))
        endpoints = {name: echo.endpoint for name, echo in services.items()}
        (root / "interlock.yaml").write_text(WORKSPACE.format(**ports, **endpoints))
        for version, named in (("1", "cents"), ("2", "amount_cents")):
            (root / f"amounts-{version}.odcs.yaml").write_text(CONTRACT.format(version=version, field=named))
        made = Journey(root, ports, services)
        try:
            yield made
        finally:
            made.stop()
            with suppress(ProcessLookupError, KeyError, ValueError):
                if (pid := made.envoy_pid()) is not None:
                    os.kill(pid, signal.SIGKILL)


@contextmanager
def starting(root: Path) -> Iterator[Journey]:
    """What `interlock init` and a page wrote into `root`, with its fixed addresses replaced by free ones and its
    services answering; not yet started, and ended with the block.
    """
    echoes = {port: Echo(port) for port in ("9101", "9111", "9112")}
    with ExitStack() as stack:
        for echo in echoes.values():
            stack.enter_context(serving(echo))
        ports = {name: free_port() for name in ("edge", "inner", "api")}
        replaced = {"10000": ports["edge"], "10001": ports["inner"], "8400": ports["api"]}
        replaced |= {port: echo.port for port, echo in echoes.items()}
        for path in root.rglob("*.yaml"):
            text = path.read_text()
            for before, after in replaced.items():
                text = text.replace(f"127.0.0.1:{before}", f"127.0.0.1:{after}")
            path.write_text(text)
        made = Journey(root, ports, {})
        try:
            yield made
        finally:
            made.stop()
