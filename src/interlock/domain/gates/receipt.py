"""Receipts: all that is needed to recompute a verdict offline, to the same bytes.

A receipt holds the gates, every block's counts as far as a gate reads them, the assumptions in words and the
judgement. `replay` recomputes it from the counts; `verify` names what differs. The `inputs` digest covers the
counts too that do not move the judgement. A forger can recompute everything, so who relies on a receipt
keeps its digest elsewhere, for example in the audit chain. Figures are rounded to nine significant digits, because
mathematical libraries may differ in the last one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from interlock.domain.checks.evidence import ArmCounts, Block, SegmentCounts, ServiceCounts
from interlock.domain.gates.gate import Gate, GateSet
from interlock.domain.gates.judge import absorb, admit, begin, enter_step, verdicts
from interlock.domain.gates.verdict import Judgement
from interlock.kernel.digest import canonical, digest, plain
from interlock.kernel.errors import Invalid

ALGORITHM = "interlock-gates/4"
ASSUMPTIONS = (
    "Requests of one block are independent, with one rate for each arm and block.",
    "Both arms run in the same blocks of time; what changes with time may change both alike.",
    "Labels take equally long to arrive in both arms, and arriving does not depend on the loss beyond the arm.",
    "Losses above the cap count as the cap; losses are rounded to bins of cap/200.",
    "Latency is not judged during warm-up; latency_bins bins of a factor 2**(1/8), or tolerance_ms, are tolerated.",
    "Upper limits hold if the excess was at least the limit in every block since the step began.",
    (
        "A burst in one arm is no set of independent requests: what fails rises no faster than errors_nats_s. "
        "How rarely bursts then fail a good candidate is measured, not proven. "
        "Not so held back are blocks of an outage: a fifth of the answers bad, and 40 times the baseline's share."
    ),
)
EVERY = (
    "Gate {}: every bad answer counts. Users that stick to an arm are not deduplicated: a few who repeat the same "
    "failure can count as many."
)
FIRST = (
    "Gate {}: the first bad answer of each key in ten minutes counts, at the assigned share. Exact within ten "
    "minutes for keys assigned by chance; a key that fails again later counts again. Upper limits count every one, "
    "and so does an outage of ten minutes (a fifth of the answers bad, and 40 times the baseline's share)."
)
KEYED = (
    "Gate {}: from the first block on in which bad answers come with their keys, the first bad answer of each key "
    "in ten minutes counts, at the assigned share; before that, and without a known weight, every one. Upper "
    "limits count every one, and so does an outage of ten minutes (a fifth of the answers bad, and 40 times the "
    "baseline's share)."
)
PAIRS = "Gate {}: pairs are independent, and the same request has the same label in both answers."
BOUND = (
    "Gate {}: the bound is on the candidate alone; it fails only if it is also proven worse than the baseline, "
    "where there is one."
)
SEGMENTS = "Gate {}: a segment is judged from {} keys of each arm on."


def assumptions(gate_set: GateSet) -> tuple[str, ...]:
    """What the judgement takes for granted, in words; for each gate the unit of its evidence."""
    return (*ASSUMPTIONS, *(told for gate in gate_set.gates for told in _assumed(gate, gate_set)))


def _assumed(gate: Gate, gate_set: GateSet) -> list[str]:
    told = []
    if gate.metric == "errors":
        told.append({"every": EVERY, "first": FIRST, "keyed": KEYED}[gate.counts].format(gate.name))
    if gate.sample == "pairs":
        told.append(PAIRS.format(gate.name))
    if gate.bound is not None:
        told.append(BOUND.format(gate.name))
    if gate.segment_share:
        told.append(SEGMENTS.format(gate.name, gate_set.least_keys))
    return told


class InvalidReceipt(Invalid):
    """The bytes are not a receipt that this version can recompute."""

    code = "receipt.invalid"


def receipt(
    gate_set: GateSet, blocks: Sequence[Block], subject: Mapping[str, Any], steps: Iterable[int] = ()
) -> bytes:
    """Canonical JSON of gates, counts and judgement. `subject` says what was judged (rollout, releases, ...), as
    JSON-ready values; `steps` are the numbers of the blocks with which a rollout step began (see `enter_step`).
    Blocks that contradict themselves, or come twice or late, are left out and told under `refused`.
    """
    sound, refused = _sifted(gate_set, blocks)
    return _written(gate_set, sound, subject, sorted(set(steps)), refused)


def _sifted(gate_set: GateSet, blocks: Iterable[Block]) -> tuple[list[Block], list[str]]:
    """The blocks that `admit` counts, and why the others are left out."""
    state, sound, refused = begin(gate_set), [], []
    for block in blocks:
        state = admit(state, block)
        if state.fault:
            refused.append(state.fault)
        else:
            sound.append(block)
    return sound, refused


def _written(
    gate_set: GateSet, blocks: Sequence[Block], subject: Mapping[str, Any], marks: list[int], refused: list[str]
) -> bytes:
    wanted = _wanted(gate_set)
    inputs = {
        "algorithm": ALGORITHM,
        "assumptions": assumptions(gate_set),
        "blocks": [_block_as_plain(block, wanted) for block in blocks],
        "gate_set": gate_set,
        "refused": refused,
        "steps": marks,
        "subject": subject,
    }
    judged = _judge(gate_set, blocks, marks)
    return canonical({**inputs, "inputs": digest(inputs), "judgement": judgement_as_plain(judged)})


def replay(receipt_bytes: bytes) -> bytes:
    """The receipt recomputed from the gates and counts in it. Raises InvalidReceipt when it cannot be read."""
    read = _parse(receipt_bytes)
    try:
        gate_set, blocks, refused = _gate_set(read["gate_set"]), _blocks(read["blocks"]), read["refused"]
        return _written(gate_set, blocks, read["subject"], sorted(set(read["steps"])), refused)
    except InvalidReceipt:
        raise
    except (Invalid, KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as problem:
        raise InvalidReceipt(
            f"a receipt cannot be recomputed: {problem}", remedy="Fetch it again from where it was issued."
        ) from problem


def verify(receipt_bytes: bytes) -> tuple[str, ...]:
    """The paths at which the receipt differs from its recomputation; empty when it holds."""
    again = replay(receipt_bytes)
    if again == receipt_bytes:
        return ()
    return tuple(_differences("", _parse(receipt_bytes), _parse(again))) or ("not in canonical form",)


def judgement_as_plain(judgement: Judgement) -> dict[str, Any]:
    """JSON-ready judgement, gates by name, floats with nine significant digits."""
    told = plain(judgement)
    told["reports"] = [report | {"gate": report["gate"]["name"]} for report in told["reports"]]
    rounded: dict[str, Any] = _rounded(told)
    return rounded


def _rounded(value: Any) -> Any:
    match value:
        case float():
            return float(f"{value:.9g}")
        case Mapping():
            return {k: _rounded(v) for k, v in value.items()}
        case list() | tuple():
            return [_rounded(v) for v in value]
        case _:
            return value


def _judge(gate_set: GateSet, blocks: Iterable[Block], steps: Sequence[int]) -> Judgement:
    state, ahead = begin(gate_set), list(steps)
    for block in blocks:
        while ahead and ahead[0] <= block.number:
            ahead.pop(0)
            state = enter_step(state)
        state = absorb(state, block)
    return verdicts(state)


def _wanted(gate_set: GateSet) -> dict[str, list[Gate]]:
    """The gates of each judged service."""
    wanted: dict[str, list[Gate]] = {}
    for gate in gate_set.gates:
        wanted.setdefault(gate.service, []).append(gate)
    return wanted


def _block_as_plain(block: Block, wanted: Mapping[str, list[Gate]]) -> dict[str, Any]:
    """The block with the counts that a gate reads, and no empty entries."""
    services = {}
    for service, gates in wanted.items():
        if counts := block.services.get(service):
            arms = {"candidate": counts.candidate, "baseline": counts.baseline}
            told = {name: _arm_as_plain(arm, gates) for name, arm in arms.items()}
            paired = sorted({gate.outcome for gate in gates if gate.sample == "pairs"} & set(counts.pairs))
            pairs = {name: {b: n for b, n in counts.pairs[name].items() if n} for name in paired}
            services[service] = told | {"pairs": pairs} if pairs else told
    plain_block = {"number": block.number, "seconds": block.seconds, "services": services}
    return plain_block | {"weight_bp": block.weight_bp} if block.weight_bp else plain_block


def _arm_as_plain(arm: ArmCounts, gates: list[Gate]) -> dict[str, Any]:
    has_latency = any(gate.metric == "latency" for gate in gates)
    outcomes = sorted({gate.outcome for gate in gates if gate.metric == "outcome"} & set(arm.losses))
    told: dict[str, Any] = {
        "requests": arm.requests,
        "bad": arm.bad,
        "latency": {b: n for b, n in arm.latency.items() if n} if has_latency else {},
        "losses": {name: {b: n for b, n in arm.losses[name].items() if n} for name in outcomes},
    }
    if any(gate.counts != "every" for gate in gates):
        told["first_bad"] = arm.first_bad
    if any(gate.segment_share for gate in gates):
        told["segments"] = arm.segments
    return told


def _parse(receipt_bytes: bytes) -> dict[str, Any]:
    try:
        read = json.loads(receipt_bytes)
    except (ValueError, RecursionError) as problem:
        raise InvalidReceipt(f"a receipt is JSON: {problem}", remedy="Pass the receipt's bytes.") from problem
    if not isinstance(read, dict):
        raise InvalidReceipt("a receipt is a JSON object", remedy="Pass the receipt's bytes.")
    if read.get("algorithm") != ALGORITHM:
        raise InvalidReceipt(
            f"algorithm {read.get('algorithm')!r} is not {ALGORITHM!r}",
            remedy="Replay it with the version of Interlock that issued it.",
        )
    refused = read.get("refused")
    if not (isinstance(read.get("subject"), dict) and isinstance(read.get("steps"), list)):
        raise InvalidReceipt("a receipt has a subject and steps", remedy="Pass the receipt's bytes.")
    if not (isinstance(refused, list) and all(isinstance(why, str) for why in refused)):
        raise InvalidReceipt("a receipt says which blocks were refused", remedy="Pass the receipt's bytes.")
    return read


def _gate_set(read: Mapping[str, Any]) -> GateSet:
    gates = tuple(
        Gate(**{k: _number_or_text(v) for k, v in gate.items() if (k, v) != ("bound", None)})
        for gate in read["gates"]
    )
    rest = {k: _number_or_text(v) for k, v in read.items() if k != "gates"}
    return GateSet(gates, **rest)


def _number_or_text(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise InvalidReceipt(f"{value!r} is neither a number nor a text", remedy="Fetch the receipt again.")
    return value


def _blocks(read: Iterable[Mapping[str, Any]]) -> list[Block]:
    return [
        Block(
            number=_count(block["number"]),
            seconds=_seconds(block["seconds"]),
            services={
                name: ServiceCounts(
                    _arm(counts["candidate"]),
                    _arm(counts["baseline"]),
                    {outcome: _bins(bins) for outcome, bins in counts.get("pairs", {}).items()},
                )
                for name, counts in block["services"].items()
            },
            weight_bp=_count(block.get("weight_bp", 0)),
        )
        for block in read
    ]


def _arm(read: Mapping[str, Any]) -> ArmCounts:
    return ArmCounts(
        requests=_count(read["requests"]),
        bad=_count(read["bad"]),
        latency=_bins(read["latency"]),
        losses={name: _bins(bins) for name, bins in read["losses"].items()},
        first_bad=_count(read.get("first_bad", 0)),
        segments={name: _segment(counts) for name, counts in read.get("segments", {}).items()},
    )


def _segment(read: list[Any]) -> SegmentCounts:
    requests, bad, keys = (_count(n) for n in read)
    return requests, bad, keys


def _bins(read: Mapping[str, Any]) -> dict[int, int]:
    return {int(b): _count(n) for b, n in read.items()}


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise InvalidReceipt(f"{value!r} is not a count", remedy="Fetch the receipt again.")
    return value


def _seconds(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise InvalidReceipt(f"{value!r} is no length of time", remedy="Fetch the receipt again.")
    seconds: float = value
    return seconds


def _differences(path: str, one: Any, other: Any) -> Iterable[str]:
    """The deepest paths at which two JSON values differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            yield from _differences(f"{path}/{key}", one.get(key), other.get(key))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (a, b) in enumerate(zip(one, other, strict=True)):
            yield from _differences(f"{path}/{index}", a, b)
    elif one != other:
        yield path
