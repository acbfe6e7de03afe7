"""Where a service answers, as declarations spell it."""

from __future__ import annotations


def split_endpoint(endpoint: str) -> tuple[str, int]:
    """`host:port` or `[v6]:port` as a pair; ValueError when it is neither."""
    host, _, port = endpoint.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65_536:
        raise ValueError(f"{endpoint!r} is not host:port")
    return host.strip("[]"), int(port)
