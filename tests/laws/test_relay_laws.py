"""The relay loses nothing, doubles nothing and keeps the order of each key, wherever it is cut off."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from interlock.domain.lenses.apply import Rejected
from interlock.domain.lenses.relaying import Course, Routing
from interlock.engine.relay import BusAway, Relay, Translate
from support.memory_bus import Crashed, MemorySource, MemoryTarget, Ticking, Unhurried, World, message


def translators(course: Course) -> Translate:
    def translate(body: bytes) -> bytes:
        if body == b"poison":
            raise Rejected("field", "is poison")
        return body + b"!"

    return translate


def relayed(world: World) -> None:
    """A relay until it has caught up; each crash is followed by a new one."""
    routing = Routing("order", "1", "2")
    for _ in range(400):
        relay = Relay(
            MemorySource(world), MemoryTarget(world), lambda: routing, translators, Ticking(), lambda _: None
        )
        try:
            relay.run(Unhurried(), is_once=True)
        except Crashed:
            continue
        return
    raise AssertionError("the relay never caught up")


@given(
    bodies=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.booleans()), max_size=30),
    random=st.randoms(use_true_random=False),
    often=st.sampled_from([0.0, 0.1, 0.3]),
)
def test_every_message_arrives_once_and_in_order(
    bodies: list[tuple[str, str, bool]], random: Random, often: float
) -> None:
    """Whatever crashes and brokers that go away, before, within and after each effect."""
    offsets = dict.fromkeys("abc", 0)
    arrived = []
    for lane, key, is_poison in bodies:
        arrived.append(message(offsets[lane], f"{lane}{key}", b"poison" if is_poison else b"{}", lane))
        offsets[lane] += 1

    left = [60]

    def fail(what: str) -> None:
        if left[0] and random.random() < often:
            left[0] -= 1
            raise random.choice([Crashed, BusAway])(what)

    def cut(size: int) -> int:
        return random.randint(0, size) if left[0] and random.random() < often else size

    world = World(arrived, fail, cut)
    relayed(world)
    kept = {place: [one.arrived for one in outgoing] for place, outgoing in world.target.items()}
    seen = [one.position for place in ("live", "dead") for one in kept.get(place, ())]
    assert sorted(seen) == sorted(one.position for one in arrived)
    assert all(one.body == b"poison" for one in kept.get("dead", ()))
    for place in kept.values():
        for order in {one.order for one in arrived}:
            offsets_of = [one.offset for one in place if one.order == order]
            assert offsets_of == sorted(offsets_of)
