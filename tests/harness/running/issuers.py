"""An OpenID Connect provider that is not ours: a certified one, from npm."""

from __future__ import annotations

import base64
import json
import shutil
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

from tests.harness.running.developing import answers
from tests.harness.running.processes import free_port, running
from tests.harness.running.tools import node_modules

PACKAGE = "oidc-provider@9.13.3"

_PROGRAM = Path(__file__).with_name("issuer.mjs")
_ROBOT = ("robot", "secret of the robot")


@dataclass(frozen=True)
class Provider:
    """A provider that was started by :func:`oidc_provider`."""

    url: str

    def token(self, scope: str) -> str:
        """A token for a program, with a scope."""
        credentials = base64.b64encode(":".join(map(quote, _ROBOT)).encode()).decode()
        request = urllib.request.Request(
            f"{self.url}/token",
            urlencode({"grant_type": "client_credentials", "scope": scope}).encode(),
            {"Authorization": f"Basic {credentials}"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            return str(json.load(response)["access_token"])


@contextmanager
def oidc_provider(audience: str, redirect: str, folder: Path, cache: Path) -> Iterator[Provider]:
    """Run a provider until the end of the block.

    Args:
        audience: Whom its tokens are for.
        redirect: Where the client `docs` may be sent back to.
        folder: A folder that does not exist yet.
        cache: Where the package is kept between runs.

    Raises:
        MissingToolError: Node.js is not here, or the package index does not answer.
    """
    modules = node_modules(cache, PACKAGE)
    folder.mkdir(parents=True)
    shutil.copy(_PROGRAM, folder)
    folder.joinpath("node_modules").symlink_to(modules)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with running("node", "issuer.mjs", url, str(port), audience, redirect, cwd=folder, env={}) as process:
        process.wait_for("it describes itself", lambda: answers(f"{url}/.well-known/openid-configuration"))
        yield Provider(url)
