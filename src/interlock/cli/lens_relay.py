"""lens relay: messages of one stream, translated one by one onto another."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from interlock.cli.api import Api, part
from interlock.cli.output import Exit, finish, output_option
from interlock.kernel.errors import InterlockError

if TYPE_CHECKING:
    from interlock.domain.changes.workspace import Workspace
    from interlock.domain.lenses.relaying import Routing, Share
    from interlock.engine.relay import Event

FOLLOW_S = 1.0
_COLORS = {"waiting": "yellow", "dead": "red", "notice": "yellow", "back": "green"}


@click.command("relay")
@click.argument("lens", metavar="CONTRACT@FROM..TO")
@click.option(
    "--from", "source", required=True, metavar="URL", help="nats://host/STREAM/subject, kafka://host/topic."
)
@click.option("--to", "target", required=True, metavar="URL", help="Likewise.")
@click.option(
    "--dead", default="", metavar="SUBJECT", help="Of what cannot be translated (the target's, and .dead)."
)
@click.option("--to-version", default="", help="Which of both versions messages leave in (TO).")
@click.option("--name", default="", help="Of the relay, by which it finds its place again (CONTRACT-FROM-TO).")
@click.option(
    "--start", type=click.Choice(["earliest", "latest"]), default="earliest", help="Without such a place."
)
@click.option("--key", default="", help="header:NAME, key or subject (Kafka: key, NATS: header:x-entity-key).")
@click.option(
    "--pin", "pins", multiple=True, metavar="RELEASE=VERSION", help="What messages of a release leave in."
)
@click.option("--share", default="", metavar="PERCENT", help="Of the keys that get TO; the others get --rest.")
@click.option("--salt", default="", help="Of the buckets of --share (the relay's name).")
@click.option("--rest", default="", metavar="VERSION", help="What keys outside of the share get (FROM).")
@click.option("--follow", is_flag=True, help="Instead: the share, pins and default of the running rollout.")
@click.option("--body-limit", default=1_048_576, type=click.IntRange(1), help="Bytes of a body (1 MiB).")
@click.option("--metrics", default="", metavar="HOST:PORT", help="Serve Prometheus metrics there.")
@click.option("--once", is_flag=True, help="End when nothing waits.")
@output_option
@click.pass_obj
def relay(
    obj: dict[str, Any], /, lens: str, source: str, target: str, once: bool, output: str, **said: Any
) -> None:
    """Translate every message of a stream onto another: at least once, and not twice after a crash.

    The order of each key stays. What cannot be translated goes to a dead-letter subject as it came, with the
    reason. A release pinned in a message's baggage, its trace and its other headers stay with it. A broker that is
    away is waited for. SIGINT and SIGTERM finish what is in flight.

    Exit code 3: with --once, there were dead letters.
    """
    from interlock.config import RelaySettings, address
    from interlock.relay import open_relay

    workspace = _workspace(obj["workspace"])
    routing, name = _routing(lens, workspace, said)
    stop = threading.Event()
    tell = partial(_tell, output=output)
    routings = _followed(obj, routing, said, stop, tell) if said["follow"] else lambda: routing
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    metrics = address(said["metrics"]) if said["metrics"] else None
    settings = RelaySettings(said["key"], said["start"], said["body_limit"], metrics)
    urls = (source, target, said["dead"])
    try:
        with open_relay(workspace, routing.contract, routings, name, urls, settings, tell) as opened:
            counts = opened.run(stop, is_once=once)
    finally:
        stop.set()
    if once and counts.dead:
        finish(Exit.NO)


def _workspace(path: Path) -> Workspace:
    from interlock.adapters.workspace.loader import WorkspaceFiles
    from interlock.engine.relay import LensUnusable

    workspace, findings = WorkspaceFiles(path).load()
    if wrong := [f for f in findings if f.is_blocking and f.subject.startswith(("lens:", "contract:"))]:
        raise LensUnusable(wrong[0].says, remedy=wrong[0].remedy, where=wrong[0].where, findings=wrong)
    return workspace


def _routing(lens: str, workspace: Workspace, said: dict[str, Any]) -> tuple[Routing, str]:
    """What the options say, and the relay's name; only of versions that are there."""
    from interlock.domain.lenses.relaying import Routing
    from interlock.engine.contracts import version

    contract, _, versions = lens.rpartition("@")
    older, dots, newer = versions.partition("..")
    if not (contract and older and dots and newer):
        raise click.BadParameter(f"{lens!r} is not CONTRACT@FROM..TO, for example order@1..2")
    if said["to_version"] not in ("", older, newer):
        raise click.BadParameter(f"is one of {older} and {newer}", param_hint="--to-version")
    source, target = (newer, older) if said["to_version"] == older else (older, newer)
    name = said["name"] or f"{contract}-{source}-{target}"
    pins = dict(_pin(one) for one in said["pins"])
    share = _share(said, target, name)
    default = (said["rest"] or source) if share else target
    for wanted in {source, target, default, *pins.values()}:
        version(list(workspace.contracts.values()), contract, wanted)
    return Routing(contract, source, default, pins, share), _named(name)


def _followed(
    obj: dict[str, Any], given: Routing, said: dict[str, Any], stop: threading.Event, tell: Callable[[Event], None]
) -> Callable[[], Routing]:
    """The routing that the control plane says, asked for again and again beside the relay. While it is silent, what
    it said last holds.
    """
    from interlock.adapters.clock import SystemClock
    from interlock.engine.relay import Event

    if said["share"] or said["pins"] or said["rest"]:
        raise click.UsageError("--follow takes share, pins and default from the rollout; leave out your own")
    now = [_asked(obj, given)]

    def keep_asking() -> None:
        is_silent = False
        while not stop.wait(FOLLOW_S):
            try:
                routing, because = _asked(obj, given)
            except InterlockError as fault:
                if not is_silent:
                    tell(Event("notice", f"{fault}; what it said last holds", SystemClock().now()))
                is_silent = True
                continue
            is_silent = False
            if because != now[0][1]:
                tell(Event("routing", because, SystemClock().now()))
            now[0] = (routing, because)

    tell(Event("routing", now[0][1], SystemClock().now()))
    threading.Thread(target=keep_asking, name="follow", daemon=True).start()
    return lambda: now[0][0]


def _asked(obj: dict[str, Any], given: Routing) -> tuple[Routing, str]:
    """What the control plane says, and because of what."""
    from interlock.domain.lenses.relaying import Routing
    from interlock.engine.codec import load
    from interlock.engine.schema_share import SchemaShare

    said = load(SchemaShare, Api(**obj).get(f"/schema-share/{part(given.contract)}"))
    return Routing(given.contract, given.source, said.default, dict(said.pins), said.share), said.because


def _named(name: str) -> str:
    from interlock.kernel.ident import is_name

    if not is_name(name):
        says = f"{name!r} is no name: lower-case letters, digits, and . _ - between them"
        raise click.BadParameter(says, param_hint="--name")
    return name


def _pin(given: str) -> tuple[str, str]:
    release, equals, version = given.partition("=")
    if not (release and equals and version):
        raise click.BadParameter(f"{given!r} is not RELEASE=VERSION", param_hint="--pin")
    return release, version


def _share(said: dict[str, Any], target: str, name: str) -> Share | None:
    from interlock.domain.lenses.relaying import Share
    from interlock.domain.traffic.bucket import seed

    if not said["share"]:
        return None
    try:
        weight = round(float(said["share"].strip().removesuffix("%")) * 100)
    except (ValueError, OverflowError):
        weight = -1
    if not 0 <= weight <= 10_000:
        raise click.BadParameter(f"{said['share']!r} is no share like 10%", param_hint="--share")
    return Share(target, weight, seed(said["salt"] or name))


def _tell(event: Event, output: str) -> None:
    from interlock.kernel.digest import plain
    from interlock.kernel.instant import to_rfc3339

    if output == "json":
        document = {"kind": event.kind, "at": to_rfc3339(event.at), "says": event.says, **plain(event.details)}
        click.echo(json.dumps(document, ensure_ascii=False))
        return
    click.echo(f"{event.at:%H:%M:%S} ", nl=False)
    click.secho(f"{event.kind}: ", fg=_COLORS.get(event.kind), nl=False)
    click.echo(event.says)
