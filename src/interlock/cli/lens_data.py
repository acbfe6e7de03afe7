"""lens run, lens audit: rows of files and tables through a lens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from interlock.cli.lens_documents import all_lenses, found_lens, workspace_of
from interlock.cli.output import output_option, show

if TYPE_CHECKING:
    from interlock.engine.lens_data import Asked, Progress, RunResult

_RATE_S = 0.25


@click.command("run")
@click.argument("lens", metavar="LENS")
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--from", "from_version", default="", metavar="V", help="The version that the rows are in.")
@click.option("--to", "to_version", default="", metavar="V", help="The version that they are wanted in.")
@click.option("--database", default="", metavar="URL", help="Where IN is a table: duckdb://, postgresql://, ...")
@click.option(
    "--rejects", type=click.Path(path_type=Path, dir_okay=False), help="Where rejected rows go (JSON lines)."
)
@click.option("--force", is_flag=True, help="Replace OUT when it is there.")
@click.option(
    "--engine",
    type=click.Choice(["auto", "duckdb", "records"]),
    default="auto",
    help="DuckDB where it can do all of the lens exactly, else record by record (auto).",
)
@click.option("--part-rows", default=131_072, type=click.IntRange(1), help="Rows of a part, of Parquet and Arrow.")
@output_option
@click.pass_obj
def run(obj: dict[str, Any], /, lens: str, source: str, target: Path, output: str, **said: Any) -> None:
    """Translate the rows of a file or table: Parquet, Arrow, CSV or JSON lines, into any of them, in either direction.

    LENS is CONTRACT@1..2, CONTRACT with --from and --to, or a file. OUT appears when it is whole. A run that was
    killed goes on behind its last finished part when it is started again, and gives the same bytes.

    Exit code 3: a row is rejected and --rejects was not given, or OUT is there already.
    """
    from interlock.engine.lens_data import run as run_lens

    asked = _asked(obj["workspace"], lens, said["from_version"], said["to_version"])
    with _prepared(asked, source, target, said) as work:
        for line in work.told:
            click.echo(line, err=True)
        with _progress(output, work.source.rows) as tell:
            result = run_lens(work.source, work.translate, work.parts, said["rejects"] is not None, tell)
    show(output, _document(result, asked, work.engine), lambda: _say(result, target, said["rejects"]))


def _asked(root: Path, given: str, from_version: str, to_version: str) -> Asked:
    from interlock.engine.lens_data import asked

    workspace, _ = workspace_of(root)
    lenses = list(workspace.lenses)
    if Path(given).is_file():
        found = found_lens(root, given)
        lenses, given = [found.lens], found.title
    return asked(workspace.contracts.values(), lenses, given, from_version, to_version)


@contextmanager
def _prepared(asked: Asked, source: str, target: Path, said: dict[str, Any]) -> Iterator[Any]:
    from interlock.adapters.schemas.lens_runs import prepared

    with prepared(
        asked, source, said["database"], target, said["rejects"], said["force"], said["engine"], said["part_rows"]
    ) as work:
        yield work


@contextmanager
def _progress(output: str, total: int | None) -> Iterator[Callable[[Progress], None]]:
    """A bar with rows per second on a terminal; nothing elsewhere."""
    import sys

    if output == "json" or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.completed:,} rows"), BarColumn(), TextColumn("{task.speed:,.0f} rows/s"))
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("rows", total=total)
        yield lambda made: bar.update(task, completed=made.place.row)


def _document(result: RunResult, asked: Asked, engine: str) -> dict[str, Any]:
    return {
        "lens": asked.title,
        "digest": asked.digest,
        "engine": engine,
        "rows": result.rows,
        "written": result.written,
        "rejected": result.rejected,
        "resumed_from": result.resumed_from,
        "left_out": result.left_out,
    }


def _say(result: RunResult, target: Path, rejects: Path | None) -> None:
    click.echo(f"{result.written:,} of {result.rows:,} rows are in {target}")
    if result.rejected:
        click.echo(f"{result.rejected:,} rows were rejected and are in {rejects}")
    for name, rows in sorted(result.left_out.items()):
        click.echo(f"`{name}`, which {rows:,} rows have, is no field of the target and was left out")
