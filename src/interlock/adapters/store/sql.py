"""`SqlStore`: the Store port over SQL. Safe to share between threads; a transaction belongs to one.

Limit: a document that is erased and written again begins at version 1 again, so `expect` tells a rewrite, not
a rebirth.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from interlock.adapters.store import migrate, tables
from interlock.adapters.store.connect import connect
from interlock.adapters.store.faults import DocumentStale, StoreCorrupt, Unstorable, translated
from interlock.domain.audit.chain import ORIGIN, link
from interlock.domain.audit.event import Entry, Event, Head
from interlock.domain.checks.evidence import Block
from interlock.engine.codec import Unreadable, parse
from interlock.engine.ports import Document, Outcome, Store
from interlock.kernel.digest import plain
from interlock.kernel.errors import Invariant
from interlock.kernel.instant import from_rfc3339, to_rfc3339

PATIENCE_S = 10.0


def open_store(url: str) -> Store:
    """The store at `url` (`sqlite:///path` or `postgresql://...`), brought to this release's tables.

    Unavailable when it cannot be opened, Invalid when the address or the file is none of ours, Refused when a
    newer release wrote it.
    """
    return SqlStore(url)


class SqlStore:
    """Durable state in SQLite or Postgres. `engine` is open to those who must look underneath."""

    def __init__(self, url: str, *, patience_s: float = PATIENCE_S) -> None:
        self.engine = connect(url, patience_s)
        self._place = self.engine.url.render_as_string(hide_password=True)
        try:
            with translated(self._place):
                migrate.bring_up(self.engine)
        except BaseException:
            self.engine.dispose()
            raise

    @contextmanager
    def transaction(self, *, read_only: bool = False) -> Iterator[SqlTransaction]:
        """Commits at the end of the block, or leaves nothing when the block raises."""
        with (
            translated(self._place),
            self.engine.connect().execution_options(read_only=read_only) as connection,
            connection.begin(),
        ):
            yield SqlTransaction(connection, read_only=read_only)

    def close(self) -> None:
        self.engine.dispose()


class SqlTransaction:
    """One atomic unit of work; see the port for what each method promises."""

    def __init__(self, connection: sa.Connection, *, read_only: bool) -> None:
        self._connection = connection
        self._read_only = read_only

    def read(self, kind: str, key: str) -> Document | None:
        d = tables.documents.c
        row = self._connection.execute(sa.select(d.body, d.version).where(d.kind == kind, d.key == key)).first()
        return Document(key, _from_json(row.body, f"{kind} {key!r}"), row.version) if row else None

    def scan(self, kind: str, prefix: str = "") -> list[Document]:
        d = tables.documents.c
        query = sa.select(d.key, d.body, d.version).where(d.kind == kind, d.key >= prefix).order_by(d.key)
        if end := _after_prefix(prefix):
            query = query.where(d.key < end)
        rows = self._connection.execute(query)
        return [Document(r.key, _from_json(r.body, f"{kind} {r.key!r}"), r.version) for r in rows]

    def write(self, kind: str, key: str, body: Mapping[str, Any], expect: int | None = None) -> int:
        _check_text(kind, key)
        text = _to_json(body)
        found = self._version(kind, key)
        if expect is not None and found != expect:
            raise DocumentStale(
                f"{kind} {key!r} is at version {found}, not {expect}: someone else wrote it meanwhile",
                remedy="Read it again and retry.",
            )
        row = {"kind": kind, "key": key, "version": found + 1, "body": text}
        if found:
            self._change(sa.update(tables.documents).where(_is_document(kind, key)), row)
        else:
            self._change(sa.insert(tables.documents), row)
        return found + 1

    def erase(self, kind: str, key: str) -> bool:
        return self._change(sa.delete(tables.documents).where(_is_document(kind, key))) > 0

    def append(self, event: Event) -> Entry:
        _check_text(event.actor, event.kind, event.subject, event.because)
        last = self.head()
        try:
            entry = link(last.digest, last.seq + 1, event)
        except ValueError as error:
            raise Unstorable(f"the event {event.kind!r} has no canonical form: {error}") from error
        self._change(sa.insert(tables.audit), _row_of_entry(entry))
        head = {"id": 1, "seq": entry.seq, "digest": entry.digest}
        self._change(sa.update(tables.audit_head) if last.seq else sa.insert(tables.audit_head), head)
        return entry

    def trail(self, after: int = 0, limit: int | None = None) -> list[Entry]:
        a = tables.audit
        rows = self._connection.execute(sa.select(a).where(a.c.seq > after).order_by(a.c.seq).limit(limit))
        return [_entry_of_row(r) for r in rows]

    def head(self) -> Head:
        h = tables.audit_head.c
        row = self._connection.execute(sa.select(h.seq, h.digest)).first()
        return Head(row.seq, row.digest) if row else ORIGIN

    def add_blocks(self, rollout: str, blocks: Sequence[Block]) -> None:
        _check_text(rollout)
        rows = [{"rollout": rollout, "number": b.number, "body": _to_json(plain(b))} for b in blocks]
        self._add(tables.blocks, rows)

    def blocks(self, rollout: str, first: int = 0) -> list[Block]:
        b = tables.blocks.c
        query = sa.select(b.number, b.body).where(b.rollout == rollout, b.number >= first).order_by(b.number)
        return [_block(r.body, f"block {r.number} of {rollout!r}") for r in self._connection.execute(query)]

    def add_outcomes(self, outcomes: Sequence[Outcome]) -> int:
        return self._add(tables.outcomes, [_row_of_outcome(o) for o in outcomes])

    def outcomes(self, after: int = 0, limit: int = 10_000) -> list[tuple[int, Outcome]]:
        o = tables.outcomes
        rows = self._connection.execute(sa.select(o).where(o.c.seq > after).order_by(o.c.seq).limit(limit))
        return [(r.seq, _outcome_of_row(r)) for r in rows]

    def forget_outcomes(self, through: int) -> int:
        return self._change(sa.delete(tables.outcomes).where(tables.outcomes.c.seq <= through))

    def last_outcome(self) -> int:
        return self._connection.scalar(sa.select(sa.func.max(tables.outcomes.c.seq))) or 0

    def _version(self, kind: str, key: str) -> int:
        query = sa.select(tables.documents.c.version).where(_is_document(kind, key))
        return self._connection.scalar(query) or 0

    def _add(self, table: sa.Table, rows: list[dict[str, Any]]) -> int:
        """Insert the rows that are not there yet; how many that were."""
        insert = sqlite.insert if self._connection.dialect.name == "sqlite" else postgresql.insert
        return self._change(insert(table).on_conflict_do_nothing(), rows) if rows else 0

    def _change(self, statement: sa.UpdateBase, values: Any = None) -> int:
        """How many rows it changed."""
        if self._read_only:
            raise Invariant("a read-only transaction was asked to write")
        kept = {"preserve_rowcount": True}  # psycopg forgets the count of an INSERT when its cursor closes
        return self._connection.execute(statement, values, execution_options=kept).rowcount


def _is_document(kind: str, key: str) -> sa.ColumnElement[bool]:
    d = tables.documents.c
    return sa.and_(d.kind == kind, d.key == key)


def _after_prefix(prefix: str) -> str:
    """The first text after all that begin with `prefix`, by code point; empty when there is none."""
    trimmed = prefix.rstrip("\U0010ffff")
    if not trimmed:
        return ""
    following = ord(trimmed[-1]) + 1
    is_surrogate = 0xD800 <= following <= 0xDFFF
    return trimmed[:-1] + chr(0xE000 if is_surrogate else following)


def _check_text(*texts: str) -> None:
    """Postgres holds no NUL, and neither database a lone surrogate."""
    for text in texts:
        if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
            raise Unstorable(f"{text!r} has a character that cannot be stored", remedy="Leave it out.")


def _to_json(body: Mapping[str, Any]) -> str:
    try:
        return json.dumps(plain(body), separators=(",", ":"), allow_nan=False)
    except ValueError as error:
        raise Unstorable(f"a document cannot be stored: {error}") from error


def _from_json(text: str, what: str) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except ValueError as error:
        raise _corrupt(what, error) from error
    if not isinstance(body, dict):
        raise _corrupt(what, "it is not a JSON object")
    return body


def _corrupt(what: str, why: object) -> StoreCorrupt:
    return StoreCorrupt(f"{what} cannot be read from the store: {why}", remedy="Restore it from a backup.")


def _block(text: str, what: str) -> Block:
    try:
        return parse(Block, text)
    except Unreadable as error:
        raise _corrupt(what, error.message) from error


def _row_of_entry(entry: Entry) -> dict[str, Any]:
    e = entry.event
    return {
        "seq": entry.seq,
        "at": to_rfc3339(e.at),
        "actor": e.actor,
        "kind": e.kind,
        "subject": e.subject,
        "because": e.because,
        "facts": _to_json(e.facts),
        "previous": entry.previous,
        "digest": entry.digest,
    }


def _entry_of_row(row: Any) -> Entry:
    what = f"audit entry {row.seq}"
    try:
        at = from_rfc3339(row.at)
    except ValueError as error:
        raise _corrupt(what, error) from error
    event = Event(at, row.actor, row.kind, row.subject, row.because, _from_json(row.facts, what))
    return Entry(row.seq, event, row.previous, row.digest)


def _row_of_outcome(o: Outcome) -> dict[str, Any]:
    _check_text(o.id, o.service, o.release, o.metric)
    if not math.isfinite(o.loss):
        raise Unstorable(f"outcome {o.id!r} has the loss {o.loss}", remedy="Post a finite number.")
    if o.at.tzinfo is None or (o.answered_at and o.answered_at.tzinfo is None):
        raise Unstorable(
            f"outcome {o.id!r} has a time without a zone", remedy="Write it like 2026-05-01T08:00:00Z."
        )
    return {
        "id": o.id,
        "service": o.service,
        "release": o.release,
        "metric": o.metric,
        "loss": float(o.loss),
        "at": to_rfc3339(o.at),
        "answered_at": to_rfc3339(o.answered_at) if o.answered_at else None,
    }


def _outcome_of_row(row: Any) -> Outcome:
    answered_at = from_rfc3339(row.answered_at) if row.answered_at else None
    return Outcome(row.id, row.service, row.release, row.metric, row.loss, from_rfc3339(row.at), answered_at)
