"""How long a person waits: CPU of `interlock --help`, and seconds until `interlock up` is ready, from nothing."""

from __future__ import annotations

import json
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.rig import free_port, table

from interlock.adapters.workspace.template import write_template

INTERLOCK = [sys.executable, "-m", "interlock"]


def run(quick: bool = False) -> dict[str, Any]:
    """Medians of several starts; a start of `up` includes the store's first migration and Envoy."""
    times = 3 if quick else 7
    return {
        "help_cpu_s": statistics.median(_help_cpu_s() for _ in range(times)),
        "up_ready_s": statistics.median(_up_ready_s() for _ in range(times)),
    }


def _help_cpu_s() -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([*INTERLOCK, "--help"], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def _up_ready_s() -> float:
    with tempfile.TemporaryDirectory(prefix="il") as place:
        write_template(Path(place))
        at = [f"--{name}=127.0.0.1:{free_port()}" for name in ("api", "edge", "inner")]
        began = time.monotonic()
        command = [*INTERLOCK, "-C", place, "up", "-o", "json", *at]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            json.loads(process.stdout.readline())
            ready = time.monotonic() - began
            process.send_signal(signal.SIGTERM)
        return ready


def main() -> None:
    """Print the figures beside their goals."""
    found = run(quick="--quick" in sys.argv)
    table(
        "start-up (medians)",
        [
            ("", "measured", "goal"),
            ("CPU seconds of `interlock --help`", f"{found['help_cpu_s']:.2f}", "< 0.3"),
            ("seconds until `interlock up` is ready", f"{found['up_ready_s']:.2f}", "< 4"),
        ],
    )


if __name__ == "__main__":
    main()
