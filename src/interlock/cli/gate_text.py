"""What gates say, for a person: lines of text from the documents that `--output json` prints."""

from __future__ import annotations

import math
from typing import Any


def explained(view: dict[str, Any]) -> list[str]:
    """The gates of a rollout for a person, line by line."""
    evidence = view["evidence"]
    at = f" at {view['weight_bp'] / 100:g} %" if view["weight_bp"] else ""
    state = view["outcome"] or view["phase"]
    proof = f"{evidence['proof']:g} to 1 fails ({_way(evidence['way_to_fail'])})"
    shown = [
        f"{view['rollout']} ({state}, {view['stage']}{at}): {view['verdict']['kind'].upper()}",
        f"  {view['verdict']['because']}",
        f"  judged: {view['judged']}; combined evidence of harm {_odds(evidence['log_odds'])}, {proof}",
    ]
    if view["is_stale"]:
        age = "there is none" if view["age_s"] is None else f"the newest is {view['age_s']:.0f} s old"
        shown.append(f"  the evidence is stale: {age}; nothing advances on it")
    shown += [f"  {line}" for line in diagnosis_lines(view.get("diagnosis"))]
    shown += [f"  moved: {one['service']} {one['says']}" for one in view.get("moved", [])]
    shown += [f"  contract: {_broken(one)}" for one in view.get("broken", [])]
    shown += [f"  note: {note}" for note in view.get("notes", [])]
    if view.get("shadow"):
        shown += [f"  {line}" for line in shadow_lines(view["shadow"])]
    for g in view["gates"]:
        shown += ["", *_gate_lines(g)]
    return shown


def diagnosis_lines(diagnosis: dict[str, Any] | None, limit: int = 3) -> list[str]:
    """Why a rollout was turned back, and what carries it; nothing where it was not looked into."""
    if diagnosis is None:
        return []
    carriers = [
        f"  carried by {c['kind']} {c['subject']}{_of(c)}: {c['effect']:.3g}, surely {c['at_least']:.3g}"
        for c in diagnosis["carriers"][:limit]
    ]
    return [f"diagnosis: {diagnosis['because']}", *carriers]


def _of(carrier: dict[str, Any]) -> str:
    arm = f" of the {carrier['arm']}" if carrier["arm"] else ""
    return arm + (f" in segment {carrier['segment']}" if carrier["segment"] else "")


def _broken(one: dict[str, Any]) -> str:
    fields = ", ".join(
        f"{name} {kind} in {n:,}" for name, kinds in one["fields"].items() for kind, n in kinds.items()
    )
    told = f"{one['broken']:,} of {one['answers']:,} answers of the {one['arm']} of {one['service']} broke it"
    return f"{told} ({fields})" if fields else told


def shadow_lines(shadow: dict[str, Any], limit: int = 3) -> list[str]:
    """What copies answered: how often they differ beyond the baseline's noise, and in which fields."""
    excess = shadow["excess"]
    surely = f"surely {excess['at_least']:.1%} to {excess['at_most']:.1%} beyond noise ({_noise(excess, shadow)})"
    differing = [(name, n) for name, n in shadow["fields"].items() if n["differing"]]
    return [
        f"shadow: {shadow['pairs']:,} answers compared, {shadow['difference']:.1%} differ, {surely}",
        *(f"  {name}: {_field(n, shadow)}" for name, n in differing[:limit]),
        *(f"  {n['field']}: the baseline alone differs, {n['share']:.1%}. {n['remedy']}" for n in shadow["noisy"]),
    ]


def _field(n: dict[str, Any], shadow: dict[str, Any]) -> str:
    change = "" if n["mean_change"] is None else f", by {n['mean_change']:+.3g} on average"
    return f"{n['differing']:,} of {n['pairs']:,} differ{change}; {_noise(n, shadow)}"


def _noise(told: dict[str, Any], shadow: dict[str, Any]) -> str:
    return "noise unknown" if told["noise"] is None else f"noise {told['noise']:.1%} of {shadow['twins']:,} twins"


def _gate_lines(g: dict[str, Any]) -> list[str]:
    unit = "{:.4g}" if g["metric"] == "outcome" else "{:.3%}"
    needs = _missing(g["verdict"])
    if g["needs_requests"] is not None:
        needs = f"about {g['needs_requests']:,} more requests of the candidate ({g['needs_s']:,.0f} s at this rate)"
    elif g["needs_s"] is not None:
        needs = f"{g['needs_s']:,.0f} s"
    limit, margin = unit.format(g["limit"]), unit.format(g["margin"])
    evidence = f"evidence {g['evidence']:.3g} to 1 of {g['proof']:g} to 1"
    return [
        f"{g['gate']}: {g['verdict']['kind']}",
        f"  passes when  {g['passes_when']}",
        f"  fails when   {g['fails_when']}",
        *(f"  {arm:<11}  {_arm(g, arm)}" for arm in ("candidate", "baseline")),
        f"  to fail      {evidence} ({_way(g['way_to_fail'])})",
        f"  to pass      surely below {limit}, must be at most {margin} ({g['limit_over_margin']:.2g} times it)",
        f"  missing      {'nothing: it failed' if g['verdict']['kind'] == 'fail' else needs}",
    ]


def _missing(verdict: dict[str, Any]) -> str:
    """What a gate waits for where no figure can be told."""
    if verdict["kind"] == "pass":
        return "nothing more"
    if verdict.get("reason") == "no-data":
        return "requests of both releases to compare; how many and for how long is not known before the first"
    return "no figure: it would never pass at the present rates"


def _way(part: float) -> str:
    """How much of the way to Fail it is: all of it only where it is reached."""
    return f"{math.floor(100 * part)}% of the way"


def _arm(g: dict[str, Any], arm: str) -> str:
    told = g[arm]
    things = {"errors": "requests", "latency": "timed requests", "outcome": "labels"}.get(g["metric"], "counts")
    shown = f"{told['requests']:,} {things}"
    if told["bad"] is not None:
        shown += f", {told['bad']:,} bad"
    if told["mean"] is not None:
        shown += f", mean {told['mean']:.4g}"
    if g["metric"] == "latency" and told["ms"]:
        shown += ", " + " / ".join(f"{ms:.3g}" for ms in told["ms"]) + " ms at .5, .9, .99"
    return shown


def _odds(log_odds: float) -> str:
    return f"{math.exp(min(log_odds, 700.0)):.3g} to 1"


def power_table(rows: list[dict[str, Any]], weights: list[int]) -> list[str]:
    """Differences down, weights across: verdict, seconds, requests of the candidate, bad or slow answers beyond."""
    width = 2 + max(len(r["difference"]) for r in rows)
    shown = ["verdict, seconds, candidate's requests, answers worse than the baseline's", ""]
    shown.append(" " * width + "".join(f"{w / 100:g} %".ljust(30) for w in weights).rstrip())
    for name in dict.fromkeys(r["difference"] for r in rows):
        cells = [_power_cell(r).ljust(30) for r in rows if r["difference"] == name]
        shown.append((name.ljust(width) + "".join(cells)).rstrip())
    return shown


def _power_cell(r: dict[str, Any]) -> str:
    return f"{r['verdict']} {r['seconds']:,.0f} s {r['candidate_requests']:,} {r['worse_answers']:,.0f}"


def fault_table(rows: list[dict[str, Any]], runs: int) -> list[str]:
    """One line per fault. Without a fault a rollback is false; with one, a promotion is a miss."""
    head = f"{'fault':<16}{'rolled back':>12}{'promoted':>10}{'held':>6}{'worse answers':>16}{'p90':>8}"
    lines = [
        f"{r['fault']:<16}{r['rolled_back'] / runs:>12.0%}{r['promoted'] / runs:>10.0%}{r['held'] / runs:>6.0%}"
        f"{_figure(r['worse_answers_median']):>16}{_figure(r['worse_answers_p90']):>8}"
        f"{_figure(r['promote_s_median'], ' s'):>12}{_figure(r['rollback_s_median'], ' s'):>14}"
        for r in rows
    ]
    missed = sum(r["promoted"] for r in rows[1:])
    return [
        f"{head}{'to promote':>12}{'to roll back':>14}",
        *lines,
        "",
        f"false rollbacks: {rows[0]['rolled_back']} of {runs}; missed: {missed} of {runs * (len(rows) - 1)}",
        "worse answers: bad or slow beyond what the baseline gives; medians over the runs",
    ]


def _figure(value: float | None, unit: str = "") -> str:
    return "-" if value is None else f"{value:,.0f}{unit}"


def backtest_lines(document: dict[str, Any]) -> list[str]:
    null = document["baseline"]
    shown = [f"{document['of']}: {document['blocks']:,} blocks"]
    for t in document["turns"]:
        mark = "new weight, " if t["is_step"] else ""
        shown.append(f"  {t['at_s']:>8,.0f} s  block {t['number']:<6} {mark}{t['verdict']}: {t['because']}")
    told = f"{null['failed']} of {null['runs']} failed (the bound is {document['bound']:.2%} of rollouts)"
    split = f"baseline against itself, split by {document['split']}"
    return [*shown, f"{split}: {told}, {null['passed']} passed at some time"]
