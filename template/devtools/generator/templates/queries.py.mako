"""The statements about ${r.names.many}, each with the type of its rows."""

from datetime import date, datetime
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy import bindparam, insert, select

from app.kit.database.change import Change
from app.kit.database.listing import Listing, has_value
from app.kit.database.pagination import Keyset
from app.kit.database.query import Command, Query
from app.kit.database.search import matches
from app.kit.http.fields import BigInt, Day, Identifier, Moment, ShortText
from app.${r.names.plural}.models import ${r.names.model}${"".join(f", {field.enum}" for field in r.enums)}
from app.${r.names.plural}.schemas import ${r.names.model}ListParams${"".join(f", {field.kind.received}" for field in r.aliases)}


class ${r.names.model}Row(NamedTuple):
    """What everyone may see of ${r.names.a}."""

    id: int
% for field in r.fields:
    ${field.name}: ${field.kind.python}${field.optional}
% endfor
    version: int
    created_at: datetime
    updated_at: datetime


_COLUMNS: Final = (
    ${r.names.model}.id,
% for field in r.fields:
    ${r.names.model}.${field.name},
% endfor
    ${r.names.model}.version,
    ${r.names.model}.created_at,
    ${r.names.model}.updated_at,
)
% if r.soft_delete:
_VISIBLE: Final = select(*_COLUMNS).where(${r.names.model}.deleted_at.is_(None))
% else:
_ALL: Final = select(*_COLUMNS)
% endif

FIND: Final = Query(${r.names.model}Row, ${r.visible}.where(${r.names.model}.id == bindparam("id")))
LIST: Final = Listing(
    Query(${r.names.model}Row, ${r.visible}),
    ${r.names.model}ListParams,
    orders={
        "id": Keyset(${r.names.model}.id, types=tuple[Identifier]),
        "-id": Keyset(${r.names.model}.id.desc(), types=tuple[Identifier]),
% for field in r.orders:
        "${field.name}": ${r.keyset(field)},
        "-${field.name}": ${r.keyset(field, descends=True)},
% endfor
    },
% if r.filters or r.searched:
    filters={
% for field in r.filters:
        "${field.name}": ${r.names.model}.${field.name} == bindparam("${field.name}"),
% if field in r.presences:
        "${field.presence}": has_value(${r.names.model}.${field.name}, bindparam("${field.presence}")),
% endif
% endfor
% if r.searched:
        "search": matches(${r.names.model}, bindparam("search")),
% endif
    },
% endif
)
CREATE: Final = Command(${r.names.model}Row, insert(${r.names.model}).returning(*_COLUMNS))
CHANGE: Final = Change(${r.names.model}, FIND)
