"""A worker process of the hop: serves its addresses until it is told to end, then lets what is under way finish."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interlock.adapters.envoy.addresses import split_endpoint
from interlock.adapters.envoy.hop.config import Way
from interlock.adapters.envoy.hop.server import Caller, Place, Translate, Worker, sweep

Translators = Callable[[Way], tuple[Translate | None, Translate | None]]
"""Makes what translates requests and answers of a way; None for a side that has no lens."""
SWEEP_S = 0.25
ORPHAN_CHECK_S = 1.0
DRAIN_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Address:
    """What a worker serves: `place`, by way of `listener`. inode: which file that is, at `path` or soon there."""

    path: Path
    listener: socket.socket
    inode: int
    place: Place


def place(way: Way, translators: Translators) -> Place:
    """A way, ready to be served."""
    host, port = split_endpoint(way.endpoint)
    to_release, to_callers = translators(way)
    return Place(way, to_release, to_callers, host, port)


def work(served: Sequence[Address], ready: Callable[[], None]) -> None:
    """Serve until SIGTERM and until no caller is left; or until the addresses belong to somebody else.

    ready: called once connections are answered.
    """
    loop = new_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(_work(loop, served, ready))


def new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's event loop where it is installed, else asyncio's."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    made: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return made


async def _work(loop: asyncio.AbstractEventLoop, served: Sequence[Address], ready: Callable[[], None]) -> None:
    worker, told = Worker(loop), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    servers = [await _listen(loop, worker, one.listener, one.place) for one in served]
    sweeping = loop.create_task(_sweep(loop, [one.place for one in served]))
    ready()
    parent = os.getppid()
    while not told.is_set():
        await _wait(told, ORPHAN_CHECK_S)
        if os.getppid() != parent and any(inode(one.path) != one.inode for one in served):
            told.set()  # the parent died, and another one has these addresses by now
    for server in servers:
        server.close()
    worker.is_draining = True
    ends = loop.time() + DRAIN_LIMIT_S
    while worker.callers and loop.time() < ends:
        await asyncio.sleep(SWEEP_S)
    sweeping.cancel()


async def _listen(
    loop: asyncio.AbstractEventLoop, worker: Worker, listener: socket.socket, one: Place
) -> asyncio.AbstractServer:
    # since Python 3.13 asyncio would remove the address with the server, which is the parent's and others' too
    keeps = sys.version_info >= (3, 13) and isinstance(loop, asyncio.BaseEventLoop)
    more: dict[str, Any] = {"cleanup_socket": False} if keeps else {}
    return await loop.create_unix_server(lambda: Caller(worker, one), sock=listener, **more)


async def _sweep(loop: asyncio.AbstractEventLoop, places: list[Place]) -> None:
    while True:
        await asyncio.sleep(SWEEP_S)
        sweep(places, loop.time())


async def _wait(told: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(told.wait(), seconds)
    except TimeoutError:
        return


def inode(path: Path) -> int:
    """Which file is at `path`; 0 when there is none."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0
