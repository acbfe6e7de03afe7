"""A delay model as it is served: features of one flight in, minutes of arrival delay out.

Version 1 reads contract flight-features version 1; versions 2 and 3 read version 2, in which durations are
seconds and the carrier is a name. Version 3 also reads the wind.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np

SECONDS_PER_MINUTE = 60
ORIGINS = {"EWR": 0, "JFK": 1, "LGA": 2}


@dataclass(frozen=True)
class DelayModel:
    """A fitted regressor and what it takes to build its input row.

    carriers: the names (version 1: codes) it was trained on -> index; typical_wind_mph stands in where the
    wind is unknown.
    """

    version: str
    regressor: Any
    carriers: dict[str, int]
    typical_wind_mph: float

    def predict(self, features: dict[str, Any]) -> float:
        """Minutes late on arrival, negative when early. KeyError names the field that `features` lacks."""
        row = self.row_1(features) if self.version == "1" else self.row_2(features)
        return float(self.regressor.predict(np.array([row], dtype=np.float32))[0])

    def row_1(self, f: dict[str, Any]) -> list[float]:
        return [f["dep_delay"], f["sched_duration"], *self.place(f, f["carrier"])]

    def row_2(self, f: dict[str, Any]) -> list[float]:
        times = [f["departure_delay"] / SECONDS_PER_MINUTE, f["sched_duration"] / SECONDS_PER_MINUTE]
        row = times + self.place(f, f["airline"])
        if self.version == "2":
            return row
        wind = f["wind_speed"]
        return [*row, self.typical_wind_mph if wind is None else wind]

    def place(self, f: dict[str, Any], carrier: str) -> list[float]:
        """Distance, hour of departure, carrier and origin; an unknown carrier counts as none of the known."""
        return [f["distance"], int(f["time_hour"][11:13]), self.carriers.get(carrier, -1), ORIGINS[f["origin"]]]


def model_path(folder: Path, version: str) -> Path:
    return folder / f"delay-{version}.joblib"


def load_model(folder: Path, version: str) -> DelayModel:
    model: DelayModel = joblib.load(model_path(folder, version))
    return model
