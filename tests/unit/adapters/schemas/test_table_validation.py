"""Tables held against contracts: every condition, key and rule, on DuckDB, from Parquet and CSV."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from interlock.adapters.schemas.guard import only_reads
from interlock.adapters.schemas.row_values import DataUnreadable
from interlock.adapters.schemas.tables import DataMissing, opened
from interlock.adapters.schemas.validate import REDACTED, validated
from interlock.domain.checks.check import CheckResult, Part
from interlock.domain.checks.record import as_document, results_from
from interlock.domain.schemas.contract import Check, Contract, Object, Reference, Rule
from interlock.domain.schemas.field import Date, Decimal, Field, Float, Int, List, String, Struct, Timestamp

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")  # Ibis 12 with DuckDB 1.5

ROWS = """
SELECT i AS id, CASE WHEN i % 10 = 0 THEN NULL ELSE i % 7 END AS a, (i * 1.5)::DOUBLE AS x, 'c' || (i % 3) AS c,
       {'p': i, 'q': 'z' || i} AS s, [i, i] AS l, DATE '2020-01-01' + i::INT AS d, (i % 5)::DECIMAL(10, 2) AS m
FROM range(100) AS t(i)
"""
FLAT = "SELECT id, a, x, c, d FROM (" + ROWS + ")"
NOW = datetime.datetime(2020, 4, 10, tzinfo=datetime.UTC)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The same rows as Parquet and, without what CSV cannot hold, as CSV."""
    place = tmp_path_factory.mktemp("rows")
    paths = {"parquet": str(place / "rows.parquet"), "csv": str(place / "rows.csv")}
    duckdb.sql(f"COPY ({ROWS}) TO '{paths['parquet']}'")
    duckdb.sql(f"COPY ({FLAT}) TO '{paths['csv']}'")
    return paths


def result(path: str, one: Object, **options: Any) -> CheckResult:
    with opened(path) as table:
        return validated(table, Contract("rows", "1", (one,)), one, path, now=NOW, **options)


def parts(path: str, *fields: Field, **attributes: Any) -> dict[str, Part]:
    return {p.name: p for p in result(path, Object("rows", fields, **attributes)).measurement.parts}


@pytest.mark.parametrize(
    ("field", "part", "broken"),
    [
        (Field("a", Int(64)), "a null", 10),
        (Field("a", Int(8), nullable=True, enum=(0, 1, 2, 3)), "a enum", 38),
        (Field("a", Int(8), nullable=True), "a type", 0),
        (Field("id", Int(8), maximum=98), "id bounds", 1),
        (Field("x", Float(64), maximum=100.5), "x bounds", 32),
        (Field("x", Float(64), more_than=0), "x bounds", 1),
        (Field("x", Float(64), multiple_of=3), "x multiple", 50),
        (Field("c", String(), pattern="^c[01]$"), "c pattern", 33),
        (Field("c", String(), min_length=3), "c length", 100),
        (Field("d", Date(), less_than=18_262 + 50), "d bounds", 50),
        (Field("d", Date(), enum=("2020-01-01",)), "d enum", 99),
        (Field("c", Int(64)), "c type", None),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_conditions_count_the_rows_that_break_them(
    places: dict[str, str], kind: str, field: Field, part: str, broken: int | None
) -> None:
    """Typed columns and text give the same counts; None stands for all rows, by the column's type."""
    found = parts(places[kind], field)[part]
    if broken is None:
        assert found.verdict.kind == "fail"
    else:
        assert (found.verdict.kind, found.facts.get("broken", 0)) == ("fail" if broken else "pass", broken)


def test_inner_fields_decimals_and_lists_are_asked(places: dict[str, str]) -> None:
    """Fields of structs, digits of decimals, lengths of lists and their elements' uniqueness."""
    inner = Struct((Field("p", Int(64), maximum=3), Field("q", String(), max_length=2), Field("gone", Int())))
    found = parts(
        places["parquet"],
        Field("s", inner),
        Field("m", Decimal(3, 1), maximum=3.5),
        Field("l", List(Field("element", Int(64))), max_items=1, has_unique_items=True),
    )
    broken = {name: p.facts["broken"] for name, p in found.items() if p.facts.get("broken")}
    assert broken == {"s.p bounds": 96, "s.q length": 90, "m bounds": 20, "l items": 100, "l unique": 100}
    assert found["s.gone present"].verdict.kind == "fail"
    assert "s.gone null" not in found


def test_a_narrower_type_is_asked_of_the_values(places: dict[str, str]) -> None:
    """A wide column keeps to a narrow contract exactly when its values do."""
    assert parts(places["parquet"], Field("id", Int(8)))["id type"].verdict.kind == "pass"
    assert parts(places["parquet"], Field("id", Int(8), multiple_of=1))["id multiple"].verdict.kind == "pass"
    wide = parts(places["parquet"], Field("m", Decimal(1, 0)), Field("x", Int(64)), Field("d", Timestamp()))
    assert wide["m type"].verdict.kind == "pass"
    assert wide["x type"].verdict.kind == "fail"
    assert wide["d type"].verdict.kind == "fail"


def test_keys_find_rows_that_share_their_values(places: dict[str, str]) -> None:
    """A primary key holds; a pair of columns does not, and rows with a null among them are not compared."""
    one = Object("rows", (Field("id", Int(64), is_unique=True),), primary_key=("id",), unique=(("a", "c"),))
    found = {p.name: p for p in result(places["parquet"], one).measurement.parts}
    assert found["id primary key"].verdict.kind == "pass"
    assert "id unique" not in found
    assert found["a, c unique"].facts["broken"] == 90


@pytest.mark.parametrize(
    ("rule", "verdict"),
    [
        (Rule("r", "row_count", at_least=100), "pass"),
        (Rule("r", "row_count", above=100), "fail"),
        (Rule("r", "row_count", at_least=1000, is_negated=True), "pass"),
        (Rule("r", "null_values", "a", at_most=0.1, is_share=True), "pass"),
        (Rule("r", "null_values", "a", below=0.1, is_share=True), "fail"),
        (Rule("r", "missing_values", "a", at_most=24, arguments={"missingValues": (3,)}), "pass"),
        (Rule("r", "invalid_values", "c", at_most=32, arguments={"validValues": ("c0", "c1")}), "fail"),
        (Rule("r", "duplicate_values", "a", at_most=83), "pass"),
        (Rule("r", "freshness_s", "d", at_most=86_400), "pass"),
        (Rule("r", "freshness_s", "d", at_most=3_600), "fail"),
        (
            Rule("r", "sql", query="SELECT count(*) FROM {object} WHERE {field} > 50", field="id", at_least=49),
            "pass",
        ),
        (Rule("r", "sql", query="SELECT count(*) FROM read_csv('/etc/hosts')", at_least=0), "undecided"),
        (Rule("r", "custom", engine="soda", query="x"), "undecided"),
        (Rule("r", "row_count", at_least=101, severity="warning"), "pass"),
    ],
    ids=lambda v: v.metric if isinstance(v, Rule) else v,
)
def test_rules_of_quality_are_judged(places: dict[str, str], rule: Rule, verdict: str) -> None:
    """Counts, shares, freshness and queries against their bounds; what cannot be asked is undecided."""
    one = Object("rows", (Field("id", Int(64)),), rules=(rule,))
    assert result(places["parquet"], one).verdict.kind == verdict


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("SELECT nope FROM {object}", "nope"),
        ("SELECT count(*) FROM {object} WHERE c + 1 > 0", "the query failed"),
        ("SELECT max(c) FROM {object}", "no number"),
        ("SELECT max('inf'::DOUBLE) FROM {object}", "the query gives inf"),
    ],
)
def test_a_query_that_gives_no_number_is_undecided(places: dict[str, str], query: str, why: str) -> None:
    """The engine's refusal is the reason, and everything else is still asked."""
    one = Object("rows", (Field("id", Int(64)),), rules=(Rule("r", "sql", query=query, at_least=0),))
    found = result(places["parquet"], one)
    rule = next(p for p in found.measurement.parts if p.name == "rule r")
    assert (found.verdict.kind, rule.verdict.kind) == ("undecided", "undecided")
    assert why in str(rule.verdict)


def test_numbers_without_end_are_no_multiples(tmp_path: Path) -> None:
    """Infinity and NaN break the condition, large numbers do not stop the query, and dividing may round."""
    path = str(tmp_path / "rows.parquet")
    values = "('inf'::DOUBLE), ('-inf'), ('nan'), (1e300), (0.3), (1234567890123.3), (0.35), (NULL)"
    duckdb.sql(f"COPY (SELECT * FROM (VALUES {values}) t(x)) TO '{path}'")
    found = parts(path, Field("x", Float(64), nullable=True, multiple_of=0.1))
    assert found["x multiple"].facts["broken"] == 4


def test_what_is_not_asked_is_not_passed(places: dict[str, str]) -> None:
    """A condition of rows that no query asks leaves the whole undecided."""
    one = Object("rows", (Field("id", Int(64)),), checks=(Check("order", "id > a"),))
    assert result(places["parquet"], one).verdict.kind == "undecided"


def test_a_closed_contract_lists_its_columns(places: dict[str, str]) -> None:
    """Data that drifted: columns that came are told as those that went."""
    one = Object("rows", (Field("id", Int(64)), Field("gone", Int(64))), is_open=False)
    failed = {p.name for p in result(places["csv"], one).measurement.parts if p.verdict.kind == "fail"}
    assert failed == {"columns listed", "gone present"}


def test_examples_show_the_key_and_nothing_personal(places: dict[str, str]) -> None:
    """A few rows by their key; values of personal fields, and of structs that hold one, never leave the table."""
    inner = Struct((Field("q", String(), max_length=2, is_personal=True),))
    fields = (Field("id", Int(64)), Field("c", String(), pattern="^x", is_personal=True), Field("s", inner))
    told = result(places["parquet"], Object("rows", fields, primary_key=("id",)), examples=2)
    shown = {p.name: p.facts["examples"] for p in told.measurement.parts if "examples" in p.facts}
    assert shown["c pattern"] == [{"id": 0, "c": REDACTED}, {"id": 1, "c": REDACTED}]
    assert all(row["s"] == REDACTED for row in shown["s.q length"])


def test_the_result_is_evidence(places: dict[str, str]) -> None:
    """What is posted reads back with its digest, examples included."""
    told = result(places["parquet"], Object("rows", (Field("a", Int(64)), Field("d", Date(), maximum=0))))
    read = results_from(as_document([told]))[0]
    assert read.verdict == told.verdict
    assert read.subject == "contract:rows@1"


def test_an_empty_table_breaks_nothing_but_counts(tmp_path: Path) -> None:
    """No rows: conditions hold, and a share of nothing is undecided."""
    path = str(tmp_path / "empty.parquet")
    duckdb.sql(f"COPY (SELECT 1 AS id LIMIT 0) TO '{path}'")
    shares = Rule("r", "null_values", "id", at_most=0.5, is_share=True)
    assert result(path, Object("rows", (Field("id", Int(32)),))).verdict.kind == "pass"
    assert result(path, Object("rows", (Field("id", Int(32)),), rules=(shares,))).verdict.kind == "undecided"


def test_text_is_checked_before_it_is_cast(tmp_path: Path) -> None:
    """What engines would round or trim into a number is none."""
    path = tmp_path / "text.csv"
    path.write_text("n,d\n1,2020-01-01\n1.5,2020-1-1\n 2,2020-02-30\n1_000,\n,2020-01-02\n")
    found = parts(str(path), Field("n", Int(32), nullable=True), Field("d", Date(), nullable=True))
    assert (found["n type"].facts["broken"], found["d type"].facts["broken"]) == (3, 2)


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM t",
        "SELECT 1; SELECT 2",
        "SELECT * FROM other",
        "SELECT * FROM 'file.csv'",
        "COPY t TO 'x'",
        "SELECT getenv('HOME') FROM t",
        "SELECT count(* FROM t",
        "WITH x AS (SELECT * FROM secret) SELECT * FROM x",
    ],
)
def test_a_rule_s_query_reads_its_table_and_nothing_else(query: str) -> None:
    """Writes, other tables, files and unknown functions are refused."""
    assert only_reads(query, "duckdb", {"t"})
    assert not only_reads("WITH x AS (SELECT a FROM t) SELECT max(a) FROM x", "duckdb", {"t"})


def test_what_is_not_there_is_missing(tmp_path: Path) -> None:
    """Files, tables and databases that do not exist, and files that are no tables."""
    bad = tmp_path / "bad.parquet"
    bad.write_bytes(b"PAR1 and no more")
    with pytest.raises(DataMissing), opened(str(tmp_path / "absent.csv")):
        pass
    with pytest.raises(DataUnreadable), opened(str(bad)):
        pass
    database = f"duckdb://{tmp_path / 'x.duckdb'}"
    duckdb.connect(str(tmp_path / "x.duckdb")).execute("CREATE TABLE orders AS SELECT 1 AS id").close()
    with pytest.raises(DataMissing) as caught, opened("ordes", database):
        pass
    assert "orders" in caught.value.remedy


CHECKED = (Field("id", Int(64)), Field("a", Int(64), nullable=True), Field("x", Float(64)), Field("d", Date()))


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_conditions_of_rows_are_asked_with_the_others(places: dict[str, str], kind: str) -> None:
    """NULL keeps a condition; examples show what it reads; a closed contract does not see its columns."""
    checks = (Check("low", "a < 6 AND x = id * 1.5"), Check("late", "d < CAST('2020-02-01' AS DATE)"))
    fields = (*CHECKED, Field("c", String()))
    one = Object("rows", fields, is_open=kind == "parquet", checks=checks)
    told = result(places[kind], one, examples=1).measurement
    found = {p.name: p for p in told.parts}
    assert (found["check low"].facts["broken"], found["check late"].facts["broken"]) == (12, 69)
    shown = found["check low"].facts["examples"]
    assert [{name: str(value) for name, value in row.items()} for row in shown] == [
        {"a": "6", "x": "9.0", "id": "6"}
    ]
    if kind == "csv":
        assert found["columns listed"].verdict.kind == "pass"


def test_a_condition_on_a_column_that_is_not_so_is_undecided(places: dict[str, str]) -> None:
    """Lacking, or of another type than the contract says."""
    fields = (Field("gone", Int(64)), Field("c", Int(64)))
    checks = (Check("one", "gone > 0"), Check("two", "c > 0"), Check("three", "nothing > 0"))
    found = parts(places["parquet"], *fields, checks=checks)
    assert {found[f"check {n}"].verdict.kind for n in ("one", "two", "three")} == {"undecided"}


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_references_are_asked_of_the_other_file(places: dict[str, str], kind: str, tmp_path: Path) -> None:
    """Text is compared as what the contract says it is; without the file it is undecided, with what to say."""
    other = tmp_path / "others.csv"
    other.write_text("k,n\n00,a\n1,b\n2,c\n,d\n")
    rows = Object("rows", CHECKED, references=(Reference(("a",), "others", ("k",)),))
    contract = Contract("rows", "1", (rows, Object("others", (Field("k", Int(64), nullable=True),))))
    with opened(places[kind]) as table:
        given = validated(table, contract, rows, "rows", others={"others": str(other)}).measurement.parts
        lacking = validated(table, contract, rows, "rows").measurement.parts
        with pytest.raises(DataMissing):
            validated(table, contract, rows, "rows", others={"others": str(tmp_path / "absent.csv")})
    found = next(p for p in given if p.name == "a reference")
    assert (found.verdict.kind, found.facts["broken"]) == ("fail", 50)
    assert "--with others=" in str(next(p.verdict for p in lacking if p.name == "a reference"))


def test_a_row_that_is_none_is_told_with_its_line_and_without_its_values(tmp_path: Path) -> None:
    """Also far into the file, where only the query finds it."""
    path = tmp_path / "rows.csv"
    path.write_text("id,name\n" + "".join(f"{n},x\n" for n in range(30_000)) + "1,secret,more,3\n")
    one = Object("rows", (Field("id", Int(64)),))
    with opened(str(path)) as table, pytest.raises(DataUnreadable) as caught:
        validated(table, Contract("rows", "1", (one,)), one, "rows")
    assert caught.value.where == f"{path}:30002"
    assert "secret" not in str(caught.value)
