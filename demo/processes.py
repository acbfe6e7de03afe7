"""The services as separate processes: started side by side, awaited, ended by their ids."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

HOST = "127.0.0.1"
STOP_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Instance:
    """One service at one version, and where it will listen."""

    service: str
    version: str
    port: int

    @property
    def placeholder(self) -> str:
        """Its name in the workspace template."""
        return f"{self.service.replace('-', '_')}_{self.version}"

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def module(self) -> str:
        return f"demo.services.{self.service.replace('-', '_')}"


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, all different, from below the range of outgoing connections, so that
    none of those takes one before its owner listens (Linux: net.ipv4.ip_local_port_range).
    """
    first, end = 20_000, 32_000
    start = first + os.getpid() * 37 % (end - first)
    candidates = itertools.chain(range(start, end), range(first, start))
    return list(itertools.islice(filter(is_free, candidates), count))


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def is_healthy(address: str, path: str = "/health") -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=1) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


class Processes:
    """A context in which processes run; on leaving it, by Ctrl-C too, each is ended by its id.

    They have sessions of their own, so that Ctrl-C reaches the demo alone, which then ends them in order.
    """

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Processes:
        self.logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.stop()

    def start(self, name: str, command: Sequence[str], environment: dict[str, str] | None = None) -> None:
        """Run `command`; what it prints goes to `<name>.log`."""
        with (self.logs / f"{name}.log").open("wb") as log:
            self.running[name] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | (environment or {}),
                start_new_session=True,
            )

    def start_service(
        self, instance: Instance, inner: str, models: Path, environment: dict[str, str] | None = None
    ) -> None:
        command = [sys.executable, "-m", instance.module, "--version", instance.version]
        command += ["--port", str(instance.port), "--inner", inner, "--models", str(models)]
        # One thread per process: on two cores, thread pools of numerical libraries only get in the way.
        self.start(
            f"{instance.service}-{instance.version}", command, {"OMP_NUM_THREADS": "1"} | (environment or {})
        )

    def wait_healthy(self, addresses: Sequence[str], patience_s: float = 60.0) -> None:
        """Until every address answers /health; RuntimeError with the log of a process that ended instead."""
        waiting, deadline = list(addresses), time.monotonic() + patience_s
        while waiting := [address for address in waiting if not is_healthy(address)]:
            self.check_alive()
            if time.monotonic() > deadline:
                raise RuntimeError(f"not healthy after {patience_s:.0f} s: {', '.join(waiting)}")
            time.sleep(0.05)

    def check_alive(self) -> None:
        for name, process in self.running.items():
            if process.poll() is not None:
                log = (self.logs / f"{name}.log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{name} ended with status {process.returncode}:\n{log}")

    def stop(self) -> None:
        """End what still runs, the last started first; what does not listen is killed."""
        ending = [p for p in reversed(self.running.values()) if p.poll() is None]
        for process in ending:
            process.terminate()
        deadline = time.monotonic() + STOP_PATIENCE_S
        for process in ending:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.running.clear()
