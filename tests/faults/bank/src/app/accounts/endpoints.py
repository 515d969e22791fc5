"""The HTTP interface of accounts."""

from typing import Annotated

from app.accounts.models import Account, Transfer
from app.database.dependencies import CurrentDatabase, ReadSession, WriteSession
from app.http.fields import Identifier
from app.http.retries import RetryingRoute
from fastapi import APIRouter, HTTPException, Query, status
from pydantic import BaseModel
from sqlalchemy import func, select, text, update

router = APIRouter(prefix="/accounts", tags=["accounts"], route_class=RetryingRoute)


class TransferCreate(BaseModel):
    """A transfer to make. A pause in the middle, in seconds, keeps the first account locked for that long."""

    name: str
    source: Identifier
    target: Identifier
    amount: int
    pause: float = 0


@router.post("/transfers", status_code=status.HTTP_201_CREATED)
async def transfer(new: TransferCreate, session: WriteSession) -> None:
    """Move an amount from one account to another: a deadlock, if someone moves one back at the same time."""
    change = update(Account).returning(Account.id)
    await session.execute(change.where(Account.id == new.source).values(balance=Account.balance - new.amount))
    if new.pause:
        await session.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": new.pause})
    await session.execute(change.where(Account.id == new.target).values(balance=Account.balance + new.amount))
    session.add(Transfer(name=new.name, source=new.source, target=new.target, amount=new.amount))


@router.get("/total")
async def total(session: ReadSession, below: Annotated[int, Query()]) -> int:
    """Return what the accounts with ids below hold together."""
    return await session.scalar(select(func.sum(Account.balance)).where(Account.id < below)) or 0


@router.post("/{account_id}/increment")
async def increment(account_id: Identifier, database: CurrentDatabase) -> int:
    """Add one, by reading first: only at SERIALIZABLE is that not lost."""
    async with database.transaction() as session:
        await session.connection(execution_options={"isolation_level": "SERIALIZABLE"})
        account = await session.get(Account, account_id)
        if account is None:
            raise HTTPException(status.HTTP_404_NOT_FOUND, f"There is no account {account_id}.")
        account.balance += 1
    return account.balance


@router.get("/slow")
async def slow(session: ReadSession, seconds: Annotated[float, Query()]) -> None:
    """Keep a connection busy."""
    await session.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": seconds})
