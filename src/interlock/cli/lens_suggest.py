"""lens suggest: a draft of a lens from two contract versions, and from their data if there is any."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from interlock.cli.output import output_option, show

if TYPE_CHECKING:
    from interlock.domain.lenses.guess import Entry
    from interlock.domain.lenses.suggest import Data
    from interlock.domain.schemas.contract import Contract
    from interlock.kernel.finding import Finding


@click.command("suggest")
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option("--on", "on_older", default="", metavar="DATA", help="Records of A: a file, or a table.")
@click.option("--on-new", "on_newer", default="", metavar="DATA", help="Records of B, to compare them with.")
@click.option(
    "--database", default="", metavar="URL", help="Where tables are: duckdb://, postgresql://, sqlite:///."
)
@click.option("--rows", default=100_000, type=click.IntRange(1), help="How many rows to look at (100000).")
@click.option("--write", "target", type=click.Path(path_type=Path, dir_okay=False), help="Write the draft there.")
@output_option
@click.pass_obj
def suggest(
    obj: dict[str, Any],
    a: str,
    b: str,
    on_older: str,
    on_newer: str,
    database: str,
    rows: int,
    target: Path | None,
    output: str,
) -> None:
    """Draft a lens from contract A to contract B; each guess says how sure it is and why.

    A and B are NAME@VERSION of the workspace or files of any format. The draft has `status: draft`: it translates
    nothing until a person has confirmed it.
    """
    from interlock.adapters.workspace.loader import write_once
    from interlock.cli.contract_files import opened
    from interlock.cli.lens_documents import written
    from interlock.domain.lenses.guess import guesses
    from interlock.domain.lenses.suggest import drafted
    from interlock.kernel.digest import plain

    if bool(on_older) != bool(on_newer):
        raise click.UsageError("data of both versions is compared: give --on and --on-new")
    older, newer = apart(opened(obj["workspace"], a).contract, opened(obj["workspace"], b).contract)
    data = _data(on_older, on_newer, database, rows) if on_older else None
    entries = drafted(older, newer, data)
    notes = (f"Drafted from {a} and {b}{' and their data' if data else ''}: confirm each guess.",)
    text = written(newer.name, older.version, newer.version, entries, notes)
    open_ = left_open(text, str(target or "draft"), older, newer)
    if target:
        write_once(target, text)
    told = sorted(guesses(entries), key=lambda one: -one[1].confidence)
    document = {
        "lens": text,
        "guesses": [_told(at, entry) for at, entry in told],
        "findings": plain(open_),
        "written": str(target or ""),
    }
    show(output, document, lambda: tell(text, open_, target))


def _told(at: str, entry: Entry) -> dict[str, Any]:
    assert entry.guess is not None
    reasons = list(entry.guess.reasons)
    return {"in": at.rstrip("."), "op": entry.document, "confidence": entry.guess.confidence, "reasons": reasons}


def tell(text: str, findings: list[Finding], target: Path | None) -> None:
    """A draft for a person: what it leaves open, on standard error, then the text, or where it was written."""
    for finding in findings:
        click.echo(str(finding), err=True)
    click.echo(f"wrote {target}" if target else text, nl=bool(target))


def apart(older: Contract, newer: Contract) -> tuple[Contract, Contract]:
    """With versions that differ, as files that state none need; both under the newer one's name."""
    if older.version == newer.version:
        if not newer.version.isdecimal():
            says = f"both are version {newer.version}; name two versions, or files that state them"
            raise click.UsageError(says)
        newer = replace(newer, version=str(int(newer.version) + 1))
    return replace(older, name=newer.name), newer


def _data(older: str, newer: str, database: str, rows: int) -> Data:
    from interlock.adapters.schemas.profiles import profiles
    from interlock.adapters.schemas.tables import opened
    from interlock.domain.lenses.suggest import Data

    with opened(older, database) as table:
        before = profiles(table, rows)
    with opened(newer, database) as table:
        return Data(before, profiles(table, rows))


def left_open(text: str, source: str, older: Contract, newer: Contract) -> list[Finding]:
    """What the draft leaves open: the same that `lens check` says of it."""
    from interlock.cli.lens_documents import lens_in
    from interlock.domain.lenses.check import fit, unconfirmed

    contracts = {(one.name, one.version): one for one in (older, newer)}
    lens, findings = lens_in(text.encode(), source, contracts)
    return [*findings] if lens is None else [unconfirmed(lens), *fit(lens, older, newer)]
