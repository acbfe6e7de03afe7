"""A workspace with two versions of flights and the lens between them, and files of flights."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml
from pyarrow import parquet

from interlock.domain.schemas.contract import Contract, Object
from interlock.domain.schemas.field import Date, Field, Float, Int, Number, String
from interlock.domain.schemas.odcs import to_odcs

OLDER = (
    Field("id", Int(64)),
    Field("delay", Float(64), nullable=True, unit="min"),
    Field("carrier", String(), enum=("UA", "B6")),
    Field("tail", String(), nullable=True, is_personal=True),
    Field("distance", Int(64)),
    Field("hours", Int(64)),
    Field("day", Date()),
)
NEWER = (
    Field("id", Int(64)),
    Field("delay_s", Float(64), nullable=True, unit="s"),
    Field("carrier", String(), enum=("United", "JetBlue")),
    Field("tail", String(), nullable=True, is_personal=True),
    Field("distance", Int(64)),
    Field("hours", Int(64)),
    Field("day", Date()),
    Field("speed", Number(), nullable=True),
    Field("source", String()),
)
OPS = [
    {"rename": {"from": "delay", "to": "delay_s"}},
    {"unit": {"field": "delay_s", "from": "min", "to": "s"}},
    {"map": {"field": "carrier", "values": {"UA": "United", "B6": "JetBlue"}}},
    {"add": {"field": "speed", "value": "distance / hours"}},
    {"add": {"field": "source", "default": "desk"}},
]
ROWS = 4_000


def write_workspace(root: Path) -> Path:
    """Two contract versions and the lens between them."""
    (root / "interlock.yaml").write_text("kind: Workspace\nname: flights\n")
    for version, fields in (("1", OLDER), ("2", NEWER)):
        write_contract(root, version, fields)
    lens = {"kind": "Lens", "contract": "flights", "from": "1", "to": "2", "ops": OPS}
    (root / "lens.yaml").write_text(yaml.safe_dump(lens))
    return root


def flight(n: int) -> dict[str, Any]:
    return {
        "id": n,
        "delay": None if n % 50 == 0 else n % 600 / 4,
        "carrier": ("UA", "B6")[n % 2],
        "tail": f"N{n}",
        "distance": n % 3000,
        "hours": n % 7,
        "day": datetime.date(2013, 1, 1 + n % 28),
    }


def flights(path: Path, rows: int = ROWS, change: Callable[[dict[str, Any]], dict[str, Any]] = dict) -> Path:
    """A file of the older version, whatever its name asks for."""
    made = [change(flight(n)) for n in range(rows)]
    if path.suffix == ".parquet":
        kinds = {"int": pa.int64(), "float": pa.float64(), "string": pa.string(), "date": pa.date32()}
        schema = pa.schema([(f.name, kinds[f.type.kind]) for f in OLDER])
        parquet.write_table(pa.Table.from_pylist(made, schema), path, row_group_size=1_500)
    else:
        path.write_text("".join(json.dumps(one, default=str) + "\n" for one in made))
    return path


def write_contract(root: Path, version: str, fields: tuple[Field, ...]) -> None:
    contract = Contract("flights", version, (Object("flights", fields, is_open=False),))
    (root / f"flights-{version}.yaml").write_text(yaml.safe_dump(to_odcs(contract)))
