"""What files of rows hold, by their names; and how Arrow's are opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from interlock.adapters.schemas.row_values import DataUnreadable

Form = Literal["parquet", "arrow", "csv", "json"]
FORMS: dict[str, Form] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
}


class FormUnknown(DataUnreadable):
    """A file's name does not say what it holds."""

    code = "data.form_unknown"


def form_of(path: Path) -> Form:
    """What a file holds, by its name."""
    if (form := FORMS.get(path.suffix.lower())) is None:
        raise FormUnknown(f"{path.name} is of no kind that is known", remedy=f"Known are {', '.join(FORMS)}.")
    return form


@contextmanager
def opened_arrow(path: Path) -> Iterator[Any]:
    """The reader of an Arrow file or stream, which is mapped: what is not compressed is read where it is."""
    import pyarrow as pa
    from pyarrow import ipc

    with pa.memory_map(str(path)) as held:
        is_file = bytes(held.read(6)) == b"ARROW1"
        held.seek(0)
        yield ipc.open_file(held) if is_file else ipc.open_stream(held)
