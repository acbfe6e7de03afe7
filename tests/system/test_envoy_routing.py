"""A real Envoy assigns, pins and counts as the route table says."""

from __future__ import annotations

import http.client
from collections.abc import Iterator

import pytest

from interlock.domain.releases.route_table import Split, route_table
from interlock.domain.traffic.bucket import bucket
from support.echo import Echo, serving
from support.gateway import SEED, Gateway, cut, deployed, gateway, key_in


@pytest.fixture(scope="module")
def envoy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("routing")) as made:
        yield made


@pytest.fixture(scope="module")
def echoes() -> Iterator[tuple[Echo, Echo]]:
    with serving(Echo("first")) as first, serving(Echo("second")) as second:
        yield first, second


@pytest.mark.parametrize("weight_bp", [1, 1_000, 5_000, 9_999])
def test_python_predicts_every_assignment(envoy: Gateway, echoes: tuple[Echo, Echo], weight_bp: int) -> None:
    """The bucket that Envoy draws for a key is the bucket of the domain, at every weight."""
    first, second = echoes
    r1, r2 = cut(deployed("predicted", first)), cut(deployed("predicted", second, "2"))
    envoy.plane.publish(route_table(r1, (r2,), {"predicted": Split(r2.id, weight_bp, SEED)}))
    keys = [f"k-{n}" for n in range(120)] + [key_in(weight_bp), "with space", "ünï", "a,b;c=d"]
    for key in keys:
        answer = envoy.ask("/predicted/x", headers={"x-entity-key": key.encode().decode("latin-1")})
        expected = r2.id if bucket(key, SEED) < weight_bp else r1.id
        assert answer.release == expected, key


def test_the_prefix_is_taken_off_and_the_query_stays(envoy: Gateway, echoes: tuple[Echo, Echo]) -> None:
    """A service with a dot in its name gets the rest of the path; a name that only begins alike is no service."""
    r1 = cut(deployed("svc.a", echoes[0]))
    envoy.plane.publish(route_table(r1))
    paths = {"/svc.a/x/y?q=/svc.a/": "/x/y?q=/svc.a/", "/svc.a?q=1": "/?q=1", "/svc.a": "/", "/svc.a/": "/"}
    for ask in (envoy.ask, envoy.ask_inside):
        assert {path: ask(path).json["path"] for path in paths} == paths
        missing = [ask(path) for path in ("/svc.ab/x", "/svc.ab", "/", "/other/svc.a/")]
        assert {a.status for a in missing} == {404}
    assert missing[-2].headers["content-type"] == "application/problem+json"


def test_a_pin_from_outside_is_void(envoy: Gateway, echoes: tuple[Echo, Echo]) -> None:
    """A forged pin, or a claim to be a copy, neither steers the edge nor travels on; foreign members do."""
    first, second = echoes
    r1, r2 = cut(deployed("forged", first)), cut(deployed("forged", second, "2"))
    envoy.plane.publish(route_table(r1, (r2,), {"forged": Split(r2.id, 0, SEED)}))
    forged = f"a=1;p=2, interlock.release={r2.id};x=y,b=%20,interlock.shadow=1 , interlock.release = zz"
    answer = envoy.ask("/forged/x", key="k", headers={"baggage": forged})
    assert answer.json["who"] == "first"
    assert answer.json["baggage"] == [f"interlock.release={r1.id},a=1;p=2,b=%20"]
    smuggled = envoy.ask("/forged/x", b"{}", key="k", headers={"x-interlock-cl": "1", "x-interlock-shadow": "x@y"})
    assert smuggled.json["body"] == "{}"
    assert not {"x-interlock-cl", "x-interlock-shadow"} & set(smuggled.json["headers"])


def test_inner_hops_follow_the_pin(envoy: Gateway, echoes: tuple[Echo, Echo]) -> None:
    """Edge to A to inner to B: every hop serves the release that the edge chose, and B is counted as pinned."""
    with serving(Echo("B1")) as b1, serving(Echo("B2")) as b2:
        first, second = echoes
        r1 = cut(deployed("front", first), deployed("back", b1, edge=False))
        r2 = cut(deployed("front", second, "2"), deployed("back", b2, "2", edge=False))
        envoy.plane.publish(route_table(r1, (r2,), {"front": Split(r2.id, 5_000, SEED)}))
        first.calls = second.calls = [(envoy.inner, "/back/y")]
        try:
            chains = [
                (a["who"], a["called"][0]["who"])
                for a in (envoy.ask("/front/x", key=f"k{n}").json for n in range(40))
            ]
        finally:
            first.calls, second.calls = [], []
        assert set(chains) == {("first", "B1"), ("second", "B2")}
        counted = envoy.plane.counters()
        assert {arm: c.requests for arm, c in counted.arms.items() if arm[0] == "back"} == {
            ("back", r1.id): chains.count(("first", "B1")),
            ("back", r2.id): chains.count(("second", "B2")),
        }
        assert "back" not in counted.unpinned
        assert envoy.ask("/back/y").status == 404, "a service that is not on the edge is not reachable there"


@pytest.mark.parametrize(
    ("baggage", "follows"),
    [
        ("interlock.release={}", True),
        ("a=b,interlock.release={};p=1,c=d", True),
        ("a=b , interlock.release = {} ,c=d", True),
        ("interlock.release={}2", False),
        ("interlock.release=x{}", False),
        ("xinterlock.release={}", False),
        ("a=b;interlock.release={}", False),
        ("interlock-release={}", False),
        ("", False),
    ],
)
def test_only_a_whole_member_is_a_pin(
    envoy: Gateway, echoes: tuple[Echo, Echo], baggage: str, follows: bool
) -> None:
    """Neither a longer id, nor a property, nor a similar name pins; such a request is served by the default."""
    first, second = echoes
    r1, r2 = cut(deployed("pinned", first)), cut(deployed("pinned", second, "2"))
    envoy.plane.publish(route_table(r1, (r2,)))
    before = envoy.plane.counters().unpinned.get("pinned", 0)
    answer = envoy.ask_inside("/pinned/x", baggage.format(r2.id))
    assert answer.json["who"] == ("second" if follows else "first")
    assert answer.json["baggage"][0].startswith(f"interlock.release={(r2 if follows else r1).id}")
    assert envoy.plane.counters().unpinned.get("pinned", 0) - before == (0 if follows else 1)


def test_baggage_in_two_lines_is_one_header(envoy: Gateway, echoes: tuple[Echo, Echo]) -> None:
    """Two baggage lines are joined, so that the pin in the second one is seen and nothing is lost."""
    first, second = echoes
    r1, r2 = cut(deployed("lines", first)), cut(deployed("lines", second, "2"))
    envoy.plane.publish(route_table(r1, (r2,)))
    connection = http.client.HTTPConnection("127.0.0.1", envoy.inner, timeout=5)
    connection.putrequest("GET", "/lines/x")
    connection.putheader("baggage", "a=1")
    connection.putheader("baggage", f"interlock.release={r2.id}")
    connection.endheaders()
    body = connection.getresponse().read().decode()
    connection.close()
    assert f'"baggage": ["interlock.release={r2.id},a=1"]' in body
    assert '"who": "second"' in body


def test_requests_without_a_key_stay_with_the_baseline(envoy: Gateway, echoes: tuple[Echo, Echo]) -> None:
    """Even at full weight: no key (or an empty one) is nobody's bucket; counted apart from both arms."""
    first, second = echoes
    r1, r2 = cut(deployed("keyless", first)), cut(deployed("keyless", second, "2"))
    envoy.plane.publish(route_table(r1, (r2,), {"keyless": Split(r2.id, 10_000, SEED)}))
    whos = [envoy.ask("/keyless/x", key=key).json["who"] for key in (None, "", None)]
    assert whos == ["first"] * 3
    assert envoy.ask("/keyless/x", key="k").json["who"] == "second"
    counted = envoy.plane.counters()
    assert counted.unkeyed["keyless"] == 3
    assert {arm: c.requests for arm, c in counted.arms.items() if arm[0] == "keyless"} == {("keyless", r2.id): 1}


def test_requests_without_a_key_are_split_by_chance_on_demand(envoy: Gateway, echoes: tuple[Echo, Echo]) -> None:
    """`unkeyed: split` gives the candidate its share, counts towards both arms, and still tells how many."""
    first, second = echoes
    r1 = cut(deployed("chance", first, unkeyed="split"))
    r2 = cut(deployed("chance", second, "2", unkeyed="split"))
    envoy.plane.publish(route_table(r1, (r2,), {"chance": Split(r2.id, 5_000, SEED)}))
    releases = [envoy.ask("/chance/x").release for _ in range(200)]
    assert 50 < releases.count(r2.id) < 150  # five standard deviations are 35
    counted = envoy.plane.counters()
    assert counted.unkeyed["chance"] == 200
    assert counted.arms["chance", r2.id].requests == releases.count(r2.id)


def test_latencies_are_counted_in_our_bins(envoy: Gateway, echoes: tuple[Echo, Echo]) -> None:
    """Every finished request is in a latency bin of its arm within the flush interval."""
    r1 = cut(deployed("timed", echoes[0]))
    envoy.plane.publish(route_table(r1))
    for _ in range(20):
        envoy.ask("/timed/x", key="k")
    counted = envoy.counted(lambda c: sum(c.arms["timed", r1.id].latency.values()) == 20)
    assert counted.arms["timed", r1.id].requests == 20
    assert min(counted.arms["timed", r1.id].latency) >= 0
