"""A real Envoy captures a sample of what callers get while a split is on, and the key of every bad answer."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from interlock.adapters.envoy import listeners
from interlock.domain.lenses.ops import Rename
from interlock.domain.releases.release import Release
from interlock.domain.releases.route_table import Shadow, Split, route_table
from interlock.engine.ports import Answer
from support.echo import Echo, free_port, serving
from support.gateway import SEED, Gateway, another, cut, deployed, eventually, gateway, key_in, key_outside, taken

HALF = 5_000
MINE, THEIRS = key_in(HALF), key_outside(HALF)
"""Keys of the candidate and of the baseline."""


@pytest.fixture(scope="module")
def envoy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("samples")) as made:
        yield made


@pytest.fixture
def pair() -> Iterator[tuple[Echo, Echo]]:
    with serving(Echo("first")) as first, serving(Echo("second")) as second:
        yield first, second


def halved(
    envoy: Gateway, pair: tuple[Echo, Echo], service: str, sample_bp: int = 0, **candidate: object
) -> tuple[Release, Release]:
    """Half of the keys to the second of `pair`."""
    r1, r2 = cut(deployed(service, pair[0])), cut(deployed(service, pair[1], "2", **candidate))
    envoy.plane.publish(route_table(r1, (r2,), {service: Split(r2.id, HALF, SEED, sample_bp)}))
    return r1, r2


def digest_of(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:32]


# ---- sampled answers


def test_answers_of_both_arms_are_captured(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """With the request and in the callers' contract; requests that cannot be repeated or have no key, too."""
    lens = {"response": (Rename("p", "score"),), "request": (Rename("n", "m"),)}
    r1, r2 = halved(envoy, pair, "both", 10_000, unkeyed="split", **lens)
    pair[0].answer, pair[1].answer = b'{"score":1}', b'{"p":2}'
    envoy.ask("/both/x", b'{"n":1}', key=THEIRS)
    envoy.ask("/both/x", b'{"n":2}', key=MINE, method="PATCH")
    envoy.ask("/both/x", iter([b'{"n"', b":3}"]), key=MINE)
    envoy.ask("/both/x", None, key=THEIRS, method="GET")
    found = taken(envoy.plane, lambda c: len(c.answers) == 4)
    assert (found.pairs, found.bad) == ((), ())
    assert sorted(found.answers, key=lambda a: a.request) == [
        Answer("both", r1.id, 200, b"", b'{"score":1}'),
        Answer("both", r1.id, 200, b'{"n":1}', b'{"score":1}'),
        Answer("both", r2.id, 200, b'{"n":2}', b'{"score":2}'),
        Answer("both", r2.id, 200, b'{"n":3}', b'{"score":2}'),
    ]


def test_the_sample_is_the_same_share_of_both_arms(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """Also of requests without a key, drawn by chance, and although the baseline's are copied besides."""
    common = {"unkeyed": "split"}
    r1, r2 = cut(deployed("even", pair[0], **common)), cut(deployed("even", pair[1], "2", **common))
    split, shadow = Split(r2.id, HALF, SEED, 3_000), Shadow(r2.id, 2_000, twin_bp=2_000)
    envoy.plane.publish(route_table(r1, (r2,), {"even": split}, {"even": shadow}))
    for n in range(150):
        envoy.ask("/even/x", b'{"n":%d}' % n, key=f"k{n}")
        envoy.ask("/even/x", b"{}")
    served = {r: envoy.plane.counters().arms["even", r.id].requests for r in (r1, r2)}
    copies = sum(c.requests for (service, _), c in envoy.plane.counters().shadows.items() if service == "even")
    envoy.ask("/even/last", b"{}", key=THEIRS)
    found = taken(envoy.plane, lambda c: len(c.pairs) >= copies and len(c.answers) > 40)
    for release in (r1, r2):
        for is_keyed in (True, False):
            share = [a for a in found.answers if a.release == release.id and (a.request != b"{}") == is_keyed]
            assert 0.05 < len(share) / (served[release] / 2) < 0.6  # 0.3 within five standard deviations
    assert 0.2 < copies / served[r1] < 0.6
    assert {p.is_twin for p in found.pairs} == {True, False}


def test_without_a_split_nothing_is_captured(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """Neither answers nor keys; nor requests that no arm has because they carry no key."""
    r1, _ = halved(envoy, pair, "alone", 10_000)
    envoy.ask("/alone/x", b'{"n":0}')
    envoy.plane.publish(route_table(r1))
    pair[0].status = 500
    envoy.ask("/alone/x", b'{"n":1}', key=THEIRS)
    halved(envoy, pair, "alone", 10_000)
    envoy.ask("/alone/x", b'{"n":2}', key=THEIRS)
    found = taken(envoy.plane, lambda c: bool(c.answers and c.bad))
    assert ([a.request for a in found.answers], len(found.bad)) == ([b'{"n":2}'], 1)


def test_an_answer_that_a_fallback_gave_is_in_no_arms_sample(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """The baseline gave it to a request of the candidate; that the candidate failed is told by key."""
    _, r2 = halved(envoy, pair, "fallback", 10_000)
    pair[1].status = 503
    assert envoy.ask("/fallback/x", b"{}", key=MINE).status == 200
    pair[1].status = 404
    assert envoy.ask("/fallback/x", b"{}", key=MINE).status == 404
    found = taken(envoy.plane, lambda c: bool(c.answers and c.bad))
    assert [(a.release, a.status) for a in found.answers] == [(r2.id, 404)]
    assert [(b.release, b.key) for b in found.bad] == [(r2.id, digest_of(MINE))]


# ---- bad answers by key


def test_every_bad_answer_of_a_keyed_caller_is_told(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """By the counters' rule: 5xx, rescued, rejected; in the arm of the key; with its digest and never the key."""
    r1, r2 = halved(envoy, pair, "bad", request=(Rename("n", "m"),))
    pair[0].status = 500
    assert "x-interlock-key" not in envoy.ask("/bad/x", key=THEIRS).headers
    envoy.ask("/bad/x")  # no key
    pair[0].status, pair[1].status = 200, 502
    envoy.ask("/bad/x", key=MINE)  # rescued
    pair[1].status = 404
    envoy.ask("/bad/x", key=MINE)  # the caller's own
    envoy.ask("/bad/x", b'{"n":1,"m":2}', key=MINE)  # rejected
    found = taken(envoy.plane, lambda c: len(c.bad) >= 3)
    assert [(b.service, b.release, b.key, b.segment) for b in found.bad] == [
        ("bad", r1.id, digest_of(THEIRS), ""),
        ("bad", r2.id, digest_of(MINE), ""),
        ("bad", r2.id, digest_of(MINE), ""),
    ]
    assert all(abs(b.at_s - time.time()) < 60 for b in found.bad)
    arms = envoy.plane.counters().arms
    assert (arms["bad", r1.id].bad, arms["bad", r2.id].bad) == (1, 2)
    assert envoy.plane.counters().untold == {}


def test_the_key_is_found_in_the_header_that_the_service_declares(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """Another header of the usual name is not the key."""
    pair[0].status = pair[1].status = 500
    r1, r2 = (cut(deployed("named", echo, str(n), entity_header="x-order")) for n, echo in enumerate(pair))
    envoy.plane.publish(route_table(r1, (r2,), {"named": Split(r2.id, HALF, SEED)}))
    envoy.ask("/named/x", key="not this", headers={"x-order": "o-1"})
    assert [b.key for b in taken(envoy.plane, lambda c: bool(c.bad)).bad] == [digest_of("o-1")]


@pytest.mark.parametrize("length", [1, 54, 55, 56, 63, 64, 65, 119, 120, 1_000])
def test_the_digest_is_half_of_the_sha_256_of_the_key(envoy: Gateway, pair: tuple[Echo, Echo], length: int) -> None:
    """At every length around a block of 64 bytes, with bytes of every kind that a header may have."""
    pair[0].status = pair[1].status = 500
    halved(envoy, pair, "digest")
    key = "".join(chr(33 + n * 7 % 94) for n in range(length))
    envoy.ask("/digest/x", key=key)
    assert [b.key for b in taken(envoy.plane, lambda c: bool(c.bad)).bad] == [digest_of(key)]


def test_what_is_beyond_the_files_limit_is_counted(
    pair: tuple[Echo, Echo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With nobody reading, keys end at the limit (looked at each 64); each bad answer is told or counted."""
    monkeypatch.setattr(listeners, "BAD_FILE_LIMIT_BYTES", 4_000)
    with gateway(tmp_path) as envoy:
        halved(envoy, pair, "full")
        pair[0].status = pair[1].status = 500
        file = envoy.directory / "captured" / "requests.jsonl"
        for n in range(64):
            envoy.ask("/full/x", key=f"secret-{n}")
        eventually(lambda: file.stat().st_size, lambda size: size > 4_000)
        for n in range(64):
            envoy.ask("/full/x", key=f"secret-{n}")
        eventually(lambda: envoy.plane.counters().untold, lambda untold: untold == {"full": 64})
        assert b"secret" not in file.read_bytes()
        assert file.parent.stat().st_mode & 0o777 == 0o700
        assert len(taken(envoy.plane, lambda c: len(c.bad) >= 64).bad) == 64


def test_a_killed_envoy_tells_each_thing_once(pair: tuple[Echo, Echo], tmp_path: Path) -> None:
    """Whatever it had written before, in its own arm, and what its successor writes."""
    with gateway(tmp_path) as envoy:
        _, r2 = halved(envoy, pair, "hot", 10_000)
        pair[1].status = 500
        for n in range(5):
            envoy.ask("/hot/x", b"%d" % n, key=key_in(HALF, skip=n))
        eventually(lambda: (tmp_path / "captured" / "requests.jsonl").read_bytes().count(b"\n"), lambda n: n == 5)
        envoy.plane.take_captured()  # the file is renamed, and Envoy dies before it was read
        os.kill(json.loads((tmp_path / "process.json").read_text())["pid"], signal.SIGKILL)
        assert envoy.plane.ensure()
        envoy.ask("/hot/x", b"5", key=key_in(HALF, skip=5))
        found = taken(envoy.plane, lambda c: len(c.bad) >= 6)
    assert [b.key for b in found.bad] == [digest_of(key_in(HALF, skip=n)) for n in range(6)]
    assert {b.release for b in found.bad} == {r2.id}
    assert found.answers == ()


def test_a_killed_candidate_is_blamed_alone_and_each_line_is_taken_once(
    envoy: Gateway, pair: tuple[Echo, Echo]
) -> None:
    """Readers that die at any point between two looks: no line is told twice, none in the other arm."""
    gone = Echo("gone", port=free_port())
    _, r2 = halved(envoy, (pair[0], gone), "killed", 10_000)
    keys = [key_in(HALF, skip=n) for n in range(30)]
    seen: Counter[str] = Counter()
    for key in keys:
        assert envoy.ask("/killed/x", key=key).status == 200
        envoy.ask("/killed/x", b'"%s"' % key.encode(), key=THEIRS)
        reader = another(envoy.directory, envoy.edge, envoy.inner)  # as after a crash: nothing in its memory
        captured = reader.plane.take_captured()
        reader.plane.close()
        seen.update(b.key for b in captured.bad)
        assert {b.release for b in captured.bad} <= {r2.id}
        assert {a.release for a in captured.answers}.isdisjoint({r2.id})
        seen.update(f"{a.request!r}" for a in captured.answers)
    rest = taken(envoy.plane, lambda c: seen.total() + len(c.bad) + len(c.answers) >= 60)
    seen.update([b.key for b in rest.bad] + [f"{a.request!r}" for a in rest.answers])
    assert set(seen.values()) == {1}
    assert len(seen) == 60
