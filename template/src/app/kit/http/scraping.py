"""The endpoint from which Prometheus fetches the metrics."""

from fastapi import Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import PlainTextResponse, Response

from app.kit.http.components import components_of
from app.kit.http.routing import PrefixRouter

router = PrefixRouter(prefix="/metrics", tags=["operations"])


@router.get("", response_class=PlainTextResponse, summary="Metrics in Prometheus' text format")
async def read_metrics(request: Request) -> Response:
    """Return the metrics of this process."""
    registry = components_of(request.scope).metrics.registry
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
