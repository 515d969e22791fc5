"""Prints a token of the issuer that `poe dev` has started: `poe token`."""

import json
import sys
from argparse import ArgumentParser
from importlib import import_module
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from dotenv import dotenv_values

from app.kit.auth.dependencies import required_scopes
from app.kit.auth.settings import ENV_FILE
from devtools import application


def main() -> None:
    """Ask the issuer for a token, and print it."""
    parser = ArgumentParser(prog="poe token", description=__doc__)
    parser.add_argument("subject", nargs="?", default="developer", help="who they are; developer by default")
    parser.add_argument("--scope", action="append", help="what they may do, for each again; by default everything")
    options = parser.parse_args()
    url = dotenv_values(application.PROJECT / ENV_FILE).get("OIDC_ISSUER")
    if not url:
        sys.exit("No issuer of `poe dev` runs: start that. If OIDC_ISSUER names one of yours, tokens come from there.")
    import_module("app.routers")
    scopes = sorted(required_scopes()) if options.scope is None else options.scope
    asked = {"grant_type": "client_credentials", "client_id": options.subject, "scope": " ".join(scopes)}
    try:
        with urlopen(f"{url}/token", urlencode(asked).encode(), timeout=10) as answer:  # noqa: S310 - our own, above
            sys.stdout.write(f"{json.load(answer)['access_token']}\n")
    except URLError as error:
        sys.exit(f"The issuer at {url} does not answer ({error.reason}): start `uv run poe dev` again.")


if __name__ == "__main__":
    main()
