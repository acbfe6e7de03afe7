from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from interlock.domain.checks.check import (
    Check,
    CheckResult,
    Fail,
    Measurement,
    Part,
    Pass,
    Undecided,
    at_least,
    at_most,
    counted,
    overall,
    perform,
    telling,
)
from interlock.domain.checks.measures.judge import judge, judge_parts
from interlock.domain.checks.measures.laws import Law, Quantile, Share, estimate
from interlock.domain.checks.measures.load import LoadLimits, LoadSeen, load
from interlock.domain.checks.measures.quality import quality
from interlock.domain.checks.record import CheckEvidenceInvalid, as_document, as_record, result_from, results_from


def leave() -> None:
    sys.exit(0)


def hold(claim: bool) -> None:
    assert claim, "the claim does not hold"


@pytest.mark.parametrize(
    ("function", "verdict"),
    [
        (lambda: None, Pass("all assertions hold")),
        (lambda: True, Pass("all assertions hold")),
        (lambda: False, Fail("the check returned False")),
        (lambda: hold(False), Fail("the claim does not hold\nassert False")),
        (
            lambda: 1 / 0,
            Undecided("the check raised ZeroDivisionError: division by zero", "a check that runs to its end"),
        ),
        (leave, Undecided("the check raised SystemExit: 0", "a check that runs to its end")),
    ],
)
def test_every_end_of_a_check_has_a_verdict(function: Any, verdict: Any) -> None:
    """Nothing that a check does other than holding is a pass; leaving with exit code 0 is not."""
    assert perform(Check("c", "model:m@1", function)).verdict == verdict


@pytest.mark.parametrize("returned", ["pass", 1.0, Measurement("custom", "s", Pass("fine"), facts={"x": object()})])
def test_what_is_no_verdict_is_undecided(returned: Any) -> None:
    """A returned text, number or measurement that is not JSON-ready is a mistake in the check."""
    assert isinstance(perform(Check("c", "s", lambda: returned)).verdict, Undecided)


def test_an_interrupt_ends_the_run() -> None:
    """Who presses Ctrl-C is obeyed."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        perform(Check("c", "s", interrupted))


def test_the_worst_decides() -> None:
    """One failure fails all, one open question leaves all open, and nothing at all is no pass."""
    good, bad, open_one = Pass("g"), Fail("b"), Undecided("u", "m")
    assert overall([("x", good), ("y", bad), ("z", open_one)]) == Fail("y: b (1 of 3)")
    assert overall([("x", good), ("z", open_one)]) == Undecided("z: u (1 of 2)", "m")
    assert overall([("x", good), ("y", good)]) == Pass("all 2 pass")
    assert overall([]) == Undecided("nothing was checked", "a check")


def test_the_estimate_shown_explains_the_verdict() -> None:
    """Of several parts the failing one is shown, and none when there is none."""
    parts = [Part("a", Pass(""), counted(1, 1)), Part("b", Fail(""), counted(2, 1)), Part("c", Fail(""))]
    assert telling(parts) == counted(2, 1)
    assert telling([]) is None


def test_a_verdict_needs_the_whole_interval_on_one_side() -> None:
    """Pass, Fail and Undecided on both kinds of threshold."""
    found = estimate(Share(50, 100), 0.05)
    sides = [judge(found, t).kind for t in (at_most(0.9), at_most(0.1), at_most(0.5), at_least(0.1), at_least(0.9))]
    assert sides == ["pass", "fail", "undecided", "pass", "fail"]


def test_a_value_at_the_threshold_is_not_told_to_wait() -> None:
    """Where more rows would hardly decide, the verdict says so; where they would, it says how many."""
    found = estimate(Share(50, 100), 0.05)
    at_limit, near = judge(found, at_most(0.5)), judge(found, at_most(0.55))
    assert isinstance(at_limit, Undecided)
    assert isinstance(near, Undecided)
    assert "hardly help" in at_limit.missing
    assert near.missing == "about 314 more rows, if the value stays"


def test_one_of_many_may_break_the_limit_by_chance() -> None:
    """A part that would fail alone is Undecided among many, and still does not pass; a clear one fails."""
    laws: dict[str, Law] = {str(k): Share(5, 50) for k in range(30)} | {"odd": Share(19, 50)}
    assert [p.verdict.kind for p in judge_parts({"odd": laws["odd"]}, at_most(0.22))] == ["fail"]
    among = {p.name: p.verdict.kind for p in judge_parts(laws, at_most(0.22))}
    assert among["odd"] == "undecided"
    laws["worse"] = Share(40, 50)
    assert {p.name: p.verdict.kind for p in judge_parts(laws, at_most(0.22))}["worse"] == "fail"


def test_a_high_quantile_of_few_calls_has_no_upper_limit() -> None:
    """Ninety calls cannot bound a p99 from above; a thousand can."""
    few, many = (estimate(Quantile([float(k) for k in range(n)], 0.99), 0.05) for n in (90, 1_000))
    assert (few.upper, few.value) == (None, 89.0)
    assert many.upper is not None
    assert isinstance(judge(few, at_most(1e9)), Undecided)


def test_load_is_judged_by_latency_failures_and_memory() -> None:
    """Each limit is a part; a slow tail, many failures or growth fail it, and unreadable memory is Undecided."""
    quick = LoadSeen([5.0] * 1_000, grown_bytes=2**20, seconds=10)
    limits = LoadLimits(((0.5, 10), (0.99, 20)), failures=0.01, grown_mib=10)
    assert {p.name: p.verdict.kind for p in load(quick, limits).parts} == dict.fromkeys(
        ("p50", "p99", "failures", "memory"), "pass"
    )
    slow = LoadSeen([5.0] * 950 + [90.0] * 50, failures=100, grown_bytes=None, seconds=10)
    assert [p.verdict.kind for p in load(slow, limits).parts] == ["pass", "fail", "fail", "undecided"]
    assert isinstance(load(LoadSeen([]), limits).verdict, Undecided)
    assert isinstance(load(LoadSeen([], failures=9), LoadLimits(((0.5, 10),))).verdict, Undecided)


def results() -> list[CheckResult]:
    measured = quality("mae", [1.0, 2.0], [1.5, 2.5], limit=1, cap=10, unit="min")
    assertions = Measurement("custom", "assertions", Pass("fine"), facts={"n": float("inf")})
    return [CheckResult("q", "model:m@1", measured, "here"), CheckResult("a", "", assertions)]


def test_documents_come_back_as_they_went() -> None:
    """Evidence written as JSON and read again is the same evidence, byte for byte."""
    document = as_document(results())
    again = as_document(results_from(json.loads(json.dumps(document))))
    assert json.dumps(again) == json.dumps(document)
    assert document["verdict"]["kind"] == "undecided"
    assert document["results"][1]["facts"] == {"n": None}


def test_an_altered_result_is_refused() -> None:
    """A verdict that was turned into a pass no longer fits its digest."""
    record = as_record(results()[0])
    assert record["verdict"]["kind"] == "undecided"
    with pytest.raises(CheckEvidenceInvalid, match="has not its digest"):
        result_from(record | {"verdict": {"kind": "pass", "because": "trust me"}})


@pytest.mark.parametrize(
    "document", [None, [], {"format": "other"}, {"format": "interlock-checks/1", "results": {}}]
)
def test_what_is_no_evidence_is_refused(document: Any) -> None:
    """Another document is named as such."""
    with pytest.raises(CheckEvidenceInvalid):
        results_from(document)


@pytest.mark.parametrize("record", [None, 7, {}, {"digest": "sha256:0"}, {"name": float("nan"), "digest": "x"}])
def test_a_result_that_is_none_is_refused(record: Any) -> None:
    """Damage is told, never guessed over."""
    with pytest.raises(CheckEvidenceInvalid):
        results_from({"format": "interlock-checks/1", "results": [record]})
