"""The entity key of a message, which order and share go by."""

from __future__ import annotations

from interlock.adapters.streams.address import Place
from interlock.domain.lenses.relaying import Headers, text_of
from interlock.kernel.errors import Invalid


class KeyInvalid(Invalid):
    """What the key of a message is was not said in a way that is known."""

    code = "relay.key_invalid"


def default_key(source: Place) -> str:
    """Kafka's own; on NATS, which has none, the header that requests are keyed by."""
    return "key" if source.is_kafka else "header:x-entity-key"


def checked(given: str) -> str:
    """`header:NAME`, `key` (Kafka's message key) or `subject`; KeyInvalid otherwise."""
    if given in ("key", "subject") or (given.startswith("header:") and len(given) > len("header:")):
        return given
    raise KeyInvalid(f"{given!r} is no key of messages", remedy="Give header:NAME, key or subject.")


def key_of(given: str, headers: Headers, subject: str, raw: bytes | None) -> str | None:
    """The key, or None when the message has none."""
    if given == "subject":
        return subject
    if given == "key":
        return None if raw is None else raw.decode("utf-8", "backslashreplace")
    return text_of(headers, given.removeprefix("header:").lower())
