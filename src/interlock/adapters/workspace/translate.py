"""Plain documents, already of the right shape, into the nouns of the domain. Pure; units are parsed here.

Each function returns what could be read and what the shape alone could not forbid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any, Final, Literal

from interlock.domain.catalog.asset import Asset, AssetId, Kind, Link
from interlock.domain.catalog.service import (
    ModelSpec,
    ModelVersion,
    ServiceSpec,
    ServiceVersion,
    VersionRef,
    all_references,
)
from interlock.domain.changes.request import Change, ClimbStep, GateSpec, Move, Role, ShadowStep, Steps, Window
from interlock.domain.changes.workspace import Person, Policy
from interlock.kernel.finding import Finding, Severity
from interlock.kernel.ident import NAME_PATTERN, did_you_mean, is_name
from interlock.kernel.instant import Instant, from_rfc3339

Path = tuple[str | int, ...]
Body = Mapping[str, Any]

_SECONDS: Final = {
    "ms": Fraction(1, 1_000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3_600),
    "d": Fraction(86_400),
}
_SERVICE: Final = ServiceSpec("", "", {})
_STEPS: Final = Steps()
_TOLERANCE_MS: Final = GateSpec("latency", "any", 0.1).tolerance_ms
_MOVABLE: Final[tuple[Literal["service", "model", "contract"], ...]] = ("service", "model", "contract")
_VERBS: Final = {"request": "reads", "response": "answers with", "model": "uses"}
_KINDS: Final = tuple(kind.value for kind in Kind)
# A bare name in `reads` or `depends_on` is looked for in this order.
_PREFERRED: Final = (
    Kind.CONTRACT,
    Kind.FEATURE,
    Kind.DATASET,
    Kind.STREAM,
    Kind.MODEL,
    Kind.SERVICE,
    Kind.JOB,
    Kind.DASHBOARD,
)


@dataclass(slots=True)
class Reading:
    """One document being read: where its values stand, and what was found about it."""

    locate: Callable[[Path], str]
    subject: str
    findings: list[Finding] = field(default_factory=list)

    def reject(self, path: Path, says: str, remedy: str, code: str = "field.value") -> None:
        finding = Finding(code, Severity.ERROR, self.subject, says, remedy, self.locate(path))
        self.findings.append(finding)


def duration_s(text: str) -> float:
    """Seconds of `30`, `10s`, `250ms`, `5m`, `2h` or `1d`."""
    number = text.rstrip("mshd")
    return float(Fraction(number) * _SECONDS[text[len(number) :] or "s"])


def basis_points(text: str) -> int | None:
    """`5%` is 500; a bare number counts basis points. None when it is no whole number of them up to 10,000."""
    points = Fraction(text.removesuffix("%")) * (100 if text.endswith("%") else 1)
    return int(points) if points.denominator == 1 and 1 <= points <= 10_000 else None


def people_from(body: Body) -> dict[str, Person]:
    return {
        name: Person(name, frozenset(Role(role) for role in person.get("roles", ())))
        for name, person in body.get("people", {}).items()
    }


def policy_from(body: Body) -> Policy:
    return Policy(**body.get("policy", {}))


def service_from(body: Body, reading: Reading) -> ServiceSpec:
    callers = body.get("callers", {})
    replay = body.get("replay", _SERVICE.replay)
    return ServiceSpec(
        name=body["name"],
        serving=body["serving"],
        versions={version: _service_version(one) for version, one in body["versions"].items()},
        owner=body.get("owner", _SERVICE.owner),
        edge=body.get("edge", _SERVICE.edge),
        entity_header=body.get("entity_header", _SERVICE.entity_header).lower(),
        unkeyed=body.get("unkeyed", _SERVICE.unkeyed),
        replay=tuple(replay) if isinstance(replay, list) else replay,
        timeout_s=_positive_s(body, "timeout_s", (), reading) if "timeout_s" in body else _SERVICE.timeout_s,
        body_limit_bytes=body.get("body_limit_bytes", _SERVICE.body_limit_bytes),
        health_path=body.get("health", _SERVICE.health_path),
        calls=tuple(body.get("calls", _SERVICE.calls)),
        callers_request=_reference(callers.get("request")),
        callers_response=_reference(callers.get("response")),
        where=reading.locate(()),
    )


def model_from(body: Body, reading: Reading) -> ModelSpec:
    """Digests are not here yet: they need the bytes."""
    return ModelSpec(
        name=body["name"],
        serving=body["serving"],
        versions={version: ModelVersion(one.get("uri", "")) for version, one in body["versions"].items()},
        owner=body.get("owner", ""),
        where=reading.locate(()),
    )


def asset_from(kind: Kind, body: Body, reading: Reading) -> Asset:
    where = reading.locate(())
    return Asset(AssetId(kind, body["name"]), body.get("owner", ""), body.get("description", ""), where)


def change_from(body: Body, name: str, reading: Reading) -> Change:
    """`name`: the file's stem, for a change that does not name itself."""
    name = body.get("name", name)
    if not is_name(name):
        says = f"the change has no name, and its file name {name!r} cannot be one."
        reading.reject((), says, f"Add name: with a word that matches {NAME_PATTERN}.")
    moves = enumerate(body["moves"])
    gates = enumerate(body.get("gates", ()))
    return Change(
        name=name,
        why=body["why"],
        author=body["author"],
        sponsor=body["sponsor"],
        moves=tuple(_move(one, ("moves", i), reading) for i, one in moves),
        gates=tuple(_gate(one, ("gates", i), reading) for i, one in gates),
        steps=_steps(body.get("steps", {}), reading),
        window=_window(body.get("window", {}), reading),
        rollback=body.get("rollback", ""),
        where=reading.locate(()),
    )


def service_links(spec: ServiceSpec, reading: Reading) -> list[Link]:
    """Each dependency once: the models it uses, the contracts it reads and answers with, the services it calls."""
    me = AssetId(Kind.SERVICE, spec.name)
    found: list[tuple[AssetId, str, Path]] = [
        (AssetId(one.kind, one.to.name), _VERBS[one.role], path) for path, one in all_references(spec)
    ]
    found += [(AssetId(Kind.SERVICE, name), "calls", ("calls", i)) for i, name in enumerate(spec.calls)]
    links: dict[tuple[AssetId, str], Link] = {}
    for upstream, verb, path in found:
        links.setdefault((upstream, verb), Link(upstream, me, verb, reading.locate(path)))
    return list(links.values())


def declared_links(
    me: AssetId, key: str, verb: str, body: Body, reading: Reading, known: Mapping[str, Iterable[Kind]]
) -> list[Link]:
    """The links of a list of mentions (`reads`, `depends_on`). `known`: kinds by name of every declared asset."""
    found: dict[AssetId, Link] = {}
    for number, mention in enumerate(body.get(key, ())):
        upstream = _mentioned(mention, known, (key, number), reading)
        if upstream is not None:
            found.setdefault(upstream, Link(upstream, me, verb, reading.locate((key, number))))
    return list(found.values())


def _mentioned(mention: str, known: Mapping[str, Iterable[Kind]], path: Path, reading: Reading) -> AssetId | None:
    """`kind:name`, or the asset that a bare name means."""
    head, colon, name = mention.partition(":")
    if colon and head in _KINDS:
        return AssetId(Kind(head), name)
    if colon:
        says = f"{mention!r} names the kind {head!r}, which does not exist."
        reading.reject(path, says, f"Kinds are: {', '.join(_KINDS)}.")
        return None
    kinds = set(known.get(mention, ()))
    if not kinds:
        reading.reject(path, f"no asset is named {mention!r}.", did_you_mean(mention, known), "asset.unknown")
        return None
    return AssetId(next(kind for kind in _PREFERRED if kind in kinds), mention)


def _service_version(body: Body) -> ServiceVersion:
    return ServiceVersion(
        endpoints=tuple(body["endpoints"]),
        request=_reference(body.get("request")),
        response=_reference(body.get("response")),
        model=_reference(body.get("model")),
    )


def _reference(text: str | None) -> VersionRef | None:
    if text is None:
        return None
    name, _, version = text.partition("@")
    return VersionRef(name, version)


def _positive_s(body: Body, key: str, path: Path, reading: Reading) -> float:
    seconds = duration_s(body[key])
    if seconds <= 0:
        reading.reject((*path, key), f"{key} is {body[key]}, and must be longer than nothing.", "Write it like 5s.")
    return seconds


def _move(body: Body, path: Path, reading: Reading) -> Move:
    kind = next(kind for kind in _MOVABLE if kind in body)
    return Move(kind, body[kind], body["to"], reading.locate(path))


def _gate(body: Body, path: Path, reading: Reading) -> GateSpec:
    text = body["margin"]
    margin = float(Fraction(text.removesuffix("%")) / (100 if text.endswith("%") else 1))
    metric, service = body["metric"], body["service"]
    is_outcome = metric == "outcome"
    if is_outcome and not ("outcome" in body and "cap" in body):
        says = f"an outcome gate of {service} names its outcome and the largest loss that counts."
        reading.reject(path, says, "Add outcome: absolute_error and cap: 120, for example.")
    if is_outcome and text.endswith("%"):
        says = f"the margin of an outcome is in units of loss, not {text}."
        reading.reject((*path, "margin"), says, "Write a bare number.")
    if not is_outcome and margin >= 1:
        says = f"the margin of {metric} is a share of requests, and {text} is all of them or more."
        reading.reject((*path, "margin"), says, "Write it like 1% or 0.01.")
    for key in ("outcome", "cap"):
        if key in body and not is_outcome:
            reading.reject((*path, key), f"{key} belongs to outcome gates, not to {metric}.", f"Remove {key}.")
    if "tolerance_ms" in body and metric != "latency":
        says = f"tolerance_ms belongs to latency gates, not to {metric}."
        reading.reject((*path, "tolerance_ms"), says, "Remove tolerance_ms.")
    tolerance_ms = float(body.get("tolerance_ms", _TOLERANCE_MS))
    return GateSpec(metric, service, margin, body.get("outcome", ""), float(body.get("cap", 0.0)), tolerance_ms)


def _steps(body: Body, reading: Reading) -> Steps:
    path = ("steps",)
    if "climb" in body and "canary" in body:
        reading.reject((*path, "climb"), "steps have fixed canary shares and a climb.", "Keep one of the two.")
    return Steps(
        shadow=_shadow(body["shadow"], reading) if "shadow" in body else None,
        canary_bp=_canary(body["canary"], reading) if "canary" in body else _STEPS.canary_bp,
        dwell_s=duration_s(body["dwell_s"]) if "dwell_s" in body else _STEPS.dwell_s,
        climb=_climb(body["climb"]) if "climb" in body else None,
        holdback_bp=_share_bp(body["holdback"], (*path, "holdback"), reading) if "holdback" in body else 1_000,
        watch_s=duration_s(body["watch_s"]) if "watch_s" in body else _STEPS.watch_s,
        burst_s=_positive_s(body, "burst_s", path, reading) if "burst_s" in body else _STEPS.burst_s,
        warmup_s=duration_s(body["warmup_s"]) if "warmup_s" in body else _STEPS.warmup_s,
        patience_s=_positive_s(body, "patience_s", path, reading) if "patience_s" in body else _STEPS.patience_s,
        on_expiry=body.get("on_expiry", _STEPS.on_expiry),
        bake_s=duration_s(body["bake_s"]) if "bake_s" in body else _STEPS.bake_s,
    )


def _shadow(body: Body, reading: Reading) -> ShadowStep:
    path = ("steps", "shadow")
    return ShadowStep(
        share_bp=_share_bp(body["share"], (*path, "share"), reading),
        seconds=duration_s(body["seconds"]),
        ignore=tuple(body.get("ignore", ())),
        **{key: body[key] for key in ("pairs", "max_difference") if key in body},
    )


def _climb(body: Body) -> ClimbStep:
    dwell_s = duration_s(body["dwell_s"]) if "dwell_s" in body else ClimbStep().dwell_s
    return ClimbStep(float(body.get("budget", ClimbStep().budget)), dwell_s)


def _canary(shares: Iterable[str], reading: Reading) -> tuple[int, ...]:
    path = ("steps", "canary")
    points = tuple(_share_bp(share, (*path, i), reading) for i, share in enumerate(shares))
    if any(later <= earlier for earlier, later in pairwise(points)):
        reading.reject(path, "the shares of the canary do not ascend.", "Write them like [1%, 5%, 50%].")
    if points[-1] == 10_000:
        says = "a canary of 100% leaves no baseline to compare with."
        reading.reject((*path, len(points) - 1), says, "Leave it out: promotion follows the last canary.")
    return points


def _share_bp(text: str, path: Path, reading: Reading) -> int:
    points = basis_points(text)
    if points is None:
        says = f"{text} is no share: it must be from 0.01% to 100%, in steps of 0.01%."
        reading.reject(path, says, "Write it like 5%, or 500 for basis points.")
        return 1
    return points


def _window(body: Body, reading: Reading) -> Window:
    opens, closes = (_instant(body, key, reading) for key in ("opens", "closes"))
    if opens and closes and closes <= opens:
        reading.reject(("window", "closes"), "the window closes before it opens.", "Swap the two instants.")
    return Window(opens, closes)


def _instant(body: Body, key: str, reading: Reading) -> Instant | None:
    if key not in body:
        return None
    try:
        return from_rfc3339(body[key])
    except (ValueError, OverflowError) as error:
        says = f"{key} is not an instant: {error}."
        reading.reject(("window", key), says, "Write it like 2026-05-01T08:00:00Z.")
        return None
