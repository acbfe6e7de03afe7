"""gate: what gates say and why, what they would find, and the receipts of their verdicts.

`explain` and `receipts` ask the control plane; `power` and `simulate` need the declarations alone; `replay` and
`backtest` of a file need nothing else.
"""

from __future__ import annotations

import io
import json
import math
import random  # noqa: TID251  # chance is drawn here, at the outermost ring, and passed inward as an argument
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from interlock.cli.api import Api, Problem, part
from interlock.cli.gate_text import backtest_lines, explained, fault_table, power_table
from interlock.cli.output import Command, Exit, finish, output_option, show

if TYPE_CHECKING:
    from interlock.cli.gate_worlds import World
    from interlock.domain.gates.backtest import Split
    from interlock.domain.rollout.plan import Plan
    from interlock.domain.rollout.rehearse import Rehearsal
    from interlock.domain.rollout.stages import Canary
    from interlock.engine.gates import Recording


@click.group()
def gate() -> None:
    """Gates: where they stand, what they would find, and the receipts of their verdicts."""


@gate.command("receipts")
@click.argument("rollout")
@output_option
@click.pass_obj
def gate_receipts(obj: dict[str, Any], rollout: str, output: str) -> None:
    """The receipts of ROLLOUT."""
    kept = Api(**obj).get(f"/rollouts/{part(rollout)}/receipts")
    show(output, kept, lambda: click.echo("\n".join(r["name"] for r in kept)))


@gate.command("receipt")
@click.argument("name")
@click.pass_obj
def gate_receipt(obj: dict[str, Any], name: str) -> None:
    """Print one receipt, byte for byte; redirect it into a file to keep it."""
    status, raw = Api(**obj).raw("GET", f"/receipts/{part(name)}")
    if status != 200:
        raise Problem(json.loads(raw))
    sys.stdout.buffer.write(raw)


@gate.command("replay")
@click.argument("receipt", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@output_option
def gate_replay(receipt: Path, output: str) -> None:
    """Recompute the verdict of a receipt (a file, or - for standard input) from its counts alone."""
    from interlock.domain.gates.receipt import replay

    raw = sys.stdin.buffer.read() if str(receipt) == "-" else receipt.read_bytes()
    again = replay(raw)
    is_same = again == raw
    document = {"is_same": is_same, "verdict": json.loads(again)["judgement"]["verdict"]}

    def text() -> None:
        says = "the same bytes" if is_same else "NOT the same bytes: the receipt was altered"
        click.echo(f"{says}; verdict: {document['verdict']}")

    show(output, document, text)
    if not is_same:
        finish(Exit.NO)


@gate.command("explain")
@click.argument("rollout")
@output_option
@click.pass_obj
def gate_explain(obj: dict[str, Any], rollout: str, output: str) -> None:
    """Each gate of ROLLOUT: its rule, the numbers, how far from each boundary, what is missing and for how long.

    Exit code 0: the gates pass, 3: they fail, 4: undecided.
    """
    view = Api(**obj).get(f"/rollouts/{part(rollout)}/gates")
    show(output, view, lambda: click.echo("\n".join(explained(view))))
    _finish_with(view["verdict"]["kind"])


def _watched() -> TextIO:
    """Where progress is drawn: the terminal, or nowhere when nobody watches."""
    return sys.stderr if sys.stderr.isatty() else io.StringIO()


def _finish_with(kind: str) -> None:
    if kind != "pass":
        finish(Exit.NO if kind == "fail" else Exit.UNDECIDED)


def traffic_options(command: Command) -> Command:
    """What a person may say about the traffic instead of having it measured."""
    for option in reversed(
        (
            click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Requests per second."),
            click.option("--bad", type=click.FloatRange(0, 1), help="The baseline's share of bad answers."),
            click.option("--latency-ms", type=click.FloatRange(min=0, min_open=True), help="Its median latency."),
            click.option("--loss", type=click.FloatRange(min=0, min_open=True), help="Its mean loss, loss units."),
            click.option("--measure-s", default=2.0, help="How long to measure the control plane's traffic."),
            click.option("--block-s", default=1.0, help="Length of a block of evidence."),
        )
    ):
        command = option(command)
    return command


def _world(obj: dict[str, Any], plan: Plan, said: dict[str, Any]) -> World:
    from interlock.cli.gate_worlds import Given, world

    given = Given(said["rate"], said["bad"], said["latency_ms"], said["loss"])
    return world(plan.gates, given, Api(**obj), said["measure_s"])


@gate.command("power")
@click.argument("change")
@click.option("--weights", help="The candidate's shares, for example 1%,5%,25% (default: the change's).")
@click.option("--horizon-s", default=3_600.0, help="Where waiting ends.")
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="Write a picture (SVG) there too.")
@traffic_options
@output_option
@click.pass_obj
def gate_power(
    obj: dict[str, Any],
    /,
    change: str,
    weights: str | None,
    horizon_s: float,
    plot: Path | None,
    output: str,
    **said: Any,
) -> None:
    """Which differences the gates of CHANGE would find, how soon, and at what cost, at this traffic.

    The gates judge expected counts, so a figure is a typical run. Traffic is measured when a control plane runs.
    """
    from interlock.cli.gate_plot import power_plot
    from interlock.cli.gate_worlds import compiled
    from interlock.domain.gates.power import Reach, reach
    from interlock.domain.gates.profile import NO_HARM, harms_of

    plan = compiled(obj["workspace"], change)
    at = _weights(weights) if weights else [s.weight_bp for s in plan.stages if isinstance(s, _canary())]
    world = _world(obj, plan, said)
    grid = [(harm, weight) for harm in (NO_HARM, *harms_of(plan.gates)) for weight in at]
    reaches: list[Reach] = []
    with click.progressbar(grid, label="judging expected counts", file=_watched()) as cells:
        for harm, weight in cells:
            reaches.append(reach(plan.gates, world.profiles, weight, harm, said["block_s"], horizon_s))
    if plot:
        plot.write_text(power_plot(f"{change}: what the gates find, and when", reaches, horizon_s))
    rows = [
        {
            "difference": r.harm.name,
            "weight_bp": r.weight_bp,
            "verdict": r.verdict,
            "seconds": r.seconds,
            "candidate_requests": r.requests,
            "worse_answers": round(r.worse, 1),
        }
        for r in reaches
    ]
    document = {"change": change, "traffic": world.as_plain(), "horizon_s": horizon_s, "rows": rows}
    show(output, document, lambda: click.echo("\n".join([*world.lines(), "", *power_table(rows, at)])))


def _canary() -> type[Canary]:
    from interlock.domain.rollout.stages import Canary

    return Canary


def _weights(text: str) -> list[int]:
    try:
        found = [round(float(w.strip().removesuffix("%")) * 100) for w in text.split(",")]
    except (ValueError, OverflowError):
        found = []
    if not found or not all(0 < w < 10_000 for w in found):
        raise click.BadParameter(f"{text!r} is no list of shares like 1%,5%,25%", param_hint="--weights")
    return found


@gate.command("simulate")
@click.argument("change")
@click.option("--runs", default=50, type=click.IntRange(1), help="Rollouts per fault.")
@click.option("--seed", default=1, help="Of the traffic that is drawn; the same seed draws the same.")
@click.option("--service", help="Which service is at fault (default: the first that is judged).")
@click.option("--limit-s", default=3_600.0, help="When a rollout that still waits is given up.")
@traffic_options
@output_option
@click.pass_obj
def gate_simulate(
    obj: dict[str, Any],
    /,
    change: str,
    runs: int,
    seed: int,
    service: str | None,
    limit_s: float,
    output: str,
    **said: Any,
) -> None:
    """Roll CHANGE out in memory against faults: false rollbacks, what is missed, bad answers, time to promote.

    The production decision and the production gates run; only the traffic is drawn.
    """
    from interlock.cli.gate_worlds import compiled
    from interlock.domain.rollout.rehearse import drawn, faults, rehearse, worse_served

    plan = compiled(obj["workspace"], change)
    world = _world(obj, plan, said)
    at_fault = service or plan.gates.gates[0].service
    if at_fault not in world.profiles:
        raise click.BadParameter(
            f"no gate judges {at_fault!r}: {', '.join(world.profiles)}", param_hint="--service"
        )
    rows = []
    for harm in faults(plan, at_fault):
        ended = []
        with click.progressbar(range(runs), label=harm.name.ljust(14), file=_watched()) as numbers:
            for number in numbers:
                draw = drawn(world.profiles, harm, random.Random(f"{seed}/{harm.name}/{number}"))
                ended.append(rehearse(plan, draw, said["block_s"], limit_s))
        worse = [worse_served(r, world.profiles) for r in ended] if harm.is_any else []
        rows.append(_fault_row(harm.name, ended, worse))
    document = {"change": change, "runs": runs, "seed": seed, "traffic": world.as_plain(), "rows": rows}
    show(output, document, lambda: click.echo("\n".join([*world.lines(), "", *fault_table(rows, runs)])))


def _fault_row(name: str, ended: list[Rehearsal], worse: list[float]) -> dict[str, Any]:
    def median_of(values: list[float]) -> float | None:
        return statistics.median(values) if values else None

    ranked = sorted(worse)
    return {
        "fault": name,
        "rolled_back": sum(r.outcome == "rolled_back" for r in ended),
        "promoted": sum(r.outcome == "promoted" for r in ended),
        "held": sum(r.outcome == "held" for r in ended),
        "worse_answers_median": median_of(worse),
        "worse_answers_p90": ranked[math.ceil(0.9 * len(ranked)) - 1] if ranked else None,
        "promote_s_median": median_of([r.promoted_s for r in ended if r.promoted_s is not None]),
        "rollback_s_median": median_of([r.seconds for r in ended if r.outcome == "rolled_back"]),
    }


@gate.command("blocks")
@click.argument("rollout")
@click.pass_obj
def gate_blocks(obj: dict[str, Any], rollout: str) -> None:
    """The recorded blocks of ROLLOUT (or of a gate session) as JSON lines: the gates first, then block by block."""
    view = Api(**obj).get(f"/gates/{part(rollout)}/blocks")
    blocks = view.pop("blocks")
    for line in (view, *blocks):
        click.echo(json.dumps(line, separators=(",", ":")))


@gate.command("backtest")
@click.argument("recording", metavar="ROLLOUT|FILE")
@click.option(
    "--margin", "margins", multiple=True, metavar="GATE=VALUE", help="Another margin, by gate or by metric."
)
@click.option("--alpha", type=click.FloatRange(0, 1, min_open=True, max_open=True), help="Another bound on Fail.")
@click.option("--warmup-s", type=click.FloatRange(min=0), help="Another warm-up.")
@click.option("--splits", default=20, type=click.IntRange(0), help="A/A runs of the baseline against itself.")
@click.option(
    "--by", type=click.Choice(["requests", "blocks"]), default="requests", help="How the baseline is split."
)
@click.option("--seed", default=1, help="Of the splits.")
@output_option
@click.pass_obj
def gate_backtest(
    obj: dict[str, Any],
    recording: str,
    margins: tuple[str, ...],
    alpha: float | None,
    warmup_s: float | None,
    splits: int,
    by: str,
    seed: int,
    output: str,
) -> None:
    """Judge recorded blocks again, with other margins or bounds, and the baseline against itself.

    ROLLOUT is asked from the control plane; FILE is what `interlock gate blocks` printed. Exit code 0: the
    blocks pass at the end, 3: they fail, 4: undecided.
    """
    from interlock.domain.gates.backtest import adjusted, compare_baseline, rejudge
    from interlock.kernel.digest import plain

    recorded = _recording(obj, recording)
    constants = {k: v for k, v in (("alpha", alpha), ("warmup_s", warmup_s)) if v is not None}
    gates = adjusted(recorded.gate_set, dict(_margin(text) for text in margins), **constants)
    turns = rejudge(gates, recorded.blocks, recorded.steps)
    chances = (random.Random(f"{seed}/{number}") for number in range(splits))
    with click.progressbar(length=splits, label="baseline against itself", file=_watched()) as bar:
        null = compare_baseline(gates, recorded.blocks, chances, _split(by), lambda _: bar.update(1))
    document = {"of": recorded.of, "blocks": len(recorded.blocks), "turns": plain(turns), "baseline": plain(null)}
    document |= {"split": by, "bound": gates.alpha}
    show(output, document, lambda: click.echo("\n".join(backtest_lines(document))))
    _finish_with(turns[-1].verdict if turns else "undecided")


def _split(by: str) -> Split:
    return "blocks" if by == "blocks" else "requests"


def _margin(text: str) -> tuple[str, float]:
    name, _, value = text.rpartition("=")
    try:
        return name, float(value.removesuffix("%")) / (100 if value.endswith("%") else 1)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is not GATE=VALUE, for example errors=1%", param_hint="--margin"
        ) from None


def _recording(obj: dict[str, Any], name: str) -> Recording:
    from interlock.engine.codec import load
    from interlock.engine.gates import Recording

    path = Path(name)
    if not path.is_file():
        return load(Recording, Api(**obj).get(f"/gates/{part(name)}/blocks"))
    try:
        head, *blocks = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    except ValueError as fault:
        raise click.BadParameter(f"{name} holds no JSON lines of `interlock gate blocks`: {fault}") from fault
    return load(Recording, {**head, "blocks": blocks})
