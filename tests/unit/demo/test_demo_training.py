"""The demo's claims about its data and models, checked on the real flights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demo import flights as data
from demo import train
from demo.flights import Flights
from demo.models import DelayModel, load_model
from demo.services.delay_predictor import is_hit_by_fault, predict
from demo.workspace import render

from interlock.adapters.workspace.loader import WorkspaceFiles
from interlock.domain.changes.workspace import Workspace
from interlock.domain.lenses.apply import apply
from interlock.domain.lenses.reverse import reversed_ops


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def flights(cache: Path) -> Flights:
    return data.open_parsed(data.prepare(cache))


@pytest.fixture(scope="module")
def models(cache: Path, flights: Flights) -> Path:
    return train.train(flights, cache)


@pytest.fixture(scope="module")
def workspace(cache: Path, models: Path) -> Workspace:
    """The template with made-up ports, read as Interlock reads it."""
    names = ("delay_predictor", "rebooking", "ops_board")
    ports = {f"{name}_{v}": f"127.0.0.1:{20_000 + 10 * i + v}" for i, name in enumerate(names) for v in (1, 2, 3)}
    addresses = {"edge": "127.0.0.1:1001", "inner": "127.0.0.1:1002", "api": "127.0.0.1:1003"}
    read, findings = WorkspaceFiles(render(cache / "workspace", ports | addresses, models)).load()
    assert [str(f) for f in findings if f.is_blocking] == []
    return read


def test_flights_are_those_that_arrived_in_the_order_they_left(flights: Flights) -> None:
    """Counts are those of the source; hours never go back; durations fit non-stop flights."""
    assert len(flights) == 327_346
    assert (flights.time_hour[:-1] <= flights.time_hour[1:]).all()
    assert flights.features(0)["time_hour"] == "2013-01-01T10:00:00Z"
    assert flights.sched_duration.min() > 30
    assert flights.sched_duration.max() < 12 * 60
    assert np.isnan(flights.wind_speed).mean() < 0.02


def test_version_3_is_as_good_as_version_1_and_version_2_is_clearly_worse(flights: Flights, models: Path) -> None:
    """On the months that no model saw; version 2's predictions are plausible minutes nonetheless."""
    first, second, third = (train.errors(load_model(models, version), flights).mean() for version in "123")
    assert 0.97 * first < third < first
    assert second > 1.7 * first
    served = [load_model(models, "2").of_row(row) for row in train.matrix(flights, "2")[::200].tolist()]
    assert -60 < min(served) < max(served) < 180


def test_the_only_difference_of_version_2_is_how_it_read_seconds() -> None:
    """With the seconds read right it would be version 1's recipe: the mistake alone makes it worse."""
    assert train.RECIPES["2"] == train.Recipe(
        **{f: getattr(train.RECIPES["1"], f) for f in ("rows", "trees", "learning_rate")}, seconds_read_as=1
    )


def served_features(flights: Flights, workspace: Workspace, i: int, version: str) -> dict[str, Any]:
    """What the version reads of flight `i`, through the declared lens."""
    features = flights.features(i)
    return features if version == "1" else dict(apply(workspace.lenses[0].ops, features))


@pytest.mark.parametrize("version", ["1", "2", "3"])
def test_a_service_builds_the_row_that_its_model_was_trained_on(
    flights: Flights, models: Path, workspace: Workspace, version: str
) -> None:
    """From a caller's request through the lens to the row: equal to the training matrix, wind included."""
    model = load_model(models, version)
    rows, known = train.matrix(flights, version), data.winds()
    for i in range(0, len(flights), 6_553):
        features = served_features(flights, workspace, i, version)
        if version == "3":
            features["wind_speed"] = known.get((features["origin"], features["time_hour"]))
        built = model.row_1(features) if version == "1" else model.row_2(features)
        assert np.allclose(np.array(built, dtype=np.float32), rows[i]), i


def test_a_model_without_scikit_learn_answers_as_it_did_with_it(
    flights: Flights, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The JSON trees give the library's predictions, to within what single precision can tell apart."""
    fitted: list[Any] = []
    keep = train.tree_of
    monkeypatch.setitem(train.RECIPES, "3", train.Recipe(rows=2_000, trees=12, learning_rate=0.2, with_wind=True))
    monkeypatch.setattr(train, "tree_of", lambda tree, rate: fitted.append(tree) or keep(tree, rate))
    model, _ = train.fit(flights, "3")
    rows = train.matrix(flights, "3")[::5_003]
    expected = model.start + 0.2 * sum(tree.predict(rows)[:, 0] for tree in fitted)
    assert np.allclose([model.of_row(row) for row in rows.tolist()], expected, atol=1e-4)


def test_the_lens_only_loses_what_version_2_dropped(flights: Flights, workspace: Workspace) -> None:
    """Forward and back gives the caller's request again, but for the flight number."""
    ops = workspace.lenses[0].ops
    features = flights.features(1234)
    assert dict(apply(reversed_ops(ops), apply(ops, features))) == features | {"flight": 0}


def test_thresholds_lie_near_the_delay_that_they_guard(models: Path) -> None:
    """Each is tuned to its model: where a rebooking begins to pay."""
    thresholds = json.loads((models / "thresholds.json").read_text())
    assert thresholds.keys() == set(train.VERSIONS)
    assert all(30 <= minutes <= 70 for minutes in thresholds.values())


def test_the_cheapest_threshold_separates_what_can_be_separated() -> None:
    """Flights beyond 60 minutes late are predicted above 80, others below 40: anything between is free."""
    predicted, actual = np.array([10.0, 39, 81, 90]), np.array([0, 20, 70, 100])
    assert 39 <= train.cheapest_threshold(predicted, actual) <= 81


def test_the_fault_of_version_2_hits_two_percent_and_always_the_same(flights: Flights) -> None:
    """Chosen by content, so a repetition fails again and a replay elsewhere is the only cure."""
    bodies = [json.dumps(flights.features(i)).encode() for i in range(0, 300_000, 60)]
    hit = [is_hit_by_fault("2", body) for body in bodies]
    assert 0.013 < sum(hit) / len(hit) < 0.027
    assert hit == [is_hit_by_fault("2", body) for body in bodies]
    assert not any(is_hit_by_fault(version, body) for body in bodies for version in "13")


def test_a_prediction_names_its_model_and_its_release(flights: Flights, models: Path) -> None:
    """Outside of a request the release is unknown, and the trail says so."""
    model: DelayModel = load_model(models, "1")
    answered = predict(model, {}, flights.features(5))
    assert answered["model_version"] == "1"
    assert answered["trail"] == [{"service": "delay-predictor", "release": None}]


def test_what_was_made_once_is_made_no_second_time(
    flights: Flights, cache: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cache answers as long as data, code and scikit-learn are the same."""

    def never(*_: object) -> None:
        raise AssertionError("made again")

    monkeypatch.setattr(train, "fit_all", never)
    monkeypatch.setattr(data, "_parse", never)
    assert train.train(flights, cache) == models
    assert data.prepare(cache).exists()
