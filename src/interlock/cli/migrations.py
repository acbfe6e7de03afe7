"""migration: tables that move with a change. It runs here; the control plane says what may be done."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import click

from interlock.cli.api import Api, find_state, part
from interlock.cli.output import Exit, finish, output_option, show

if TYPE_CHECKING:
    from interlock.domain.rollout.plan import Plan
    from interlock.domain.rollout.tables import Allowed
    from interlock.engine.migration_runner import Progress, Reached, Runner
    from interlock.engine.migrations import Told


@click.group()
def migration() -> None:
    """Tables that move with a change."""


@migration.command("show")
@click.argument("change")
@click.option("--sql", "with_sql", is_flag=True, help="With every statement.")
@output_option
@click.pass_obj
def migration_show(obj: dict[str, Any], change: str, with_sql: bool, output: str) -> None:
    """Every step of the tables of CHANGE: what it does, how it is undone, what going back costs."""
    view = _view(Api(**obj), change)
    show(output, view, lambda: click.echo("\n".join(_shown(view, with_sql))))


def _view(api: Api, change: str) -> dict[str, Any]:
    view: dict[str, Any] = api.get(f"/changes/{part(change)}/migration")
    return view


def _shown(view: dict[str, Any], with_sql: bool) -> Iterator[str]:
    yield f"{view['change']}  {view['plan']}" + ("" if view["is_approved"] else "  (not approved)")
    for table in view["tables"]:
        yield from table_lines(table, with_sql)


def table_lines(table: dict[str, Any], with_sql: bool) -> Iterator[str]:
    """The steps of one table for a person; a plan shows the same."""
    yield f"  {table['place']} ({table['contract']} {table['older']} to {table['newer']}, {table['dialect']})"
    for step in table["steps"]:
        yield f"    {step['number']}. {step['name']}: {step['says']}"
        if with_sql:
            yield from (f"         {line}" for one in step["do"] for line in _statement(one))
        for check in step["checks"]:
            yield f"       must not be: {check['means'].removesuffix(':')}"
            if with_sql:
                yield from (f"         {line}" for line in _statement(check["query"]))
        yield f"       undo: {step['undo_says']}"
        if with_sql:
            yield from (f"         {line}" for one in step["undo"] for line in _statement(one))
    if table["no_return"]:
        yield f"    no way back: {table['no_return']}"


def _statement(sql: str) -> list[str]:
    return (sql.strip().removesuffix(";") + ";").splitlines()


@migration.command("status")
@click.argument("change")
@output_option
@click.pass_obj
def migration_status(obj: dict[str, Any], change: str, output: str) -> None:
    """Where the tables of CHANGE stand, who is at it, and what may be done now."""
    view = _view(Api(**obj), change)
    show(output, view, lambda: click.echo("\n".join(status_lines(view))))


def status_lines(view: dict[str, Any]) -> Iterator[str]:
    """The status for a person."""
    for table in view["tables"]:
        held = table["held"]
        at_it = f"run by {held['by']} since {held['since']}" if held else "nobody is at it"
        yield f"{table['place']}: {table['says']} ({at_it})"
        if table["is_other"]:
            yield "  another plan's migration has the table; complete it or take it back first"
        for step in table["steps"]:
            mark = {"done": "x", "waiting": " ", "doing": ">", "undoing": "<"}[step["state"]]
            yield f"  [{mark}] {step['name']}"
    limit = view["allowed"]
    if not view["is_approved"]:
        yield f"nothing may be done: the plan is not approved (`interlock plan {view['change']}`)"
    elif limit["forward"] is None:
        yield f"nothing may be done now: {limit['because']}"
    else:
        yield f"may be done now: everything up to {limit['forward']}; {limit['because']}"


_SHARE = click.FloatRange(1, 100)


@migration.command("run")
@click.argument("change")
@click.option(
    "--until",
    type=click.Choice(["switch"]),
    help="Stay until the rollout promotes, and switch then; ends with 3 when it turns back.",
)
@click.option("--share", default=50.0, type=_SHARE, help="Percent of the time that batches may take (50).")
@click.option(
    "--batch-s", default=0.2, type=click.FloatRange(0.001, 60), help="How long a batch should take (0.2)."
)
@click.option("--patience-s", default=600.0, help="How long to wait for a database that is away or busy (600).")
@output_option
@click.pass_obj
def migration_run(
    obj: dict[str, Any],
    change: str,
    until: Literal["switch"] | None,
    share: float,
    batch_s: float,
    patience_s: float,
    output: str,
) -> None:
    """Do what may be done now for the tables of CHANGE; stopped anywhere, the next run goes on from there.

    Before traffic moves that is everything up to verifying, with promotion the switch. Exit code 0: done; 3: a
    check does not hold, or it must not be done now.
    """
    with _runner(obj, output, patience_s, share / 100, batch_s) as runner:
        reached = runner.follow(change, until) if until else runner.run(change)
    _conclude(output, reached)


@migration.command("undo")
@click.argument("change")
@click.option("--to", metavar="STEP", help="Take back only what came after this step.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@output_option
@click.pass_obj
def migration_undo(obj: dict[str, Any], change: str, to: str | None, yes: bool, output: str) -> None:
    """Take back the steps of CHANGE, the last first."""
    if not yes:
        view = _view(Api(**obj), change)
        for line in _undone(view):
            click.echo(line, err=True)
        click.confirm("Take them back?", abort=True, err=True)
    with _runner(obj, output) as runner:
        reached = runner.undo(change, to)
    _conclude(output, reached)


def _undone(view: dict[str, Any]) -> Iterator[str]:
    for table in view["tables"]:
        yield f"{table['place']}: {table['says']}"
        for step in reversed(table["steps"]):
            if step["state"] != "waiting":
                yield f"  {step['name']}: {step['undo_says']}"


@migration.command("contract")
@click.argument("change")
@click.option("--step", default="contract", help="How far: stop-old-writes, archive, contract (usual), expire.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@output_option
@click.pass_obj
def migration_contract(obj: dict[str, Any], change: str, step: str, yes: bool, output: str) -> None:
    """Remove what only the old release needed, once CHANGE is promoted; the plan tells where the way back ends."""
    if not yes:
        for table in _view(Api(**obj), change)["tables"]:
            click.echo(f"{table['place']}: {table['says']}\n  {table['no_return']}".rstrip(), err=True)
        click.confirm(f"Go on to {step}?", abort=True, err=True)
    with _runner(obj, output) as runner:
        reached = runner.run(change, step, is_ordered=True)
    _conclude(output, reached)


def _conclude(output: str, reached: tuple[Reached, ...]) -> None:
    """Where each table was left; 3 when one is not where it should be."""
    from interlock.kernel.digest import plain

    told = [
        {
            "place": f"{one.migration.database}.{one.migration.table}",
            "is_there": one.is_there,
            "because": one.because,
            "position": plain(one.position),
        }
        for one in reached
    ]
    show(
        output, {"tables": told}, lambda: click.echo("\n".join(f"{one['place']}: {one['because']}" for one in told))
    )
    if not all(one.is_there for one in reached):
        finish(Exit.NO)


class ApiOffice:
    """The control plane over HTTP; see `engine.migration_runner.Office`."""

    def __init__(self, api: Api) -> None:
        self.api = api

    def standing(self, change: str) -> tuple[str, Allowed]:
        from interlock.domain.rollout.tables import Allowed
        from interlock.engine.codec import load

        view = _view(self.api, change)
        return view["plan"], load(Allowed, view["allowed"])

    def plan(self, digest: str) -> Plan:
        from interlock.domain.rollout.plan import Plan
        from interlock.engine.codec import load

        return load(Plan, self.api.get(f"/plans/{part(digest)}"))

    def tell(self, change: str, told: Told) -> None:
        from interlock.kernel.digest import plain

        self.api.post(f"/changes/{part(change)}/migration/steps", plain(told))


@contextmanager
def _runner(
    obj: dict[str, Any], output: str, patience_s: float = 600.0, share: float = 0.5, batch_s: float = 0.2
) -> Iterator[Runner]:
    """A runner that tells what it does: a bar on a terminal, else a line for each thing that happens."""
    from interlock.domain.migrations.pace import Pace
    from interlock.wiring import migration_runner

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C: undone, let go, told
    api = Api(**obj)
    who = f"{api.person or 'operator'} on {socket.gethostname()}, process {os.getpid()}"
    made = migration_runner(find_state(obj["workspace"]).parent, ApiOffice(api), who)
    made.patience_s, made.pace = patience_s, Pace(batch_s=batch_s, share=share)
    if output == "json":
        yield made
        return
    with _told() as report:
        made.report = report
        yield made


@contextmanager
def _told() -> Iterator[Any]:
    """How progress is shown."""
    if not sys.stdout.isatty():
        lines = Lines()
        yield lines.report
        return
    from rich.progress import Progress

    with Progress(*Drawn.columns()) as bars:
        yield Drawn(bars).report


class Lines:
    """A line for each thing that happens, and for each tenth of a backfill."""

    def __init__(self) -> None:
        self.tenth = -1

    def report(self, told: Progress) -> None:
        if told.kind == "copy":
            tenth = int(10 * told.position.copied.share)
            if tenth == self.tenth:
                return
            self.tenth = tenth
        if told.kind != "rest":
            click.echo(told.says)


class Drawn:
    """One bar for each table: steps, and rows within a step that moves some."""

    def __init__(self, bars: Any) -> None:
        self.bars = bars
        self.tasks: dict[str, Any] = {}

    @staticmethod
    def columns() -> tuple[Any, ...]:
        """What a line of it consists of."""
        from rich.progress import BarColumn, TextColumn

        return BarColumn(), TextColumn("{task.percentage:>3.0f} %  {task.description}")

    def report(self, told: Progress) -> None:
        table = told.migration.table
        if table not in self.tasks:
            self.tasks[table] = self.bars.add_task(table, total=1.0)
        under_way = told.position.copied.share if told.kind == "copy" else 0.0
        done = (told.position.step + under_way) / len(told.migration.steps)
        self.bars.update(self.tasks[table], completed=done, description=told.says)
        if told.kind in ("trouble", "end"):
            self.bars.console.print(told.says)
