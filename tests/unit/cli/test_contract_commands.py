"""The commands `contract`, `data` and `validate`: offline, on files, with their exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import duckdb
import pytest
import yaml
from click.testing import CliRunner, Result

from interlock.adapters.workspace.template import write_template
from interlock.cli.main import interlock
from interlock.kernel.errors import InterlockError

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")  # Ibis 12 with DuckDB 1.5

ORDER = {
    "type": "record",
    "name": "order",
    "fields": [{"name": "id", "type": "long"}, {"name": "note", "type": ["null", "string"], "default": None}],
}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    write_template(tmp_path)
    return tmp_path


def run(workspace: Path, *arguments: str) -> Result:
    return CliRunner().invoke(interlock, ["-C", str(workspace), *arguments])


def told(workspace: Path, *arguments: str, exit_code: int = 0) -> Any:
    done = CliRunner().invoke(interlock, ["-C", str(workspace), *arguments, "--output", "json"])
    assert done.exit_code == exit_code, (done.output, done.exception)
    return json.loads(done.stdout)


def written(path: Path, document: Any) -> str:
    path.write_text(json.dumps(document), "utf-8")
    return str(path)


def test_add_keeps_a_version_and_never_changes_it(shop: Path) -> None:
    """A schema of any format becomes ODCS in the workspace; again is nothing, other content is refused."""
    file = written(shop / "order.avsc", ORDER)
    first = told(shop, "contract", "add", file, "--name", "avro-order")
    assert yaml.safe_load(Path(first["written"]).read_text())["name"] == "avro-order"
    assert told(shop, "contract", "add", file, "--name", "avro-order")["written"] == ""
    listed = {(c["name"], c["version"]): c["digest"] for c in told(shop, "contract", "list")["contracts"]}
    assert listed["avro-order", "1"] == first["digest"]
    changed = written(shop / "changed.avsc", {**ORDER, "fields": ORDER["fields"][:1]})
    refused = run(shop, "contract", "add", changed, "--name", "avro-order")
    assert isinstance(refused.exception, InterlockError)
    assert (refused.exception.code, refused.exception.exit_code) == ("contract.taken", 3)
    assert told(shop, "contract", "add", changed, "--name", "avro-order", "--contract-version", "2")["written"]
    assert told(shop, "validate")["is_valid"]


def test_show_diff_and_check_speak_of_versions_and_files(shop: Path) -> None:
    """A side is NAME@VERSION, NAME (the newest), or a file of any format."""
    assert told(shop, "contract", "show", "order")["version"] == "2"
    assert told(shop, "contract", "diff", "order@1", "order@2", exit_code=3)["differences"]
    assert told(shop, "contract", "diff", "order@1", "order@1")["is_same"]
    exported = str(shop / "order.schema.json")
    told(shop, "contract", "export", "order@1", "--to", "json-schema", "--out", exported)
    assert told(shop, "contract", "diff", "order@1", exported)["is_same"]
    verdict = told(shop, "contract", "check", "order@1", "order@2", exit_code=3)
    assert {r["code"] for c in verdict["comparisons"] for r in c["reasons"]} == {"compatibility.field_lacking"}
    assert told(shop, "contract", "check", "order@1", "order@2", "--mode", "none")["is_compatible"]
    assert "INCOMPATIBLE" in run(shop, "contract", "check", "order", "order@2", "--mode", "FULL_TRANSITIVE").output


def test_two_documents_of_a_language_are_judged_by_its_rules(shop: Path) -> None:
    """Avro promotes int to long; the reasons of a refusal have its own names."""
    fields = [{"name": "id", "type": "int"}]
    older = written(shop / "older.avsc", {**ORDER, "fields": fields})
    newer = written(shop / "newer.avsc", {**ORDER, "fields": [*fields, {"name": "x", "type": "string"}]})
    wider = written(shop / "wider.avsc", {**ORDER, "fields": [{"name": "id", "type": "long"}]})
    assert told(shop, "contract", "check", older, wider)["is_compatible"]
    refused = told(shop, "contract", "check", older, newer, exit_code=3)
    assert [r["code"] for r in refused["comparisons"][0]["reasons"]] == ["READER_FIELD_MISSING_DEFAULT_VALUE"]


def test_the_policy_follows_from_what_is_compared(shop: Path) -> None:
    """Strict between JSON Schemas, as in the registry; lenient between contracts, as in plans; else as asked."""
    one: dict[str, Any] = {"title": "t", "type": "object", "properties": {"a": {"type": "string"}}}
    two = {**one, "properties": {**one["properties"], "b": {"type": "string"}}}
    older, newer = written(shop / "older.json", one), written(shop / "newer.json", two)
    (refused,) = told(shop, "contract", "check", older, newer, exit_code=3)["comparisons"]
    assert refused["policy"] == "strict"
    (noted,) = told(shop, "contract", "check", older, newer, "--policy", "lenient")["comparisons"]
    assert noted["reasons"], "what the lenient policy lets pass is told, and decides nothing"
    assert not any(reason["is_blocking"] for reason in noted["reasons"])
    for version, file in (("1", older), ("2", newer)):
        told(shop, "contract", "add", file, "--name", "t", "--contract-version", version)
    (lenient,) = told(shop, "contract", "check", "t@1", "t@2")["comparisons"]
    assert (lenient["policy"], lenient["holds"]) == ("lenient", True)
    told(shop, "contract", "check", "t@1", "t@2", "--policy", "strict", exit_code=3)


def test_what_the_workspace_could_not_read_again_is_not_added(shop: Path) -> None:
    """A contract whose document would be too large is refused, and nothing is written."""
    fields = [{"name": f"{'f' * 60}{i}", "type": "long"} for i in range(9_000)]
    file = written(shop / "wide.avsc", {"type": "record", "name": "wide", "fields": fields})
    refused = run(shop, "contract", "add", file)
    assert isinstance(refused.exception, InterlockError)
    assert refused.exception.code == "contract.too_large"
    assert not (shop / "contracts" / "wide-1.odcs.yaml").exists()


SUFFIXES = {"odcs": "yaml", "avro": "avsc", "protobuf": "proto", "ddl": "sql", "arrow": "arrow"}
OTHERS = ("json-schema", "json-schema-7", "mlflow", "oip", "pandera")


@pytest.mark.parametrize("target", [*SUFFIXES, *OTHERS])
def test_export_and_import_of_every_format(shop: Path, target: str) -> None:
    """Each format is written to a file whose name or content tells what it is, and is read again."""
    out = str(shop / f"made.{SUFFIXES.get(target, 'json')}")
    json_form = ["--dialect", "json"] if target == "pandera" else []
    told(shop, "contract", "export", "order@2", "--to", target, *json_form, "--out", out)
    read = told(shop, "contract", "show", out)
    assert [f["name"] for f in read["objects"][0]["fields"]] == ["order_id", "country", "articles", "channel"]


def test_import_and_infer_print_a_contract(shop: Path) -> None:
    """What is printed is an ODCS document; what could not be held, or is guessed, goes beside it."""
    table = {"CREATE TABLE t (id BIGINT PRIMARY KEY, total DECIMAL(10, 2) CHECK (total >= 0), CHECK (id <> total))"}
    (shop / "t.sql").write_text(table.pop())
    done = run(shop, "contract", "import", str(shop / "t.sql"))
    assert yaml.safe_load(done.stdout)["kind"] == "DataContract"
    assert "import.constraint_not_held" in done.stderr
    (shop / "t.csv").write_text("id,c\n1,a\n2,b\n")
    guessed = run(shop, "contract", "infer", str(shop / "t.csv"))
    assert yaml.safe_load(guessed.stdout)["name"] == "t"
    assert "id type int: all 2 values are whole numbers" in guessed.stderr


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        ("bad.avsc", '{"type": "record",\n "name": }', "bad.avsc:2:10"),
        ("bad.json", '{"type": "object"', "bad.json:1:18"),
        ("bad.proto", 'syntax = "proto3";\nmessage {', "bad.proto:2:9"),
        ("bad.sql", "CREATE TABLE t (id INT,, b INT", "bad.sql:1"),
        ("bad.yaml", "kind: DataContract\n  name: x", "bad.yaml:2"),
        ("bad.parquet", "no parquet", "bad.parquet"),
    ],
)
def test_what_cannot_be_read_says_where(shop: Path, name: str, text: str, where: str) -> None:
    """Exit code 2, with file, line and column as far as there are lines."""
    (shop / name).write_text(text)
    fault = run(shop, "contract", "show", str(shop / name)).exception
    assert isinstance(fault, InterlockError)
    assert fault.exit_code == 2
    assert where in fault.where


def test_names_that_do_not_exist_are_missing(shop: Path) -> None:
    """Exit code 3 and the nearest name; a file of no known kind is a usage error."""
    fault = run(shop, "contract", "show", "ordr@1").exception
    assert isinstance(fault, InterlockError)
    assert (fault.exit_code, fault.remedy) == (3, "Did you mean 'order'?")
    (shop / "notes.txt").write_text("x")
    assert run(shop, "contract", "show", str(shop / "notes.txt")).exit_code == 2


def test_data_is_held_against_a_contract_and_kept_as_evidence(shop: Path) -> None:
    """The exit code is the verdict, and the evidence is what `check post` takes."""
    good, bad = shop / "good.parquet", shop / "bad.parquet"
    rows = "SELECT 'o' || i AS order_id, 'DE' AS country, i AS articles, {} AS channel FROM range(5) t(i)"
    duckdb.sql(f"COPY ({rows.format(repr('web'))}) TO '{good}'")
    duckdb.sql(f"COPY ({rows.format('NULL')}) TO '{bad}'")
    assert run(shop, "data", "validate", str(good), "--contract", "order@2").exit_code == 0
    evidence = shop / "evidence.json"
    arguments = ("data", "validate", str(bad), "--contract", "order@2", "--evidence", str(evidence))
    document = told(shop, *arguments, exit_code=3)
    assert document == json.loads(evidence.read_text())
    assert document["results"][0]["subject"] == "contract:order@2"
    assert run(shop, "data", "validate", str(good), "--contract", "order@2", "--object", "x").exit_code == 2


def test_validate_tells_ci_everything(shop: Path) -> None:
    """Exit code 0 with a lens between incompatible versions; without it 2, with JUnit and Markdown to show."""
    junit, markdown = shop / "out" / "junit.xml", shop / "out" / "summary.md"
    reports = ("--junit", str(junit), "--markdown", str(markdown))
    assert run(shop, "validate", *reports).exit_code == 0
    assert ElementTree.parse(junit).getroot().attrib == {"tests": "3", "failures": "0"}
    assert "all 3 checks pass" in markdown.read_text()
    next((shop / "lenses").iterdir()).unlink()
    assert run(shop, "validate", *reports).exit_code == 2
    failures = ElementTree.parse(junit).getroot().findall(".//failure")
    assert {f.attrib["type"] for f in failures} == {"change.untranslatable", "compatibility.field_lacking"}
    assert "**FAIL**" in markdown.read_text()
    (shop / "changes" / "first.yaml").unlink()
    assert run(shop, "validate").exit_code == 3
    assert run(shop, "validate", "--mode", "none").exit_code == 0
    assert run(shop, "validate", "--mode", "sideways").exit_code == 2


def test_the_hook_and_the_action_call_what_exists() -> None:
    """Options in the shipped pre-commit hook and GitHub Action are those of the command."""
    root = Path(__file__).parents[3]
    hook = yaml.safe_load((root / ".pre-commit-hooks.yaml").read_text())[0]
    assert hook["entry"] == "interlock validate"
    steps = yaml.safe_load((root / "action.yml").read_text())["runs"]["steps"]
    words = steps[-1]["run"].split()
    command = interlock.commands["validate"]
    known = {option for p in (*command.params, *interlock.params) for option in p.opts}
    assert words[0] == "interlock"
    assert {w for w in words if w.startswith("-")} <= known
