"""A bound on the size of request bodies."""

from fastapi import HTTPException, status
from starlette.types import Message, Receive, Scope


def limit_body(scope: Scope, receive: Receive, max_size: int) -> Receive:
    """Return a `receive` that raises HTTPException 413 when the body is larger than `max_size` bytes.

    It raises where the application reads the body, so the response is a problem like any other; Starlette's
    own limit answers in plain text. A body that announces its size is refused before any of it is read.
    """
    announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    received = int(announced) if announced.isdigit() and int(announced) > max_size else 0

    async def receive_limited() -> Message:
        nonlocal received
        if received > max_size:
            raise _too_large(max_size)
        message = await receive()
        received += len(message.get("body", b""))
        if received > max_size:
            raise _too_large(max_size)
        return message

    return receive_limited


def _too_large(max_size: int) -> HTTPException:
    return HTTPException(status.HTTP_413_CONTENT_TOO_LARGE, f"The body is larger than {max_size} bytes.")
