"""change, plan, approve, impact: from an idea to an approved plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from interlock.cli.api import Api
from interlock.cli.api import part as quoted
from interlock.cli.migrations import table_lines
from interlock.cli.output import Exit, finish, output_option, show
from interlock.kernel.finding import sentences

ROLES = ["change-sponsor", "data-steward", "model-validator", "service-owner"]


@click.group()
def change() -> None:
    """Change requests."""


@change.command("new")
@click.argument("name")
@click.option(
    "--move",
    "moves",
    multiple=True,
    required=True,
    metavar="KIND:NAME=VERSION",
    help="service:scoring=2, model:..., contract:...",
)
@click.option("--why", default="", help="Why this change.")
@click.option("--sponsor", default="", help="Who answers for it (default: you).")
@click.option("--dry-run", is_flag=True, help="Show it, write nothing.")
@output_option
@click.pass_obj
def change_new(
    obj: dict[str, Any], name: str, moves: tuple[str, ...], why: str, sponsor: str, dry_run: bool, output: str
) -> None:
    """Write a new change request into the workspace."""
    body = {"name": name, "why": why, "sponsor": sponsor, "dry_run": dry_run, "moves": [_move(m) for m in moves]}
    made = Api(**obj).post("/changes", body)
    where = made["written"] or "nothing (dry run)"
    show(output, made, lambda: click.echo(f"wrote {where}\nRead it, then `interlock plan {name}`."))


@change.command("list")
@output_option
@click.pass_obj
def change_list(obj: dict[str, Any], output: str) -> None:
    """All change requests."""
    changes = Api(**obj).get("/workspace")["changes"]

    def text() -> None:
        for name, c in changes.items():
            click.echo(f"{name}: {c['why']} ({', '.join(c['moves'])})")

    show(output, changes, text)


@change.command("revert")
@click.argument("change_name", metavar="CHANGE")
@click.option(
    "--only",
    "part",
    type=click.Choice(["all", "model", "contract"]),
    default="all",
    help="all (default), the model alone, or contracts and lenses alone.",
)
@click.option("--name", default="", help="Of the new change (default: revert-CHANGE).")
@click.option("--dry-run", is_flag=True, help="Show it, write nothing.")
@output_option
@click.pass_obj
def change_revert(obj: dict[str, Any], change_name: str, part: str, name: str, dry_run: bool, output: str) -> None:
    """Write the change request that takes CHANGE back: the model, the transformation, or both."""
    body = {"part": part, "name": name, "dry_run": dry_run}
    made = Api(**obj).post(f"/changes/{quoted(change_name)}/revert", body)

    def text() -> None:
        for move in made["change"]["moves"]:
            (kind, what), (_, to) = move.items()
            click.echo(f"{kind}:{what} -> {to}")
        click.echo(f"wrote {made['written'] or 'nothing (dry run)'}")
        click.echo(f"Read it, then `interlock plan {made['change']['name']}`.")

    show(output, made, text)


@change.command("contents")
@click.argument("change_name", metavar="CHANGE")
@click.option(
    "--write",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the documents there, outside of the workspace; files that are there stay.",
)
@output_option
@click.pass_obj
def change_contents(obj: dict[str, Any], change_name: str, folder: Path | None, output: str) -> None:
    """The contracts and lenses that the newest plan of CHANGE relies on, as they were written then."""
    from interlock.adapters.workspace.loader import write_once

    kept = Api(**obj).get(f"/changes/{quoted(change_name)}/contents")
    if folder is not None:
        for one in kept:
            if one["text"] is not None:
                write_once(folder / f"{one['kind']}-{one['name'].replace('@', '-')}.yaml", one["text"])

    def text() -> None:
        for one in kept:
            where = one["file"] or "kept elsewhere"
            click.echo(f"{one['kind']}:{one['name']}  {one['digest']}  {where}")

    show(output, kept, text)


def _move(text: str) -> dict[str, str]:
    kind, _, rest = text.partition(":")
    name, _, version = rest.partition("=")
    if kind not in ("service", "model", "contract") or not name or not version:
        raise click.BadParameter(f"{text!r} is not KIND:NAME=VERSION, for example service:scoring=2")
    return {"kind": kind, "name": name, "to": version}


@click.command()
@click.argument("change")
@click.option("--sql", "with_sql", is_flag=True, help="With every statement that moves a table.")
@output_option
@click.pass_obj
def plan(obj: dict[str, Any], change: str, with_sql: bool, output: str) -> None:
    """Compile CHANGE and explain it: stages, gates, losses, findings, and the digest that approvals bind to."""
    view = Api(**obj).post(f"/changes/{quoted(change)}/plan")
    show(output, view, lambda: _print_plan(view, with_sql))
    if view["is_blocked"]:
        finish(Exit.NO)


def _print_plan(view: dict[str, Any], with_sql: bool) -> None:
    def head(title: str) -> None:
        click.secho(f"\n{title}", bold=True)

    click.secho(f"{view['change']}  {view['digest']}", bold=True)
    click.echo(view["why"])
    head("Moves")
    for m in view["moves"]:
        click.echo(f"  {m['kind']}:{m['name']}  {m['before'] or '(new)'} -> {m['after']}")
    head("Stages")
    for number, s in enumerate(view["stages"]):
        click.echo(f"  {number}. {s['kind']}: {s['does']}")
        click.echo(f"     undo: {s['undo']}")
    head(f"Gates (together at most {view['alpha']:.0%} false rollbacks)")
    for g in view["gates"]:
        click.echo(f"  {g['name']}: {g['says']}")
    if view["lenses"]:
        head("Lenses in the path of requests")
        for lens in view["lenses"]:
            click.echo(f"  {lens['service']}: {lens['says']}")
    print_losses(view["losses"])
    print_counted(view["counted"])
    if view["migrations"]:
        head("Tables (`interlock migration run` moves them)")
    for table in view["migrations"]:
        click.echo("\n".join(table_lines(table, with_sql)))
    if view["reaches"]:
        head("Reaches")
        for r in view["reaches"]:
            click.echo(f"  {r['asset']} (owner {r['owner'] or 'nobody'}): {r['says']}")
    for key, title in (("waves", "Order (wave after wave)"), ("waves_back", "Order of going back")):
        if view[key]:
            head(title)
        for number, wave in enumerate(view[key], start=1):
            click.echo(f"  {number}. {', '.join(wave)}")
    if view["findings"]:
        head("Findings")
        for f in view["findings"]:
            says = sentences(f["says"], f["remedy"])
            click.echo(f"  {f['severity']} {f['code']}: {says} {f['where']}".rstrip())
    _print_approval(view)


def print_losses(losses: list[dict[str, Any]]) -> None:
    """What does not survive, line by line; what does, as a count."""
    if not losses:
        return
    click.secho("\nWhat translation and rollback do to fields", bold=True)
    for loss in losses:
        if loss["effect"] != "exact":
            where = f"{loss['contract']}.{loss['field']}"
            click.echo(f"  {where} ({loss['direction']}, {loss['effect']}): {loss['says']}")
    exact = sum(loss["effect"] == "exact" for loss in losses)
    if exact:
        click.echo(f"  exact in {exact} other cases")


def print_counted(counted: list[dict[str, Any]]) -> None:
    """What audits found on real rows, line by line where something is lost."""
    for audit in counted:
        part_of = "" if audit["share"] == 1 else f" ({audit['share']:.1%} of them)"
        click.echo(
            f"  counted on {audit['rows']:,} rows of {audit['contract']}@{audit['rows_in']}{part_of}, "
            f"data {audit['data']}: {audit['survived']:,} come back whole"
        )
        for line in audit["lines"]:
            if line["effect"] != "exact":
                click.echo(f"    {line['field']} ({line['direction']}, {line['effect']}): {line['result']}")
        for one in audit["rejected"]:
            click.echo(f"    {one['rows']:,} rows rejected: `{one['field']}` {one['reason']}")


def _print_approval(view: dict[str, Any]) -> None:
    click.secho("\nApproval", bold=True)
    for a in view["approvals"]:
        click.echo(f"  {a['person']} as {a['role']} for {', '.join(a['subjects'])} at {a['at']}")
    for r in view["missing"]:
        who = f" ({' or '.join(r['holders'])})" if r["holders"] else ""
        click.echo(f"  missing: {r['role']} for {r['subject']}{who}")
    if view["voided"]:
        click.echo("  earlier approvals are void, because this changed:")
        for line in view["voided"]:
            click.echo(f"    {line}")
    if not view["missing"]:
        click.echo(f"  complete; start it with `interlock rollout start {view['change']}`")


@click.command()
@click.argument("change")
@click.option("--role", required=True, type=click.Choice(ROLES), help="In which role you approve.")
@click.option("--digest", help="Only if the plan still has this digest (a prefix will do).")
@click.option("--as", "person", metavar="PERSON", help="Who approves, with the operator's token.")
@output_option
@click.pass_obj
def approve(
    obj: dict[str, Any], change: str, role: str, digest: str | None, person: str | None, output: str
) -> None:
    """Approve exactly the present plan of CHANGE, in a role."""
    body = {"role": role} | ({"digest": digest} if digest else {})
    api = Api(obj["workspace"], person or obj["person"])
    view = api.post(f"/changes/{quoted(change)}/approvals", body)

    def text() -> None:
        click.echo(f"{view['person']} approved {view['digest']} as {role}")
        _print_approval(view)

    show(output, view, text)


@click.command()
@click.argument("asset", metavar="KIND:NAME")
@output_option
@click.pass_obj
def impact(obj: dict[str, Any], asset: str, output: str) -> None:
    """What a change of an asset reaches, and why."""
    view = Api(**obj).get(f"/impact?asset={quoted(asset)}")

    def text() -> None:
        for r in view["reaches"] or [{"asset": "nothing", "says": f"nothing depends on {asset}", "owner": "-"}]:
            click.echo(f"{r['asset']} (owner {r['owner'] or 'nobody'}): {r['says']}")

    show(output, view, text)
