"""No proven reading is refuted by a validator; the relation is reflexive and transitive."""

from __future__ import annotations

import json
import random

from benchmarks.json_schema_instances import Schemas, refutation
from benchmarks.json_schema_suites import random_part
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator

from interlock.domain.schemas.json_schema import SchemaInvalid, reads
from interlock.domain.schemas.json_schema.regular import disjoint, includes, matches

SEEDS = st.integers(min_value=0, max_value=2**32)


def test_no_yes_is_refuted() -> None:
    """Thousands of valid values of writers, each put to the reader that was proven to read them."""
    found = random_part(seed=41, count=450, tries=30)
    assert found["refuted yes"] == 0
    assert found["values for yes"] > 3000
    assert found["refuted no"] > 0


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SEEDS)
def test_every_schema_reads_itself(seed: int) -> None:
    """Also when a title sets the two texts apart, so that nothing is settled by equality alone."""
    chance = random.Random(seed)
    schema = Schemas(chance, is_new=chance.random() < 0.5).document()
    kind = Draft202012Validator if "2020" in schema["$schema"] else Draft7Validator
    try:
        kind.check_schema(schema)
        assert not [one for one in reads({**schema, "title": "same"}, schema) if one.code != "NOT_DECIDED"]
    except SchemaInvalid:
        pass


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SEEDS)
def test_reading_chains(seed: int) -> None:
    """If a reads b and b reads c, then no value of c is refused by a."""
    chance = random.Random(seed)
    schemas = Schemas(chance, is_new=True)
    c = schemas.document()
    b = schemas.edited(c)
    a = schemas.edited(b)
    try:
        if reads(a, b) or reads(b, c):
            return
    except SchemaInvalid:
        return
    assert refutation(chance, a, c, 30)[1] == []


PIECES = st.sampled_from(
    ["a", "b", "[ab]", "[^a]", ".", "\\d", "0", "(?:a|b0)", "a*", "b+", "(?:ab)?", "[a-c]{1,2}"]
)
PATTERNS = st.builds(
    lambda start, pieces, end: start + "".join(pieces) + end,
    st.sampled_from(["", "^"]),
    st.lists(PIECES, max_size=4),
    st.sampled_from(["", "$"]),
)


@settings(max_examples=300, deadline=None)
@given(PATTERNS, PATTERNS, st.lists(st.text("ab0c\n\u0661é", max_size=5), max_size=8))
def test_patterns_agree_with_a_validator(one: str, other: str, texts: list[str]) -> None:
    """What is said about matches, inclusion and exclusion holds for the validator's own matcher."""
    for text in texts:
        first, second = (Draft7Validator({"pattern": p}).is_valid(text) for p in (one, other))
        assert matches(one, text) in (first, None)
        assert not (includes(one, other) and second and not first)
        assert not (disjoint(one, other) and first and second)


def test_answers_do_not_depend_on_the_order_of_keywords() -> None:
    """A document read back with its keys reversed gives the same verdict."""

    def reversed_(value: object) -> object:
        if isinstance(value, dict):
            return {key: reversed_(value[key]) for key in reversed(value)}
        return [reversed_(one) for one in value] if isinstance(value, list) else value

    for seed in range(60):
        chance = random.Random(seed)
        schemas = Schemas(chance, is_new=chance.random() < 0.5)
        writer = schemas.document()
        reader = json.loads(json.dumps(schemas.edited(writer)))
        try:
            straight = reads(reader, writer)
        except SchemaInvalid:
            continue
        turned = reads(reversed_(reader), reversed_(writer))  # type: ignore[arg-type] # still the same kind of document
        assert bool(straight) == bool(turned)
