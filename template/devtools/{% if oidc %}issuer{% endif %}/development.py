"""Serves the service with reload, and an issuer for it unless OIDC_ISSUER names one: `poe dev`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

from app.kit.auth.dependencies import required_scopes
from app.kit.auth.settings import ENV_FILE
from devtools import application, serve
from devtools.issuer.server import AUDIENCE, Issuer, running_issuer

_CLIENT = "docs"


def main() -> None:
    """Serve until Ctrl-C; what else can be said on the command line, `devtools.serve` knows."""
    if application.is_configured("OIDC_ISSUER"):
        serve.main()
        return
    with running_issuer(scopes=_scopes) as issuer, _named_for_others(issuer):
        application.say(
            f"An issuer is ready, which gives a token to whoever asks: `uv run poe token`\n  OIDC_ISSUER={issuer.url}"
        )
        serve.main()


def _scopes() -> list[str]:
    """Return what endpoints require, once somebody asks: until then the service may not be one that starts."""
    import_module("app.routers")
    return sorted(required_scopes())


@contextmanager
def _named_for_others(issuer: Issuer) -> Iterator[None]:
    """Let the service and the other commands find the issuer for the time of the block."""
    values = {"OIDC_ISSUER": issuer.url, "OIDC_AUDIENCE": AUDIENCE, "OIDC_DOCS_CLIENT": _CLIENT}
    os.environ.update(values)
    file = application.PROJECT / ENV_FILE
    file.parent.mkdir(exist_ok=True)
    file.write_text("".join(f"{name}={value}\n" for name, value in values.items()), encoding="utf-8")
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
