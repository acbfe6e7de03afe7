"""One Envoy as the data plane: adopted or started, published to make-before-break, read for evidence.

Everything that matters is on disk beside Envoy, so that either process may be killed at any moment: Envoy comes
back with the last snapshot, and a new control plane knows what serves. Limit: one Envoy on this machine.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from interlock.adapters.envoy import listeners as start_up
from interlock.adapters.envoy.admin import Admin, socket_path
from interlock.adapters.envoy.capture import Captures
from interlock.adapters.envoy.counters import QUERY, counters, groups
from interlock.adapters.envoy.hop.config import Way, all_ways, sockets
from interlock.adapters.envoy.hop.control import Hop, HopFailed
from interlock.adapters.envoy.keys import Keys
from interlock.adapters.envoy.listeners import Places
from interlock.adapters.envoy.names import Json
from interlock.adapters.envoy.process import Process, exclusive
from interlock.adapters.envoy.snapshot import Part, Snapshot, replace
from interlock.adapters.envoy.translate import Resources, translate
from interlock.adapters.envoy.validate import refuse_dangling, refuse_unsound
from interlock.adapters.envoy.waiting import wait_until
from interlock.domain.releases.route_table import RouteTable
from interlock.engine.codec import dump, load
from interlock.engine.ports import Captured, Counters, PartHealth
from interlock.kernel.errors import InterlockError

SETTLE_S = 0.01
"""Envoy acknowledges on its main thread; its workers take the same version at their next turn."""
DRAIN_LIMIT_S = 30.0


class EnvoyDataPlane:
    """Implements `engine.ports.DataPlane` with one Envoy, whose files live in `state_dir`.

    `edge` and `inner` are (host, port) to listen on. `concurrency` is Envoy's number of worker threads.
    Each wait ends after `deadline_s`.
    """

    def __init__(
        self,
        state_dir: Path,
        edge: tuple[str, int],
        inner: tuple[str, int],
        *,
        concurrency: int = 1,
        deadline_s: float = 10.0,
    ) -> None:
        directory = state_dir.absolute()
        self._places = Places(directory, edge, inner, socket_path(directory))
        self._deadline_s = deadline_s
        self._admin = Admin(self._places.admin_socket)
        self._process = Process(self._places, self._admin, concurrency)
        self._snapshot = Snapshot(directory, self._admin, self._process.log)
        self._sockets = sockets(directory, concurrency)
        places = (self._places.file("hop"), self._places.file("hop-process"), directory / "hop.log")
        self._hop = Hop(self._sockets, *places)
        self._captures = Captures(self._places.captures, self._admin)
        self._keys = Keys(self._places.file("keys"))
        self._record = Record(self._places.file("published"))
        self._turn = threading.RLock()

    @property
    def directory(self) -> Path:
        """Where this Envoy's files are."""
        return self._places.directory

    def ensure(self) -> bool:
        """Adopt the running Envoy, or start it with the last snapshot; True when it had to be started. A lens hop
        that is needed and does not run is started, too.

        An Envoy with another bootstrap (an older Interlock started it) is replaced. AddressTaken, EnvoyMissing,
        EnvoyFailed when it cannot be started.
        """
        self._places.directory.mkdir(parents=True, exist_ok=True)
        self._places.captures.parent.mkdir(mode=0o700, exist_ok=True)
        with self._turn, exclusive(self._places.directory / "lock", self._deadline_s):
            wanted = json.dumps(start_up.bootstrap(self._places), indent=1).encode()
            bootstrap = self._places.file("bootstrap")
            is_current = bootstrap.exists() and bootstrap.read_bytes() == wanted
            with suppress(HopFailed):  # `health` says so; the proxy goes on, and gates see what fails
                self._hop.serve(_ways(self._record.tables()))
            if is_current and self._snapshot.exists() and self._process.running():
                self._apply({Part.LISTENERS: start_up.listeners(self._places)}, Part.LISTENERS)
                return False
            self._process.stop()
            replace(bootstrap, wanted)
            self._write_start_up()
            self._process.start()
            return True

    def publish(self, table: RouteTable) -> None:
        """Make `table` serve; returns when Envoy acknowledged it and what left the table is idle and gone.

        TableUnsound or ConfigurationRejected (both Invalid) leave the earlier table serving; EnvoySilent or
        EnvoyUnaware (both Unavailable) leave it in the files. Once the edge has switched there is no way back: when
        only the removal of what left fails, `published` says None until a table is published again.
        """
        refuse_unsound(table)
        with self._turn, exclusive(self._places.directory / "lock", self._deadline_s):
            recorded = self._record.tables()
            both = transition(table, recorded)
            goal, wide = translate(table, self._sockets), translate(both, self._sockets)
            before = {part: self._snapshot.read(part) for part in _PUBLISHED}
            self._record.write([*recorded, table])
            try:
                self._hop.serve(_ways([both]))
                self._switch(goal, wide)
            except InterlockError:
                self._go_back(before)
                self._record.write(recorded)
                raise
            if both != table:
                self._narrow(goal, wide, both)
            self._record.write([table])
            self._hop.serve(_ways([table]))

    def published(self) -> str | None:
        """Digest of the table in the snapshot; None when there is none yet, or a publication was interrupted."""
        tables = self._record.tables()
        return tables[0].digest if len(tables) == 1 else None

    def counters(self) -> Counters:
        """Counts since Envoy started; EnvoySilent when it does not answer."""
        epoch = self._admin.json("/server_info")["node"]["id"]
        stats = self._admin.json(QUERY)
        splits = frozenset(e.split.seed for t in self._record.tables() for e in t.entries if e.split)
        return counters(stats, epoch, self._keys.told(epoch, splits, groups(stats)))

    def take_captured(self) -> Captured:
        """What was captured before the call before this one; each once."""
        with self._turn:
            return self._captures.take()

    def health(self) -> tuple[PartHealth, ...]:
        """Envoy; and the lens hop, where a published table needs it."""
        running = self._process.running()
        parts = [PartHealth("envoy", running is not None, f"process {running.pid}" if running else "not running")]
        if wanted := _ways(self._record.tables()):
            parts.append(_hop_health(self._hop.health(), len(wanted)))
        return tuple(parts)

    def stop(self) -> None:
        """End Envoy and the hop; their files stay."""
        with self._turn:
            self._process.stop()
            self._hop.stop()

    def close(self) -> None:
        """Let go of the admin connection; Envoy keeps running."""
        self._admin.close()

    def _write_start_up(self) -> None:
        self._snapshot.write(Part.LISTENERS, start_up.listeners(self._places))
        if not self._snapshot.exists():
            for part, resources in _parts(translate(RouteTable((), ()), self._sockets)).items():
                self._snapshot.write(part, resources)

    def _switch(self, goal: Resources, wide: Resources) -> None:
        """Everything of both tables behind the edge first, then the edge."""
        refuse_dangling(goal)
        refuse_dangling(wide)
        if self._apply(_parts(wide), Part.CLUSTERS, Part.INNER, Part.SHADOW):
            time.sleep(SETTLE_S)
        self._apply(_parts(goal), Part.EDGE)

    def _narrow(self, goal: Resources, wide: Resources, both: RouteTable) -> None:
        """Wait until what leaves is idle (its pins still need the inner routes), then remove it."""
        leaving = {c["name"] for c in wide.clusters} - {c["name"] for c in goal.clusters}
        time.sleep(SETTLE_S)
        longest_s = max((b.deployment.timeout_s for b in both.backends), default=0.0)
        wait_until(lambda: self._snapshot.active_requests(leaving) == 0, min(2 * longest_s + 1, DRAIN_LIMIT_S))
        self._apply(_parts(goal), Part.INNER, Part.SHADOW, Part.CLUSTERS)

    def _apply(self, resources: dict[Part, list[Json]], *parts: Part) -> bool:
        """Apply `parts` in this order; True when any of them had to change."""
        seen = self._snapshot.survey()
        changed = [self._snapshot.apply(p, resources[p], seen[p], self._deadline_s) for p in parts]
        return any(changed)

    def _go_back(self, before: dict[Part, bytes]) -> None:
        """The earlier files again, in the order that removes. An Envoy that does not answer reads them later."""
        for part in reversed(_PUBLISHED):
            try:
                self._snapshot.restore(part, before[part], self._snapshot.survey()[part], self._deadline_s)
            except InterlockError:
                replace(self._places.file(part.value), before[part])


class Record:
    """The tables whose routes are in the files: several while a publication is under way or was cut short."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def tables(self) -> list[RouteTable]:
        try:
            return [load(RouteTable, body) for body in json.loads(self._path.read_bytes())]
        except FileNotFoundError:
            return []

    def write(self, tables: Iterable[RouteTable]) -> None:
        replace(self._path, json.dumps([dump(table) for table in tables]).encode())


def transition(table: RouteTable, earlier: Iterable[RouteTable]) -> RouteTable:
    """`table`, plus every backend and service of the earlier tables that it no longer has."""
    backends = {(b.deployment.service, b.release): b for old in earlier for b in old.backends}
    backends |= {(b.deployment.service, b.release): b for b in table.backends}
    entries = {e.service: e for old in earlier for e in old.entries}
    entries |= {e.service: e for e in table.entries}
    return RouteTable(
        backends=tuple(backends[key] for key in sorted(backends)),
        entries=tuple(entries[service] for service in sorted(entries)),
    )


def _ways(tables: Iterable[RouteTable]) -> tuple[Way, ...]:
    return all_ways(backend for table in tables for backend in table.backends)


def _hop_health(told: Mapping[str, Any] | None, wanted: int) -> PartHealth:
    if told is None:
        return PartHealth("lens hop", False, "not running")
    says = f"process {told['pid']}, {told['workers']} of {told['wanted']} workers, {told['ways']} ways"
    is_well = told["workers"] == told["wanted"] and told["ways"] >= wanted
    return PartHealth("lens hop", is_well, f"{says}, restarted {told['restarts']} times")


_PUBLISHED = (Part.CLUSTERS, Part.INNER, Part.SHADOW, Part.EDGE)


def _parts(resources: Resources) -> dict[Part, list[Json]]:
    return {
        Part.CLUSTERS: list(resources.clusters),
        Part.INNER: [resources.inner],
        Part.SHADOW: [resources.shadow],
        Part.EDGE: [resources.edge],
    }
