"""SQLite's own ways to fail: files that are none, full disks, locks, killed processes."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from interlock.adapters.store.connect import connect
from interlock.adapters.store.sql import SqlStore, open_store
from interlock.domain.audit.chain import verify
from interlock.domain.audit.event import Event
from interlock.domain.checks.evidence import Block
from interlock.engine.ports import Outcome, Transaction
from interlock.kernel.errors import Invalid, Stale, Unavailable

AT = datetime(2026, 5, 1, 8, tzinfo=UTC)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "interlock.db"


@pytest.fixture
def store(place: Path) -> Iterator[SqlStore]:
    opened = SqlStore(f"sqlite:///{place}", patience_s=0.05)
    yield opened
    opened.close()


def write_everything(tx: Transaction, number: int, text: str = "") -> None:
    """One of each, so that a half-done transaction would show."""
    tx.write("change", f"x{number}", {"text": text})
    tx.append(Event(AT, "ana", "change.opened", f"change:x{number}", text))
    tx.add_blocks("x", [Block(number, 1.0)])
    tx.add_outcomes([Outcome(f"o{number}", "s", "r", "m", 1.0, AT)])


def counts(store: SqlStore) -> set[int]:
    """How many documents, entries, blocks and outcomes there are: one number when nothing is half done."""
    with store.transaction(read_only=True) as tx:
        assert verify(tx.trail(), tx.head()) == []
        return {len(tx.scan("change")), len(tx.trail()), len(tx.blocks("x")), len(tx.outcomes())}


def fill(store: SqlStore) -> int:
    """Write until the disk is full; how many transactions were committed."""
    committed = 0

    def write_on() -> None:
        nonlocal committed
        for number in range(10_000):
            with store.transaction() as tx:
                write_everything(tx, number, "x" * 3_000)
            committed += 1

    with pytest.raises(Unavailable) as full:
        write_on()
    assert full.value.code == "store.full"
    assert full.value.remedy
    return committed


# opening


@pytest.mark.parametrize("url", ["interlock.db", "mysql://u:secret@h/d", "sqlite://", "sqlite:///:memory:", ""])
def test_an_address_that_names_no_store_is_invalid(url: str) -> None:
    """The error shows how to write one and no password."""
    with pytest.raises(Invalid, match=r"sqlite:///interlock\.db") as refused:
        open_store(url)
    assert refused.value.code == "store.url"
    assert "secret" not in str(refused.value)


def test_both_ways_to_write_a_postgres_address_use_psycopg() -> None:
    """`postgresql://` has meant another driver in older SQLAlchemy."""
    for url in ("postgresql://h/d", "postgresql+psycopg://h/d"):
        assert connect(url, 1.0).url.drivername == "postgresql+psycopg"


def test_a_postgres_address_without_its_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver is an extra."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(Invalid, match=r"interlock\[postgres\]"):
        open_store("postgresql://h/d")


def test_a_postgres_that_is_not_there_is_unavailable() -> None:
    """The message has the reason, not the password."""
    with pytest.raises(Unavailable) as refused:
        SqlStore("postgresql://u:secret@127.0.0.1:1/d", patience_s=1.0)
    assert refused.value.code == "store.unavailable"
    assert "secret" not in str(refused.value)


def test_a_directory_that_does_not_exist_makes_the_store_unavailable(tmp_path: Path) -> None:
    """Nothing is created in its place."""
    with pytest.raises(Unavailable, match="unable to open") as refused:
        open_store(f"sqlite:///{tmp_path}/nowhere/interlock.db")
    assert refused.value.code == "store.unavailable"
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_corrupt_and_left_alone(place: Path) -> None:
    """A wrong path does not cost anyone a file."""
    place.write_text("a letter, not a database\n" * 100)
    with pytest.raises(Invalid, match="not a database") as refused:
        open_store(f"sqlite:///{place}")
    assert refused.value.code == "store.corrupt"
    assert place.read_text() == "a letter, not a database\n" * 100


def test_the_log_is_on_and_each_commit_reaches_the_disk(store: SqlStore) -> None:
    """The settings hold on a second connection too."""
    with store.engine.connect() as one, store.engine.connect() as other:
        for connection in (one.execution_options(read_only=True), other.execution_options(read_only=True)):
            found = {
                p: connection.scalar(sa.text(f"PRAGMA {p}"))
                for p in ("journal_mode", "synchronous", "foreign_keys")
            }
            assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


# contention


def test_turning_on_the_log_waits_for_another_process_that_is_at_it(place: Path) -> None:
    """SQLite may refuse this one statement without waiting; two that open a fresh file must both succeed."""
    other = sqlite3.connect(place, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    engine = connect(f"sqlite:///{place}", 0.05)
    waited: list[str] = []

    @sa.event.listens_for(engine, "connect", insert=True)
    def let_go_when_waited_for(connection: sqlite3.Connection, _record: object) -> None:
        def watch(statement: str) -> None:
            if statement == "BEGIN IMMEDIATE" and other.in_transaction:
                other.execute("COMMIT")
                waited.append(statement)

        connection.set_trace_callback(watch)

    with engine.connect() as connection:
        assert connection.scalar(sa.text("PRAGMA journal_mode")) == "wal"
    assert waited
    engine.dispose()
    other.close()


def test_a_writer_that_waited_too_long_is_told(store: SqlStore) -> None:
    """While one transaction writes for longer than the patience, the next one is Unavailable, then fine."""
    with store.transaction() as slow:
        write_everything(slow, 0)
        with pytest.raises(Unavailable, match="another writer") as refused, store.transaction():
            pass
        assert refused.value.code == "store.unavailable"
    with store.transaction() as tx:
        write_everything(tx, 1)
    assert counts(store) == {2}


def test_using_up_all_connections_is_unavailable(store: SqlStore) -> None:
    """A store that leaks transactions says so instead of hanging."""

    def take_all(stack: ExitStack) -> None:
        for _ in range(100):
            stack.enter_context(store.transaction(read_only=True)).head()

    with ExitStack() as stack, pytest.raises(Unavailable, match="connections") as refused:
        take_all(stack)
    assert refused.value.code == "store.unavailable"
    assert counts(store) == {0}


def test_a_stale_write_is_not_taken_for_a_database_error(store: SqlStore) -> None:
    """Interlock's own errors pass the border as they are."""
    with pytest.raises(Stale), store.transaction() as tx:
        tx.write("change", "x", {}, expect=3)


# full disks


def test_when_the_database_may_not_grow_nothing_is_half_done(store: SqlStore) -> None:
    """SQLite itself reports SQLITE_FULL at its page limit; with the limit gone the store works again."""
    limit = {"pages": 60}

    @sa.event.listens_for(store.engine, "begin")
    def limit_pages(connection: sa.Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {limit['pages']}")

    committed = fill(store)
    assert counts(store) == {committed}
    limit["pages"] = 100_000
    with store.transaction() as tx:
        write_everything(tx, committed, "x" * 3_000)
    assert counts(store) == {committed + 1}


@contextmanager
def small_disk(path: Path) -> Iterator[Path]:
    """A disk of one megabyte; skips where mounting is not allowed."""
    path.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", path]).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


def test_when_the_disk_is_full_nothing_is_half_done(tmp_path: Path) -> None:
    """A real disk of one megabyte: the writer is told, readers go on, and with space back so does the writer."""
    with small_disk(tmp_path / "disk") as disk:
        ballast = disk / "ballast"
        ballast.write_bytes(b"x" * 300_000)
        store = SqlStore(f"sqlite:///{disk}/interlock.db")
        committed = fill(store)
        assert committed > 0
        assert counts(store) == {committed}
        ballast.unlink()
        with store.transaction() as tx:
            write_everything(tx, committed)
        assert counts(store) == {committed + 1}
        store.close()


def test_a_fresh_store_on_a_full_disk_is_unavailable(tmp_path: Path) -> None:
    """Opening creates nothing that would confuse the next try, which succeeds once there is space."""
    with small_disk(tmp_path / "disk") as disk:
        ballast = disk / "ballast"
        ballast.write_bytes(b"x" * (1 << 20))
        with pytest.raises(Unavailable):
            open_store(f"sqlite:///{disk}/interlock.db")
        ballast.unlink()
        store = SqlStore(f"sqlite:///{disk}/interlock.db")
        assert counts(store) == {0}
        store.close()


# crashes


WRITER = """
import sys
from datetime import UTC, datetime
from interlock.adapters.store.sql import open_store
from interlock.domain.audit.event import Event
from interlock.domain.checks.evidence import Block
from interlock.engine.ports import Outcome

AT = datetime(2026, 5, 1, tzinfo=UTC)
store = open_store(sys.argv[1])
for number in range(10**9):
    with store.transaction() as tx:
        tx.write("change", f"x{number}", {})
        tx.append(Event(AT, "ana", "change.opened", "change:x"))
        if number == int(sys.argv[2]):
            print("inside", flush=True)
            sys.stdin.read()
        tx.add_blocks("x", [Block(number, 1.0)])
        tx.add_outcomes([Outcome(f"o{number}", "s", "r", "m", 1.0, AT)])
    print(number, flush=True)
"""


def kill_writer(place: Path, stop_at: int, lines: int) -> None:
    """Run WRITER until it has printed `lines` lines, then kill it as no handler can catch."""
    command = [sys.executable, "-c", WRITER, f"sqlite:///{place}", str(stop_at)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        for _ in range(lines):
            assert writer.stdout.readline(), "the writer ended by itself"
        writer.send_signal(signal.SIGKILL)


def test_a_process_killed_inside_a_transaction_leaves_nothing_of_it(place: Path) -> None:
    """Killed between the audit entry and the block of its sixth transaction: five are there, whole."""
    kill_writer(place, stop_at=5, lines=6)
    store = SqlStore(f"sqlite:///{place}")
    assert counts(store) == {5}
    with store.transaction() as tx:
        write_everything(tx, 5)
    assert counts(store) == {6}
    store.close()


def test_a_process_killed_at_any_moment_leaves_what_it_reported(place: Path) -> None:
    """Every transaction that was reported as committed is there, and the chain verifies."""
    kill_writer(place, stop_at=-1, lines=40)
    store = SqlStore(f"sqlite:///{place}")
    (committed,) = counts(store)
    assert committed >= 40
    store.close()
