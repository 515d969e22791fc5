"""A service works with PostgreSQL from the oldest to the newest that its README names."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.harness.rendering.questions import ROOT
from tests.harness.rendering.template import Template
from tests.harness.running.commands import last_lines
from tests.harness.running.inside import only_server
from tests.harness.running.live_service import installed
from tests.harness.running.postgres_versions import NEWEST, OLDEST, RELEASES, postgres_of_version
from tests.harness.running.servers import server_versions
from tests.harness.running.services import Environments
from tests.harness.running.tools import MissingToolError

SUITES = {"test": (), "test-kit": ("-p", only_server.__name__.rpartition(".")[2])}
"""Both, and how they are run: of the kit's tests those that ask the server, for the others pass as they did before."""

ASKS_NOBODY = "asks nobody for a password"
"""For which tests are skipped: below this version, a server cannot tell by their names whom to ask."""
ASKS_SOME = 16


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "version" in metafunc.fixturenames:
        metafunc.parametrize("version", RELEASES if metafunc.config.option.every_server else [OLDEST])


@pytest.mark.slow
def test_suites_of_the_default_service_pass(
    version: int, template: Template, environments: Environments, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    cache = pytestconfig.cache
    assert cache is not None
    try:
        with (
            installed(template, environments, tmp_path / "service", {}) as service,
            postgres_of_version(version, cache.mkdir("postgres")) as url,
        ):
            environment = {"TEST_DATABASE_URL": url, "PYTHONPATH": str(Path(only_server.__file__).parent)}
            outputs = [
                service.uv_run("poe", suite, *options, "-rs", env=environment, timeout=3600).output
                for suite, options in SUITES.items()
            ]
    except MissingToolError as reason:
        pytest.skip(f"PostgreSQL {version}: {reason}")
    for output in outputs:
        assert re.search(r"\b\d+ passed\b", output), last_lines(output)
        skipped = [line for line in output.splitlines() if line.startswith("SKIPPED")]
        assert not [line for line in skipped if version >= ASKS_SOME or ASKS_NOBODY not in line], skipped


@pytest.mark.skipif("TEST_DATABASE_URL" in os.environ, reason="the server is not this run's own")
def test_all_else_runs_on_the_newest() -> None:
    assert server_versions()["PostgreSQL"].partition(".")[0] == str(NEWEST)


@pytest.mark.parametrize("readme", ["README.md", "template/README.md.jinja"])
def test_readme_names_the_versions(readme: str) -> None:
    assert f"from {OLDEST} to {NEWEST}" in ROOT.joinpath(readme).read_text(encoding="utf-8")
