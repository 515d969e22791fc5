"""s3rius/FastAPI-template: SQLAlchemy on asyncpg, DAOs, Prometheus, loguru, uvicorn's access log.

How it works is left as it is, the session's commit included, which happens after the response is sent and also after
an error. See the README beside this file.
"""

from pathlib import Path

from benchmarks.contenders import Command, Contender, Place, Start
from benchmarks.peers.projects import Server, add_heroes, generate, install, uv
from benchmarks.peers.versions import S3RIUS, S3RIUS_FASTAPI
from tests.harness.running.live_service import HOST

_NAME = "s3rius_peer"
OPTIONS = (
    *("--quiet", "--name", _NAME, "--api-type", "rest", "--db", "postgresql", "--orm", "sqlalchemy", "--ci", "none"),
    *("--migrations", "--dummy", "--routers", "--prometheus", "--loguru"),
)
_REGISTRATION = """
from s3rius_peer.web.api import heroes
api_router.include_router(heroes.router, prefix="/heroes", tags=["heroes"])
"""


def _prepare(folder: Path) -> Start:
    generate(S3RIUS, *OPTIONS, into=folder)
    project = folder / _NAME
    uv("lock", "--upgrade-package", S3RIUS_FASTAPI, cwd=project)
    install(project, "--locked")
    add_heroes(
        Path(__file__).with_name("added"),
        project,
        router=project / _NAME / "web" / "api" / "router.py",
        registration=_REGISTRATION,
    )

    def start(place: Place) -> Command:
        server = Server.of(place.database_url)
        settings = {
            "HOST": HOST,
            "PORT": str(place.port),
            "WORKERS_COUNT": str(place.workers),
            # Its .env, made for development, asks for it.
            "RELOAD": "False",
            # By default one folder for the whole machine, which each process that starts empties.
            "PROMETHEUS_DIR": str(folder / f"prometheus-{place.port}"),
            "DB_HOST": server.host,
            "DB_PORT": server.port,
            "DB_USER": server.user,
            "DB_PASS": server.password,
            "DB_BASE": server.database,
        }
        return Command(
            (str(project / ".venv" / "bin" / "python"), "-m", _NAME),
            project,
            {f"{_NAME.upper()}_{name}": value for name, value in settings.items()},
        )

    return start


CONTENDER = Contender(
    name="s3rius",
    description=f"{S3RIUS} as generated, with Prometheus and loguru; {S3RIUS_FASTAPI}",
    prepare=_prepare,
    workloads=("get", "list", "post", "patch"),
    prefix="/api",
    alive="/health",
)
