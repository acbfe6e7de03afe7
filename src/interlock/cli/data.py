"""data: whether tables and files keep to their contracts, as evidence for gates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from interlock.cli.output import output_option

if TYPE_CHECKING:
    from interlock.domain.schemas.contract import Contract, Object


@click.group()
def data() -> None:
    """Tables and files, held against contracts."""


@data.command("validate")
@click.argument("table", metavar="TABLE_OR_FILE")
@click.option("--contract", "given", required=True, metavar="A", help="A file, or NAME@VERSION of the workspace.")
@click.option("--object", "wanted", default="", help="Which object of the contract (default: the first).")
@click.option(
    "--database", default="", metavar="URL", help="Where TABLE is: duckdb://, postgresql://, sqlite:///, ..."
)
@click.option(
    "--with",
    "others",
    multiple=True,
    metavar="OBJECT=TABLE_OR_FILE",
    help="Where another object is that this one refers to.",
)
@click.option("--examples", default=3, type=click.IntRange(0, 100), help="Rows to show of what is broken (3).")
@click.option("--post", is_flag=True, help="Give the result to the control plane.")
@click.option("--evidence", type=click.Path(path_type=Path, dir_okay=False), help="Write the result into FILE.")
@output_option
@click.pass_obj
def data_validate(
    obj: dict[str, Any],
    table: str,
    given: str,
    wanted: str,
    database: str,
    others: tuple[str, ...],
    examples: int,
    evidence: Path | None,
    post: bool,
    output: str,
) -> None:
    """Hold a table, or a CSV, Parquet or JSON lines file, against a contract: every constraint, key and rule.

    Values of fields that the contract tags as personal are never shown. Exit code 0: it keeps to it; 3: it does
    not; 4: what is asked could not all be asked.
    """
    from interlock.adapters.clock import SystemClock
    from interlock.adapters.schemas.tables import opened as opened_table
    from interlock.adapters.schemas.validate import validated
    from interlock.cli.checks import conclude
    from interlock.cli.contract_files import opened

    contract = opened(obj["workspace"], given).contract
    one = _object(contract, wanted)
    with opened_table(table, database) as held:
        result = validated(held, contract, one, table, examples, SystemClock().now(), _places(others))
    conclude(obj, [result], evidence, post, output)


def _places(given: tuple[str, ...]) -> dict[str, str]:
    """Object -> where it is."""
    pairs = [one.partition("=") for one in given]
    if wrong := [one for one, (name, _, place) in zip(given, pairs, strict=True) if not name or not place]:
        raise click.BadParameter(f"{wrong[0]!r} is not OBJECT=TABLE_OR_FILE", param_hint="--with")
    return {name: place for name, _, place in pairs}


def _object(contract: Contract, wanted: str) -> Object:
    from interlock.kernel.ident import did_you_mean

    found = {one.name: one for one in contract.objects}
    if wanted and wanted not in found:
        says = f"{contract.name}@{contract.version} has no object {wanted!r}. {did_you_mean(wanted, found)}"
        raise click.BadParameter(says, param_hint="--object")
    return found[wanted] if wanted else contract.record
