"""Entity tags made of a row's version, for optimistic locking over HTTP (RFC 9110, section 13)."""

import re
from typing import Annotated, Final

from fastapi import Header, HTTPException, status

IfMatch = Annotated[
    str | None, Header(alias="If-Match", description="Change the row only if it still has this `ETag`.")
]
IfNoneMatch = Annotated[
    str | None, Header(alias="If-None-Match", description="Send the row only if it no longer has this `ETag`.")
]

_STRONG: Final = re.compile(r'"[^"]*"')


def etag(version: int) -> str:
    """Return the strong entity tag of a row's version."""
    return f'"{version}"'


def require_match(if_match: str | None, version: int) -> None:
    """Raise 412 when the client's `If-Match` names other versions than the current one.

    What is no tag never matches, and neither do weak tags, as RFC 9110 asks of `If-Match`.
    """
    if if_match is None or if_match.strip() == "*":
        return
    tags = {tag.strip() for tag in if_match.split(",")}
    if etag(version) in tags:
        return
    if any(_STRONG.fullmatch(tag) for tag in tags):
        detail = f"The current version is {version}. Read the row again and repeat the change on what it holds now."
    else:
        detail = (
            '`If-Match` has to be an `ETag` as it was received, in double quotes and without `W/`, such as "7", or '
            "several of them separated by commas, or * for any version."
        )
    raise HTTPException(status.HTTP_412_PRECONDITION_FAILED, detail)


def require_modified(if_none_match: str | None, version: int) -> None:
    """Raise 304 when the client's `If-None-Match` names the current version, which the client then has already.

    Weak tags match too, as RFC 9110 asks of `If-None-Match`. What is no tag, such as a version without quotes, matches
    nothing: the client is sent the row, which it can use in any case.
    """
    if if_none_match is None:
        return
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    if "*" in tags or etag(version) in tags:
        raise HTTPException(status.HTTP_304_NOT_MODIFIED, headers={"ETag": etag(version)})
