"""Sessions as FastAPI dependencies: one alias for each kind, so that a request never holds two by mistake.

The scope "function" ends a session when the endpoint has returned and before the response is sent. So a commit that
fails is answered as an error, and neither a streamed body nor a background task keeps the request's connection.
Streams and background tasks open sessions of their own: see `Database`.

All of it works for WebSocket endpoints too. There a session lasts as long as the WebSocket, and with it the connection:
take `CurrentDatabase`, and open a session when there is something to do.
"""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from app.kit.database.sessions import Database, ReadingSession, WritingSession


async def current_database(connection: HTTPConnection) -> Database:
    """Return the database that the application's lifespan has opened.

    Override this dependency to replace the database: all the others get theirs from it.
    """
    database: Database = connection.state.database
    return database


CurrentDatabase = Annotated[Database, Depends(current_database)]


async def write_session(database: CurrentDatabase) -> AsyncIterator[WritingSession]:
    """Give the endpoint a transaction, committed before the response is sent and rolled back on any error."""
    async with database.transaction() as session:
        yield session


async def read_session(database: CurrentDatabase) -> AsyncIterator[ReadingSession]:
    """Give the endpoint a session that only reads."""
    async with database.read() as session:
        yield session


WriteSession = Annotated[WritingSession, Depends(write_session, scope="function")]
ReadSession = Annotated[ReadingSession, Depends(read_session, scope="function")]
