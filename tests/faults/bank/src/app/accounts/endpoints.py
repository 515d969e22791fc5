"""The HTTP interface of accounts."""

from app.accounts.models import Account, Transfer
from app.accounts.queries import ADD, TOTAL
from app.kit.database.dependencies import CurrentDatabase, ReadSession, WriteSession
from app.kit.database.query import get_entity
from app.kit.http.fields import Identifier
from app.kit.routing import Router
from fastapi import status
from pydantic import BaseModel
from sqlalchemy import text

router = Router(prefix="/accounts")


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
    await ADD.one(session, account=new.source, amount=-new.amount)
    if new.pause:
        await session.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": new.pause})
    await ADD.one(session, account=new.target, amount=new.amount)
    session.add(Transfer(name=new.name, source=new.source, target=new.target, amount=new.amount))


@router.get("/total")
async def total(below: int, session: ReadSession) -> int:
    """Return what the accounts with ids below hold together."""
    return await TOTAL.get(session, below=below)


@router.post("/{account_id}/increment")
async def increment(account_id: Identifier, database: CurrentDatabase) -> int:
    """Add one, by reading first: only at SERIALIZABLE is that not lost."""
    async with database.transaction() as session:
        await session.connection(execution_options={"isolation_level": "SERIALIZABLE"})
        account = await get_entity(session, Account, account_id)
        account.balance += 1
    return account.balance


@router.get("/slow")
async def slow(seconds: float, session: ReadSession) -> None:
    """Keep a connection busy."""
    await session.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": seconds})
