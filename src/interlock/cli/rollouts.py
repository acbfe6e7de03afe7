"""rollout, status and the orders: start it, watch it, tell it something."""

from __future__ import annotations

import functools
import sys
import time
from typing import Any

import click

from interlock.cli.api import Api, part
from interlock.cli.changes import print_counted, print_losses
from interlock.cli.gate_text import diagnosis_lines, shadow_lines
from interlock.cli.output import Exit, finish, output_option, show

POLL_S = 0.5
GOING_BACK = ("abort", "rollback")


@click.group()
def rollout() -> None:
    """Rollouts."""


@rollout.command("start")
@click.argument("change")
@output_option
@click.pass_obj
def rollout_start(obj: dict[str, Any], change: str, output: str) -> None:
    """Start the rollout of the approved CHANGE."""
    view = Api(**obj).post("/rollouts", {"change": change})
    show(output, view, lambda: click.echo(f"started {view['id']}; watch it with `interlock status --watch`"))


@rollout.command("list")
@output_option
@click.pass_obj
def rollout_list(obj: dict[str, Any], output: str) -> None:
    """All rollouts."""
    views = Api(**obj).get("/rollouts")
    show(output, views, lambda: click.echo("\n".join(_line(v) for v in views)))


@rollout.command("show")
@click.argument("rollout")
@output_option
@click.pass_obj
def rollout_show(obj: dict[str, Any], rollout: str, output: str) -> None:
    """One rollout (by id, or the newest of a change) and its timeline."""
    view = Api(**obj).get(f"/rollouts/{part(rollout)}")

    def text() -> None:
        click.echo(_line(view))
        for e in view["timeline"]:
            click.echo(f"  {e['at']} {e['actor']}: {e['kind']} {e['because']}")

    show(output, view, text)


def _order(verb: str, says: str) -> click.Command:
    @click.command(verb, help=says)
    @click.argument("rollout", required=False)
    @click.option("--because", default="", help="Why; it goes into the audit trail.")
    @output_option
    @click.pass_obj
    def command(obj: dict[str, Any], rollout: str | None, because: str, output: str) -> None:
        api = Api(**obj)
        name = rollout or _only_live(api)
        view = api.post(f"/rollouts/{part(name)}/orders", {"verb": verb, "because": because})
        if verb in GOING_BACK:
            view["going_back"] = api.get(f"/rollouts/{part(name)}/going-back")

        def text() -> None:
            click.echo(f"told {view['id']}: {verb}")
            if costs := view.get("going_back"):
                print_losses(costs["losses"])
                print_counted(costs["counted"])

        show(output, view, text)

    return command


def _only_live(api: Api) -> str:
    live = [r["id"] for r in api.get("/rollouts") if r["phase"] != "finished"]
    if len(live) != 1:
        raise click.UsageError(f"name the rollout: {len(live)} are under way ({', '.join(live) or 'none'})")
    return str(live[0])


ORDERS = [
    _order("pause", "Stay where it is; harm still turns it back."),
    _order("resume", "Go on after a pause."),
    _order("promote", "Give everything to the candidate now, without waiting for the gates."),
    _order("abort", "Stop, and bring everything back to the baseline."),
    _order("rollback", "Bring everything back to the baseline."),
]
for _command in ORDERS:
    rollout.add_command(_command)


@click.command()
@click.option("--watch", is_flag=True, help="Follow until every rollout has ended.")
@output_option
@click.pass_obj
def status(obj: dict[str, Any], watch: bool, output: str) -> None:
    """What serves and what is under way. With --watch: exit code 0 when promoted, 3 when turned back."""
    api = Api(**obj)
    if not watch:
        view = api.get("/status")
        show(output, view, lambda: click.echo("\n".join(lines(view))))
        return
    _watch(api, output)


def _watch(api: Api, output: str) -> None:
    """A live picture on a terminal; elsewhere one line (or one JSON document) for each change."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    is_live_picture = output == "text" and sys.stdout.isatty()
    printed = ""
    with (
        Live(Text(""), console=Console(), refresh_per_second=8, transient=False)
        if is_live_picture
        else _Quiet() as live
    ):
        while True:
            view = api.get("/status")
            if is_live_picture:
                live.update(Text("\n".join(lines(view))))
            elif (told := "; ".join(_line(r) for r in view["rollouts"])) != printed:
                printed = told
                show(output, view, functools.partial(click.echo, told))
            if all(r["phase"] == "finished" for r in view["rollouts"]):
                break
            time.sleep(POLL_S)
    if any(r["outcome"] != "promoted" for r in view["rollouts"]):
        finish(Exit.NO)


class _Quiet:
    """Stands where the live picture would; nothing is drawn."""

    def __enter__(self) -> _Quiet:
        return self

    def __exit__(self, *exception: object) -> None:
        return None

    def update(self, text: object) -> None:
        return None


def lines(view: dict[str, Any]) -> list[str]:
    """The status for a person, line by line."""
    versions = ", ".join(f"{s}@{v}" for s, v in view["versions"].items())
    shown = [f"serving {view['release']}: {versions}"]
    for r in view["rollouts"]:
        shown += [
            "",
            _line(r),
            *(f"  {x}" for x in diagnosis_lines(r["diagnosis"])),
            *_evidence(r["evidence"] or {}),
        ]
    return [*shown, *_strays(view["traffic"] or {}), *_ailing(view["proxy"])]


def _ailing(proxy: dict[str, Any]) -> list[str]:
    """Processes that traffic passes and that do not do their work."""
    return [f"{name}: {one['says']}" for name, one in proxy.items() if not one["well"]]


def _strays(traffic: dict[str, Any]) -> list[str]:
    """Requests that no rollout can assign, and what that tells."""
    shown = [
        f"{service}: {n} requests came in without a pin from inside; does their caller forward `baggage`?"
        for service, n in traffic.get("unpinned", {}).items()
        if n
    ]
    return shown + [
        f"{service}: {n} requests came in without an entity key; they stay with the baseline"
        for service, n in traffic.get("unkeyed", {}).items()
        if n
    ]


def _line(r: dict[str, Any]) -> str:
    steps = " > ".join(
        f"[{k}]" if i == r["stage"] and r["phase"] != "finished" else k for i, k in enumerate(r["stages"])
    )
    state = r["outcome"] if r["phase"] == "finished" else "paused" if r["is_paused"] else r["phase"]
    return f"{r['id']} {state}, {r['weight_bp'] / 100:g} % candidate  {steps}\n  {r['because']}"


def _evidence(evidence: dict[str, Any]) -> list[str]:
    shown = []
    shadow = evidence.get("shadow") or {}
    if shadow.get("pairs"):
        shown += [f"  {line}" for line in shadow_lines(shadow)]
    shown += [f"  moved: {one['service']} {one['says']}" for one in evidence.get("moved", [])]
    shown += [f"  note: {note}" for note in evidence.get("notes", [])]
    shown += [f"  table {name}: {says}" for name, says in evidence.get("tables", {}).items()]
    reports = (evidence.get("gates") or {}).get("reports", [])
    return shown + [f"  {r['gate']}: {r['verdict']['because'].removeprefix(r['gate'] + ': ')}" for r in reports]
