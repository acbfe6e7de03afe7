"""What those around a moved service notice: callers, by direction and behaviour, and readers of what is kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from interlock.domain.catalog.asset import AssetId, Kind
from interlock.domain.catalog.behaviour import Behaviour, ErrorAnswer, weakened
from interlock.domain.catalog.consumer import Keeping, Use, Writing
from interlock.domain.catalog.service import ServiceSpec, ServiceVersion, VersionRef
from interlock.domain.changes.coherence import check_change, check_uses
from interlock.domain.changes.cut import cut
from interlock.domain.changes.interfaces import flows, interface_findings, order_findings, spelled
from interlock.domain.changes.request import Change, Move
from interlock.domain.changes.workspace import Workspace
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.ops import Unit
from interlock.domain.schemas.contract import record
from interlock.domain.schemas.field import INTEGER, STRING, Field
from interlock.domain.schemas.order import Order, order
from interlock.kernel.errors import Missing

DELAY = Field("delay", INTEGER, unit="min")
CARRIER = Field("carrier", STRING)
REPORT = AssetId(Kind.JOB, "report")
ASKED, GIVEN = VersionRef("ask", "1"), VersionRef("answer", "1")


def workspace(newer: tuple[Field, ...], asked: tuple[Field, ...] = (CARRIER,)) -> Workspace:
    """A service whose version 2 answers with `newer` and asks for `asked`; a caller, and a report that reads."""
    versions = {
        str(n): ServiceVersion(
            (f"h:{n}",), request=VersionRef("ask", str(n)), response=VersionRef("answer", str(n))
        )
        for n in (1, 2)
    }
    scorer = ServiceSpec("scorer", "1", versions, callers_request=ASKED, callers_response=GIVEN)
    caller = ServiceSpec("shop", "1", {"1": ServiceVersion(("h:9",))}, calls=("scorer",))
    return Workspace(
        name="w",
        services={"scorer": scorer, "shop": caller},
        contracts={
            ("ask", "1"): record("ask", "1", (CARRIER,)),
            ("ask", "2"): record("ask", "2", asked),
            ("answer", "1"): record("answer", "1", (DELAY, CARRIER)),
            ("answer", "2"): record("answer", "2", newer),
        },
    )


MOVE = Move("service", "scorer", "2", "c.yaml:5")
CHANGE = Change("first", "why", "alex", "sam", (MOVE,))
SECONDS = (replace(DELAY, unit="s"), CARRIER)


def found(declared: Workspace) -> list[tuple[str, str]]:
    return [(f.code, f.severity.value) for f in interface_findings(declared, CHANGE, {"scorer": "1"})]


def blocked(declared: Workspace) -> list[str]:
    return [f.code for f in check_change(declared, CHANGE) if f.code == "change.untranslatable"]


def test_what_is_understood_needs_no_lens() -> None:
    """A new optional input and an additional output pass as they are, and the plan says so."""
    declared = workspace((DELAY, CARRIER, Field("score", INTEGER)), (CARRIER, replace(DELAY, required=False)))
    assert found(declared) == [("interface.compatible", "info")] * 2
    assert blocked(declared) == []
    assert cut(declared, {"scorer": "2"}).deployments[0].request == ()


def test_a_request_is_read_by_the_new_version_and_a_response_by_the_callers() -> None:
    """A required input breaks old requests; a removed output breaks old callers; neither the other way round."""
    assert blocked(workspace((DELAY, CARRIER), (CARRIER, DELAY))) == ["change.untranslatable"]
    assert blocked(workspace((DELAY, CARRIER), ())) == []
    assert blocked(workspace((DELAY,))) == ["change.untranslatable"]
    with pytest.raises(Missing):
        cut(workspace((DELAY,)), {"scorer": "2"})


def test_a_changed_unit_is_wrong_although_it_fits_and_a_lens_mends_it() -> None:
    """The same type in another unit is refused until a lens stands between."""
    declared = workspace(SECONDS)
    assert blocked(declared) == ["change.untranslatable"]
    lens = Lens("answer", "1", "2", (Unit("delay", 60),))
    mended = replace(declared, lenses=(lens,))
    assert blocked(mended) == []
    assert cut(mended, {"scorer": "2"}).deployments[0].response != ()


def test_what_no_caller_looks_at_may_change() -> None:
    """Callers that declare their fields are not broken by others; a caller that says nothing reads everything."""
    declared = workspace(SECONDS)
    shop = AssetId(Kind.SERVICE, "shop")
    picky = replace(declared, uses=(Use(shop, GIVEN, ("carrier",)),))
    assert blocked(picky) == []
    assert ("interface.unused", "info") in found(picky)
    assert blocked(replace(declared, uses=(Use(shop, GIVEN, ("delay",)),))) == ["change.untranslatable"]
    edge = replace(declared.services["scorer"], edge=True)
    outside = replace(picky, services={**picky.services, "scorer": edge})
    assert blocked(outside) == ["change.untranslatable"]


def test_readers_of_what_is_kept_are_told_by_name() -> None:
    """A report that reads what changes is broken, one that reads something else is not, and one that moved is
    fine.
    """
    declared = replace(workspace(SECONDS), lenses=(Lens("answer", "1", "2", (Unit("delay", 60),)),))
    for use, code in (
        (Use(REPORT, GIVEN, ("delay",), "r.yaml:3"), "interface.breaks_reader"),
        (Use(REPORT, GIVEN, ("carrier",)), "interface.unused"),
    ):
        assert code in [c for c, _ in found(replace(declared, uses=(use,)))]
    moved = replace(declared, uses=(Use(REPORT, VersionRef("answer", "2")),))
    assert [c for c, _ in found(moved)] == ["interface.compatible"]


def there(declared: Workspace, change: Change = CHANGE) -> Order:
    return order(flows(declared, change, {}))


def back(declared: Workspace, change: Change = CHANGE) -> Order:
    return order(flows(declared, change, {}), is_back=True)


def told(declared: Workspace) -> list[str]:
    return [f.code for f in order_findings(CHANGE, there(declared), back(declared))]


def test_the_order_follows_from_what_reads_what() -> None:
    """Readers go first when only they can bridge; no order is said to be none; what they do not read does not
    count.
    """
    use = Use(REPORT, GIVEN)
    widened = replace(workspace((replace(DELAY, nullable=True), CARRIER)), uses=(use,))
    assert spelled(there(widened)) == (("job:report moves",), ("service:scorer moves",))
    assert told(widened) == ["order.no_way_back"]
    narrowed = replace(workspace((replace(DELAY, minimum=0), CARRIER)), uses=(use,))
    assert told(narrowed) == ["order.none"]
    neither = replace(workspace(SECONDS), uses=(use,))
    assert told(neither) == ["order.none"]
    elsewhere = replace(neither, uses=(replace(use, fields=("carrier",)),))
    assert (spelled(there(elsewhere)), spelled(back(elsewhere)), told(elsewhere)) == ((), (), [])


TOPIC = Keeping(AssetId(Kind.STREAM, "answers"), "answer", is_drained=True)


def test_a_drain_that_is_declared_makes_an_order_and_a_way_back() -> None:
    """In all places that keep the contract: data is drained between those who write and those who read it."""
    use = Use(REPORT, GIVEN)
    narrowed = replace(workspace((replace(DELAY, minimum=0), CARRIER)), uses=(use,), keepings=(TOPIC,))
    drained = ("old data of answer is drained or rewritten",)
    assert spelled(there(narrowed)) == (("service:scorer moves",), drained, ("job:report moves",))
    assert spelled(back(narrowed)) == (("job:report goes back",), ("service:scorer goes back",))
    assert told(replace(narrowed, keepings=(TOPIC, replace(TOPIC, is_drained=False)))) == ["order.none"]
    widened = replace(workspace((replace(DELAY, nullable=True), CARRIER)), uses=(use,), keepings=(TOPIC,))
    drained = ("new data of answer is drained or rewritten",)
    assert spelled(back(widened)) == (("service:scorer goes back",), drained, ("job:report goes back",))
    assert told(widened) == []


def test_whoever_else_writes_the_contract_moves_with_it() -> None:
    """A job that still writes the older version is one of the producers; one that writes the new one is done, and
    one that reads as well moves in two steps.
    """
    widened = replace(workspace((replace(DELAY, nullable=True), CARRIER)), uses=(Use(REPORT, GIVEN),))
    nightly = Writing(AssetId(Kind.JOB, "nightly"), GIVEN)
    both = replace(widened, writings=(nightly, Writing(AssetId(Kind.JOB, "done"), VersionRef("answer", "2"))))
    assert spelled(there(both)) == (("job:report moves",), ("job:nightly moves", "service:scorer moves"))
    moved = replace(CHANGE, moves=(Move("contract", "answer", "2"),))
    assert spelled(there(both, moved)) == (("job:report moves",), ("job:nightly moves",))
    own = replace(widened, writings=(Writing(REPORT, GIVEN),))
    assert told(own) == ["order.no_way_back", "order.split"]
    assert spelled(there(own)) == (("job:report can read",), ("job:report writes", "service:scorer moves"))


def test_uses_name_what_there_is() -> None:
    """A version or a field that does not exist is an error at the use."""
    declared = workspace(SECONDS)
    for use, code in (
        (Use(REPORT, VersionRef("answer", "7"), (), "r.yaml:3"), "version.unknown"),
        (Use(REPORT, GIVEN, ("dely",), "r.yaml:3"), "use.unknown_field"),
    ):
        (finding,) = check_uses(replace(declared, uses=(use,)))
        assert (finding.code, finding.where, finding.is_blocking) == (code, "r.yaml:3", True)
    assert list(check_uses(replace(declared, uses=(Use(REPORT, GIVEN, ("delay",)),)))) == []
    (finding,) = check_uses(replace(declared, writings=(Writing(REPORT, VersionRef("answer", "7"), "r.yaml:4"),)))
    assert (finding.code, finding.where) == ("version.unknown", "r.yaml:4")


def test_paths_meet_around_and_within() -> None:
    """Reading a struct reads its fields, and reading a field of it reads that part."""
    use = Use(REPORT, GIVEN, ("lines.price",))
    assert [use.touches(p) for p in ("lines[].price", "lines", "lines[].price.net", "lines[].qty", "line", "")] == [
        *(True, True, True, False, False, True)
    ]


KNOWN = Behaviour(0.2, 0.999, (ErrorAnswer(409, "scored already", may_retry=True), ErrorAnswer(500)))


@pytest.mark.parametrize(
    ("newer", "expected", "codes"),
    [
        (KNOWN, Behaviour(), []),
        (replace(KNOWN, latency_p99_s=0.3), Behaviour(), [("behaviour.latency", "warning")]),
        (replace(KNOWN, latency_p99_s=0.3), Behaviour(0.25), [("behaviour.latency", "error")]),
        (replace(KNOWN, latency_p99_s=None), Behaviour(0.25), [("behaviour.latency", "error")]),
        (replace(KNOWN, availability=0.99), Behaviour(), [("behaviour.availability", "warning")]),
        (replace(KNOWN, availability=None), Behaviour(None, 0.99), [("behaviour.availability", "error")]),
        (replace(KNOWN, errors=(*KNOWN.errors, ErrorAnswer(503))), Behaviour(), []),
        (
            replace(KNOWN, errors=(*KNOWN.errors, ErrorAnswer(422))),
            Behaviour(),
            [("behaviour.error_added", "error")],
        ),
        (
            replace(KNOWN, errors=(ErrorAnswer(409, "scored already"),)),
            Behaviour(),
            [("behaviour.error_retry", "error")],
        ),
        (
            replace(KNOWN, errors=(ErrorAnswer(409, "too many", True),)),
            Behaviour(),
            [("behaviour.error_meaning", "error")],
        ),
    ],
)
def test_a_new_version_promises_no_less(
    newer: Behaviour, expected: Behaviour, codes: list[tuple[str, str]]
) -> None:
    """Less than callers expect is an error, less than before a warning; errors keep their meaning."""
    assert [(code, severity.value) for code, severity, *_ in weakened(KNOWN, newer, expected)] == codes
