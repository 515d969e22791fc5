"""What clients send and receive about ${r.names.many}."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StrictBool

from app.kit.http.decimals import Digits
from app.kit.http.fields import LEFT_OUT, BigInt, Day, Identifier, Integer, LongText, Moment, Omittable, Reference, Search, ShortText, Total
from app.kit.http.paging import PageParams
% if r.enums:
from app.${r.names.plural}.models import ${", ".join(field.enum for field in r.enums)}
% endif

% for field in r.aliases:
${field.kind.received} = ${field.alias}
% endfor


class ${r.names.model}Create(BaseModel):
    """A new ${r.names.one}."""

    model_config = ConfigDict(extra="forbid")

% for field in r.fields:
    ${field.name}: ${field.kind.received}${" | None = None" if field.nullable else ""}
% endfor


class ${r.names.model}Patch(BaseModel):
    """What changes about ${r.names.a}: only the fields that are sent."""

    model_config = ConfigDict(extra="forbid")

% for field in r.fields:
% if field.nullable:
    ${field.name}: ${field.kind.received} | None = None
% else:
    ${field.name}: Omittable[${field.kind.received}] = LEFT_OUT
% endif
% endfor


class ${r.names.model}ListParams(PageParams):
    """What the list of ${r.names.many} can be asked for."""

    sort: Literal[${", ".join(f'"{order}"' for order in r.sorts)}] = "id"
    total: Total = False
% for field in r.filters:
    ${field.name}: ${field.asked} | None = None
% if field in r.presences:
    ${field.presence}: bool | None = None
% endif
% endfor
% if r.searched:
    search: Search = None
% endif


class ${r.names.model}Read(BaseModel):
    """${r.names.a.capitalize()} as everyone may see it."""

    model_config = ConfigDict(from_attributes=True)

    id: Identifier
% for field in r.fields:
    ${field.name}: ${"Identifier" if field.refers_to else field.kind.python}${field.optional}
% endfor
    version: int
    created_at: datetime
    updated_at: datetime
