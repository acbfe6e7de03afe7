"""What a team would type, done by program: plan, approve in each role, start, watch the evidence."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from demo.figures import ChangeStory, Report
from demo.load import Load
from interlock.cli.api import Api, Problem
from interlock.cli.rollouts import lines

LOOK_S = 0.5


@dataclass
class Conductor:
    """One control plane, spoken to over its HTTP API, as whoever is asked for."""

    workspace: Path
    load: Load
    console: Console

    def api(self, person: str = "") -> Api:
        return Api(self.workspace, person or None)

    def carry_out(self, change: str, sponsor: str, patience_s: float = math.inf) -> ChangeStory:
        """Plan and approve `change`, roll it out, and watch it to its end, which is at hand after `patience_s`."""
        self.approve(change)
        rollout = self.start(change, sponsor)
        self.watch(rollout, patience_s)
        return self._story(rollout)

    def start(self, change: str, sponsor: str) -> str:
        """Start the rollout of the approved `change`, and return its id."""
        return str(self.api(sponsor).post("/rollouts", {"change": change})["id"])

    def order(self, rollout: str, verb: str, person: str, because: str = "") -> None:
        """Tell the rollout to pause, resume, promote, abort or roll back."""
        self.api(person).post(f"/rollouts/{rollout}/orders", {"verb": verb, "because": because})

    def approve(self, change: str) -> None:
        """Plan `change` as it is declared now, and approve it in every role that it needs."""
        view = self.api().post(f"/changes/{change}/plan")
        self.console.rule(f"[bold]{change}[/]: {view['why']}")
        for number, stage in enumerate(view["stages"]):
            self.console.print(f"  {number}. {stage['kind']}: {stage['does']}", highlight=False)
        for loss in view["losses"]:
            if loss["effect"] != "exact":
                says = f"  {loss['field']} ({loss['direction']}, {loss['effect']}): {loss['says']}"
                self.console.print(says, style="yellow", highlight=False)
        while view["missing"]:
            wanted = view["missing"][0]
            person = wanted["holders"][0]
            view = self.api(person).post(
                f"/changes/{change}/approvals", {"role": wanted["role"], "digest": view["digest"]}
            )
            self.console.print(f"  {person} approves {view['digest'][:19]} as {wanted['role']}", highlight=False)

    def watch(self, rollout: str, patience_s: float = math.inf) -> None:
        """Show the rollout until it has ended; one that still is not decided after `patience_s` is aborted."""
        give_up = time.monotonic() + patience_s
        with Live(console=self.console, refresh_per_second=4, auto_refresh=self.console.is_terminal) as live:
            told = ""
            while True:
                status = self.api().get("/status")
                view = next(r for r in status["rollouts"] if r["id"] == rollout)
                if self.console.is_terminal:
                    live.update(Text("\n".join([*lines(status), *self._traffic(view)])))
                elif (now := _headline(view)) != told:
                    told = now
                    self.console.print(now, highlight=False)
                if view["phase"] == "finished":
                    return
                if time.monotonic() > give_up and _is_open(view):
                    give_up = math.inf
                    with suppress(Problem):  # it may have ended since the look
                        self.order(rollout, "abort", view["started_by"], f"not decided within {patience_s:.0f} s")
                time.sleep(LOOK_S)

    def _traffic(self, view: dict[str, Any]) -> Iterator[str]:
        records = self.load.records()
        recent = [r for r in records[-2_000:] if r.at > time.time() - 5]
        share = sum(r.release == view["candidate"] for r in recent) / max(1, len(recent))
        yield f"  {len(records)} requests so far, {sum(r.is_failed for r in records)} failed, "
        yield f"  {sum(r.is_mixed for r in records)} mixed; candidate's share of the last 5 s: {share:.1%}"

    def _story(self, rollout: str) -> ChangeStory:
        view = self.api().get(f"/rollouts/{rollout}")
        return ChangeStory(
            name=view["change"],
            outcome=view["outcome"],
            baseline=view["baseline"],
            candidate=view["candidate"],
            started=_seconds(view["started_at"]),
            ended=_seconds(view["timeline"][-1]["at"]),
            timeline=[
                {"at": _seconds(e["at"]), "what": _what(e), "because": e["because"]} for e in view["timeline"]
            ],
            verdicts=self._verdicts(rollout),
        )

    def _verdicts(self, rollout: str) -> list[dict[str, Any]]:
        """Each gate's last verdict, from the last receipt of each series."""
        kept = [r["receipt"] for r in self.api().get(f"/rollouts/{rollout}/receipts")]
        last = {r["subject"]["series"]: r["judgement"]["reports"] for r in kept}
        return [
            {
                "gate": report["gate"] + (" (shadow)" if series.endswith("/shadow") else ""),
                "verdict": report["verdict"]["kind"],
                "because": report["verdict"]["because"],
            }
            for series, reports in sorted(last.items())
            for report in reports
        ]

    def let_traffic_flow(self, seconds: float) -> None:
        """Nothing but traffic for a while."""
        with self.console.status(f"baseline traffic for {seconds:.0f} s"):
            time.sleep(seconds)

    def audit(self) -> dict[str, Any]:
        """The control plane's own verification of its chain."""
        verified: dict[str, Any] = self.api().get("/audit/verification")
        return verified


def _is_open(view: dict[str, Any]) -> bool:
    """Neither turned back nor promoted yet."""
    return view["phase"] == "forward" and view["stages"][view["stage"]] not in ("promote", "retire")


def _headline(view: dict[str, Any]) -> str:
    state = view["outcome"] or view["phase"]
    return f"  {state}, {view['weight_bp'] / 100:g} % candidate: {view['because'][:140]}"


def _what(entry: dict[str, Any]) -> str:
    kind = entry["facts"].get("kind")
    return entry["kind"] + (f" ({kind})" if kind else "")


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()


def summarise(report: Report, console: Console) -> None:
    """The figures of the run, for a person."""
    console.rule("[bold]what happened")
    console.print(
        f"{report.requests} requests, {report.failed} failed, {report.mixed} mixed; audit chain {report.audit}"
    )
    for change in report.changes:
        peak = max((share for _, share in change.exposure), default=0.0)
        ended = f"{change.outcome} after {change.seconds:.1f} s, peak exposure {peak:.0%}"
        console.print(f"[bold]{change.name}[/]: {ended}")
        console.print(
            f"  bad answers of the candidate that users saw: {change.bad_answers} "
            f"(at the baseline's rate: {change.expected_bad_answers:.1f}); "
            f"failures replayed under the baseline: {change.replayed}"
        )
        if change.seconds_to_last_candidate_request is not None:
            console.print(
                f"  from the first bad answer to the last candidate request: "
                f"{change.seconds_to_last_candidate_request:.1f} s"
            )
        for verdict in change.verdicts:
            console.print(f"  {verdict['verdict']}: {verdict['because']}")
