"""Our nouns through plain JSON and back: equal, with an equal digest."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from interlock.domain.audit.event import Event
from interlock.domain.catalog.service import ServiceSpec, ServiceVersion, VersionRef
from interlock.domain.changes.request import Change, GateSpec, Move, Role, ShadowStep, Steps, Window
from interlock.domain.changes.workspace import Person
from interlock.domain.checks.evidence import ArmCounts, Block, ServiceCounts
from interlock.domain.lenses.expressions.nodes import FLOAT, TEXT, Column, Constant
from interlock.domain.lenses.expressions.typing import call
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.ops import (
    Add,
    Blank,
    Cast,
    Computed,
    Drop,
    Each,
    Fill,
    Head,
    Inside,
    Map,
    Nest,
    Recombine,
    Rename,
    Unit,
    Unnest,
    Wrap,
)
from interlock.domain.releases.release import Deployment, Release, Replay
from interlock.domain.releases.route_table import Shadow, Split, route_table
from interlock.domain.schemas.contract import record
from interlock.domain.schemas.field import NUMBER, STRING, Field
from interlock.engine.codec import dump, load, parse
from interlock.kernel.digest import digest
from interlock.kernel.errors import Invalid

AT = datetime(2026, 5, 1, 8, 30, 0, 1, tzinfo=UTC)
PROGRAM = (
    Rename("a", "b"),
    Add("c", None),
    Add("d", 1),
    Add("e", "1"),
    Add("f", True),
    Drop("g", 1.5),
    Cast("h", "integer", "string"),
    Unit("i", 60, offset=-273.15, integer=True),
    Map("j", (("x", 1), (None, False), (2.5, "2.5")), (None,)),
    Add("k", value=call("mul", Column("x", FLOAT), Constant(2.0, FLOAT))),
    Recombine(
        (Computed("l", Column("m", TEXT)),), (Computed("m", call("upper", Column("l", TEXT)), is_needed=True),)
    ),
    Nest(("n", "o"), "p"),
    Inside("p", (Each("n", (Fill("q", 0), Blank("r", "N/A"), Wrap("s"))), Head("o"))),
    Unnest(("n", "o"), "p"),
)
BASELINE = Release((Deployment("delay", "1", ("h:1", "h:2"), edge=True, replay=Replay(True, ("/p",))),))
CANDIDATE = Release(
    (Deployment("delay", "2", ("h:3",), timeout_s=2, request=PROGRAM, response=PROGRAM[:2]),),
)
NOUNS = [
    BASELINE,
    CANDIDATE,
    route_table(BASELINE, (CANDIDATE,), {"delay": Split("r1", 100, 2**64 - 1)}, {"delay": Shadow("r1", 5_000)}),
    Change(
        "new-delay",
        "why",
        "ana",
        "ben",
        (Move("service", "delay", "2"), Move("contract", "flight", "2", "c.yaml:3")),
        (GateSpec("outcome", "delay", 0.5, "absolute_error", 60), GateSpec("errors", "delay", 0)),
        Steps(ShadowStep(10_000, 30, max_difference=0), (100, 10_000), on_expiry="rollback"),
        Window(AT, None),
    ),
    Block(3, 5, {"delay": ServiceCounts(ArmCounts(9, 1, {-3: 4, 12: 5}, {"loss": {0: 1}}), ArmCounts())}),
    Lens("flight", "1", "2", PROGRAM, "l.yaml:1"),
    record(
        "flight",
        "1",
        (
            Field("a", STRING, enum=("x", 1, 1.5, True, None), default=(None,)),
            Field("b", NUMBER, False, True, "min", minimum=0, maximum=1.5),
        ),
    ),
    ServiceSpec("delay", "1", {"1": ServiceVersion(("h:1",), VersionRef("flight", "1"))}, replay="all"),
    ServiceSpec("delay", "1", {}, replay=("all",)),
    Person("ana", frozenset({Role.SPONSOR, Role.OWNER})),
    Event(AT, "ana", "change.opened", "change:x", facts={"n": [1, 2.0, {"x": None}]}),
]


@pytest.mark.parametrize("noun", NOUNS, ids=lambda n: type(n).__name__)
def test_a_noun_comes_back_equal_with_an_equal_digest(noun: Any) -> None:
    """Also through text, and also where a whole number was given for a float."""
    back = load(type(noun), json.loads(json.dumps(dump(noun))))
    assert back == noun
    assert digest(back) == digest(noun)
    assert parse(type(noun), json.dumps(dump(noun))) == noun


def test_values_of_a_union_keep_their_type() -> None:
    """1, 1.0, True and "1" are four values of a scalar field."""
    for value in (1, 1.0, True, "1", None):
        assert type(load(Add, dump(Add("f", value))).default) is type(value)


def test_a_tuple_comes_back_as_a_tuple_and_a_bin_as_a_number() -> None:
    """JSON has neither; the types say what they were."""
    assert load(Release, dump(BASELINE)).deployments[0].endpoints == ("h:1", "h:2")
    assert load(Block, dump(NOUNS[4])).services["delay"].candidate.latency == {-3: 4, 12: 5}


def test_a_field_that_is_absent_takes_its_default_and_an_unknown_one_is_ignored() -> None:
    """So that releases before and after a new field read one another's documents."""
    assert load(Move, {"kind": "model", "name": "m", "to": "2", "new": 1}) == Move("model", "m", "2")


@pytest.mark.parametrize(
    ("noun", "body", "says"),
    [
        (Move, {"kind": "planet", "name": "m", "to": "2"}, "kind: "),
        (Move, {"kind": "model", "name": 1, "to": "2"}, "name: "),
        (Move, {"kind": "model", "name": "m"}, "to: "),
        (Move, [1], "the whole: "),
        (Split, {"candidate": "r", "weight_bp": "5", "seed": 1}, "weight_bp: "),
        (Split, {"candidate": "r", "weight_bp": True, "seed": 1}, "weight_bp: "),
        (Lens, {"contract": "c", "older": "1", "newer": "2", "ops": [{"op": "melt", "field": "x"}]}, "ops.0"),
        (Block, {"number": 0, "seconds": 1.0, "services": {"s": {"candidate": {"latency": {"x": 1}}}}}, "latency"),
    ],
)
def test_json_of_another_shape_is_invalid_and_the_place_is_named(noun: type, body: object, says: str) -> None:
    """Text is not taken for a number, nor a truth value."""
    with pytest.raises(Invalid, match=says) as refused:
        load(noun, body)
    assert refused.value.code == "document.unreadable"
    assert noun.__name__ in refused.value.message


def test_text_that_is_no_json_is_invalid() -> None:
    """The same error as for another shape."""
    with pytest.raises(Invalid, match="the whole"):
        parse(Move, "{")
