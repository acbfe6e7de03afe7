"""A lean HTTP/1.1 client on asyncio: keep-alive connections, POST, whole bodies. For load, where the client
must cost less than what it measures; services themselves call one another with stock clients.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import httptools


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers (lower-case names, the last of equal names counts) and body."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class _Connection(asyncio.Protocol):
    """One request at a time. `answer` is set while one is under way."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.answer: asyncio.Future[Answer] | None = None
        self.is_reusable = False
        self._begin()

    def _begin(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.headers: dict[str, str] = {}
        self.parts: list[bytes] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.is_reusable = True

    def data_received(self, chunk: bytes) -> None:
        try:
            self.parser.feed_data(chunk)
        except httptools.HttpParserError as error:
            self._fail(ConnectionError(f"unreadable answer: {error}"))

    def connection_lost(self, error: Exception | None) -> None:
        self.is_reusable = False
        self._fail(error or ConnectionError("closed before the answer was complete"))

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, part: bytes) -> None:
        self.parts.append(part)

    def on_message_complete(self) -> None:
        self.is_reusable = self.is_reusable and self.parser.should_keep_alive()
        if self.answer and not self.answer.done():
            self.answer.set_result(Answer(self.parser.get_status_code(), self.headers, b"".join(self.parts)))
        self._begin()

    def _fail(self, error: Exception) -> None:
        self.is_reusable = False
        if self.answer and not self.answer.done():
            self.answer.set_exception(error)

    async def exchange(self, request: bytes) -> Answer:
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        try:
            return await self.answer
        finally:
            self.answer = None


class Client:
    """POSTs to one `host:port`. OSError or TimeoutError when there is no answer; nothing is sent twice."""

    def __init__(self, address: str, timeout_s: float = 10.0) -> None:
        self.host, _, port = address.removeprefix("http://").rstrip("/").partition(":")
        self.port = int(port)
        self.timeout_s = timeout_s
        self.idle: list[_Connection] = []

    async def post(self, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        async with asyncio.timeout(self.timeout_s):
            connection = await self._connection()
            answered = False
            try:
                answer = await connection.exchange(self._request(path, body, headers))
                answered = True
                return answer
            finally:
                if answered and connection.is_reusable:
                    self.idle.append(connection)
                else:
                    connection.transport.close()

    def close(self) -> None:
        for connection in self.idle:
            connection.transport.close()
        self.idle.clear()

    async def _connection(self) -> _Connection:
        while self.idle:
            connection = self.idle.pop()
            if connection.is_reusable and not connection.transport.is_closing():
                return connection
        _, made = await asyncio.get_running_loop().create_connection(_Connection, self.host, self.port)
        return made

    def _request(self, path: str, body: bytes, headers: dict[str, str]) -> bytes:
        lines = [
            f"POST {path} HTTP/1.1",
            f"host: {self.host}:{self.port}",
            "content-type: application/json",
            f"content-length: {len(body)}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
