"""Prometheus metrics: requests, the process, and the connection pool."""

from collections.abc import Iterator
from typing import Final, Literal

from fastapi import Request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from starlette.responses import PlainTextResponse, Response
from starlette.types import Scope

from app.database.sessions import Database
from app.http.routing import PrefixRouter

_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})

router = PrefixRouter(prefix="/metrics", tags=["operations"])


class HttpMetrics:
    """Counts and times requests, by route and never by path: a label for each id would grow without bound."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._requests = Counter(
            "http_requests_total", "Requests served.", ("method", "route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "http_request_duration_seconds",
            "Time from the first byte of a request to the end of its response.",
            ("method", "route"),
            registry=self.registry,
        )
        self._retries = Counter(
            "http_request_retries_total",
            "Attempts that collided with others, and whether the request was repeated or given up.",
            ("method", "route", "reason", "outcome"),
            registry=self.registry,
        )

    def observe(self, scope: Scope, status: int, seconds: float) -> None:
        """Count one request; status 0 stands for one that was broken off before it was answered."""
        method, route = _labels(scope)
        self._requests.labels(method, route, status).inc()
        self._seconds.labels(method, route).observe(seconds)

    def count_retry(self, scope: Scope, reason: str, outcome: Literal["repeated", "given_up"]) -> None:
        """Count one attempt that collided with others, which `observe` does not see."""
        self._retries.labels(*_labels(scope), reason, outcome).inc()


def _labels(scope: Scope) -> tuple[str, str]:
    method = scope["method"] if scope["method"] in _METHODS else "OTHER"
    return method, getattr(scope.get("route"), "path", "unmatched")


class PoolCollector(Collector):
    """Reads the pool's state when it is asked for, so nothing is counted twice and nothing drifts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> Iterator[Metric]:
        """Yield the pool's gauges and the time that units of work waited for a connection."""
        pool = self._database.pool_status()
        for name, help_text, value in (
            ("size", "Connections that the pool keeps at most.", pool.size),
            ("checked_out", "Connections in use.", pool.checked_out),
            ("overflow", "Connections open beyond the pool's size.", pool.overflow),
            ("waiting", "Units of work waiting for a connection.", pool.waiting),
        ):
            yield GaugeMetricFamily(f"database_pool_{name}", help_text, value)
        yield SummaryMetricFamily(
            "database_pool_wait_seconds", "Time waited for a connection.", pool.waits, pool.waited_seconds
        )


@router.get("", response_class=PlainTextResponse, summary="Metrics in Prometheus' text format")
async def read_metrics(request: Request) -> Response:
    """Return the metrics of this process."""
    metrics: HttpMetrics = request.app.state.metrics
    return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)
