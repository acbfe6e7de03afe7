"""Where messages are, as one URL: `nats://host:4222/STREAM/subject` or `kafka://host:9092/topic`.

Several brokers are separated by commas. `?credentials=FILE` names a NATS credentials file, `?config=FILE` a file of
librdkafka's settings, one `name=value` a line; so no secret has to stand on the command line. `?partitions=0,2`
takes these partitions of a topic, without the other relays of a group being asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from interlock.kernel.errors import Invalid

_PORTS = {"nats": "4222", "tls": "4222", "kafka": "9092"}
_FILE_OF = {"nats": "credentials", "tls": "credentials", "kafka": "config"}


class StreamAddressInvalid(Invalid):
    """A URL names no place in a stream."""

    code = "stream.address_invalid"

    def __init__(self, says: str) -> None:
        super().__init__(says, remedy="Write it like nats://host:4222/STREAM/subject or kafka://host:9092/topic.")


@dataclass(frozen=True, slots=True)
class Place:
    """A subject (or a pattern of subjects) of a JetStream stream, or a Kafka topic. brokers: `host:port` of each;
    stream: empty for Kafka; login: user and password, empty when none are given; file, partitions: as the module
    says.
    """

    scheme: str
    brokers: tuple[str, ...]
    stream: str
    subject: str
    login: tuple[str, str] = ("", "")
    file: str = ""
    partitions: tuple[int, ...] = ()

    @property
    def is_kafka(self) -> bool:
        return self.scheme == "kafka"

    @property
    def name(self) -> str:
        """For people; without the login."""
        parts = (f"{self.scheme}://{','.join(self.brokers)}", self.stream, self.subject)
        return "/".join(part for part in parts if part)


def place_of(url: str) -> Place:
    """The place that `url` names; StreamAddressInvalid."""
    try:
        at = urlsplit(url)
    except ValueError as wrong:
        raise StreamAddressInvalid(f"this is no URL: {wrong}") from wrong
    if at.scheme not in _PORTS:
        raise StreamAddressInvalid(f"{at.scheme or 'no scheme'} is none of nats, tls, kafka")
    login, _, hosts = at.netloc.rpartition("@")
    brokers = tuple(_broker(host, _PORTS[at.scheme]) for host in hosts.split(",") if host)
    parts = [unquote(part) for part in at.path.split("/") if part]
    if not brokers or len(parts) != (1 if at.scheme == "kafka" else 2):
        raise StreamAddressInvalid(f"{at.scheme}://{hosts}{at.path} does not name {_wanted(at.scheme)}")
    user, _, password = login.partition(":")
    given = dict(parse_qsl(at.query, keep_blank_values=True))
    file = given.pop(_FILE_OF[at.scheme], "")
    partitions = _partitions(given.pop("partitions", "")) if at.scheme == "kafka" else ()
    if given:
        raise StreamAddressInvalid(f"{', '.join(given)} is not known for {at.scheme}; {_FILE_OF[at.scheme]} is")
    stream = "" if at.scheme == "kafka" else parts[0]
    return Place(at.scheme, brokers, stream, parts[-1], (unquote(user), unquote(password)), file, partitions)


def beside(place: Place, other: str) -> Place:
    """The place of dead letters: `other` as a URL, or a subject (topic) beside `place`; by default `.dead` is added
    to its name, without wildcards.
    """
    if "://" in other:
        found = place_of(other)
        if (found.scheme, found.brokers) != (place.scheme, place.brokers):
            raise StreamAddressInvalid(
                f"dead letters are kept on {place.scheme}://{','.join(place.brokers)} as well"
            )
        return found
    plain = ".".join(part for part in place.subject.split(".") if part not in ("*", ">"))
    return Place(place.scheme, place.brokers, place.stream, other or f"{plain}.dead", place.login, place.file)


def _wanted(scheme: str) -> str:
    return "brokers and one topic" if scheme == "kafka" else "a server, one stream and one subject"


def _partitions(given: str) -> tuple[int, ...]:
    parts = given.split(",") if given else []
    if not all(part.isdecimal() for part in parts):
        raise StreamAddressInvalid(f"partitions={given} is no list of numbers")
    return tuple(int(part) for part in parts)


def _broker(host: str, port: str) -> str:
    return host if ":" in host.rpartition("]")[2] else f"{host}:{port}"
