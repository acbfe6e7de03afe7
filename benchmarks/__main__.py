"""Runs the benchmarks and keeps what they print in docs/benchmarks.md: `python -m benchmarks [NAME ...]`."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
NAMES = (
    "startup",
    "coherence",
    "stickiness",
    "rollback_time",
    "dataplane_cost",
    "lens_path",
    "lens_records",
    "lens_batch",
    "lens_files",
    "lens_relay",
    "migration_backfill",
    "contracts",
    "validation",
    "lens_suggest",
    "gates_null",
    "protobuf_reads",
    "registry_api",
)


def main() -> None:
    """Run those named, or all; each section of the page is replaced by what its benchmark printed."""
    for name in sys.argv[1:] or NAMES:
        print(f"running {name} ...", flush=True)
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}"], stdout=subprocess.PIPE, text=True, check=True
        )
        PAGE.write_text(replaced(PAGE.read_text(), name, done.stdout.rstrip()))
        print(done.stdout)


def replaced(page: str, name: str, printed: str) -> str:
    """The page with the section between the markers of `name` replaced; ValueError without such markers."""
    marked = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    system = f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}"
    section = f"\n```text\n{printed}\n```\n\nMeasured on {system}, two cores, with `python -m benchmarks.{name}`.\n"
    fresh, count = marked.subn(lambda m: m[1] + section + m[2], page)
    if count != 1:
        raise ValueError(f"{PAGE.name} has no section for {name}; add <!-- {name} --> and <!-- /{name} -->")
    return fresh


if __name__ == "__main__":
    main()
