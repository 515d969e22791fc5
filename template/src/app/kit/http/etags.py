"""Entity tags made of a row's version, for optimistic locking over HTTP (RFC 9110, section 13)."""

from typing import Annotated

from fastapi import Header, HTTPException, status

IfMatch = Annotated[str | None, Header(description="Change the row only if it still has this `ETag`.")]
IfNoneMatch = Annotated[str | None, Header(description="Send the row only if it no longer has this `ETag`.")]


def etag(version: int) -> str:
    """Return the strong entity tag of a row's version."""
    return f'"{version}"'


def require_match(if_match: str | None, version: int) -> None:
    """Raise 412 when the client's `If-Match` names other versions than the current one.

    Weak tags never match, as RFC 9110 asks of `If-Match`.
    """
    if if_match is None or if_match.strip() == "*":
        return
    if etag(version) not in {tag.strip() for tag in if_match.split(",")}:
        raise HTTPException(
            status.HTTP_412_PRECONDITION_FAILED,
            f"The current version is {version}. Read the row again and repeat the change on what it holds now.",
        )


def require_modified(if_none_match: str | None, version: int) -> None:
    """Raise 304 when the client's `If-None-Match` names the current version, which the client then has already.

    Weak tags match too, as RFC 9110 asks of `If-None-Match`.
    """
    if if_none_match is None:
        return
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    if "*" in tags or etag(version) in tags:
        raise HTTPException(status.HTTP_304_NOT_MODIFIED, headers={"ETag": etag(version)})
