"""Laws of receipts: they recompute to the same bytes, and what was changed in them shows."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.domain.checks.evidence import LOSS_BINS, ArmCounts, Block, ServiceCounts
from interlock.domain.gates.receipt import InvalidReceipt, receipt, replay, verify
from interlock.kernel.digest import canonical
from support.gate_traffic import ALL, SERVICE, blocks

SUBJECT = {"rollout": "r-1", "baseline": "a", "candidate": "b"}


def random_arm(chance: random.Random) -> ArmCounts:
    requests = chance.choice([0, 1, 30])
    return ArmCounts(
        requests,
        chance.randint(0, requests),
        {chance.randint(-2, 90): chance.randint(0, 40) for _ in range(3)},
        {"absolute_error": {chance.randint(0, LOSS_BINS): chance.randint(0, 9) for _ in range(3)}},
    )


def random_blocks(chance: random.Random) -> list[Block]:
    return [
        Block(number, chance.uniform(0.1, 30.0), {SERVICE: ServiceCounts(random_arm(chance), random_arm(chance))})
        for number in sorted(chance.sample(range(50), chance.randint(0, 6)))
    ]


def test_a_thousand_receipts_replay_to_the_same_bytes() -> None:
    """Whatever the counts, steps and gaps."""
    for seed in range(1_000):
        chance = random.Random(seed)
        written = receipt(ALL, random_blocks(chance), SUBJECT, chance.sample(range(50), 2))
        assert replay(written) == written


def test_a_receipt_as_issued_holds() -> None:
    """Nothing differs."""
    assert verify(WRITTEN) == ()


def test_a_receipt_judges_the_last_step_on_its_own_evidence() -> None:
    """The same counts pass as one step, and are not yet enough for a step that began with the last block."""
    seen = list(blocks(7, count=40, weight=0.3, bad=(0.0, 0.0)))
    kinds = [json.loads(receipt(ALL, seen, SUBJECT, s))["judgement"]["verdict"]["kind"] for s in ((), (39,))]
    assert kinds == ["pass", "undecided"]


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all numbers, texts and nulls in a JSON value."""
    match value:
        case dict():
            return [leaf for k, v in value.items() for leaf in leaves(v, (*path, k))]
        case list():
            return [leaf for i, v in enumerate(value) for leaf in leaves(v, (*path, i))]
        case _:
            return [path]


def changed(value: Any, path: tuple[Any, ...]) -> Any:
    """The value with the leaf at `path` made another one of its type."""
    if not path:
        return value + 1 if isinstance(value, int | float) else f"{value or ''}x"
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(value[path[0]], path[1:])
    return copy


WRITTEN = receipt(ALL, list(blocks(7, count=4)), SUBJECT, steps=[2])
READ = json.loads(WRITTEN)
DERIVED = [p for p in leaves(READ) if p[0] != "subject"]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(DERIVED))
def test_any_changed_number_or_text_is_caught(path: tuple[Any, ...]) -> None:
    """Counts, margins, thresholds, verdicts, sentences: a receipt with one of them changed does not hold."""
    forged = canonical(changed(READ, path))
    assert forged != WRITTEN
    try:
        found = verify(forged)
    except InvalidReceipt:
        return
    assert found


@given(st.sampled_from([p for p in leaves(READ) if p[0] == "subject"]))
def test_a_changed_subject_is_caught(path: tuple[Any, ...]) -> None:
    """Evidence cannot be passed off as another rollout's."""
    assert verify(canonical(changed(READ, path))) == ("/inputs",)


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=40),
        st.recursive(
            st.none() | st.integers() | st.text(max_size=4),
            lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=4), x, max_size=3),
        ).map(lambda x: json.dumps(x).encode()),
        st.tuples(
            st.sampled_from([*leaves(READ), *((k,) for k in READ)]), st.sampled_from([None, [], {}, -1, True, "x"])
        ).map(lambda x: canonical(replaced(READ, *x))),
    )
)
def test_malformed_receipts_are_invalid_or_differ(forged: bytes) -> None:
    """Any bytes either cannot be read, which is said as InvalidReceipt, or do not hold."""
    try:
        found = verify(forged)
    except InvalidReceipt:
        return
    assert found or forged == WRITTEN


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], by)
    return copy


def test_another_layout_of_the_same_receipt_is_told_apart() -> None:
    """The same content in other bytes is not the receipt."""
    assert verify(json.dumps(READ, indent=2).encode()) == ("not in canonical form",)


def test_an_unknown_algorithm_is_not_replayed() -> None:
    """Another version's receipt is refused rather than judged by other rules."""
    with pytest.raises(InvalidReceipt, match="interlock-gates/0"):
        replay(canonical({**READ, "algorithm": "interlock-gates/0"}))
