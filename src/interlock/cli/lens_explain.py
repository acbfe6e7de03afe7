"""lens list, show, explain: what lenses there are and what they do, in words and on a record."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from interlock.cli.output import output_option, show

if TYPE_CHECKING:
    from interlock.cli.lens_documents import Found
    from interlock.domain.lenses.explain import Shown

_WIDEST = 36


@click.command("list")
@output_option
@click.pass_obj
def list_(obj: dict[str, Any], output: str) -> None:
    """Every lens of the workspace, drafts too."""
    from interlock.cli.lens_documents import all_lenses, workspace_of
    from interlock.kernel.digest import digest, short

    workspace, _ = workspace_of(obj["workspace"])
    rows = [
        {
            "lens": one.title,
            "status": "draft" if one.is_draft else "active",
            "ops": len(one.ops),
            "digest": digest(one.ops),
            "where": one.where,
        }
        for one in all_lenses(workspace)
    ]

    def text() -> None:
        width = max((len(str(row["lens"])) for row in rows), default=0)
        for row in rows:
            told = f"{row['ops']:>3} ops  {row['status']:<6}  {short(str(row['digest']))}  {row['where']}"
            click.echo(f"{str(row['lens']).ljust(width)}  {told}")

    show(output, {"lenses": rows}, text)


@click.command("show")
@click.argument("lens", metavar="LENS")
@output_option
@click.pass_obj
def show_(obj: dict[str, Any], lens: str, output: str) -> None:
    """The ops of a lens, in both directions: LENS is CONTRACT@OLDER..NEWER, CONTRACT, or a file."""
    from interlock.cli.lens_documents import found_lens
    from interlock.domain.lenses.explain import explained
    from interlock.domain.lenses.reverse import reversed_ops
    from interlock.kernel.digest import digest, plain

    found = found_lens(obj["workspace"], lens)
    one, back = found.lens, reversed_ops(found.lens.ops)
    document = {
        "lens": found.title,
        "status": "draft" if one.is_draft else "active",
        "digest": digest(one.ops),
        "where": one.where,
        "ops": plain(one.ops),
        "back": plain(back),
    }

    def text() -> None:
        click.echo(f"{found.title}  {digest(one.ops)}  {one.where}")
        for ends, ops in ((f"{one.older} to {one.newer}", one.ops), (f"{one.newer} to {one.older}", back)):
            click.echo(f"\n{ends}")
            for told in explained(ops):
                click.echo(f"  {told.number:<5} {told.op:<7} {told.there}")

    show(output, document, text)


@click.command("explain")
@click.argument("lens", metavar="LENS")
@click.option(
    "--sample",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A record of the older version (JSON, Parquet, CSV); without it one is made from the contract.",
)
@output_option
@click.pass_obj
def explain(obj: dict[str, Any], lens: str, sample: Path | None, output: str) -> None:
    """What a lens does, in words: each op there and back, each field's losses, and one record before and after."""
    from interlock.cli.lens_documents import found_lens
    from interlock.domain.lenses.check import fit
    from interlock.domain.lenses.explain import explained, tripped
    from interlock.domain.lenses.loss import loss
    from interlock.kernel.digest import plain

    found = found_lens(obj["workspace"], lens)
    told = list(explained(found.lens.ops))
    findings = fit(found.lens, found.older, found.newer) if found.older and found.newer else []
    fits = found.older is not None and found.newer is not None and not any(f.is_blocking for f in findings)
    lines = loss(found.lens, found.older, found.newer).lines if fits and found.older and found.newer else ()
    record = _sample(found, sample)
    trip = tripped(found.lens, found.older.fields if found.older else (), record) if record else None
    document = {
        "lens": found.title,
        "ops": plain(told),
        "findings": plain(findings),
        "loss": plain(lines),
        "sample": plain(trip),
    }

    def text() -> None:
        click.secho(found.title, bold=True)
        for one in told:
            click.echo(f"  {one.number:<5} {one.op:<7} {one.there}")
            if not one.there.endswith(":"):
                click.echo(f"  {'':<13} back: {one.back}")
        for finding in findings:
            click.echo(f"  {finding}")
        for line in lines:
            if line.direction == "rollback":
                click.echo(f"  {line.says}")
        if trip is not None:
            _print_trip(trip)

    show(output, document, text)


def _sample(found: Found, sample: Path | None) -> dict[str, Any]:
    from interlock.cli.lens_records import RecordsUnreadable, records_of
    from interlock.domain.lenses.laws import first_record

    if sample is None:
        return first_record(found.older) if found.older else {}
    records = records_of(str(sample), found.older.fields if found.older else (), 1)
    if not records:
        raise RecordsUnreadable(f"{sample} holds no record", remedy="Write one.", where=str(sample))
    return records[0]


def _print_trip(trip: Shown) -> None:
    rows = [("older", "before", "newer", "after", "back again")]
    for line in trip.lines:
        back = line.returned + ("  CHANGED" if line.is_changed else "")
        if line.before or line.after or line.returned:
            rows.append((line.source or "-", line.before, line.target or "-", line.after, back))
    cut = [tuple(cell if len(cell) <= _WIDEST else f"{cell[: _WIDEST - 1]}…" for cell in row) for row in rows]
    widths = [max(len(row[place]) for row in cut) for place in range(5)]
    click.echo("")
    for row in cut:
        click.echo("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    if trip.rejected:
        click.echo(f"  {trip.rejected}")
