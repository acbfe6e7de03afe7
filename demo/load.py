"""Replays flights in the order in which they left, and reports later how late each really was.

The load is open: requests leave on schedule whether or not earlier ones were answered. The aircraft's tail
number is the entity key, so that one aircraft stays with one release. The seed chooses where in May to
October the replay starts, who calls what, and a small jitter of the schedule; after the last flight of the
year the replay goes on with the first of May.

It runs in a process of its own, so that its pace does not depend on what the demo does meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import uvloop

from demo.flights import Flights, open_parsed
from demo.http1 import Answer, Client
from demo.records import Record, RecordFile, to_line

REPLAY_FROM, REPLAY_START_BEFORE = "2013-05-01", "2013-11-01"
MIX = (("delay-predictor", "/predict", 0.60), ("rebooking", "/decide", 0.25), ("ops-board", "/board", 0.15))
JITTER = 0.5
"""Each request leaves up to this part of the interval after its slot."""
OUTCOME_DELAY_S = 2.0
OUTCOME_PERIOD_S = 0.25
OUTCOME_BATCH = 500
OUTCOME_PATIENCE_S = 10.0
TOKEN_VARIABLE = "INTERLOCK_TOKEN"


@dataclass(frozen=True, slots=True)
class Shot:
    """One request to be made: when (seconds after the start), to whom, and which flight it asks about."""

    number: int
    due_s: float
    service: str
    path: str
    flight: int


def schedule(flights: Flights, seed: int, rate: float) -> Iterator[Shot]:
    """Endless; the same for the same seed, rate and flights."""
    chance = random.Random(seed)
    first = flights.first_of(REPLAY_FROM)
    start = chance.randrange(first, flights.first_of(REPLAY_START_BEFORE))
    order = itertools.chain(range(start, len(flights)), itertools.cycle(range(first, len(flights))))
    weights = [share for _, _, share in MIX]
    for number, flight in enumerate(order):
        service, path, _ = chance.choices(MIX, weights)[0]
        yield Shot(number, (number + JITTER * chance.random()) / rate, service, path, flight)


def record_of(shot: Shot, answer: Answer, flights: Flights, run: str, at: float, latency_ms: float) -> Record:
    body = _json_object(answer.body)
    return Record(
        id=f"{run}-{shot.number}",
        at=round(at, 4),
        service=shot.service,
        key=flights.tailnum[shot.flight].decode(),
        status=answer.status,
        release=answer.headers.get("x-interlock-release"),
        attempts=int(answer.headers.get("x-envoy-attempt-count", "1")),
        latency_ms=round(latency_ms, 3),
        predicted=body.get("predicted_delay_min"),
        actual=float(flights.arr_delay[shot.flight]),
        trail=tuple((step["service"], step["release"]) for step in body.get("trail", ())),
        error=str(body.get("error", "")),
        is_hit=any(step.get("fault", False) for step in body.get("trail", ())),
    )


def outcome_of(record: Record, now: float) -> dict[str, Any] | None:
    """What Interlock learns of an answer once the flight has landed; None when there was no prediction."""
    if record.predicted is None or record.release is None or record.off_by_min is None:
        return None
    return {
        "id": record.id,
        "service": "delay-predictor",
        "release": record.release,
        "metric": "absolute_error",
        "loss": round(record.off_by_min, 4),
        "at": datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z"),
    }


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}  # a proxy's own error page
    return found if isinstance(found, dict) else {}


class Outcomes:
    """Posts outcomes in batches, a while after the answers. What is refused or lost is posted again; the id
    makes that harmless.
    """

    def __init__(self, api: str, token: str) -> None:
        self.client = Client(api)
        self.token = token
        self.waiting: deque[tuple[float, dict[str, Any]]] = deque()
        self.posted = 0
        self.trouble = ""

    def add(self, record: Record) -> None:
        now = time.time()
        if outcome := outcome_of(record, now):
            self.waiting.append((now + OUTCOME_DELAY_S, outcome))

    async def run(self, closing: asyncio.Event) -> None:
        """Until `closing` is set and all is posted, or patience ends."""
        give_up = float("inf")
        while not (closing.is_set() and not self.waiting) and time.monotonic() < give_up:
            if closing.is_set() and give_up == float("inf"):
                give_up = time.monotonic() + OUTCOME_DELAY_S + OUTCOME_PATIENCE_S
            await self.post_due()
            await asyncio.sleep(OUTCOME_PERIOD_S)
        self.client.close()

    async def post_due(self) -> None:
        now = time.time()
        due = [o for at, o in itertools.islice(self.waiting, OUTCOME_BATCH) if at <= now]
        if not due:
            return
        headers = {"authorization": f"Bearer {self.token}"}
        try:
            answer = await self.client.post("/v1/outcomes", json.dumps({"outcomes": due}).encode(), headers)
        except OSError as error:
            self.trouble = f"{type(error).__name__} {error}"
            return
        if answer.status >= 400:
            self.trouble = f"{answer.status} {answer.body[:200]!r}"
            return
        self.posted += len(due)
        for _ in due:
            self.waiting.popleft()


class Generator:
    """Sends the scheduled requests until it is told to stop, and writes a line for each answer."""

    def __init__(self, edge: str, flights: Flights, run: str, out: TextIO, outcomes: Outcomes | None) -> None:
        self.client = Client(edge)
        self.flights, self.run_name, self.out, self.outcomes = flights, run, out, outcomes

    async def run(self, shots: Iterator[Shot], stopping: asyncio.Event) -> None:
        flushing = asyncio.create_task(self.flush_often())
        closing = asyncio.Event()
        posting = asyncio.create_task(self.outcomes.run(closing)) if self.outcomes else None
        async with asyncio.TaskGroup() as under_way:  # a request that cannot be recorded ends the whole run
            await self.send_all(shots, stopping, under_way)
        closing.set()
        if posting:
            await posting
        flushing.cancel()
        self.client.close()
        self.out.flush()

    async def send_all(self, shots: Iterator[Shot], stopping: asyncio.Event, under_way: asyncio.TaskGroup) -> None:
        began_wall, began = time.time(), time.monotonic()
        for shot in shots:
            if (wait := began + shot.due_s - time.monotonic()) > 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), wait)
            if stopping.is_set():
                return
            under_way.create_task(self.send(shot, began_wall + shot.due_s, began + shot.due_s))

    async def send(self, shot: Shot, at: float, due: float) -> None:
        body = json.dumps(self.flights.features(shot.flight), separators=(",", ":")).encode()
        headers = {
            "x-entity-key": self.flights.tailnum[shot.flight].decode(),
            "x-carrier": self.flights.carrier[shot.flight].decode(),
        }
        sent = time.monotonic()  # timers count whole milliseconds, so it can be a little before it was due
        try:
            answer = await self.client.post(f"/{shot.service}{shot.path}", body, headers)
        except OSError as error:  # TimeoutError is one
            answer = Answer(0, body=json.dumps({"error": f"{type(error).__name__} {error}"}).encode())
        latency_ms = (time.monotonic() - min(due, sent)) * 1000
        record = record_of(shot, answer, self.flights, self.run_name, at, latency_ms)
        self.out.write(to_line(record))
        if self.outcomes:
            self.outcomes.add(record)

    async def flush_often(self) -> None:
        while True:
            await asyncio.sleep(0.25)
            self.out.flush()


class Load:
    """The load generator's process: `start()`, `records()` at any time, `stop()` for all records.

    edge: the address outside callers use; api: the control plane's, or None to post no outcomes.
    """

    def __init__(
        self, edge: str, flights: Path, rate: float, seed: int, out: Path, api: str | None = None, token: str = ""
    ) -> None:
        self.written = RecordFile(out)
        self.command = [sys.executable, "-m", "demo.load", "--edge", edge, "--flights", str(flights)]
        self.command += ["--rate", str(rate), "--seed", str(seed), "--out", str(out)]
        self.command += ["--api", api] if api else []
        self.environment = os.environ | {TOKEN_VARIABLE: token}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Load:
        self.written.path.unlink(missing_ok=True)
        self.process = subprocess.Popen(self.command, env=self.environment, start_new_session=True)
        return self

    def records(self) -> list[Record]:
        """What was answered and written so far (a quarter of a second behind)."""
        return self.written.records()

    def forget(self) -> None:
        """Let go of the records so far, so that hours of load fit into memory."""
        self.written.forget()

    def stop(self) -> list[Record]:
        """Send nothing more, wait for the answers under way and their outcomes, and return every record."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(OUTCOME_DELAY_S + OUTCOME_PATIENCE_S + 20)
            finally:
                self.process.kill()
        if self.process and self.process.wait():
            raise RuntimeError(f"the load generator ended with status {self.process.returncode}")
        return self.records()


async def generate(given: argparse.Namespace) -> None:
    flights = open_parsed(given.flights)
    outcomes = Outcomes(given.api, os.environ.get(TOKEN_VARIABLE, "")) if given.api else None
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    # Outcome ids must not meet those of an earlier run, whose store may still be there.
    run = f"{given.seed}-{int(time.time())}"
    with given.out.open("w") as out:
        generator = Generator(given.edge, flights, run, out, outcomes)
        await generator.run(schedule(flights, given.seed, given.rate), stopping)
    if outcomes and outcomes.waiting:
        print(f"{len(outcomes.waiting)} outcomes were not taken: {outcomes.trouble}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description="replay flights against Interlock's edge")
    parser.add_argument("--edge", required=True, help="http://HOST:PORT")
    parser.add_argument("--flights", type=Path, required=True, help="the parsed flights (.npz)")
    parser.add_argument("--rate", type=float, default=200.0, help="requests per second")
    parser.add_argument("--seed", type=int, default=2013)
    parser.add_argument("--out", type=Path, required=True, help="where the records go, one JSON line each")
    parser.add_argument("--api", help=f"the control plane, for outcomes; its token is in ${TOKEN_VARIABLE}")
    uvloop.run(generate(parser.parse_args()))


if __name__ == "__main__":
    main()
