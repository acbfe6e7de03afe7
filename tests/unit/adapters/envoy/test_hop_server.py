"""One worker of the lens hop against a service that misbehaves in every way that HTTP/1.1 knows."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from interlock.adapters.envoy.hop import server
from interlock.adapters.envoy.hop.config import Way
from interlock.adapters.envoy.hop.server import Caller, Place, Worker, sweep
from interlock.adapters.envoy.hop.worker import new_loop, place
from interlock.domain.lenses.ops import Program, Rename
from interlock.hop import translators

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
Script = Callable[[Reader, Writer], Awaitable[None]]
LENS: Program = (Rename("a", "b"),)
OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n"
CHUNKED = OK.replace(b"json", b"JSON; charset=utf-8").replace(b"content-length: 7", b"transfer-encoding: chunked")
POST = b"POST /x HTTP/1.1\r\nhost: s\r\ncontent-length: 7\r\n\r\n"
LARGE = 30_000_000


@dataclass
class Rig:
    """A worker with one place, the service behind it, and a caller."""

    worker: Worker
    place: Place
    reader: Reader
    writer: Writer
    seen: list[bytes] = field(default_factory=list)

    async def ask(self, request: bytes) -> tuple[int, bytes, bytes]:
        """(status, head, body) of the answer to `request`."""
        self.writer.write(request)
        return await self.answer()

    async def answer(self) -> tuple[int, bytes, bytes]:
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        body = await self.reader.readexactly(int(length[1])) if length else b""
        return int(head.split()[1]), head, body

    async def is_closed(self) -> bool:
        return await self.reader.read(1) == b""


def run(directory: Path, script: Script, use: Callable[[Rig], Awaitable[None]], **more: Any) -> None:
    """Call `use` with a worker before a service that does what `script` says on each connection."""
    loop = new_loop()
    loop.run_until_complete(asyncio.wait_for(_run(directory, script, use, more), 20))
    loop.close()


async def _run(
    directory: Path, script: Script, use: Callable[[Rig], Awaitable[None]], more: dict[str, Any]
) -> None:
    loop = asyncio.get_running_loop()

    async def serve(reader: Reader, writer: Writer) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await script(reader, writer)
        writer.close()

    service = await asyncio.start_server(serve, "127.0.0.1", 0)
    endpoint = f"127.0.0.1:{service.sockets[0].getsockname()[1]}"
    settings = {"request": LENS, "response": LENS, "body_limit_bytes": 100_000, "timeout_s": 5.0, **more}
    way = Way("r1", endpoint, "object", request_types=(), response_types=(), **settings)
    worker, served = Worker(loop), place(way, translators)
    path = directory / "hop.sock"
    hop = await loop.create_unix_server(lambda: Caller(worker, served), str(path))
    reader, writer = await asyncio.open_unix_connection(str(path), limit=2**16)
    await use(Rig(worker, served, reader, writer))
    writer.close()
    hop.close()
    service.close()
    for one in served.idle:
        one.transport.close()
    await asyncio.sleep(0)


async def read_request(reader: Reader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    return head + (await reader.readexactly(int(length[1])) if length else b"")


def always(answer: bytes, *, times: int = 1_000) -> Script:
    async def script(reader: Reader, writer: Writer) -> None:
        for _ in range(times):
            await read_request(reader)
            writer.write(answer)

    return script


@pytest.mark.parametrize(
    "answer",
    [
        OK + b'{"a":1}',
        b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" + OK + b'{"a":1}',
        CHUNKED + b'3\r\n{"a\r\n4\r\n":1}\r\n0\r\n\r\n',
    ],
    ids=["whole", "after an interim answer", "in chunks"],
)
def test_an_answer_is_translated_however_it_comes(tmp_path: Path, answer: bytes) -> None:
    """The connection to the service is kept for the next one."""

    async def use(rig: Rig) -> None:
        for _ in range(3):
            status, _, body = await rig.ask(POST + b'{"a":1}')
            assert (status, body) == (200, b'{"b":1}')
        assert len(rig.place.idle) == 1

    run(tmp_path, always(answer), use)


def test_an_answer_that_ends_with_its_connection_is_whole(tmp_path: Path) -> None:
    """HTTP/1.0 knows no other end."""
    answer = b'HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{"a":1}'

    async def use(rig: Rig) -> None:
        for _ in range(2):
            assert (await rig.ask(POST + b'{"a":1}'))[2] == b'{"b":1}'
        assert rig.place.idle == []

    run(tmp_path, always(answer, times=1), use)


@pytest.mark.parametrize(
    ("answer", "status", "says"),
    [
        (b"", 503, "closed the connection"),
        (OK + b'{"a', 503, "closed the connection"),
        (b"SSH-2.0-OpenSSH\r\n", 503, "answers no HTTP/1.1"),
        (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", 503, ""),
        (OK.replace(b"json", b"json\r\ncontent-encoding: gzip") + b"\x1f\x8b\x08    ", 502, "not UTF-8"),
        (OK + b'{"a" 1}', 502, "not valid JSON"),
        (OK.replace(b"7", b"13") + b'{"a":1,"b":2}', 502, "`b` is there already"),
    ],
    ids=["nothing", "half", "no HTTP", "upgrade", "compressed", "no JSON", "rejected"],
)
def test_a_broken_answer_never_passes_for_a_whole_one(
    tmp_path: Path, answer: bytes, status: int, says: str
) -> None:
    """The caller is told in words, on a connection that it may use again."""

    async def use(rig: Rig) -> None:
        for _ in range(2):
            got, head, body = await rig.ask(POST + b'{"a":1}')
            assert (got, b"application/problem+json" in head) == (status, True)
            assert says in json.loads(body)["detail"]

    run(tmp_path, always(answer, times=1), use)


def test_a_torn_stream_is_torn_for_the_caller_too(tmp_path: Path) -> None:
    """What was passed on already cannot be taken back, so its end must not look like an end."""
    answer = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 100\r\n\r\nhalf"

    async def use(rig: Rig) -> None:
        rig.writer.write(POST + b'{"a":1}')
        await rig.reader.readuntil(b"half")
        with suppress(ConnectionResetError):
            assert await rig.is_closed()

    run(tmp_path, always(answer, times=1), use)


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_a_body_have_none(tmp_path: Path, status: int) -> None:
    """A length that such an answer may tell is not waited for."""
    answer = b"HTTP/1.1 %d x\r\ncontent-type: application/json\r\netag: q\r\n\r\n" % status

    async def use(rig: Rig) -> None:
        for _ in range(2):
            got, head, _ = await rig.ask(POST + b'{"a":1}')
            assert (got, b"etag: q" in head) == (status, True)

    run(tmp_path, always(answer), use)


def test_head_has_the_length_and_no_body(tmp_path: Path) -> None:
    """The connection serves the next request as well."""

    async def use(rig: Rig) -> None:
        for _ in range(2):
            rig.writer.write(b"HEAD /x HTTP/1.1\r\nhost: s\r\n\r\n")
            assert b"content-length: 7" in await rig.reader.readuntil(b"\r\n\r\n")
        assert len(rig.place.idle) == 1

    run(tmp_path, always(OK), use)


def test_headers_of_one_connection_stay_on_it(tmp_path: Path) -> None:
    """What `connection` names goes no further, either way; all other fields do, repeated ones too."""
    seen: list[bytes] = []

    async def script(reader: Reader, writer: Writer) -> None:
        seen.append(await read_request(reader))
        writer.write(
            OK.replace(b"\r\n\r\n", b"\r\nconnection: x-hop\r\nx-hop: 1\r\nvia: a\r\nvia: b\r\n\r\n") + b'{"a":1}'
        )

    async def use(rig: Rig) -> None:
        fields = b"connection: x-mine, keep-alive\r\nx-mine: 1\r\nte: gzip\r\nx-two: 1\r\nx-two: 2\r\n"
        fields += b"accept-encoding: br\r\n"
        _, head, _ = await rig.ask(POST.replace(b"content-length", fields + b"content-length") + b'{"a":1}')
        assert (b"x-hop" in head, head.count(b"via: ")) == (False, 2)

    run(tmp_path, script, use)
    assert re.findall(rb"\r\n([a-z-]+): ", seen[0]) == [b"host", b"x-two", b"x-two", b"content-length"]


def test_trailers_do_not_become_headers(tmp_path: Path) -> None:
    """They come after the decision on what a message is (RFC 9110 section 6.5.1), so they end here."""
    seen: list[bytes] = []

    async def script(reader: Reader, writer: Writer) -> None:
        seen.append(await read_request(reader))
        writer.write(CHUNKED + b'7\r\n{"a":1}\r\n0\r\nx-late: 1\r\n\r\n')

    async def use(rig: Rig) -> None:
        head = b"POST / HTTP/1.1\r\nhost: s\r\ntransfer-encoding: chunked\r\n\r\n"
        _, head, body = await rig.ask(head + b'7\r\n{"a":1}\r\n0\r\nx-late: 1\r\n\r\n')
        assert (b"x-late" in head, body) == (False, b'{"b":1}')

    run(tmp_path, script, use)
    assert b"x-late" not in seen[0]


def test_a_slow_reader_slows_the_service(tmp_path: Path) -> None:
    """An answer that is not translated is never held as a whole."""
    sent = 0

    async def script(reader: Reader, writer: Writer) -> None:
        nonlocal sent
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(LARGE // 100_000):
            writer.write(b"186a0\r\n" + b"x" * 100_000 + b"\r\n")
            await writer.drain()
            sent += 100_000
        writer.write(b"0\r\n\r\n")

    async def use(rig: Rig) -> None:
        rig.writer.write(POST + b'{"a":1}')
        await rig.reader.readuntil(b"\r\n\r\n")
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.1)
        assert sent < LARGE / 2
        got = b""
        while not got.endswith(b"0\r\n\r\n"):
            got = got[-5:] + await rig.reader.read(1_000_000)
        assert sent == LARGE

    run(tmp_path, script, use)


@pytest.mark.parametrize("is_chunked", [True, False])
def test_a_slow_service_slows_the_sender(tmp_path: Path, is_chunked: bool) -> None:
    """Where only answers are translated, requests of any size stream through."""
    may_read = asyncio.Event()
    total = 0

    async def script(reader: Reader, writer: Writer) -> None:
        nonlocal total
        await reader.readuntil(b"\r\n\r\n")
        await may_read.wait()
        end = b""
        while total < LARGE or (is_chunked and end != b"\r\n0\r\n\r\n"):
            read = await reader.read(1_000_000)
            total += read.count(b"x")
            end = (end + read)[-7:]
        writer.write(OK + b'{"a":1}')

    async def use(rig: Rig) -> None:
        framing = b"transfer-encoding: chunked" if is_chunked else b"content-length: %d" % LARGE
        rig.writer.write(b"POST / HTTP/1.1\r\nhost: s\r\n%b\r\n\r\n" % framing)
        piece = b"186a0\r\n" + b"x" * 100_000 + b"\r\n" if is_chunked else b"x" * 100_000
        sent = 0
        with suppress(TimeoutError):
            for _ in range(LARGE // 100_000):
                rig.writer.write(piece)
                await asyncio.wait_for(rig.writer.drain(), 0.3)
                sent += 100_000
        assert sent < LARGE / 2
        may_read.set()
        left = LARGE // 100_000 - sent // 100_000 - (sent < LARGE)
        rig.writer.write(piece * left + (b"0\r\n\r\n" if is_chunked else b""))
        assert (await rig.answer())[2] == b'{"b":1}'

    run(tmp_path, script, use, request=())
    assert total >= LARGE


def test_a_body_above_the_limit_is_refused(tmp_path: Path) -> None:
    """As soon as it is known, and the rest has no reader."""

    async def use(rig: Rig) -> None:
        rig.writer.write(b"POST / HTTP/1.1\r\nhost: s\r\ntransfer-encoding: chunked\r\n\r\n")
        rig.writer.write(b"186a1\r\n" + b"x" * 100_001 + b"\r\n")
        status, head, _ = await rig.answer()
        assert (status, b"connection: close" in head) == (413, True)
        assert await rig.is_closed()

    run(tmp_path, always(OK + b'{"a":1}'), use)


def test_an_answer_above_the_limit_is_refused(tmp_path: Path) -> None:
    """It cannot be translated as a whole, and half of it is none."""
    answer = OK.replace(b"7", b"2000000") + b'{"a":"' + b"x" * 1_999_992 + b'"}'

    async def use(rig: Rig) -> None:
        status, _, body = await rig.ask(POST + b'{"a":1}')
        assert (status, "larger than" in json.loads(body)["detail"]) == (502, True)

    run(tmp_path, always(answer), use)


@pytest.mark.parametrize(
    "request_", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nhost: s\r\ncontent-length: x\r\n\r\n"]
)
def test_what_is_no_request_is_refused(tmp_path: Path, request_: bytes) -> None:
    """And the connection ends, because where the next one begins is unknown."""

    async def use(rig: Rig) -> None:
        assert (await rig.ask(request_))[0] == 400
        assert await rig.is_closed()

    run(tmp_path, always(OK), use)


def test_a_service_that_hangs_is_given_up(tmp_path: Path) -> None:
    """A little after the deployment's timeout, which is the proxy's to keep."""

    async def script(reader: Reader, writer: Writer) -> None:
        await reader.read()

    async def use(rig: Rig) -> None:
        rig.writer.write(POST + b'{"a":1}')
        while not rig.place.active:
            await asyncio.sleep(0.01)
        sweep([rig.place], rig.worker.loop.time() + 0.1)
        assert rig.place.active
        sweep([rig.place], rig.worker.loop.time() + 1)
        assert (await rig.answer())[0] == 504

    run(tmp_path, script, use, timeout_s=0.5)


def test_a_caller_that_leaves_lets_the_service_go(tmp_path: Path) -> None:
    """Nobody waits for the answer, so the service need not give it."""
    left = asyncio.Event()

    async def script(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        with suppress(ConnectionResetError):
            await reader.read()
        left.set()

    async def use(rig: Rig) -> None:
        rig.writer.write(POST + b'{"a":1}')
        while not rig.place.active:
            await asyncio.sleep(0.01)
        rig.writer.close()
        await left.wait()
        assert not rig.place.active

    run(tmp_path, script, use)


def test_an_idle_connection_is_closed_before_the_service_does(tmp_path: Path) -> None:
    """And one that the service closed is not used again."""

    async def use(rig: Rig) -> None:
        await rig.ask(POST + b'{"a":1}')
        sweep([rig.place], rig.worker.loop.time() + 3.9)
        assert len(rig.place.idle) == 1
        sweep([rig.place], rig.worker.loop.time() + 4.1)
        assert rig.place.idle == []
        assert (await rig.ask(POST + b'{"a":1}'))[2] == b'{"b":1}'

    run(tmp_path, always(OK + b'{"a":1}'), use)


def test_a_draining_worker_says_so_with_its_next_answer(tmp_path: Path) -> None:
    """So that the proxy sends nothing on a connection that is about to close."""

    async def use(rig: Rig) -> None:
        assert b"connection" not in (await rig.ask(POST + b'{"a":1}'))[1]
        rig.worker.is_draining = True
        assert b"connection: close" in (await rig.ask(POST + b'{"a":1}'))[1]
        assert await rig.is_closed()

    run(tmp_path, always(OK + b'{"a":1}'), use)


def test_a_fault_of_a_translation_is_an_answer(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The worker lives on, the log has the fault once, and the caller sees its kind alone."""

    async def use(rig: Rig) -> None:
        def fails(_: bytes) -> bytes:
            raise ZeroDivisionError("secret")

        rig.place.to_release = fails
        for _ in range(3):
            status, head, body = await rig.ask(POST + b'{"a":1}')
            assert (status, b"x-interlock-lens: failed" in head) == (500, True)
            assert json.loads(body)["detail"] == "ZeroDivisionError"

    run(tmp_path, always(OK), use)
    assert capfd.readouterr().err.count("ZeroDivisionError: secret") == 1


@pytest.mark.parametrize("kind", [b"text/plain", b"application/json"])
def test_an_answer_that_nobody_asked_for_reaches_nobody(tmp_path: Path, kind: bytes) -> None:
    """It would pass for the answer to the next request on the connection."""
    answer = OK.replace(b"application/json", kind) + b'{"a":1}'
    more = answer.replace(b"200", b"201").replace(b'"a"', b'"z"')

    async def use(rig: Rig) -> None:
        for _ in range(3):
            status, _, body = await rig.ask(POST + b'{"a":1}')
            assert (status, b"z" in body) == (200, False)
        assert rig.place.idle == []

    run(tmp_path, always(answer + more), use)


def test_a_head_without_an_end_is_given_up(tmp_path: Path) -> None:
    """What is read before the answer begins has a limit, early hints included."""

    async def script(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        while True:
            writer.write(b"HTTP/1.1 103 Early Hints\r\nlink: " + b"x" * 10_000 + b"\r\n\r\n")
            await writer.drain()

    async def use(rig: Rig) -> None:
        status, _, body = await rig.ask(POST + b'{"a":1}')
        assert (status, "larger than 131072" in json.loads(body)["detail"]) == (503, True)

    run(tmp_path, script, use)


def test_an_answer_above_the_limit_is_not_read_to_its_end(tmp_path: Path) -> None:
    """It has none, and the caller learns so before its time is over."""

    async def script(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        writer.write(CHUNKED)
        while True:
            writer.write(b"186a0\r\n" + b"x" * 100_000 + b"\r\n")
            await writer.drain()

    async def use(rig: Rig) -> None:
        status, head, body = await rig.ask(POST + b'{"a":1}')
        assert (status, "larger than" in json.loads(body)["detail"]) == (502, True)
        assert b"connection: close" not in head

    run(tmp_path, script, use)


def test_a_long_pipeline_is_answered_to_its_end(tmp_path: Path) -> None:
    """However many requests wait behind a slow one."""
    may_answer = asyncio.Event()
    bad = b"POST / HTTP/1.1\r\ncontent-length: 1\r\n\r\nx"

    async def script(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        may_answer.set()
        writer.write(OK + b'{"a":1}')

    async def use(rig: Rig) -> None:
        rig.writer.write(POST + b'{"a":1}' + bad * 1_400)
        await may_answer.wait()
        assert (await rig.answer())[0] == 200
        assert {(await rig.answer())[0] for _ in range(1_400)} == {400}

    run(tmp_path, script, use)


def test_what_came_while_the_service_was_called_fills_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that takes no more than that is not sent more, though the connection is new."""
    monkeypatch.setattr(server, "HELD_BYTES", LARGE // 3)
    may_connect, held = asyncio.Event(), asyncio.Event()

    class Slow:
        """A loop whose connections take their time."""

        def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
            self.loop = loop

        def __getattr__(self, name: str) -> Any:
            return getattr(self.loop, name)

        async def create_connection(self, *given: Any) -> Any:
            await may_connect.wait()
            return await self.loop.create_connection(*given)

    async def script(reader: Reader, writer: Writer) -> None:
        await held.wait()

    async def use(rig: Rig) -> None:
        rig.worker.loop = Slow(rig.worker.loop)  # type: ignore[assignment] # it has what is used
        rig.writer.write(b"POST / HTTP/1.1\r\nhost: s\r\ncontent-length: %d\r\n\r\n" % LARGE)
        [caller] = rig.worker.callers
        while not caller._is_paused:
            rig.writer.write(b"x" * 100_000)
            await rig.writer.drain()
        may_connect.set()
        while not caller._queue[0].service:
            await asyncio.sleep(0)
        assert caller._is_paused
        held.set()

    monkeypatch.setattr(server, "CONNECT_LIMIT_S", 15.0)
    run(tmp_path, script, use, request=())


def test_an_answer_before_the_end_of_the_request_can_be_read(tmp_path: Path) -> None:
    """The caller, who writes on, finds the answer, and not a connection that was torn."""

    async def script(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 401 no\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")

    async def use(rig: Rig) -> None:
        rig.writer.write(b"POST / HTTP/1.1\r\nhost: s\r\ncontent-length: 3000000\r\n\r\n")
        status, head, _ = await rig.answer()
        assert (status, b"connection: close" in head) == (401, True)
        for _ in range(30):
            rig.writer.write(b"x" * 100_000)
            await rig.writer.drain()
        assert await rig.is_closed()

    run(tmp_path, script, use, request=())
