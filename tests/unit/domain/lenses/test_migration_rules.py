"""Migration rules as lenses: what is read of JSONata, how two rules become ops, and what is refused where."""

from __future__ import annotations

from typing import Any

import pytest

from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.migration_rules import rules_in, rules_of
from interlock.domain.lenses.migration_rules_import import lens_of
from interlock.domain.lenses.migration_rules_read import RuleUnreadable
from interlock.domain.lenses.ops import Add, Wrap
from interlock.domain.schemas.contract import record
from interlock.domain.schemas.field import NUMBER, STRING, Field, List

OLDER = (*(Field(name, STRING) for name in ("ssn", "name", "kept", "old")), Field("size", NUMBER))
FLAT = "may be lists, which JSONata flattens"
SIFT = "$sift($, function($v, $k) {$k != 'ssn'})"


def rule(expr: str, mode: str = "UPGRADE", **more: Any) -> dict[str, Any]:
    return {"name": "r", "kind": "TRANSFORM", "mode": mode, "type": "JSONATA", "expr": expr, **more}


def ops(*rules: dict[str, Any]) -> list[dict[str, Any]]:
    return [one.document for one in lens_of(rules, OLDER, ())]


def test_a_field_that_is_left_out_and_made_again_is_renamed() -> None:
    """As Confluent's documentation writes it: $merge of $sift and an object."""
    up = rule(f"$merge([{SIFT}, {{'socialSecurityNumber': $.'ssn'}}])")
    down = rule(
        "$merge([$sift($, function($v, $k) {$k != 'socialSecurityNumber'}), {'ssn': $.socialSecurityNumber}])"
    )
    assert ops(up, {**down, "mode": "DOWNGRADE"}) == [{"rename": {"from": "ssn", "to": "socialSecurityNumber"}}]


def test_an_object_alone_drops_what_it_does_not_name() -> None:
    """Fields of the older version that nothing keeps are gone."""
    found = ops(rule("{'id': ssn, 'kept': $.kept, 'tier': \"gold\", 'n': -2.5, 'z': null}"))
    assert found == [
        {"add": {"field": "tier", "default": "gold"}},
        {"add": {"field": "n", "default": -2.5}},
        {"add": {"field": "z", "default": None}},
        {"rename": {"from": "ssn", "to": "id"}},
        {"drop": {"field": "name"}},
        {"drop": {"field": "old"}},
        {"drop": {"field": "size"}},
    ]


def test_what_is_computed_is_written_in_the_language_of_lenses() -> None:
    """Under its own name with both directions; another name, with what the way back makes of it."""
    up = rule(
        "$merge([$sift($, function($v, $k) {$not($k in ['name'])}), "
        "{'first': $split(name, ' ')[0], 'size': size * 2}])"
    )
    down = rule("$merge([$, {'name': $.first & '!', 'size': $.size / 2}])", "DOWNGRADE")
    assert ops(up, down) == [
        {"add": {"field": "first", "value": "split_part(name, ' ', 1)"}},
        {"split": {"field": "size", "into": {"size": "(size * 2)"}, "merge": "(size / 2)"}},
        {"drop": {"field": "name", "value": "(first || '!')"}},
    ]


@pytest.mark.parametrize(
    ("expr", "text"),
    [
        (
            "size > 1 and $not(kept = 'x') ? 'a' : null",
            "CASE WHEN ((size > 1) AND (NOT (kept = 'x'))) THEN 'a' ELSE NULL END",
        ),
        ("$exists(old) or old != null", "((old IS NOT NULL) OR (old IS NOT NULL))"),
        ("$substring($uppercase(`kept`), 2, 3)", "substring(upper(kept), 3, 3)"),
        ("$round(size) + $length(name) % 2", "(round_half_even(size) + (length(name) % 2))"),
        ("$string(1) & $replace(name, '\"', \"it's\")", "(CAST(1 AS TEXT) || replace(name, '\"', 'it''s'))"),
    ],
)
def test_expressions(expr: str, text: str) -> None:
    """Operators bind as in JSONata, and brackets say so."""
    assert ops(rule(f"$merge([$, {{'x': {expr}}}])")) == [{"add": {"field": "x", "value": text}}]


@pytest.mark.parametrize(
    ("expr", "says"),
    [
        ("$merge([$, {'x': $.a.b}])", "column 21: only `$.name` is read of paths"),
        ("$map($, function($v) {$v})", "column 1: $map does not make a record"),
        (
            "$merge([$, {'x': $formatNumber(size, '#')}])",
            "column 18: $formatNumber of 2 arguments has no counterpart",
        ),
        ("$sift($, function($v, $k) {$v > 1})", "column 31: $sift is read with comparisons of the key"),
        ("($x := 1; $)", "column 5: blocks with variables are not read"),
        ("$merge([$, {kept: 1}])", "column 13: keys of objects are read as literal text only"),
        ("$merge([$, {'x': 1}", "column 20: ',' is expected, not 'the end'"),
        ("$merge([{'x': 1}, $])", "column 19: the record stands behind other parts"),
        (
            "$merge([$, {'size': 1 + size}])",
            "column 23: `size` is computed anew, and no rule says how it comes back",
        ),
        ("$ ~> |$|{}|", "column 3: '~>' is not expected here"),
        (
            "$merge([$, {'x': $split(name, ' ')[1.5]}])",
            "column 36: 1.5 counts neither parts of a text nor characters",
        ),
        ("$merge([$, {'x': $substring(name, 1.5, 2)}])", "column 35: 1.5 counts neither"),
        ("$merge([$, {'x': $substring(name, 1, 1e9)}])", "column 38: 1e9 counts neither"),
        ("$merge([$, {'x': 1e400}])", "column 18: the number is beyond the range of doubles"),
        ("$merge([$, {'x': " + "9" * 5_000 + "}])", "column 18: the number is beyond the range of doubles"),
        ("$merge([$, {'x': " + "name & " * 9_000 + "name}])", "it nests deeper than 200"),
    ],
)
def test_what_is_refused_names_its_place(expr: str, says: str) -> None:
    """The construct and the column."""
    with pytest.raises(RuleUnreadable) as refused:
        ops(rule(expr))
    assert says in refused.value.message
    assert refused.value.remedy


def test_rules_of_other_kinds_are_refused() -> None:
    """Another executor, two rules of one mode, none that upgrades; disabled rules do not count."""
    for rules, says in (
        ([rule("$", type="CEL")], "is a TRANSFORM of type CEL"),
        ([rule("$"), rule("$")], "the second one of mode UPGRADE"),
        ([rule("$", "DOWNGRADE")], "no rule upgrades"),
        ([rule("$", disabled=True)], "no rule upgrades"),
    ):
        with pytest.raises(RuleUnreadable, match=says):
            ops(*rules)
    assert ops(rule("$", "UPDOWN")) == []


def test_rules_are_found_where_registries_have_them() -> None:
    """A list, a ruleSet, a schema with one; nothing in what has none."""
    one = rule("$")
    for document in ([one], {"migrationRules": [one]}, {"subject": "s", "ruleSet": {"migrationRules": [one]}}):
        assert rules_in(document) == (one,)
    for document in ([], {"ruleSet": {"domainRules": []}}, {"schema": "{}"}, 1):
        assert rules_in(document) is None


def test_ops_that_jsonata_cannot_do_are_told() -> None:
    """By op and reason, for each direction; nothing is exported then."""
    nested = Field("l", List(Field("element", STRING)))
    older, newer = record("c", "1", (nested,)), record("c", "2", (Field("l", List(nested)),))
    document, findings = rules_of(Lens("c", "1", "2", (Wrap("l"),)), older, newer)
    assert document == {}
    told = [f.says.removeprefix("the ") for f in findings]
    assert told == [
        "UPGRADE rule cannot be written in JSONata: op 1 (wrap) wraps what may be lists, which JSONata flattens",
        f"DOWNGRADE rule cannot be written in JSONata: op 1 (head) takes the first of what {FLAT}",
    ]


def test_rules_carry_what_registries_ask_for() -> None:
    """A name, kind, mode and type each, UPGRADE first."""
    older, newer = record("c", "1.0", ()), record("c", "2", (Field("a", STRING),))
    document, _ = rules_of(Lens("c", "1.0", "2", (Add("a", "x"),)), older, newer)
    up, down = document["migrationRules"]
    assert {k: up[k] for k in ("name", "kind", "mode", "type")} == {
        "name": "c-upgrade-1-0-2",
        "kind": "TRANSFORM",
        "mode": "UPGRADE",
        "type": "JSONATA",
    }
    assert down["mode"] == "DOWNGRADE"
