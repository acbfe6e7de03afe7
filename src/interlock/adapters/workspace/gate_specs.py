"""Gates as people write them, in a change or as the defaults of a service, into GateSpec. Pure.

What cannot be said of a metric is an error in its line, so that no gate judges anything but what was meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Final

from interlock.adapters.workspace.reading import Body, Path, Reading, duration_s
from interlock.domain.changes.criteria import SEGMENT_SHARE
from interlock.domain.changes.request import GateSpec

_DEFAULT: Final = GateSpec("latency", "any")
_ONLY_FOR: Final[Mapping[str, tuple[str, ...]]] = {
    "outcome": ("outcome",),
    "cap": ("outcome",),
    "sample": ("outcome",),
    "tolerance_ms": ("latency",),
    "quantile": ("latency",),
    "counts": ("errors",),
    "segments": ("errors",),
}
"""Fields that belong to some metrics alone."""
_NOT_WITH_BOUND: Final = ("tolerance_ms", "counts", "segments", "sample")


def gates_from(body: Body, reading: Reading, service: str = "") -> tuple[GateSpec, ...]:
    """The `gates` of a document. `service`: whose gates they are, where the document is a service's own."""
    specs: dict[str, GateSpec] = {}
    for number, one in enumerate(body.get("gates", ())):
        path = ("gates", number)
        spec = _gate({"service": service, **one}, path, reading)
        if spec.name in specs:
            says = f"there are two gates {spec.name}, and one name stands for one criterion."
            reading.reject(path, says, "Remove one; a margin and a bound may stand beside each other.")
        specs.setdefault(spec.name, spec)
    return tuple(specs.values())


def _gate(body: Body, path: Path, reading: Reading) -> GateSpec:
    metric, service = body["metric"], body["service"]
    _check_fields(body, path, reading)
    for key, says, remedy in _contradictions(body):
        reading.reject((*path, key) if key else path, says, remedy)
    return GateSpec(
        metric=metric,
        service=service,
        margin=_margin(body, path, reading) if "margin" in body else 0.0,
        outcome=body.get("outcome", ""),
        cap=float(body.get("cap", 0.0)),
        tolerance_ms=float(body.get("tolerance_ms", _DEFAULT.tolerance_ms)),
        where=reading.locate(path),
        bound=_bound(body, path, reading) if "bound" in body else None,
        quantile=_quantile(body, path, reading) if "quantile" in body else _DEFAULT.quantile,
        weight=float(body["weight"]) if "weight" in body else None,
        counts=body.get("counts"),
        segments=_segments(body, path, reading) if "segments" in body else None,
        sample=body.get("sample", _DEFAULT.sample),
    )


def _check_fields(body: Body, path: Path, reading: Reading) -> None:
    metric = body["metric"]
    for key, metrics in _ONLY_FOR.items():
        if key in body and metric not in metrics:
            says = f"{key} belongs to {' and '.join(metrics)} gates, not to {metric}."
            reading.reject((*path, key), says, f"Remove {key}.")
    if metric == "outcome" and "outcome" not in body:
        says = f"an outcome gate of {body['service']} names its outcome."
        reading.reject(path, says, "Add outcome: absolute_error, for example.")


def _contradictions(body: Body) -> Iterator[tuple[str, str, str]]:
    """(field, what is wrong, what helps) of fields that do not go together."""
    metric, service = body["metric"], body["service"]
    if "margin" not in body and "bound" not in body:
        says = f"the {metric} gate of {service} says neither how much worse than the baseline is still good, nor "
        yield "", f"{says}what the candidate itself must keep.", "Add margin: 1%, or bound: with what it must keep."
    if "bound" not in body:
        if "quantile" in body:
            yield "quantile", "a quantile belongs to a bound of latency.", "Add bound: 80ms, or remove quantile."
        return
    if "margin" in body:
        says = f"the {metric} gate of {service} has a margin and a bound."
        yield "bound", says, "Keep one of them, or write two gates."
    for key in _NOT_WITH_BOUND:
        if key in body:
            says = f"a bound is on the candidate as a whole, and {key} is not."
            yield key, says, f"Remove {key}, or write a second gate with a margin."


def _margin(body: Body, path: Path, reading: Reading) -> float:
    return _amount(body, "margin", path, reading)


def _bound(body: Body, path: Path, reading: Reading) -> float:
    """Milliseconds of latency; else a share, or units of loss."""
    text = body["bound"]
    if body["metric"] != "latency":
        return _amount(body, "bound", path, reading)
    if not text.endswith("s"):
        says = f"the bound of latency is a duration, and {text} has no unit."
        reading.reject((*path, "bound"), says, "Write it like 80ms or 1.5s.")
        return 1.0
    return _above_nothing(1_000 * duration_s(text), "bound", body, path, reading)


def _amount(body: Body, key: str, path: Path, reading: Reading) -> float:
    text, metric = body[key], body["metric"]
    if text.endswith("s"):
        says = f"the {key} of {metric} is no duration, and {text} is one."
        reading.reject((*path, key), says, "Write it like 1% or 0.01; only the bound of latency is a duration.")
        return 0.5
    amount = float(Fraction(text.removesuffix("%")) / (100 if text.endswith("%") else 1))
    if metric == "outcome" and text.endswith("%"):
        says = f"the {key} of an outcome is in units of loss, not {text}."
        reading.reject((*path, key), says, "Write a bare number.")
    if metric != "outcome" and amount >= 1:
        says = f"the {key} of {metric} is a share of requests, and {text} is all of them or more."
        reading.reject((*path, key), says, "Write it like 1% or 0.01.")
    cap = body.get("cap")
    if metric == "outcome" and cap is not None and amount >= cap:
        says = f"the {key} of {body.get('outcome', 'an outcome')} is {text}, and no loss counts as more than {cap}."
        reading.reject((*path, key), says, "Lower it, or raise cap.")
    return _above_nothing(amount, key, body, path, reading)


def _above_nothing(amount: float, key: str, body: Body, path: Path, reading: Reading) -> float:
    if amount <= 0:
        says = f"the {key} is {body[key]}; with nothing allowed, nothing could ever pass."
        reading.reject((*path, key), says, "Write the most that you would accept.")
    return amount


def _quantile(body: Body, path: Path, reading: Reading) -> float:
    """`0.99`, or `p99`."""
    text = body["quantile"]
    quantile = float(Fraction(text[1:]) / 100) if text.startswith("p") else float(Fraction(text))
    if not 0 < quantile < 1:
        says = f"{text} is no quantile; it lies between p0 and p100."
        reading.reject((*path, "quantile"), says, "Write it like p99 or 0.99.")
        return _DEFAULT.quantile
    return quantile


def _segments(body: Body, path: Path, reading: Reading) -> float:
    """The part of the evidence that looks at segments one by one."""
    text = body["segments"]
    if text in ("true", "false"):
        return SEGMENT_SHARE if text == "true" else 0.0
    share = float(Fraction(text.removesuffix("%")) / (100 if text.endswith("%") else 1))
    if not 0 <= share < 1:
        says = f"segments is {text}, and must leave a part of the evidence to all requests together."
        reading.reject((*path, "segments"), says, "Write true, or a share like 40%.")
        return SEGMENT_SHARE
    return share
