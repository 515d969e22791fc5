"""The default service as a person meets it: it runs, it stops, and its own tests need nothing and leave nothing."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
import trustme

from tests.harness.rendering.template import Template
from tests.harness.running.commands import run
from tests.harness.running.developing import answers, call, developing
from tests.harness.running.live_service import HOST, health_checks, installed, migrate, serve, serving_command
from tests.harness.running.processes import Running, data_folders, free_port, running, still_alive
from tests.harness.running.services import OWN_INTERPRETER, Environments, Service

pytestmark = pytest.mark.slow

GONE_WITHIN = 60.0  # seconds
NOBODY = 65534
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")

STARTS_APPLICATIONS = ("kit_tests/test_application.py", "kit_tests/test_settings.py")
"""Modules of the kit's tests that make applications and settings: it is then that one that is missing is asked for."""

TOUCHES_THE_MACHINE = re.compile(r"\b(tmp_path|tempfile|subprocess|socket|running_server|support\.(proxy|reuse))\b")
"""What a test names that has to do with files, processes, ports or servers."""


@pytest.fixture(scope="module")
def public_folder() -> Iterator[Path]:
    """A folder that other users can enter, which pytest's own are not: as root, servers run as another user."""
    folder = Path(tempfile.mkdtemp(prefix="template-tests-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def everyones_interpreter() -> str | None:
    """A Python that a plain user can run, if this is root and there is one."""
    return _interpreter_for_everyone() if os.geteuid() == 0 and shutil.which("setpriv") else None


@pytest.fixture(scope="module")
def service(template: Template, public_folder: Path, everyones_interpreter: str | None) -> Service:
    folder = template.render_to(public_folder / "my-service", {})
    service = Service(folder, folder / ".venv", everyones_interpreter or OWN_INTERPRETER)
    service.install()
    return service


@pytest.fixture
def sqlite_service(template: Template, environments: Environments, tmp_path: Path) -> Iterator[Service]:
    with installed(template, environments, tmp_path / "sqlite-service", {"driver": "aiosqlite"}) as service:
        yield service


@pytest.fixture(scope="module")
def demanding_service(
    template: Template, environments: Environments, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service whose owner has added a setting that has no default, and has given it values where its files ask."""
    folder = tmp_path_factory.mktemp("demanding") / "demanding-service"
    with installed(template, environments, folder, {"driver": "aiosqlite"}) as service:
        _demand_a_setting(service)
        yield service


def _demand_a_setting(service: Service) -> None:
    for name, before, after in (
        ("src/app/settings.py", '`SOME_NAME`."""\n', '`SOME_NAME`."""\n\n    api_key: str\n'),
        ("tests/values.py", "= {}", '= {"api_key": "for tests"}'),
    ):
        file = service.folder / name
        text = file.read_text(encoding="utf-8")
        assert text.count(before) == 1, f"{name} has no place for a setting"
        file.write_text(text.replace(before, after), encoding="utf-8")
    with (service.folder / ".env.example").open("a", encoding="utf-8") as example:
        example.write("API_KEY=for-development\n")


def _use(base: str) -> None:
    """What a newcomer does with the example."""
    assert "swagger" in call(f"{base}/docs")[1].lower()
    status, hero = call(f"{base}/heroes", {"name": "Deadpond", "secret_name": "Dive Wilson"})
    assert status == 201
    assert "secret_name" not in hero
    status, page = call(f"{base}/heroes")
    assert (status, [each["name"] for each in page["items"]]) == (200, ["Deadpond"])
    with pytest.raises(urllib.error.HTTPError) as error:
        call(f"{base}/heroes", {"name": ""})
    error.value.close()
    assert error.value.code == 422


def _run_and_stop(service: Service, signal_number: signal.Signals) -> None:
    with developing(service) as (dev, base):
        _use(base)
        processes = dev.descendants()
        dev.signal(signal_number)
        assert still_alive(processes, GONE_WITHIN) == [], dev.output


def test_dev_runs_and_leaves_nothing_after_ctrl_c(service: Service) -> None:
    _run_and_stop(service, signal.SIGINT)


def test_dev_keeps_its_data_and_leaves_nothing_after_a_kill(service: Service) -> None:
    """Runs after the test above, on the data that it left."""
    with developing(service) as (dev, base):
        assert [each["name"] for each in call(f"{base}/heroes")[1]["items"]] == ["Deadpond"]
        processes = dev.descendants()
        processes[0].kill()  # uv alone, which cannot tell the others
        assert still_alive(processes, GONE_WITHIN) == [], dev.output


def test_dev_starts_its_server_again_at_the_same_url(service: Service) -> None:
    def url(dev: Running) -> str:
        return dev.output.partition("DATABASE_URL=")[2].partition("\n")[0]

    with developing(service) as (dev, base):
        first, heroes = url(dev), call(f"{base}/heroes")
        server, *workers = (each for each in dev.descendants() if each.name() == "postgres")
        workers[0].kill()  # after which the server itself starts all others anew
        dev.wait_for("what happened", lambda: re.search("PostgreSQL says: .* terminated by signal 9", dev.output))
        dev.wait_for("/health/ready answers 200", lambda: answers(f"{base}/health/ready"))
        server.kill()
        dev.wait_for("a new server", lambda: "PostgreSQL was ended by SIGKILL, and is started again." in dev.output)
        dev.wait_for("/health/ready answers 200", lambda: answers(f"{base}/health/ready"))
        assert call(f"{base}/heroes") == heroes
        processes = dev.descendants()
        dev.signal(signal.SIGTERM)
        assert still_alive(processes, GONE_WITHIN) == [], dev.output
    with developing(service, DATABASE_URL=first) as (dev, _):  # as a terminal has it that used it before
        assert url(dev) == first


def test_dev_makes_its_replica_anew_and_tells_others_of_it(service: Service) -> None:
    def in_use() -> bool:
        return bool(call(f"{base}/health/ready")[1] == {"status": "ready"})

    with developing(service, "--replica", DATABASE_READ_COOKIE="false") as (dev, base):
        dev.wait_for("reads at the replica", in_use)
        url = dev.output.partition("DATABASE_READ_URL=")[2].partition("\n")[0]
        named = (service.folder / ".data/dev.env").read_text(encoding="utf-8")
        assert (f"DATABASE_READ_URL={url}\n" in named, "COOKIE" in dev.output + named) == (True, False)
        said = service.uv_run("poe", "--quiet", "doctor").output
        assert "Reads may go to 127.0.0.1:" in said
        port = f"port={url.partition('127.0.0.1:')[2].partition('/')[0]}"
        (standby,) = (each for each in dev.descendants() if each.name() == "postgres" and port in each.cmdline())
        standby.kill()
        dev.wait_for("what happened", lambda: "The replica was ended by SIGKILL, and is made anew." in dev.output)
        dev.wait_for("reads at the new one", in_use)
        processes = dev.descendants()
        dev.signal(signal.SIGTERM)
        assert still_alive(processes, GONE_WITHIN) == [], dev.output


def test_dev_waits_for_what_is_left_of_a_server_that_was_killed(service: Service) -> None:
    """Its process id is in use until its parent asks for it, which takes a moment when the parent was killed, too."""
    data = service.folder / ".data" / "postgres"
    dead = subprocess.Popen(["true"], user=data.stat().st_uid)
    (data / "cluster" / "postmaster.pid").write_text(f"{dead.pid}\n", encoding="utf-8")
    log = data / "server.log"
    log.write_text("", encoding="utf-8")

    def take_note() -> None:
        deadline = time.monotonic() + 60
        while f"PID {dead.pid}" not in log.read_text(encoding="utf-8"):
            assert time.monotonic() < deadline, "nobody minds the process id"
            time.sleep(0.1)
        dead.wait()

    with ThreadPoolExecutor() as parent:
        noted = parent.submit(take_note)
        with developing(service) as (dev, base):
            noted.result(timeout=60)
            assert call(f"{base}/heroes")[0] == 200
            processes = dev.descendants()
            dev.signal(signal.SIGTERM)
            assert still_alive(processes, GONE_WITHIN) == [], dev.output


def test_dev_ends_and_says_so_when_its_data_is_removed(service: Service) -> None:
    with developing(service) as (dev, _):
        processes = dev.descendants()
        shutil.rmtree(service.folder / ".data" / "postgres")
        assert still_alive(processes, GONE_WITHIN) == [], dev.output
        assert "was removed while PostgreSQL used it. Start again: the database will be a new one." in dev.output
        assert "Traceback" not in dev.output.rpartition("was removed")[2]


def test_dev_answers_while_the_service_cannot_start(sqlite_service: Service) -> None:
    routers = sqlite_service.folder / "src" / "app" / "routers.py"
    before = routers.read_text(encoding="utf-8")
    with developing(sqlite_service) as (dev, base):
        routers.write_text(f"{before}syntax error\n", encoding="utf-8")
        dev.wait_for("an end", lambda: "The service has ended. It is started again when a file" in dev.output)
        for _ in range(2):
            with pytest.raises(urllib.error.HTTPError) as error:
                call(f"{base}/heroes")
            error.value.close()
            assert error.value.code == 503
        assert dev.output.count("The service has ended.") == 1
        routers.write_text(before, encoding="utf-8")
        dev.wait_for("/health/ready answers 200", lambda: answers(f"{base}/health/ready"))


def test_dev_runs_a_revision_that_is_written_while_it_migrates(sqlite_service: Service) -> None:
    def revision(name: str, previous: str, body: str) -> str:
        return f'"""."""\n\nrevision = "{name}"\ndown_revision = "{previous}"\n\ndef upgrade():\n    {body}\n'

    versions = sqlite_service.folder / "src/app/migrations/versions"
    second = revision("0004_second", "0003_first", "pass")
    writes_it = f"open({str(versions / '0004_second.py')!r}, 'w').write({second!r})"
    versions.joinpath("0003_first.py").write_text(revision("0003_first", "0002_heroes_and_teams", writes_it), "utf-8")
    with developing(sqlite_service) as (dev, base):
        dev.wait_for("the second", lambda: "0003_first -> 0004_second" in dev.output)
        dev.wait_for("/health/ready answers 200", lambda: answers(f"{base}/health/ready"))
        assert dev.output.count("Migrating the database") == 2
        assert "has changed" not in dev.output


def test_dev_checks_the_settings_before_it_starts_a_server(service: Service) -> None:
    result = service.uv_run("poe", "dev", env={"PORT": str(free_port()), "LOG_LEVEL": "loud"}, expected=None)
    assert result.exit_code != 0
    assert "LOG_LEVEL" in result.output
    assert "PostgreSQL" not in result.output


def test_dev_on_sqlite_runs_and_leaves_nothing_after_ctrl_c(sqlite_service: Service) -> None:
    _run_and_stop(sqlite_service, signal.SIGINT)


def test_every_check_passes(template: Template, environments: Environments, tmp_path: Path) -> None:
    with (
        installed(template, environments, tmp_path / "my-service", {}) as service,
        environments.mypy_cache() as cache,
    ):
        service.uv_run("poe", "check", env={"MYPY_CACHE_DIR": str(cache)})


def test_suite_shares_its_own_server_among_processes(service: Service) -> None:
    """As whoever runs this: root in a container, a user elsewhere."""
    output = service.uv_run(
        "pytest", "-n", "2", "kit_tests/database/test_transactions.py", "kit_tests/http/test_health.py"
    ).output
    assert "database: started from" in output


def test_killed_suite_leaves_no_server_and_no_data(service: Service) -> None:
    def has_a_server(suite: Running) -> set[Path]:
        return data_folders(suite.descendants())

    with running("uv", "run", "--no-sync", "pytest", cwd=service.folder, env=service.uv_variables) as suite:
        folders = suite.wait_for("a server", lambda: has_a_server(suite))
        suite.wait_for("the first test", lambda: "test session starts" in suite.output)
        processes = suite.descendants()
        suite.signal(signal.SIGKILL)
        assert still_alive(processes, GONE_WITHIN) == []
        assert [folder for folder in folders if folder.exists()] == []


@pytest.mark.parametrize("processes_of_xdist", [(), ("-n", "2")], ids=["one", "two"])
def test_suite_ends_and_says_that_its_server_has_died(service: Service, processes_of_xdist: tuple[str, ...]) -> None:
    command = ("uv", "run", "--no-sync", "pytest", *processes_of_xdist, "kit_tests/database/test_transactions.py")
    with running(*command, cwd=service.folder, env=service.uv_variables) as suite:
        suite.wait_for("the first test", lambda: "test session starts" in suite.output)
        processes = suite.descendants()
        next(each for each in processes if each.name() == "postgres").kill()
        assert still_alive(processes, GONE_WITHIN) == [], suite.output
        assert "PostgreSQL was ended by SIGKILL, and no test passes without it." in suite.output


def test_missing_setting_is_all_that_a_start_complains_of(demanding_service: Service) -> None:
    in_development = {"PORT": str(free_port())}
    for command, env in (
        (serving_command(demanding_service, free_port()), {}),
        (["uv", "run", "--no-sync", "poe", "dev"], in_development),
    ):
        result = demanding_service.run(*command, env=env, expected=None)
        assert result.exit_code != 0
        _, _, message = result.output.partition("The service cannot start, because its settings are not usable:\n")
        assert message.splitlines() == [
            "  API_KEY: not set, neither in the environment nor in `.env`. `.env.example` shows what it looks like."
        ]
        assert "Traceback" not in result.output


def test_migrations_need_no_setting_of_the_owner(demanding_service: Service) -> None:
    demanding_service.uv_run("alembic", "upgrade", "head")
    assert "(head)" in demanding_service.uv_run("alembic", "current").output


def test_tests_of_the_owner_take_a_setting_from_their_values(demanding_service: Service) -> None:
    assert " passed" in demanding_service.uv_run("pytest").output


def test_tests_of_the_kit_need_no_setting_of_the_owner(demanding_service: Service) -> None:
    """Those that make applications and settings stand for all.

    Each combination runs all of them where nothing of the owner's is left, so none can ask for a setting of the
    owner's. This is about one that is there, and has no default.
    """
    assert " passed" in demanding_service.uv_run("pytest", *STARTS_APPLICATIONS).output


def test_service_starts_with_the_values_of_its_example(demanding_service: Service) -> None:
    """As in the job of CI that builds and starts the container."""
    settings = demanding_service.folder / ".env"
    shutil.copyfile(demanding_service.folder / ".env.example", settings)
    try:
        migrate(demanding_service, {})
        with serve(demanding_service, {}) as live:
            assert live.call("GET", "/heroes").status == 200
    finally:
        settings.unlink()


def test_health_checks_of_containers_ask_no_proxy(sqlite_service: Service, tmp_path: Path) -> None:
    """Docker sets these variables in every container if its client is configured so, and `.env` can."""
    nobody = f"http://127.0.0.1:{free_port()}"
    proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"), nobody)
    database = {"DATABASE_URL": f"sqlite:///{tmp_path}/service.db"}
    migrate(sqlite_service, database)
    with serve(sqlite_service, database) as live:
        checks = health_checks(sqlite_service, live.port)
        for command in checks.values():
            sqlite_service.run(*command, env=proxies)
    for command in checks.values():
        assert sqlite_service.run(*command, env=proxies, expected=None).exit_code != 0


def test_tls_client_that_says_nothing_holds_nothing_up(sqlite_service: Service, tmp_path: Path) -> None:
    """TLS waits for the client's own farewell before a connection ends: half a minute, if it were not bounded."""
    authority = trustme.CA()
    issued = authority.issue_cert(HOST)
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    issued.private_key_pem.write_to_path(key)
    issued.cert_chain_pems[0].write_to_path(certificate)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    settings = {"DATABASE_URL": f"sqlite:///{tmp_path}/service.db", "CLIENT_TIMEOUT": "2"}
    migrate(sqlite_service, settings)
    port = free_port()
    encrypted = ["--ssl-keyfile", str(key), "--ssl-certfile", str(certificate)]
    # The idle one is ended by uvicorn, which in the image waits for longer than a balancer.
    command = [*serving_command(sqlite_service, port), *encrypted, "--timeout-keep-alive", "5"]
    environment = {"PYTHONUNBUFFERED": "1", **settings}

    def connected() -> ssl.SSLSocket:
        return context.wrap_socket(socket.create_connection((HOST, port), timeout=10), server_hostname=HOST)

    def answers() -> bool:
        try:
            connected().close()
        except OSError:
            return False
        return True

    with running(*command, cwd=sqlite_service.folder, env=environment) as process, ExitStack() as stack:
        process.wait_for("TLS is answered", answers, 120)
        half, idle = (stack.enter_context(connected()) for _ in range(2))
        half.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n")
        idle.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(1000).startswith(b"HTTP/1.1 200 ")
        process.wait_for("the server has ended both", lambda: not _established(process, port), 20)
        with connected() as silent:
            silent.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            assert silent.recv(1000).startswith(b"HTTP/1.1 200 ")
            service = process.descendants()
            service[0].send_signal(signal.SIGTERM)
            assert still_alive(service, 20) == []


def _established(process: Running, port: int) -> int:
    """How many clients a server is connected with."""
    found = (each.net_connections("tcp") for each in process.descendants())
    return sum(each.laddr.port == port and each.status == psutil.CONN_ESTABLISHED for all_ in found for each in all_)


def _interpreter_for_everyone() -> str | None:
    for python in (OWN_INTERPRETER, "/usr/bin/python3", "/usr/local/bin/python3"):
        script = "import sys; assert sys.version_info >= (3, 11); print(sys.executable)"
        # By way of env: setpriv itself still enters folders that only root can enter.
        found = subprocess.run(
            [*AS_NOBODY, "env", python, "-c", script], check=False, capture_output=True, text=True, cwd="/"
        )
        if found.returncode == 0:
            return found.stdout.strip()
    return None


def test_suite_passes_as_a_plain_user_without_any_set_up(
    template: Template, public_folder: Path, service: Service, everyones_interpreter: str | None
) -> None:
    """The owner's tests, and those of the kit that have to do with files, processes, ports or servers.

    What another user may not do is start servers, and write where root writes. The kit's other tests reach the machine
    by its database alone, and each combination runs them.
    """
    if os.geteuid() == 0 and everyones_interpreter is None:
        pytest.skip("no setpriv, or no Python that a plain user could run")
    folder = template.render_to(public_folder / "plain-user", {"example": False})
    # Its dependencies are the same, and this user could not write byte code there.
    plain = Service(folder, service.environment, service.interpreter)
    plain.install()
    try:
        command = ("pytest", "tests", *_tests_that_touch_the_machine(folder))
        if os.geteuid() == 0:
            for path in [folder, *folder.rglob("*")]:
                os.chown(path, NOBODY, NOBODY)
            python = plain.environment / "bin" / "python"
            env = {"HOME": str(folder), "PATH": "/usr/bin:/bin:/usr/sbin"}
            output = run(*AS_NOBODY, "env", python, "-m", *command, cwd=folder, env=env).output
        else:
            output = plain.uv_run(*command).output
    finally:
        service.install()
    assert "database: started from" in output


def _tests_that_touch_the_machine(folder: Path) -> list[str]:
    modules = sorted(folder.joinpath("kit_tests").rglob("test_*.py"))
    found = [module for module in modules if TOUCHES_THE_MACHINE.search(module.read_text(encoding="utf-8"))]
    assert found, "no test of the kit touches the machine"
    return [module.relative_to(folder).as_posix() for module in found]
