"""Gates for other controllers: standalone sessions whose counts are posted, and answers in the controllers' forms.

A session is a set of gates and one candidate's evidence. Evidence never passes from one candidate to the next: when
Flagger goes on with another checksum, or a PUT names another candidate, the session starts over with a new series
of blocks. Pass holds only while evidence keeps coming.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from interlock.domain.audit.event import Event
from interlock.domain.checks.evidence import (
    LATENCY_BIN_FACTOR,
    LATENCY_BIN_ZERO_MS,
    LOSS_BINS,
    ArmCounts,
    Block,
    SegmentCounts,
    ServiceCounts,
)
from interlock.domain.gates.gate import GateSet
from interlock.domain.gates.judge import InvalidEvidence, verdicts
from interlock.domain.gates.receipt import receipt
from interlock.domain.gates.trail import Trail, advance, arrive, set_out
from interlock.engine import records
from interlock.engine.codec import dump, load
from interlock.engine.context import Context
from interlock.engine.gates import blocks_of_rollout, gates_view, judgement_in_full, recording, unless_stale
from interlock.engine.ports import Transaction
from interlock.engine.rollouts import find
from interlock.kernel.digest import digest
from interlock.kernel.errors import Invalid, Missing, Refused
from interlock.kernel.ident import did_you_mean, is_name
from interlock.kernel.instant import Instant, to_rfc3339

Hook = Literal[
    "confirm-rollout",
    "pre-rollout",
    "rollout",
    "confirm-traffic-increase",
    "confirm-promotion",
    "post-rollout",
    "rollback",
    "event",
]


class GateNameTaken(Refused):
    """A rollout or change of this name has gates of its own."""

    code = "gate.name_taken"


class GateMissing(Missing):
    """There is no gate session, rollout or change of this name."""

    code = "gate.missing"


class EvidenceLate(Refused):
    """A block comes after a later one was judged; its counts can only join the next block."""

    code = "evidence.late"


class EvidenceConflict(Refused):
    """A block with this number is stored already, with other counts."""

    code = "evidence.conflict"


class OtherCandidate(Refused):
    """Blocks are of another candidate than the one that the session judges now."""

    code = "evidence.other_candidate"


class EvidenceForeign(Invalid):
    """A block counts a service or an outcome that no gate of the session judges."""

    code = "evidence.foreign"


@dataclass(frozen=True, slots=True)
class Session:
    """Gates and one candidate's evidence. `run` numbers the candidates; `steps` are the blocks at which a weight
    began; `newest` is the last block's number, -1 before the first; `fresh_at` is when the last evidence came;
    `may_begin`: the next traffic increase is the first, which no evidence can precede.
    """

    id: str
    gate_set: GateSet
    opened_at: Instant
    opened_by: str
    stale_after_s: float
    candidate: str = ""
    run: int = 1
    steps: tuple[int, ...] = ()
    newest: int = -1
    fresh_at: Instant | None = None
    may_begin: bool = False

    @property
    def series(self) -> str:
        return f"gate/{self.id}/{self.run}"


@dataclass(frozen=True, slots=True)
class RawArm:
    """Counts of an arm in the units of the field: milliseconds and losses, each with how many answers had it.

    first_bad: bad answers but for those of a key that already had one in ten minutes; None where keys are not
    known. segments: of each its requests, bad ones and new keys.
    """

    requests: int = 0
    bad: int = 0
    latency_ms: Mapping[float, int] = field(default_factory=dict)
    losses: Mapping[str, Mapping[float, int]] = field(default_factory=dict)
    first_bad: int | None = None
    segments: Mapping[str, SegmentCounts] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RawBlock:
    """A posted block: per service candidate and baseline. `is_step`: a new weight began with it. weight_bp: the
    share of keys assigned to the candidate, 0 when unknown.
    """

    number: int
    seconds: float
    services: Mapping[str, tuple[RawArm, RawArm]]
    is_step: bool = False
    weight_bp: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a controller is told. `verdict` is Pass only while fresh evidence of this very candidate passes."""

    id: str
    kind: Literal["rollout", "session"]
    verdict: Literal["pass", "fail", "undecided"]
    because: str
    reason: str = ""
    needs_requests: int | None = None
    needs_s: float | None = None
    candidate: str = ""
    age_s: float | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return self.verdict == "pass"


def open_session(
    context: Context, name: str, gate_set: GateSet, person: str, candidate: str, stale_after_s: float
) -> tuple[Session, bool]:
    """The session, and whether it is new or started over; with the same gates and candidate nothing changes."""
    now = context.clock.now()
    with context.store.transaction() as tx:
        found = _read(tx, name)
        if found is None:
            _demand_free_name(tx, name)
        wanted = Session(name, gate_set, now, person, stale_after_s, candidate, run=found.run + 1 if found else 1)
        if found and (found.gate_set, found.candidate) == (gate_set, candidate):
            kept = replace(found, stale_after_s=stale_after_s)
            _write(tx, kept)
            return kept, False
        _write(tx, wanted)
        tx.append(
            Event(now, person, "gate.opened", f"gate:{name}", f"for candidate {candidate or 'not yet named'}")
        )
    if found:
        context.trails.pop(found.series, None)
    return wanted, True


def _demand_free_name(tx: Transaction, name: str) -> None:
    if not is_name(name):
        raise Invalid(f"{name!r} is no name", remedy="Use lower-case letters, digits, dots and dashes.")
    if tx.read("rollout", name) is not None or records.read_rollouts_of(tx, name):
        raise GateNameTaken(f"{name!r} names a rollout, whose gates are its own", remedy="Choose another name.")


def _read(tx: Transaction, name: str) -> Session | None:
    found = tx.read("gate-session", name)
    return None if found is None else load(Session, found.body)


def _write(tx: Transaction, session: Session) -> None:
    tx.write("gate-session", session.id, dump(session))


def _require(tx: Transaction, name: str) -> Session:
    found = _read(tx, name)
    if found is None:
        known = [d.key for d in tx.scan("gate-session")]
        raise GateMissing(f"there is no gate session {name!r}", remedy=did_you_mean(name, known))
    return found


def post_blocks(context: Context, name: str, posted: Sequence[RawBlock], candidate: str = "") -> dict[str, int]:
    """Take blocks in, numbers rising. A block that is stored already changes nothing; nothing is stored when one of
    them is late, contradicts itself or a stored one, or counts what no gate judges, or when `candidate` is given
    and is not the session's.
    """
    now = context.clock.now()
    with context.store.transaction() as tx:
        session = _require(tx, name)
        if candidate and candidate != session.candidate:
            says = f"the session judges candidate {session.candidate or 'not yet named'}, not {candidate}"
            raise OtherCandidate(says, remedy=f"Name it with PUT /v1/gates/{name}, which starts over.")
        blocks = [counted(session.gate_set, raw) for raw in posted]
        fresh = _new_ones(tx, session, blocks)
        marks = [raw.number for raw in posted if raw.is_step and raw.number > session.newest]
        after = replace(session, steps=(*session.steps, *sorted(set(marks) - set(session.steps))))
        trail = _trail(context, tx, session)
        had_failed = trail.state.has_failed
        for block in fresh:
            trail = advance(trail, block, after.steps)
        if fresh:
            tx.add_blocks(session.series, fresh)
            is_compared = any(_has_both(block) for block in fresh)
            _write(tx, replace(after, newest=fresh[-1].number, fresh_at=now if is_compared else after.fresh_at))
        if trail.state.has_failed and not had_failed:
            _tell(tx, _require(tx, name), trail, now, "gate.failed")
    context.trails[session.series] = trail
    return {"received": len(blocks), "new": len(fresh)}


def _tell(tx: Transaction, session: Session, trail: Trail, now: Instant, kind: str) -> None:
    """Audit a verdict that somebody acts on, with the receipt of it."""
    prefix = f"gate:{session.id}.{session.run}."
    name = f"{prefix}{len(tx.scan('receipt', prefix)) + 1}"
    text = _receipt(tx, session, now, name).decode()
    tx.write("receipt", name, {"text": text})
    facts = {"receipt": name, "digest": digest(text), "candidate": session.candidate}
    says = verdicts(trail.state).verdict.because
    tx.append(Event(now, "interlock", kind, f"gate:{session.id}", says, facts))


def receipt_now(context: Context, name: str) -> bytes:
    """Everything that recomputes the present verdict of a session, in canonical JSON. A rollout keeps receipts of
    its own for whatever it decides.
    """
    with context.store.transaction(read_only=True) as tx:
        return _receipt(tx, _require(tx, name), context.clock.now(), "")


def _receipt(tx: Transaction, session: Session, now: Instant, name: str) -> bytes:
    subject = {
        "receipt": name,
        "session": session.id,
        "series": session.series,
        "candidate": session.candidate,
        "opened_by": session.opened_by,
        "at": to_rfc3339(now),
    }
    return receipt(session.gate_set, tx.blocks(session.series), subject, session.steps)


def _new_ones(tx: Transaction, session: Session, blocks: Sequence[Block]) -> list[Block]:
    stored = {b.number: b for b in tx.blocks(session.series, first=min((b.number for b in blocks), default=0))}
    fresh: list[Block] = []
    for block in blocks:
        if block.number in stored:
            if stored[block.number] != block:
                raise EvidenceConflict(
                    f"block {block.number} is stored with other counts",
                    remedy="A block is posted once, when it is whole.",
                )
        elif block.number <= (fresh[-1].number if fresh else session.newest):
            newest = fresh[-1].number if fresh else session.newest
            raise EvidenceLate(
                f"block {block.number} comes after block {newest}, which was judged",
                remedy="Add its counts to the next block, those of both arms alike.",
            )
        else:
            fresh.append(block)
    return fresh


def _trail(context: Context, tx: Transaction, session: Session) -> Trail:
    """The fold of the session's stored blocks; what was folded before is not folded again."""
    trail = context.trails.get(session.series)
    if trail is None or trail.state.number > session.newest:
        trail = set_out(session.gate_set)
    for block in tx.blocks(session.series, first=trail.state.number + 1):
        trail = advance(trail, block, session.steps)
    return trail


def counted(gate_set: GateSet, raw: RawBlock) -> Block:
    """The block in bins. EvidenceForeign when it counts what no gate judges, InvalidEvidence when it contradicts
    itself.
    """
    judged = {gate.service for gate in gate_set.gates}
    for service, arms in raw.services.items():
        if problem := next((p for arm in arms if (p := _contradiction(arm))), ""):
            says = f"block {raw.number}, service {service!r}: {problem}"
            raise InvalidEvidence(says, remedy="Send all counts of one block together.")
        looks = any(g.segment_share for g in gate_set.gates if g.service == service)
        if not looks and any(arm.segments for arm in arms):
            says = f"block {raw.number}: no gate looks at segments of {service!r}"
            raise EvidenceForeign(says, remedy="Add segments to its errors gate, or leave them out of the block.")
        if service not in judged:
            raise EvidenceForeign(
                f"block {raw.number}: no gate judges service {service!r}", remedy=did_you_mean(service, judged)
            )
    services = {
        name: ServiceCounts(_arm(gate_set, name, candidate), _arm(gate_set, name, baseline))
        for name, (candidate, baseline) in sorted(raw.services.items())
    }
    return Block(raw.number, raw.seconds, services, raw.weight_bp)


def _contradiction(arm: RawArm) -> str:
    if arm.bad > arm.requests:
        return "more bad answers than requests"
    if (arm.first_bad or 0) > arm.bad:
        return "more first bad answers than bad ones"
    requests = sum(counts[0] for counts in arm.segments.values())
    if requests > arm.requests:
        return f"its segments have {requests} requests, it has {arm.requests}"
    worst = next((name for name, (n, bad, _) in arm.segments.items() if bad > n), "")
    return f"segment {worst!r} has more bad answers than requests" if worst else ""


def _arm(gate_set: GateSet, service: str, raw: RawArm) -> ArmCounts:
    caps = {g.outcome: g.cap for g in gate_set.gates if g.metric == "outcome" and g.service == service}
    for outcome in raw.losses:
        if outcome not in caps:
            says = f"no gate judges outcome {outcome!r} of {service}"
            raise EvidenceForeign(says, remedy=did_you_mean(outcome, caps))
    return ArmCounts(
        requests=raw.requests,
        bad=raw.bad,
        first_bad=raw.first_bad or 0,
        segments={name: raw.segments[name] for name in sorted(raw.segments)},
        latency=_binned({ms: (latency_bin(ms), n) for ms, n in raw.latency_ms.items()}),
        losses={
            outcome: _binned({x: (round(min(x / caps[outcome], 1.0) * LOSS_BINS), n) for x, n in losses.items()})
            for outcome, losses in sorted(raw.losses.items())
        },
    )


def _binned(values: Mapping[float, tuple[int, int]]) -> dict[int, int]:
    bins: dict[int, int] = {}
    for bin_, n in values.values():
        bins[bin_] = bins.get(bin_, 0) + n
    return {b: n for b, n in sorted(bins.items()) if n}


def latency_bin(milliseconds: float) -> int:
    """The bin of a duration above 0; what is shorter than the zero bin counts in it."""
    return max(0, math.floor(math.log(milliseconds / LATENCY_BIN_ZERO_MS, LATENCY_BIN_FACTOR) + 1e-9))


def _has_both(block: Block) -> bool:
    return any(c.candidate.requests and c.baseline.requests for c in block.services.values())


def answer(context: Context, name: str, candidate: str = "") -> Answer:
    """Where the gates of a session, a rollout or a change stand; `candidate`, if given, is the one asked about."""
    with context.store.transaction(read_only=True) as tx:
        session = _read(tx, name)
        trail = _trail(context, tx, session) if session else None
        if session is None and tx.read("rollout", name) is None and not records.read_rollouts_of(tx, name):
            known = {d.key for d in tx.scan("gate-session")} | {r.id for r in records.read_rollouts(tx)}
            raise GateMissing(f"there is no gate session or rollout {name!r}", remedy=did_you_mean(name, known))
    if session is None or trail is None:
        return _of_rollout(gates_view(context, name), candidate)
    context.trails[session.series] = trail
    return _of_session(session, trail, context.clock.now(), candidate)


def _of_session(session: Session, trail: Trail, now: Instant, candidate: str) -> Answer:
    current = arrive(trail, session.steps, session.newest + 1)
    age_s = (now - session.fresh_at).total_seconds() if session.fresh_at else None
    view = judgement_in_full(verdicts(current.state), session.gate_set)
    if age_s is None or age_s > session.stale_after_s:
        view["verdict"] = unless_stale(view["verdict"], age_s)
    told = _told(session.id, "session", view, session.candidate, age_s)
    if candidate and session.candidate and candidate != session.candidate:
        says = f"the evidence is of candidate {session.candidate}, not of {candidate}"
        return _undecided(told, says, "other-candidate")
    return told


def _of_rollout(view: Mapping[str, Any], candidate: str) -> Answer:
    """A rollout that was turned back answers Fail, whatever its gates last said; a frozen one does not pass."""
    told = _told(view["rollout"], "rollout", view, view["plan"], view["age_s"])
    if candidate and candidate != told.candidate:
        return _undecided(told, f"the rollout is of plan {told.candidate}, not of {candidate}", "other-candidate")
    if view["outcome"] in ("rolled_back", "aborted"):
        return replace(told, verdict="fail", because=view["because"], reason="", needs_requests=None, needs_s=None)
    if view["phase"] == "frozen" and told.verdict == "pass":
        return _undecided(told, view["because"], "frozen")
    return told


def _told(
    name: str, kind: Literal["rollout", "session"], view: Mapping[str, Any], of: str, age_s: float | None
) -> Answer:
    verdict = view["verdict"]
    return Answer(
        id=name,
        kind=kind,
        verdict=verdict["kind"],
        because=verdict["because"],
        reason=verdict.get("reason", ""),
        needs_requests=verdict.get("needs_requests"),
        needs_s=verdict.get("needs_s"),
        candidate=of,
        age_s=age_s,
        detail={"evidence": view["evidence"], "gates": view["gates"]},
    )


def _undecided(told: Answer, because: str, reason: str) -> Answer:
    return replace(told, verdict="undecided", because=because, reason=reason, needs_requests=None, needs_s=None)


def goes_on(hook: Hook, verdict: str) -> bool:
    """Whether a hook is answered with 2xx.

    Hooks before any traffic ask whether there is a reason not to begin: there can be no Pass yet, so only Fail
    halts. Hooks that raise exposure want a Pass. `rollback` is the other way round: Flagger turns back on 2xx, so
    only Fail may answer it. Notices are taken in any case.
    """
    match hook:
        case "confirm-rollout" | "pre-rollout":
            return verdict != "fail"
        case "rollout" | "confirm-traffic-increase" | "confirm-promotion":
            return verdict == "pass"
        case "rollback":
            return verdict == "fail"
        case "post-rollout" | "event":
            return True


def take_hook(context: Context, name: str, hook: Hook, checksum: str, phase: str) -> tuple[Answer, bool]:
    """The answer to Flagger's hook, and whether it goes on.

    The checksum names the candidate, but not always the coming one: Flagger calls confirm-rollout, and everything
    in phase Waiting, before it takes note of the new revision (checkCanaryStatus in pkg/controller/scheduler.go).
    Those are answered without looking at the evidence, which is of the candidate before. And it asks
    confirm-traffic-increase before the first weight too, right after pre-rollout, which it asks at weight 0 alone:
    that one increase is granted without evidence. Each increase begins a step, which passes on its own evidence.
    """
    with context.store.transaction(read_only=True) as tx:
        session = _read(tx, name)
    if session is None:
        told = answer(context, name)
        return told, goes_on(hook, told.verdict)
    if hook == "confirm-rollout" or phase == "Waiting":
        says = "nothing was counted yet of the candidate that waits to begin"
        return Answer(name, "session", "undecided", says, "no-data"), goes_on(hook, "undecided")
    if checksum and hook in ("pre-rollout", "rollout", "confirm-traffic-increase", "confirm-promotion"):
        _begin_with(context, session, checksum)
    told = answer(context, name, checksum)
    return told, _takes_effect(context, name, hook, told)


def _begin_with(context: Context, session: Session, checksum: str) -> None:
    """The session judges the candidate that `checksum` names; what was counted for another one is left behind."""
    if session.candidate or session.newest >= 0:
        s = session
        open_session(context, s.id, s.gate_set, s.opened_by, checksum, s.stale_after_s)
        return
    with context.store.transaction() as tx:
        _write(tx, replace(_require(tx, session.id), candidate=checksum))


def _takes_effect(context: Context, name: str, hook: Hook, told: Answer) -> bool:
    """Whether the hook goes on, remembering what follows from that."""
    with context.store.transaction() as tx:
        session = _require(tx, name)
        goes = goes_on(hook, told.verdict)
        if hook == "confirm-traffic-increase" and session.may_begin and told.verdict != "fail":
            goes = True
        if goes and told.verdict == "pass" and hook in ("confirm-traffic-increase", "confirm-promotion"):
            _tell(tx, session, _trail(context, tx, session), context.clock.now(), "gate.passed")
        if goes and hook == "pre-rollout":
            _write(tx, replace(session, may_begin=True))
        if goes and hook == "confirm-traffic-increase":
            mark = session.newest + 1
            steps = session.steps if mark in session.steps else (*session.steps, mark)
            _write(tx, replace(session, steps=steps, may_begin=False))
    return goes


def blocks_of(context: Context, name: str) -> dict[str, Any]:
    """The recording of a session's present run, or of a rollout, for a backtest."""
    with context.store.transaction(read_only=True) as tx:
        session = _read(tx, name)
        if session is not None:
            return recording(name, session.gate_set, session.steps, tx.blocks(session.series))
        find(tx, name)
    return blocks_of_rollout(context, name)
