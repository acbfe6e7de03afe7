"""The figures of the demo's report, from records whose truth is known."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from demo.figures import BAD_ABOVE_MIN, ChangeStory, change_figures, quantile, report_of
from demo.plots import Line, Plot, draw, joined, nice_step
from demo.records import Record, RecordFile, from_line, to_line
from demo.report import write_report

from support.synthetic_records import BASELINE, RIGHT, WRONG, stories, synthetic_records, weight


def record(at: float, release: str | None, off: float = 0.0, status: int = 200, attempts: int = 1) -> Record:
    trail = (("delay-predictor", release),) if status == 200 else ()
    predicted = off if status == 200 else None
    return Record("x", at, "delay-predictor", "N1", status, release, attempts, 100.0, predicted, 0.0, trail)


def story(started: float, ended: float, outcome: str = "rolled_back") -> ChangeStory:
    return ChangeStory("c", outcome, "base", "cand", started, ended)


def test_a_trail_of_two_releases_is_mixed_and_so_is_one_that_the_edge_did_not_name() -> None:
    """One release from the edge to the last hop, or the answer counts as mixed; a lost pin counts too."""
    whole = record(0, "r1")
    assert not whole.is_mixed
    assert dataclasses.replace(whole, trail=(("a", "r1"), ("b", "r2"))).is_mixed
    assert dataclasses.replace(whole, trail=(("a", "r2"),)).is_mixed
    assert dataclasses.replace(whole, trail=(("a", "r1"), ("b", None))).is_mixed
    assert not dataclasses.replace(whole, trail=()).is_mixed


@pytest.mark.parametrize(("status", "failed"), [(0, True), (200, False), (422, False), (500, True), (503, True)])
def test_no_answer_and_server_errors_are_failures(status: int, failed: bool) -> None:
    """A refusal of bad input is an answer."""
    assert record(0, "r1", status=status).is_failed is failed


def test_records_survive_their_file_format() -> None:
    """A line reads back as the record that was written, absent values included."""
    for one in (record(1.5, "r1", 3.25), record(2.0, None, status=0)):
        assert from_line(to_line(one)) == one


def test_a_growing_file_is_read_line_by_line(tmp_path: Path) -> None:
    """A line that is still being written waits for the next look; what was read is not read again."""
    path = tmp_path / "records.jsonl"
    file = RecordFile(path)
    assert file.records() == []
    first, second = to_line(record(1, "r1")), to_line(record(2, "r1"))
    path.write_text(first + second[:20])
    assert file.records() == [record(1, "r1")]
    path.write_text(first + second)
    assert file.records() == [record(1, "r1"), record(2, "r1")] == file.records()


def test_bad_answers_are_counted_against_what_the_baseline_would_have_given() -> None:
    """Only the time side by side counts: 3 of 4 answers of the candidate are bad, and 1 of 3."""
    before = [record(t, "base", 99) for t in (0, 1)]
    base = [record(t, "base", 99 if t == 12 else 0) for t in (10, 12, 14, 16, 18)]
    cand = [
        record(10.5, "cand", 0),
        record(12.5, "cand", 99),
        record(14.5, "cand", status=500),
        record(16.5, "cand", 31),
    ]
    figures = change_figures([*before, *base, *cand], story(0, 30))
    assert figures.bad_answers == 3
    assert (figures.baseline.requests, figures.baseline.bad) == (3, 1)
    assert figures.expected_bad_answers == pytest.approx(4 / 3, abs=0.05)
    assert figures.failed == 1
    assert figures.candidate.failed == 1


def test_the_clock_runs_from_the_first_bad_answer_to_the_last_request_of_the_candidate() -> None:
    """The answer came 0.1 s after 12.0; the last request of the candidate was at 15.5."""
    records = [
        record(10, "cand"),
        record(12, "cand", 99),
        record(15.5, "cand"),
        record(11, "base"),
        record(20, "base"),
    ]
    assert change_figures(records, story(9, 25)).seconds_to_last_candidate_request == pytest.approx(3.4)
    assert change_figures(records, story(9, 14)).seconds_to_last_candidate_request == pytest.approx(3.4)
    assert change_figures(records, story(9, 25, "promoted")).seconds_to_last_candidate_request is None


def test_a_replay_that_succeeded_counts_as_replayed_not_as_bad() -> None:
    """The user saw the baseline's answer; the candidate's failure stays visible as a number."""
    records = [record(1, "cand"), record(2, "base", attempts=2), record(3, "cand")]
    figures = change_figures(records, story(0, 10))
    assert (figures.replayed, figures.bad_answers, figures.failed) == (1, 0, 0)


def test_a_change_without_any_answer_has_figures_too() -> None:
    """Nothing served, nothing claimed."""
    figures = change_figures([], story(0, 10))
    assert (figures.requests, figures.bad_answers, figures.exposure) == (0, 0, [])
    assert figures.candidate.mean_absolute_error_min is None


def test_exposure_follows_the_weights() -> None:
    """Each second's share of the candidate is near the weight that the run had then."""
    records = synthetic_records()
    figures = change_figures(records, stories()[0])
    for t, share in figures.exposure:
        candidate, expected = weight(t + 5.0)
        assert share == pytest.approx(expected if candidate == WRONG else 0.0, abs=0.15)
    assert {r.release for r in records} == {BASELINE, WRONG, RIGHT}


def test_the_report_is_written_for_machines_and_for_people(tmp_path: Path) -> None:
    """report.json has the promised keys; the page is well-formed, escaped, and asks nobody for anything."""
    audit = {"audit": "verified", "entries": 12, "head": "sha256:00", "findings": []}
    report = report_of(synthetic_records(), stories(), seed=1, rate=100.0, audit_chain=audit)
    page = write_report(report, tmp_path).read_text()
    read = json.loads((tmp_path / "report.json").read_text())
    assert {"requests", "failed", "mixed", "audit", "changes", "seed"} <= read.keys()
    assert (read["requests"], read["failed"], read["mixed"]) == (9000, 0, 0)
    first, second = read["changes"]
    assert first["bad_answers"] > 2 * first["expected_bad_answers"]
    assert first["seconds_to_last_candidate_request"] == pytest.approx(8, abs=1.5)
    assert second["outcome"] == "promoted"
    assert second["seconds_to_last_candidate_request"] is None
    ElementTree.fromstring(page.replace("<!doctype html>", "").replace('charset="utf-8">', 'charset="utf-8"/>')
                           .replace('initial-scale=1">', 'initial-scale=1"/>'))  # fmt: skip
    assert "&lt;as planned&gt; &amp; well" in page
    assert not re.search(r"<script|https?://|url\(|@import|src=", page)
    assert page.count('role="img"') == 8


def test_quantiles_are_values_that_occurred() -> None:
    """The smallest value that at least the asked share does not exceed."""
    assert quantile([3, 1, 2, 4], 0.5) == 2
    assert quantile([3, 1, 2, 4], 0.99) == 4
    assert quantile([7], 0.5) == 7


@pytest.mark.parametrize(("span", "parts", "step"), [(1.0, 4, 0.5), (0.04, 4, 0.01), (37, 4, 10), (120, 6, 20)])
def test_axes_step_in_round_numbers(span: float, parts: int, step: float) -> None:
    """1, 2 or 5 times a power of ten."""
    assert nice_step(span, parts) == pytest.approx(step)


def test_a_line_breaks_where_nothing_was_measured() -> None:
    """A gap is drawn as a gap, not as a straight line that claims a measurement."""
    line = Line("x", "candidate", [(1, 1), (3, 1), (9, 1)], gap_s=4)
    assert joined(line) == [[(1, 1), (3, 1)], [(9, 1)]]


def test_labels_of_lines_that_end_together_do_not_cover_one_another() -> None:
    """Four lines with one end: four labels at least 14 units apart, inside the drawing."""
    lines = [Line(f"line {i}", "baseline", [(0, 1), (10, 1)]) for i in range(4)]
    drawn = draw(Plot("t", "s", lines, 10, str))
    heights = [float(y) for y in re.findall(r'class="name baseline" x="\d+" y="([\d.]+)"', drawn)]
    assert len(heights) == 4
    assert all(b - a >= 13.9 for a, b in itertools.pairwise(heights))
    assert max(heights) < 230


def test_the_limit_of_a_bad_answer_is_stated_in_the_report() -> None:
    """The number of minutes stands beside the count."""
    figures = change_figures([], story(0, 10))
    assert figures.bad_above_min == BAD_ABOVE_MIN
