"""SQLite as a source of data: values of any type in any column, dates in text, files that are none."""

from __future__ import annotations

import datetime
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from interlock.adapters.schemas.infer import inferred
from interlock.adapters.schemas.row_values import DataUnreadable
from interlock.adapters.schemas.sqlite import prepare_sqlite
from interlock.adapters.schemas.tables import DataMissing, opened
from interlock.adapters.schemas.validate import validated
from interlock.domain.checks.check import Part
from interlock.domain.schemas.contract import Check, Contract, Object, Rule
from interlock.domain.schemas.field import Bool, Date, Field, Float, Int, Json, String, Time, Timestamp

NOW = datetime.datetime(2026, 1, 3, tzinfo=datetime.UTC)
ROWS = [
    (1, "a", "2026-01-01", "2026-01-01T12:00:00+02:00", "10:30", 1, 1.5),
    ("two", 2, "2026-02-30", "2026-01-01 10:00", "25:00", 2, "much"),
    (3, b"c", 20260101, "yesterday", None, 0, 2),
    (None, None, None, None, None, None, None),
]
DECLARED = "id INTEGER, name TEXT, day DATE, at DATETIME, clock TIME, is_new BOOLEAN, price REAL, anything"
FIELDS = (
    Field("id", Int(64), nullable=True),
    Field("name", String(), nullable=True),
    Field("day", Date(), nullable=True, minimum="2026-01-01"),  # type: ignore[arg-type]
    Field("at", Timestamp(), nullable=True, maximum="2026-01-01T10:00:00Z"),  # type: ignore[arg-type]
    Field("clock", Time(), nullable=True),
    Field("is_new", Bool(), nullable=True),
    Field("price", Float(64), nullable=True, maximum=1.5),
)


@pytest.fixture
def url(tmp_path: Path) -> str:
    path = tmp_path / "shop.db"
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(f"CREATE TABLE items ({DECLARED})")
        connection.executemany("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?, 7)", ROWS)
    connection.close()
    return f"sqlite:///{path}"


def parts(url: str, one: Object, **options: Any) -> dict[str, Part]:
    with opened("items", url) as table:
        told = validated(table, Contract("items", "1", (one,)), one, "items", now=NOW, **options)
    return {p.name: p for p in told.measurement.parts}


def test_values_of_another_type_than_declared_are_counted(url: str) -> None:
    """The column says nothing about its values, so that each is asked; what is no value breaks no bound."""
    found = parts(url, Object("items", FIELDS))
    broken = {name: p.facts["broken"] for name, p in found.items() if p.facts.get("broken")}
    assert broken == {
        "id type": 1,
        "name type": 1,
        "day type": 2,
        "at type": 1,
        "clock type": 1,
        "is_new type": 1,
        "price type": 1,
        "price bounds": 1,
    }


def test_what_is_no_value_is_null_to_conditions_of_rows(url: str) -> None:
    """The row with the text `two` keeps a check on numbers, as a row without a number does."""
    checks = (Check("low", "id < 3 AND NOT is_new"), Check("day", "day > CAST('2026-01-01' AS DATE)"))
    found = parts(url, Object("items", FIELDS, checks=checks))
    assert {n: found[n].facts["broken"] for n in ("check low", "check day")} == {"check low": 2, "check day": 1}


def test_many_calls_in_each_other_are_computed(url: str) -> None:
    """SQLite's parser has a small stack, and its planner writes inner selects out: neither limits a contract."""
    deep = "+ 1".join(["(" * 14 + "id "] + [") "] * 14) + " > 16"
    found = parts(url, Object("items", FIELDS, checks=(Check("deep", deep),)))
    assert found["check deep"].facts["broken"] == 1


def test_freshness_is_measured_in_text(url: str) -> None:
    """The newest instant, in UTC; text that is no date is not the newest."""
    rule = Rule("fresh", "freshness_s", "at", at_most=2 * 86_400 - 10 * 3_600)
    found = parts(url, Object("items", FIELDS, rules=(rule,)))["rule fresh of at"]
    assert (found.verdict.kind, found.facts["measured"]) == ("pass", 38 * 3_600.0)


def test_a_contract_is_guessed_from_what_is_there(url: str) -> None:
    """A column whose values are of several types holds anything; one of no declared type is what its values are."""
    with opened("items", url) as table:
        found = inferred(table, "", "1", 100).contract
        assert validated(table, found, found.record, "items").verdict.kind == "pass"
    by_name = {f.name: f.type for f in found.fields}
    assert isinstance(by_name["id"], Json)
    assert isinstance(by_name["day"], Json)
    assert isinstance(by_name["anything"], Int)


def test_nothing_is_written_and_what_is_not_there_is_told(url: str, tmp_path: Path) -> None:
    """A rule's query cannot write; files and tables that do not exist, and a file that is no database, are told."""
    rule = Rule("r", "sql", query="DELETE FROM items RETURNING 1", at_most=1)
    assert parts(url, Object("items", (), rules=(rule,)))["rule r"].verdict.kind == "undecided"
    with opened("items", url) as table, pytest.raises(DataUnreadable, match="readonly"):
        table.engine._execute("DELETE FROM items")  # type: ignore[attr-defined]
    with pytest.raises(DataMissing, match="no file"), opened("items", f"sqlite:///{tmp_path / 'absent.db'}"):
        pass
    with pytest.raises(DataMissing) as missing, opened("item", url):
        pass
    assert "items" in missing.value.remedy
    (tmp_path / "text.db").write_text("this is a text, and a long one at that. " * 50)
    with pytest.raises(DataUnreadable), opened("items", f"sqlite:///{tmp_path / 'text.db'}"):
        pass


@pytest.mark.parametrize(
    ("text", "pattern", "is_found"),
    [("c0\n", "c[01]$", 0), ("c0", "c[01]$", 1), ("a$b", r"a\$b", 1), ("a$", "a[$]", 1), ("é", r"^\w$", 0)],
)
def test_patterns_mean_what_they_mean_elsewhere(text: str, pattern: str, is_found: int) -> None:
    """`$` is the end alone, classes are ASCII."""
    connection = sqlite3.connect(":memory:")
    prepare_sqlite(connection)
    assert connection.execute("SELECT _IBIS_REGEX_SEARCH(?, ?)", (text, pattern)).fetchone() == (is_found,)
    connection.close()
