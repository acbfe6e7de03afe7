"""What every use case gets: the ports, and the few settings that the engine itself needs."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from interlock.domain.checks.metric import Metric
from interlock.domain.gates.trail import Trail
from interlock.domain.rollout.observation import Seen
from interlock.engine.ports import Clock, DataPlane, MetricSource, MetricSources, Probe, Store, Workspaces
from interlock.engine.tables import MigrationRenderer, NoDatabases, NoRenderer, TableDatabases
from interlock.kernel.errors import Unavailable


class SourcesMissing(Unavailable):
    """This engine was put together without anything that reads metrics."""

    code = "source.missing"


class NoSources:
    """Opens nothing. Gates that wait for a source stay Undecided."""

    def open(self, metric: Metric) -> MetricSource:
        raise SourcesMissing(f"nothing here reads {metric.name}")


@dataclass(frozen=True, slots=True)
class Context:
    """The engine's surroundings.

    block_s: length of a block of evidence. wake: ends the loop's sleep early. seen: what the loop saw last, by
    rollout, for whoever asks for the status; the loop alone writes it. trails: what standalone gate sessions have
    judged so far, by series; rebuilt from the stored blocks after a restart. sources: where declared metrics are
    read. databases: where tables are migrated; renderer: writes the SQL of their migrations.
    """

    store: Store
    plane: DataPlane
    probe: Probe
    workspaces: Workspaces
    clock: Clock
    block_s: float = 1.0
    wake: threading.Event = field(default_factory=threading.Event)
    seen: dict[str, Seen] = field(default_factory=dict)
    trails: dict[str, Trail] = field(default_factory=dict)
    sources: MetricSources = field(default_factory=NoSources)
    databases: TableDatabases = field(default_factory=NoDatabases)
    renderer: MigrationRenderer = field(default_factory=NoRenderer)
