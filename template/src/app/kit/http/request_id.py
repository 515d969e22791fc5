"""The id that a request has in its response, in its logs and in its errors."""

import os
import re
from contextvars import ContextVar
from typing import Final

HEADER: Final = "X-Request-ID"

# Ids from outside end up in logs and headers, so only harmless ones are taken over.
_ACCEPTABLE: Final = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_HEADER_BYTES: Final = HEADER.lower().encode()

_current: ContextVar[str] = ContextVar("request_id", default="")


def current_request_id() -> str:
    """Return the id of the request being served, or an empty string outside of one."""
    return _current.get()


def begin_request(headers: list[tuple[bytes, bytes]]) -> str:
    """Take over the client's request id, or make one, and make it the current one."""
    for name, value in headers:
        if name == _HEADER_BYTES and _ACCEPTABLE.fullmatch(value):
            request_id = value.decode()
            break
    else:
        # As random as a UUID, and a third of its price.
        request_id = os.urandom(16).hex()
    _current.set(request_id)
    return request_id
