"""A real Envoy copies requests to the candidate and captures both answers, unseen by callers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from interlock.adapters.envoy import listeners
from interlock.domain.lenses.ops import Rename
from interlock.domain.releases.release import Release
from interlock.domain.releases.route_table import Shadow, route_table
from interlock.engine.ports import ShadowPair
from support.echo import Echo, serving
from support.gateway import Gateway, another, cut, deployed, eventually, gateway


@pytest.fixture(scope="module")
def envoy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("shadow")) as made:
        yield made


@pytest.fixture
def pair() -> Iterator[tuple[Echo, Echo]]:
    with serving(Echo("first")) as first, serving(Echo("second")) as second:
        yield first, second


def shadowed(
    envoy: Gateway, pair: tuple[Echo, Echo], share_bp: int = 10_000, **candidate: object
) -> tuple[Release, Release]:
    r1, r2 = cut(deployed("copied", pair[0])), cut(deployed("copied", pair[1], "2", **candidate))
    envoy.plane.publish(route_table(r1, (r2,), shadows={"copied": Shadow(r2.id, share_bp)}))
    return r1, r2


def pairs_of(envoy: Gateway, number: int) -> list[ShadowPair]:
    taken: list[ShadowPair] = []

    def take() -> list[ShadowPair]:
        taken.extend(envoy.plane.take_captured().pairs)
        return taken

    found: list[ShadowPair] = eventually(take, lambda pairs: len(pairs) >= number)
    assert len(found) == number
    return found


def test_both_answers_of_a_request_make_a_pair(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """Each sampled request gives one pair with both bodies as they were; callers see the baseline alone."""
    _, r2 = shadowed(envoy, pair)
    pair[0].answer, pair[1].answer, pair[1].status = b'{"a":1}', b"\xff\x00", 500
    answers = [envoy.ask("/copied/x", b'{"n":%d}' % n, key=f"k{n}") for n in range(10)]
    answers += [envoy.ask("/copied/x", None, method="GET") for _ in range(5)]
    assert {a.body for a in answers} == {b'{"a":1}'}
    expected = ShadowPair("copied", r2.id, 200, 500, b'{"a":1}', b"\xff\x00")
    found = pairs_of(envoy, 15)
    assert [replace(p, request=b"") for p in found] == [expected] * 15
    assert sorted(p.request for p in found) == sorted([b""] * 5 + [b'{"n":%d}' % n for n in range(10)])
    assert sorted(s["body"] for s in pair[1].seen) == sorted(s["body"] for s in pair[0].seen)


def test_a_copy_is_pinned_to_the_candidate_and_marked(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """Hops behind the copy serve the candidate's release, know that it is a copy, and count it apart."""
    with serving(Echo("B1")) as b1, serving(Echo("B2")) as b2:
        r1 = cut(deployed("copied", pair[0]), deployed("behind", b1, edge=False))
        r2 = cut(deployed("copied", pair[1], "2"), deployed("behind", b2, "2", edge=False))
        envoy.plane.publish(route_table(r1, (r2,), shadows={"copied": Shadow(r2.id, 10_000)}))
        pair[0].calls = pair[1].calls = [(envoy.inner, "/behind/y")]
        before = envoy.plane.counters()
        envoy.ask("/copied/x", key="k", headers={"baggage": "a=1,interlock.shadow=0"})
        pairs_of(envoy, 1)
        assert b1.seen[0]["baggage"] == [f"interlock.release={r1.id},a=1"]
        assert b2.seen[0]["baggage"] == [f"interlock.release={r2.id},interlock.shadow=1,a=1"]
        assert "x-interlock-shadow" not in pair[1].seen[0]["headers"]
        after = envoy.plane.counters()
    assert after.shadows["copied", r2.id].requests - _requests(before.shadows, "copied", r2) == 1
    assert after.shadows["behind", r2.id].requests == 1
    assert ("behind", r2.id) not in after.arms
    assert after.unpinned == before.unpinned


def _requests(counts: object, service: str, release: Release) -> int:
    assert hasattr(counts, "get")
    found = counts.get((service, release.id))
    return found.requests if found else 0


def test_pairs_are_in_the_callers_contract(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """The candidate's answer is translated before it is captured, so the two can be compared."""
    shadowed(envoy, pair, response=(Rename("p", "score"),), request=(Rename("n", "m"),))
    pair[0].answer, pair[1].answer = b'{"score":1}', b'{"p":1}'
    envoy.ask("/copied/x", b'{"n":1}', key="k")
    assert [(p.request, p.candidate_body) for p in pairs_of(envoy, 1)] == [(b'{"n":1}', b'{"score":1}')]
    assert [s["body"] for s in (*pair[0].seen, *pair[1].seen)] == ['{"n":1}', '{"m":1}']


def test_only_repeatable_requests_of_known_size_are_copied(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """A copy executes the request a second time; and what has no declared length is never held back for a copy."""
    shadowed(envoy, pair, body_limit_bytes=1_000)
    assert envoy.ask("/copied/x", key="k", method="PATCH").status == 200
    assert envoy.ask("/copied/x", iter([b"{}"]), key="k").status == 200
    assert envoy.ask("/copied/x", b"x" * 1_001, key="k").status == 200
    assert envoy.ask("/copied/x", b"x" * 1_000, key="k").status == 200
    pairs_of(envoy, 1)
    assert len(pair[1].seen) == 1


def test_a_share_of_the_requests_is_copied(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """At half, about half; the sample is the same for mirroring and for capturing."""
    shadowed(envoy, pair, share_bp=5_000)
    for n in range(100):
        envoy.ask("/copied/x", key=f"k{n}")
    taken: list[ShadowPair] = []

    def outstanding() -> int:  # a copy may still be under way when its caller has the answer
        taken.extend(envoy.plane.take_captured().pairs)
        return len(pair[1].seen) - len(taken)

    eventually(outstanding, lambda missing: missing == 0 and len(taken) > 20)
    assert 20 < len(taken) < 80  # six standard deviations


def test_pairs_are_taken_once_also_over_a_new_control_plane(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """What one reader took, the next one does not see again."""
    shadowed(envoy, pair)
    for n in range(5):
        envoy.ask("/copied/x", key=f"k{n}")
    pairs_of(envoy, 5)
    successor = another(envoy.directory, envoy.edge, envoy.inner)
    envoy.ask("/copied/x", key="k")
    assert len(pairs_of(successor, 1)) == 1
    successor.plane.close()


def test_a_file_that_nobody_reads_stops_growing(
    pair: tuple[Echo, Echo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the control plane gone, captures end at the limit (looked at each 64); traffic and copies go on."""
    monkeypatch.setattr(listeners, "CAPTURE_FILE_LIMIT_BYTES", 2_000)
    with gateway(tmp_path / 'it\'s "here"') as envoy:
        shadowed(envoy, pair)
        pair[0].answer = pair[1].answer = b"x" * 100
        file = envoy.directory / "captured" / "requests.jsonl"
        assert {envoy.ask("/copied/x", key="k").status for _ in range(70)} == {200}
        eventually(lambda: file.stat().st_size, lambda size: size > 2_000)
        assert {envoy.ask("/copied/x", key="k").status for _ in range(200)} == {200}
        eventually(lambda: len(pair[1].seen), lambda seen: seen == 270)
        envoy.plane.stop()  # writes what it still holds
        assert file.read_bytes().count(b"\n") <= 2 * 2 * 64


def test_a_hanging_copy_delays_nobody(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """The caller has the answer while the copy still waits."""
    shadowed(envoy, pair)
    pair[1].hang = threading.Event()
    assert envoy.ask("/copied/x", key="k").status == 200
    assert not pair[1].hang.is_set()
    pair[1].hang.set()
    pairs_of(envoy, 1)


def test_twins_show_the_baseline_against_itself(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """Half goes to the candidate, half to the baseline again, none to both; a twin names the candidate whose
    comparison it is for, and its requests are in nobody's arm, at the hops behind neither.
    """
    with serving(Echo("behind")) as behind:
        back = deployed("beyond", behind, edge=False)
        r1, r2 = cut(deployed("twinned", pair[0]), back), cut(deployed("twinned", pair[1], "2"), back)
        pair[0].calls = pair[1].calls = [(envoy.inner, "/beyond/y")]
        envoy.plane.publish(route_table(r1, (r2,), shadows={"twinned": Shadow(r2.id, 5_000, twin_bp=5_000)}))
        for n in range(60):
            envoy.ask("/twinned/x", b'{"n":%d}' % n, key=f"k{n}")
        found = pairs_of(envoy, 60)
        counted = envoy.plane.counters()
    twins = [p for p in found if p.is_twin]
    assert 10 < len(twins) < 50  # five standard deviations
    assert (len(pair[0].seen), len(pair[1].seen)) == (60 + len(twins), 60 - len(twins))
    assert {p.candidate for p in found} == {r2.id}
    assert all(json.loads(p.candidate_body)["who"] == ("first" if p.is_twin else "second") for p in found)
    assert sorted(p.request for p in found) == sorted(b'{"n":%d}' % n for n in range(60))
    assert {a: c.requests for a, c in counted.arms.items() if a[0] in ("twinned", "beyond")} == {
        ("twinned", r1.id): 60,
        ("beyond", r1.id): 60,
    }
    for service in ("twinned", "beyond"):
        assert counted.shadows[service, r1.id].requests == len(twins)
        assert counted.shadows[service, r2.id].requests == 60 - len(twins)


def test_a_request_above_the_capture_limit_makes_no_pair(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """It is copied all the same; a pair never has half a request."""
    shadowed(envoy, pair)
    pair[0].answer = pair[1].answer = b"{}"
    envoy.ask("/copied/x", b"x" * (listeners.CAPTURE_BODY_LIMIT_BYTES + 1), key="k")
    envoy.ask("/copied/x", b"y" * listeners.CAPTURE_BODY_LIMIT_BYTES, key="k")
    assert [p.request[:1] for p in pairs_of(envoy, 1)] == [b"y"]
    assert len(pair[1].seen) == 2
