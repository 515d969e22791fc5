"""Builds an application: lifespan, middleware order, error handlers and routers."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial
from typing import Any, TypeVar

from fastapi import APIRouter, FastAPI, Request
from starlette.middleware import Middleware

from app.kit.about import DESCRIPTION, TITLE, VERSION
from app.kit.database.schema import head_revisions
from app.kit.database.sessions import Database, open_database
from app.kit.garbage import gc_frozen
from app.kit.http import docs, health, scraping
from app.kit.http.components import Components
from app.kit.http.connections import bound_connections
from app.kit.http.cors import Cors
from app.kit.http.draining import Draining
from app.kit.http.error_handlers import install_error_handlers
from app.kit.http.head import HeadAsGet
from app.kit.http.hosts import TrustedHosts
from app.kit.http.metrics import HttpMetrics, PoolCollector
from app.kit.http.middleware import Bypass, RequestMiddleware
from app.kit.http.openapi import Application
from app.kit.idempotency.routes import same_client
from app.kit.logs import configure_logging
from app.kit.settings import KitSettings

SettingsT = TypeVar("SettingsT", bound=KitSettings)


def build_application(
    settings: SettingsT,
    *,
    routers: Iterable[APIRouter],
    resources: Callable[[SettingsT], AbstractAsyncContextManager[Mapping[str, Any]]] = lambda _: nullcontext({}),
    middleware: Sequence[Middleware] = (),
    client_of: Callable[[Request], Awaitable[str]] = same_client,
    revisions: Callable[[], frozenset[str]] = head_revisions,
) -> FastAPI:
    """Build an application on these settings. Nothing connects before its lifespan starts.

    Args:
        settings: The service's settings.
        routers: What the application serves besides health and metrics.
        resources: What lives as long as the service. The lifespan enters it with the settings, and each entry becomes
            an attribute of `request.state`, beside `database` and `settings`. The metrics show the pool of each
            `Database` among them.
        middleware: Further ASGI middleware, the outermost first. It runs within that of the kit: its requests have an
            id and a log line, its errors are answered as those of endpoints are, and `scope["state"]` holds what
            `request.state` does, such as `scope["state"]["database"]`. Requests for health and metrics do not pass
            it, so they are answered whatever state it or its database is in.
        client_of: Says who sent a request with an idempotency key, so that clients do not meet each other's keys.
        revisions: Which revisions of the database this version of the service was written for.
    """
    configure_logging(settings)
    bound_connections()
    http_metrics = HttpMetrics()
    draining = Draining(settings.drain_seconds)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
        async with open_database(settings) as database, resources(settings) as opened:
            state = {"database": database, "settings": settings, **opened}
            pools = PoolCollector({name: each for name, each in state.items() if isinstance(each, Database)})
            http_metrics.registry.register(pools)
            try:
                with gc_frozen(), draining.before_the_end():
                    yield state
            finally:
                http_metrics.registry.unregister(pools)

    app = Application(
        title=TITLE,
        description=DESCRIPTION,
        version=VERSION,
        lifespan=lifespan,
        openapi_url="/openapi.json" if settings.docs_enabled else None,
        # FastAPI's own pages fetch what they need from elsewhere.
        docs_url=None,
        redoc_url=None,
    )
    components = Components(http_metrics, draining, client_of, revisions)
    app.state.components = components
    # The middleware added last runs first, so refusals by CORS and host checks are logged and counted too.
    app.add_middleware(HeadAsGet)
    if middleware:
        app.add_middleware(Bypass, middleware=middleware)
    cors = partial(Cors, origins=settings.cors_origins) if settings.cors_origins else None
    if cors is not None:
        app.add_middleware(cors)
    if settings.trusted_hosts:
        app.add_middleware(TrustedHosts, hosts=settings.trusted_hosts)
    app.add_middleware(
        RequestMiddleware,
        components=components,
        max_body_size=settings.max_body_size,
        client_timeout=settings.client_timeout,
        cors=cors,
    )
    install_error_handlers(app)
    pages = (docs.router,) if settings.docs_enabled else ()
    for router in (health.router, scraping.router, *pages, *routers):
        app.include_router(router)
    return app
