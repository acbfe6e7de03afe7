"""A delay model as it is served: features of one flight in, minutes of arrival delay out.

Version 1 reads contract flight-features version 1; versions 2 and 3 read version 2, in which durations are
seconds and the carrier is a name. Version 3 also reads the wind.

A model is trained with scikit-learn and kept as JSON: the boosted trees and nothing else. To serve one row at
a time that is ten times faster than the library, starts without it, and one model has one digest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SECONDS_PER_MINUTE = 60
ORIGINS = {"EWR": 0, "JFK": 1, "LGA": 2}
LEAF = -2


@dataclass(frozen=True, slots=True)
class Tree:
    """A regression tree, one entry per node, the root first; `feature` is LEAF where `value` is the answer."""

    feature: Sequence[int]
    threshold: Sequence[float]
    left: Sequence[int]
    right: Sequence[int]
    value: Sequence[float]

    def answer(self, row: Sequence[float]) -> float:
        node = 0
        while (feature := self.feature[node]) != LEAF:
            node = self.left[node] if row[feature] <= self.threshold[node] else self.right[node]
        return self.value[node]


@dataclass(frozen=True, slots=True)
class DelayModel:
    """Boosted trees, and what it takes to build their input row.

    A prediction is `start` plus the sum over the trees (the learning rate is in their values already).
    carriers: the names (version 1: codes) it was trained on -> index; typical_wind_mph stands in where the
    wind is unknown.
    """

    version: str
    start: float
    trees: Sequence[Tree]
    carriers: Mapping[str, int]
    typical_wind_mph: float

    def predict(self, features: Mapping[str, Any]) -> float:
        """Minutes late on arrival, negative when early. KeyError names the field that `features` lacks."""
        return self.of_row(self.row_1(features) if self.version == "1" else self.row_2(features))

    def of_row(self, row: Sequence[float]) -> float:
        return self.start + sum(tree.answer(row) for tree in self.trees)

    def row_1(self, f: Mapping[str, Any]) -> list[float]:
        return [f["dep_delay"], f["sched_duration"], *self.place(f, f["carrier"])]

    def row_2(self, f: Mapping[str, Any]) -> list[float]:
        times = [f["departure_delay"] / SECONDS_PER_MINUTE, f["sched_duration"] / SECONDS_PER_MINUTE]
        row = times + self.place(f, f["airline"])
        if self.version == "2":
            return row
        wind = f["wind_speed"]
        return [*row, self.typical_wind_mph if wind is None else wind]

    def place(self, f: Mapping[str, Any], carrier: str) -> list[float]:
        """Distance, hour of departure, carrier and origin; an unknown carrier counts as none of the known."""
        return [f["distance"], int(f["time_hour"][11:13]), self.carriers.get(carrier, -1), ORIGINS[f["origin"]]]


def model_path(folder: Path, version: str) -> Path:
    return folder / f"delay-{version}.json"


def save_model(model: DelayModel, folder: Path) -> None:
    model_path(folder, model.version).write_text(json.dumps(asdict(model)))


def load_model(folder: Path, version: str) -> DelayModel:
    body = json.loads(model_path(folder, version).read_text())
    return DelayModel(**body | {"trees": [Tree(**tree) for tree in body["trees"]]})
