"""Keys by segment: a lower bound that no restart and no second look makes larger."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.adapters.envoy import keys
from interlock.adapters.envoy.keys import Keys, Memory, looked

GOLD = "s|r1|gold"
A, B, C = frozenset({1}), frozenset({2}), frozenset({3})
NONE: frozenset[int] = frozenset()


def told(memory: Memory) -> int:
    return memory.told.get(GOLD, 0)


def test_a_rollout_begins_at_its_first_look() -> None:
    """Groups that occurred before do not count until they occur again."""
    memory = looked(Memory(), "e", A, {GOLD: {1: 5, 2: 1}})
    assert told(memory) == 0
    memory = looked(memory, "e", A, {GOLD: {1: 6, 2: 1, 3: 1}})
    assert told(memory) == 2
    assert told(looked(memory, "e", A, {GOLD: {1: 99, 2: 1, 3: 99}})) == 2


def test_the_next_rollout_counts_anew() -> None:
    """Cumulatively, so that what is told never falls within an epoch; a pause between the two changes nothing."""
    memory = looked(looked(Memory(), "e", A, {}), "e", A, {GOLD: {1: 1}})
    memory = looked(looked(memory, "e", NONE, {GOLD: {1: 2}}), "e", B, {GOLD: {1: 3}})
    assert told(memory) == 1
    assert told(looked(memory, "e", B, {GOLD: {1: 4}})) == 2


def test_while_rollouts_overlap_nothing_is_forgotten() -> None:
    """A key may be told too late or never, but not twice."""
    memory = looked(looked(Memory(), "e", A, {}), "e", A, {GOLD: {1: 1}})
    for splits in (A | B, B, B | C, C):
        memory = looked(memory, "e", splits, {GOLD: {1: 2 + min(splits)}})
    assert told(memory) == 1


def test_an_epoch_tells_only_what_no_earlier_one_told() -> None:
    """The counters of a new Envoy begin at zero, and so does what is told; its keys are not new ones."""
    memory = looked(looked(Memory(), "e", A, {}), "e", A, {GOLD: {1: 1, 2: 1}})
    again = looked(memory, "f", A, {GOLD: {1: 1, 3: 1}})
    assert (told(memory), told(again)) == (2, 1)


LOOKS = st.lists(
    st.tuples(
        st.sampled_from("ef"),
        st.lists(st.integers(0, 9), max_size=5),
        st.booleans(),
        st.sampled_from([A, A | B, B]),
    ),
    max_size=12,
)


@given(LOOKS)
def test_no_key_is_told_twice_in_one_rollout(looks: list[tuple[str, list[int], bool, frozenset[int]]]) -> None:
    """However often Envoy and the control plane restart: the sum over epochs is at most the distinct groups."""
    memory, sofar, last, counts, occurred = Memory(), 0, 0, dict[int, int](), set[int]()
    splits_before: frozenset[int] = NONE
    for epoch, new, restarts, splits in [("e", [], False, A), *looks]:
        if epoch != memory.epoch or restarts:
            counts, last, epoch = {}, 0, epoch + memory.epoch[:20]
        if not splits & splits_before:
            sofar, occurred = 0, set()
        for group in new:
            counts[group] = counts.get(group, 0) + 1
            occurred.add(group)
        memory = looked(memory, epoch, splits, {GOLD: dict(counts)})
        assert told(memory) >= last
        sofar, last, splits_before = sofar + told(memory) - last, told(memory), splits
        assert sofar <= len(occurred)


def test_the_memory_is_on_disk_before_anything_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that cannot write tells nothing new; it or its successor tells what was not told."""
    file = tmp_path / "keys.json"
    first = Keys(file)
    assert first.told("e", A, {}) == {}
    with monkeypatch.context() as broken:
        broken.setattr(keys, "replace", _no_room)
        assert first.told("e", A, {GOLD: {1: 1}}) == first.told("f", A, {GOLD: {1: 1}}) == {}
    assert Keys(file).told("e", A, {GOLD: {1: 1}}) == {GOLD: 1}
    assert first.told("e", A, {GOLD: {1: 2}}) == Keys(file).told("e", A, {GOLD: {1: 2}}) == {GOLD: 1}


def _no_room(path: Path, content: bytes) -> None:
    raise OSError("no room")


def test_a_file_that_is_not_ours_is_a_new_beginning(tmp_path: Path) -> None:
    """Nothing is told of what was counted before."""
    file = tmp_path / "keys.json"
    file.write_text("{")
    assert Keys(file).told("e", A, {GOLD: {1: 1}}) == {}
