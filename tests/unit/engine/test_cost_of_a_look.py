"""What a look costs does not grow with what was, and writers wait for nothing slow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from interlock.adapters.schemas.table_moves import MigrationWriter
from interlock.adapters.store.sql import SqlStore, SqlTransaction
from interlock.domain.audit.event import Event
from interlock.domain.checks.evidence import ArmCounts, Block
from interlock.domain.migrations.migration import Migration
from interlock.domain.releases import release
from interlock.domain.releases.release import Deployment, Release
from interlock.domain.releases.route_table import route_table
from interlock.domain.rollout.revisions import RevisionMove
from interlock.domain.rollout.tables import TableMove
from interlock.engine import changes, outcomes, records, routes
from interlock.engine.plans import approve_change, plan_change
from interlock.engine.ports import Document, Outcome
from interlock.kernel.finding import Finding
from support.driven import World
from support.table_world import TableWorld


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.context.store.close()


class Reads:
    """What transactions read: documents, and blocks of those that may write. open: transactions that may write."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.documents = self.blocks = 0
        scan, read, blocks = SqlTransaction.scan, SqlTransaction.read, SqlTransaction.blocks

        def scanned(tx: SqlTransaction, kind: str, prefix: str = "") -> list[Document]:
            found = scan(tx, kind, prefix)
            self.documents += len(found)
            return found

        def one(tx: SqlTransaction, kind: str, key: str) -> Document | None:
            self.documents += 1
            return read(tx, kind, key)

        def some(tx: SqlTransaction, rollout: str, first: int = 0) -> list[Block]:
            found = blocks(tx, rollout, first)
            self.blocks += 0 if tx._read_only else len(found)
            return found

        monkeypatch.setattr(SqlTransaction, "scan", scanned)
        monkeypatch.setattr(SqlTransaction, "read", one)
        monkeypatch.setattr(SqlTransaction, "blocks", some)


def grown(world: World) -> None:
    """Thirty ended rollouts that the proxy still counts, entries of the audit, outcomes."""
    rollout, now = world.now(), world.clock.now()
    with world.context.store.transaction() as tx:
        for i in range(30):
            ended = replace(rollout.position, phase="finished", outcome="promoted")
            records.write_rollout(tx, replace(rollout, id=f"old{i}-1", change=f"old{i}", version=0, position=ended))
            tx.append(Event(now, "ana", "note.taken", f"rollout:old{i}-1"))
            world.plane.arms["scoring", f"gone{i}"] = ArmCounts(1_000, 3, {40: 1_000})
    outcomes.take_in(world.context, [Outcome(f"o{i}", "x", "y", "z", 0.0, now) for i in range(100)])


def test_a_look_reads_and_keeps_the_same_after_many_rollouts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ended rollouts are not read, and what the proxy counted of them is not kept with the live one."""
    world.begin()
    for _ in range(4):
        world.second()

    def look() -> tuple[int, Any]:
        with monkeypatch.context() as patched:
            reads = Reads(patched)
            world.second()
            seen = reads.documents
        with world.context.store.transaction(read_only=True) as tx:
            evidence = tx.read("evidence", "better-1")
            assert evidence is not None
        return seen, sorted(evidence.body["arms"])

    look()  # the first outcomes and arms are all there is
    before = look()
    grown(world)
    look()  # takes the outcomes in
    assert look() == before


def test_a_table_is_made_when_what_is_called_for_changes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights are; that a second passed, or that a reason is worded anew, is not."""
    made: list[int] = []

    def counted(*arguments: Any) -> Any:
        made.append(world.now().position.stage)
        return route_table(*arguments)

    monkeypatch.setattr(routes, "route_table", counted)
    world.begin()
    world.run()
    assert len(made) == len(world.plane.history) - 1  # the first one was published before
    assert len(made) < 8


def test_a_release_is_named_once_for_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name is a digest of all that it has, so with many services naming it for each would cost their square."""
    named: list[object] = []
    digest = release.digest

    def counted(value: object) -> str:
        named.append(value)
        return digest(value)

    monkeypatch.setattr(release, "digest", counted)
    releases = [Release(tuple(Deployment(f"s{i}", v, ("127.0.0.1:1",)) for i in range(20))) for v in ("1", "2")]
    table = route_table(releases[0], (releases[1],))
    assert len(table.entries) == 20
    assert len(named) == 2


def test_what_was_judged_is_folded_before_writers_must_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a restart all blocks are judged again, which may take long: not in the transaction of the look."""
    world.begin()
    for _ in range(9):
        world.second()
    world.crash()
    reads = Reads(monkeypatch)
    world.second()
    assert reads.blocks <= 1


class Slow:
    """Writes what the real writer writes; `held` are the moves first asked for while writers queue."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.writer, self.open = MigrationWriter(), 0
        self.known: set[str] = set()
        self.held: list[str] = []
        transaction = SqlStore.transaction

        def watched(store: SqlStore, *, read_only: bool = False) -> Any:
            return _Counted(self, transaction(store, read_only=read_only), read_only)

        monkeypatch.setattr(SqlStore, "transaction", watched)

    def render(self, move: TableMove | RevisionMove) -> tuple[Migration | None, tuple[Finding, ...]]:
        if self.open and str(move) not in self.known:
            self.held.append(str(move))
        self.known.add(str(move))
        return self.writer.render(move)


class _Counted:
    """A transaction that tells when it is open and may write."""

    def __init__(self, slow: Slow, inner: Any, is_reader: bool) -> None:
        self.slow, self.inner, self.step = slow, inner, 0 if is_reader else 1

    def __enter__(self) -> Any:
        tx = self.inner.__enter__()
        self.slow.open += self.step
        return tx

    def __exit__(self, *fault: object) -> Any:
        self.slow.open -= self.step
        return self.inner.__exit__(*fault)


def test_the_sql_of_an_approval_is_written_before_writers_must_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for a plan: rendering asks files and may take long."""
    slow = Slow(monkeypatch)
    world = TableWorld(tmp_path, renderer=slow)
    missing = plan_change(world.context, "better").missing
    slow.known.clear()
    approve_change(world.context, "better", missing[0].role, missing[0].holders[0])
    assert slow.known
    assert slow.held == []
    world.close()


def test_a_look_at_what_would_go_back_waits_for_no_writer(world: World) -> None:
    """Nothing is written, so nobody's turn is taken."""
    world.begin()
    with world.context.store.transaction() as tx:
        made = changes.revert(world.context, "better", "all", "eve", dry_run=True)
        assert tx.scan("change") == []
    assert made["written"] is None
