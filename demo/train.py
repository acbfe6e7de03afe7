"""Trains the three versions of the delay model on the first four months; the demo replays later ones.

    python -m demo.train        prints how good each is on the flights from May on

Version 2 carries a mistake that people make: its contract says seconds, its training code read the numbers
as minutes. Nothing else is wrong with it; it even looks good on its own training data, because there the
mistake is on both sides. Version 3 divides by 60, as version 2's service does when it serves.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import numpy as np

from demo import flights as data
from demo.flights import Flights, airlines, fingerprint
from demo.models import ORIGINS, SECONDS_PER_MINUTE, DelayModel, Tree, load_model, save_model

VERSIONS = ("1", "2", "3")
TRAINING_ENDS = "2013-05-01"
MISSED_AFTER_MIN = 60
"""A passenger who arrives later than this misses the connection, so rebooking was right."""
COST_OF_MISSING, COST_OF_NEEDLESS = 3.0, 1.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a version is trained. `seconds_read_as`: what the training code divides version 2's seconds by."""

    rows: int
    trees: int
    learning_rate: float
    seconds_read_as: int = SECONDS_PER_MINUTE
    with_wind: bool = False


RECIPES = {
    "1": Recipe(rows=30_000, trees=40, learning_rate=0.15),
    "2": Recipe(rows=30_000, trees=40, learning_rate=0.15, seconds_read_as=1),
    "3": Recipe(rows=45_000, trees=60, learning_rate=0.12, with_wind=True),
}


def train(flights: Flights, cache: Path) -> Path:
    """The folder with the models and `thresholds.json`; trained once per data, code and scikit-learn."""
    code = [Path(__file__).with_name(name) for name in ("train.py", "models.py", "flights.py")]
    name = fingerprint(*code, data.source() / "flights.csv.zip", data.source() / "weather.csv")
    folder = cache / f"models-{name}-{installed_version('scikit-learn')}"
    if not (folder / "thresholds.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        fit_all(flights, folder)
    return folder


def fit_all(flights: Flights, folder: Path) -> None:
    thresholds = {}
    for version in VERSIONS:
        model, thresholds[version] = fit(flights, version)
        save_model(model, folder)
    (folder / "thresholds.json").write_text(json.dumps(thresholds))


def fit(flights: Flights, version: str) -> tuple[DelayModel, float]:
    """The model, and the threshold that is cheapest on its own training rows."""
    from sklearn.ensemble import GradientBoostingRegressor  # two seconds, and not needed when all is cached

    recipe = RECIPES[version]
    past = flights.first_of(TRAINING_ENDS)
    chosen = np.sort(np.random.default_rng(int(version)).choice(past, recipe.rows, replace=False))
    rows, actual = matrix(flights, version, recipe.seconds_read_as)[chosen], flights.arr_delay[chosen]
    regressor = GradientBoostingRegressor(
        loss="huber",
        n_estimators=recipe.trees,
        learning_rate=recipe.learning_rate,
        max_depth=4,
        subsample=0.4,
        random_state=int(version),
    ).fit(rows, actual)
    start = float(regressor.init_.predict(rows[:1])[0])
    trees = [tree_of(one.tree_, recipe.learning_rate) for one in regressor.estimators_[:, 0]]
    model = DelayModel(version, start, trees, carrier_index(flights, version), typical_wind_mph(flights))
    return model, cheapest_threshold(regressor.predict(rows), actual)


def tree_of(fitted: Any, learning_rate: float) -> Tree:
    """A fitted `sklearn.tree._tree.Tree`, scaled by the learning rate."""
    return Tree(
        feature=fitted.feature.tolist(),
        threshold=fitted.threshold.tolist(),
        left=fitted.children_left.tolist(),
        right=fitted.children_right.tolist(),
        value=(fitted.value[:, 0, 0] * learning_rate).tolist(),
    )


def errors(model: DelayModel, flights: Flights) -> np.ndarray:
    """Absolute errors in minutes on every 20th flight that no model was trained on."""
    chosen = range(flights.first_of(TRAINING_ENDS), len(flights), 20)
    rows = matrix(flights, model.version)[chosen].tolist()
    off: np.ndarray = np.abs(np.array([model.of_row(row) for row in rows]) - flights.arr_delay[chosen])
    return off


def matrix(flights: Flights, version: str, seconds_read_as: int = SECONDS_PER_MINUTE) -> np.ndarray:
    """The model's input for every flight, in the order of `DelayModel.row_1` and `row_2`."""
    times = np.stack([flights.dep_delay, flights.sched_duration], axis=1)
    if version != "1":
        times = times * SECONDS_PER_MINUTE / seconds_read_as  # contract version 2 delivers seconds
    columns = [
        times,
        flights.distance,
        np.array([int(hour[11:13]) for hour in flights.time_hour.tolist()]),
        _indexed(flights.carrier, {code.encode(): i for code, i in code_index(flights).items()}),
        _indexed(flights.origin, {code.encode(): i for code, i in ORIGINS.items()}),
    ]
    if RECIPES[version].with_wind:
        columns.append(np.nan_to_num(flights.wind_speed, nan=typical_wind_mph(flights)))
    return np.column_stack(columns).astype(np.float32)


def code_index(flights: Flights) -> dict[str, int]:
    return {code.decode(): i for i, code in enumerate(np.unique(flights.carrier).tolist())}


def carrier_index(flights: Flights, version: str) -> dict[str, int]:
    """Codes for version 1, names for the others."""
    names = airlines()
    return {code if version == "1" else names[code]: i for code, i in code_index(flights).items()}


def typical_wind_mph(flights: Flights) -> float:
    return float(np.nanmedian(flights.wind_speed))


def _indexed(values: np.ndarray, index: dict[bytes, int]) -> np.ndarray:
    return np.array([index[value] for value in values.tolist()])


def cheapest_threshold(predicted: np.ndarray, actual: np.ndarray) -> float:
    """The prediction in minutes above which rebooking costs least, on past flights."""
    missed = actual > MISSED_AFTER_MIN
    candidates = np.arange(10.0, 121.0)
    costs = [
        COST_OF_MISSING * np.sum(missed & (predicted <= t)) + COST_OF_NEEDLESS * np.sum(~missed & (predicted > t))
        for t in candidates
    ]
    return float(candidates[int(np.argmin(costs))])


def main() -> None:
    started = time.perf_counter()
    flights = data.open_parsed(data.prepare(Path(".demo")))
    loaded = time.perf_counter()
    folder = train(flights, Path(".demo"))
    print(f"flights {loaded - started:.1f} s, models {time.perf_counter() - loaded:.1f} s")
    thresholds = json.loads((folder / "thresholds.json").read_text())
    for version in VERSIONS:
        off = errors(load_model(folder, version), flights)
        print(
            f"delay@{version}: mean absolute error {off.mean():.2f} min, rebook above {thresholds[version]:.0f} min"
        )


if __name__ == "__main__":
    main()
