"""The route table as Envoy resources, read without an Envoy."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from interlock.adapters.envoy.addresses import split_endpoint
from interlock.adapters.envoy.hop.config import Sockets
from interlock.adapters.envoy.names import (
    BAD_FILTER,
    CAPTURE_FILTER,
    GROUP_FILTER,
    MARKS_FILTER,
    Kind,
    RouteName,
    parse_route,
)
from interlock.adapters.envoy.plane import transition
from interlock.adapters.envoy.translate import Resources, pin_header
from interlock.adapters.envoy.translate import translate as translated
from interlock.adapters.envoy.validate import TableUnsound, refuse_dangling, refuse_unsound
from interlock.domain.checks.evidence import OTHER_SEGMENTS, SEGMENT_LIMIT
from interlock.domain.lenses.ops import Rename
from interlock.domain.releases.release import Deployment, Release, Replay
from interlock.domain.releases.route_table import RouteTable, Shadow, Split, route_table

GOLDEN = Path(__file__).with_name("golden_resources.txt")

FRONT = Deployment("front", "1", ("10.0.0.1:80", "10.0.0.2:80"), edge=True, replay=Replay(prefixes=("/score",)))
BACK = Deployment("back.end", "1", ("back:8080",), timeout_s=0.25)
R1 = Release((BACK, FRONT))
R2 = Release((BACK, replace(FRONT, version="2", request=(Rename("a", "b"),), body_limit_bytes=1_000)))


def translate(table: RouteTable) -> Resources:
    return translated(table, Sockets(Path("/hop"), 2))


def table(weight_bp: int = 1_000, share_bp: int = 0) -> RouteTable:
    shadows = {"front": Shadow(R2.id, share_bp)} if share_bp else {}
    return route_table(R1, (R2,), {"front": Split(R2.id, weight_bp, 7)}, shadows)


def everything() -> RouteTable:
    """A split that is sampled, copies, twins, and segments on both services."""
    segments = {"segment_header": "x-plan", "segments": ("gold", "s.lver")}
    releases = [
        Release(tuple(replace(d, **segments) for d in release.deployments))  # type: ignore[arg-type]  # known fields
        for release in (R1, R2)
    ]
    candidate = releases[1].id
    split, shadow = Split(candidate, 1_000, 7, sample_bp=100), Shadow(candidate, 500, twin_bp=200)
    return route_table(releases[0], (releases[1],), {"front": split}, {"front": shadow})


def told(resources: Resources) -> str:
    """A line for each cluster and route. Lua sources are left out; they have tests of their own."""
    lines = [json.dumps(c) for c in resources.clusters]
    for part in (resources.edge, resources.inner, resources.shadow):
        lines += [f"{part['name']} {json.dumps(route)}" for route in routes_in(part)]
    lua = r'"inline_string": "(?:local|function|--)(?:[^"\\]|\\.)*"'
    return re.sub(lua, '"inline_string": "(Lua)"', "\n".join(lines)).replace("type.googleapis.com/", "") + "\n"


def routes_in(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "match" in value:
            yield value
        else:
            for inner in value.values():
                yield from routes_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from routes_in(inner)


def test_the_resources_are_those_of_the_golden_file() -> None:
    """A change of what Envoy is told is seen in review. To accept one, empty the file and run this test twice."""
    made = told(translate(everything()))
    if not GOLDEN.read_text():
        GOLDEN.write_text(made)
        pytest.fail("the golden file was empty and is written anew")
    assert made.splitlines() == GOLDEN.read_text().splitlines()


def test_equal_tables_give_equal_resources() -> None:
    """Order of the releases given does not matter, and nothing else enters."""
    turned = route_table(R2, (R1,), {"front": Split(R2.id, 1_000, 7)}, defaults={"front": R1.id, "back.end": R1.id})
    assert translate(turned) == translate(table())


def test_a_weight_changes_the_edge_alone() -> None:
    """So a rollback is one file: the edge's."""
    some, none = translate(table(1_000)), translate(table(0))
    assert (some.clusters, some.inner, some.shadow) == (none.clusters, none.inner, none.shadow)
    assert some.edge != none.edge


def test_services_off_the_edge_have_no_edge_route() -> None:
    """The inner listener knows both, the edge only the one that is declared there."""
    resources = translate(table())
    assert not [r for r in routes_in(resources.edge) if r["name"].startswith("back.end|")]
    assert [r for r in routes_in(resources.inner) if r["name"].startswith("back.end|")]


def test_no_edge_route_looks_at_the_pin_and_no_inner_route_at_the_key() -> None:
    """The decision is made once, at the edge; of baggage it asks only whether there is any."""
    resources = translate(table(share_bp=500))
    edge, inner = _conditions(resources.edge), _conditions(resources.inner)
    assert {c["name"] for c in edge} == {"x-entity-key", ":method", "content-length", "baggage"}
    assert [c for c in edge if c["name"] == "baggage" and c != {"name": "baggage", "present_match": False}] == []
    assert {c["name"] for c in inner} == {"baggage"}


def _conditions(part: Any) -> list[dict[str, Any]]:
    return [header for route in routes_in(part) for header in route["match"].get("headers", ())]


def test_only_candidate_routes_name_two_clusters() -> None:
    """Failing over goes from the candidate to the default and nowhere else."""
    for route in routes_in(translate(table(share_bp=500)).edge):
        groups = re.findall(r'"cluster_name": "([^"]*)"', json.dumps(route))
        name = parse_route(route["name"])
        if name and name.release == R2.id:
            assert groups == [f"front@{R2.id}", f"front@{R1.id}"]
        else:
            assert groups == []


@pytest.mark.parametrize(
    ("baggage", "is_pinned"),
    [("interlock.release=r2", True), ("a=1,interlock.release=r2;p,b=2", True), (" interlock.release = r2 ", True)]
    + [(text, False) for text in ("interlock.release=r22", "interlockxrelease=r2", "a=1;interlock.release=r2", "")],
)
def test_the_pin_is_matched_as_a_whole_member(baggage: str, is_pinned: bool) -> None:
    """The pattern is a full match, as Envoy takes it."""
    pattern = pin_header("r2")["string_match"]["safe_regex"]["regex"]
    assert (re.fullmatch(pattern, baggage) is not None) == is_pinned


def test_every_route_leads_to_a_cluster() -> None:
    """Sound tables have no dangling route; one that is spoiled is told."""
    made = translate(table(share_bp=500))
    refuse_dangling(made)
    with pytest.raises(TableUnsound, match=f"back.end@{R1.id}"):
        refuse_dangling(replace(made, clusters=made.clusters[2:]))


def test_all_that_is_unsound_is_told_at_once() -> None:
    """Two problems in one message."""
    broken = route_table(
        Release((replace(FRONT, endpoints=("x",), timeout_s=0),)), (), {"front": Split("zz", 1, 1)}
    )
    with pytest.raises(TableUnsound) as caught:
        refuse_unsound(broken)
    assert all(words in str(caught.value) for words in ("host:port", "timeout", "zz"))


@pytest.mark.parametrize(
    ("spoiled", "words"),
    [
        ({"segments": ("a b",)}, "'a b' is no segment"),
        ({"segments": ("gold\r\nx: y",)}, "is no segment"),
        ({"segments": ("é",)}, "is no segment"),
        ({"segments": ("a,b",)}, "is no segment"),
        ({"segments": ("",)}, "is no segment"),
        ({"segments": ("x" * 65,)}, "is no segment"),
        ({"segments": (OTHER_SEGMENTS,)}, "is no segment"),
        ({"segments": tuple(f"s{n}" for n in range(SEGMENT_LIMIT + 1))}, "33 segments are more than 32"),
        ({"segments": ()}, "need one another"),
        ({"segments": ("a",), "segment_header": ""}, "need one another"),
        ({"segments": ("a",), "segment_header": "x plan"}, "'x plan' is no header name"),
    ],
)
def test_unsound_segments_are_refused(spoiled: dict[str, Any], words: str) -> None:
    """What a header, a baggage member or a bounded number of counters cannot hold."""
    front = replace(FRONT, **{"segment_header": "x-plan", **spoiled})
    with pytest.raises(TableUnsound, match=re.escape(words)):
        refuse_unsound(route_table(Release((BACK, front))))


@pytest.mark.parametrize(
    ("sample_bp", "share_bp", "twin_bp", "words"),
    [
        (10_001, 1, 0, "the sample of front is 10001 bp"),
        (-1, 1, 0, "the sample of front is -1 bp"),
        (0, 6_000, 4_001, "the shadow of front gets 6000 bp and twins of 4001 bp"),
        (0, 1, -1, "twins of -1 bp"),
    ],
)
def test_unsound_shares_are_refused(sample_bp: int, share_bp: int, twin_bp: int, words: str) -> None:
    """No request is copied twice, and nothing is more than everything."""
    split, shadow = Split(R2.id, 1, 7, sample_bp), Shadow(R2.id, share_bp, twin_bp)
    with pytest.raises(TableUnsound, match=words):
        refuse_unsound(route_table(R1, (R2,), {"front": split}, {"front": shadow}))


def test_shares_of_everything_are_sound() -> None:
    """A sample of all answers goes together with copies of all requests."""
    split, shadow = Split(R2.id, 10_000, 7, 10_000), Shadow(R2.id, 6_000, 4_000)
    refuse_unsound(route_table(R1, (R2,), {"front": split}, {"front": shadow}))
    refuse_unsound(everything())


def test_what_is_switched_off_is_not_in_the_routes() -> None:
    """Without segments and a split nothing is marked, told or captured; a sample alone changes the edge alone."""
    plain = json.dumps(translate(route_table(R1)).edge)
    assert not [name for name in (MARKS_FILTER, GROUP_FILTER, BAD_FILTER, CAPTURE_FILTER) if name in plain]
    some = route_table(R1, (R2,), {"front": Split(R2.id, 1_000, 7, sample_bp=1)})
    with_sample, without = translate(some), translate(table())
    assert (with_sample.clusters, with_sample.inner, with_sample.shadow) == (
        without.clusters,
        without.inner,
        without.shadow,
    )
    assert CAPTURE_FILTER in json.dumps(with_sample.edge)
    assert CAPTURE_FILTER not in json.dumps(without.edge)


def test_twins_are_of_the_same_requests_as_pairs() -> None:
    """Routes to either copy differ in nothing but target and share; so noise and difference compare."""
    shadow = Shadow(R2.id, 500, twin_bp=200)
    made = translate(route_table(R1, (R2,), shadows={"front": shadow}))
    conditions: dict[str, list[Any]] = {}
    for route in routes_in(made.edge):
        for mirror in route.get("route", {}).get("request_mirror_policies", ()):
            match = {k: v for k, v in route["match"].items() if k != "runtime_fraction"}
            conditions.setdefault(mirror["cluster"], []).append(match)
    assert list(conditions) == [f"shadow:front@{R2.id}", f"shadow:front@{R1.id}"]
    assert len({json.dumps(c) for c in conditions.values()}) == 1


def test_a_transition_has_what_either_table_has() -> None:
    """Every pin and cluster of both, the entries of the new one, and it is empty of change when nothing leaves."""
    alone = route_table(R1)
    wide = transition(alone, [table()])
    assert {(b.deployment.service, b.release) for b in wide.backends} == {
        (s, r.id) for s in ("front", "back.end") for r in (R1, R2)
    }
    assert wide.entries == alone.entries
    assert transition(table(), [alone]) == table()


@pytest.mark.parametrize(
    ("endpoint", "pair"),
    [("10.0.0.1:80", ("10.0.0.1", 80)), ("[::1]:8080", ("::1", 8080)), ("a.b-c.svc:1", ("a.b-c.svc", 1))],
)
def test_endpoints_are_host_and_port(endpoint: str, pair: tuple[str, int]) -> None:
    """Addresses of both families, and names."""
    assert split_endpoint(endpoint) == pair


@pytest.mark.parametrize("endpoint", ["a", "a:", ":1", "a:b", "a:0", "a:70000", ""])
def test_what_is_no_endpoint_is_refused(endpoint: str) -> None:
    """With the text in the message."""
    with pytest.raises(ValueError, match="host:port"):
        split_endpoint(endpoint)


def test_names_are_resolved_and_addresses_are_not() -> None:
    """A cluster of names needs DNS, one of addresses must not wait for it."""
    types = {c["name"]: c["type"] for c in translate(route_table(R1)).clusters}
    assert (types[f"back.end@{R1.id}"], types[f"front@{R1.id}"]) == ("STRICT_DNS", "STATIC")


@pytest.mark.parametrize("kind", list(Kind))
def test_route_names_are_read_back(kind: Kind) -> None:
    """Also with a dot in the service; anything else is not ours."""
    name = RouteName("svc.a", "r1", kind)
    assert parse_route(str(name)) == name
    assert parse_route("none") is parse_route("a|b|c") is parse_route("") is None
