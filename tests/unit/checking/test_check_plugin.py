from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CHECKS = """
import pytest
from interlock import check
from interlock.checking.measures import integrity, quality

@check
def test_asserts():
    assert 1 + 1 == 2

@check(subject="model:delay@2", name="delay-error")
def test_quality():
    return quality("mae", [1.0] * 200, [1.5] * 200, limit=2, cap=10)

@check
def outputs_are_sound():
    return integrity([0.1, float("nan")])

@check
def test_few():
    return quality("mae", [1.0], [1.5], limit=2, cap=10)

@check
def test_raises():
    raise ValueError("no rows")

@check
def test_wrong():
    total = 3
    assert total == 2

@check
def test_skipped():
    pytest.skip("later")

@pytest.fixture
def broken():
    raise OSError("no database")

@check
def test_unreachable(broken):
    pass

@pytest.mark.parametrize("x", [1, 2])
@check(name="each")
def test_each(x):
    return x == 1

class TestGroup:
    @check
    def test_in_class(self, tmp_path):
        return tmp_path.is_dir()

def test_ordinary():
    pass

def not_collected():
    assert False
"""


def run(folder: Path, text: str, *options: str) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """pytest on one file, and the evidence that it wrote."""
    (folder / "test_model.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--interlock-evidence", "e.json"]
    done = subprocess.run([*command, *options, "test_model.py"], cwd=folder, capture_output=True, text=True)
    return done, json.loads((folder / "e.json").read_text())


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    return run(tmp_path_factory.mktemp("session"), CHECKS, "--interlock-subject", "service:s@1")


def test_every_check_is_evidence_with_its_verdict(session: Any) -> None:
    """Assertions, measurements, failures, exceptions, skips and broken fixtures each have their verdict."""
    _, document = session
    assert {r["name"]: r["verdict"]["kind"] for r in document["results"]} == {
        "asserts": "pass",
        "delay-error": "pass",
        "outputs-are-sound": "fail",
        "few": "undecided",
        "raises": "undecided",
        "wrong": "fail",
        "skipped": "undecided",
        "unreachable": "undecided",
        "each[1]": "pass",
        "each[2]": "fail",
        "in-class": "pass",
    }


def test_evidence_says_about_what_and_why(session: Any) -> None:
    """Subjects come from the check or the command line; reasons and places are kept."""
    _, document = session
    by_name = {r["name"]: r for r in document["results"]}
    assert (by_name["delay-error"]["subject"], by_name["asserts"]["subject"]) == ("model:delay@2", "service:s@1")
    assert by_name["raises"]["verdict"]["because"] == "the check raised ValueError: no rows"
    assert by_name["wrong"]["verdict"]["because"] == "assert 3 == 2"
    assert by_name["unreachable"]["verdict"]["because"] == "the check raised OSError: no database"
    assert by_name["wrong"]["source"] == "pytest:test_model.py::test_wrong"
    assert document["verdict"]["kind"] == "fail"


def test_what_is_not_known_to_be_good_fails_the_session(session: Any) -> None:
    """Fail and Undecided fail their tests; ordinary tests are left alone; functions without a mark are not run."""
    done, _ = session
    assert done.returncode == 1
    assert "5 failed, 5 passed, 1 skipped, 1 error" in done.stdout
    assert "undecided: 0.5" in done.stdout
    assert "interlock: 11 checks as evidence in e.json" in done.stdout


def test_good_checks_pass_the_session(tmp_path: Path) -> None:
    """With all checks passing, pytest passes and so does the evidence."""
    done, document = run(tmp_path, "from interlock import check\n\n@check\ndef holds():\n    return True\n")
    assert (done.returncode, document["verdict"]["kind"]) == (0, "pass")


def test_a_session_without_checks_is_no_pass(tmp_path: Path) -> None:
    """Evidence of nothing is Undecided."""
    _, document = run(tmp_path, "def test_ordinary():\n    pass\n")
    assert document["verdict"] == {
        "kind": "undecided",
        "because": "nothing was checked",
        "missing": "a check",
    }


def test_a_marked_function_is_still_a_function() -> None:
    """The decorator returns what it was given, named with or without brackets."""
    from interlock import check
    from interlock.checking.declare import declared

    def check_late_flights() -> int:
        return 7

    assert check(check_late_flights) is check_late_flights
    mark = declared(check_late_flights)
    assert mark is not None
    assert (mark.name, check_late_flights()) == ("late-flights", 7)


def test_the_door_is_light() -> None:
    """`from interlock import check` loads nothing but the decorator, and the plugin nothing heavy."""
    statement = "from interlock import check; import interlock.checking.plugin, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", statement], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {m for m in loaded if m.startswith("interlock.")} == {
        "interlock.checking",
        "interlock.checking.declare",
        "interlock.checking.plugin",
    }
    assert not loaded & {"yaml", "jsonschema", "fastapi", "sqlalchemy", "numpy", "rich"}


def test_an_unknown_name_is_no_attribute() -> None:
    """The lazy door does not swallow mistakes."""
    import interlock

    with pytest.raises(AttributeError, match="chek"):
        _ = interlock.chek  # type: ignore[attr-defined] # by mistake
