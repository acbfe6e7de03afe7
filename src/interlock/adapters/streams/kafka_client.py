"""What both ends of a relay on Kafka share: settings, metadata, how the client's errors are told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from interlock.adapters.streams.address import Place, StreamAddressInvalid
from interlock.adapters.streams.faults import StreamMissing
from interlock.engine.relay import BusAway

if TYPE_CHECKING:
    from confluent_kafka import KafkaError

CALL_S = 10.0
_QUIET = {"log_level": 2}
"""Lost connections are told by the relay, and not by librdkafka on stderr as well."""


def settings(place: Place, **own: Any) -> dict[str, Any]:
    """librdkafka's settings: ours by default, those of the file, and `own`, which the relay needs as they are."""
    login: dict[str, Any] = {}
    if place.login[0]:
        login = {"sasl.username": place.login[0], "sasl.password": place.login[1]}
    return {**_QUIET, **login, **_from_file(place.file), "bootstrap.servers": ",".join(place.brokers), **own}


def _from_file(path: str) -> dict[str, str]:
    if not path:
        return {}
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except OSError as fault:
        raise StreamAddressInvalid(f"{path} cannot be read: {fault.strerror}") from fault
    found = {}
    for number, line in enumerate(lines, 1):
        name, equals, value = line.strip().partition("=")
        if name and not name.startswith("#"):
            if not equals:
                raise StreamAddressInvalid(f"{path}:{number} is not name=value")
            found[name.strip()] = value.strip()
    return found


def partitions_of(client: Any, place: Place) -> int:
    """How many partitions the topic has; StreamMissing, BusAway. A topic is never created by asking."""
    from confluent_kafka import KafkaException

    try:
        topics = client.list_topics(timeout=CALL_S).topics
    except KafkaException as fault:
        raise away(place, fault.args[0]) from fault
    found = topics.get(place.subject)
    if found is None or found.error is not None or not found.partitions:
        raise StreamMissing(
            f"{place.name}: there is no topic {place.subject}", remedy="Create it, or name another."
        )
    return len(found.partitions)


def away(place: Place, fault: KafkaError) -> BusAway:
    """What librdkafka says, as the relay waits for it."""
    return BusAway(f"{place.name}: {fault.str()}")
