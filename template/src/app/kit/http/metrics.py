"""Prometheus metrics: requests, WebSockets, the process, and the connection pools."""

from collections.abc import Iterator, Mapping
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from starlette.types import Scope

from app.kit.database.sessions import Database

_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


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
        self._by_labels: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._seconds = Histogram(
            "http_request_duration_seconds",
            "Time from the first byte of a request to the end of its response.",
            ("method", "route"),
            registry=self.registry,
        )
        self._retries = Counter(
            "http_request_retries_total",
            "Attempts that ended in a conflict, and whether the request was repeated or its attempts were exhausted.",
            ("method", "route", "reason", "outcome"),
            registry=self.registry,
        )
        self._open_sockets = Gauge("websocket_connections_open", "WebSockets being served.", registry=self.registry)
        self._sockets = Counter(
            "websocket_connections_total",
            "WebSockets that have ended, by close code, or by HTTP status if the handshake was refused.",
            ("route", "code"),
            registry=self.registry,
        )

    def observe(self, scope: Scope, status: int, seconds: float) -> None:
        """Count one request; status 0 stands for one that was broken off before it was answered."""
        labels = (*_labels(scope), status)
        # Looked up anew for each request, they would cost more than to count it does.
        counters = self._by_labels.get(labels)
        if counters is None:
            counters = self._requests.labels(*labels), self._seconds.labels(*labels[:2])
            self._by_labels[labels] = counters
        requests, duration = counters
        requests.inc()
        duration.observe(seconds)

    def count_retry(self, scope: Scope, reason: str, outcome: Literal["repeated", "exhausted"]) -> None:
        """Count one attempt that ended in a conflict, which `observe` does not see."""
        self._retries.labels(*_labels(scope), reason, outcome).inc()

    def begin_socket(self) -> None:
        """Count one WebSocket more that is served."""
        self._open_sockets.inc()

    def end_socket(self, scope: Scope, code: int) -> None:
        """Count one that has ended; code 0 stands for one that was broken off before it was answered."""
        self._open_sockets.dec()
        self._sockets.labels(_route(scope), code).inc()


def _labels(scope: Scope) -> tuple[str, str]:
    method = scope["method"] if scope["method"] in _METHODS else "OTHER"
    return method, _route(scope)


def _route(scope: Scope) -> str:
    return getattr(scope.get("route"), "path", "unmatched")


_OWN: Final = "database"
"""The name of the service's own database."""


class PoolCollector(Collector):
    """Reads the pools' state when it is asked for, so nothing is counted twice and nothing drifts."""

    def __init__(self, databases: Mapping[str, Database]) -> None:
        self._databases = databases

    def collect(self) -> Iterator[Metric]:
        """Yield the pools' gauges and the time that units of work waited for a connection.

        Those of further databases than the service's own have a label with their name.
        """
        gauges = {
            name: GaugeMetricFamily(f"database_pool_{name}", help_text)
            for name, help_text in (
                ("size", "Connections that the pool keeps at most."),
                ("checked_out", "Connections in use."),
                ("overflow", "Connections open beyond the pool's size."),
                ("waiting", "Units of work waiting for a connection."),
            )
        }
        waits = SummaryMetricFamily("database_pool_wait_seconds", "Time waited for a connection.")
        for database, pool in ((name, each.pool_status()) for name, each in self._databases.items()):
            labels = {} if database == _OWN else {"database": database}
            for name, gauge in gauges.items():
                gauge.add_sample(gauge.name, labels, getattr(pool, name))
            waits.add_sample(f"{waits.name}_count", labels, pool.waits)
            waits.add_sample(f"{waits.name}_sum", labels, pool.waited_seconds)
        yield from gauges.values()
        yield waits
