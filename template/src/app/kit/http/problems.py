"""Error responses as `application/problem+json` (RFC 9457)."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel, Field
from pydantic_core import to_jsonable_python
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from app.kit.http.request_id import current_request_id

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_SECONDS: Final = 1

# What may follow `urn:problem:` in a URN (RFC 8141).
_KIND: Final = re.compile(r"(?!/)(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})+")


class InvalidValue(BaseModel):
    """A value of the request that was refused."""

    loc: list[str | int]
    msg: str
    type: str


class Problem(BaseModel):
    """The body of every error response."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    # Optional but not nullable: it is left out of a problem that is not about values.
    errors: list[InvalidValue] = Field(default_factory=list)


MEMBERS: Final = frozenset(name for name, field in Problem.model_fields.items() if field.is_required())
"""The members that every problem has. Further ones are added to them, and replace none."""


class ProblemError(HTTPException):
    """Ends a request with a problem response of its own type, and rolls its transaction back.

    `raise ProblemError(409, "The invoice is paid.", kind="invoice-paid", invoice_id=7)` is answered with the type
    `urn:problem:invoice-paid` and the further member `invoice_id`. Raises ValueError for a kind that cannot be part of
    a URI, and for a further member that every problem has already.
    """

    def __init__(
        self, status: int, detail: str, *, kind: str = "", headers: Mapping[str, str] | None = None, **extra: Any
    ) -> None:
        super().__init__(status, detail, headers)
        _type_of(kind)
        if taken := MEMBERS & extra.keys():
            raise ValueError(f"Every problem has a member {', '.join(sorted(taken))} already.")
        self.kind = kind
        self.extra = extra


def problem(
    status: int, detail: str, *, kind: str = "", headers: Mapping[str, str] | None = None, **extra: Any
) -> Response:
    """Build a problem response; `kind` names the failure for programs, and is left out where the status says it all.

    To return a response does not roll back: raise `ProblemError` for that.
    """
    return problem_with(extra, status, detail, kind=kind, headers=headers)


def problem_with(
    members: Mapping[str, Any], status: int, detail: str, *, kind: str = "", headers: Mapping[str, str] | None = None
) -> Response:
    """Build a problem response with further members, whatever they are called."""
    body = Problem(
        type=_type_of(kind),
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        request_id=current_request_id(),
    )
    content = body.model_dump(exclude_unset=True) | to_jsonable_python(members)
    return JSONResponse(content, status, headers=headers, media_type=MEDIA_TYPE)


def _type_of(kind: str) -> str:
    if not kind:
        return "about:blank"
    if not _KIND.fullmatch(kind):
        raise ValueError(f"The kind {kind!r} cannot be part of a URI. Choose a name such as 'invoice-paid'.")
    return f"urn:problem:{kind}"


def internal_server_error() -> Response:
    """Build the response to a bug, which does not say what went wrong."""
    return problem(500, "The service failed to answer. The request id finds the reason in the logs.")
