"""Are faults found in the running demo, how fast, and what did users see? And are good candidates left alone?

`python -m benchmarks.live_faults [--faults N] [--clean N] [--only CASE] [--seed S] [--rate R] [--out FILE]` starts
the demo's real system once (services, Envoy, `interlock up`, flights replayed at 200 requests/s, outcomes posted
2 s later) and rolls changes out one after another. With `--quick`: 3 faults, 2 clean runs. It ends within 29
minutes; what there was no time for is listed as not run.

- A fault run moves delay-predictor and rebooking from version 1 to 3, with a fault planted in one of the two at
  version 3 (demo/services/faults.py); there is no shadow stage, so the canary has to find it. Found means turned
  back, after the first harm, because a gate failed. What is promoted, or held for 120 s, is missed, and stays in
  the table.
- A clean run moves them from 1 to 3 or back, with no fault: the two models are equally good (mean absolute errors
  of 13.4 and 13.3 minutes), the code and the contract version differ. A rollback is false.

Truth comes from the callers. A request was harmed when its answer says that the fault took part in it, when the
edge had to replay it under the baseline, or when it failed. Seconds count from when the first harmed request was
due: to the decision to turn back (the audit trail's time), and to when the last request that the candidate got was
due; all by one clock. Limits: one machine, its noise and one year's flights. A fault is only fair if the gates
should object to it: more than 5 ms, more errors than in the baseline, in requests that come several times a second.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from demo.__main__ import SPONSOR, Stage, prepare, start_control_plane
from demo.conduct import Conductor
from demo.figures import ChangeStory
from demo.processes import Processes
from demo.records import Record
from demo.services.faults import FAULT_VARIABLE, Fault, plant
from rich.console import Console

GOOD, FAULTY = "1", "3"
"""The version from which every fault run starts, and the one in which faults are planted."""
CONTRACT_OF = {"1": "1", "3": "2"}
CARRIERS = ("UA", "B6", "EV", "DL", "AA", "MQ", "US", "9E", "WN")
"""Of nineteen of every twenty flights; each is a segment, and the rest makes one."""
GATES = (
    {"metric": "errors", "service": "delay-predictor", "margin": "3%", "segments": True},
    {"metric": "errors", "service": "rebooking", "margin": "3%"},
    {"metric": "latency", "service": "delay-predictor", "margin": "15%"},
    {"metric": "latency", "service": "delay-predictor", "bound": "150ms", "quantile": "p99"},
    {"metric": "latency", "service": "rebooking", "margin": "15%"},
    {"metric": "latency", "service": "rebooking", "bound": "150ms", "quantile": "p98"},
    {"metric": "outcome", "service": "delay-predictor", "outcome": "absolute_error", "margin": 6, "cap": 120},
    {"metric": "outcome", "service": "delay-predictor", "outcome": "contract", "margin": 0.05, "cap": 1},
    {"metric": "outcome", "service": "rebooking", "outcome": "contract", "margin": 0.05, "cap": 1},
)
"""As in the demo, and by airline. A tail of slow answers is below the margin of latency; a quantile is bounded."""
STEPS = {
    "canary": ["10%", "50%"],
    "dwell_s": 6,
    "warmup_s": 3,
    "burst_s": 5,
    "bake_s": 5,
    "answers": {"allow": ["threshold_min"]},  # each version of rebooking has its own
}
"""Bursts of five seconds are no faults here (by default twenty are not), so that forty runs fit into half an hour.
"""

WARM_S = 4.0
SETTLE_S = 3.0
"""Longer than outcomes take, so that those of one run are not evidence in the next."""
PATIENCE_S = 120.0
ENDING_S = 25.0
"""What an aborted run may still take to drain, and everything to stop."""
WHOLE_S = 45 * 60.0

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """A fault with its name for people. Each is above what the declared gates tolerate, and hits often enough."""

    name: str
    fault: Fault
    service: str = "delay-predictor"


CASES = (
    Case("errors: 2 %", Fault("fails", share=0.02)),
    Case("latency: +10 ms", Fault("slows", added_ms=10)),
    Case("quality: all predictions 20 min too late", Fault("misjudges", bias_min=20)),
    Case("errors: total failure", Fault("fails")),
    Case(
        "segment: half of the US Airways flights fail",
        Fault("fails", share=0.5, field="airline", value="US Airways Inc."),
    ),
    Case("tail: 5 % of answers +200 ms", Fault("slows", share=0.05, added_ms=200)),
    Case("late: 20 % errors, 8 s into the canary", Fault("fails", share=0.2, after_s=8)),
    Case("hang: no answer at all", Fault("hangs")),
    Case("errors: 5 %", Fault("fails", share=0.05)),
    Case("slow leak: errors 0 to 20 % in 30 s", Fault("fails", share=0.2, grows_s=30)),
    Case("latency: +20 ms", Fault("slows", added_ms=20)),
    Case("quality: noise of 30 min", Fault("misjudges", noise_min=30)),
    Case("segment: 10 % of flights from LGA fail", Fault("fails", share=0.1, field="origin", value="LGA")),
    Case("errors: 5 % in rebooking", Fault("fails", share=0.05), service="rebooking"),
    Case("late: predictions 60 min too late, 12 s in", Fault("misjudges", bias_min=60, after_s=12)),
    Case(
        "tail: 20 % of answers +200 ms, in rebooking", Fault("slows", share=0.2, added_ms=200), service="rebooking"
    ),
    Case("slow leak: latency +0 to +100 ms in 30 s", Fault("slows", added_ms=100, grows_s=30)),
    Case("errors: 20 %", Fault("fails", share=0.2)),
    Case("segment: every Southwest flight fails", Fault("fails", field="airline", value="Southwest Airlines Co.")),
    Case("quality: all predictions 60 min too late", Fault("misjudges", bias_min=60)),
)


def chosen(count: int, only: Sequence[str] = ()) -> list[Case]:
    """The first `count` cases, of those whose name has one of `only` in it if any is given; beyond their number
    they come again (and get another seed). ValueError when there is none.
    """
    cases = [case for case in CASES if not only or any(part in case.name for part in only)]
    if not cases:
        raise ValueError(
            f"no case has {' or '.join(only)} in its name; there are: " + "; ".join(c.name for c in CASES)
        )
    return [cases[number % len(cases)] for number in range(count)]


def order_of(faults: int, clean: int) -> Iterator[str]:
    """`fault` and `clean`, two of a kind in a row while there are both, so that most clean pairs lead back to where
    fault runs start.
    """
    while faults > 0 or clean > 0:
        yield from ["fault"] * min(2, faults) + ["clean"] * min(2, clean)
        faults, clean = faults - 2, clean - 2


class Bench:
    """The running system, one rollout at a time. `controls`: where to plant a fault, by service."""

    def __init__(self, workspace: Path, conductor: Conductor, controls: Mapping[str, Path]) -> None:
        self.workspace, self.conductor, self.controls = workspace, conductor, controls

    def serving(self) -> str:
        return str(self.conductor.api().get("/status")["versions"]["delay-predictor"])

    def declare(self, name: str, version: str) -> None:
        """Write the change that moves both services to `version` into the workspace."""
        change = {
            "kind": "Change",
            "name": name,
            "why": "A run of the benchmark.",
            "author": "eli",
            "sponsor": SPONSOR,
            "moves": [
                {"service": "delay-predictor", "to": version},
                {"service": "rebooking", "to": version},
                {"model": "delay", "to": version},
                {"contract": "flight-features", "to": CONTRACT_OF[version]},
            ],
            "gates": [dict(gate) for gate in GATES],
            "steps": STEPS,
            "rollback": "Back to what served before, which keeps running.",
        }
        (self.workspace / "changes" / f"{name}.yaml").write_text(yaml.safe_dump(change, sort_keys=False))

    def roll_out(self, name: str, version: str) -> tuple[ChangeStory, list[Record]]:
        """Roll out, settle, and return the story with the records since the one before."""
        self.declare(name, version)
        story = self.conductor.carry_out(name, SPONSOR, PATIENCE_S)
        self.clear()
        time.sleep(SETTLE_S)
        records = self.conductor.load.records()
        self.conductor.load.forget()
        return story, [r for r in records if r.at >= story.started]

    def clear(self) -> None:
        for path in self.controls.values():
            plant(path, None)

    def go_back(self, name: str) -> None:
        """Promote the version from which fault runs start, if another one serves; nothing is measured."""
        if self.serving() == GOOD:
            return
        self.declare(name, GOOD)
        self.conductor.approve(name)
        rollout = self.conductor.start(name, SPONSOR)
        self.conductor.order(rollout, "promote", SPONSOR, "back to where fault runs start")
        self.conductor.watch(rollout)
        time.sleep(SETTLE_S)
        self.conductor.load.forget()

    def fault_run(self, number: int, case: Case, seed: int) -> Figures:
        self.go_back(f"back-{number:02}-{seed}")
        plant(self.controls[case.service], replace(case.fault, seed=seed + number))
        story, records = self.roll_out(f"fault-{number:02}-{seed}", FAULTY)
        planted = {k: v for k, v in asdict(case.fault).items() if v != getattr(Fault("fails"), k) or k == "kind"}
        return {
            "number": number,
            "fault": case.name,
            "service": case.service,
            "planted": planted,
        } | fault_figures(story, records)

    def clean_run(self, number: int, seed: int) -> Figures:
        before = self.serving()
        after = FAULTY if before == GOOD else GOOD
        story, records = self.roll_out(f"clean-{number:02}-{seed}", after)
        return {"number": number, "move": f"{before} to {after}"} | clean_figures(story, records)


def was_tried(record: Record, candidate: str) -> bool:
    """The candidate got the request: it answered, or it failed and the baseline had to."""
    return record.release == candidate or record.attempts > 1 or record.is_failed


def is_harmed(record: Record) -> bool:
    return record.is_hit or record.attempts > 1 or record.is_failed


def turned_back(story: ChangeStory) -> Mapping[str, Any] | None:
    """The entry of the decision to turn back, whoever or whatever decided it."""
    return next((e for e in story.timeline if e["what"].startswith("rollout.turned_back")), None)


def fault_figures(story: ChangeStory, records: Sequence[Record]) -> Figures:
    """What a fault run showed. `records` are those since the rollout started.

    found: turned back by a gate, after the first harm. false_alarm: turned back by a gate before it.
    seconds_to_detection, seconds_to_last_candidate_request: from the first harm; None unless found. exposed:
    requests that the candidate got; bad_answers: harmed answers that users saw, the failed ones among them;
    replayed: failures of the candidate that users saw as a delay at most (5 s when it hangs).
    """
    tried = [r for r in records if was_tried(r, story.candidate)]
    harmed = [r for r in tried if is_harmed(r)]
    first_harm = min((r.at for r in harmed), default=None)
    back = turned_back(story) if story.outcome == "rolled_back" else None
    found = back is not None and first_harm is not None and back["at"] >= first_harm
    to_detection = to_last = None
    if found and back and first_harm:
        to_detection = round(back["at"] - first_harm, 2)
        to_last = round(max(r.at for r in tried) - first_harm, 2)
    return {
        "outcome": story.outcome,
        "found": found,
        "false_alarm": back is not None and not found,
        "seconds_to_detection": to_detection,
        "seconds_to_last_candidate_request": to_last,
        "exposed": len(tried),
        "bad_answers": sum(r.is_hit or r.is_failed for r in harmed),
        "failed": sum(r.is_failed for r in harmed),
        "replayed": sum(not r.is_failed and r.attempts > 1 for r in harmed),
        "verdict": said(story),
    }


def clean_figures(story: ChangeStory, records: Sequence[Record]) -> Figures:
    """What a clean run showed. seconds_to_promotion: from the start until the candidate was to serve everything."""
    promoted = next((e["at"] for e in story.timeline if e["what"] == "rollout.advanced (promote)"), None)
    return {
        "outcome": story.outcome,
        "is_false_rollback": story.outcome == "rolled_back",
        "seconds_to_promotion": round(promoted - story.started, 2) if promoted else None,
        "requests": len(records),
        "failed": sum(r.is_failed for r in records),
        "mixed": sum(r.is_mixed for r in records),
        "verdict": said(story),
    }


def said(story: ChangeStory) -> str:
    """Why the gates turned it back, or else what those said last that did not pass, or all if all passed."""
    back = turned_back(story)
    if back and story.outcome == "rolled_back":
        return str(back["because"])
    waiting = [v for v in story.verdicts if v["verdict"] != "pass"]
    return "; ".join(f"{v['verdict']}: {v['because']}" for v in waiting or story.verdicts)


@contextmanager
def system(rate: float, seed: int) -> Iterator[Bench]:
    """The demo's system with traffic; on leaving, by Ctrl-C too, each of its processes is ended by its id."""
    with tempfile.TemporaryDirectory(prefix="live-faults-") as folder:
        stage = prepare(Path(folder))
        declare_segments(stage.workspace / "services" / "delay-predictor.yaml")
        controls = {service: stage.home / f"fault-{service}.json" for service in ("delay-predictor", "rebooking")}
        with Processes(stage.home / "logs") as processes:
            start_services(stage, processes, controls)
            start_control_plane(stage, processes)
            load = stage.load(rate, seed, stage.token()).start()
            try:
                time.sleep(WARM_S)
                quiet = Console(quiet=True, force_terminal=False)
                yield Bench(stage.workspace, Conductor(stage.workspace, load, quiet), controls)
            finally:
                load.stop()


def declare_segments(service: Path) -> None:
    """Requests are told apart by airline; the replayed ones name theirs in a header."""
    declared = yaml.safe_load(service.read_text())
    declared["segments"] = {"header": "x-carrier", "values": list(CARRIERS)}
    service.write_text(yaml.safe_dump(declared, sort_keys=False))


def start_services(stage: Stage, processes: Processes, controls: Mapping[str, Path]) -> None:
    """Every instance that a run moves to or from; the faulty version is told where to look for its fault."""
    wanted = [i for i in stage.instances if i.service not in controls or i.version in (GOOD, FAULTY)]
    for instance in wanted:
        is_faulty = instance.service in controls and instance.version == FAULTY
        environment = {FAULT_VARIABLE: str(controls[instance.service])} if is_faulty else None
        processes.start_service(instance, f"http://{stage.inner}", stage.models, environment)
    processes.wait_healthy([i.address for i in wanted])


def measure(cases: Sequence[Case], clean: int, seed: int, rate: float) -> Figures:
    """Run them all, as long as there is time; each is told as it ends."""
    give_up = time.monotonic() + WHOLE_S - PATIENCE_S - ENDING_S
    faults: list[Figures] = []
    cleans: list[Figures] = []
    with system(rate, seed) as bench:
        for kind in order_of(len(cases), clean):
            if time.monotonic() > give_up:
                break
            if kind == "fault":
                faults.append(bench.fault_run(len(faults) + 1, cases[len(faults)], seed))
                tell(fault_row(faults[-1]))
            else:
                cleans.append(bench.clean_run(len(cleans) + 1, seed))
                tell(clean_row(cleans[-1]))
        audit = bench.conductor.audit()["audit"]
    return {
        "seed": seed,
        "rate": rate,
        "faults": faults,
        "clean": cleans,
        "not_run": [case.name for case in cases[len(faults) :]] + ["clean"] * (clean - len(cleans)),
        "audit": audit,
        "summary": summary(faults, cleans),
    }


def summary(faults: Sequence[Figures], cleans: Sequence[Figures]) -> Figures:
    """Counts, and medians over the runs that have the figure."""
    found = [f for f in faults if f["found"]]

    def middle(runs: Sequence[Figures], name: str) -> float | None:
        values = [run[name] for run in runs if run[name] is not None]
        return round(statistics.median(values), 2) if values else None

    return {
        "faults": len(faults),
        "found": len(found),
        "missed": [f["fault"] for f in faults if not f["found"]],
        "median_seconds_to_detection": middle(found, "seconds_to_detection"),
        "worst_seconds_to_detection": max((f["seconds_to_detection"] for f in found), default=None),
        "clean": len(cleans),
        "promoted": sum(c["outcome"] == "promoted" for c in cleans),
        "false_rollbacks": [f"clean {c['number']}: {c['verdict']}" for c in cleans if c["is_false_rollback"]]
        + [f"before {f['fault']}: {f['verdict']}" for f in faults if f["false_alarm"]],
        "median_seconds_to_promotion": middle(cleans, "seconds_to_promotion"),
    }


FAULT_HEAD = """\
| | fault | found | s to detection | s to last request | exposed | bad answers seen | failed | replayed | said |
|--:|---|---|--:|--:|--:|--:|--:|--:|---|"""
CLEAN_HEAD = """\
| | versions | outcome | s to promotion | requests | failed | mixed | said |
|--:|---|---|--:|--:|--:|--:|---|"""
LONGEST_SAYING = 170


def fault_row(run: Figures) -> str:
    found = "yes" if run["found"] else f"**no**: {run['outcome'].replace('_', ' ')}"
    cells = [run["number"], run["fault"], found, run["seconds_to_detection"]]
    cells += [run["seconds_to_last_candidate_request"], run["exposed"], run["bad_answers"], run["failed"]]
    return row([*cells, run["replayed"], brief(run["verdict"])])


def clean_row(run: Figures) -> str:
    cells = [run["number"], run["move"], run["outcome"].replace("_", " "), run["seconds_to_promotion"]]
    verdict = "" if run["outcome"] == "promoted" else brief(run["verdict"])
    return row([*cells, run["requests"], run["failed"], run["mixed"], verdict])


def brief(verdict: str) -> str:
    """What fits into a cell; the whole is in the JSON."""
    text = verdict.removeprefix("turning back, because ")
    return text if len(text) <= LONGEST_SAYING else text[:LONGEST_SAYING].rstrip() + " ..."


def row(cells: Sequence[object]) -> str:
    return "| " + " | ".join("" if c is None else str(c).replace("|", "/") for c in cells) + " |"


def markdown(figures: Figures) -> str:
    """Both tables and their sums."""
    s = figures["summary"]
    found = f"Faults found: {s['found']} of {s['faults']}; seconds to detection: median "
    found += f"{s['median_seconds_to_detection']}, worst {s['worst_seconds_to_detection']}."
    clean = (
        f"Clean runs: {s['promoted']} of {s['clean']} promoted; false rollbacks, before a fault began included: "
    )
    clean += f"{len(s['false_rollbacks'])}; median seconds to promotion: {s['median_seconds_to_promotion']}."
    parts = [
        f"Seed {figures['seed']}, {figures['rate']:g} requests/s, audit chain {figures['audit']}.",
        found,
        "\n".join([FAULT_HEAD, *map(fault_row, figures["faults"])]),
        clean,
        "\n".join([CLEAN_HEAD, *map(clean_row, figures["clean"])]),
        *(f"False rollback, {why}." for why in s["false_rollbacks"]),
        *([f"Not run, because time was over: {', '.join(figures['not_run'])}."] if figures["not_run"] else []),
    ]
    return "\n\n".join(parts)


def tell(line: str) -> None:
    print(line, flush=True)


def run(quick: bool) -> Figures:
    """20 faults and 20 clean runs; 3 and 2 when `quick`."""
    return measure(chosen(3 if quick else 20), 2 if quick else 20, seed=2013, rate=200.0)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live_faults")
    parser.add_argument("--quick", action="store_true", help="3 faults and 2 clean runs, unless numbers are given")
    parser.add_argument("--faults", type=int, help=f"how many fault runs; there are {len(CASES)} faults")
    parser.add_argument("--clean", type=int, help="how many runs without a fault")
    parser.add_argument(
        "--only", action="append", default=[], help="cases with this in their name; may be repeated"
    )
    parser.add_argument("--seed", type=int, default=2013, help="which flights, which keys, which requests are hit")
    parser.add_argument("--rate", type=float, default=200.0, help="requests per second at the edge")
    parser.add_argument("--out", type=Path, help="where the figures go, as JSON")
    return parser.parse_args()


def main() -> None:
    """Print each run as it ends, then the tables."""
    given = parse_arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C, so that nothing is left running
    only = [case for case in CASES if any(part in case.name for part in given.only)]
    faults = (len(only) if only else 3 if given.quick else 20) if given.faults is None else given.faults
    clean = (0 if given.only else 2 if given.quick else 20) if given.clean is None else given.clean
    began = time.monotonic()
    figures = measure(chosen(faults, given.only), clean, given.seed, given.rate)
    tell(f"\n{markdown(figures)}\n\nIt took {time.monotonic() - began:.0f} s.")
    if given.out:
        given.out.write_text(json.dumps(figures, indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit("stopped") from None
