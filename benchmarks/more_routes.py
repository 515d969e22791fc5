"""A service with many routes, as its owner would add them: in packages of their own."""

from __future__ import annotations

from pathlib import Path

_EACH = 10
"""Routes of one package."""

_HEAD = '''"""More endpoints."""

from app.kit.http.fields import Identifier
from app.kit.routing import Router

router = Router(prefix="/more-{number}", tags=["more"])
'''

_ROUTE = '''

@router.get("/thing-{number}/{{thing_id}}")
async def read_thing_{number}(thing_id: Identifier) -> int:
    """Return what was asked for."""
    return thing_id
'''


def add_routes(service: Path, routes: int) -> None:
    """Add so many routes to a rendered service, before those of the example."""
    source = service / "src" / "app"
    names = []
    for number in range(routes // _EACH):
        names.append(f"more_{number}")
        package = source / names[-1]
        package.mkdir()
        package.joinpath("__init__.py").write_text('"""More."""\n', encoding="utf-8")
        text = _HEAD.format(number=number) + "".join(_ROUTE.format(number=each) for each in range(_EACH))
        package.joinpath("endpoints.py").write_text(text, encoding="utf-8")
    routers = source / "routers.py"
    text = routers.read_text(encoding="utf-8")
    imports = "".join(f"from app.{name}.endpoints import router as {name}\n" for name in names)
    text = text.replace("from app.heroes", f"{imports}from app.heroes", 1)
    routers.write_text(
        text.replace("    heroes,\n", "".join(f"    {name},\n" for name in names) + "    heroes,\n"), "utf-8"
    )
