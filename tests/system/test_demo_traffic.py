"""The demo's services and load generator as they run: real servers, a real process, real flights."""

from __future__ import annotations

import dataclasses
import itertools
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import uvicorn
from demo.flights import Flights
from demo.load import MIX, Load, outcome_of, schedule
from demo.processes import free_ports
from demo.services import delay_predictor, ops_board, rebooking
from demo.services.serving import Peers, answer, application, step
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

RELEASE = "r0123456789ab"


def made_up_flights(count: int) -> Flights:
    """Flights of one aircraft after another, through May to December, whose columns are easy to tell apart."""
    number = np.arange(count, dtype=np.int32)
    days = np.datetime64("2013-05-01T05") + (number * 244 * 24 // count).astype("timedelta64[h]")
    return Flights(
        flight=number,
        tailnum=np.array([f"N{i % 7}".encode() for i in number]),
        time_hour=np.array([f"{day}:00:00Z".encode() for day in days]),
        distance=number + 100,
        dep_delay=number % 90,
        sched_duration=number + 60,
        arr_delay=number % 80,
        wind_speed=np.zeros(count, dtype=np.float32),
        carrier=np.full(count, b"UA"),
        origin=np.full(count, b"EWR"),
        dest=np.full(count, b"IAH"),
    )


async def _predict(request: Request) -> Response:
    """Stands in for delay-predictor: fails on an unlucky flight, refuses one without a delay."""
    features = json.loads(await request.body())
    if features.get("tailnum") == "UNLUCKY":
        return answer({"error": "tripped"}, 500)
    minutes = features["dep_delay"] - 5.0
    return answer({"predicted_delay_min": minutes, "model_version": "1", "trail": [step(delay_predictor.NAME)]})


class Edge:
    """Every service under its own path, as behind Interlock: pins what comes in, names the release going out."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        peers = Peers(self.address)
        self.outcomes: list[dict[str, Any]] = []
        self.refusals = 1
        self.app = Starlette(
            routes=[
                Mount("/delay-predictor", application(Route("/predict", _predict, methods=["POST"]))),
                Mount("/rebooking", application(rebooking.route(peers, "1", 40.0))),
                Mount("/ops-board", application(ops_board.route(peers))),
                Route("/v1/outcomes", self.take, methods=["POST"]),
            ],
            lifespan=application(peers=peers).router.lifespan_context,
        )

    async def take(self, request: Request) -> Response:
        """Refuses the first batch, as a control plane that is starting does."""
        assert request.headers["authorization"] == "Bearer secret"
        if self.refusals:
            self.refusals -= 1
            return answer({}, 503)
        self.outcomes += (await request.json())["outcomes"]
        return answer({}, 202)

    async def __call__(self, scope: Any, receive: Any, send: Callable[[Any], Awaitable[None]]) -> None:
        async def named(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-interlock-release", RELEASE.encode())]
            await send(message)

        if scope["type"] == "http" and not any(name == b"baggage" for name, _ in scope["headers"]):
            pin = (b"baggage", f"interlock.release={RELEASE}".encode())
            scope = scope | {"headers": [*scope["headers"], pin]}
        await self.app(scope, receive, named)


@contextmanager
def running(app: Any, listener: socket.socket) -> Iterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        until(lambda: server.started)
        yield
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


@pytest.fixture(scope="module")
def edge() -> Iterator[Edge]:
    edge = Edge()
    with running(edge, edge.listener):
        yield edge


def until(holds: Callable[[], bool], patience_s: float = 20.0) -> None:
    """Poll until it holds."""
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        threading.Event().wait(0.02)


def ask(edge: Edge, path: str, **features: Any) -> requests.Response:
    return requests.post(f"{edge.address}{path}", json=features, timeout=10)


def test_a_board_line_is_made_by_one_release_throughout(edge: Edge) -> None:
    """Every service on the way, in order, under the release that the edge pinned."""
    answered = ask(edge, "/ops-board/board", dep_delay=50).json()
    names = ["ops-board", "delay-predictor", "rebooking", "delay-predictor"]
    assert answered["trail"] == [{"service": name, "release": RELEASE} for name in names]
    assert answered["agrees"] is True
    assert answered["rebook"] is True
    assert answered["status"] == "late"


def test_the_threshold_decides(edge: Edge) -> None:
    """Predictions up to the threshold leave the passenger where they are."""
    assert ask(edge, "/rebooking/decide", dep_delay=45).json()["rebook"] is False
    assert ask(edge, "/rebooking/decide", dep_delay=46).json()["rebook"] is True


@pytest.mark.parametrize("path", ["/rebooking/decide", "/ops-board/board"])
def test_a_failure_further_down_goes_up_as_a_failure(edge: Edge, path: str) -> None:
    """502, never an answer that hides it, so that the edge can replay the whole request."""
    assert ask(edge, path, dep_delay=1, tailnum="UNLUCKY").status_code == 502


def test_a_request_without_its_features_is_refused_not_failed(edge: Edge) -> None:
    """The caller's mistake keeps its own status on the way up, and names the field."""
    refused = ask(edge, "/rebooking/decide", tailnum="N1")
    assert refused.status_code == 422
    assert "dep_delay" in refused.text


def test_a_service_that_cannot_be_reached_is_a_failure() -> None:
    """No connection further down: 502."""
    peers = Peers(f"http://127.0.0.1:{free_ports(1)[0]}")
    listener = socket.create_server(("127.0.0.1", 0))
    with running(application(rebooking.route(peers, "1", 40.0), peers=peers), listener):
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/decide"
        assert requests.post(url, json={"dep_delay": 1}, timeout=10).status_code == 502


def test_the_schedule_belongs_to_its_seed() -> None:
    """The same seed gives the same requests; another one another start; the pace and the mix hold for all."""
    flights = made_up_flights(5_000)

    def first(seed: int, count: int) -> list[Any]:
        shots = schedule(flights, seed, 200.0)
        return [next(shots) for _ in range(count)]

    one = first(1, 4_000)
    assert one == first(1, 4_000)
    assert one[0].flight != first(2, 1)[0].flight
    assert all(a.due_s < b.due_s for a, b in itertools.pairwise(one))
    assert one[-1].due_s == pytest.approx(20.0, abs=0.01)
    for service, _, share in MIX:
        assert sum(s.service == service for s in one) / len(one) == pytest.approx(share, abs=0.03)


def test_after_the_last_flight_the_replay_goes_on() -> None:
    """Longer runs than the year has flights wrap around, in time order."""
    shots = schedule(made_up_flights(50), 3, 10.0)
    order = [next(shots).flight for _ in range(120)]
    assert all(b == (a + 1) % 50 for a, b in itertools.pairwise(order))


def test_load_records_every_request_and_reports_every_outcome(edge: Edge, tmp_path: Path) -> None:
    """A process of its own: what it sent, what came back, and later how far off it was, each once."""
    flights = made_up_flights(5_000)
    path = tmp_path / "flights.npz"
    np.savez(path, **{f.name: getattr(flights, f.name) for f in dataclasses.fields(Flights)})
    load = Load(edge.address, path, 100.0, 5, tmp_path / "records.jsonl", edge.address, "secret").start()
    until(lambda: len(load.records()) >= 60)
    records = load.stop()
    assert not [r for r in records if r.is_failed or r.is_mixed]
    assert {r.service for r in records} == {service for service, _, _ in MIX}
    assert {r.release for r in records} == {RELEASE}
    assert [r for r in records if r.predicted is None or r.latency_ms <= 0] == []
    assert len({r.id for r in records}) == len(records)
    assert sorted(o["id"] for o in edge.outcomes) == sorted(r.id for r in records)
    losses = {o["id"]: o["loss"] for o in edge.outcomes}
    assert all(losses[r.id] == pytest.approx(r.off_by_min) for r in records)
    assert {(o["service"], o["release"], o["metric"]) for o in edge.outcomes} == {
        ("delay-predictor", RELEASE, "absolute_error")
    }


def test_nobody_there_is_recorded_as_a_failure(tmp_path: Path) -> None:
    """A refused connection is a failed request with its reason, not a gap in the records."""
    path = tmp_path / "flights.npz"
    np.savez(path, **{f.name: getattr(made_up_flights(500), f.name) for f in dataclasses.fields(Flights)})
    nobody = f"http://127.0.0.1:{free_ports(1)[0]}"
    load = Load(nobody, path, 100.0, 5, tmp_path / "records.jsonl").start()
    until(lambda: len(load.records()) >= 5)
    records = load.stop()
    assert all(r.is_failed and r.status == 0 and "Error" in r.error for r in records)
    assert all(outcome_of(r, 0.0) is None for r in records)
