"""Sessions as FastAPI dependencies: one alias for each kind, so that a request never holds two by mistake.

The scope "function" ends a session when the endpoint has returned and before the response is sent. So a commit that
fails is answered as an error, and neither a streamed body nor a background task keeps the request's connection.
Streams and background tasks open sessions of their own: see `Database`.
"""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.database.sessions import Database


async def current_database(request: Request) -> Database:
    """Return the database that the application's lifespan has opened."""
    database: Database = request.state.database
    return database


CurrentDatabase = Annotated[Database, Depends(current_database)]


async def write_session(request: Request) -> AsyncIterator[AsyncSession]:
    """Give the endpoint a transaction, committed before the response is sent and rolled back on any error."""
    database = await current_database(request)
    async with database.transaction() as session:
        yield session


async def read_session(request: Request) -> AsyncIterator[AsyncSession]:
    """Give the endpoint a session that only reads."""
    database = await current_database(request)
    async with database.read() as session:
        yield session


WriteSession = Annotated[AsyncSession, Depends(write_session, scope="function")]
ReadSession = Annotated[AsyncSession, Depends(read_session, scope="function")]
