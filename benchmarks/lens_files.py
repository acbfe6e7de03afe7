"""Rows through a lens: what an audit costs beside a plain scan, and a large Parquet file through `lens run` beside
a copy by pyarrow: rows per second and the most memory that each process held.

The lens renames, converts a unit, maps, computes and adds. The audit and the scan run on DuckDB in one thread; the
run and the copy are processes of their own, with what they need to start.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import duckdb
from benchmarks.rig import table as printed

from interlock.adapters.schemas.lens_audit import by_query
from interlock.adapters.schemas.tables import Table, opened
from interlock.adapters.workspace.loader import WorkspaceFiles
from interlock.domain.lenses.audit import Trip, trip

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.flights import write_workspace

ROWS = 10_000_000
AUDITED = 2_000_000
GOAL = 2_000_000
CHILD = """
import json, resource, sys, time
sys.argv = sys.argv[1:]
before = time.perf_counter()
{work}
most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({{"seconds": time.perf_counter() - before, "bytes": most}}), file=sys.stderr)
"""
COPY = """
from pyarrow import parquet
with parquet.ParquetFile(sys.argv[1], pre_buffer=False) as source:
    with parquet.ParquetWriter(sys.argv[2], source.schema_arrow) as target:
        for batch in source.iter_batches(batch_size=131_072):
            target.write_batch(batch)
"""
RUN = """
from interlock.cli.main import interlock
interlock(sys.argv[1:], standalone_mode=False)
"""


def write(path: Path, rows: int) -> None:
    """Flights of the older version."""
    duckdb.execute(
        "COPY (SELECT i AS id, CASE WHEN i % 50 = 0 THEN NULL ELSE (i % 600) / 4 END::DOUBLE AS delay, "
        "['UA', 'B6'][1 + i % 2] AS carrier, 'N' || (10000 + i % 4000) AS tail, i % 3000 AS distance, "
        "i % 7 AS hours, DATE '2013-01-01' + (i % 365)::INT AS day "
        f"FROM range({rows}) AS numbers(i)) TO '{path}' (FORMAT parquet)"
    )


def child(work: str, *arguments: str) -> tuple[float, float]:
    """Seconds of the work, and the most bytes that its process held."""
    command = [sys.executable, "-c", CHILD.format(work=work), "child", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told = json.loads(done.stderr.splitlines()[-1])
    return told["seconds"], told["bytes"]


def audits(root: Path, rows: int) -> list[tuple[str, str, str]]:
    """CPU seconds of the audit and of the scan, the best of three."""
    path = root / "audited.parquet"
    write(path, rows)
    workspace = WorkspaceFiles(root).load()[0]
    older, newer = (workspace.contracts["flights", one] for one in ("1", "2"))
    asked = trip(workspace.lenses[0], older, newer, "1")
    with opened(str(path), threads=1) as held:
        audit = best(lambda: _audit(asked, held, rows))
        scan = best(lambda: _scan(held))
    goal = f">= {GOAL / 1e6:.0f} M rows/s"
    return [
        ("audit, there and back", f"{rows / audit / 1e6:.1f} M rows/s ({audit:.2f} CPU s)", goal),
        ("a scan of the same columns", f"{rows / scan / 1e6:.1f} M rows/s ({scan:.2f} CPU s)", ""),
    ]


def _audit(asked: Trip, held: Table, rows: int) -> None:
    counts = by_query(asked, held)
    assert counts.rows == counts.survived == rows, counts


def _scan(held: Table) -> None:
    """The floor: every value is looked at, and nothing is asked of it."""
    held.rows.aggregate([held.rows[name].min().name(f"least_{name}") for name in held.rows.columns]).to_pyarrow()


def best(work: Callable[[], None]) -> float:
    return min(cpu_s(work) for _ in range(3))


def cpu_s(work: Callable[[], None]) -> float:
    before = resource.getrusage(resource.RUSAGE_SELF)
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def runs(root: Path, rows: int) -> list[tuple[str, str, str]]:
    """Wall-clock speed and memory of each."""
    source = root / "in.parquet"
    write(source, rows)
    made = {
        "lens run, Parquet to Parquet": lambda: child(
            RUN, "-C", str(root), "lens", "run", "flights@1..2", str(source), str(root / "out.parquet"), "--force"
        ),
        "pyarrow, a copy by batches": lambda: child(COPY, str(source), str(root / "copy.parquet")),
    }
    return [told(who, rows, *work()) for who, work in made.items()]


def told(who: str, rows: int, seconds: float, held: float) -> tuple[str, str, str]:
    return who, f"{rows / seconds / 1e6:.2f} M rows/s ({seconds:.1f} s)", f"{held / 2**20:,.0f} MiB"


def main() -> None:
    """Print both tables. --quick: a tenth of the rows."""
    part = 10 if "--quick" in sys.argv else 1
    with tempfile.TemporaryDirectory(prefix="il") as place:
        root = write_workspace(Path(place))
        rows = AUDITED // part
        lines = [("", "measured", "goal"), *audits(root, rows)]
        printed(f"{rows:,} rows of seven columns on DuckDB in one thread (best of 3)", lines)
        print()
        rows = ROWS // part
        lines = [("", "measured", "most memory"), *runs(root, rows)]
        printed(f"a Parquet file of {rows:,} rows, each in a process of its own", lines)


if __name__ == "__main__":
    main()
