"""The relay between a source and a target in memory: what it tells, and when it ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from interlock.domain.lenses.path import LensMissing
from interlock.domain.lenses.relaying import BODY_HEADER, CONTRACT_HEADER, REASON_HEADER, Course, Routing
from interlock.engine.relay import BusAway, Counts, DeadLetterRefused, Event, Relay, Translate
from support.memory_bus import MemorySource, MemoryTarget, Ticking, Unhurried, World, message

ROUTING = Routing("order", "1", "2")


def doubled(course: Course) -> Translate:
    return lambda body: body * 2


def run(world: World, told: list[Event] | None = None, translators: object = doubled) -> Counts:
    tell = (told if told is not None else []).append
    made: object = translators
    relay = Relay(
        MemorySource(world),
        MemoryTarget(world),
        lambda: ROUTING,
        made,  # type: ignore[arg-type]  # a function in each test
        Ticking(),
        tell,
        body_limit=100,
    )
    return relay.run(Unhurried(), is_once=True)


def test_a_message_that_the_target_turns_away_is_set_aside() -> None:
    """The target may know limits only when it is asked."""
    world = World([message(0, "k", b"ab"), message(1, "k", b"cd")])
    world.turns_away = lambda one: not one.is_dead and one.arrived.offset == 0
    assert (run(world).dead, len(world.target["live"])) == (1, 1)
    (letter,) = world.target["dead"]
    assert letter.body == b"ab"
    assert dict(letter.headers)[REASON_HEADER] == b"is not wanted"


def test_a_relay_that_can_set_nothing_aside_stops() -> None:
    """Rather than lose the message; the cursor stays before it."""
    world = World([message(0, "k"), message(1, "k")])
    world.turns_away = lambda one: True
    with pytest.raises(DeadLetterRefused, match="a/0"):
        run(world)
    assert world.cursors["a"][0] == 0


def test_what_does_not_fit_as_a_dead_letter_leaves_its_body() -> None:
    """The reason still arrives."""
    world = World([message(0, "k", b"x" * 60)], largest=50)
    assert run(world).dead == 1
    (letter,) = world.target["dead"]
    assert letter.body == b""
    assert dict(letter.headers)[BODY_HEADER]
    assert dict(letter.headers)[REASON_HEADER] == b"is too large"


def test_a_body_beyond_the_limit_is_not_read() -> None:
    """It is set aside before anything parses it; a tombstone has no body and passes."""
    world = World([message(0, "k", b"x" * 101), message(1, "k", None)], largest=1_000)
    counts = run(world)
    assert (counts.dead, counts.unchanged) == (1, 1)
    assert dict(world.target["dead"][0].headers)[REASON_HEADER] == b"is larger than 100 bytes"
    assert world.target["live"][0].body is None


def test_a_stranger_s_words_reach_no_terminal() -> None:
    """A version that no lens knows is the message's fault, and is told without what it orders a terminal to do."""

    def none(course: Course) -> Translate:
        if course.source != "1":
            raise LensMissing(f"no lens leads from order@{course.source}")
        return doubled(course)

    bad = replace(message(0, "k"), headers=((CONTRACT_HEADER, b"order@\x1b[31mred"),))
    told: list[Event] = []
    world = World([bad, message(1, "k")])
    assert run(world, told, none).dead == 1
    assert next(one for one in told if one.kind == "dead").says == "a/0: no lens leads from order@\\x1b[31mred"
    assert len(world.target["live"]) == 1


def test_a_target_that_was_made_anew_is_marked_anew() -> None:
    """What crashed batches put on it is found as before."""
    world = World([message(n, "k") for n in range(20)])
    run(world)
    world.target.clear()
    world.arrived += [message(n, "k") for n in range(20, 25)]
    failures = iter([False, False, True, *[False] * 99])

    def fail(what: str) -> None:
        if what == "before commit" and next(failures):
            raise BusAway("the broker is away")

    world.fail = fail
    world.arrived += [message(n, "k") for n in range(25, 40)]
    assert run(world).repeated > 0
    assert [one.arrived.offset for one in world.target["live"]] == list(range(20, 40))


def test_a_missing_lens_ends_it_before_anything_is_read() -> None:
    """What a message claims is its own fault; what the relay was told is the operator's."""

    def none(course: Course) -> Translate:
        raise LensMissing(f"no lens leads from order@{course.source}")

    world = World([message(0, "k")])
    with pytest.raises(LensMissing):
        run(world, translators=none)
    assert world.cursors == {}


def test_waiting_is_told_and_grows() -> None:
    """Since when, why and until when; then that it is back."""
    failures = iter([True, True, True, False, *[False] * 99])

    def fail(what: str) -> None:
        if what == "take" and next(failures):
            raise BusAway("the broker is away")

    told: list[Event] = []
    counts = run(World([message(0, "k")], fail), told)
    waits = [one.details["retry_s"] for one in told if one.kind == "waiting"]
    assert counts.waits == 3
    assert len(set(told[1].says.split(";"))) == 2
    assert waits == [0.5, 1, 2]
    assert [one.kind for one in told][:3] == ["opened", "waiting", "opened"]
    assert [one.kind for one in told].count("back") == 1
    assert not counts.is_away


def test_waiting_for_a_broker_that_does_not_open_grows() -> None:
    """Up to a quarter of a minute."""
    failures = iter([True] * 7 + [False] * 99)

    def fail(what: str) -> None:
        if what == "open" and next(failures):
            raise BusAway("the broker is away")

    told: list[Event] = []
    run(World([message(0, "k")], fail), told)
    assert [one.details["retry_s"] for one in told if one.kind == "waiting"] == [0.5, 1, 2, 4, 8, 15, 15]


def test_the_lag_is_that_of_what_was_taken_last() -> None:
    """While others wait; with nothing left it is none."""
    world = World([message(n, "k") for n in range(12)])
    clock = Ticking()
    seen: list[tuple[int | None, float]] = []
    relay: Relay

    class Watched(MemoryTarget):
        def put(self, messages):  # type: ignore[no-untyped-def]  # as it is there
            seen.append((relay.counts.behind, relay.counts.lag_s))
            return super().put(messages)

    relay = Relay(MemorySource(world), Watched(world), lambda: ROUTING, doubled, clock, lambda _: None)
    counts = relay.run(Unhurried(), is_once=True)
    assert [behind for behind, _ in seen] == [None, 7, 2]
    assert seen[1][1] == pytest.approx(timedelta(hours=1, seconds=-4).total_seconds(), abs=1)
    assert (counts.behind, counts.lag_s) == (0, 0.0)
