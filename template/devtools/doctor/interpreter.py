"""The Python that runs the service: one that it is made for, and that is still maintained."""

import platform
import sys
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Final

from packaging.specifiers import SpecifierSet

from devtools.doctor.check import Examination, Finding, summary

# https://devguide.python.org/versions/
END_OF_LIFE: Final[Mapping[tuple[int, int], date]] = {
    (3, 11): date(2027, 10, 31),
    (3, 12): date(2028, 10, 31),
    (3, 13): date(2029, 10, 31),
    (3, 14): date(2030, 10, 31),
}
"""From when on a version gets no more fixes, also not of its security."""


async def interpreter(examination: Examination) -> Finding:
    """Compare this Python with what the service asks for, and with the calendar."""
    project = tomllib.loads((examination.service.root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = str(project.get("requires-python", ""))
    end = END_OF_LIFE.get(sys.version_info[:2])
    until = f", which is maintained until {end}" if end else ""
    return summary(_problems(wanted, end, examination.today), otherwise=f"Python {platform.python_version()}{until}.")


def _problems(wanted: str, end: date | None, today: date) -> Iterator[Finding]:
    version = platform.python_version()
    if not SpecifierSet(wanted).contains(version, prereleases=True):
        yield Finding(
            f"This is Python {version}, and the service takes {wanted} (requires-python in pyproject.toml).",
            "Run it by `uv run`, after `uv sync`, which finds or gets the right one.",
        )
    if end is not None and today > end:
        yield Finding(
            f"Python {version} has had no fixes since {end}, also not of its security.",
            "Raise requires-python in pyproject.toml and the version in the Dockerfile, and run `uv sync`.",
        )
