"""The router of a domain: `router = Router(prefix="/invoices")`."""

from typing import Any

from app.kit.http.retries import DEFAULT_ATTEMPTS
from app.kit.http.routing import PrefixRouter
from app.kit.idempotency.routes import IdempotentRoute


class Router(PrefixRouter):
    """An APIRouter whose requests are repeated after a conflict, and whose endpoints may take idempotency keys.

    Its tag is the prefix unless tags are given. Requests for paths without its prefix skip it, however many endpoints
    it has.
    """

    def __init__(self, *, prefix: str, attempts: int = DEFAULT_ATTEMPTS, **options: Any) -> None:
        """Make a router; `options` are those of `APIRouter`.

        A request that committed nothing is tried `attempts` times in all when its transaction ends in a serialization
        failure or a deadlock. Set 1 where endpoints do what must not be done twice, such as sending a mail.
        """
        options.setdefault("tags", [prefix.strip("/")])
        options.setdefault("route_class", type("Route", (IdempotentRoute,), {"attempts": attempts}))
        super().__init__(prefix=prefix, **options)
