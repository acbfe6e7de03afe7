"""The relay's composition root: what `interlock lens relay` runs, with as little in its process as that takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from interlock.adapters.bodies import body_translator
from interlock.adapters.clock import SystemClock
from interlock.adapters.streams.address import Place, beside, place_of
from interlock.adapters.streams.kafka_source import KafkaSource
from interlock.adapters.streams.kafka_target import KafkaTarget
from interlock.adapters.streams.keys import checked, default_key
from interlock.adapters.streams.meter import Meter, exposition
from interlock.adapters.streams.nats_source import NatsSource
from interlock.adapters.streams.nats_target import NatsTarget
from interlock.config import RelaySettings
from interlock.domain.changes.workspace import Workspace
from interlock.domain.lenses.path import lens_path
from interlock.domain.lenses.relaying import Course, Routing
from interlock.engine.relay import Event, Relay, Source, Target, Translate


@contextmanager
def open_relay(
    workspace: Workspace,
    contract: str,
    routings: Callable[[], Routing],
    name: str,
    urls: tuple[str, str, str],
    settings: RelaySettings,
    tell: Callable[[Event], None],
) -> Iterator[Relay]:
    """A relay of `contract`. urls: source, target, dead letters; nothing is connected before it runs."""
    source, target = place_of(urls[0]), place_of(urls[1])
    relay = Relay(
        _source(source, name, settings),
        _target(target, beside(target, urls[2]), source, name),
        routings,
        partial(_translator, workspace, contract),
        SystemClock(),
        tell,
        settings.body_limit,
    )
    meter = Meter(settings.metrics, lambda: exposition(name, relay.counts)) if settings.metrics else None
    try:
        yield relay
    finally:
        if meter:
            meter.close()


def _source(place: Place, name: str, settings: RelaySettings) -> Source:
    key = checked(settings.key or default_key(place))
    return (KafkaSource if place.is_kafka else NatsSource)(place, name, key, settings.start)


def _target(place: Place, dead: Place, source: Place, name: str) -> Target:
    return (KafkaTarget if place.is_kafka else NatsTarget)(place, dead, source, name)


def _translator(workspace: Workspace, contract: str, course: Course) -> Translate:
    """The fused program of a course, on the bytes of a JSON body."""
    confirmed = [lens for lens in workspace.lenses if not lens.is_draft]
    program = lens_path(confirmed, contract, course.source, course.target)
    one = workspace.contracts[(contract, course.source)]
    return body_translator(program, one.fields, one.is_open)
