"""vstorm's fastapi-fullstack: SQLAlchemy on asyncpg, services over repositories, request ids, uvicorn's access log.

How it works is left as it is, the session's commit included, which happens after the response is sent. See the README
beside this file.
"""

from pathlib import Path

from benchmarks.contenders import Command, Contender, Place, Start
from benchmarks.peers.projects import Server, add_heroes, generate, install
from benchmarks.peers.versions import FULLSTACK
from tests.harness.running.live_service import HOST

_NAME = "fullstack_peer"
OPTIONS = (
    # Without --minimal, which has an AI agent in it whatever else is asked for.
    *("create", _NAME, "--database", "postgresql", "--orm", "sqlalchemy", "--ai-framework", "none"),
    *("--frontend", "none", "--ci", "none", "--reverse-proxy", "none", "--no-docker", "--no-logfire", "--no-i18n"),
)
_REGISTRATION = """
from app.api.routes.v1 import heroes
v1_router.include_router(heroes.router, prefix="/heroes", tags=["heroes"])
"""


def _prepare(folder: Path) -> Start:
    generate(FULLSTACK, *OPTIONS, into=folder)
    backend = folder / _NAME / "backend"
    install(backend, "--no-dev")
    add_heroes(
        Path(__file__).with_name("added"),
        backend,
        router=backend / "app" / "api" / "routes" / "v1" / "__init__.py",
        registration=_REGISTRATION,
    )

    def start(place: Place) -> Command:
        server = Server.of(place.database_url)
        return Command(
            (
                *(str(backend / ".venv" / "bin" / "uvicorn"), "app.main:app"),
                *("--host", HOST, "--port", str(place.port), "--workers", str(place.workers)),
            ),
            backend,
            {
                "POSTGRES_HOST": server.host,
                "POSTGRES_PORT": server.port,
                "POSTGRES_USER": server.user,
                "POSTGRES_PASSWORD": server.password,
                "POSTGRES_DB": server.database,
            },
        )

    return start


CONTENDER = Contender(
    name="fullstack",
    description=f"{FULLSTACK} as generated, the smallest backend with PostgreSQL",
    prepare=_prepare,
    workloads=("get", "list", "post", "patch"),
    prefix="/api/v1",
    alive="/health",
)
