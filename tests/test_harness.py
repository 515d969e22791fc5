"""The packages of the harness use each other in one direction."""

from __future__ import annotations

import re

from tests.harness.rendering.questions import ROOT

HARNESS = ROOT / "tests" / "harness"

PACKAGES = ("rendering", "running", "updating", "reporting")
"""Each may use those before it."""


def test_packages_use_those_before_them() -> None:
    wrong = []
    for number, package in enumerate(PACKAGES):
        for file in HARNESS.joinpath(package).glob("*.py"):
            used = re.findall(
                r"^ *(?:from|import) tests\.harness\.(\w+)", file.read_text(encoding="utf-8"), re.MULTILINE
            )
            wrong += [f"{package}/{file.name} uses {each}" for each in used if each not in PACKAGES[: number + 1]]
    assert not wrong, wrong


def test_each_module_is_in_a_package() -> None:
    assert {path.name for path in HARNESS.glob("*") if path.name != "__pycache__"} == {"__init__.py", *PACKAGES}
