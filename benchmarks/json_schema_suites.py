"""How our JSON Schema decider answers four public suites, and random questions that a validator can refute.

`python -m benchmarks.json_schema_suites DIRECTORY` searches DIRECTORY for the suites by file name; none is part
of this project:

- Confluent Schema Registry, `diff-*schema-examples*.json` of json-schema-provider: `update` reads `original`;
  STRICT, and LENIENT where a case names an answer for it;
- Apicurio Registry, `compatibility-test-data.json` of schema-util/json: each pair is asked both ways, under
  STRICT;
- Karapace, `test_jsonschema_compatibility.py` and `json_schemas.py`: reader and writer named, under STRICT; its
  rule that the schema `true` reads objects only makes most of the difference;
- Redpanda, `test_json_schema.cc`: reader and writer named, under STRICT.

Columns: agree; too strict (the suite says yes, we say no) and how many of those a valid value refutes, so that
no is right; looser (the suite says no, we have proven yes) and how many of those a valid value refutes, which
would be UNSAFE. Without DIRECTORY only the random part runs, which takes most of the time.
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.__main__ import PAGE, replaced
from benchmarks.json_schema_instances import Schemas, refutation, validator

from interlock.domain.schemas.json_schema import Policy, SchemaInvalid, reads

SEED = 2013
TRIES = 400


@dataclass(frozen=True, slots=True)
class Question:
    """One case: does `reader` read `writer` under `policy`? `expected` is what the suite answers."""

    suite: str
    name: str
    reader: Any
    writer: Any
    expected: bool
    policy: Policy = Policy.STRICT


def questions(directory: Path) -> Iterator[Question]:
    """Every question of every suite that is found."""
    for path in sorted(directory.rglob("diff-*schema-examples*.json")):
        yield from confluent(path)
    for path in sorted(directory.rglob("compatibility-test-data.json")):
        yield from apicurio(path)
    for path in sorted(directory.rglob("test_jsonschema_compatibility.py")):
        yield from karapace(path, next(directory.rglob("json_schemas.py")))
    for path in sorted(directory.rglob("test_json_schema.cc")):
        yield from redpanda(path)


def confluent(path: Path) -> Iterator[Question]:
    """Its files hold commas before closing brackets, which its own reader forgives."""
    for number, case in enumerate(json.loads(_without_last_commas(path.read_text()))):
        name = f"{path.stem} {number}: {case['description']}"
        reader, writer = case["update_schema"], case["original_schema"]
        yield Question("Confluent STRICT", name, reader, writer, case["compatible"])
        if "compatible_lenient" in case:
            yield Question("Confluent LENIENT", name, reader, writer, case["compatible_lenient"], Policy.LENIENT)


def _without_last_commas(text: str) -> str:
    return re.sub(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])', lambda m: m[1] or "", text)


def apicurio(path: Path) -> Iterator[Question]:
    """Each pair is asked both ways."""
    for number, case in enumerate(json.loads(path.read_text())["tests"]):
        answer = case["compatibility"]
        old, new = case["original"], case["updated"]
        name = f"{number}: {case['id']}"
        yield Question("Apicurio", f"{name}, backward", new, old, answer in ("backward", "both"))
        yield Question("Apicurio", f"{name}, forward", old, new, answer == "both")


def karapace(tests: Path, definitions: Path) -> Iterator[Question]:
    """The calls of its two assertions, read from the syntax tree; loops over lists of schemas are unrolled."""
    known: dict[str, Any] = {}
    for node in ast.parse(definitions.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name, value = node.targets[0].id, node.value
            if isinstance(value, ast.Call) and value.args and isinstance(value.args[0], ast.Constant):
                known[name] = json.loads(value.args[0].value)
            elif isinstance(value, ast.Tuple | ast.List):
                known[name] = [known[one.id] for one in value.elts if isinstance(one, ast.Name)]
    yield from _calls(ast.parse(tests.read_text()), known)


def _calls(tree: ast.AST, known: dict[str, Any]) -> Iterator[Question]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.For) and isinstance(node.iter, ast.Name) and isinstance(node.target, ast.Name):
            for value in known.get(node.iter.id, []):
                yield from _calls(ast.Module(node.body, []), {**known, node.target.id: value})
            continue
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            named = {one.arg: one.value for one in node.keywords}
            reader, writer = named.get("reader"), named.get("writer")
            is_assertion = node.func.id.endswith("schemas_are_compatible")
            if not (is_assertion and isinstance(reader, ast.Name) and isinstance(writer, ast.Name)):
                continue
            if {reader.id, writer.id} <= known.keys():
                name = f"line {node.lineno}: {reader.id} reads {writer.id}"
                expected = not node.func.id.startswith("not_")
                yield Question("Karapace", name, known[reader.id], known[writer.id], expected)
        yield from _calls(node, known)


_SCHEMA = r'\s*=\s*(?:R"\((.*?)\)"|"([^"]*)")\s*,?\s*(?=\.|\})'
_READER = re.compile(r"\.reader_schema" + _SCHEMA, re.DOTALL)
_WRITER = re.compile(r"\.writer_schema" + _SCHEMA, re.DOTALL)
_NO = re.compile(r"\.compat_result\s*=\s*\{\s*(?://[^\n]*\s*)*\{")


def redpanda(path: Path) -> Iterator[Question]:
    """Its table of cases; an empty list of incompatibilities is a yes, and cases that must raise are left out."""
    text = path.read_text()
    starts = [match.start() for match in re.finditer(r"\.reader_schema\b", text)]
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        case = text[start:end].split("\n});")[0]
        reader, writer = _READER.search(case), _WRITER.search(case)
        if reader is None or writer is None or ".expected_exception = true" in case:
            continue
        line = text.count("\n", 0, start) + 1
        read, written = (json.loads(match[1] or match[2]) for match in (reader, writer))
        yield Question("Redpanda", f"line {line}", read, written, _NO.search(case) is None)


def ours(question: Question) -> bool | str:
    """Our answer, or the reason why a schema is none."""
    try:
        found = reads(question.reader, question.writer, question.policy)
    except SchemaInvalid as problem:
        return f"{problem.where}: {problem.message}"
    return not any(one.is_blocking for one in found)


def refuted(question: Question) -> bool:
    """Whether a value that is valid under the writer is found not to be under the reader."""
    try:
        return bool(refutation(random.Random(SEED), question.reader, question.writer, TRIES)[1])
    except Exception:  # the validator cannot read the schema; then nothing is refuted
        return False


def suites(directory: Path) -> Iterator[str]:
    """The table, and below it every disagreement, as lines."""
    counts: dict[str, Counter[str]] = {}
    notes: Counter[str] = Counter()
    for question in questions(directory):
        count = counts.setdefault(question.suite, Counter())
        answer = ours(question)
        count["asked"] += 1
        if isinstance(answer, str):
            count["invalid"] += 1
            notes[f"invalid     {question.suite} {question.name}: {answer}"] += 1
        elif answer == question.expected:
            count["agree"] += 1
        else:
            kind = "looser" if answer else "too strict"
            is_refuted = refuted(question)
            count[kind] += 1
            count[f"{kind}, refuted"] += is_refuted
            how = ("yes" if question.expected else "no") + " is refuted by a value" if is_refuted else "not refuted"
            notes[f"{kind:11} {question.suite} {question.name} ({how})"] += 1
    columns = ("asked", "agree", "too strict", "too strict, refuted", "looser", "looser, refuted", "invalid")
    heads = ("asked", "agree", "too strict", "of these right", "looser", "of these UNSAFE", "invalid")
    yield f"{'':18}" + "".join(f"{head:>16}" for head in heads)
    for suite, count in counts.items():
        yield f"{suite:18}" + "".join(f"{count[column]:16}" for column in columns)
    yield ""
    for note, times in notes.items():
        yield note if times == 1 else f"{note}, {times} times"


def pairs(seed: int, count: int) -> Iterator[tuple[random.Random, Any, Any]]:
    """Random reader and writer: two thirds small ones about the same keywords, the others larger."""
    for number in range(count):
        chance = random.Random(seed + number)
        schemas = Schemas(chance, is_new=chance.random() < 0.5)
        if number % 3:
            reader, writer = schemas.focused()
        else:
            writer = schemas.document()
            reader = schemas.edited(writer) if chance.random() < 0.85 else schemas.document()
        yield (chance, reader, writer) if chance.random() < 0.5 else (chance, writer, reader)


def random_part(seed: int, count: int, tries: int) -> Counter[str]:
    """Random pairs: every yes is put to the validator `tries` times, and so is every tenth no."""
    found: Counter[str] = Counter()
    for chance, reader, writer in pairs(seed, count):
        try:
            validator(reader).check_schema(reader)
            validator(writer).check_schema(writer)
            reasons = reads(reader, writer)
        except Exception as problem:
            found["left out"] += 1
            if not isinstance(problem, SchemaInvalid) and "Schema" not in type(problem).__name__:
                raise
            continue
        answer = "no" if reasons else "yes"
        found[answer] += 1
        if reasons and found["no"] % 10:
            continue
        try:
            checked, against = refutation(chance, reader, writer, tries)
        except RecursionError:
            continue
        found[f"values for {answer}"] += checked
        found[f"asked {answer}"] += 1
        found[f"refuted {answer}"] += len(against)
        if against and not reasons:
            print("UNSAFE", json.dumps({"reader": reader, "writer": writer, "value": against[0]}))
    return found


def wide(fields: int) -> dict[str, Any]:
    """An object of many fields."""
    properties = {f"field_{i}": {"type": "string", "maxLength": i + 1} for i in range(fields)}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def nested(depth: int, innermost: str) -> dict[str, Any]:
    """Objects in objects."""
    schema: dict[str, Any] = {"type": innermost}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


def union(branches: int, bound: int) -> dict[str, Any]:
    """A discriminated union of many branches."""
    return {
        "oneOf": [
            {
                "type": "object",
                "required": ["tag"],
                "properties": {"tag": {"const": f"t{i}"}, "value": {"type": "integer", "maximum": bound}},
            }
            for i in range(branches)
        ]
    }


def timed(work: Callable[[], Any]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def speed() -> Iterator[str]:
    """CPU seconds for large schemas, beside what checking both against the meta-schema takes."""
    old, new = wide(10_000), wide(10_000)
    new["properties"]["field_7"]["maxLength"] = 9
    small, large = union(60, 5), union(60, 6)
    rows = (
        ("10,000 fields, one changed", lambda: reads(new, old)),
        ("  the meta-schema over both (floor)", lambda: [validator(s).check_schema(s) for s in (new, old)]),
        ("nested 1,000 deep, one changed", lambda: reads(nested(1000, "number"), nested(1000, "integer"))),
        ("oneOf of 60, every branch widened", lambda: reads(large, small)),
        ("oneOf of 1,000, given up", lambda: reads(union(1000, 6), union(1000, 5))),
    )
    for name, work in rows:
        yield f"  {name:40}{timed(work):8.2f} CPU s"


def report(directory: Path | None, count: int, seed: int) -> Iterator[str]:
    """The suites, if given; random pairs; speed."""
    if directory is not None:
        yield from suites(directory)
        yield ""
    found = random_part(seed, count, tries=60)
    yield f"random pairs: {count}, seed {seed}"
    yield f"  yes {found['yes']}, put to {found['values for yes']} valid values: {found['refuted yes']} UNSAFE"
    yield f"  no {found['no']}; {found['refuted no']} of {found['asked no']} looked at are shown right by a value"
    yield ""
    yield "speed"
    yield from speed()


def main() -> None:
    """Prints the report, and keeps it in docs/benchmarks.md when asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", nargs="?", type=Path, help="where the public suites lie")
    parser.add_argument("--pairs", type=int, default=9000, help="random pairs (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=SEED, help="of the random part (default: %(default)s)")
    parser.add_argument("--keep", action="store_true", help="put the report into docs/benchmarks.md")
    given = parser.parse_args()
    printed = "\n".join(report(given.directory, given.pairs, given.seed))
    print(printed)
    if given.keep:
        PAGE.write_text(replaced(PAGE.read_text(), "json_schema_suites", printed))


if __name__ == "__main__":
    main()
