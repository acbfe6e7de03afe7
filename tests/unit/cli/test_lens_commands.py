"""The commands of `lens` on files: list, show, check, explain, eval, suggest, import, export; with exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner, Result
from jsonata import Jsonata

from interlock.adapters.workspace.loader import WorkspaceFiles
from interlock.adapters.workspace.template import write_template
from interlock.cli.main import interlock
from interlock.domain.lenses.lens import Lens
from interlock.kernel.errors import InterlockError

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")  # Ibis 12 with DuckDB 1.5

STEP = """\
kind: Lens
contract: order
from: "2"
to: "1"
ops: [{rename: {from: articles, to: basket}}, {drop: {field: channel, default: web}}]
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    write_template(tmp_path)
    return tmp_path


def run(workspace: Path, *arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(interlock, ["-C", str(workspace), "lens", *arguments], input=given)


def told(workspace: Path, *arguments: str, exit_code: int = 0, given: str | None = None) -> Any:
    done = run(workspace, *arguments, "--output", "json", given=given)
    assert done.exit_code == exit_code, (done.output, done.exception)
    return json.loads(done.stdout)


def refused(workspace: Path, *arguments: str, given: str | None = None) -> InterlockError:
    done = run(workspace, *arguments, given=given)
    assert isinstance(done.exception, InterlockError), (done.output, done.exception)
    return done.exception


def test_lenses_are_listed_and_shown(shop: Path) -> None:
    """By their names, in both directions."""
    (one,) = told(shop, "list")["lenses"]
    assert (one["lens"], one["status"], one["ops"]) == ("order@1..2", "active", 2)
    shown = told(shop, "show", "order")
    assert [op["op"] for op in shown["ops"]] == ["rename", "add"]
    assert [op["op"] for op in shown["back"]] == ["drop", "rename"]
    assert "always 'web'" in run(shop, "show", "order@1..2").output
    assert "Did you mean 'order@1..2'?" in refused(shop, "show", "order@1..3").remedy


def test_a_sound_lens_is_checked(shop: Path) -> None:
    """Losses, laws on generated records, and every engine that can run it; exit code 0."""
    (one,) = told(shop, "check")["lenses"]
    assert one["is_sound"]
    assert {law["law"]: law["holds"] for law in one["laws"]} == {"GetPut": True, "PutGet": False}
    assert {"record", "hop", "lua", "duckdb", "postgres"} <= {e["engine"] for e in one["engines"] if not e["there"]}
    assert "1 of 1 lenses is sound" in run(shop, "check").output


def test_what_is_wrong_is_told_and_exits_with_3(shop: Path) -> None:
    """Two lenses for one step, a misspelled field with its line, a document that is no lens."""
    (shop / "lenses" / "back.yaml").write_text(STEP)
    document = told(shop, "check", exit_code=3)
    twice = next(f for f in document["findings"] if f["code"] == "lens.step_twice")
    assert "lenses/back.yaml" in twice["says"]
    assert "lenses/order-1-2.yaml" in twice["says"]
    path = shop / "lenses" / "order-1-2.yaml"
    path.write_text(path.read_text().replace("from: basket", "from: baskets"))
    wrong = told(shop, "check", "order@1..2", exit_code=3)["lenses"][0]["findings"][0]
    line = path.read_text().splitlines().index("  - rename: {from: baskets, to: articles}") + 1
    assert (wrong["where"], wrong["remedy"]) == (f"lenses/order-1-2.yaml:{line}", "Did you mean 'basket'?")
    path.write_text(path.read_text().replace("rename", "renam"))
    broken = told(shop, "check", exit_code=3)
    assert "lens.op_unknown" in {f["code"] for f in broken["findings"]}


def test_a_lens_is_explained_with_a_sample(shop: Path) -> None:
    """One from the contract, or the first record of a file."""
    made = told(shop, "explain", "order")
    assert [one["there"] for one in made["ops"]] == [
        "`basket` is called `articles`",
        "`channel` is made: always 'web'",
    ]
    sample = shop / "one.jsonl"
    sample.write_text('{"order_id": "a", "country": "NZ", "basket": 5}\n')
    trip = told(shop, "explain", "order", "--sample", str(sample))["sample"]
    assert trip["after"] == {"order_id": "a", "country": "NZ", "articles": 5, "channel": "web"}
    assert trip["returned"] == trip["before"]
    assert "back again" in run(shop, "explain", "order").output
    sample.write_text("[1]")
    assert refused(shop, "explain", "order", "--sample", str(sample)).code == "lens.records_unreadable"


def test_expressions_are_typed_and_computed(shop: Path) -> None:
    """With values alone, types beside names, a contract, a record; and as the SQL of each engine."""
    found = told(shop, "eval", "a // 2 + coalesce(b, 1)", "--with", "a=7, b:INTEGER=null")
    assert (found["type"], found["value"], found["fields"]) == ("INTEGER", 4, {"a": "INTEGER", "b": "INTEGER"})
    sql = found["sql"]["duckdb"].replace('FROM "t"', "FROM (SELECT 7::BIGINT AS a, NULL::BIGINT AS b)")
    assert duckdb.sql(sql).fetchall() == [(4,)]
    assert told(shop, "eval", "m * 2", "--with", "m:DECIMAL(9,2)='1.50'")["value"] == 3
    record = shop / "order.json"
    record.write_text('{"order_id": "a-b", "country": "NZ", "basket": 5}')
    asked = ("eval", "split_part(order_id, '-', 2)", "--record", str(record), "--contract", "order@1")
    assert told(shop, *asked)["value"] == "b"
    assert "refused: sqlite cannot compute split_part exactly" in run(shop, *asked).output
    assert "value" not in told(shop, "eval", "basket + 1", "--contract", "order@1")


def test_wrong_expressions_are_pointed_at(shop: Path) -> None:
    """A caret under the column, the reason, and what was meant."""
    done = run(shop, "eval", "a + bb", "--with", "a=1,b=2")
    assert done.output.splitlines()[:2] == ["a + bb", "    ^"]
    assert isinstance(done.exception, InterlockError)
    assert (done.exception.exit_code, done.exception.remedy) == (2, "Did you mean 'b'?")
    assert run(shop, "eval", "a", "--with", "a").exit_code == 2
    assert run(shop, "eval", "a", "--with", "a:WORD=1").exit_code == 2


def _versions(shop: Path) -> tuple[str, str]:
    older = {"dep_delay": "number", "carrier": "string", "code": "string"}
    newer = {"departure_delay": "number", "q": "string"}
    for name, fields in (("a", older), ("b", newer)):
        schema = {
            "title": "flight",
            "type": "object",
            "properties": {f: {"type": kind} for f, kind in fields.items()},
            "required": list(fields),
        }
        (shop / f"{name}.json").write_text(json.dumps(schema))
    return str(shop / "a.json"), str(shop / "b.json")


def test_a_draft_is_suggested_written_and_checked(shop: Path) -> None:
    """It is told what is open; nothing is written over; and while it is a draft it translates nothing."""
    ends = _versions(shop)
    found = told(shop, "suggest", *ends)
    renames = [g for g in found["guesses"] if "rename" in g["op"]]
    assert [g["op"]["rename"] for g in renames] == [{"from": "dep_delay", "to": "departure_delay"}]
    assert found["guesses"] == sorted(found["guesses"], key=lambda one: -one["confidence"])
    assert found["findings"][0]["code"] == "lens.unconfirmed"
    for number, file in enumerate(ends, start=1):
        run_contract = ["-C", str(shop), "contract", "add", file, "--contract-version", str(number)]
        assert CliRunner().invoke(interlock, run_contract).exit_code == 0
    target = shop / "lenses" / "flight.yaml"
    assert told(shop, "suggest", "flight@1", "flight@2", "--write", str(target))["written"] == str(target)
    assert "# guess 0.9" in target.read_text()
    assert refused(shop, "suggest", "flight@1", "flight@2", "--write", str(target)).exit_code == 3
    workspace, findings = WorkspaceFiles(shop).load()
    assert [one.contract for one in workspace.lenses] == ["order"]
    assert [f for f in findings if f.is_blocking] == []
    checked = told(shop, "check", "flight", exit_code=3)["lenses"][0]
    assert (checked["status"], checked["is_sound"]) == ("draft", False)
    assert {f["code"] for f in checked["findings"]} >= {"lens.unconfirmed", "lens.default_misfit"}


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl", "sqlite", "duckdb"])
def test_data_finds_what_names_do_not_tell(shop: Path, form: str) -> None:
    """From files of each kind, and from a database: an opaque name is found by its values."""
    ends = _versions(shop)
    places = _written(shop, form)
    found = told(shop, "suggest", *ends, "--on", places[0], "--on-new", places[1], *places[2:])
    renames = {g["op"]["rename"]["to"]: g["op"]["rename"]["from"] for g in found["guesses"] if "rename" in g["op"]}
    assert renames == {"departure_delay": "dep_delay", "q": "carrier"}
    assert run(shop, "suggest", *ends, "--on", places[0]).exit_code == 2


def _written(shop: Path, form: str) -> list[str]:
    """Both versions' rows, of which no two are the same."""
    rows = "SELECT (i * 7 % 90)::DOUBLE AS {}, ['UA', 'AA', 'DL'][1 + i % 7 % 3] AS {} {} FROM range({}, {}) t(i)"
    older = rows.format("dep_delay", "carrier", ", 'c' || i AS code", 0, 500)
    newer = rows.format("departure_delay", "q", "", 500, 1000)
    if form in ("sqlite", "duckdb"):
        path = shop / f"rows.{form}"
        with duckdb.connect() as connection:
            kind = ", TYPE sqlite" if form == "sqlite" else ""
            if form == "sqlite":
                return _in_sqlite(shop, connection, older, newer)
            connection.execute(f"ATTACH '{path}' AS d (READ_WRITE{kind})")
            connection.execute(f"CREATE TABLE d.older AS {older}")
            connection.execute(f"CREATE TABLE d.newer AS {newer}")
        return ["older", "newer", "--database", f"duckdb://{path}"]
    paths = [str(shop / f"{name}.{form}") for name in ("older", "newer")]
    options = "FORMAT json" if form == "jsonl" else f"FORMAT {form}"
    with duckdb.connect() as connection:
        for path_, query in zip(paths, (older, newer), strict=True):
            connection.execute(f"COPY ({query}) TO '{path_}' ({options})")
    return paths


def _in_sqlite(shop: Path, connection: Any, older: str, newer: str) -> list[str]:
    import sqlite3

    path = shop / "rows.db"
    with sqlite3.connect(path) as held:
        held.execute("CREATE TABLE older (dep_delay REAL, carrier TEXT, code TEXT)")
        held.execute("CREATE TABLE newer (departure_delay REAL, q TEXT)")
        held.executemany("INSERT INTO older VALUES (?, ?, ?)", connection.execute(older).fetchall())
        held.executemany("INSERT INTO newer VALUES (?, ?)", connection.execute(newer).fetchall())
    return ["older", "newer", "--database", f"sqlite:///{path}"]


def test_environments_are_compared(shop: Path, tmp_path: Path) -> None:
    """Contracts, lenses, whether they are sound, and what they lose of the data of each."""
    other = tmp_path / "production"
    write_template(other)
    assert told(shop, "check", "--against", str(other))["rows"]
    lens = other / "lenses" / "order-1-2.yaml"
    lens.write_text(lens.read_text().replace("default: web", "default: shop"))
    rows = tmp_path / "rows.jsonl"
    rows.write_text(
        '{"order_id": "a", "country": "NZ", "basket": 5}\n{"order_id": 3, "articles": 1, "basket": 5}\n'
    )
    compared = told(shop, "check", "--against", str(other), "--on", f"{other}:order={rows}", exit_code=3)
    differing = {row["what"]: row["values"] for row in compared["rows"] if row["differs"]}
    assert set(differing) == {"lens order@1..2", "lens order@1..2 on data"}
    assert differing["lens order@1..2 on data"][1] == "1 of 2 come back; articles: 1"
    assert "compared things differ" in run(shop, "check", "--against", str(other)).output
    assert run(shop, "check", "--on", "x:order=y").exit_code == 2


def test_a_lens_goes_out_as_rules_and_comes_back_as_a_draft(shop: Path) -> None:
    """The rules do what the lens does; a hand-written ruleSet is read from standard input."""
    rules = told(shop, "export", "order", "--as", "migration-rules")["ruleSet"]["migrationRules"]
    record = {"order_id": "a", "country": "NZ", "basket": 5}
    there = Jsonata(rules[0]["expr"]).evaluate(record)
    assert there == {"order_id": "a", "country": "NZ", "articles": 5, "channel": "web"}
    assert Jsonata(rules[1]["expr"]).evaluate(there) == record
    expr = "$merge([$sift($, function($v, $k) {$k != 'basket'}), {'articles': $.basket, 'channel': 'web'}])"
    schema = {"subject": "s", "ruleSet": {"migrationRules": [{"mode": "UPGRADE", "type": "JSONATA", "expr": expr}]}}
    arguments = ("import", "-", "--as", "migration-rules", "--from", "order@1", "--to", "order@2")
    imported = told(shop, *arguments, given=json.dumps(schema))
    path = shop / "imported.yaml"
    path.write_text(imported["lens"].replace("status: draft\n", ""))
    assert told(shop, "check", str(path))["lenses"][0]["is_sound"]
    assert refused(shop, *arguments, given="[]").code == "lens.rule_unreadable"
    assert refused(shop, *arguments, given="{").exit_code == 2


def test_a_lens_that_rules_cannot_say_is_refused(shop: Path) -> None:
    """With the op and the reason, and exit code 3."""
    lens = shop / "lenses" / "order-1-2.yaml"
    lens.write_text(lens.read_text().replace("default: web", "value: upper(country)"))
    wrong = refused(shop, "export", "order", "--as", "migration-rules")
    assert (wrong.exit_code, wrong.code) == (3, "lens.not_exported")
    assert "op 2 (add) computes upper of String" in wrong.message


def test_a_lens_says_where_its_ops_are() -> None:
    """And where it is itself, beyond what is known."""
    assert Lens("c", "1", "2", (), "l.yaml:1", places=("l.yaml:6",)).place(1) == "l.yaml:6"
    assert Lens("c", "1", "2", (), "l.yaml:1").place(3) == "l.yaml:1"
