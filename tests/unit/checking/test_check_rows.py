from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.checking.rows import read_rows
from interlock.domain.checks.check import CheckInvalid


def read(tmp_path: Path, text: str, name: str = "rows.csv") -> list[dict[str, object]]:
    path = tmp_path / name
    path.write_text(text, "utf-8")
    return read_rows(path)


def test_columns_have_one_meaning(tmp_path: Path) -> None:
    """Numbers, truth and text are told apart per column; an empty cell is missing; codes stay text."""
    text = '\ufeffn,code,zip,ok,text\n1,1,007,true,"a,b"\n-2.5e3,2A,12,FALSE,\n,3,,,x\n'
    assert read(tmp_path, text) == [
        {"n": 1, "code": "1", "zip": "007", "ok": True, "text": "a,b"},
        {"n": -2500.0, "code": "2A", "zip": "12", "ok": False, "text": None},
        {"n": None, "code": "3", "zip": None, "ok": None, "text": "x"},
    ]


def test_not_a_number_is_a_number(tmp_path: Path) -> None:
    """NaN and infinities of other tools are read, so that integrity can find them."""
    rows = read(tmp_path, "x\nnan\ninf\n1.5\n")
    assert math.isnan(rows[0]["x"])  # type: ignore[arg-type] # a float here
    assert [row["x"] for row in rows[1:]] == [math.inf, 1.5]


def test_json_lines_are_rows(tmp_path: Path) -> None:
    """One object per line, blank lines apart."""
    assert read(tmp_path, '{"a": 1}\n\n{"a": null, "b": "x"}\n', "rows.jsonl") == [{"a": 1}, {"a": None, "b": "x"}]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("r.csv", "a,b\n1\n", r"r\.csv:2: has 1 cells under 2 names"),
        ("r.csv", "a,a\n1,2\n", r"r\.csv:1: has two columns of one name"),
        ("r.csv", 'a\n"x', r"r\.csv:2: is no CSV"),
        ("r.jsonl", '{"a": 1}\n{"a"', r"r\.jsonl:2: is no JSON"),
        ("r.jsonl", "[1]\n", r"r\.jsonl:1: a row is a JSON object"),
        ("r.txt", "a\n", "neither CSV nor JSON Lines"),
    ],
)
def test_what_cannot_be_read_names_its_line(tmp_path: Path, name: str, text: str, says: str) -> None:
    """Damage is told with file and line."""
    with pytest.raises(CheckInvalid, match=says):
        read(tmp_path, text, name)


def test_files_that_are_missing_or_not_text_are_refused(tmp_path: Path) -> None:
    """A missing file and bytes that are no UTF-8 are told as such."""
    with pytest.raises(CheckInvalid, match="No such file"):
        read_rows(tmp_path / "absent.csv")
    (tmp_path / "r.csv").write_bytes(b"a\n\xff\n")
    with pytest.raises(CheckInvalid, match="not UTF-8"):
        read_rows(tmp_path / "r.csv")


@given(st.floats(allow_nan=False))
def test_every_float_survives_csv(number: float) -> None:
    """A float written by Python is read as itself."""
    from interlock.checking.rows import _meant

    assert _meant([repr(number)]) == [number]
