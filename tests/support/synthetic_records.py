"""Records of a run that never was: one change that goes wrong and turns back, one that is promoted."""

from __future__ import annotations

import random

from demo.figures import ChangeStory
from demo.records import Record

BEGAN = 1_700_000_000.0
BASELINE, WRONG, RIGHT = "r111111111111", "r222222222222", "r333333333333"
CHANGES_AT = (5.0, 40.0)


def weight(t: float) -> tuple[str, float]:
    """The candidate and its share of the traffic, t seconds into the run."""
    if 10 <= t < 18:
        return WRONG, 0.05 if t < 15 else 0.2
    if 50 <= t < 90:
        return RIGHT, 0.05 if t < 60 else 0.2 if t < 70 else 0.5 if t < 80 else 1.0
    return WRONG, 0.0


def synthetic_records(seed: int = 1, rate: float = 100.0, seconds: float = 90.0) -> list[Record]:
    chance = random.Random(seed)
    return [_record(chance, number, number / rate) for number in range(int(rate * seconds))]


def _record(chance: random.Random, number: int, t: float) -> Record:
    candidate, share = weight(t)
    release = candidate if chance.random() < share else BASELINE
    tripped = release == WRONG and chance.random() < 0.02
    served = BASELINE if tripped else release
    off = chance.expovariate(1 / (26 if served == WRONG else 12))
    return Record(
        id=f"s-{number}",
        at=BEGAN + t,
        service="delay-predictor",
        key=f"N{number % 500}",
        status=200,
        release=served,
        attempts=2 if tripped else 1,
        latency_ms=1.0 + chance.expovariate(0.5) + (3.0 if tripped else 0.0),
        predicted=10.0,
        actual=10.0 + off * chance.choice((-1, 1)),
        trail=(("delay-predictor", served),),
    )


def stories() -> list[ChangeStory]:
    first, second = (BEGAN + t for t in CHANGES_AT)
    return [
        ChangeStory(
            name="change-a",
            outcome="rolled_back",
            baseline=BASELINE,
            candidate=WRONG,
            started=first,
            ended=BEGAN + 25,
            timeline=[
                {"at": first, "what": "rollout.started", "because": "approved by two people"},
                {"at": BEGAN + 10, "what": "exposure 5 %", "because": "all endpoints are well"},
                {"at": BEGAN + 15, "what": "exposure 20 %", "because": "no gate objects"},
                {"at": BEGAN + 18, "what": "rolled back", "because": "mean absolute error is worse by > 3 minutes"},
            ],
            verdicts=[{"gate": "delay-predictor/outcome", "verdict": "fail", "because": "26.1, not 12.3"}],
        ),
        ChangeStory(
            name="change-b",
            outcome="promoted",
            baseline=BASELINE,
            candidate=RIGHT,
            started=second,
            ended=BEGAN + 90,
            timeline=[{"at": BEGAN + t, "what": f"step {i}", "because": "<as planned> & well"}
                      for i, t in enumerate((40, 50, 60, 70, 80))],
        ),
    ]  # fmt: skip
