"""What moved first tells the data, the model and the surroundings apart."""

from __future__ import annotations

from interlock.domain.checks.diagnosis import Arm, Kind, Series, Window, diagnose

FLOOR = 0.02


def series(
    kind: Kind,
    subject: str,
    begins: int | None,
    *,
    arm: Arm = "",
    segment: str = "",
    effect: float = 0.4,
    length: int = 20,
) -> Series:
    """Windows of ten seconds that leave the noise at window `begins`."""
    windows = tuple(
        Window(10.0 * i, effect if begins is not None and i >= begins else FLOOR / 2, FLOOR) for i in range(length)
    )
    return Series(kind, subject, windows, tolerated=0.1, segment=segment, arm=arm)


def test_inputs_that_moved_first_are_the_cause() -> None:
    """Data-driven, with the field and the segment that carry it, and what followed."""
    found = diagnose(
        [
            series("inputs", "distance", 4, segment="JFK"),
            series("inputs", "carrier", 5, effect=0.2),
            series("answers", "eta", 8),
            series("latency", "eta-service", None, arm="candidate"),
        ]
    )
    assert found.cause == "data"
    assert [(m.series.subject, m.series.segment) for m in found.carriers] == [("distance", "JFK"), ("carrier", "")]
    assert "inputs distance in segment JFK from 40 s on" in found.because
    assert "then answers eta from 80 s on" in found.because


def test_answers_to_the_same_inputs_that_moved_first_are_the_cause() -> None:
    """Model-driven, from the first window on, while inputs hold still."""
    found = diagnose([series("inputs", "distance", None), series("answers", "eta", 0)])
    assert found.cause == "model"
    assert [m.series.subject for m in found.carriers] == ["eta"]
    assert "nothing else moved" in found.because


def test_both_arms_that_move_together_are_their_surroundings() -> None:
    """Environment-driven when latency rises in both arms within a window of each other."""
    found = diagnose(
        [
            series("latency", "eta-service", 5, arm="candidate"),
            series("latency", "eta-service", 6, arm="baseline"),
            series("errors", "eta-service", 9, arm="candidate"),
            series("answers", "eta", 12),
        ]
    )
    assert found.cause == "environment"
    assert {m.series.arm for m in found.carriers} == {"candidate", "baseline"}


def test_a_candidate_that_is_slow_alone_cannot_be_told_from_its_machine() -> None:
    """Unknown, and the reason says so."""
    found = diagnose([series("latency", "s", 3, arm="candidate"), series("latency", "s", None, arm="baseline")])
    assert found.cause == "unknown"
    assert "look alike" in found.because
    assert found.carriers == ()


def test_arms_that_moved_far_apart_did_not_move_together() -> None:
    """The baseline following much later is no shared cause."""
    found = diagnose([series("latency", "s", 3, arm="candidate"), series("latency", "s", 9, arm="baseline")])
    assert found.cause == "unknown"


def test_an_unclear_order_is_not_guessed() -> None:
    """Two kinds within one window of each other: cannot tell, with both told."""
    found = diagnose([series("inputs", "distance", 5), series("answers", "eta", 6)])
    assert found.cause == "unknown"
    assert "order is not clear" in found.because
    assert {m.series.kind for m in found.moved} == {"inputs", "answers"}


def test_nothing_that_moved_explains_nothing() -> None:
    """Noise, no series at all, and a single burst are no cause."""
    burst = tuple(Window(10.0 * i, 0.5 if i == 3 else 0.0, FLOOR) for i in range(9))
    for evidence in ([], [series("answers", "eta", None)], [Series("inputs", "x", burst, 0.1)]):
        assert diagnose(evidence).cause == "unknown"
        assert "nothing moved" in diagnose(evidence).because


def test_what_came_after_the_failure_did_not_cause_it() -> None:
    """Windows later than the failure are not looked at."""
    evidence = [series("answers", "eta", 10)]
    assert diagnose(evidence, failed_at_s=200.0).cause == "model"
    assert diagnose(evidence, failed_at_s=90.0).cause == "unknown"
