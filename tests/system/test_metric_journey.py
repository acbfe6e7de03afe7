"""A rollout that is judged by a database, a warehouse and labels that come late, beside the proxy's own counts."""

from __future__ import annotations

import json
import sqlite3
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support.journey import Journey, journey

SECRET = "hunter2-keeps-this"
METRICS = """\
kind: Metric
name: refusals
source: sqlite:///${{METRICS_DIR}}/answers.db
gives: counts
query: |
  SELECT release AS arm, count(*) AS n, sum(refused) AS bad FROM answers
  WHERE release IN (:candidate, :baseline) AND at_s >= :start_s AND at_s < :end_s
  GROUP BY release
every_s: 1
lag_s: 1
---
kind: Metric
name: waits
source: duckdb://
gives: values
query: |
  SELECT version AS arm, wait_ms AS value FROM read_csv_auto('{folder}/*.csv', header = true)
  WHERE at_s >= :start_s AND at_s < :end_s
by: version
every_s: 1
lag_s: 1
cap: 100
---
kind: Metric
name: absolute_error
horizon_s: 2
every_s: 5
"""
GATES = """\
gates:
  - {metric: errors, service: scoring, margin: 10%}
  - {metric: latency, service: scoring, margin: 60%}
  - {metric: outcome, service: scoring, outcome: refusals, margin: 0.4}
  - {metric: outcome, service: scoring, outcome: waits, margin: 40}
  - {metric: outcome, service: scoring, outcome: absolute_error, margin: 4, cap: 10}
"""


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Journey]:
    pytest.importorskip("duckdb")
    pytest.importorskip("ibis")
    (tmp_path / "outside" / SECRET).mkdir(parents=True)
    (tmp_path / "warehouse").mkdir()
    (tmp_path / "shop").mkdir()
    monkeypatch.setenv("METRICS_DIR", str(tmp_path / "outside" / SECRET))
    with journey(tmp_path / "shop") as made:
        (made.root / "metrics.yaml").write_text(METRICS.format(folder=tmp_path / "warehouse"))
        for path in made.root.rglob("*.yaml"):
            lines = [line for line in path.read_text().splitlines() if not line.startswith("gates: [")]
            text = "\n".join(lines).replace("[20%, 50%]", "[50%]") + "\n"
            path.write_text(text + GATES if "kind: Change" in text else text)
        for service in made.services.values():
            service.answer = b'{"score": 1}'
        yield made


class Books:
    """What a user's own systems write down of answers, each once: a database, a warehouse, and labels."""

    def __init__(self, system: Journey, place: Path) -> None:
        self.system, self.place = system, place
        self.database = sqlite3.connect(place / "outside" / SECRET / "answers.db", check_same_thread=False)
        self.versions: dict[str, str] = {}
        self.written = self.files = 0

    def open_table(self) -> None:
        with self.database:
            self.database.execute("CREATE TABLE answers (at_s REAL, release TEXT, refused INTEGER)")

    def write(self) -> None:
        """Everything that is new, under the time of writing; labels say that the answer is a second old."""
        answers, now = self.system.answers[self.written :], datetime.now(UTC)
        self.written += len(answers)
        known = [(release, i) for i, (status, release) in enumerate(answers, self.written) if status == 200]
        if not known:
            return
        at_s = now.timestamp()
        if self.database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            with self.database:
                rows = [(at_s, release, int(i % 25 == 0)) for release, i in known]
                self.database.executemany("INSERT INTO answers VALUES (?, ?, ?)", rows)
        self.files += 1
        lines = [f"{at_s},{self.versions.get(release, 'none')},{i % 7}" for release, i in known]
        fresh = self.place / "warehouse" / f"{self.files}.new"
        fresh.write_text("\n".join(["at_s,version,wait_ms", *lines]) + "\n")
        fresh.rename(fresh.with_suffix(".csv"))
        self.post([self.label(release, i, now) for release, i in known])

    def label(self, release: str, number: int, now: datetime) -> dict[str, Any]:
        return {
            "id": f"o{number}",
            "service": "scoring",
            "release": release,
            "metric": "absolute_error",
            "loss": number % 3,
            "at": now.isoformat(),
            "answered_at": (now - timedelta(seconds=0.5)).isoformat(),
        }

    def post(self, outcomes: list[dict[str, Any]]) -> None:
        token = (self.system.root / ".interlock/token").read_text().strip()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.system.ports['api']}/v1/outcomes",
            json.dumps({"outcomes": outcomes}).encode(),
            {"content-type": "application/json", "authorization": f"Bearer {token}"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 202

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Written four times a second until the block ends."""
        done = threading.Event()

        def keep() -> None:
            while not done.wait(0.25):
                self.write()

        thread = threading.Thread(target=keep)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            self.database.close()


def explained(system: Journey) -> Any:
    return json.loads(system.run("gate", "explain", "better", "-o", "json")[1])


def test_a_rollout_is_judged_by_numbers_of_other_places(system: Journey, tmp_path: Path) -> None:
    """While the database lacks its table the gate waits and says so; then all gates pass, and no file of ours holds
    the secret.
    """
    system.up()
    system.approve_all()
    books = Books(system, tmp_path)
    with system.callers(path="/scoring/score"):
        rollout = system.json("rollout", "start", "better", person="ana")
        books.versions = {rollout["baseline"]: "1", rollout["candidate"]: "2"}
        with books.kept():
            system.until(lambda: "no such table: answers" in explained(system)["because"])
            view = explained(system)
            assert view["verdict"]["kind"] == "undecided"
            refusals = next(s for s in view["supplies"] if "refusals" in s["gate"])
            assert refusals["remedy"] == "Try the query in the database itself."
            books.open_table()
            assert system.run("status", "--watch")[0] == 0, explained(system)
    blocks = [json.loads(line) for line in system.run("gate", "blocks", rollout["id"])[1].splitlines()]
    told = json.dumps(blocks)
    for metric in ("refusals", "waits", "absolute_error"):
        assert f'"{metric}": {{"' in told
    audit = system.run("audit", "trail", "-o", "json")[1]
    for text in (told, audit, json.dumps(explained(system)), system.run("plan", "better", "-o", "json")[1]):
        assert SECRET not in text
    system.stop()
    for path in (system.root / ".interlock").rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path
