"""On a real Envoy: whatever the lens and the body, Lua in the proxy, the hop and the reference agree."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from interlock.adapters.envoy import lua
from interlock.adapters.envoy.hop import control
from interlock.domain.lenses.apply import Rejected, translate_text
from interlock.domain.lenses.inline import lua_lacks
from interlock.domain.lenses.ops import Program, Unit
from interlock.domain.releases.route_table import route_table
from interlock.domain.schemas.scalars import equal_json
from support.echo import Answer, Echo, serving
from support.gateway import Gateway, cut, deployed, gateway
from support.lens_cases import SLOW, lenses, rough_rows
from support.lens_programs import programs, records_for, spelled

Case = tuple[Program, list[str]]
LENSES, BODIES = 8, 4
SETTINGS: dict[str, Any] = {
    "deadline": None,
    "database": None,
    "derandomize": True,
    "phases": [Phase.generate],
    "suppress_health_check": [*SLOW, HealthCheck.function_scoped_fixture],
}


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    with serving(Echo("service")) as made:
        yield made


@pytest.fixture(scope="module")
def envoy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("engines")) as made:
        yield made


@st.composite
def plain_cases(draw: st.DrawFn) -> Case:
    """A lens that both engines run, and bodies in all spellings: one record, or a list."""
    program = draw(programs)
    one = records_for(program)
    bodies = (one | st.lists(one, max_size=2)).flatmap(spelled)
    return program, draw(st.lists(bodies, min_size=1, max_size=BODIES))


@st.composite
def computing_cases(draw: st.DrawFn) -> Case:
    """A lens between two contracts, mostly with expressions, and rows as they come from outside."""
    lens, older, _ = draw(lenses())
    rows = draw(st.lists(rough_rows(older, is_json=True), min_size=1, max_size=BODIES))
    return lens.ops, [json.dumps(row) for row in rows]


def exact(text: str) -> Any:
    """JSON with every digit: 100 and 100.0 are one number, 0.1 and 0.10000000000000001 are two."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def shown(rejected: Rejected) -> str:
    field = re.sub(rb"[^A-Za-z0-9_.-]", b"?", rejected.field.encode("utf-8", "surrogatepass")).decode()
    return f"`{field}` {rejected.reason}" if rejected.field else rejected.reason


def differs(expected: str | Rejected, got: Answer, translated: str | None) -> bool:
    """Whether an engine did something else than the reference. `translated`: what the other side read."""
    if isinstance(expected, Rejected):
        refused = got.json if got.headers.get("content-type") == "application/problem+json" else {}
        return (got.status, refused.get("detail")) != (422, shown(expected))
    return got.status != 200 or translated is None or not equal_json(json.loads(translated), json.loads(expected))


def reference(program: Program, text: str) -> str | Rejected:
    try:
        return translate_text(program, text)
    except Rejected as rejected:
        return rejected


def differences(envoy: Gateway, echo: Echo, cases: list[Case]) -> list[tuple[Program, str, str]]:
    """Every body that an engine translates otherwise: the lens, the text, the engine."""
    engines = {n: ("hop",) if lua_lacks(program) else ("lua", "hop") for n, (program, _) in enumerate(cases)}
    made = [
        deployed(f"{engine}{n}", echo, request=cases[n][0], lens_engine=engine)
        for n in engines
        for engine in engines[n]
    ]
    envoy.plane.publish(route_table(cut(*made)))
    found = []
    for number, (program, texts) in enumerate(cases):
        for text in texts:
            expected, read = reference(program, text), {}
            for engine in engines[number]:
                echo.seen.clear()
                got = envoy.ask(f"/{engine}{number}/x", text.encode("utf-8", "surrogatepass"))
                read[engine] = str(echo.seen[0]["body"]) if echo.seen else None
                if differs(expected, got, read[engine]):
                    found.append((program, text, engine))
            both = [exact(one) for one in read.values() if one is not None]
            if len(both) == 2 and both[0] != both[1]:
                found.append((program, text, "digits"))
    return found


@settings(max_examples=4, **SETTINGS)
@given(cases=st.lists(plain_cases(), min_size=LENSES, max_size=LENSES))
def test_lua_and_the_hop_do_what_the_reference_does(envoy: Gateway, echo: Echo, cases: list[Case]) -> None:
    """Accepted bodies have the same value, to the digit; rejected ones the same status and reason."""
    assert differences(envoy, echo, cases) == []


@settings(max_examples=3, **SETTINGS)
@given(cases=st.lists(computing_cases(), min_size=LENSES, max_size=LENSES))
def test_the_hop_computes_what_the_reference_computes(envoy: Gateway, echo: Echo, cases: list[Case]) -> None:
    """Lenses with expressions, on rows that keep their contract and rows that do not."""
    assert differences(envoy, echo, cases) == []


HALVES: list[Case] = [((Unit("a", 1, 2, integer=True),), ['{"a": 7}', '{"a": 3, "b": 0.70}', '{"a": "x"}'])]


def test_a_fault_in_lua_is_found(tmp_path: Path, echo: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ties rounded up, one of three bodies differs."""
    broken = lua.RUNTIME.replace("low % 2 == 1", "true")
    assert broken != lua.RUNTIME
    monkeypatch.setattr(lua, "RUNTIME", broken)
    with gateway(tmp_path) as envoy:
        found = differences(
            envoy, echo, [((Unit("a", 1, 2, integer=True),), ['{"a": 1}', '{"a": 3}', '{"a": "x"}'])]
        )
    assert [(text, engine) for _, text, engine in found] == [('{"a": 1}', "lua"), ('{"a": 1}', "digits")]


def test_a_fault_in_the_hop_is_found(tmp_path: Path, echo: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hop that writes another digit is seen by both comparisons."""
    monkeypatch.setattr(control, "MODULE", "support.broken_hop")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    with gateway(tmp_path) as envoy:
        found = differences(envoy, echo, HALVES)
    assert {(text, engine) for _, text, engine in found} == {(HALVES[0][1][1], "hop"), (HALVES[0][1][1], "digits")}
