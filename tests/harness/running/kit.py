"""The kit without its owner's files: what the template maintains, and nothing else.

What the answers about data access, keys and the example change is the owner's. Without that, combinations with the same
other answers are byte for byte the same, so one of them tests the kit for the others.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection
from pathlib import Path

_OWNERS = {".copier-answers.yml", "AGENTS.md", "CLAUDE.md", "README.md", "deploy", "docs", "tests"}

_NOT_THE_OWNERS = {"__init__.py", "py.typed", "kit"}
"""What stays of ``src/app``."""

_WRITES_THEIRS = {"generator"}
"""What writes more of the owner's files, in the owner's style, and is no part of the kit either."""


_THEIR_DEPENDENCIES = re.compile(r"^    # The keys of tables\b.*\n    \"uuid-utils\b.*\n", re.MULTILINE)
"""What they alone import."""


def copy_without_owners_files(service: Path, destination: Path) -> Path:
    """Copy a service, but leave out its domains, what makes them, application, settings, migrations, tests, prose."""

    def left_out(folder: str, names: list[str]) -> Collection[str]:
        where = Path(folder).relative_to(service).as_posix()
        owners = {".": _OWNERS & {*names}, "src/app": {*names} - _NOT_THE_OWNERS, "devtools": _WRITES_THEIRS}
        return owners.get(where, ())

    shutil.copytree(service, destination, ignore=left_out)
    project = destination / "pyproject.toml"
    project.write_text(_THEIR_DEPENDENCIES.sub("", project.read_text(encoding="utf-8")), encoding="utf-8")
    # Which the package's metadata is made of.
    destination.joinpath("README.md").write_text("# Service\n", encoding="utf-8")
    return destination
