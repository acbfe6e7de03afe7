"""Plain documents, already of the right shape, into the nouns of the domain. Pure; units are parsed here.

Each function returns what could be read and what the shape alone could not forbid.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Final, Literal

from interlock.adapters.workspace.behaviours import behaviour_from
from interlock.adapters.workspace.databases import revisions_from
from interlock.adapters.workspace.gate_specs import gates_from
from interlock.adapters.workspace.reading import Body, Path, Reading, basis_points, duration_s
from interlock.domain.catalog.asset import Asset, AssetId, Kind, Link
from interlock.domain.catalog.service import (
    ModelSpec,
    ModelVersion,
    ServiceSpec,
    ServiceVersion,
    VersionRef,
    all_references,
)
from interlock.domain.changes.request import AnswersStep, Change, ClimbStep, Move, Role, ShadowStep, Steps, Window
from interlock.domain.changes.workspace import Person, Policy
from interlock.domain.checks.compare import Tolerance
from interlock.domain.checks.metric import (
    PROMQL_NAMES,
    VARIABLE,
    Metric,
    MetricQuery,
    source_kind,
    unknown_names,
)
from interlock.kernel.ident import NAME_PATTERN, did_you_mean, is_name
from interlock.kernel.instant import Instant, from_rfc3339

_SERVICE: Final = ServiceSpec("", "", {})
_STEPS: Final = Steps()
_POLICY: Final = Policy()
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


def people_from(body: Body) -> dict[str, Person]:
    return {
        name: Person(name, frozenset(Role(role) for role in person.get("roles", ())))
        for name, person in body.get("people", {}).items()
    }


def policy_from(body: Body, reading: Reading) -> Policy:
    policy = body.get("policy", {})
    levels = {key: policy[key] for key in ("alpha", "alpha_pass") if key in policy}
    alphas = {key: _level(text, ("policy", key), reading) for key, text in levels.items()}
    return Policy(
        policy.get("self_approval", _POLICY.self_approval), losses=policy.get("losses", _POLICY.losses), **alphas
    )


def _level(text: str, path: Path, reading: Reading) -> float:
    points = basis_points(text)
    if points is None or points >= 5_000:
        says = f"{path[-1]} is {text}, and must be from 0.01% to less than 50%."
        reading.reject(path, says, "Write it like 1%.")
    return (points or 1) / 10_000


def service_from(body: Body, reading: Reading) -> ServiceSpec:
    callers, segments = body.get("callers", {}), body.get("segments", {})
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
        segment_header=segments.get("header", _SERVICE.segment_header).lower(),
        segments=tuple(segments.get("values", _SERVICE.segments)),
        timeout_s=_positive_s(body, "timeout_s", (), reading) if "timeout_s" in body else _SERVICE.timeout_s,
        body_limit_bytes=body.get("body_limit_bytes", _SERVICE.body_limit_bytes),
        health_path=body.get("health", _SERVICE.health_path),
        body=body.get("body", _SERVICE.body),
        calls=tuple(body.get("calls", _SERVICE.calls)),
        callers_request=_reference(callers.get("request")),
        callers_response=_reference(callers.get("response")),
        callers_expect=behaviour_from(callers.get("expects", {})),
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
    return Change(
        name=name,
        why=body["why"],
        author=body["author"],
        sponsor=body["sponsor"],
        moves=tuple(_move(one, ("moves", i), reading) for i, one in moves),
        gates=gates_from(body, reading),
        steps=_steps(body.get("steps", {}), reading),
        window=_window(body.get("window", {}), reading),
        rollback=body.get("rollback", ""),
        where=reading.locate(()),
        revisions=tuple(revisions_from(body, reading)),
    )


EVERY_S: Final = 60.0
"""How long a stretch of time is that is asked for at once, unless declared."""
_LEAST_EVERY_S: Final = 1.0
_OF_SOURCES: Final = ("headers", "gives", "query", "bad", "arm_label", "step_s", "by", "lag_s")


def metric_from(body: Body, reading: Reading) -> Metric:
    """Numbers that a source keeps, or, without a source, what is known of posted outcomes."""
    source = body.get("source", "")
    if source:
        _check_source(body, reading)
    else:
        for key in (k for k in _OF_SOURCES if k in body):
            reading.reject((key,), f"{key} belongs to metrics with a source.", f"Add source:, or remove {key}.")
    every_s = duration_s(body["every_s"]) if "every_s" in body else EVERY_S if source else 0.0
    if every_s < _LEAST_EVERY_S and "every_s" in body:
        says = f"every_s is {body['every_s']}, shorter than a second."
        reading.reject(("every_s",), says, "Use at least four scrape intervals, like 60s.")
    if source and "horizon_s" in body:
        says = "horizon_s belongs to posted outcomes; what comes late into a source is waited for by lag_s."
        reading.reject(("horizon_s",), says, "Rename it to lag_s.")
    is_counts = body.get("gives") == "counts"
    return Metric(
        name=body["name"],
        source=source,
        query=_query(body) if source else None,
        headers=dict(body.get("headers", {})),
        by=body.get("by", "release"),
        every_s=every_s,
        lag_s=duration_s(body["lag_s"]) if "lag_s" in body else 0.0,
        horizon_s=duration_s(body["horizon_s"]) if "horizon_s" in body else None,
        cap=float(body.get("cap", 1.0 if is_counts else 0.0)),
        where=reading.locate(()),
    )


def _query(body: Body) -> MetricQuery:
    return MetricQuery(
        name=body["name"],
        gives=body.get("gives", "values"),
        text=body.get("query", ""),
        bad=body.get("bad", ""),
        arm_label=body.get("arm_label", "release"),
        step_s=duration_s(body["step_s"]) if "step_s" in body else 0.0,
    )


def _check_source(body: Body, reading: Reading) -> None:
    for key in (k for k in ("gives", "query") if k not in body):
        says = f"a metric with a source lacks {key!r}."
        example = "gives: counts or gives: values" if key == "gives" else "query: with PromQL or one SQL statement"
        reading.reject((), says, f"Add {example}.", "field.missing")
    source = body["source"]
    kind = source_kind(source)
    if kind is None and not VARIABLE.fullmatch(source):
        says = f"source is {VARIABLE.sub('...', source)!r}, which has no scheme."
        remedy = "Write it like http://prometheus:9090, postgresql+psycopg://reader@host/db or duckdb:///path."
        reading.reject(("source",), says, remedy)
    _check_secrets(body, reading)
    if kind == "prometheus":
        _check_promql(body, reading)
    elif kind is not None:
        for key in (k for k in ("bad", "arm_label", "step_s", "headers") if k in body):
            reading.reject((key,), f"{key} belongs to PromQL; a statement returns rows.", f"Remove {key}.")


def _check_secrets(body: Body, reading: Reading) -> None:
    """A secret stands in the environment, never in a file that people read and approve."""
    for path, text in (
        (("source",), body["source"]),
        *((("headers", name), text) for name, text in body.get("headers", {}).items()),
    ):
        if "${" in VARIABLE.sub("", text):
            says = f"{path[-1]} has a ${{ that begins no variable."
            reading.reject(path, says, "Write it like ${METRICS_PASSWORD}.")
    user = body["source"].partition("://")[2].partition("/")[0].rpartition("@")[0]
    if (password := user.partition(":")[2]) and not VARIABLE.search(password):
        says = "the source's address has a password in it, and everyone who reads the plan would know it."
        remedy = "Put it into the environment of `interlock up`, and write ${METRICS_PASSWORD} here."
        reading.reject(("source",), says, remedy)
    for name, text in body.get("headers", {}).items():
        if name.lower() in ("authorization", "cookie", "x-api-key") and not VARIABLE.search(text):
            says = f"the header {name} holds a secret, and everyone who reads the plan would know it."
            reading.reject(("headers", name), says, "Write it like Bearer ${METRICS_TOKEN}.")


def _check_promql(body: Body, reading: Reading) -> None:
    is_counts = body.get("gives") == "counts"
    if is_counts and "bad" not in body:
        says = "PromQL that gives counts takes a second query, for the bad requests."
        reading.reject((), says, "Add bad: with PromQL.", "field.missing")
    if not is_counts and "bad" in body:
        reading.reject(("bad",), "bad belongs to counts.", "Remove it, or write gives: counts.")
    for key in (k for k in ("query", "bad") if k in body):
        unknown = unknown_names(body[key])
        if unknown is None:
            reading.reject((key,), f"{key} has a dollar sign that names nothing.", "Write $$ for a dollar sign.")
        for name in unknown or ():
            says = f"{key} has an unknown placeholder ${name}."
            reading.reject((key,), says, did_you_mean(name, PROMQL_NAMES))


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
        if isinstance(mention, Mapping):
            upstream: AssetId | None = AssetId(Kind.CONTRACT, mention["contract"].partition("@")[0])
        else:
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
        promises=behaviour_from(body.get("promises", {})),
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
        answers=_answers(body.get("answers", {}), reading),
    )


def _answers(body: Body, reading: Reading) -> AnswersStep:
    path, usual = ("steps", "answers"), _STEPS.answers

    def share_bp(key: str) -> int | None:
        return _share_bp(body[key], (*path, key), reading) if key in body else None

    tolerated = share_bp("tolerate")
    return AnswersStep(
        tolerated=usual.tolerated if tolerated is None else tolerated / 10_000,
        allow=tuple(body.get("allow", ())),
        sample_bp=share_bp("sample") or usual.sample_bp,
    )


def _shadow(body: Body, reading: Reading) -> ShadowStep:
    path = ("steps", "shadow")
    share_bp = _share_bp(body["share"], (*path, "share"), reading)
    twin_bp = _share_bp(body["twins"], (*path, "twins"), reading) if "twins" in body else None
    if share_bp + (twin_bp or 0) > 10_000:
        says = f"share and twins are {(share_bp + (twin_bp or 0)) / 100:g}% together; no request is copied twice."
        reading.reject((*path, "twins"), says, "Lower one of them, so that both are at most 100%.")
    return ShadowStep(
        share_bp=share_bp,
        seconds=duration_s(body["seconds"]),
        ignore=tuple(body.get("ignore", ())),
        twin_bp=twin_bp,
        tolerate=tuple(
            Tolerance(one["field"], float(one.get("absolute", 0)), float(one.get("relative", 0)))
            for one in body.get("tolerate", ())
        ),
        any_order=tuple(body.get("any_order", ())),
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
