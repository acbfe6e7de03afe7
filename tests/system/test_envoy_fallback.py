"""A real Envoy replays what the candidate fails, whole, under the baseline, and tells of the hidden failure."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator

import pytest

from interlock.domain.checks.evidence import ArmCounts
from interlock.domain.releases.release import Release, Replay
from interlock.domain.releases.route_table import Split, route_table
from support.echo import Echo, free_port, serving
from support.gateway import SEED, Gateway, cut, deployed, gateway


@pytest.fixture(scope="module")
def envoy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("fallback")) as made:
        yield made


@pytest.fixture
def pair() -> Iterator[tuple[Echo, Echo]]:
    with serving(Echo("first")) as first, serving(Echo("second")) as second:
        yield first, second


def all_to_candidate(
    envoy: Gateway, pair: tuple[Echo, Echo], service: str, **more: object
) -> tuple[Release, Release]:
    r1, r2 = (cut(deployed(service, echo, version, **more)) for echo, version in zip(pair, "12", strict=True))
    envoy.plane.publish(route_table(r1, (r2,), {service: Split(r2.id, 10_000, SEED)}))
    return r1, r2


def arm(envoy: Gateway, service: str, release: Release) -> ArmCounts:
    return envoy.plane.counters().arms.get((service, release.id), ArmCounts())


def test_a_failed_answer_is_replayed_under_the_baseline(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """The caller gets the baseline's answer, with its body and pin; the candidate's arm has the failure."""
    r1, r2 = all_to_candidate(envoy, pair, "failing")
    pair[1].status = 503
    answer = envoy.ask("/failing/x", b'{"n":1}', key="k", headers={"baggage": "a=1"})
    assert (answer.status, answer.release, answer.headers["x-envoy-attempt-count"]) == (200, r1.id, "2")
    assert (answer.json["body"], answer.json["baggage"]) == ('{"n":1}', [f"interlock.release={r1.id},a=1"])
    assert pair[1].seen[0]["baggage"] == [f"interlock.release={r2.id},a=1"]
    assert (arm(envoy, "failing", r2).requests, arm(envoy, "failing", r2).bad) == (1, 1)
    assert arm(envoy, "failing", r1).requests == 0, "the request stays in the arm that it was assigned to"


def test_a_hanging_candidate_is_replayed_after_its_timeout(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """The baseline gets the whole timeout again."""
    r1, r2 = all_to_candidate(envoy, pair, "hanging", timeout_s=0.3)
    pair[1].hang = threading.Event()
    began = time.monotonic()
    assert envoy.ask("/hanging/x", key="k").release == r1.id
    assert 0.25 < time.monotonic() - began < 2
    assert arm(envoy, "hanging", r2).bad == 1


def test_a_refused_connection_is_replayed_for_any_method(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """What never reached the candidate is safe to send elsewhere, PATCH included."""
    gone = Echo("gone", port=free_port())
    r1, r2 = all_to_candidate(envoy, (pair[0], gone), "refused")
    assert [envoy.ask("/refused/x", key="k", method=m).release for m in ("POST", "PATCH")] == [r1.id] * 2
    assert arm(envoy, "refused", r2).bad == 2


@pytest.mark.parametrize(
    ("replay", "method", "path", "is_replayed"),
    [
        (Replay(), "POST", "/x", False),
        (Replay(), "PATCH", "/x", False),
        (Replay(), "GET", "/x", True),
        (Replay(), "PUT", "/x", True),
        (Replay(), "DELETE", "", True),
        (Replay(posts=True), "POST", "/x", True),
        (Replay(posts=True), "POST", "", True),
        (Replay(posts=True), "PATCH", "/x", False),
        (Replay(prefixes=("/score",)), "POST", "/score/a", True),
        (Replay(prefixes=("/score",)), "POST", "/book", False),
        (Replay(prefixes=("/score",)), "PATCH", "/score", False),
    ],
)
def test_only_what_is_declared_repeatable_is_replayed(
    envoy: Gateway, pair: tuple[Echo, Echo], replay: Replay, method: str, path: str, is_replayed: bool
) -> None:
    """A request that may have been executed is sent once, and its failure is the caller's answer."""
    r1, r2 = all_to_candidate(envoy, pair, "declared", replay=replay)
    pair[1].status = 500
    answer = envoy.ask(f"/declared{path}", key="k", method=method)
    assert (answer.status, answer.release) == ((200, r1.id) if is_replayed else (500, r2.id))
    assert len(pair[0].seen) == (1 if is_replayed else 0)
    assert (pair[0].seen or pair[1].seen)[0]["path"] == (path or "/")


def test_the_baseline_never_falls_over_to_the_candidate(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """A failing baseline is a failing answer."""
    r1, r2 = (cut(deployed("stays", echo, version)) for echo, version in zip(pair, "12", strict=True))
    envoy.plane.publish(route_table(r1, (r2,), {"stays": Split(r2.id, 0, SEED)}))
    pair[0].status = 500
    assert envoy.ask("/stays/x", key="k").status == 500
    assert (arm(envoy, "stays", r1).bad, pair[1].seen) == (1, [])


def test_an_inner_hop_never_changes_the_release(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """A pinned request that fails inside fails upward: serving it by another release there would mix."""
    _r1, r2 = all_to_candidate(envoy, pair, "inside")
    pair[1].status = 500
    answer = envoy.ask_inside("/inside/x", f"interlock.release={r2.id}")
    assert (answer.status, answer.release, pair[0].seen) == (500, r2.id, [])


def test_a_body_up_to_the_limit_can_be_replayed(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """Two megabytes are kept for the second attempt when the service declares that limit; also sent in chunks."""
    r1, _ = all_to_candidate(envoy, pair, "large", body_limit_bytes=3_000_000)
    pair[1].status = 500
    half = b"x" * 1_000_000
    for body in (half * 2, iter([half, half])):
        answer = envoy.ask("/large/x", body, key="k")
        assert (answer.status, answer.release, len(answer.json["body"])) == (200, r1.id, 2_000_000)


def test_no_caller_sees_the_candidate_die(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """Requests in a steady stream all succeed while the candidate disappears."""
    with serving(Echo("dying")) as dying:
        _, r2 = all_to_candidate(envoy, (pair[0], dying), "dying")
        connection = http.client.HTTPConnection("127.0.0.1", envoy.edge, timeout=5)
        statuses = [_post(connection, "/dying/x") for _ in range(50)]
    statuses += [_post(connection, "/dying/x") for _ in range(50)]
    connection.close()
    assert statuses == [200] * 100
    assert arm(envoy, "dying", r2).bad == 50


def _post(connection: http.client.HTTPConnection, path: str) -> int:
    connection.request("POST", path, b"{}", {"x-entity-key": "k"})
    answer = connection.getresponse()
    answer.read()
    return answer.status
