"""The kit is the same whatever its owner has chosen to do with it, and only what is the same is tested once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness.rendering.combinations import combinations, groups
from tests.harness.rendering.questions import Answers, Choice
from tests.harness.rendering.template import Template
from tests.harness.running.inside.recorder import EVERYTHING
from tests.harness.running.kit import copy_without_owners_files
from tests.harness.running.records import Folder
from tests.harness.updating.updates import replace

OWNERS = {"data_access", "deploy", "example", "keys"}
"""The questions whose answers are about the owner's files alone."""

ANSWERS: Answers = {"driver": "asyncpg", "pool": "queue", "data_access": "repository", "example": True}


@pytest.mark.parametrize("group", groups())
def test_data_access_keys_and_example_change_nothing_of_the_kit(group: str, template: Template, tmp_path: Path) -> None:
    kits: defaultdict[tuple[tuple[str, Choice], ...], dict[str, str]] = defaultdict(dict)
    for combination in combinations():
        if combination.group == group:
            copy = copy_without_owners_files(template.render(combination.answers), tmp_path / str(combination))
            others = tuple((name, choice) for name, choice in combination.answers.items() if name not in OWNERS)
            kits[others][str(combination)] = Folder(copy).key([EVERYTHING])
    assert any(len(alike) > 1 for alike in kits.values())
    for alike in kits.values():
        assert len({*alike.values()}) == 1, f"these differ without what is their owner's: {[*alike]}"


def test_nothing_of_the_owners_is_left(template: Template, tmp_path: Path) -> None:
    copy = copy_without_owners_files(template.render(ANSWERS), tmp_path / "kit")
    assert {path.name for path in copy.glob("src/app/*")} == {"__init__.py", "py.typed", "kit"}
    for name in ("tests", "docs", ".copier-answers.yml"):
        assert not copy.joinpath(name).exists()
    for name in ("pyproject.toml", "conftest.py", "kit_tests", "devtools"):
        assert copy.joinpath(name).exists()
    assert copy.joinpath("README.md").read_text(encoding="utf-8") == "# Service\n"


def _change_a_byte(folder: Path) -> None:
    file = folder / "src/app/kit/logs.py"
    content = bytearray(file.read_bytes())
    content[-2] ^= 1
    file.write_bytes(content)


CHANGES: dict[str, Callable[[Path], object]] = {
    "a byte of the kit": _change_a_byte,
    "a dependency": lambda folder: replace(folder / "pyproject.toml", '"alembic>=', '"alembic>'),
    "a name": lambda folder: folder.joinpath("kit_tests/test_logs.py").rename(folder / "kit_tests/test_log.py"),
    "a file more": lambda folder: folder.joinpath("kit_tests/more.py").touch(),
    "a file less": lambda folder: folder.joinpath("kit_tests/test_logs.py").unlink(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_kit_that_differs_is_not_the_same(change: Callable[[Path], object], template: Template, tmp_path: Path) -> None:
    one, other = (copy_without_owners_files(template.render(ANSWERS), tmp_path / name) for name in ("one", "other"))
    change(other)
    assert Folder(one).key([EVERYTHING]) != Folder(other).key([EVERYTHING])
