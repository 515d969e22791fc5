"""Settings of the HTTP layer."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode

# A scheme and a host, perhaps with a port; pages of apps have schemes of their own.
_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]+)?")
_HOST: Final = re.compile(r"(\*\.)?[a-z0-9._-]+|\[[0-9a-f:.]+\]")


def _split(value: object) -> object:
    """Turn `a, b` into its parts, in lower case, as browsers send them."""
    if not isinstance(value, str):
        return value
    parts = tuple(part for each in value.split(",") if (part := each.strip().lower()))
    if value and not parts:
        # None would mean the default, and that may be all.
        raise ValueError("is set and names nothing. Expected one or several, separated by commas, or no such variable.")
    return parts


def _check_origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    if origins == ("*",):
        return origins
    if wrong := [origin for origin in origins if not _ORIGIN.fullmatch(origin)]:
        raise ValueError(
            f"has {', '.join(map(repr, wrong))}, which is no origin. Expected https://app.example.com, without a path "
            "or a slash at the end, or several of them separated by commas, or * alone for all."
        )
    return origins


def _check_hosts(hosts: tuple[str, ...]) -> tuple[str, ...]:
    if wrong := [host for host in hosts if not _HOST.fullmatch(host)]:
        raise ValueError(
            f"has {', '.join(map(repr, wrong))}, which is no host. Expected api.example.com, without a scheme or a "
            "port, or *.example.com for all below it, or several of them separated by commas."
        )
    return hosts


class HttpSettings(BaseSettings):
    """Limits on requests, and which origins and hosts are allowed."""

    max_body_size: int = Field(default=1_048_576, ge=1)
    """The largest request body, in bytes. A larger one is answered with 413 and is not read to its end."""

    max_head_size: int = Field(default=65_536, ge=1024)
    """The largest head of a request, in bytes: the URL and the headers. A larger one is answered with 414 or 431."""

    client_timeout: float = Field(default=10, ge=0.1, le=86_400, allow_inf_nan=False)
    """How long a client may stall, in seconds: for the head of a request, within a body, and while it has to read."""

    drain_seconds: float = Field(default=0, ge=0, le=3600, allow_inf_nan=False)
    """How long to go on serving after SIGTERM, in seconds, not ready any more, until all balancers have noticed."""

    request_attempts: int = Field(default=3, ge=1, le=100)
    """How often a request is tried in all when its transaction ends in a conflict, unless its router says otherwise."""

    info_enabled: bool = False
    """Serve `/info` and `/log-level`: what runs here, and how much it logs, which can be changed there."""

    commit: str = ""
    """The commit that the service was built from, for `/info`. The image has it as an argument of its build."""

    docs_enabled: bool = True
    """Serve the description of the API: `/docs`, `/redoc` and `/openapi.json`."""

    cors_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_check_origins)] = ()
    """The origins whose web pages may read responses; none by default, `*` for all."""

    trusted_hosts: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_check_hosts)] = ()
    """The names under which the service answers; any by default. Health and metrics answer under every name."""
