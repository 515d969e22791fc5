"""The router of a domain: `router = Router(prefix="/invoices")`."""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, TypedDict, Unpack

from fastapi.params import Depends
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import Lifespan

from app.kit.http.routing import PrefixRouter
from app.kit.http.spellings import SpellingRoute
from app.kit.idempotency.routes import IdempotentRoute


class RouterOptions(TypedDict, total=False):
    """What else FastAPI's `APIRouter` takes for the endpoints of a router."""

    tags: list[str | Enum] | None
    dependencies: Sequence[Depends] | None
    responses: dict[int | str, dict[str, Any]] | None
    default_response_class: type[Response]
    route_class: type[APIRoute]
    callbacks: list[BaseRoute] | None
    lifespan: Lifespan[Any] | None
    deprecated: bool | None
    include_in_schema: bool
    generate_unique_id_function: Callable[[APIRoute], str]
    strict_content_type: bool
    max_body_size: int | None


class Router(PrefixRouter):
    """An APIRouter whose requests are repeated after a conflict, and whose endpoints may take idempotency keys.

    Values in paths and queries are spelled as the description of the API says. The tag is the prefix unless tags are
    given. Requests for paths without the prefix skip the router, however many endpoints it has.
    """

    def __init__(self, *, prefix: str, attempts: int | None = None, **options: Unpack[RouterOptions]) -> None:
        """Make a router; `options` are those of `APIRouter`.

        A request that committed nothing is tried `attempts` times in all when its transaction ends in a serialization
        failure or a deadlock; without it, as often as the setting `request_attempts` says. Set 1 where endpoints do
        what must not be done twice, such as sending a mail.
        """
        options.setdefault("tags", [prefix.strip("/")])
        options.setdefault("route_class", type("Route", (SpellingRoute, IdempotentRoute), {"attempts": attempts}))
        super().__init__(prefix=prefix, **options)
