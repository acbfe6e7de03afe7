"""lens run, lens audit: rows of files and tables through a lens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from interlock.cli.api import Api
from interlock.cli.lens_documents import all_lenses, found_in, workspace_of
from interlock.cli.output import Exit, finish, output_option, show

if TYPE_CHECKING:
    from interlock.domain.lenses.audit import Audit, Settled
    from interlock.engine.lens_data import Aside, Asked, Audited, Progress, Rows, RunResult


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
@click.option(
    "--keep",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keep there what the lens drops of each row, by --key, so that the way back can restore it.",
)
@click.option(
    "--restore",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Restore what --keep kept, where nothing was changed since.",
)
@click.option("--key", default="", metavar="FIELDS", help="Of --keep and --restore: id, or id,day.")
@click.option("--retain", default="90d", metavar="TIME", help="How long --keep keeps it (90d).")
@output_option
@click.pass_obj
def run(obj: dict[str, Any], /, lens: str, source: str, target: Path, output: str, **said: Any) -> None:
    """Translate the rows of a file or table, in either direction: Parquet, Arrow, CSV, JSON lines into any of them.

    LENS is CONTRACT@1..2, CONTRACT with --from and --to, a contract with one lens, or a file. OUT appears when it
    is whole. A run that was killed goes on behind its last finished part when it is started again, and gives the
    same bytes. With --keep or --restore rows go one by one.

    Exit code 3: a row is rejected and --rejects was not given, or OUT is there already.
    """
    from interlock.adapters.schemas.lens_runs import prepared
    from interlock.engine.lens_data import run as run_lens

    asked = asked_lens(obj["workspace"], lens, said["from_version"], said["to_version"])
    more = (said["rejects"], said["force"], said["engine"], said["part_rows"])
    with (
        _aside(asked, said) as aside,
        prepared(asked, source, said["database"], target, *more, aside=aside) as work,
    ):
        for line in work.told:
            click.echo(line, err=True)
        with _progress(output, work.source) as tell:
            result = run_lens(work.source, work.translate, work.parts, said["rejects"] is not None, tell)
    show(output, _document(result, asked, work.engine), lambda: _say(result, target, said["rejects"]))


def asked_lens(root: Path, given: str, from_version: str, to_version: str, with_drafts: bool = False) -> Asked:
    """What is named. with_drafts: a draft will do where there is no lens."""
    from interlock.domain.lenses.path import LensMissing
    from interlock.engine.lens_data import asked

    workspace, findings = workspace_of(root)
    contracts, lenses = workspace.contracts.values(), list(workspace.lenses)
    is_bare = "@" not in given and not (from_version or to_version)
    if is_bare or Path(given).is_file():
        found = found_in(workspace, findings, given)
        given = found.title
        lenses = [found.lens] if with_drafts or not is_bare else lenses
    try:
        return asked(contracts, lenses, given, from_version, to_version)
    except LensMissing:
        if not with_drafts:
            raise
        return asked(contracts, all_lenses(workspace), given, from_version, to_version)


@contextmanager
def _aside(asked: Asked, said: dict[str, Any]) -> Iterator[Aside | None]:
    """Keeping or restoring complements; None for neither."""
    keep, restore, key = said["keep"], said["restore"], tuple(filter(None, said["key"].split(",")))
    if keep is None and restore is None:
        yield None
        return
    if not key or (keep and restore):
        raise click.UsageError("give either --keep or --restore, with the --key fields of a row")
    from datetime import timedelta

    from interlock.adapters.clock import SystemClock
    from interlock.adapters.complements.sqlite import complements
    from interlock.domain.lenses.generate import translator
    from interlock.domain.lenses.reverse import reversed_ops
    from interlock.engine.complements import Keeping, Restoring, belongs_to

    now = SystemClock().now()
    with complements(keep or restore, belongs_to(asked, is_back=keep is None), is_new=keep is not None) as store:
        store.expire(now)
        if keep is None:
            yield Restoring(store, key, now)
        else:
            back = translator(reversed_ops(asked.program), asked.target.fields, asked.target.record.is_open)
            yield Keeping(store, key, back, now + timedelta(seconds=_seconds(said["retain"])))


def _seconds(text: str) -> float:
    from interlock.adapters.workspace.reading import duration_s

    try:
        found = duration_s(text)
    except (KeyError, ValueError):
        found = 0.0
    if not found > 0:
        raise click.BadParameter(f"{text!r} is no time such as 90d or 12h", param_hint="--retain")
    return found


@contextmanager
def _progress(output: str, source: Rows) -> Iterator[Callable[[Progress], None]]:
    """A bar with rows per second on a terminal; nothing elsewhere."""
    import sys

    if output == "json" or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, ProgressColumn, Task, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar
    from rich.text import Text

    class Rate(ProgressColumn):
        """Rows per second, once there are some."""

        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:,.0f} rows/s" if speed else "")

    columns = (TextColumn("{task.completed:,} rows"), BarColumn(), Rate(), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("rows", total=source.rows)
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


@click.command("audit")
@click.argument("lens", metavar="LENS")
@click.option("--on", "data", required=True, metavar="DATA", help="A file, or a table with --database.")
@click.option("--version", default="", metavar="V", help="The version that DATA is in (the first one of LENS).")
@click.option("--share", default="100%", metavar="PERCENT", help="Look at about so many of the rows.")
@click.option("--database", default="", metavar="URL", help="Where DATA is a table: duckdb://, postgresql://, ...")
@click.option(
    "--engine",
    type=click.Choice(["auto", "duckdb", "records"]),
    default="auto",
    help="The database, or DuckDB for files, where it can do all of it exactly, else record by record (auto).",
)
@click.option(
    "--post", is_flag=True, help="Give it to the control plane: it stands beside plans that use the lens."
)
@output_option
@click.pass_obj
def audit(obj: dict[str, Any], /, lens: str, data: str, output: str, **said: Any) -> None:
    """Count what does not survive the way to the other version and back, on real rows.

    LENS is CONTRACT@1..2, a contract with one lens, or a file; drafts too. For each field: in how many rows it
    comes back unchanged, changed or rejected; and what the other version makes up. With --version of the newer
    version, this is what a rollback after the cut-over would cost. Values of personal fields are not shown.

    Exit code 0: every row comes back whole; 3: some do not.
    """
    from interlock.adapters.schemas.lens_audit import counted
    from interlock.engine.lens_data import audit as audit_lens
    from interlock.kernel.digest import plain

    asked = asked_lens(obj["workspace"], lens, "", "", with_drafts=True)
    version, share = _one_of(said["version"], asked), share_of(said["share"])
    found = audit_lens(
        asked, version, share, lambda sent: counted(sent, data, said["database"], share, said["engine"])
    )
    if found.why and output != "json":
        click.echo(f"the rows are translated one by one: {found.why}", err=True)
    if said["post"]:
        Api(**obj).post("/losses", plain(found.audit))
    show(output, _audit_document(found), lambda: _tell_audit(found.audit, found.settled, data))
    if not found.audit.is_lossless:
        finish(Exit.NO)


def _one_of(version: str, asked: Asked) -> str:
    """The version that the rows are in: the first, unless another is named."""
    known = (asked.source.version, asked.target.version)
    if version and version not in known:
        says = f"{version!r} is neither {known[0]} nor {known[1]}"
        raise click.BadParameter(says, param_hint="--version")
    return version or known[0]


def share_of(text: str) -> float:
    """`10%` or `0.1`; a usage error for anything else."""
    try:
        share = float(text.removesuffix("%")) / 100 if text.endswith("%") else float(text)
    except ValueError:
        share = 0
    if not 0 < share <= 1:
        raise click.BadParameter(f"{text!r} is no share such as 10% or 0.1", param_hint="--share")
    return share


def _audit_document(found: Audited) -> dict[str, Any]:
    from dataclasses import asdict

    from interlock.kernel.digest import plain

    document: dict[str, Any] = plain(found.audit)
    told = [{**asdict(one), "result": one.result} for one in found.settled]
    return {**document, "is_lossless": found.audit.is_lossless, "digest": found.audit.digest, "settled": told}


def _tell_audit(made: Audit, verdicts: tuple[Settled, ...], data: str) -> None:
    counts = made.counts
    about = f"about {made.share:.0%} of the rows: " if made.share < 1 else ""
    way = f"{made.source} to {made.target} and back"
    click.echo(f"{made.contract} {way}, {data}: {about}{counts.survived:,} of {counts.rows:,} rows come back whole")
    width = max((len(one.field) for one in counts.fields), default=5)
    click.echo(f"\n{'field':{width}}  {'unchanged':>13}  {'changed':>13}  {'rejected':>13}")
    for one in counts.fields:
        if one.version == made.source:
            row = "  ".join(f"{n:13,}" for n in (one.unchanged, one.changed, one.rejected))
            click.echo(f"{one.field:{width}}  {row}")
        for shown in one.examples:
            click.echo(f"{'':{width}}  {shown.was} came back as {shown.came}")
    for one in counts.fields:
        if one.version != made.source:
            click.echo(f"`{one.field}` of version {one.version} is made up in {one.fabricated:,} rows")
    for why in counts.rejected:
        where = "on the way back" if why.way == "back" else f"on the way to {made.target}"
        says = f"`{why.field}` {why.reason}" if why.field else why.reason
        click.echo(f"{why.rows:,} rows are rejected {where}: {says}")
    click.echo()
    for line in verdicts:
        click.echo(f"{line.result:>24}  {line.effect:10}  {line.says}")
    click.echo(f"\n{made.digest}")
