"""Renders that differ in what surrounds the code: CI, licence, lowest Python version, containers."""

from __future__ import annotations

from dataclasses import dataclass

from tests.harness.rendering.combinations import Combination, combinations
from tests.harness.rendering.questions import Answers, questions


@dataclass(frozen=True)
class Packaging:
    """A combination with further answers."""

    combination: Combination
    ci: str
    license: str
    python_version: str

    @property
    def answers(self) -> Answers:
        further: Answers = {"ci": self.ci, "license": self.license, "python_version": self.python_version}
        return self.combination.answers | further

    def __str__(self) -> str:
        return f"{self.combination.group}-{self.ci}-{self.license}-{self.python_version}"


def packagings() -> list[Packaging]:
    """Each CI with each licence and with each driver and pool, which is all that these files depend on."""
    licenses, versions = (
        [str(choice) for choice in questions()[name].choices] for name in ("license", "python_version")
    )
    first_of_group: dict[str, Combination] = {}
    for combination in combinations():
        first_of_group.setdefault(combination.group, combination)
    return [
        Packaging(combination, str(ci), licenses[row % len(licenses)], versions[(row + column) % len(versions)])
        for row, combination in enumerate(first_of_group.values())
        for column, ci in enumerate(questions()["ci"].choices)
    ]
