"""The description of the API with where its issuer is, so that `/docs` can log in."""

from typing import Any

from app.kit.auth.dependencies import SCHEME
from app.kit.auth.settings import AuthSettings
from app.kit.http.openapi import Application, Json


class SecuredApplication(Application):
    """An application whose description names the issuer of its tokens."""

    def __init__(self, settings: AuthSettings, **options: Any) -> None:
        """Make an application; `options` are those of `FastAPI`."""
        client = settings.oidc_docs_client
        oauth = {"clientId": client, "usePkceWithAuthorizationCodeGrant": True} if client else None
        super().__init__(swagger_ui_init_oauth=oauth, **options)
        self._issuer = settings.oidc_issuer.removesuffix("/")

    def openapi(self) -> Json:
        """Return the description."""
        document = super().openapi()
        schemes: Json = document.get("components", {}).get("securitySchemes", {})
        if SCHEME in schemes:
            schemes[SCHEME]["openIdConnectUrl"] = f"{self._issuer}/.well-known/openid-configuration"
        return document
