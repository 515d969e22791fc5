"""The application: what is switched on, in which order, and for how long."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypedDict

from fastapi import FastAPI
from starlette.types import ASGIApp

from app.about import DESCRIPTION, TITLE, VERSION
from app.database.sessions import Database, open_database
from app.garbage import lasting_objects_exempt
from app.http import health, metrics
from app.http.cors import Cors
from app.http.hosts import TrustedHosts
from app.http.metrics import HttpMetrics, PoolCollector
from app.http.middleware import RequestMiddleware, answer_failure
from app.http.problems import PROBLEM_RESPONSES, install_problem_handlers
from app.logs import configure_logging
from app.routers import ROUTERS
from app.settings import Settings, load_settings


class State(TypedDict):
    """What the lifespan hands to every request as `request.state`."""

    database: Database
    settings: Settings


def create_app(settings: Settings) -> FastAPI:
    """Build the application. Nothing connects before its lifespan starts."""
    configure_logging(settings)
    http_metrics = HttpMetrics()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[State]:
        async with open_database(settings) as database:
            pool = PoolCollector(database)
            http_metrics.registry.register(pool)
            try:
                with lasting_objects_exempt():
                    yield {"database": database, "settings": settings}
            finally:
                http_metrics.registry.unregister(pool)

    app = FastAPI(
        title=TITLE,
        description=DESCRIPTION,
        version=VERSION,
        lifespan=lifespan,
        responses=PROBLEM_RESPONSES,
        # Without it there are no pages that show it either.
        openapi_url="/openapi.json" if settings.docs_enabled else None,
    )
    app.state.metrics = http_metrics
    failure: ASGIApp = answer_failure
    # What is added last is outermost, and so has an id, a log line and metrics for what the others answer.
    if settings.cors_origins:
        app.add_middleware(Cors, origins=settings.cors_origins)
        failure = Cors(failure, settings.cors_origins)
    if settings.trusted_hosts:
        app.add_middleware(TrustedHosts, hosts=settings.trusted_hosts)
    app.add_middleware(RequestMiddleware, metrics=http_metrics, max_body_size=settings.max_body_size, failure=failure)
    install_problem_handlers(app)
    for router in (health.router, metrics.router, *ROUTERS):
        app.include_router(router)
    return app


def __getattr__(name: str) -> FastAPI:
    """Build `app` when a server asks for it: so importing this module needs no settings, as in tests and scripts."""
    if name == "app":
        return create_app(load_settings())
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
