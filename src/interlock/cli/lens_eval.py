"""lens eval: what an expression is worth, of which type it is, and the SQL that engines make of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from interlock.cli.output import output_option, show

if TYPE_CHECKING:
    from interlock.domain.lenses.expressions.nodes import Column, Expr, ExprType

_ENGINES = ("duckdb", "postgres", "sqlite")
_TYPED = re.compile(
    r"(?P<name>[^=:]+?)\s*(?::\s*(?P<type>[A-Za-z]+(\(\s*\d+\s*(,\s*\d+\s*)?\))?)\s*)?=(?P<value>.*)", re.S
)


@click.command("eval")
@click.argument("expression", metavar="EXPR")
@click.option("--with", "given", default="", metavar="a=1,b:DATE=null", help="Fields with their values, as JSON.")
@click.option(
    "--record", type=click.Path(path_type=Path, dir_okay=False), help="A file whose first record gives the fields."
)
@click.option("--contract", default="", metavar="A", help="NAME@VERSION or a file: gives the fields their types.")
@click.option("--sql", "shown", multiple=True, type=click.Choice(_ENGINES), help="Print the SQL of that engine.")
@output_option
@click.pass_obj
def eval_(
    obj: dict[str, Any],
    expression: str,
    given: str,
    record: Path | None,
    contract: str,
    shown: tuple[str, ...],
    output: str,
) -> None:
    """Read an expression of lenses, type it, and compute it for the fields given.

    Without a contract a field has the type of its value, or the one that is written beside its name: INTEGER,
    DOUBLE, TEXT, BOOLEAN, DATE, TIMESTAMP, TIMESTAMPTZ, DECIMAL(9,2).
    """
    from interlock.cli.contract_files import opened
    from interlock.cli.lens_records import records_of
    from interlock.domain.lenses.apply import as_json
    from interlock.domain.lenses.expressions.evaluate import evaluator
    from interlock.domain.lenses.expressions.nodes import is_nullable
    from interlock.domain.lenses.expressions.typing import named
    from interlock.domain.lenses.expressions.write import text_of
    from interlock.domain.lenses.rows import known_in

    fields = opened(obj["workspace"], contract).contract.fields if contract else ()
    typed = {name: value for name, (value, _) in _fields(given).items()}
    row = {**(next(iter(records_of(str(record), fields, 1)), {}) if record else {}), **typed}
    known = {**_of_values(row), **known_in(fields), **_of_types(given)}
    expr = _read(expression, known)
    is_computed = bool(row) or not known
    document: dict[str, Any] = {
        "expression": text_of(expr),
        "type": named(expr.type),
        "is_nullable": is_nullable(expr),
        "fields": {name: named(column.type) for name, column in known.items() if name in _read_by(expr)},
        "sql": {engine: _sql(expr, known, engine) for engine in _ENGINES},
    }
    if is_computed:
        document["value"] = as_json(evaluator(expr)(row), expr.type)

    def text() -> None:
        null = ", may be null" if document["is_nullable"] else ""
        click.echo(f"{document['expression']}\n  type    {document['type']}{null}")
        for name, of in document["fields"].items():
            click.echo(f"  reads   {name} {of}")
        if is_computed:
            click.echo(f"  value   {json.dumps(document['value'], ensure_ascii=False)}")
        able = [engine for engine, told in document["sql"].items() if told.startswith("SELECT")]
        click.echo(f"  runs on {', '.join(able) or 'no engine of tables'}")
        for engine, told in document["sql"].items():
            if engine not in able or engine in shown:
                click.echo(f"  {engine}: {told}")

    show(output, document, text)


def _read(text: str, known: Mapping[str, Column]) -> Expr:
    """The typed expression; what is wrong is shown under it before it is told."""
    from interlock.domain.lenses.expressions.read import read_expression
    from interlock.domain.lenses.expressions.typing import ExpressionInvalid

    try:
        return read_expression(text, known)
    except ExpressionInvalid as wrong:
        if (column := wrong.details.get("column")) and "\n" not in text:
            click.echo(f"{text}\n{' ' * (column - 1)}^", err=True)
        raise


def _read_by(expr: Expr) -> set[str]:
    from interlock.domain.lenses.expressions.nodes import columns

    return set(columns(expr))


def _fields(given: str) -> dict[str, tuple[Any, str]]:
    """Name -> value, and the type beside the name."""
    found: dict[str, tuple[Any, str]] = {}
    for part in _parts(given):
        match = _TYPED.fullmatch(part.strip())
        if match is None:
            raise click.BadParameter(f"{part.strip()!r} is not name=value", param_hint="--with")
        found[match["name"].strip()] = (_value(match["value"].strip()), (match["type"] or "").upper())
    return found


def _parts(given: str) -> list[str]:
    """Cut at commas outside of quotes and brackets."""
    parts, depth, quote, start = [], 0, "", 0
    for place, letter in enumerate(given):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
        elif letter == "," and depth == 0:
            parts.append(given[start:place])
            start = place + 1
    return [part for part in (*parts, given[start:]) if part.strip()]


def _value(text: str) -> Any:
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1]
    try:
        return json.loads(text)
    except ValueError:
        return text


def _of_values(row: Mapping[str, Any]) -> dict[str, Column]:
    from interlock.domain.lenses.expressions.nodes import BOOL, FLOAT, INT, TEXT, Column

    types: dict[type, ExprType] = {bool: BOOL, int: INT, float: FLOAT, str: TEXT, type(None): TEXT}
    return {name: Column(name, types[type(value)]) for name, value in row.items() if type(value) in types}


def _of_types(given: str) -> dict[str, Column]:
    """The columns whose types are written beside their names."""
    from interlock.domain.lenses.expressions.nodes import Column

    found = {}
    for name, (_, written) in _fields(given).items():
        if written:
            found[name] = Column(name, _type(written))
    return found


def _type(written: str) -> ExprType:
    from interlock.domain.lenses.expressions.nodes import BOOL, DATE, FLOAT, INSTANT, INT, TEXT
    from interlock.domain.schemas.field import Decimal, Timestamp

    if match := re.fullmatch(r"DECIMAL\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)", written):
        return Decimal(int(match[1]), int(match[2] or 0))
    known: dict[str, ExprType] = {"INTEGER": INT, "DOUBLE": FLOAT, "TEXT": TEXT, "BOOLEAN": BOOL, "DATE": DATE}
    known |= {"TIMESTAMPTZ": INSTANT, "TIMESTAMP": Timestamp("us", False)}
    if written not in known:
        says = f"there is no type {written}; there are {', '.join(known)} and DECIMAL(p,s)"
        raise click.BadParameter(says, param_hint="--with")
    return known[written]


def _sql(expr: Expr, known: Mapping[str, Column], engine: Any) -> str:
    """The query that computes it over a table `t`, or what the engine cannot."""
    from interlock.adapters.schemas.compute import EngineRefuses, ibis_type, with_columns

    try:
        import ibis
    except ModuleNotFoundError:
        return "not told: install interlock[data]"

    read = _read_by(expr)
    columns = {name: ibis_type(column.type) for name, column in known.items() if name in read} or {"_": "int64"}
    try:
        made = with_columns(ibis.table(columns, name="t"), {"value": expr}, engine)
        sql = ibis.to_sql(made.select("value"), dialect=engine)
    except EngineRefuses as refused:
        return f"refused: {refused.message}"
    return " ".join(str(sql).split())
