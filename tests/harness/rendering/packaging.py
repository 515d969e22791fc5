"""Renders that differ in what surrounds the code: CI, bot, licence, lowest Python version, containers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from tests.harness.rendering.classes import CLASSES, Classes, NotExercisedError, check_classes, check_known
from tests.harness.rendering.combinations import Combination, Matrix, combinations, compute_matrix
from tests.harness.rendering.questions import CONFIG, Answers, Question, choices_missing_from, questions


@dataclass(frozen=True)
class Packaging:
    """A combination with further answers."""

    combination: Combination
    ci: str
    dependency_bot: str
    license: str
    python_version: str

    @property
    def answers(self) -> Answers:
        return self.combination.answers | {name: getattr(self, name) for name in _SURROUNDING}

    def __str__(self) -> str:
        return "-".join((self.combination.group, *(getattr(self, name) for name in _SURROUNDING)))


_SURROUNDING = tuple(each.name for each in fields(Packaging) if each.name != "combination")


def packagings(these: list[Combination] | None = None, asked: Mapping[str, Question] | None = None) -> list[Packaging]:
    """Each CI with each bot, each licence and each driver and pool, which is all that these files depend on."""
    asked = questions() if asked is None else asked
    names = ("ci", "dependency_bot", "license", "python_version")
    providers, bots, licenses, versions = ([str(choice) for choice in asked[name].choices] for name in names)
    bots_of = {ci: [bot for bot in bots if ci == "github" or bot != "dependabot"] for ci in providers}
    first_of_group: dict[str, Combination] = {}
    for combination in combinations() if these is None else these:
        first_of_group.setdefault(combination.group, combination)
    return [
        Packaging(
            combination,
            ci,
            bots_of[ci][row % len(bots_of[ci])],
            licenses[row % len(licenses)],
            versions[(row + column) % len(versions)],
        )
        for row, combination in enumerate(first_of_group.values())
        for column, ci in enumerate(providers)
    ]


def check_exercised(these: list[Combination] | None = None, config: Path = CONFIG, classes: Classes = CLASSES) -> None:
    """Refuse a question that stands in no class, and a choice that no combination and no packaging makes."""
    asked = questions(config)
    check_classes(asked, classes)
    check_known("Packaging", classes.surrounds, {*_SURROUNDING})
    these = compute_matrix(config, classes).combinations if these is None else these
    renders = [each.answers for each in these] + [each.answers for each in packagings(these, asked)]
    missing = choices_missing_from(renders, asked)
    if missing:
        raise NotExercisedError(f"no combination and no packaging has {' or '.join(missing)}")


def describe_questions(matrix: Matrix | None = None, config: Path = CONFIG, classes: Classes = CLASSES) -> str:
    """A table of the questions with choices: how each is exercised, in how many renders, and why."""
    matrix = compute_matrix(config, classes) if matrix is None else matrix
    asked, these = questions(config), matrix.combinations
    plain = sum(not each.further for each in these)
    rows = [("question", "choices", "exercised", "renders", "because")]
    for name, why in classes.multiplies.items():
        rows.append((name, f"{len(asked[name].choices)}", "multiplies", f"{plain}", why))
    for name, why in classes.paired.items():
        further = sum(name in each.further for each in these)
        rows.append((name, f"{len(asked[name].choices)}", "in pairs", f"{further} more", why))
    for name, why in classes.surrounds.items():
        rendered = f"{len(packagings(these, asked))} packagings"
        rows.append((name, f"{len(asked[name].choices)}", "surrounds", rendered, why))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]]) for row in rows
    ]
    lines += ["", f"{len(these)} combinations: {plain} of what multiplies, {len(these) - plain} more for pairs."]
    lines += [f"Left out, because Copier refuses it: {each}." for each in matrix.left_out]
    return "\n".join(lines)
