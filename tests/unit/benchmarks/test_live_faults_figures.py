"""What the live benchmark counts, from runs whose truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import demo.conduct
import pytest
from benchmarks.live_faults import (
    CASES,
    FAULTY,
    GATES,
    GOOD,
    Bench,
    brief,
    chosen,
    clean_figures,
    declare_segments,
    fault_figures,
    markdown,
    order_of,
    summary,
)
from demo import workspace
from demo.conduct import Conductor
from demo.figures import ChangeStory
from demo.load import Load
from demo.records import Record
from rich.console import Console

from interlock.adapters.workspace.loader import WorkspaceFiles

BASELINE, CANDIDATE = "r1", "r3"
PLACES = (
    "edge",
    "inner",
    "api",
    "ops_board_1",
    *(f"{s}_{v}" for s in ("delay_predictor", "rebooking") for v in "123"),
)


def record(
    at: float, release: str = BASELINE, status: int = 200, attempts: int = 1, is_hit: bool = False
) -> Record:
    trail = (("delay-predictor", release),)
    return Record("x", at, "delay-predictor", "N1", status, release, attempts, 2.0, 1.0, 1.0, trail, is_hit=is_hit)


def story(outcome: str, *timeline: tuple[float, str, str]) -> ChangeStory:
    entries = [{"at": at, "what": what, "because": because} for at, what, because in timeline]
    verdicts = [{"gate": "g", "verdict": "pass", "because": "all is well"}]
    return ChangeStory("c", outcome, BASELINE, CANDIDATE, 100.0, 130.0, entries, verdicts)


BACK = (115.0, "rollout.turned_back (canary)", "turning back, because it is worse")


def test_a_found_fault_is_timed_from_the_first_harm_to_the_decision_and_to_the_last_request() -> None:
    """A replayed failure is the first harm here, although no user saw it; answers of the baseline do not count."""
    records = [
        record(104, CANDIDATE),
        record(105, BASELINE, attempts=2),
        record(108, CANDIDATE, is_hit=True),
        record(110, CANDIDATE, status=503),
        record(115.4, CANDIDATE),
        record(125),
    ]
    figures = fault_figures(story("rolled_back", BACK), records)
    assert figures["found"]
    assert figures["seconds_to_detection"] == 10
    assert figures["seconds_to_last_candidate_request"] == pytest.approx(10.4)
    assert figures["exposed"] == 5
    assert (figures["bad_answers"], figures["failed"], figures["replayed"]) == (2, 1, 1)
    assert figures["verdict"] == "turning back, because it is worse"


@pytest.mark.parametrize("outcome", ["promoted", "aborted"])
def test_a_fault_that_no_gate_turned_back_is_missed(outcome: str) -> None:
    """Also when the benchmark's own patience ended the rollout; what users suffered is counted all the same."""
    entries = [BACK] if outcome == "aborted" else []
    figures = fault_figures(story(outcome, *entries), [record(105, CANDIDATE, is_hit=True)])
    assert not figures["found"]
    assert not figures["false_alarm"]
    assert figures["seconds_to_detection"] is None
    assert figures["bad_answers"] == 1


@pytest.mark.parametrize("harmed_at", [None, 116.0])
def test_turning_back_before_any_harm_is_a_false_alarm(harmed_at: float | None) -> None:
    """The fault had not begun, so nothing was found."""
    records = [record(105, CANDIDATE)] + ([record(harmed_at, CANDIDATE, is_hit=True)] if harmed_at else [])
    figures = fault_figures(story("rolled_back", BACK), records)
    assert figures["false_alarm"]
    assert not figures["found"]


def test_a_clean_run_is_timed_to_the_decision_to_promote() -> None:
    """From the start to the promote stage, not to the end of baking."""
    entries = [(101.0, "rollout.advanced (canary)", ""), (122.5, "rollout.advanced (promote)", "")]
    figures = clean_figures(story("promoted", *entries, (129.0, "rollout.promoted (retire)", "")), [record(101)])
    assert figures["seconds_to_promotion"] == 22.5
    assert not figures["is_false_rollback"]
    assert clean_figures(story("rolled_back", BACK), [])["is_false_rollback"]


def figures_of_a_run() -> dict[str, Any]:
    missed = fault_figures(story("promoted"), [])
    found = fault_figures(story("rolled_back", BACK), [record(105, CANDIDATE, is_hit=True)])
    early = fault_figures(story("rolled_back", BACK), [record(105, CANDIDATE)])
    faults = [
        {"number": n, "fault": f"fault {n}", "service": "s", **run}
        for n, run in enumerate((missed, found, early), 1)
    ]
    cleans = [{"number": 1, "move": "1 to 3", **clean_figures(story("rolled_back", BACK), [])}]
    whole = {"seed": 1, "rate": 2.0, "audit": "verified", "not_run": ["fault 4"], "faults": faults, "clean": cleans}
    return whole | {"summary": summary(faults, cleans)}


def test_no_fault_is_left_out_of_the_table_and_no_false_rollback_goes_without_its_reason() -> None:
    """Missed ones are listed and named, ones before a fault began count as false, what was not run is said."""
    figures = figures_of_a_run()
    assert figures["summary"]["found"] == 1
    assert figures["summary"]["missed"] == ["fault 1", "fault 3"]
    assert len(figures["summary"]["false_rollbacks"]) == 2
    text = markdown(figures)
    for wanted in ("| 1 | fault 1 | **no**: promoted", "| 2 | fault 2 | yes", "| 3 | fault 3 | **no**", "fault 4"):
        assert wanted in text
    assert text.count("False rollback, ") == 2


def test_every_row_has_as_many_cells_as_its_head() -> None:
    """Whatever was said, pipes included."""
    figures = figures_of_a_run()
    figures["faults"][0]["verdict"] = "a|b" * 100
    lines = [line for line in markdown(figures).splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines[:5]} == {lines[0].count("|")}
    assert {line.count("|") for line in lines[5:]} == {lines[5].count("|")}
    assert len(brief("a" * 1_000)) < 200


def test_the_faults_are_twenty_and_of_every_family() -> None:
    """Each with a name of its own; asking for more goes round again."""
    assert len({case.name for case in CASES}) == len(CASES) == 20
    families = {case.name.partition(":")[0] for case in CASES}
    assert families == {"errors", "latency", "tail", "quality", "segment", "late", "slow leak", "hang"}
    assert chosen(22)[20:] == list(CASES[:2])


def test_single_cases_can_be_chosen_by_their_names() -> None:
    """Any part of the name; what fits none is an error that tells what there is."""
    assert {case.name for case in chosen(9, ["tail:", "hang"])} == {
        case.name for case in CASES if case.name.startswith(("tail", "hang"))
    }
    with pytest.raises(ValueError, match="slow leak"):
        chosen(1, ["rust"])


def test_segments_exist_in_the_contract_that_the_faulty_version_reads() -> None:
    """A misspelt airline would be a fault that hits nobody."""
    lens = (workspace.TEMPLATE / "lenses" / "flight-features-1-2.yaml").read_text()
    airlines = [case.fault.value for case in CASES if case.fault.field == "airline"]
    assert airlines
    assert all(f": {airline}\n" in lens for airline in airlines)


@pytest.mark.parametrize(("faults", "clean"), [(3, 2), (20, 20), (0, 3), (5, 0)])
def test_runs_take_turns_and_all_come(faults: int, clean: int) -> None:
    """As many of each as asked for, clean ones in pairs as long as there are two."""
    kinds = list(order_of(faults, clean))
    assert (kinds.count("fault"), kinds.count("clean")) == (faults, clean)
    if faults == clean:
        assert kinds[:4] == ["fault", "fault", "clean", "clean"]


class Scripted(Conductor):
    """A conductor whose control plane answers from a script and remembers its orders."""

    views: list[dict[str, Any]]
    orders: list[str]

    def api(self, person: str = "") -> Any:
        return self

    def get(self, path: str) -> Any:
        return {"rollouts": [self.views.pop(0)]}

    def post(self, path: str, body: dict[str, Any]) -> None:
        self.orders.append(f"{path} {body['verb']}")


def scripted(tmp_path: Path, *views: tuple[str, int]) -> Scripted:
    load = Load("http://127.0.0.1:1", tmp_path, 1.0, 1, tmp_path / "records.jsonl")
    made = Scripted(tmp_path, load, Console(quiet=True, force_terminal=False))
    common = {"id": "c-1", "stages": ["prepare", "canary", "promote"], "outcome": None, "weight_bp": 0}
    common |= {"because": "", "started_by": "dee"}
    made.views = [common | {"phase": phase, "stage": stage} for phase, stage in views]
    made.orders = []
    return made


def test_patience_ends_an_undecided_rollout_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One abort; then it is watched to its end."""
    monkeypatch.setattr(demo.conduct, "LOOK_S", 0.0)
    conductor = scripted(tmp_path, ("forward", 1), ("forward", 1), ("draining", 1), ("finished", 1))
    conductor.watch("c-1", patience_s=-1)
    assert conductor.orders == ["/rollouts/c-1/orders abort"]
    assert conductor.views == []


def test_patience_leaves_alone_what_is_decided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promoted or turned back already: it only has to finish."""
    monkeypatch.setattr(demo.conduct, "LOOK_S", 0.0)
    conductor = scripted(tmp_path, ("forward", 2), ("draining", 1), ("finished", 1))
    conductor.watch("c-1", patience_s=-1)
    assert conductor.orders == []


@pytest.mark.parametrize("version", [GOOD, FAULTY])
def test_the_changes_that_it_writes_are_valid(tmp_path: Path, version: str) -> None:
    """The workspace loads without an error and plans the moves, gates and steps that were asked for."""
    models = tmp_path / "made"
    models.mkdir()
    for number in "123":
        (models / f"delay-{number}.json").write_text(f'{{"version": "{number}"}}')
    addresses = {place: f"127.0.0.1:{20_000 + n}" for n, place in enumerate(PLACES)}
    written = workspace.render(tmp_path / "workspace", addresses, models)
    declare_segments(written / "services" / "delay-predictor.yaml")
    Bench(written, scripted(tmp_path), {}).declare("run-1", version)
    loaded, findings = WorkspaceFiles(written).load()
    assert [f for f in findings if f.is_blocking] == []
    change = loaded.changes["run-1"]
    assert {(m.kind, m.to) for m in change.moves if m.kind != "contract"} == {
        ("service", version),
        ("model", version),
    }
    assert len(change.gates) == len(GATES)
    assert change.steps.dwell_s == 6
    assert change.steps.canary_bp == (1_000, 5_000)
