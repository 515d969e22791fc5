"""Entity tags made of a row's version, for optimistic locking over HTTP (RFC 9110, section 13)."""

import re
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

from fastapi import Header, HTTPException, status
from pydantic import AfterValidator, WithJsonSchema

from app.kit.http.fields import MAX_BIGINT

if TYPE_CHECKING:
    Lines: TypeAlias = str
else:
    # Of a string, FastAPI hands over the first line only.
    Lines = Annotated[list[str], AfterValidator(", ".join), WithJsonSchema({"type": "string"})]
"""The value of a header that holds a list, which a client or a proxy may send in several lines (RFC 9110, 5.3)."""

IfMatch = Annotated[
    Lines | None, Header(alias="If-Match", description="Change the row only if it still has this `ETag`.")
]
IfNoneMatch = Annotated[
    Lines | None, Header(alias="If-None-Match", description="Send the row only if it no longer has this `ETag`.")
]

_STRONG: Final = re.compile(r'"[^"]*"')
_VERSION: Final = re.compile(r'"(0|-?[1-9][0-9]{0,18})"')
_SPACE: Final = " \t"


def etag(version: int) -> str:
    """Return the strong entity tag of a row's version."""
    return f'"{version}"'


def versions_in(if_match: str | None) -> frozenset[int] | None:
    """Return the versions that the client's `If-Match` names, or None if any will do: no header, or `*`.

    What is no tag of a version names none, and neither do weak tags, as RFC 9110 asks of `If-Match`.
    """
    tags = _tags_of_match(if_match)
    if tags is None:
        return None
    named = (_VERSION.fullmatch(tag) for tag in tags)
    return frozenset(version for tag in named if tag and abs(version := int(tag[1])) <= MAX_BIGINT)


def require_match(if_match: str | None, version: int) -> None:
    """Raise 412 when the client's `If-Match` names other versions than the current one.

    What is no tag never matches, and neither do weak tags, as RFC 9110 asks of `If-Match`.
    """
    tags = _tags_of_match(if_match)
    if tags is not None and etag(version) not in tags:
        raise HTTPException(status.HTTP_412_PRECONDITION_FAILED, why_refused(if_match, version))


def why_refused(if_match: str | None, version: int) -> str:
    """Return what a client is told whose `If-Match` does not name the current version."""
    tags = _tags_of_match(if_match)
    if tags is None or any(_STRONG.fullmatch(tag) for tag in tags):
        detail = f"The current version is {version}. Read the row again and repeat the change on what it holds now."
    else:
        detail = (
            '`If-Match` has to be an `ETag` as it was received, in double quotes and without `W/`, such as "7", or '
            "several of them separated by commas, or * for any version."
        )
    if tags is not None and f"W/{etag(version)}" in tags:
        detail += f" What compresses the responses on their way has made this one weak: send {etag(version)}."
    return detail


def require_modified(if_none_match: str | None, version: int) -> None:
    """Raise 304 when the client's `If-None-Match` names the current version, which the client then has already.

    Weak tags match too, as RFC 9110 asks of `If-None-Match`. What is no tag, such as a version without quotes, matches
    nothing: the client is sent the row, which it can use in any case.
    """
    if not is_modified(if_none_match, version):
        raise HTTPException(status.HTTP_304_NOT_MODIFIED, headers={"ETag": etag(version)})


def is_modified(if_none_match: str | None, version: int) -> bool:
    """Return whether the client lacks the current version, as `require_modified` reads its `If-None-Match`."""
    if if_none_match is None:
        return True
    tags = {tag.removeprefix("W/") for tag in _tags(if_none_match)}
    return if_none_match.strip(_SPACE) != "*" and etag(version) not in tags


def _tags_of_match(if_match: str | None) -> set[str] | None:
    """Return the tags of an `If-Match`, or None if any version will do."""
    return None if if_match is None or if_match.strip(_SPACE) == "*" else _tags(if_match)


def _tags(value: str) -> set[str]:
    """Return the tags of a list. Other servers' tags may hold commas, and fall apart: no part of one is a tag."""
    return {tag.strip(_SPACE) for tag in value.split(",")}
