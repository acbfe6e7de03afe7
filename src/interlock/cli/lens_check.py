"""lens check: laws, fit, losses and engines of lenses; and how several workspaces differ in theirs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from interlock.cli.output import Exit, finish, output_option, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from interlock.domain.lenses.laws import Law
    from interlock.domain.schemas.contract import Contract
    from interlock.engine.lens_checks import Environment, Lacks, LensReport
    from interlock.kernel.finding import Finding

_TABLES = ("duckdb", "polars", "postgres", "sqlite", "spark")
_ROWS = 10_000


@click.command("check")
@click.argument("lens", required=False, metavar="[LENS]")
@click.option(
    "--against",
    "others",
    multiple=True,
    metavar="DIR",
    help="Compare with the workspace there (staging, production); may be given several times.",
)
@click.option(
    "--on",
    "data",
    multiple=True,
    metavar="DIR:CONTRACT=FILE",
    help="Records of the older version in an environment, to count what comes back.",
)
@output_option
@click.pass_obj
def check(
    obj: dict[str, Any], lens: str | None, others: tuple[str, ...], data: tuple[str, ...], output: str
) -> None:
    """Hold lenses against their contracts, the laws and the engines: LENS, or all of the workspace.

    Exit code 0: all is sound; 3: something is not, or a draft waits to be confirmed.
    """
    from interlock.cli.lens_documents import all_lenses, found_in, workspace_of
    from interlock.engine.lens_checks import report, together

    if others:
        _compare(obj["workspace"], others, data, output)
        return
    if data:
        raise click.UsageError("--on belongs to --against; `lens audit` counts on data of one environment")
    workspace, findings = workspace_of(obj["workspace"])
    chosen = [found_in(workspace, findings, lens).lens] if lens else all_lenses(workspace)
    reports = [report(workspace, one, _engines()) for one in chosen]
    whole = () if lens else together(workspace, findings)
    document = {"lenses": [_document(one) for one in reports], "findings": _plain(whole)}
    show(output, document, lambda: _print(reports, whole))
    if any(one.is_blocking for one in whole) or not all(one.is_sound for one in reports):
        finish(Exit.NO)


def _engines() -> dict[str, Lacks]:
    """The engines of tables, by name; none when what reads tables is not installed."""
    try:
        import ibis  # noqa: F401  # whether it is there at all
    except ModuleNotFoundError:
        return {}
    return {name: _table_engine(name) for name in _TABLES}


def _table_engine(name: Any) -> Lacks:
    from interlock.adapters.schemas.lens_tables import lens_lacks

    return lambda program, fields: tuple(one.says for one in lens_lacks(program, fields, name))


def _plain(found: Any) -> Any:
    from interlock.kernel.digest import plain

    return plain(found)


def _document(one: LensReport) -> dict[str, Any]:
    return {
        "lens": one.lens.title,
        "where": one.lens.where,
        "digest": one.digest,
        "status": "draft" if one.lens.is_draft else "active",
        "is_sound": one.is_sound,
        "findings": _plain(one.findings),
        "loss": _plain(one.lines),
        "laws": [
            {"law": law.name, "holds": law.holds, **_plain(law.counts), "untold": _plain(law.untold)}
            for law in one.laws
        ],
        "engines": _plain(one.engines),
    }


def _print(reports: Sequence[LensReport], whole: Sequence[Finding]) -> None:
    from interlock.kernel.digest import short

    for one in reports:
        status = "draft, " if one.lens.is_draft else ""
        head = f"{one.lens.title}  {status}{len(one.lens.ops)} ops  {short(one.digest)}  {one.lens.where}"
        click.secho(head, bold=True)
        for finding in one.findings:
            click.echo(f"  {finding}")
        _print_losses(one)
        for law in one.laws:
            click.echo(f"  {law.name:<9} {_law(law)}")
        _print_engines(one)
    for finding in whole:
        click.echo(str(finding))
    sound = sum(one.is_sound for one in reports)
    click.echo(f"{sound} of {len(reports)} lenses {'is' if len(reports) == 1 else 'are'} sound")


def _print_losses(one: LensReport) -> None:
    lines = [line for line in one.lines if line.direction != "rollback"]
    exact = {way: sum(x.effect == "exact" for x in lines if x.direction == way) for way in ("forward", "backward")}
    if lines:
        click.echo(f"  exact     {exact['forward']} fields forward, {exact['backward']} backward")
    for line in lines:
        if line.effect != "exact":
            click.echo(f"  {line.direction:<9} {line.effect}: {line.says}")


def _law(law: Law) -> str:
    counts = law.counts
    if not counts.rows:
        return "not tried"
    if law.holds:
        return f"holds on {counts.rows} generated records"
    told = [f"`{c.field}` changed in {c.rows} ({c.example})" for c in counts.changed[:3]]
    told += [f"{c.rows} rejected for `{c.field}` ({c.example})" for c in counts.rejected[:3]]
    return f"{counts.survived} of {counts.rows} generated records come back: {'; '.join(told)}"


def _print_engines(one: LensReport) -> None:
    both = [a.engine for a in one.engines if not a.there and not a.back]
    if both:
        click.echo(f"  runs on   {', '.join(both)}")
    for answer in one.engines:
        for way, lacks in (("forward", answer.there), ("backward", answer.back)):
            if lacks:
                click.echo(f"  not on    {answer.engine} {way}: {'; '.join(lacks)}")


def _compare(root: Path, others: tuple[str, ...], data: tuple[str, ...], output: str) -> None:
    from interlock.engine.lens_checks import environments_compared

    places = [str(root), *others]
    given = _given(data, places)
    found = [_environment(place, given) for place in places]
    rows = environments_compared(found)
    differing = [row for row in rows if row.differs]
    document = {
        "environments": [one.name for one in found],
        "rows": [{"what": row.what, "values": list(row.values), "differs": row.differs} for row in rows],
    }
    show(output, document, lambda: _print_rows([one.name for one in found], differing, len(rows)))
    if differing:
        finish(Exit.NO)


def _environment(place: str, given: dict[str, dict[str, str]]) -> Environment:
    from interlock.cli.lens_documents import workspace_of
    from interlock.engine.contracts import history
    from interlock.engine.lens_checks import Environment

    workspace, _ = workspace_of(Path(place))
    held = list(workspace.contracts.values())
    rows = {name: _rows(file, history(held, name)[0]) for name, file in given.get(place, {}).items()}
    return Environment(place, workspace, rows)


def _given(data: tuple[str, ...], places: Sequence[str]) -> dict[str, dict[str, str]]:
    """Directory -> contract -> file."""
    found: dict[str, dict[str, str]] = {}
    for one in data:
        left, _, file = one.partition("=")
        place, _, contract = left.rpartition(":")
        if not (contract and file) or place not in places:
            says = f"{one!r} is not DIR:CONTRACT=FILE with a DIR of {', '.join(places)}"
            raise click.BadParameter(says, param_hint="--on")
        found.setdefault(place, {})[contract] = file
    return found


def _rows(file: str, contract: Contract) -> list[dict[str, Any]]:
    from interlock.cli.lens_records import records_of

    return records_of(file, contract.fields, _ROWS)


def _print_rows(names: list[str], rows: Sequence[Any], compared: int) -> None:
    from interlock.kernel.digest import short

    shown = [["", *names]]
    for row in rows:
        values = [short(value) if value.startswith("sha256:") else value or "-" for value in row.values]
        shown.append([row.what, *values])
    if rows:
        widths = [max(len(line[place]) for line in shown) for place in range(len(names) + 1)]
        for line in shown:
            click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    click.echo(f"{len(rows)} of {compared} compared things differ")
