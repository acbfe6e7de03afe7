"""A real Envoy tells requests apart by segment, at the edge and at the hops behind it, alike in both arms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from interlock.adapters.envoy import listeners
from interlock.domain.checks.evidence import OTHER_SEGMENTS
from interlock.domain.releases.release import Release
from interlock.domain.releases.route_table import Shadow, Split, route_table
from support.echo import Echo, serving
from support.gateway import SEED, Gateway, another, cut, deployed, gateway, key_in, key_outside, taken

HALF = 5_000
MINE, THEIRS = key_in(HALF), key_outside(HALF)
PLAN = {"segment_header": "x-plan", "segments": ("gold", "s.i+l(ver")}
SHARE_BP = listeners.GROUPED_SHARE_BP
GOLD, SILVER, ODD = ({"x-plan": value} for value in ("gold", "s.i+l(ver", "sXi+l(ver"))


@pytest.fixture(scope="module")
def envoy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Every keyed request shows its group, so that tests need no luck; one below has the share of production."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listeners, "GROUPED_SHARE_BP", 10_000)
        with gateway(tmp_path_factory.mktemp("segments")) as made:
            yield made


@pytest.fixture
def pair() -> Iterator[tuple[Echo, Echo]]:
    with serving(Echo("first")) as first, serving(Echo("second")) as second:
        yield first, second


def halved(
    envoy: Gateway, pair: tuple[Echo, Echo], service: str, seed: int = SEED, **more: object
) -> tuple[Release, Release]:
    r1, r2 = cut(deployed(service, pair[0], **PLAN, **more)), cut(deployed(service, pair[1], "2", **PLAN, **more))
    envoy.plane.publish(route_table(r1, (r2,), {service: Split(r2.id, HALF, seed)}))
    return r1, r2


def segments(envoy: Gateway, service: str, release: Release) -> dict[str, tuple[int, int]]:
    """Requests and bad answers."""
    found = envoy.plane.counters().arms[service, release.id].segments
    return {name: (n, bad) for name, (n, bad, _) in found.items()}


def test_requests_and_bad_answers_are_counted_by_segment(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """In both arms; what nobody declared, however many values, is one segment; rescued answers are bad."""
    r1, r2 = halved(envoy, pair, "told")
    for headers in (GOLD, GOLD, SILVER, ODD, {}, {"x-plan": ""}, {"x-plan": "gold,gold"}, {"x-plan": "GOLD"}):
        envoy.ask("/told/x", key=THEIRS, headers=headers)
    pair[1].status = 500
    envoy.ask("/told/x", key=MINE, headers=GOLD)
    pair[1].status = 200
    envoy.ask("/told/x", key=MINE, headers=ODD)
    assert segments(envoy, "told", r1) == {"gold": (2, 0), "s.i+l(ver": (1, 0), OTHER_SEGMENTS: (5, 0)}
    assert segments(envoy, "told", r2) == {"gold": (1, 1), OTHER_SEGMENTS: (1, 0)}
    [bad] = taken(envoy.plane, lambda c: bool(c.bad)).bad
    assert (bad.release, bad.segment) == (r2.id, "gold")


def test_a_service_without_segments_has_none(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """Not even the others."""
    r1 = cut(deployed("untold", pair[0]))
    envoy.plane.publish(route_table(r1))
    envoy.ask("/untold/x", key="k", headers=GOLD)
    assert segments(envoy, "untold", r1) == {}


def test_what_either_version_declares_holds_for_both_arms(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """The change that introduces segments is itself told apart by them."""
    r1, r2 = cut(deployed("newly", pair[0])), cut(deployed("newly", pair[1], "2", **PLAN))
    envoy.plane.publish(route_table(r1, (r2,), {"newly": Split(r2.id, HALF, SEED)}))
    for key in (MINE, THEIRS):
        envoy.ask("/newly/x", key=key, headers=GOLD)
    assert segments(envoy, "newly", r1) == segments(envoy, "newly", r2) == {"gold": (1, 0)}


@pytest.mark.parametrize("headers", [{}, {"baggage": "a=1,interlock.segment=fake,interlock.key=7"}])
def test_the_segment_travels_with_the_pin(envoy: Gateway, pair: tuple[Echo, Echo], headers: dict[str, str]) -> None:
    """Hops behind count what the edge found, by what they declare, also after a replay; a claim of strangers is
    void, their own members stay.
    """
    with serving(Echo("B")) as behind:
        back = deployed("beyond", behind, edge=False, segment_header="x", segments=("gold", "fake"))
        r1 = cut(deployed("front", pair[0], **PLAN), back)
        r2 = cut(deployed("front", pair[1], "2", **PLAN), back)
        envoy.plane.publish(route_table(r1, (r2,), {"front": Split(r2.id, HALF, SEED)}))
        pair[0].calls = pair[1].calls = [(envoy.inner, "/beyond/y")]
        before = {r: _gold(envoy, "beyond", r) for r in (r1, r2)}
        for key in (MINE, THEIRS):
            envoy.ask("/front/x", key=key, headers={**GOLD, **headers})
            envoy.ask("/front/x", key=key, headers={**SILVER, **headers})
        pair[1].status = 503
        envoy.ask("/front/x", key=MINE, headers={**GOLD, **headers})
        sent = [s["baggage"][0] for s in (*pair[0].seen, *pair[1].seen, *behind.seen)]
        assert _gold(envoy, "beyond", r1) - before[r1] == 2
        assert _gold(envoy, "beyond", r2) - before[r2] == 2
        assert "fake" not in envoy.plane.counters().arms["beyond", r1.id].segments
    assert all(b.count("interlock.segment=") == b.count("interlock.key=") == 1 for b in sent)
    assert all(("a=1" in b) == bool(headers) for b in sent)


def _gold(envoy: Gateway, service: str, release: Release) -> int:
    found = envoy.plane.counters().arms.get((service, release.id))
    return found.segments.get("gold", (0, 0, 0))[0] if found else 0


def test_copies_are_counted_in_the_segment_of_their_request(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """At the copy itself and behind it; the pair names it."""
    with serving(Echo("B")) as behind:
        back = deployed("after", behind, edge=False, **PLAN)
        r1 = cut(deployed("shown", pair[0], **PLAN), back)
        r2 = cut(deployed("shown", pair[1], "2", **PLAN), back)
        envoy.plane.publish(route_table(r1, (r2,), shadows={"shown": Shadow(r2.id, 10_000)}))
        pair[1].calls = [(envoy.inner, "/after/y")]
        envoy.ask("/shown/x", key="k", headers={**GOLD, "baggage": "interlock.segment=fake"})
        assert [p.segment for p in taken(envoy.plane, lambda c: bool(c.pairs)).pairs] == ["gold"]
        shadows = envoy.plane.counters().shadows
    assert shadows["shown", r2.id].segments == shadows["after", r2.id].segments == {"gold": (1, 0, 0)}
    assert behind.seen[0]["baggage"] == [f"interlock.release={r2.id},interlock.segment=gold,interlock.shadow=1"]


# ---- keys


def keys(envoy: Gateway, service: str, release: Release, segment: str = "gold") -> int:
    found = envoy.plane.counters().arms.get((service, release.id))
    return found.segments.get(segment, (0, 0, 0))[2] if found else 0


def test_keys_are_never_more_than_there_are(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """Three heavy callers are at most three keys, however often they call and fan out; thirty are twenty or so."""
    with serving(Echo("B")) as behind:
        back = deployed("counted", behind, edge=False, **PLAN)
        r1 = cut(deployed("keyed", pair[0], **PLAN), back)
        r2 = cut(deployed("keyed", pair[1], "2", **PLAN), back)
        envoy.plane.publish(route_table(r1, (r2,), {"keyed": Split(r2.id, HALF, SEED)}))
        pair[0].calls = [(envoy.inner, "/counted/y")] * 3
        assert keys(envoy, "keyed", r1) == 0  # the first look at this split
        for n in range(3):
            for _ in range(10):
                envoy.ask("/keyed/x", key=key_outside(HALF, skip=n), headers=GOLD)
        assert 1 <= keys(envoy, "keyed", r1) == keys(envoy, "counted", r1) <= 3
        for n in range(30):
            envoy.ask("/keyed/x", key=key_outside(HALF, skip=n), headers=GOLD)
        assert 15 <= keys(envoy, "keyed", r1) == keys(envoy, "counted", r1) <= 30
        assert keys(envoy, "keyed", r1, OTHER_SEGMENTS) == keys(envoy, "keyed", r2) == 0


def test_a_share_of_the_requests_is_enough_to_see_keys(
    pair: tuple[Echo, Echo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An eighth of them show the group of their key; the rest are counted in their segment all the same."""
    monkeypatch.setattr(listeners, "GROUPED_SHARE_BP", SHARE_BP)
    with gateway(tmp_path) as envoy:
        r1, _ = halved(envoy, pair, "eighth")
        assert keys(envoy, "eighth", r1) == 0
        for n in range(120):
            envoy.ask("/eighth/x", key=key_outside(HALF, skip=n), headers=GOLD)
        assert 1 <= keys(envoy, "eighth", r1) <= 40  # 15 within six standard deviations
        assert segments(envoy, "eighth", r1) == {"gold": (120, 0)}


def test_a_rollout_counts_keys_anew_and_nobody_twice(
    pair: tuple[Echo, Echo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another split begins at zero; a new control plane and a restart of Envoy tell no key a second time."""
    monkeypatch.setattr(listeners, "GROUPED_SHARE_BP", 10_000)
    with gateway(tmp_path) as envoy:
        r1, _ = halved(envoy, pair, "anew")
        assert keys(envoy, "anew", r1) == 0
        ask_all(envoy, "anew")
        first = keys(envoy, "anew", r1)
        assert first >= 5
        r1, _ = halved(envoy, pair, "anew", seed=7)
        assert keys(envoy, "anew", r1) == first
        ask_all(envoy, "anew", seed=7)
        both = keys(envoy, "anew", r1)
        assert both >= first + 5
        successor = another(envoy.directory, envoy.edge, envoy.inner)
        ask_all(envoy, "anew", seed=7)
        assert keys(successor, "anew", r1) == both
        envoy.plane.stop()
        successor.plane.ensure()
        ask_all(envoy, "anew", seed=7)
        assert keys(successor, "anew", r1) == 0
        successor.plane.close()


def ask_all(envoy: Gateway, service: str, seed: int = SEED) -> None:
    for n in range(10):
        envoy.ask(f"/{service}/x", key=key_outside(HALF, seed, n), headers=GOLD)


def test_without_keys_each_request_that_chance_assigned_is_one(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """Where the service says so; nothing else tells them apart."""
    r1, r2 = halved(envoy, pair, "chance", unkeyed="split")
    for _ in range(40):
        envoy.ask("/chance/x", headers=GOLD)
    arms = envoy.plane.counters().arms
    assert [arms["chance", r.id].segments["gold"][0::2] for r in (r1, r2)] == [
        (arms["chance", r.id].requests,) * 2 for r in (r1, r2)
    ]
