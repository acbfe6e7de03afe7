"""A run of a lens from one file into another, put together: who reads, who translates, who writes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from interlock.adapters.schemas.lens_batches import EngineChoice, Origin, translation
from interlock.adapters.schemas.parts import FileParts, TargetIsSource, Work
from interlock.adapters.schemas.row_encoders import encoder
from interlock.adapters.schemas.row_files import PART_BYTES, PART_ROWS, RowFile, row_file
from interlock.adapters.schemas.row_forms import form_of
from interlock.adapters.schemas.row_tables import row_table
from interlock.engine.lens_data import Aside, Asked, Rows, Translate


@dataclass(frozen=True, slots=True)
class Run:
    """told: what a person should know before it begins."""

    source: Rows
    translate: Translate
    parts: FileParts
    engine: str
    told: tuple[str, ...]


@contextmanager
def prepared(
    asked: Asked,
    source: str,
    database: str,
    target: Path,
    rejects: Path | None,
    is_forced: bool = False,
    choice: EngineChoice = "auto",
    part_rows: int = PART_ROWS,
    part_bytes: int = PART_BYTES,
    aside: Aside | None = None,
) -> Iterator[Run]:
    """Everything that a run needs, checked before anything is written. part_rows, part_bytes: the size of a part,
    of binary formats and of text. aside: what is done with each record besides.
    """
    to = form_of(target)
    if rejects is not None and rejects.resolve() == target.resolve():
        raise TargetIsSource(f"{rejects} is where the rows go", remedy="Name another file for the rejected ones.")
    with _opened(source, database, part_rows, part_bytes) as (rows, origin):
        for path in (target, rejects):
            if not database and path is not None and path.exists() and path.samefile(source):
                raise TargetIsSource(f"{path} is what is read", remedy="Name another file to write.")
        made = translation(origin, asked, to, choice, aside)
        besides = "" if aside is None else f", {type(aside).__name__.lower()}"
        form = f"{to} of {made.engine}, {part_rows} rows or {part_bytes} bytes a part{besides}"
        work = Work(asked.digest, rows.identity, form)
        encode = encoder(to, made.fields, "\t" if target.suffix.lower() == ".tsv" else ",")
        with FileParts.opened(target, rejects, encode, work, is_forced) as parts:
            told = [f"the rows are translated one by one: {made.why}"] if made.why else []
            if parts.void:
                told.append(f"parts of an earlier run are void: {parts.void}")
            if parts.progress.place.row:
                told.append(f"an earlier run is continued behind row {parts.progress.place.row:,}")
            yield Run(rows, made.translate, parts, made.engine, tuple(told))


@contextmanager
def _opened(source: str, database: str, part_rows: int, part_bytes: int) -> Iterator[tuple[Rows, Origin]]:
    if database:
        with row_table(source, database, part_rows) as table:
            yield table, Origin(Path(source), "arrow", tuple(table.schema.names), table.schema)
        return
    file: RowFile = row_file(Path(source), part_rows, part_bytes)
    yield file, Origin(file.path, file.form, file.columns, file.schema)
