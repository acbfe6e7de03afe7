"""Gates over HTTP: for people, for Argo Rollouts' `web` metric, and for Flagger's webhooks.

Argo Rollouts (docs/analysis/web.md and metricproviders/webmetric/webmetric.go of argoproj/argo-rollouts) sends GET
by default, with the headers that its template names; an answer outside 2xx is an error, otherwise `jsonPath` picks
`result`, and a measurement that meets neither successCondition nor failureCondition is inconclusive
(utils/evaluate/evaluate.go). So GET /gates/{id} answers 200 with `{"result": {"verdict": ..., "ok": ...}}`.

Flagger (docs/gitbook/usage/webhooks.md, pkg/controller/webhook.go and scheduler_hooks.go of fluxcd/flagger) posts
`name, namespace, phase, checksum, metadata`. A status of 200 to 202 goes on, anything else halts, except that a
`rollback` hook turns back on 2xx. The payload does not tell the hook's type, so the address or the metadata must:
without it nothing could keep a Pass from being taken as an order to roll back. Flagger sends no headers of
its own, but Go's client turns `http://any:TOKEN@host/` into basic authentication, so that is taken as well.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBasic, HTTPBasicCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field

from interlock.adapters.web.problems import problem
from interlock.adapters.web.speaker import Engine, Speaker
from interlock.domain.changes.criteria import DEFAULT_MARGIN, SEGMENT_SHARE
from interlock.domain.changes.request import GateSpec
from interlock.domain.checks.evidence import SEGMENT_LIMIT, SegmentCounts
from interlock.domain.gates.gate import Gate, GateSet, Metric
from interlock.domain.rollout.compile import WEIGHT
from interlock.engine import gate_sessions, gates
from interlock.engine.gate_sessions import Answer, Hook, RawArm, RawBlock
from interlock.engine.tokens import Unauthenticated, person_of
from interlock.kernel.errors import Invalid

HALT = 409


class HookUntyped(Invalid):
    """A webhook does not say which of Flagger's hooks it is, so its answer could be taken the wrong way round."""

    code = "hook.untyped"


class GateBody(BaseModel):
    """One gate. `service` is the session's id unless named; what is left out defaults as in a change. bound:
    instead of a margin, what the candidate itself must keep (a share, milliseconds at `quantile`, or a mean loss).
    segments: whether they are looked at one by one, or the part of the evidence that does.
    """

    model_config = ConfigDict(extra="forbid")
    metric: Metric
    name: str = ""
    service: str = ""
    margin: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    weight: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    outcome: str = ""
    cap: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    tolerance_ms: float = Field(default=5.0, ge=0, allow_inf_nan=False)
    bound: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    quantile: float = Field(default=0.99, gt=0, lt=1)
    counts: Literal["every", "first"] | None = None
    segments: bool | Annotated[float, Field(ge=0, lt=1)] = False


class SessionBody(BaseModel):
    """Gates of a standalone session. `candidate` names whose evidence it is; another one starts over."""

    model_config = ConfigDict(extra="forbid")
    gates: list[GateBody] = Field(default_factory=lambda: [GateBody(metric="errors"), GateBody(metric="latency")])
    candidate: str = Field(default="", max_length=200)
    alpha: float = Field(default=0.01, gt=0, lt=1)
    warmup_s: float = Field(default=60.0, ge=0, allow_inf_nan=False)
    stale_after_s: float = Field(default=120.0, gt=0, allow_inf_nan=False)


Count = Annotated[int, Field(ge=0)]
Milliseconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
LossValue = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class SegmentBody(BaseModel):
    """Requests of one segment and the bad ones among them (first bad ones, where `first_bad` is counted). keys: how
    many had not been seen in the segment before; every request is one where that is not known.
    """

    model_config = ConfigDict(extra="forbid")
    requests: Count = 0
    bad: Count = 0
    keys: Count | None = None

    def raw(self) -> SegmentCounts:
        return self.requests, self.bad, self.requests if self.keys is None else self.keys


class ArmBody(BaseModel):
    """Counts of an arm in one block: milliseconds (or losses) as keys, how many answers had them as values.
    first_bad: bad answers but for those of a key that already had one in the last ten minutes, where that is known.
    """

    model_config = ConfigDict(extra="forbid")
    requests: Count = 0
    bad: Count = 0
    first_bad: Count | None = None
    segments: dict[str, SegmentBody] = Field(default_factory=dict, max_length=SEGMENT_LIMIT)
    latency_ms: dict[Milliseconds, Count] = Field(default_factory=dict, max_length=2_000)
    losses: dict[str, dict[LossValue, Count]] = Field(default_factory=dict)

    def raw(self) -> RawArm:
        segments = {name: counts.raw() for name, counts in self.segments.items()}
        return RawArm(self.requests, self.bad, self.latency_ms, self.losses, self.first_bad, segments)


class ArmsBody(BaseModel):
    """Both arms of one service, counted in the same span of time."""

    model_config = ConfigDict(extra="forbid")
    candidate: ArmBody = ArmBody()
    baseline: ArmBody = ArmBody()


class BlockBody(BaseModel):
    """One block. Numbers rise, gaps are fine (seconds since the epoch over the block's length will do); `step` says
    that the candidate's weight is another one from here on, so that it passes on its own evidence. weight: the
    share of keys assigned to the candidate throughout the block, which first bad answers need to be judged.
    """

    model_config = ConfigDict(extra="forbid")
    number: int = Field(ge=0, le=2**53)
    seconds: float = Field(gt=0, le=86_400, allow_inf_nan=False)
    services: dict[str, ArmsBody]
    step: bool = False
    weight: float = Field(default=0.0, ge=0, le=1)


class BlocksBody(BaseModel):
    """Whole blocks, numbers rising. `candidate`, when given, must be the one that the session judges."""

    model_config = ConfigDict(extra="forbid")
    candidate: str = ""
    blocks: list[BlockBody] = Field(max_length=1_000)


class HookBody(BaseModel):
    """Flagger's CanaryWebhookPayload; members that later versions add are ignored."""

    name: str = ""
    namespace: str = ""
    phase: str = ""
    checksum: str = ""
    metadata: dict[str, str] = Field(default_factory=dict)


routes = APIRouter(tags=["gates"])
hooks = APIRouter(tags=["gates"])
"""The one route whose caller can only send a token as the password of basic authentication."""

_bearer = HTTPBearer(auto_error=False)
_basic = HTTPBasic(auto_error=False, description="Any user, the token as password.")


def _authenticate(
    context: Engine,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    basic: Annotated[HTTPBasicCredentials | None, Depends(_basic)],
) -> None:
    token = bearer.credentials if bearer else basic.password if basic else None
    if token is None:
        remedy = "Send `Authorization: Bearer TOKEN`, or write http://any:TOKEN@host/ as the webhook's address."
        raise Unauthenticated("this needs a token", remedy=remedy)
    person_of(context, token, None)


@routes.get("/rollouts/{name}/gates")
def explain(context: Engine, name: str) -> dict[str, Any]:
    """Every gate of a rollout between its boundaries: rules, numbers of both arms, distances, what is missing."""
    return gates.gates_view(context, name)


@routes.get("/traffic")
def traffic(context: Engine) -> dict[str, Any]:
    """Counts since the proxy started, by service and release, latency bins included; two looks give a rate."""
    return gates.traffic_view(context)


@routes.get("/gates/{id}")
def verdict(
    context: Engine, id: str, candidate: Annotated[str, Query(description="whose evidence is asked for")] = ""
) -> dict[str, Any]:
    """Where the gates of a session, rollout or change stand, for Argo Rollouts' web metric: 200 whatever the
    verdict, which `result.verdict` tells.
    """
    return {"result": answer_view(gate_sessions.answer(context, id, candidate))}


@routes.put("/gates/{id}")
def open_session(
    context: Engine, id: str, body: SessionBody, person: Speaker, response: Response
) -> dict[str, Any]:
    """Open a standalone session; the same gates and candidate change nothing, others start over."""
    specs = [_gate(id, gate) for gate in body.gates]
    gate_set = GateSet(tuple(specs), alpha=body.alpha, warmup_s=body.warmup_s)
    session, is_new = gate_sessions.open_session(context, id, gate_set, person, body.candidate, body.stale_after_s)
    response.status_code = 201 if is_new else 200
    return {"id": id, "candidate": session.candidate, "run": session.run, "gates": [g.name for g in specs]}


@routes.post("/gates/{id}/blocks", status_code=202)
def post_blocks(context: Engine, id: str, body: BlocksBody) -> dict[str, Any]:
    """Take counts of both arms in. A block counts once, however often it is posted."""
    raw = [
        RawBlock(
            number=b.number,
            seconds=b.seconds,
            services={s: (a.candidate.raw(), a.baseline.raw()) for s, a in b.services.items()},
            is_step=b.step,
            weight_bp=round(b.weight * 10_000),
        )
        for b in body.blocks
    ]
    return gate_sessions.post_blocks(context, id, raw, body.candidate)


@routes.get("/gates/{id}/blocks")
def recorded(context: Engine, id: str) -> dict[str, Any]:
    """The blocks that the gates of a session or rollout judged, with the gates: what a backtest needs."""
    return gate_sessions.blocks_of(context, id)


@routes.get("/gates/{id}/receipt")
def receipt(context: Engine, id: str) -> Response:
    """The receipt of a session's present verdict; `interlock gate replay` recomputes it offline."""
    return Response(gate_sessions.receipt_now(context, id), media_type="application/json")


@hooks.post("/gates/{id}", dependencies=[Depends(_authenticate)], response_model=None)
def hook(
    context: Engine,
    id: str,
    body: HookBody,
    type: Annotated[str, Query(description="Flagger's hook type; may be `type` in the metadata instead")] = "",
) -> JSONResponse:
    """Flagger's webhook: 2xx goes on, anything else halts (a `rollback` hook: 2xx turns back, on Fail alone)."""
    hook_type = _hook_type(type or body.metadata.get("type", ""))
    told, goes = gate_sessions.take_hook(context, id, hook_type, body.checksum, body.phase)
    if goes:
        return JSONResponse({"result": answer_view(told)})
    code = {"fail": "gate.failed", "undecided": "gate.undecided", "pass": "gate.passed"}[told.verdict]
    exit_code = {"fail": 3, "undecided": 4, "pass": 0}[told.verdict]
    return problem(HALT, code, told.because, exit_code=exit_code, result=answer_view(told))


def _hook_type(given: str) -> Hook:
    known: tuple[Hook, ...] = get_args(Hook)
    for hook_type in known:
        if hook_type == given:
            return hook_type
    raise HookUntyped(
        f"{given!r} is no type of hook" if given else "the hook does not say its type",
        remedy=f"Add ?type= to the webhook's address: one of {', '.join(known)}.",
    )


def _gate(session: str, body: GateBody) -> Gate:
    service = body.service or session
    if body.margin is None and body.bound is None and body.metric not in DEFAULT_MARGIN:
        raise Invalid(f"the {body.metric} gate of {service} has no margin", remedy="Set `margin`, in loss units.")
    margin = 0.0 if body.bound is not None else DEFAULT_MARGIN.get(body.metric, 0.0)
    spec = GateSpec(body.metric, service, outcome=body.outcome, bound=body.bound, quantile=body.quantile)
    is_relative = body.metric == "errors" and body.bound is None
    segments = SEGMENT_SHARE if body.segments is True else float(body.segments)
    return Gate(
        name=body.name or spec.name,
        metric=body.metric,
        service=service,
        margin=margin if body.margin is None else body.margin,
        weight=body.weight or WEIGHT[body.metric],
        outcome=body.outcome,
        cap=body.cap,
        tolerance_ms=body.tolerance_ms if body.metric == "latency" else 0.0,
        bound=body.bound,
        quantile=body.quantile,
        counts=body.counts or ("keyed" if is_relative else "every"),
        segment_share=segments,
    )


def answer_view(told: Answer) -> dict[str, Any]:
    """An answer as plain data, friendly to JSONPath: `{$.result.verdict}`, `{$.result.ok}`."""
    return {
        "verdict": told.verdict,
        "ok": told.ok,
        "because": told.because,
        "reason": told.reason,
        "needs_requests": told.needs_requests,
        "needs_s": told.needs_s,
        "id": told.id,
        "of": told.kind,
        "candidate": told.candidate,
        "age_s": told.age_s,
        **told.detail,
    }
