"""Laws of the workspace: whatever is in the files, loading ends with findings; what is sound, loads."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from interlock.adapters.workspace.kinds import KINDS
from interlock.adapters.workspace.loader import WorkspaceFiles
from interlock.adapters.workspace.template import write_template
from interlock.domain.catalog.asset import AssetId, Kind, Link
from interlock.domain.catalog.graph import cycles, downstream, graph_of
from interlock.domain.catalog.impact import impact
from interlock.kernel.finding import Finding


def starter() -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        return [path.read_text() for path in write_template(Path(folder)) if path.suffix == ".yaml"]


def load(texts: list[bytes]) -> tuple[Any, list[Finding]]:
    with tempfile.TemporaryDirectory() as folder:
        for number, text in enumerate(texts):
            name = "interlock.yaml" if b"kind: Workspace" in text else f"f{number}.yaml"
            Path(folder, name).write_bytes(text)
        return WorkspaceFiles(Path(folder)).load()


STARTER = starter()
GARBAGE = st.one_of(
    st.binary(max_size=200),
    st.text(alphabet="ab:-{}[]&*!?|>'\"#%@,\n\t 01.~<", max_size=200).map(str.encode),
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A starter file with some of its characters replaced, removed or doubled."""
    text = bytearray(draw(st.sampled_from(STARTER)).encode())
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text) - 1))
        text[at : at + draw(st.integers(0, 6))] = draw(st.sampled_from(SPLICES) | st.binary(max_size=3))
    return bytes(text)


SPLICES = [
    b"",
    b"\n",
    b"\t",
    b": ",
    b"- ",
    b"&a ",
    b"*a",
    b"{",
    b"]",
    b"!!x ",
    b"'",
    b"1",
    b"%",
    b"\xff",
    b"\n---\n",
]


@st.composite
def misfit(draw: st.DrawFn) -> bytes:
    """A starter document in which something somewhere is another value."""
    document = yaml.safe_load(draw(st.sampled_from(STARTER)))
    node = document
    while True:
        keys = list(range(len(node))) if isinstance(node, list) else list(node)
        key = draw(st.sampled_from(keys))
        if not isinstance(node[key], dict | list) or not node[key] or draw(st.booleans()):
            node[key] = draw(VALUES)
            return yaml.safe_dump(document, allow_unicode=True).encode("utf-8", "replace")
        node = node[key]


@given(st.lists(GARBAGE | mutated() | misfit(), max_size=4))
def test_no_file_crashes_the_loader(texts: list[bytes]) -> None:
    """Random bytes, broken YAML and misshapen declarations yield findings, each with its place and its code."""
    _, findings = load(texts)
    assert all(finding.code and finding.says and finding.where for finding in findings)


@given(st.sampled_from(sorted(KINDS)), st.dictionaries(st.text(max_size=8) | st.sampled_from(["name"]), VALUES))
def test_any_value_of_any_kind_is_survived(kind: str, fields: dict[str, Any]) -> None:
    """A document of a known kind may hold anything in any field."""
    properties = KINDS[kind]["properties"]
    document = {"kind": kind, **dict(zip(properties, fields.values(), strict=False)), **fields}
    load([yaml.safe_dump(document | {"kind": kind}).encode("utf-8", "replace")])


NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9]", fullmatch=True)
VERSIONS = st.sampled_from(["1", "2", "1.0", "1.10", "2024-05-01", "true", "no", "0x1"])


@st.composite
def sound(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Services that call only later ones, each with models of existing versions."""
    names = draw(st.lists(NAMES, min_size=1, max_size=5, unique=True))
    versions = draw(st.lists(VERSIONS, min_size=1, max_size=3, unique=True))
    documents: list[dict[str, Any]] = [{"kind": "Workspace", "name": "shop"}]
    for number, name in enumerate(names):
        endpoints = {v: f"127.0.0.1:{9000 + 10 * number + i}" for i, v in enumerate(versions)}
        documents.append(
            {
                "kind": "Service",
                "name": name,
                "owner": "alex",
                "serving": draw(st.sampled_from(versions)),
                "calls": draw(st.lists(st.sampled_from(names[number + 1 :] or [name]), unique=True))
                if names[number + 1 :]
                else [],
                "versions": {v: {"endpoints": [endpoints[v]], "model": f"m-{name}@{v}"} for v in versions},
            }
        )
        model = {"kind": "Model", "name": f"m-{name}", "owner": "alex", "serving": versions[0]}
        documents.append({**model, "versions": {v: {} for v in versions}})
    return documents


@given(sound())
def test_a_sound_workspace_loads_as_it_was_written(documents: list[dict[str, Any]]) -> None:
    """No findings, and every service with its versions by their text, quoted or not."""
    quoted = [yaml.safe_dump(document).encode() for document in documents]
    unquoted = [text.replace(b"'", b"") for text in quoted]
    for texts in (quoted, unquoted):
        workspace, findings = load(texts)
        assert findings == []
        wanted = {d["name"]: (d["serving"], set(d["versions"])) for d in documents if d["kind"] == "Service"}
        assert {n: (s.serving, set(s.versions)) for n, s in workspace.services.items()} == wanted


EDGES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=5, max_size=20, unique=True)


@given(EDGES, st.integers(0, 5))
def test_impact_is_what_can_be_reached(edges: list[tuple[int, int]], start: int) -> None:
    """Impact is the transitive closure, each path is unbroken from the change, and none could be shorter."""
    nodes = [AssetId(Kind.DATASET, str(number)) for number in range(6)]
    graph = graph_of((), [Link(nodes[a], nodes[b], "reads") for a, b in [*edges, (start, start)]])
    reached, distance, step = {start: 0}, 0, {start}
    while step:
        distance += 1
        step = {b for a, b in edges if a in step and b not in reached}
        reached |= dict.fromkeys(step, distance)
    found = impact(graph, [nodes[start]])
    assert {int(one.asset.name): one.distance for one in found} == {n: d for n, d in reached.items() if d}
    for one in found:
        ends = [nodes[start], *(link.downstream for link in one.path)]
        assert [link.upstream for link in one.path] == ends[:-1]
        assert (ends[-1], len(one.path)) == (one.asset, one.distance)


@given(EDGES)
def test_a_cycle_is_found_exactly_where_there_is_one(edges: list[tuple[int, int]]) -> None:
    """Every reported cycle closes, and every asset that reaches itself shares a knot with one of them."""
    nodes = [AssetId(Kind.DATASET, str(number)) for number in range(6)]
    graph = graph_of((), [Link(nodes[a], nodes[b], "reads") for a, b in edges])
    found = cycles(graph)
    for cycle in found:
        assert [link.downstream for link in cycle] == [*(link.upstream for link in cycle[1:]), cycle[0].upstream]
    reach = {asset.id: {asset.id, *downstream(graph, [asset.id])} for asset in graph.nodes}
    knots = {
        frozenset(b for b in reach[a] if a in reach[b])
        for link in graph.links
        if (a := link.upstream) in reach[link.downstream]
    }
    assert {frozenset(b for b in reach[c[0].upstream] if c[0].upstream in reach[b]) for c in found} == knots
    assert len(found) == len(knots)
