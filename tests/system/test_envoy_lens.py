"""A real Envoy translates between the callers' contract version and that of a release."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from interlock.domain.lenses.ops import Add, Map, Program, Rename
from interlock.domain.releases.release import Release
from interlock.domain.releases.route_table import Split, route_table
from support.echo import Answer, Echo, serving
from support.gateway import SEED, Gateway, cut, deployed, gateway

FORWARD: Program = (Rename("amount", "value"), Map("kind", (("a", "A"), ("b", "B"))))
BACKWARD: Program = (Rename("score", "probability"), Add("unit", "none"))
SMALL_BYTES = 2_000


@pytest.fixture(params=["lua", "hop"])
def engine(request: pytest.FixtureRequest) -> str:
    """What translates: the proxy itself, or the hop beside it."""
    return str(request.param)


@pytest.fixture(scope="module")
def envoy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("lens")) as made:
        yield made


@pytest.fixture
def pair() -> Iterator[tuple[Echo, Echo]]:
    with serving(Echo("first")) as first, serving(Echo("second")) as second:
        yield first, second


def body(**fields: Any) -> bytes:
    return json.dumps({"amount": 12345678901234567890, "kind": "a", **fields}).encode()


def publish(
    envoy: Gateway,
    pair: tuple[Echo, Echo],
    engine: str,
    weight_bp: int = 10_000,
    *,
    default_translates: bool = False,
    **lens: Any,
) -> tuple[Release, Release]:
    lens = {"request": FORWARD, "lens_engine": engine, **lens}
    r1 = cut(deployed("lensed", pair[0], body_limit_bytes=SMALL_BYTES, **(lens if default_translates else {})))
    r2 = cut(deployed("lensed", pair[1], "2", body_limit_bytes=SMALL_BYTES, **lens))
    envoy.plane.publish(route_table(r1, (r2,), {"lensed": Split(r2.id, weight_bp, SEED)}))
    return r1, r2


def problem(answer: Answer) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["status"] == answer.status
    return answer.status, answer.json["code"]


def test_the_candidate_reads_its_own_contract(envoy: Gateway, pair: tuple[Echo, Echo], engine: str) -> None:
    """The body is translated without loss, whole or in chunks, and its length is right."""
    publish(envoy, pair, engine)
    for sent in (body(), iter([body()[:9], body()[9:]])):
        read = envoy.ask("/lensed/x", sent, key="k").json
        assert json.loads(read["body"]) == {"value": 12345678901234567890, "kind": "A"}
        assert int(read["headers"]["content-length"]) == len(read["body"])


def test_a_replay_reads_the_untranslated_request(envoy: Gateway, pair: tuple[Echo, Echo], engine: str) -> None:
    """After a failed attempt in the other contract, the baseline gets the caller's bytes and their length."""
    r1, _ = publish(envoy, pair, engine)
    pair[1].status = 500
    for sent in (body(), iter([body()[:9], body()[9:]])):
        answer = envoy.ask("/lensed/x", sent, key="k")
        assert (answer.status, answer.release, answer.json["body"].encode()) == (200, r1.id, body())
        assert answer.json["headers"].get("content-length", str(len(body()))) == str(len(body()))
        assert "x-interlock-cl" not in answer.json["headers"]


@pytest.mark.parametrize("default_translates", [True, False])
@pytest.mark.parametrize("where", ["edge", "inner"])
def test_what_cannot_be_translated_is_refused_in_words(
    envoy: Gateway, pair: tuple[Echo, Echo], engine: str, default_translates: bool, where: str
) -> None:
    """422 for a value outside the lens, 400 for what is not JSON; nothing reaches the service."""
    weight = 0 if default_translates else 10_000
    r1, r2 = publish(envoy, pair, engine, weight, default_translates=default_translates)
    release = (r1 if default_translates else r2).id

    def ask(sent: bytes) -> Answer:
        if where == "edge":
            return envoy.ask("/lensed/x", sent, key="k")
        return envoy.ask_inside("/lensed/x", f"interlock.release={release}", sent)

    assert problem(ask(body(kind='"\\\n'))) == (422, "lens.rejected")
    assert problem(ask(b"hello")) == (400, "lens.unreadable")
    assert ask(body(pad="x" * SMALL_BYTES)).status == 413
    assert [e.seen for e in pair] == [[], []]


AMBIGUOUS = [
    (b'{"amount":1,"\\u0061mount":2,"kind":"a"}', 422, "an object names a key twice"),
    (b'{"amount":' + b"[" * 64 + b"]" * 64 + b"}", 422, "the body nests deeper than 64"),
    (b'[{"kind":"a"},7]', 422, "the body is neither an object nor an array of objects"),
    (b'[{"kind":"z"},7]', 422, "the body is neither an object nor an array of objects"),
    (b'[{"kind":"a"},{"kind":"z"}]', 422, "`kind` has a value that the map does not name"),
    (b'[{"kind":"z"},{]', 400, "not JSON"),
    (b'{"kind":"a"}{}', 400, "not JSON"),
    (b'\xef\xbb\xbf{"kind":"a"}', 400, "not JSON"),
    (b'{"amount":NaN}', 400, "not JSON"),
    (b"\x1f\x8b\x08\x00", 400, "not JSON"),
]


def test_a_body_that_means_several_things_is_refused(envoy: Gateway, pair: tuple[Echo, Echo], engine: str) -> None:
    """The same status and the same reason by either engine; the whole body is read before a part is translated."""
    publish(envoy, pair, engine)
    for sent, status, why in AMBIGUOUS:
        answer = envoy.ask("/lensed/x", sent, key="k")
        assert (answer.status, answer.json["detail"].startswith(why)) == (status, True), (sent, answer.body)
    assert [e.seen for e in pair] == [[], []]


def test_a_rejected_translation_counts_against_the_release(
    envoy: Gateway, pair: tuple[Echo, Echo], engine: str
) -> None:
    """A 422 of a lens is the release's failure; what is not JSON or too large is the caller's."""
    _, r2 = publish(envoy, pair, engine)
    envoy.ask("/lensed/x", body(), key="k")
    before = envoy.plane.counters().arms["lensed", r2.id]
    for sent in (body(kind="z"), b"hello", body(pad="x" * SMALL_BYTES), body()):
        envoy.ask("/lensed/x", sent, key="k")
    after = envoy.plane.counters().arms["lensed", r2.id]
    assert (after.requests - before.requests, after.bad - before.bad) == (4, 1)


def test_the_limit_holds_for_bodies_of_unknown_length(envoy: Gateway, pair: tuple[Echo, Echo], engine: str) -> None:
    """A chunked upload above the limit is a 413 too, at the edge and inside."""
    _, r2 = publish(envoy, pair, engine)
    piece = b"x" * (SMALL_BYTES // 2)
    assert envoy.ask("/lensed/x", iter([piece] * 3), key="k").status == 413
    pinned = envoy.ask_inside("/lensed/x", f"interlock.release={r2.id}", iter([piece] * 3))
    assert pinned.status == 413


def test_a_request_without_a_body_passes(envoy: Gateway, pair: tuple[Echo, Echo], engine: str) -> None:
    """There is nothing to translate in a GET."""
    publish(envoy, pair, engine)
    assert envoy.ask("/lensed/x", None, key="k", method="GET").json["who"] == "second"
    assert envoy.ask("/lensed/x", b"", key="k").json["who"] == "second"


def test_callers_read_their_own_contract(envoy: Gateway, pair: tuple[Echo, Echo], engine: str) -> None:
    """A JSON answer of a release is translated back, and its length is right."""
    publish(envoy, pair, engine, response=BACKWARD)
    pair[1].answer = b'{"score": 0.50}'
    answer = envoy.ask("/lensed/x", body(), key="k")
    assert answer.body.replace(b" ", b"") == b'{"probability":0.50,"unit":"none"}'
    assert int(answer.headers["content-length"]) == len(answer.body)


@pytest.mark.parametrize(
    ("status", "content_type", "answer"), [(404, "application/json", b'{"score":1}'), (200, "text/plain", b"score")]
)
def test_only_good_json_answers_are_translated(
    envoy: Gateway, pair: tuple[Echo, Echo], engine: str, status: int, content_type: str, answer: bytes
) -> None:
    """Errors and other media types are no records of the contract."""
    publish(envoy, pair, engine, response=BACKWARD)
    pair[1].status, pair[1].content_type, pair[1].answer = status, content_type, answer
    seen = envoy.ask("/lensed/x", body(), key="k")
    assert (seen.status, seen.body) == (status, answer)


def test_an_answer_that_cannot_be_translated_is_replayed(
    envoy: Gateway, pair: tuple[Echo, Echo], engine: str
) -> None:
    """The candidate's garbage never reaches the caller; where nothing may be repeated, the caller gets a 502."""
    r1, _ = publish(envoy, pair, engine, response=BACKWARD)
    pair[1].answer = b'{"score": '
    answer = envoy.ask("/lensed/x", body(), key="k")
    assert (answer.status, answer.release) == (200, r1.id)
    assert problem(envoy.ask("/lensed/x", body(), key="k", method="PATCH")) == (502, "lens.failed")


def test_an_answer_above_the_buffer_is_an_error(envoy: Gateway, pair: tuple[Echo, Echo], engine: str) -> None:
    """It cannot be held whole, so it cannot be translated; half of it must not pass for the whole. The hop says so
    in a way that is replayed.
    """
    _, r2 = publish(envoy, pair, engine, response=BACKWARD)
    pair[1].answer = b'{"score": "' + b"x" * 1_500_000 + b'"}'
    assert envoy.ask("/lensed/x", body(), key="k").status == (500 if engine == "lua" else 200)
    assert envoy.ask("/lensed/x", body(), key="k", method="PATCH").status == (500 if engine == "lua" else 502)
    assert envoy.plane.counters().arms["lensed", r2.id].bad >= 1
