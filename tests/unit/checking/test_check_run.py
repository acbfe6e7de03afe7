"""`interlock check`: declared checks from files to exit codes."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from interlock.adapters.workspace.loader import WorkspaceFiles
from interlock.checking.run import find_checks, run_paths
from interlock.cli import checks
from interlock.cli.main import interlock
from interlock.domain.checks.check import CheckInvalid

HEAD = "kind: Check\nname: it\nsubject: model:delay@2\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files of rows: predictions with labels, and an earlier sample."""
    chance = random.Random(5)
    lines = ["predicted,candidate,actual,carrier,chance,late,decided,distance"]
    for k in range(1_200):
        actual, chance_late = chance.gauss(10, 5), chance.random()
        late = int(chance.random() < chance_late)
        row = [actual + chance.gauss(0, 2), actual + chance.gauss(0, 6), actual, "AB"[k % 2], chance_late, late]
        lines.append(",".join(map(str, [*row, int(chance_late > 0.5), chance.gauss(500, 100)])))
    (tmp_path / "rows.csv").write_text("\n".join(lines))
    earlier = [json.dumps({"distance": chance.gauss(500, 100), "decided": k % 2}) for k in range(1_200)]
    (tmp_path / "earlier.jsonl").write_text("\n".join(earlier))
    return tmp_path


def run(folder: Path, text: str, *options: str, name: str = "check.yaml") -> Result:
    (folder / name).write_text(text)
    return CliRunner().invoke(interlock, ["check", "run", str(folder / name), *options])


@pytest.mark.parametrize(
    ("declared", "code"),
    [
        ("measure: quality\nmetric: mae\nprediction: predicted\nlabel: actual\nat_most: 3\ncap: 60", 0),
        ("measure: quality\nmetric: mae\nprediction: candidate\nlabel: actual\nat_most: 3\ncap: 60", 3),
        ("measure: quality\nmetric: mae\nprediction: predicted\nlabel: actual\nat_most: 1.62\ncap: 60", 4),
        (
            (
                "measure: quality\nmetric: rmse\nprediction: candidate\nbaseline: predicted\nlabel: actual\n"
                "at_most: 1\ncap: 60"
            ),
            3,
        ),
        (
            (
                "measure: quality\nmetric: mae\nprediction: predicted\nlabel: actual\nat_most: 3\ncap: 60\n"
                "segment: carrier\npool_below: 20\nunit: min"
            ),
            0,
        ),
        ("measure: quality\nmetric: auc\nprediction: chance\nlabel: late\nat_least: 0.7\nconfidence: 0.9", 0),
        ("measure: calibration\nprediction: chance\nlabel: late\nat_most: 0.1\nbins: 5", 0),
        (
            (
                "measure: fairness\nmetric: demographic_parity_difference\nprediction: decided\ngroup: carrier\n"
                "at_most: 0.2"
            ),
            0,
        ),
        (
            (
                "measure: fairness\nmetric: equalised_odds_difference\nprediction: decided\ngroup: carrier\n"
                "label: late\nat_most: 0.3"
            ),
            0,
        ),
        ("measure: availability\ncolumns: {predicted: 0, distance: 0.1}", 0),
        ("measure: availability\ncolumns: [predicted, wind]", 3),
        ("measure: integrity\nprediction: chance\nminimum: 0\nmaximum: 1", 0),
        ("measure: integrity\nprediction: carrier\ntype: string\nchoices: [A]", 3),
        ("measure: drift\nreference: earlier.jsonl\nat_most: 0.2\ncolumns: [distance]", 0),
        ("measure: drift\nreference: earlier.jsonl\nat_most: 0.9\nmetric: psi\nbins: 5", 0),
        ("measure: skew\nreference: earlier.jsonl\nat_most: 0.05\ncolumns: [distance]\ntolerance: 0.001", 3),
        ("measure: load\nurl: http://127.0.0.1:9/\ncalls: 50\nseconds: 5\nthreads: 1\nfailures: 0.1", 3),
    ],
)
def test_declared_checks_end_with_the_code_of_their_verdict(folder: Path, declared: str, code: int) -> None:
    """Each measure can be declared in YAML; pass is 0, fail 3, undecided 4."""
    rows = "" if "measure: load" in declared else "rows: rows.csv\n"
    done = run(folder, f"{HEAD}{rows}{declared}\n")
    assert done.exit_code == code, done.output


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        ("measure: quality\n", "quality has no limit"),
        (
            "measure: quality\nat_most: 1\nrows: rows.csv\nmetric: mae\nlabel: actual\n",
            "quality needs 'prediction'",
        ),
        ("measure: calibration\nat_most: 1\nrows: r\nprediction: p\nlabel: l\ncap: 3\n", "does not take 'cap'"),
        (
            "measure: quality\nat_most: 1\nrows: r\nprediction: p\nlabel: l\nmetric: auc\n",
            "auc cannot be limited by at_most",
        ),
        ("measure: qualty\n", "not one of"),
        ("measure: quality\nmetrics: mae\n", "unknown field 'metrics'"),
    ],
)
def test_a_declaration_that_cannot_measure_names_its_line(folder: Path, declared: str, says: str) -> None:
    """What is missing, in vain or unknown is invalid input, with file and line."""
    (folder / "check.yaml").write_text(HEAD + declared)
    with pytest.raises(CheckInvalid, match=says) as caught:
        run_paths([folder / "check.yaml"])
    assert f"{folder / 'check.yaml'}:" in caught.value.where
    assert caught.value.exit_code == 2


def test_a_wrong_column_or_file_is_undecided(folder: Path) -> None:
    """A check that cannot run is told as such, with the nearest name, and never passes."""
    declared = "rows: rows.csv\nmeasure: integrity\nprediction: predictd\n"
    (folder / "check.yaml").write_text(HEAD + declared)
    (result,) = run_paths([folder / "check.yaml"])
    assert result.verdict.kind == "undecided"
    assert "Did you mean 'predicted'?" in result.verdict.because
    gone = run(folder, HEAD + declared.replace("rows.csv", "gone.csv"))
    assert gone.exit_code == 4
    assert "No such file" in gone.output


PYTHON = """
import sys
from interlock import check
from interlock.checking.measures import integrity
import limits

@check
def is_sound():
    return integrity([0.1, 0.2])

@check(subject="service:other@1")
def check_of_another():
    assert limits.MOST > 1

@check
def needs_more(tmp_path):
    return True

@check
def leaves():
    sys.exit(0)

def not_a_check():
    raise RuntimeError("never run")
"""


def test_python_files_run_without_pytest(folder: Path) -> None:
    """Marked functions run, with their neighbours importable; fixtures and sys.exit(0) are no pass."""
    (folder / "limits.py").write_text("MOST = 3\n")
    (folder / "model.py").write_text(PYTHON)
    results = run_paths([folder / "model.py"], "model:delay@2")
    assert {r.name: (r.subject, r.verdict.kind) for r in results} == {
        "is-sound": ("model:delay@2", "pass"),
        "of-another": ("service:other@1", "pass"),
        "needs-more": ("model:delay@2", "undecided"),
        "leaves": ("model:delay@2", "undecided"),
    }
    assert results[0].source == f"{folder / 'model.py'}:7"


@pytest.mark.parametrize("text", ["import nowhere_at_all", "import sys; sys.exit(0)", "def broken(:"])
def test_a_file_that_cannot_be_imported_is_undecided(folder: Path, text: str) -> None:
    """A file that breaks, or leaves with 0, is one result that says why."""
    done = run(folder, text, name="broken.py")
    assert done.exit_code == 4
    assert "the check raised" in done.output


def test_directories_are_searched_and_other_documents_left_alone(folder: Path) -> None:
    """Checks are found in depth, hidden directories and other kinds apart; nothing found is no pass."""
    for place in ("deep/er", ".hidden"):
        (folder / place).mkdir(parents=True)
        (folder / place / "c.yaml").write_text(f"{HEAD}rows: r.csv\nmeasure: integrity\nprediction: p\n")
    (folder / "service.yaml").write_text("kind: Service\nname: x\n---\njust: a document\n")
    assert [c.source for c in find_checks([folder])] == [f"{folder / 'deep/er/c.yaml'}:2"]
    empty = folder / "empty"
    empty.mkdir()
    assert CliRunner().invoke(interlock, ["check", "run", str(empty)]).exit_code == 4


def test_a_workspace_may_hold_checks(folder: Path) -> None:
    """`interlock validate` knows the kind, and names what is misspelt in it."""
    (folder / "interlock.yaml").write_text("kind: Workspace\nname: shop\n")
    (folder / "check.yaml").write_text(f"{HEAD}measure: integrity\nprediction: p\nrows: r.csv\n")
    assert WorkspaceFiles(folder).load()[1] == []
    (folder / "check.yaml").write_text(f"{HEAD}measure: integrity\nprediktion: p\n")
    assert [f.code for f in WorkspaceFiles(folder).load()[1]] == ["field.unknown"]


def test_a_path_that_holds_no_checks_is_invalid(folder: Path) -> None:
    """A missing path and a file of another kind are mistakes, not empty runs."""
    for path in (folder / "absent", folder / "rows.csv"):
        with pytest.raises(CheckInvalid):
            run_paths([path])


def test_evidence_is_written_and_printed(folder: Path) -> None:
    """The file and `--output json` are the same document; data files are named by digest."""
    text = f"{HEAD}rows: rows.csv\nmeasure: integrity\nprediction: predicted\n"
    done = run(folder, text, "--output", "json", "--evidence", str(folder / "e.json"))
    document = json.loads((folder / "e.json").read_text())
    assert json.loads(done.output) == document
    (result,) = document["results"]
    assert (result["subject"], result["kind"], result["verdict"]["kind"]) == ("model:delay@2", "integrity", "pass")
    assert result["facts"]["files"]["rows"].startswith("sha256:")


def test_the_table_shows_what_is_missing(folder: Path) -> None:
    """People see the verdict, the number with its interval, and what would decide."""
    lines = (
        "measure: quality\nmetric: mae\nprediction: predicted\nlabel: actual\nat_most: 1.62\ncap: 60\nunit: min\n"
    )
    done = run(folder, f"{HEAD}rows: rows.csv\n{lines}")
    assert done.output.startswith("undecided it")
    assert "min [" in done.output
    assert "missing: about" in done.output
    assert done.output.endswith("undecided: 0 pass, 0 fail, 1 undecided\n")


def test_failing_parts_are_shown(folder: Path) -> None:
    """Of many columns, those that do not pass are listed."""
    done = run(folder, f"{HEAD}rows: rows.csv\nmeasure: availability\ncolumns: [predicted, wind]\n")
    assert "no row has the column 'wind'" in done.output
    assert "FAIL        wind" in done.output


@pytest.mark.parametrize(
    ("report", "form", "code"),
    [
        ("<testsuite><testcase name='a'/></testsuite>", "junit", 0),
        ("<testsuite><testcase name='a'><failure/></testcase></testsuite>", "junit", 3),
        ("<testsuite><testcase name='a'><skipped/></testcase></testsuite>", "junit", 4),
        ("<testsuite/>", "junit", 4),
        ('[{"name": "a", "status": "passed"}]', "json", 0),
        ("[]", "json", 4),
    ],
)
def test_reports_of_other_tools_are_taken_in(folder: Path, report: str, form: str, code: int) -> None:
    """An imported report ends like a run; an empty one is no pass."""
    (folder / "r").write_text(report)
    options = ["--format", form, "--subject", "model:delay@2"]
    done = CliRunner().invoke(interlock, ["check", "import", str(folder / "r"), *options])
    assert done.exit_code == code, done.output


def test_results_are_posted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--post` and `check post` give the control plane the same document."""
    posted: list[tuple[str, Any]] = []

    class Recorded:
        def __init__(self, **_: Any) -> None:
            """Takes the workspace and the person, as the real one."""

        def post(self, path: str, body: Any) -> dict[str, Any]:
            posted.append((path, body))
            return {}

    monkeypatch.setattr(checks, "Api", Recorded)
    text = f"{HEAD}rows: rows.csv\nmeasure: integrity\nprediction: predicted\n"
    assert run(folder, text, "--post", "--evidence", str(folder / "e.json")).exit_code == 0
    assert CliRunner().invoke(interlock, ["check", "post", str(folder / "e.json")]).exit_code == 0
    assert posted[0] == posted[1] == ("/checks", json.loads((folder / "e.json").read_text()))
