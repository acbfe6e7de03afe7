"""How commands fail: in words, or JSON where it was asked for, and with the code that says who moves next."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TextIO

import pytest
from click.testing import CliRunner

from interlock.cli.api import Api, ControlPlaneSilent, RequestUnsendable
from interlock.cli.main import interlock
from interlock.kernel.errors import Invalid
from interlock.kernel.finding import Finding, Severity
from support.echo import Echo, serving

INTERLOCK = (sys.executable, "-m", "interlock")


def failed(*arguments: str, stdout: TextIO | None = None) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*INTERLOCK, *arguments], stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize("asked", [("-o", "json"), ("--output=json",), ("-ojson",)])
def test_a_usage_error_is_json_where_json_was_asked_for(asked: tuple[str, ...]) -> None:
    """Whoever reads stderr by machine reads one shape."""
    done = failed("lens", "show", *asked)
    told = json.loads(done.stderr)
    assert (done.returncode, told["error"]) == (2, "usage.invalid")
    assert "LENS" in told["message"]
    assert told["remedy"].endswith("interlock lens show --help`.")


def test_a_usage_error_is_text_otherwise() -> None:
    """Also where a value is the word json."""
    done = failed("lens", "show", "-o", "text", "--json")
    assert done.returncode == 2
    assert "interlock lens show [OPTIONS] LENS\n" in done.stderr


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_full_disk_under_the_output_is_told(form: str) -> None:
    """In one line, with the exit code of a tool that failed."""
    with Path("/dev/full").open("w") as full:
        done = failed("lens", "eval", "1 + 1", "-o", form, stdout=full)
    assert done.returncode == 1
    assert "place.unusable" in done.stderr
    assert "No space left" in done.stderr


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """With its path."""
    (tmp_path / "file").touch()
    done = failed("-C", str(tmp_path), "validate", "--junit", str(tmp_path / "file" / "x.xml"))
    assert done.returncode == 1
    assert f"{tmp_path / 'file'}: " in done.stderr


@pytest.mark.parametrize(
    ("address", "person", "token"),
    [
        ("http://127.0.0.1:99999", "sam", "t"),
        ("http://127.0.0.1:abc", "sam", "t"),
        ("http://127.0.0.1:1", "王", "t"),
        ("http://127.0.0.1:1", "sam\nx: y", "t"),
        ("http://127.0.0.1:1", "sam", "secret\nx"),
    ],
)
def test_what_no_request_can_carry_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, person: str, token: str
) -> None:
    """The caller corrects it, and no token is told."""
    monkeypatch.setenv("INTERLOCK_API", address)
    monkeypatch.setenv("INTERLOCK_TOKEN", token)
    with pytest.raises(RequestUnsendable) as told:
        Api(tmp_path, person).get("/status")
    assert "secret" not in str(told.value)


def test_another_server_is_no_control_plane(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answer is not taken for a refusal."""
    with serving(Echo("other", status=404, answer=b"[1]")) as other:
        monkeypatch.setenv("INTERLOCK_API", f"http://127.0.0.1:{other.port}")
        monkeypatch.setenv("INTERLOCK_TOKEN", "t")
        with pytest.raises(ControlPlaneSilent, match="answered 404, and not as a control plane"):
            Api(tmp_path).get("/status")


@pytest.mark.parametrize("given", [("--block-s", "soon"), ("--block-s", "0"), ("--concurrency", "0")])
def test_numbers_of_up_are_checked_before_anything_starts(tmp_path: Path, given: tuple[str, str]) -> None:
    """A usage error, with the option."""
    done = CliRunner().invoke(interlock, ["-C", str(tmp_path), "up", *given])
    assert done.exit_code == 2
    assert given[0] in done.stderr


@pytest.mark.parametrize("says", ["it is late", "it is late."])
def test_what_is_wrong_and_what_would_help_are_two_sentences(says: str) -> None:
    """Whether or not what is wrong ends with a full stop."""
    assert str(Finding("a.b", Severity.ERROR, "x", says, "Go.", "f:1")) == "f:1: error a.b: it is late. Go."
    assert str(Finding("a.b", Severity.INFO, "x", says)) == f"info a.b: {says}"
    assert str(Invalid(says, remedy="Go.")) == "it is late. Go."
