"""contract: schemas of any format as contracts of the workspace, kept, compared, judged and converted; offline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from interlock.cli.output import Exit, finish, output_option, show
from interlock.cli.registry import serve
from interlock.kernel.finding import sentences

if TYPE_CHECKING:
    from interlock.domain.schemas.compatibility import Policy
    from interlock.domain.schemas.contract import Object
    from interlock.domain.schemas.field import Field
    from interlock.engine.contracts import Opened
    from interlock.kernel.finding import Finding

_FORMATS = click.Choice(
    ("odcs", "json-schema", "json-schema-7", "avro", "protobuf", "mlflow", "oip", "ddl", "arrow", "pandera")
)
_MODES = (
    *("NONE", "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE"),
    *("FULL", "FULL_TRANSITIVE"),
)
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def contract() -> None:
    """Contracts and schemas of any format; A and B are files or NAME@VERSION of the workspace."""


contract.add_command(serve)


def _reading_options(command: Any) -> Any:
    for option in (
        click.option("--contract-version", "version", default="", help="Instead of what the document says (1)."),
        click.option("--name", default="", help="Instead of what the document says (the file's)."),
        click.option("--format", "form", type=_FORMATS, help="What FILE is, when its name does not tell."),
    ):
        command = option(command)
    return command


@contract.command("add")
@click.argument("file", type=_FILE)
@_reading_options
@output_option
@click.pass_obj
def contract_add(obj: dict[str, Any], file: Path, form: str | None, name: str, version: str, output: str) -> None:
    """Keep the schema in FILE as a contract version of the workspace.

    What is there already stays: the same content again changes nothing, other content is refused.
    """
    from interlock.cli.contract_files import contracts_of, opened, write_contract
    from interlock.engine.contracts import is_kept

    read = opened(obj["workspace"], str(file), form or "", name, version)
    if is_kept(contracts_of(obj["workspace"]), read.contract):
        _say_added(read, "", output)
        return
    _say_added(read, str(write_contract(obj["workspace"], read.contract)), output)


def _say_added(read: Opened, path: str, output: str) -> None:
    from interlock.domain.schemas.representation import contract_digest
    from interlock.kernel.digest import plain

    document = {
        "contract": read.title,
        "digest": contract_digest(read.contract),
        "written": path,
        "findings": plain(read.findings),
    }

    def text() -> None:
        _print_findings(read.findings)
        click.echo(f"wrote {path}" if path else f"{read.title} is there already; nothing is changed")

    show(output, document, text)


@contract.command("list")
@output_option
@click.pass_obj
def contract_list(obj: dict[str, Any], output: str) -> None:
    """Every contract version of the workspace."""
    from interlock.cli.contract_files import contracts_of
    from interlock.domain.schemas.representation import contract_digest
    from interlock.engine.contracts import history
    from interlock.kernel.digest import short

    found = contracts_of(obj["workspace"])
    ordered = [one for name in sorted({c.name for c in found}) for one in history(found, name)]
    rows = [
        {
            "name": one.name,
            "version": one.version,
            "owner": one.owner,
            "objects": [o.name for o in one.objects],
            "fields": sum(len(o.fields) for o in one.objects),
            "digest": contract_digest(one),
            "where": one.where,
        }
        for one in ordered
    ]

    def text() -> None:
        width = max((len(f"{r['name']}@{r['version']}") for r in rows), default=0)
        for row in rows:
            title = f"{row['name']}@{row['version']}".ljust(width)
            click.echo(f"{title}  {row['fields']:>4} fields  {short(str(row['digest']))}  {row['where']}")

    show(output, {"contracts": rows}, text)


@contract.command("show")
@click.argument("a", metavar="A")
@_reading_options
@output_option
@click.pass_obj
def contract_show(obj: dict[str, Any], a: str, form: str | None, name: str, version: str, output: str) -> None:
    """The fields of A with their types, units and constraints."""
    from interlock.cli.contract_files import opened
    from interlock.domain.schemas.formats.gaps import plain_object
    from interlock.domain.schemas.representation import contract_digest
    from interlock.kernel.digest import plain

    read = opened(obj["workspace"], a, form or "", name, version)
    one = read.contract
    document = {
        "name": one.name,
        "version": one.version,
        "owner": one.owner,
        "digest": contract_digest(one),
        "where": one.where,
        "objects": [plain_object(o) for o in one.objects],
        "findings": plain(read.findings),
    }

    def text() -> None:
        click.echo(f"{read.title}  {contract_digest(one)}")
        for held in one.objects:
            _print_object(held)
        _print_findings(read.findings)

    show(output, document, text)


def _print_object(one: Object) -> None:
    key = f", key {', '.join(one.primary_key)}" if one.primary_key else ""
    click.echo(f"\n{one.name} ({'open' if one.is_open else 'closed'}{key})")
    rows = list(_rows("", one.fields))
    width = max((len(path) for path, _ in rows), default=0)
    for path, says in rows:
        click.echo(f"  {path.ljust(width)}  {says}")
    for rule in one.rules:
        click.echo(f"  rule {rule.name or rule.metric}")


def _rows(prefix: str, fields: tuple[Field, ...]) -> list[tuple[str, str]]:
    from interlock.domain.schemas.describe import described
    from interlock.domain.schemas.formats.plain import plain_field
    from interlock.domain.schemas.nesting import inner

    rows = []
    for one in fields:
        told = {k: v for k, v in plain_field(one).items() if k not in ("name", "type", "required", "nullable")}
        words = [described(one.type), "" if one.required else "optional", "or null" if one.nullable else ""]
        path = f"{prefix}{one.name}"
        rows.append((path, " ".join([*filter(None, words), *(f"{k}={v}" for k, v in told.items())])))
        below = {"list": f"{prefix}{one.name}[].", "map": f"{prefix}{one.name}{{}}."}.get(one.type.kind, f"{path}.")
        rows += _rows(below, inner(one.type))
    return rows


@contract.command("diff")
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@output_option
@click.pass_obj
def contract_diff(obj: dict[str, Any], a: str, b: str, output: str) -> None:
    """Every difference from A to B. Exit code 0: there is none; 3: there are some."""
    from interlock.cli.contract_files import opened
    from interlock.engine.contracts import compared

    document = compared(opened(obj["workspace"], a), opened(obj["workspace"], b))

    def text() -> None:
        for one in document["differences"]:
            click.echo(f"{one['code']:<20} {one['says']}")
        number = len(document["differences"])
        noun = "difference" if number == 1 else "differences"
        click.echo(f"{number} {noun} from {document['older']} to {document['newer']}")

    show(output, document, text)
    if not document["is_same"]:
        finish(Exit.NO)


@contract.command("check")
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option(
    "--mode", type=click.Choice(_MODES, case_sensitive=False), default="BACKWARD", help="What must hold (BACKWARD)."
)
@click.option(
    "--policy",
    type=click.Choice(["lenient", "strict"]),
    help="Strict counts what open content allows as written. Usually so between two Avro, JSON Schema or Protobuf "
    "documents, as in the registry; lenient between contracts, as in plans.",
)
@output_option
@click.pass_obj
def contract_check(obj: dict[str, Any], a: str, b: str, mode: str, policy: str | None, output: str) -> None:
    """Whether B goes together with A, which came before; A without a version is its whole history.

    Exit code 0: it does; 3: it does not, with every reason.
    """
    from interlock.cli.contract_files import earlier, opened
    from interlock.domain.schemas.modes import Mode
    from interlock.engine.contracts import judged

    newer = opened(obj["workspace"], b)
    chosen = cast("Policy | None", policy)
    document = judged(earlier(obj["workspace"], a, newer.contract), newer, Mode(mode.upper()), chosen)
    show(output, document, lambda: _print_verdict(document))
    if not document["is_compatible"]:
        finish(Exit.NO)


def _print_verdict(document: dict[str, Any]) -> None:
    for one in document["comparisons"]:
        reader, writer = (document["newer"], one["earlier"])
        if one["direction"] == "forward":
            reader, writer = writer, reader
        click.echo(f"{reader} {'reads' if one['holds'] else 'does not read'} {writer}")
        for reason in one["reasons"]:
            mark = "error" if reason["is_blocking"] else "note "
            click.echo(f"  {mark} {reason['code']} {reason['path']}: {sentences(reason['says'], reason['remedy'])}")
    verdict = "compatible" if document["is_compatible"] else "INCOMPATIBLE"
    click.secho(f"{verdict} ({document['mode']})", bold=not document["is_compatible"])


@contract.command("import")
@click.argument("file", type=_FILE)
@click.option("--out", type=_FILE, help="Write the contract there instead of printing it.")
@_reading_options
@output_option
@click.pass_obj
def contract_import(
    obj: dict[str, Any], file: Path, out: Path | None, form: str | None, name: str, version: str, output: str
) -> None:
    """Convert the schema in FILE to a contract (ODCS); what it does not hold is told, field by field."""
    from interlock.cli.contract_files import opened, rendered

    read = opened(obj["workspace"], str(file), form or "", name, version)
    _hand_out(rendered(read.contract, "odcs", str(out or "")), read.findings, out, output)


@contract.command("export")
@click.argument("a", metavar="A")
@click.option("--to", "target", type=_FORMATS, required=True, help="The format to write.")
@click.option("--dialect", default="", help="Of SQL (duckdb, postgres, snowflake, ...) or Pandera (polars, ibis).")
@click.option("--out", type=_FILE, help="Write there instead of printing.")
@output_option
@click.pass_obj
def contract_export(obj: dict[str, Any], a: str, target: str, dialect: str, out: Path | None, output: str) -> None:
    """Convert A to another format; what that format has no place for is told, field by field."""
    from interlock.cli.contract_files import opened, rendered

    read = opened(obj["workspace"], a)
    made = rendered(read.contract, target, str(out or ""), dialect)
    _hand_out(made, (*read.findings, *made[1]), out, output)


def _hand_out(made: tuple[bytes, tuple[Finding, ...]], findings: Any, out: Path | None, output: str) -> None:
    from base64 import b64encode

    from interlock.kernel.digest import plain

    content = made[0]
    try:
        readable, is_text = content.decode(), True
    except UnicodeDecodeError:
        readable, is_text = b64encode(content).decode(), False
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(content)
    document: dict[str, Any] = {"findings": plain(findings)}
    document |= {"written": str(out)} if out else {"content" if is_text else "content_base64": readable}

    def text() -> None:
        _print_findings(findings, is_aside=True)
        if out:
            click.echo(f"wrote {out}")
        elif is_text:
            click.echo(readable, nl=False)
        else:
            raise click.UsageError("this format is binary: say where to, with --out")

    show(output, document, text)


def _print_findings(findings: tuple[Finding, ...], is_aside: bool = False) -> None:
    """Each on its line; beside the output (on stderr) where that is a document."""
    for finding in findings:
        click.echo(str(finding), err=is_aside)


@contract.command("infer")
@click.argument("data")
@click.option(
    "--database", default="", metavar="URL", help="DATA is a table there: duckdb://, postgresql://, sqlite:///, ..."
)
@click.option("--name", default="", help="Of the contract (the file's or table's).")
@click.option("--contract-version", "version", default="1", help="Of the contract (1).")
@click.option("--rows", default=100_000, type=click.IntRange(1), help="How many rows to look at.")
@click.option("--out", type=_FILE, help="Write the contract there instead of printing it.")
@output_option
def contract_infer(
    data: str, database: str, name: str, version: str, rows: int, out: Path | None, output: str
) -> None:
    """Guess a contract from DATA, a CSV, Parquet or JSON lines file or a table, with how sure each guess is.

    A sample proves nothing: what it does not show is left open.
    """
    from interlock.adapters.schemas.infer import inferred
    from interlock.adapters.schemas.tables import opened
    from interlock.cli.contract_files import rendered
    from interlock.kernel.digest import plain

    with opened(data, database) as table:
        made = inferred(table, name, version, rows)
    content = rendered(made.contract, "odcs", str(out or ""))[0].decode()
    if out:
        out.write_text(content, "utf-8")
    document = {"contract": content, "guesses": plain(made.guesses), "rows": made.rows, "written": str(out or "")}

    def text() -> None:
        for guess in made.guesses:
            left_out = "" if guess.is_applied else " (told, not written)"
            says = f"{guess.path} {guess.what} {guess.value}: {guess.why}{left_out}"
            click.echo(f"{guess.confidence:>6.1%}  {says}", err=True)
        click.echo(f"wrote {out}" if out else content, nl=bool(out))

    show(output, document, text)
