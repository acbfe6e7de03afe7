"""Declared metrics in the engine: which time is asked for, by whom, and what a silent or broken source does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.adapters.store.sql import open_store
from interlock.domain.changes.request import ClimbStep, GateSpec, Steps
from interlock.domain.checks.evidence import ArmCounts, ServiceCounts
from interlock.domain.checks.metric import Arms, Count, Counted, Metric, MetricQuery, NoReading, Reading, Span
from interlock.domain.gates.gate import Gate
from interlock.engine.context import Context
from interlock.engine.gates import gates_view
from interlock.engine.plans import approve_change, plan_change
from interlock.engine.ports import MetricSource
from interlock.engine.readings import LONGEST, Answered, Reach, Readings, Sourced, file, from_outside, sourced
from interlock.engine.reconcile import Loop
from interlock.engine.releases import adopt_declared
from interlock.engine.rollouts import find, start
from interlock.engine.supplies import Closing, read_supplies, supplied
from support.gateway import eventually
from support.world import START, Declared, ManualClock, SimPlane, SimProbe, change, workspace

QUERY = MetricQuery("refusals", "counts", "q", "b")
METRIC = Metric("refusals", "http://prometheus", QUERY, every_s=10.0, cap=1.0)
STEPS = change().steps
QUICK = replace(METRIC, every_s=3.0)
GATE = Gate("scoring/outcome/refusals", "outcome", "scoring", 0.05, outcome="refusals", cap=1.0)
ASKED = Sourced(GATE, METRIC, QUERY, Arms("r2", "r1"))
GOOD = Counted(Count(100, 1), Count(900, 9))
NOTHING = NoReading("empty", "nothing was found on the candidate", "Check the metric's name")


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def span(start: float, end: float) -> Span:
    return Span(at(start), at(end))


def served(*parts: tuple[int, int, int]) -> Reach:
    """Blocks of a second over (from, to, weight)."""
    reach = Reach()
    for begin, end, weight_bp in parts:
        for second in range(begin, end):
            reach = reach.served(at(second), at(second + 1), weight_bp).tidied(METRIC)
    return reach


def test_a_stretch_is_due_when_it_is_over_and_its_lag_too() -> None:
    """Whole intervals only, at most LONGEST of them at once."""
    reach = served((0, 25, 1_000))
    assert reach.due(METRIC, at(9.9)) is None
    assert reach.due(METRIC, at(25)) == span(0, 20)
    assert reach.due(replace(METRIC, lag_s=15.0), at(25)) == span(0, 10)
    assert served((0, 500, 1_000)).due(METRIC, at(500)) == span(0, 10 * LONGEST)


def test_spans_follow_one_another() -> None:
    """The next one begins where the last one ended."""
    reach = served((0, 25, 1_000)).passed(span(0, 20), METRIC, is_filed=True)
    assert reach.due(METRIC, at(25)) is None
    assert reach.filed_to == at(20)
    assert reach.served(at(25), at(30), 1_000).due(METRIC, at(30)) == span(20, 30)


def test_no_span_holds_two_weights() -> None:
    """A change of weight ends a stretch; what is left of it goes with its last span, and the next begins there."""
    reach = served((0, 24, 1_000), (24, 60, 5_000))
    first = reach.due(METRIC, at(60))
    assert first == span(0, 24)
    assert reach.passed(first, METRIC, is_filed=True).due(METRIC, at(60)) == span(24, 54)


def test_a_stretch_that_is_too_short_is_not_read() -> None:
    """Three seconds between two changes of weight say too little."""
    assert served((0, 3, 1_000), (3, 20, 5_000)).due(METRIC, at(20)) == span(3, 13)


def test_time_without_exposure_belongs_to_no_span() -> None:
    """Paused evidence, as between two stages, makes a gap."""
    reach = served((0, 20, 1_000), (40, 60, 1_000))
    first = reach.due(METRIC, at(60))
    assert first == span(0, 20)
    assert reach.passed(first, METRIC, is_filed=True).due(METRIC, at(60)) == span(40, 60)


BLOCKS = st.lists(
    st.tuples(st.floats(-300, 300), st.floats(0.5, 90), st.sampled_from([500, 5_000]), st.booleans()), max_size=40
)


@given(BLOCKS)
def test_no_time_is_read_twice_whatever_the_clock_does(blocks: list[tuple[float, float, int, bool]]) -> None:
    """Clocks that jump to and fro, answers that fail: spans rise, and none overlaps or has a negative length."""
    reach, now, read = Reach(), 0.0, list[Span]()
    for jump, seconds, weight_bp, is_answered in blocks:
        begin, now = now + jump, now + jump + seconds
        reach = reach.served(at(begin), at(now), weight_bp).tidied(METRIC)
        due = reach.due(METRIC, at(now))
        if due is None:
            continue
        assert due.seconds >= METRIC.every_s - 1e-3
        filed = file(ASKED, reach, Answered(due, at(now), GOOD if is_answered else NOTHING), at(now))
        if is_answered:
            read.append(due)
            assert sum(filed.counts.candidate.losses["refusals"].values()) == 100
        reach = filed.reach
    assert all(a.end <= b.start for a, b in pairwise(read))


def test_an_answer_counts_once() -> None:
    """The same answer at the next look is passed over, and so is one of another time."""
    reach = served((0, 25, 1_000))
    filed = file(ASKED, reach, Answered(span(0, 20), at(25), GOOD), at(25))
    assert filed.counts.candidate.losses == {"refusals": {0: 99, 200: 1}}
    again = file(ASKED, filed.reach, Answered(span(0, 20), at(25), GOOD), at(26))
    assert again.counts.candidate.losses == {}
    assert file(ASKED, reach, Answered(span(5, 25), at(25), GOOD), at(25)).reach == reach


def test_what_is_not_there_is_asked_again_and_given_up_in_the_end() -> None:
    """Empty time joins the next, up to LONGEST intervals; an unreachable source is waited for."""
    reach = served((0, 100, 1_000))
    lacking = Answered(span(0, 50), at(50), NOTHING, NOTHING)
    kept = file(ASKED, reach, lacking, at(50))
    assert kept.reach == reach
    assert "nothing was found on the candidate" in kept.supply.lack
    assert kept.supply.remedy == "Check the metric's name"
    assert file(ASKED, reach, replace(lacking, span=span(0, 80)), at(80)).reach.due(METRIC, at(100)) == span(
        80, 100
    )
    gone = NoReading("unavailable", "it did not answer")
    waiting = file(ASKED, reach, Answered(span(0, 80), at(80), gone, gone), at(99))
    assert waiting.reach.due(METRIC, at(100)) == span(0, 80)


def test_numbers_that_stopped_coming_are_told() -> None:
    """Four intervals and a while after the last ones, with how long the source has been asked."""
    reach = served((0, 20, 1_000)).passed(span(0, 20), METRIC, is_filed=True)
    assert file(ASKED, reach, None, at(50)).supply.lack == ""
    told = file(ASKED, reach, Answered(span(20, 30), at(31)), at(80)).supply
    assert told.lack == "refusals has no numbers of the last 60 s; its source has not answered for 49 s"
    assert told.remedy


def test_a_clock_that_went_back_is_no_fresh_evidence() -> None:
    """What was read of a time that has not come is nothing that is known of now."""
    reach = served((0, 20, 1_000)).passed(span(0, 20), METRIC, is_filed=True)
    assert file(ASKED, reach, None, at(10)).supply.lack == ""
    told = file(ASKED, reach.served(at(-600), at(-599), 1_000), None, at(-599)).supply
    assert told.lack.startswith("the clock went back: refusals was read up to 619 s from now")


@dataclass
class FakeSource:
    """Says what `says` says; `asked` has every span; blocks while `gate` is closed."""

    says: Callable[[Span], Reading]
    asked: list[tuple[Arms, Span]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    closed: threading.Event = field(default_factory=threading.Event)

    def read(self, query: MetricQuery, arms: Arms, span: Span) -> Reading:
        self.asked.append((arms, span))
        assert self.gate.wait(20)
        return self.says(span)

    def close(self) -> None:
        self.closed.set()


@dataclass
class FakeSources:
    """Opens one source for all."""

    source: FakeSource
    opened: list[str] = field(default_factory=list)

    def open(self, metric: Metric) -> MetricSource:
        self.opened.append(metric.name)
        return self.source


def crash(span: Span) -> Reading:
    raise RuntimeError(f"secret of {span}")


@pytest.fixture
def source() -> FakeSource:
    made = FakeSource(lambda _: GOOD)
    made.gate.set()
    return made


@pytest.fixture
def readings(source: FakeSource) -> Iterator[Readings]:
    made = Readings(FakeSources(source))
    yield made
    source.gate.set()
    made.close()


def answer(readings: Readings) -> Answered:
    """The answer, when it is there."""
    name = GATE.name
    eventually(lambda: readings.answers("x").get(name), lambda a: a is not None and a.reading is not None)
    return readings.answers("x")[name]


def test_a_slow_source_stops_nobody(readings: Readings, source: FakeSource) -> None:
    """While it thinks, asking returns at once and asks nothing more; its answer comes in its time."""
    source.gate.clear()
    for second in range(30):
        readings.ask("x", ASKED, span(0, 10 + second), at(second))
    assert readings.answers("x")[GATE.name].reading is None
    source.gate.set()
    assert answer(readings).span == span(0, 10)
    assert len(source.asked) == 1


def test_a_lack_holds_until_a_better_answer_is_there(readings: Readings, source: FakeSource) -> None:
    """While the source is asked again, the gate does not pass in between."""
    source.says = lambda _: NOTHING
    readings.ask("x", ASKED, span(0, 10), at(10))
    answer(readings)
    readings.ask("x", ASKED, span(0, 10), at(11))
    assert len(source.asked) == 1, "asked again too soon"
    source.gate.clear()
    readings.ask("x", ASKED, span(0, 20), at(20))
    assert readings.answers("x")[GATE.name].lack == NOTHING
    source.says = lambda _: GOOD
    source.gate.set()
    assert answer(readings).lack is None


def test_a_crash_in_a_driver_is_no_reading(readings: Readings, source: FakeSource) -> None:
    """The thread lives, and what a driver says is not repeated unseen."""
    source.says = crash
    readings.ask("x", ASKED, span(0, 10), at(10))
    lack = answer(readings).lack
    assert lack == NoReading("unavailable", "reading it failed: RuntimeError")
    source.says = lambda _: GOOD
    readings.ask("x", ASKED, span(0, 20), at(20))
    assert answer(readings).reading == GOOD


def test_closing_closes_the_source(source: FakeSource) -> None:
    """Also when a rollout ends."""
    for end in (Readings.close, lambda r: r.forget("x")):
        source.closed.clear()
        made = Readings(FakeSources(source))
        made.ask("x", ASKED, span(0, 10), at(10))
        answer(made)
        end(made)
        assert source.closed.wait(10)
        assert made.answers("x") == {}


class World:
    """A rollout whose scoring gate reads a declared metric, with a source that the test speaks for."""

    def __init__(self, path: Path, source: FakeSource, metric: Metric = QUICK, steps: Steps = STEPS) -> None:
        self.url, self.source = f"sqlite:///{path / 'state.db'}", source
        gates = (GateSpec("errors", "scoring", 0.05), GateSpec("outcome", "scoring", 0.05, "refusals"))
        space = workspace(better=replace(change(), gates=gates, steps=steps))
        self.declared = Declared(replace(space, metrics={"refusals": metric}))
        self.clock, self.plane, self.probe = ManualClock(), SimPlane(), SimProbe()
        self.boot()
        adopt_declared(self.context)
        self.loop.tick()
        for requirement in plan_change(self.context, "better").missing:
            approve_change(self.context, "better", requirement.role, requirement.holders[0])
        self.rollout = start(self.context, "better", "ana")

    def boot(self) -> None:
        store = open_store(self.url)
        sources = FakeSources(self.source)
        self.context = Context(store, self.plane, self.probe, self.declared, self.clock, sources=sources)
        self.loop = Loop(self.context)

    def close(self) -> None:
        self.source.gate.set()
        self.loop.close()
        self.context.store.close()

    def seconds(self, count: int) -> None:
        """Traffic and looks; the source has answered before the next look."""
        for _ in range(count):
            for service in ("front", "scoring"):
                self.plane.send(service, 2_000)
            self.clock.turn(1.0)
            self.loop.tick()
            if self.source.gate.is_set():
                name = self.rollout.id
                eventually(
                    lambda name=name: self.loop.readings.answers(name).values(),
                    lambda found: all(a.reading is not None for a in found),
                )

    def stage(self) -> tuple[int, str]:
        with self.context.store.transaction(read_only=True) as tx:
            position = find(tx, "better").position
        return position.stage, position.because

    def weight(self) -> int:
        assert self.plane.table is not None
        entry = next(e for e in self.plane.table.entries if e.service == "scoring")
        if entry.default == self.rollout.candidate:
            return 10_000
        return entry.split.weight_bp if entry.split else 0

    def losses(self) -> int:
        """Losses of the candidate in the stored blocks."""
        with self.context.store.transaction(read_only=True) as tx:
            blocks = tx.blocks(self.rollout.id)
        return sum(n for b in blocks for n in b.services["scoring"].candidate.losses.get("refusals", {}).values())


@pytest.fixture
def world(tmp_path: Path, source: FakeSource) -> Iterator[World]:
    made = World(tmp_path, source)
    yield made
    made.close()


def read_spans(source: FakeSource) -> list[Span]:
    return [span for _, span in source.asked]


def test_a_rollout_is_judged_by_a_declared_metric(world: World, source: FakeSource) -> None:
    """Read every three seconds under the releases' ids, each span once, until the gates pass and it promotes."""
    while world.stage()[0] < 5 and world.clock.now() < at(200):
        world.seconds(5)
    assert world.stage()[1] == "the candidate is what serves now"
    assert {arms for arms, _ in source.asked} == {Arms(world.rollout.candidate, world.rollout.baseline)}
    spans = read_spans(source)
    assert len(spans) >= 4
    assert all(a.end <= b.start and b.seconds >= 3 for a, b in pairwise(spans))
    assert source.closed.is_set()


def test_each_span_is_counted_once_however_often_the_control_plane_dies(world: World, source: FakeSource) -> None:
    """A crash every other second: what is in the blocks is one reading for each span that is filed."""
    for _ in range(15):
        world.seconds(2)
        world.loop.close()
        world.context.store.close()
        world.boot()
    world.seconds(1)
    with world.context.store.transaction(read_only=True) as tx:
        reach = read_supplies(tx, world.rollout.id).reaches[GATE.name]
    filed = {(s.start, s.end) for s in read_spans(source) if reach.filed_to and s.end <= reach.filed_to}
    assert world.losses() % 100 == 0
    assert 2 <= world.losses() // 100 <= len(filed)


@pytest.mark.parametrize(
    "says",
    [lambda _: NOTHING, lambda _: NoReading("partial", "a store is down", "Start it."), crash],
    ids=["empty", "partial", "crash"],
)
def test_a_source_without_numbers_is_never_a_pass(
    world: World, source: FakeSource, says: Callable[[Span], Reading]
) -> None:
    """The gate stays Undecided, and status and explain say why, with what would help."""
    source.says = says
    world.seconds(20)
    stage, because = world.stage()
    assert stage == 1
    assert "the source of refusals gave no numbers" in because
    view = gates_view(world.context, "better")
    gate = next(g for g in view["gates"] if g["gate"] == GATE.name)
    assert gate["verdict"]["kind"] == view["verdict"]["kind"] == "undecided"
    assert gate["verdict"]["reason"] == "no-data"
    assert view["supplies"][0]["lack"]


def test_a_source_that_hangs_holds_the_rollout_and_nothing_else(world: World, source: FakeSource) -> None:
    """The loop goes on looking, and says how long the source has not answered."""
    source.gate.clear()
    world.seconds(40)
    stage, because = world.stage()
    assert stage == 1
    assert "its source has not answered for" in because


def test_numbers_that_stop_are_stale_for_their_gate(world: World, source: FakeSource) -> None:
    """It passed before, and nothing advances on what it said then."""
    world.seconds(8)
    assert world.losses() > 0
    source.gate.clear()
    world.seconds(30)
    before = world.stage()[0]
    world.seconds(20)
    stage, because = world.stage()
    assert stage == before < 3
    assert "refusals has no numbers of the last" in because


def test_a_climb_rests_while_numbers_do_not_come(tmp_path: Path, source: FakeSource) -> None:
    """The weight stays where it was, and rises again with the numbers."""
    climb = Steps(climb=ClimbStep(dwell_s=5.0), warmup_s=1.0, bake_s=5.0)
    world = World(tmp_path, source, steps=climb)
    world.seconds(12)
    source.says = lambda _: NOTHING
    world.seconds(4)
    resting = world.weight()
    world.seconds(15)
    assert 0 < world.weight() <= resting < 10_000
    source.says = lambda _: GOOD
    world.seconds(40)
    assert world.weight() > resting
    world.close()


def test_the_approved_plan_holds_the_metric(world: World) -> None:
    """Another query is another plan, which nobody approved; where it is written does not matter."""
    plan = plan_change(world.context, "better").plan
    assert plan.metrics == (QUICK,)
    space = world.declared.workspace
    moved = replace(QUICK, where="metrics.yaml:9")
    world.declared.workspace = replace(space, metrics={"refusals": moved})
    assert plan_change(world.context, "better").plan.digest == plan.digest
    other = replace(QUICK, query=MetricQuery("refusals", "counts", "another", "b"))
    world.declared.workspace = replace(space, metrics={"refusals": other})
    planned = plan_change(world.context, "better")
    assert planned.plan.digest != plan.digest
    assert any("another" in line for line in planned.voided)


def test_arms_may_be_known_by_version(tmp_path: Path, source: FakeSource) -> None:
    """A warehouse that knows versions is asked for the versions of the gate's service."""
    world = World(tmp_path, source, replace(QUICK, by="version"))
    world.seconds(10)
    assert {arms for arms, _ in source.asked} == {Arms("2", "1")}
    world.close()


def test_arms_at_one_version_are_an_error(world: World) -> None:
    """A source that knows versions cannot tell the releases of a service apart that does not move."""
    space, by_version = world.declared.workspace, replace(METRIC, by="version")
    gates = (GateSpec("outcome", "front", 0.05, "refusals"),)
    world.declared.workspace = replace(
        space, metrics={"refusals": by_version}, changes={"better": replace(change(), gates=gates)}
    )
    planned = plan_change(world.context, "better")
    assert [f.code for f in planned.findings if f.is_blocking] == ["metric.indistinct"]


def test_gates_on_the_same_numbers_read_them_once(tmp_path: Path, source: FakeSource) -> None:
    """A margin and a bound: one question a span, its numbers once in the block, and both are told of a lack."""
    world = World(tmp_path, source)
    twice = GateSpec("outcome", "scoring", 0.0, "refusals", bound=0.5)
    space = world.declared.workspace
    gates = (*space.changes["better"].gates, twice)
    world.declared.workspace = replace(space, changes={"better": replace(space.changes["better"], gates=gates)})
    plan = plan_change(world.context, "better").plan
    assert [s.gate.name for s in sourced(plan, "r2", "r1")] == [GATE.name]
    assert [[g.name for g in same] for same in from_outside(plan)] == [[GATE.name, f"{GATE.name}/bound"]]
    rollout = replace(world.rollout, plan=plan.digest)
    counts = {"scoring": ServiceCounts(ArmCounts(requests=5), ArmCounts(requests=45))}
    with world.context.store.transaction() as tx:
        supplied(tx, rollout, plan, Closing(at(0), at(10), 1_000, counts), [], {})
        answers = {GATE.name: Answered(span(0, 10), at(10), GOOD)}
        blocks = supplied(tx, rollout, plan, Closing(at(10), at(11), 1_000, counts), [], answers)
        assert sum(blocks["scoring"].candidate.losses["refusals"].values()) == 100
        lacking = {GATE.name: Answered(span(10, 20), at(20), NOTHING, NOTHING)}
        supplied(tx, rollout, plan, Closing(at(11), at(21), 1_000, counts), [], lacking)
        assert [bool(s.lack) for s in read_supplies(tx, rollout.id).told] == [True, True]
    world.close()
