"""Requests made from the service's own OpenAPI document, right and wrong ones: it does what it says there."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.harness.running.commands import last_lines, run
from tests.harness.running.live_service import LiveService

pytestmark = pytest.mark.slow

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")

EXAMPLES = 60  # of each operation
AT_LEAST = 800  # cases in all


def test_service_does_what_its_description_says(live: LiveService, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """Nothing ends in a 5xx, in a status that is not documented, or in a body that has another schema."""
    wanted: int | None = pytestconfig.getoption("--hostile-examples")
    # The same cases each time, unless it is for searching.
    seed = ("--seed", "1") if wanted is None else ()
    result = run(
        *(SCHEMATHESIS, "--config-file", CONFIGURATION),
        *("run", f"{live.url}/openapi.json", "--max-examples", str(wanted or EXAMPLES), *seed),
        # How fast cases are made up says how busy the machine is, and nothing of the service.
        "--suppress-health-check=too_slow",
        cwd=tmp_path,
        timeout=3600,
        expected=None,
    )
    assert result.exit_code == 0, result.output
    tried = re.search(r"(\d+) generated", result.output)
    assert tried, last_lines(result.output)
    assert int(tried[1]) >= min(AT_LEAST, wanted or EXAMPLES), last_lines(result.output)
    assert '"level": "error"' not in live.output, last_lines(live.output)
    live.wait_until_ready()
