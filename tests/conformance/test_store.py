"""What every Store keeps: one suite, run on SQLite and on Postgres."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interlock.adapters.store.sql import SqlStore
from interlock.domain.audit.chain import GENESIS, ORIGIN, verify
from interlock.domain.audit.event import Event, Head
from interlock.domain.checks.evidence import ArmCounts, Block, ServiceCounts
from interlock.engine.ports import Outcome, Transaction
from interlock.kernel.errors import Invalid, Invariant, Stale

AT = datetime(2026, 5, 1, 8, 30, 0, 250_000, tzinfo=UTC)
WRITERS = 4


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    opened = SqlStore(url)
    yield opened
    opened.close()


def event(subject: str = "rollout:x", **facts: Any) -> Event:
    return Event(AT, "ana", "rollout.promoted", subject, "every gate passed", facts)


def outcome(id: str, loss: float = 1.5, at: datetime = AT) -> Outcome:
    return Outcome(id, "delay-predictor", "r0123456789ab", "absolute_error", loss, at)


def at_once(jobs: list[Callable[[], Any]]) -> list[Any]:
    """Start all jobs at the same moment, each in its thread; their results, in order."""
    gate = threading.Barrier(len(jobs))

    def run(job: Callable[[], Any]) -> Any:
        gate.wait(10)
        return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def fill_chain(store: SqlStore, count: int) -> Head:
    with store.transaction() as tx:
        for i in range(count):
            tx.append(event(number=i))
        return tx.head()


def alter(store: SqlStore, *statements: str) -> None:
    """What someone with access to the database could do behind Interlock's back."""
    with store.engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def audit_problems(store: SqlStore) -> set[tuple[str, str]]:
    with store.transaction(read_only=True) as tx:
        return {(f.code, f.subject) for f in verify(tx.trail(), tx.head())}


# documents


def test_a_document_is_read_as_it_was_written(store: SqlStore) -> None:
    """Nesting, order of keys, floats, large numbers, NUL and non-Latin text come back unchanged."""
    body = {"z": [1, 2.5, None, True, {"ü": "\0\U0001f600"}], "a": 5.0, "n": 2**60}
    with store.transaction() as tx:
        assert tx.write("change", "x", body) == 1
    with store.transaction() as tx:
        found = tx.read("change", "x")
    assert found is not None
    assert (found.key, found.body, found.version) == ("x", body, 1)
    assert list(found.body) == ["z", "a", "n"]
    assert isinstance(found.body["a"], float)


def test_each_write_raises_the_version_by_one(store: SqlStore) -> None:
    """The version counts the writes of one document, whether they name the version they expect or not."""
    with store.transaction() as tx:
        assert [tx.write("change", "x", {}), tx.write("change", "x", {}, expect=1)] == [1, 2]
        assert tx.write("change", "y", {}) == 1


def test_a_document_is_known_by_kind_and_key(store: SqlStore) -> None:
    """The same key in another kind is another document."""
    with store.transaction() as tx:
        tx.write("change", "x", {"is": "change"})
        tx.write("plan", "x", {"is": "plan"})
        assert tx.erase("change", "x")
        found = tx.read("plan", "x")
        assert found is not None
        assert found.body == {"is": "plan"}
        assert tx.read("change", "x") is None


@pytest.mark.parametrize("expect", [0, 2])
def test_writing_on_a_version_that_is_not_there_is_stale(store: SqlStore, expect: int) -> None:
    """`expect` refuses when the document is at another version, and nothing changes."""
    with store.transaction() as tx:
        tx.write("change", "x", {"by": "first"})
    with pytest.raises(Stale) as refused, store.transaction() as tx:
        tx.write("change", "x", {"by": "second"}, expect=expect)
    assert refused.value.code == "document.stale"
    with store.transaction() as tx:
        found = tx.read("change", "x")
        assert found is not None
        assert found.body == {"by": "first"}


def test_rewriting_what_was_erased_is_stale(store: SqlStore) -> None:
    """A version read before the document was erased is no longer good."""
    with store.transaction() as tx:
        version = tx.write("change", "x", {})
        tx.erase("change", "x")
        with pytest.raises(Stale):
            tx.write("change", "x", {}, expect=version)


def test_erasing_says_whether_there_was_something(store: SqlStore) -> None:
    """The first erase is true, the second false."""
    with store.transaction() as tx:
        tx.write("change", "x", {})
        assert [tx.erase("change", "x"), tx.erase("change", "x")] == [True, False]


def test_scan_gives_the_keys_under_a_prefix_sorted_by_code_point(store: SqlStore) -> None:
    """Prefixes are literal and case counts: `_` and `%` are no wildcards, `B` comes before `a`."""
    keys = ["a", "a%", "a_b", "aXb", "A_b", "B", "b", "é", "\U0001f600", "\uffff"]
    with store.transaction() as tx:
        for key in keys:
            tx.write("k", key, {})
            tx.write("other", key, {})
        assert [d.key for d in tx.scan("k")] == sorted(keys)
        assert [d.key for d in tx.scan("k", "a_")] == ["a_b"]
        assert [d.key for d in tx.scan("k", "a%")] == ["a%"]
        assert [d.key for d in tx.scan("k", "\uffff")] == ["\uffff"]


KEYS = st.text(st.sampled_from("aAb_%\ud7ff\ue000\U0010ffff"), max_size=3)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), KEYS, st.integers(0, 9), st.none() | st.integers(0, 3)),
        st.tuples(st.just("erase"), KEYS),
        st.tuples(st.just("scan"), KEYS),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_documents_behave_like_a_dict_with_versions(store: SqlStore, steps: list[tuple[Any, ...]]) -> None:
    """Whatever is written, erased and scanned, the store answers as a dict of (body, version) does."""
    model: dict[str, tuple[int, int]] = {}
    with store.transaction() as tx:
        for document in tx.scan("model"):
            tx.erase("model", document.key)
        for step in steps:
            follow(tx, model, step)
        assert {d.key: (d.body["n"], d.version) for d in tx.scan("model")} == model


def follow(tx: Transaction, model: dict[str, tuple[int, int]], step: tuple[Any, ...]) -> None:
    match step:
        case "write", key, number, expect:
            version = model.get(key, (0, 0))[1]
            if expect is not None and expect != version:
                with pytest.raises(Stale):
                    tx.write("model", key, {"n": number}, expect)
                return
            assert tx.write("model", key, {"n": number}, expect) == version + 1
            model[key] = (number, version + 1)
        case "erase", key:
            assert tx.erase("model", key) == (model.pop(key, None) is not None)
        case "scan", prefix:
            assert [d.key for d in tx.scan("model", prefix)] == sorted(k for k in model if k.startswith(prefix))


# transactions


def test_a_transaction_that_raises_leaves_nothing(store: SqlStore) -> None:
    """Documents, audit entries, blocks and outcomes of a failed transaction are all gone."""

    def fail_at_the_end() -> None:
        with store.transaction() as tx:
            tx.write("change", "x", {})
            tx.append(event())
            tx.add_blocks("x", [Block(0, 1.0)])
            tx.add_outcomes([outcome("a")])
            raise KeyError("planted")

    with pytest.raises(KeyError):
        fail_at_the_end()
    with store.transaction() as tx:
        assert (tx.read("change", "x"), tx.trail(), tx.head()) == (None, [], ORIGIN)
        assert (tx.blocks("x"), tx.outcomes(), tx.last_outcome()) == ([], [], 0)


def test_a_transaction_sees_its_own_writes_and_nobody_else_does_before_it_commits(store: SqlStore) -> None:
    """A reader neither waits for the writer nor sees what is not committed."""
    with store.transaction() as writer:
        writer.write("change", "x", {})
        assert writer.read("change", "x") is not None
        with store.transaction(read_only=True) as reader:
            assert reader.read("change", "x") is None


def test_a_reader_keeps_its_snapshot(store: SqlStore) -> None:
    """What is committed while a read-only transaction runs stays out of its sight."""
    with store.transaction(read_only=True) as reader:
        assert reader.scan("change") == []
        with store.transaction() as writer:
            writer.write("change", "x", {})
        assert reader.scan("change") == []
    with store.transaction(read_only=True) as reader:
        assert len(reader.scan("change")) == 1


def test_a_read_only_transaction_does_not_write(store: SqlStore) -> None:
    """Writing in it is a bug of the caller's."""
    with pytest.raises(Invariant), store.transaction(read_only=True) as tx:
        tx.write("change", "x", {})
    with pytest.raises(Invariant), store.transaction(read_only=True) as tx:
        tx.erase("change", "x")


def test_of_two_writers_of_one_version_exactly_one_wins(store: SqlStore) -> None:
    """Each round two threads read the same version and write; the slower one is told."""
    with store.transaction() as tx:
        tx.write("change", "x", {"round": -1})

    def write(round: int, version: int) -> bool:
        try:
            with store.transaction() as tx:
                tx.write("change", "x", {"round": round}, expect=version)
        except Stale:
            return False
        return True

    for round in range(10):
        won = at_once([partial(write, round, round + 1)] * 2)
        assert sorted(won) == [False, True]


def test_of_many_threads_that_insert_one_key_exactly_one_wins(store: SqlStore) -> None:
    """`expect=0` is how a rollout takes hold of a service."""

    def hold(rollout: str, service: str) -> bool:
        try:
            with store.transaction() as tx:
                tx.write("hold", service, {"rollout": rollout}, expect=0)
        except Stale:
            return False
        return True

    for n in range(5):
        won = at_once([partial(hold, f"rollout-{i}", f"service-{n}") for i in range(WRITERS)])
        assert sum(won) == 1


def test_a_read_and_write_without_expect_loses_no_update(store: SqlStore) -> None:
    """Writers queue before they read, so counting in a document counts right."""

    def count() -> None:
        for _ in range(10):
            with store.transaction() as tx:
                found = tx.read("counter", "x")
                tx.write("counter", "x", {"n": (found.body["n"] if found else 0) + 1})

    at_once([count] * WRITERS)
    with store.transaction() as tx:
        found = tx.read("counter", "x")
        assert found is not None
        assert (found.body["n"], found.version) == (10 * WRITERS, 10 * WRITERS)


# audit


def test_an_appended_entry_is_read_back_equal(store: SqlStore) -> None:
    """What `append` returns is what `trail` gives later: UTC, plain facts, the same digest."""
    here = timezone(timedelta(hours=2))
    odd = Event(
        AT.astimezone(here), "ana", "plan.made", "change:x", "ü \U0001f600", {"share": 5.0, "at": AT, "t": (1, 2)}
    )
    with store.transaction() as tx:
        appended = [tx.append(odd), tx.append(event())]
    with store.transaction(read_only=True) as tx:
        assert tx.trail() == appended
        assert tx.head() == Head(2, appended[1].digest)
    assert (appended[0].previous, appended[1].previous) == (GENESIS, appended[0].digest)
    assert appended[0].event.facts == {"share": 5.0, "at": "2026-05-01T08:30:00.250000Z", "t": [1, 2]}


def test_the_trail_can_be_read_in_pieces(store: SqlStore) -> None:
    """`after` and `limit` select by sequence number."""
    fill_chain(store, 5)
    with store.transaction(read_only=True) as tx:
        assert [e.seq for e in tx.trail(after=2)] == [3, 4, 5]
        assert [e.seq for e in tx.trail(after=1, limit=2)] == [2, 3]


def test_threads_that_append_make_one_chain(store: SqlStore) -> None:
    """No fork, no gap, nothing lost."""

    def append(writer: int) -> None:
        for i in range(15):
            with store.transaction() as tx:
                tx.append(event(writer=writer, number=i))

    at_once([partial(append, w) for w in range(WRITERS)])
    with store.transaction(read_only=True) as tx:
        trail, head = tx.trail(), tx.head()
    assert verify(trail, head) == []
    assert len(trail) == 15 * WRITERS
    assert len({(e.event.facts["writer"], e.event.facts["number"]) for e in trail}) == 15 * WRITERS


@pytest.mark.parametrize("column", ["actor", "kind", "subject", "because", "at", "facts", "digest"])
def test_an_edit_of_any_column_is_found(store: SqlStore, column: str) -> None:
    """Whatever of an entry is changed by SQL, `verify` names the entry."""
    fill_chain(store, 5)
    edit = {"at": "2026-05-01T08:31:00Z", "facts": '{"number":7}', "digest": GENESIS}.get(column, "ben")
    alter(store, f"UPDATE audit SET {column} = '{edit}' WHERE seq = 3".replace(":", r"\:"))
    assert ("audit.edited", "audit:3") in audit_problems(store)


def test_an_edit_that_cannot_be_read_is_told_with_its_place(store: SqlStore) -> None:
    """Facts that are no longer JSON stop the reading; the error says which entry it is."""
    fill_chain(store, 3)
    alter(store, "UPDATE audit SET facts = 'garbage' WHERE seq = 2")
    with pytest.raises(Invalid, match="audit entry 2") as found, store.transaction(read_only=True) as tx:
        tx.trail()
    assert found.value.code == "store.corrupt"


@pytest.mark.parametrize("seq", [1, 3, 5])
def test_a_removed_entry_is_found(store: SqlStore, seq: int) -> None:
    """At the beginning, in the middle and at the end."""
    fill_chain(store, 5)
    alter(store, f"DELETE FROM audit WHERE seq = {seq}")
    assert ("audit.removed", f"audit:{seq}") in audit_problems(store)


def test_a_cut_end_stays_visible_after_later_entries(store: SqlStore) -> None:
    """The chain goes on from its head, so a removed end becomes a gap and is never covered over."""
    fill_chain(store, 3)
    alter(store, "DELETE FROM audit WHERE seq = 3")
    fill_chain(store, 2)
    assert audit_problems(store) == {("audit.removed", "audit:3")}


def test_entries_that_changed_places_are_found(store: SqlStore) -> None:
    """Swapping two rows breaks both digests, which cover the place."""
    fill_chain(store, 4)
    swap = [f"UPDATE audit SET seq = {to} WHERE seq = {at}" for at, to in ((2, 99), (3, 2), (99, 3))]
    alter(store, *swap)
    assert {("audit.edited", "audit:2"), ("audit.edited", "audit:3")} <= audit_problems(store)


def test_the_database_itself_refuses_a_fork(store: SqlStore) -> None:
    """A second entry with the same predecessor does not get in, even behind Interlock's back."""
    fill_chain(store, 3)
    copied = "at, actor, kind, subject, because, facts, previous, digest"
    with pytest.raises(sa.exc.IntegrityError):
        alter(store, f"INSERT INTO audit (seq, {copied}) SELECT 9, {copied} FROM audit WHERE seq = 2")


@pytest.mark.parametrize(
    "bad",
    [
        Event(AT, "ana\0", "plan.made", "change:x"),
        Event(AT, "ana", "plan.made", "change:\ud800"),
        Event(AT.replace(tzinfo=None), "ana", "plan.made", "change:x"),
        Event(AT, "ana", "plan.made", "change:x", facts={"share": float("nan")}),
        Event(AT, "ana", "plan.made", "change:x", facts={"text": "\ud800"}),
    ],
)
def test_an_event_that_cannot_be_stored_unchanged_is_refused(store: SqlStore, bad: Event) -> None:
    """Both databases refuse the same, and the transaction may go on."""
    with store.transaction() as tx:
        with pytest.raises(Invalid):
            tx.append(bad)
        tx.append(event())
    assert audit_problems(store) == set()


# evidence


def test_blocks_come_back_equal_and_in_order(store: SqlStore) -> None:
    """Bins keep their integer keys, and each rollout has its own blocks."""
    counts = ServiceCounts(ArmCounts(9, 1, {-3: 4, 12: 5}, {"absolute_error": {0: 1, 200: 2}}), ArmCounts(3))
    blocks = [Block(2, 5.0, {"a": counts}), Block(10, 2.5), Block(0, 5.0)]
    with store.transaction() as tx:
        tx.add_blocks("x", blocks)
        tx.add_blocks("y", [Block(7, 1.0)])
        tx.add_blocks("x", [])
    with store.transaction(read_only=True) as tx:
        assert tx.blocks("x") == [blocks[2], blocks[0], blocks[1]]
        assert tx.blocks("x", first=3) == [blocks[1]]
        assert tx.blocks("z") == []


def test_a_block_that_is_there_stays_as_it_is(store: SqlStore) -> None:
    """Adding it again, also in one call, changes nothing; the others of the call are added."""
    with store.transaction() as tx:
        tx.add_blocks("x", [Block(0, 1.0), Block(0, 3.0)])
        tx.add_blocks("x", [Block(0, 9.0), Block(1, 2.0)])
        assert tx.blocks("x") == [Block(0, 1.0), Block(1, 2.0)]


def test_outcomes_arrive_in_order_and_count_once(store: SqlStore) -> None:
    """The first outcome of an id counts; a repetition in the same call or later does not."""
    with store.transaction() as tx:
        assert tx.add_outcomes([outcome("b"), outcome("a", 2.0), outcome("b", 9.0)]) == 2
    with store.transaction() as tx:
        assert tx.add_outcomes([outcome("a", 9.0), outcome("c", 3)]) == 1
        assert tx.add_outcomes([outcome("a")]) == 0
        assert tx.add_outcomes([]) == 0
        found = tx.outcomes()
        assert [o for _, o in found] == [outcome("b"), outcome("a", 2.0), outcome("c", 3.0)]
        numbers = [n for n, _ in found]
        assert numbers == sorted(set(numbers))
        assert tx.last_outcome() == numbers[-1]
        assert tx.outcomes(after=numbers[0], limit=1) == [found[1]]
        assert tx.outcomes(after=numbers[-1]) == []


def test_an_outcome_keeps_when_its_answer_was_given(store: SqlStore) -> None:
    """To the microsecond, in UTC, also before 1970; unknown stays unknown."""
    zone = timezone(timedelta(hours=5, minutes=30))
    times = [None, AT, AT.replace(microsecond=1), datetime(1969, 7, 20, 20, 17, tzinfo=zone)]
    given = [replace(outcome(f"a{i}"), answered_at=t) for i, t in enumerate(times)]
    with store.transaction() as tx:
        tx.add_outcomes(given)
        tx.add_outcomes([replace(given[0], answered_at=AT)])
    with store.transaction(read_only=True) as tx:
        assert [o.answered_at for _, o in tx.outcomes()] == times
        assert [o.answered_at.utcoffset() for _, o in tx.outcomes() if o.answered_at] == [timedelta()] * 3


def test_forgotten_outcomes_are_gone_and_numbers_go_on(store: SqlStore) -> None:
    """Forgetting takes the oldest; what comes next is numbered after all that ever were."""
    with store.transaction() as tx:
        tx.add_outcomes([outcome("a"), outcome("b"), outcome("c")])
        first, second, last = (number for number, _ in tx.outcomes())
        assert tx.forget_outcomes(through=second) == 2
        assert [number for number, _ in tx.outcomes()] == [last]
        assert tx.forget_outcomes(through=last) == 1
        assert tx.add_outcomes([outcome("a")]) == 1
        assert tx.outcomes()[0][0] > last > first


def test_a_reader_of_outcomes_misses_none(store: SqlStore) -> None:
    """A number that becomes visible is above all those that were: following `last_outcome` loses nothing."""
    done = threading.Event()
    seen: list[str] = []

    def post(writer: int) -> None:
        for i in range(15):
            with store.transaction() as tx:
                tx.add_outcomes([outcome(f"{writer}-{i}-{k}") for k in range(3)])

    def read() -> None:
        after = 0
        while True:
            is_last = done.is_set()
            with store.transaction(read_only=True) as tx:
                found = tx.outcomes(after)
                after = tx.last_outcome()
            seen.extend(o.id for _, o in found)
            if is_last:
                return

    reader = threading.Thread(target=read)
    reader.start()
    at_once([partial(post, w) for w in range(WRITERS)])
    done.set()
    reader.join(10)
    assert len(seen) == len(set(seen)) == 45 * WRITERS


@pytest.mark.parametrize(
    "bad",
    [
        outcome("a", float("nan")),
        outcome("a", float("inf")),
        outcome("a\0"),
        outcome("a", at=AT.replace(tzinfo=None)),
        replace(outcome("a"), answered_at=AT.replace(tzinfo=None)),
    ],
)
def test_an_outcome_that_cannot_be_counted_is_refused(store: SqlStore, bad: Outcome) -> None:
    """A loss that is no finite number, a time without a zone, text that a database would cut."""
    with store.transaction() as tx:
        with pytest.raises(Invalid):
            tx.add_outcomes([outcome("b"), bad])
        assert tx.outcomes() == []


# durability


def test_a_store_that_is_closed_and_opened_again_has_everything(store: SqlStore, url: str) -> None:
    """Opening it a second time runs no migration and loses nothing."""
    fill_chain(store, 2)
    with store.transaction() as tx:
        tx.write("change", "x", {"a": 1})
        tx.add_outcomes([outcome("a")])
    store.close()
    again = SqlStore(url)
    with again.transaction(read_only=True) as tx:
        assert (len(tx.trail()), len(tx.scan("change")), tx.last_outcome()) == (2, 1, 1)
    assert audit_problems(again) == set()
    again.close()


def test_many_that_open_a_fresh_database_at_once_all_succeed(url: str) -> None:
    """The migrations run once; the others wait."""
    stores = at_once([partial(SqlStore, url)] * WRITERS)
    for store in stores:
        fill_chain(store, 1)
    assert audit_problems(stores[0]) == set()
    for store in stores:
        store.close()
