"""Laws of ODCS: a contract comes back from its document, a document keeps what it had, and both are valid."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft201909Validator

from interlock.domain.schemas.contract import Contract
from interlock.domain.schemas.odcs import from_odcs, to_odcs
from support.contracts import contract, edited_contract

SCHEMA = json.loads((files("open_data_contract_standard") / "schema.json").read_text())
OFFICIAL = Draft201909Validator(SCHEMA)

seeds = st.integers(0, 2**32)
VERSIONS = ("v3.0.2", "v3.1.0", "v3.2.0")


def nowhere(path: tuple[str | int, ...]) -> str:
    return ""


def in_order(one: Contract) -> Contract:
    """With rules and references in one order: documents tell those of the object first, then those of its
    fields.
    """
    return replace(
        one,
        objects=tuple(
            replace(o, rules=tuple(sorted(o.rules, key=repr)), references=tuple(sorted(o.references, key=repr)))
            for o in one.objects
        ),
    )


def decorated(chance: random.Random, block: Any) -> Any:
    """The document with what other people and tools write into one, at every level."""
    if isinstance(block, list):
        return [decorated(chance, one) for one in block]
    if not isinstance(block, dict):
        return block
    more = {key: decorated(chance, value) for key, value in block.items()}
    if "logicalType" in block and chance.random() < 0.5:
        more["businessName"] = "as the business calls it"
        theirs = {"property": "theirs", "value": chance.randint(1, 9)}
        more["customProperties"] = [*more.get("customProperties", []), theirs]
    return more


def foreign(block: Any) -> list[str]:
    """Every foreign thing in a document, with the name of what it is at."""
    match block:
        case dict():
            own = [f"{block.get('name')} {key}" for key in ("businessName",) if key in block]
            own += [f"{block['property']}={block['value']}"] if block.get("property") == "theirs" else []
            return own + [found for value in block.values() for found in foreign(value)]
        case list():
            return [found for one in block for found in foreign(one)]
        case _:
            return []


@pytest.mark.parametrize("version", VERSIONS)
@given(seed=seeds)
@settings(max_examples=30, deadline=None)
def test_a_contract_comes_back_from_its_document(version: str, seed: int) -> None:
    """Every type, constraint, key, reference, rule and tag survives, in each version of the standard."""
    written = contract(random.Random(seed))
    again, findings = from_odcs(json.loads(json.dumps(to_odcs(written, version), default=float)), nowhere)
    assert [f for f in findings if f.is_blocking] == []
    assert in_order(again) == in_order(written)


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_documents_are_valid_by_the_official_schema(seed: int) -> None:
    """What is written passes the JSON Schema of the standard."""
    document = json.loads(json.dumps(to_odcs(contract(random.Random(seed))), default=float))
    assert [error.message for error in OFFICIAL.iter_errors(document)] == []


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_a_document_written_again_is_the_same(seed: int) -> None:
    """Reading and writing changes nothing, whatever else the document says."""
    chance = random.Random(seed)
    document = decorated(chance, to_odcs(contract(chance), chance.choice(VERSIONS)))
    read, _ = from_odcs(document, nowhere)
    assert to_odcs(read) == document


@given(seeds)
@settings(max_examples=50, deadline=None)
def test_an_edited_contract_keeps_what_its_document_says_beside(seed: int) -> None:
    """The edit arrives, and of fields that are still there nothing foreign is lost."""
    chance = random.Random(seed)
    document = decorated(chance, to_odcs(contract(chance)))
    read, _ = from_odcs(document, nowhere)
    edited = edited_contract(chance, read)
    merged = to_odcs(edited)
    again, findings = from_odcs(merged, nowhere)
    assert in_order(again) == in_order(edited), [f.says for f in findings]
    if [one.name for one in edited.fields] == [one.name for one in read.fields] and read.objects == edited.objects:
        assert foreign(merged) == foreign(document)


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_a_new_version_changes_only_the_version(seed: int) -> None:
    """A contract under another version number is the same document with that number."""
    chance = random.Random(seed)
    document = decorated(chance, to_odcs(contract(chance)))
    read, _ = from_odcs(document, nowhere)
    assert to_odcs(replace(read, version="7")) == {**document, "version": "7"}
