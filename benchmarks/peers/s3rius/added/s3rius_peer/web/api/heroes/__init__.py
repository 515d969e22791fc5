"""Heroes API."""

from s3rius_peer.web.api.heroes.views import router

__all__ = ["router"]
