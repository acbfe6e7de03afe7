"""Faults that benchmarks plant in the demo's services while they run."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from demo.records import Record, RecordFile, from_line, to_line
from demo.services.faults import FAULT_VARIABLE, Fault, Planted, plant, with_faults
from demo.services.serving import answer, step
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

BODY = json.dumps({"airline": "Delta", "origin": "JFK"}).encode()


class Clock:
    """Time that passes when the test says so."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def control(tmp_path: Path) -> Path:
    return tmp_path / "fault.json"


async def predict(_: Request) -> Response:
    return answer({"predicted_delay_min": 10.0, "trail": [step("delay-predictor"), step("further-down")]})


def route() -> Route:
    return Route("/predict", predict, methods=["POST"])


def ask(served: Route) -> Response:
    """One request to the route's endpoint."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": BODY, "more_body": False}

    async def asked() -> Response:
        request = Request({"type": "http", "method": "POST", "path": "/predict", "headers": []}, receive)
        async with asyncio.timeout(0.2):
            answered: Response = await served.endpoint(request)
            return answered

    return asyncio.run(asked())


def body_of(response: Response) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(bytes(response.body))
    return found


def hits(planted: Planted, count: int, body: bytes = BODY) -> list[bool]:
    return [planted.strike(body) is not None for _ in range(count)]


def test_a_service_is_untouched_unless_the_variable_names_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo's own services serve their routes as they are."""
    monkeypatch.delenv(FAULT_VARIABLE, raising=False)
    plain = route()
    assert with_faults(plain) is plain


def test_a_fault_comes_changes_and_goes_while_the_service_runs(control: Path) -> None:
    """Each request is answered under the fault of that moment."""
    planted = Planted(control)
    assert planted.strike(BODY) is None
    plant(control, Fault("fails"))
    assert planted.strike(BODY) == (Fault("fails"), 1.0)
    plant(control, Fault("slows", added_ms=5))
    assert planted.strike(BODY) == (Fault("slows", added_ms=5), 1.0)
    plant(control, None)
    assert planted.strike(BODY) is None
    plant(control, None)


def test_a_share_of_the_requests_is_hit_and_the_seed_says_which(control: Path) -> None:
    """About the share, the same ones for the same seed, others for another."""
    struck = []
    for seed in (1, 1, 2):
        plant(control, Fault("fails", share=0.05, seed=seed))
        struck.append(hits(Planted(control), 4_000))
    assert 150 < sum(struck[0]) < 250
    assert struck[0] == struck[1]
    assert struck[0] != struck[2]


def test_only_the_segment_suffers(control: Path) -> None:
    """Requests of other carriers, and ones that name none, are spared."""
    plant(control, Fault("fails", field="airline", value="Delta"))
    planted = Planted(control)
    assert all(hits(planted, 10))
    assert not any(hits(planted, 10, json.dumps({"airline": "United"}).encode()))
    assert not any(hits(planted, 10, b"{}"))


def test_a_late_fault_waits_from_the_first_request_on(control: Path) -> None:
    """However long the file was there before anybody asked."""
    clock = Clock()
    plant(control, Fault("fails", after_s=8))
    planted = Planted(control, clock)
    clock.now += 100
    assert hits(planted, 1) == [False]
    clock.now += 7.9
    assert hits(planted, 1) == [False]
    clock.now += 0.2
    assert hits(planted, 1) == [True]


@pytest.mark.parametrize(("at_s", "low", "high"), [(0, 0, 0), (15, 300, 500), (30, 700, 900), (90, 700, 900)])
def test_a_leak_of_failures_grows_in_share(control: Path, at_s: float, low: int, high: int) -> None:
    """From nothing to the whole share, evenly, and then it stays."""
    clock = Clock()
    plant(control, Fault("fails", share=0.2, grows_s=30))
    planted = Planted(control, clock)
    hits(planted, 1)
    clock.now += at_s
    assert low <= sum(hits(planted, 4_000)) <= high


def test_a_leak_of_latency_grows_in_size(control: Path) -> None:
    """Every request is hit, by half as much after half the time."""
    clock = Clock()
    plant(control, Fault("slows", added_ms=100, grows_s=30))
    planted = Planted(control, clock)
    planted.strike(BODY)
    clock.now += 15
    struck = planted.strike(BODY)
    assert struck is not None
    assert struck[1] == pytest.approx(0.5)


@pytest.fixture
def faulty(control: Path, monkeypatch: pytest.MonkeyPatch) -> Route:
    monkeypatch.setenv(FAULT_VARIABLE, str(control))
    return with_faults(route())


def test_without_a_fault_the_answer_is_the_services_own(faulty: Route) -> None:
    """Nothing in it tells that it could have been another."""
    assert body_of(ask(faulty)) == body_of(ask(route()))
    assert faulty.methods == route().methods


def test_a_failure_is_a_500(faulty: Route, control: Path) -> None:
    """So that the edge replays it, as it would any other."""
    plant(control, Fault("fails"))
    assert ask(faulty).status_code == 500


def test_a_misjudged_answer_is_off_and_says_so(faulty: Route, control: Path) -> None:
    """The prediction moves by the bias; the mark is in the service's own entry of the trail alone."""
    plant(control, Fault("misjudges", bias_min=20))
    body = body_of(ask(faulty))
    assert body["predicted_delay_min"] == 30.0
    assert [entry.get("fault", False) for entry in body["trail"]] == [True, False]


def test_noise_goes_both_ways(faulty: Route, control: Path) -> None:
    """Its mean is zero, its size as asked for."""
    plant(control, Fault("misjudges", noise_min=30))
    off = [body_of(ask(faulty))["predicted_delay_min"] - 10 for _ in range(200)]
    assert -10 < sum(off) / len(off) < 10
    assert 15 < sum(map(abs, off)) / len(off) < 35


def test_a_slow_answer_is_right_but_late_and_says_so(faulty: Route, control: Path) -> None:
    """The same prediction, after the added time."""
    plant(control, Fault("slows", added_ms=30))
    began = time.monotonic()
    body = body_of(ask(faulty))
    assert time.monotonic() - began >= 0.03
    assert body["predicted_delay_min"] == 10.0
    assert body["trail"][0]["fault"] is True


def test_a_hang_does_not_answer(faulty: Route, control: Path) -> None:
    """The caller's own patience ends first."""
    plant(control, Fault("hangs"))
    with pytest.raises(TimeoutError):
        ask(faulty)


def test_the_record_of_a_hit_answer_survives_its_file_and_can_be_forgotten(tmp_path: Path) -> None:
    """The mark is written and read back; after `forget`, only later lines are told."""
    path = tmp_path / "records.jsonl"
    one = Record("x", 1.0, "s", "N1", 200, "r1", 1, 2.0, 3.0, 4.0, (("s", "r1"),), is_hit=True)
    assert from_line(to_line(one)) == one
    path.write_text(to_line(one))
    file = RecordFile(path)
    assert file.records() == [one]
    file.forget()
    assert file.records() == []
    with path.open("a") as more:
        more.write(to_line(one))
    assert file.records() == [one]
