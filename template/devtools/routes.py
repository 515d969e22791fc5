"""Lists what the service serves: `poe routes`."""

import sys
from argparse import ArgumentParser

from fastapi.routing import iter_route_contexts

from app.main import create_app
from app.settings import load_settings


def main() -> None:
    """Print the methods, the path and the name of each route, those of the kit as well."""
    ArgumentParser(prog="poe routes", description=__doc__).parse_args()
    # relies on: `iter_route_contexts`, which FastAPI exports and does not document.
    routes = [
        (" ".join(sorted((route.methods or set()) - {"HEAD"})) or "-", route.path or "", route.name or "")
        for route in iter_route_contexts(create_app(load_settings()).routes)
    ]
    methods, paths = (max((len(route[column]) for route in routes), default=0) for column in (0, 1))
    for method, path, name in sorted(routes, key=lambda route: (route[1], route[0])):
        sys.stdout.write(f"{method:{methods}}  {path:{paths}}  {name}\n")


if __name__ == "__main__":
    main()
