"""Responses that stream rows."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import aclosing
from typing import Any, cast

from pydantic_core import to_json
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from app.kit.database.query import Query
from app.kit.database.sessions import Database


def json_lines(rows: Iterable[object]) -> bytes:
    """Return named tuples, dataclasses or pydantic models as JSON objects, each on a line."""
    return b"".join(to_json(cast("Any", row)._asdict() if isinstance(row, tuple) else row) + b"\n" for row in rows)


class JsonLinesResponse(StreamingResponse):
    """A stream of JSON lines that gives back its connection however it ends.

    Build it with `start`, which waits for the first chunk: what goes wrong until then, such as a database that
    cannot be reached, is answered as an error and not with a 200 that breaks off.
    """

    media_type = "application/jsonl"

    # FastAPI reads the documented status from this signature.
    def __init__(
        self,
        first: bytes,
        rest: AsyncGenerator[bytes, None],
        status_code: int = 200,
        longest_pause: float | None = None,
    ) -> None:
        self._rest = rest
        self._longest_pause = longest_pause
        super().__init__(self._chunks(first), status_code)

    @classmethod
    async def of_rows(
        cls, database: Database, query: Query[Any], /, *, batch: int = 1000, **parameters: Any
    ) -> "JsonLinesResponse":
        """Return a response that sends all rows of a query, in a snapshot of its own, `batch` of them at a time.

        The request's session has ended when the body is sent. Memory stays flat however many rows there are.
        """
        return await cls.start(_lines(database, query, batch, parameters), database.longest_pause)

    @classmethod
    async def start(
        cls, chunks: AsyncGenerator[bytes, None], longest_pause: float | None = None
    ) -> "JsonLinesResponse":
        """Fetch the first chunk and return a response that sends it and the rest.

        It breaks off when a client takes longer than `longest_pause` seconds to take a chunk. Give it
        `database.longest_pause` if `chunks` come from a snapshot or a transaction, which has ended then.
        """
        return cls(await anext(chunks, b""), chunks, longest_pause=longest_pause)

    async def _chunks(self, first: bytes) -> AsyncIterator[bytes]:
        yield first
        async for chunk in self._rest:
            yield chunk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the chunks, and close their source also when the client has left before the first."""

        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(self._longest_pause):
                await send(message)
                # To send to a client that has left waits for nothing, and so would not notice it.
                await asyncio.sleep(0)

        async with aclosing(self._rest):
            await super().__call__(scope, receive, send_in_time)


async def _lines(
    database: Database, query: Query[Any], batch: int, parameters: Mapping[str, Any]
) -> AsyncGenerator[bytes, None]:
    async with database.snapshot() as session, aclosing(query.batches(session, batch, **parameters)) as batches:
        async for rows in batches:
            yield json_lines(rows)
