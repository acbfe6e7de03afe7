"""A release pin goes from service to service over a broker, through handlers and a relay."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

from faststream.nats import JStream, NatsBroker, PullSub

from interlock.adapters.workspace.loader import WorkspaceFiles
from interlock.adapters.workspace.template import write_template
from interlock.client import current_release
from interlock.client.streams import StreamMiddleware
from interlock.config import RelaySettings
from interlock.domain.lenses.relaying import Routing
from interlock.relay import open_relay
from support.brokers import NatsServer, nats_server

ROUTING = Routing("order", "1", "2")
LIMIT_S = 30


def stock(name: str) -> JStream:
    return JStream(name, declare=False)


async def conversation(server: NatsServer, count: int) -> list[tuple[str | None, dict[str, Any], str | None]]:
    """What the last of three services sees: the pin, the body, and the baggage of what it publishes itself."""
    broker = NatsBroker(server.url, logger=None, middlewares=[StreamMiddleware])
    seen: list[tuple[str | None, dict[str, Any], str | None]] = []
    pinned: dict[str, str | None] = {}
    is_done = asyncio.Event()

    @broker.subscriber("entry.new", stream=stock("ENTRY"), durable="first", pull_sub=PullSub(timeout=0.1))
    @broker.publisher("orders.new", stream="ORDERS")
    async def first(body: dict[str, Any]) -> dict[str, Any]:
        """Its result is published when it has ended."""
        return body | {"basket": 2}

    @broker.subscriber("next.new", stream=stock("NEXT"), durable="second", pull_sub=PullSub(timeout=0.1))
    async def second(body: dict[str, Any]) -> None:
        """It publishes while it runs."""
        pinned[body["order_id"]] = current_release()
        await broker.publish(body, "last.new", stream="LAST", headers={"baggage": "own=1"})

    @broker.subscriber("last.new", stream=stock("LAST"), durable="last", pull_sub=PullSub(timeout=0.1))
    async def last(body: dict[str, Any]) -> None:
        seen.append((pinned[body["order_id"]], body, current_release()))
        if len(seen) == count:
            is_done.set()

    await broker.start()
    try:
        await asyncio.wait_for(is_done.wait(), LIMIT_S)
    finally:
        await broker.stop()
    return seen


def test_the_pin_crosses_the_bus(tmp_path: Path) -> None:
    """Each message keeps its own, one without stays without, and bodies are translated on the way."""
    write_template(tmp_path)
    workspace, _ = WorkspaceFiles(tmp_path).load()
    with nats_server(tmp_path / "nats") as server:
        for name in ("ENTRY", "ORDERS", "NEXT", "LAST"):
            server.stream(name, [f"{name.lower()}.>"])
        pins = {"1": "ra", "2": None, "3": "rb", "4": None}
        server.publish(
            [
                (
                    "entry.new",
                    json.dumps({"order_id": number, "country": "PE"}).encode(),
                    {"baggage": f"user=u;p=1,interlock.release={pin}"} if pin else {},
                )
                for number, pin in pins.items()
            ]
        )
        urls = (f"{server.url}/ORDERS/orders.new", f"{server.url}/NEXT/next.new", "")
        stop = threading.Event()
        with open_relay(workspace, "order", lambda: ROUTING, "r", urls, RelaySettings(), lambda _: None) as relay:
            thread = threading.Thread(target=relay.run, args=(stop,))
            thread.start()
            try:
                seen = asyncio.run(conversation(server, len(pins)))
            finally:
                stop.set()
                thread.join(LIMIT_S)
        assert {body["order_id"]: (before, after) for before, body, after in seen} == {
            number: (pin, pin) for number, pin in pins.items()
        }
        assert all(body["articles"] == 2 and body["channel"] == "web" for _, body, _ in seen)
        baggage = sorted(one.headers.get("baggage", "") for one in server.kept("LAST"))
        pinned = [f"interlock.release={pin},own=1,user=u;p=1" for pin in ("ra", "rb")]
        assert baggage == [*pinned, "own=1", "own=1"]
