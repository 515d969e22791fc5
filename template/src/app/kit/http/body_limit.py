"""Bounds on request bodies: how large one is, and how long a client may pause within it."""

import asyncio

from fastapi import HTTPException, status
from starlette.types import Message, Receive, Scope


def limit_body(scope: Scope, receive: Receive, max_size: int, longest_pause: float) -> Receive:
    """Return a `receive` that raises HTTPException 413 for a body larger than `max_size` bytes, or 408 if it stalls.

    It raises where the application reads the body, so the response is a problem like any other; Starlette's
    own limit answers in plain text. A body that announces its size is refused before any of it is read.
    """
    announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    received = int(announced) if announced.isdigit() and int(announced) > max_size else 0

    complete = False

    async def receive_limited() -> Message:
        nonlocal received, complete
        if received > max_size:
            raise _too_large(max_size)
        if complete:
            # What comes now is that the client leaves, and it may stay for long.
            return await receive()
        try:
            async with asyncio.timeout(longest_pause):
                message = await receive()
        except TimeoutError:
            raise _too_slow() from None
        complete = not message.get("more_body", False)
        received += len(message.get("body", b""))
        if received > max_size:
            raise _too_large(max_size)
        return message

    return receive_limited


def _too_large(max_size: int) -> HTTPException:
    return HTTPException(status.HTTP_413_CONTENT_TOO_LARGE, f"The body is larger than {max_size} bytes.")


def _too_slow() -> HTTPException:
    # The rest may still come, so it is not waited for.
    headers = {"Connection": "close"}
    return HTTPException(status.HTTP_408_REQUEST_TIMEOUT, "The rest of the body did not arrive in time.", headers)
