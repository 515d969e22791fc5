"""The combinations of answers that change what runs, computed from ``copier.yml``.

``poe combinations`` prints them as JSON; with ``--groups`` it prints the prefixes by which a CI shares them out over
its jobs (``pytest -k PREFIX`` runs one group), and with ``--questions`` how each question is exercised, and why.
"""

from __future__ import annotations

import argparse
import difflib
import itertools
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path

import copier

from tests.harness.rendering.classes import CLASSES, Classes, check_classes, check_known
from tests.harness.rendering.pairs import FurtherRows, shown
from tests.harness.rendering.questions import CONFIG, Answers, Choice, Question, questions
from tests.harness.rendering.quicker import make_copier_quicker

_HANDED_ON = "TEMPLATE_TESTS_COMBINATIONS"

PairedAnswers = tuple[tuple[Question, Choice], ...]


def _defaults() -> PairedAnswers:
    return tuple((questions()[name], questions()[name].choices[0]) for name in CLASSES.paired)


@dataclass(frozen=True)
class Combination:
    """One set of answers to the questions that multiply and to those that are covered in pairs."""

    driver: str
    pool: str
    data_access: str
    example: bool
    paired: PairedAnswers = field(default_factory=_defaults)

    @classmethod
    def of(
        cls, answers: Answers, asked: Mapping[str, Question] | None = None, classes: Classes = CLASSES
    ) -> Combination:
        """The combination that has these answers, and defaults to what they leave out of the paired questions."""
        asked = questions() if asked is None else asked
        multiplied = {name: answers[name] for name in classes.multiplies}
        paired = tuple((asked[name], answers.get(name, asked[name].choices[0])) for name in classes.paired)
        return cls(**multiplied, paired=paired)  # type: ignore[arg-type]

    @property
    def answers(self) -> Answers:
        multiplied: Answers = {name: getattr(self, name) for name in _MULTIPLYING}
        return multiplied | {question.name: choice for question, choice in self.paired}

    @property
    def group(self) -> str:
        return f"{self.driver}-{self.pool}"

    @property
    def further(self) -> Answers:
        """The answers to paired questions that are not their defaults."""
        return {question.name: choice for question, choice in self.paired if choice != question.choices[0]}

    @property
    def uses_postgres(self) -> bool:
        return self.driver != "aiosqlite"

    def __str__(self) -> str:
        # Not `=`, which `pytest -k` takes for something else.
        further = "".join(f"-{name}.{shown(choice)}" for name, choice in self.further.items())
        return f"{self.group}-{self.data_access}-{'example' if self.example else 'blank'}{further}"


_MULTIPLYING = tuple(each.name for each in fields(Combination) if each.name != "paired")


@dataclass(frozen=True)
class Matrix:
    """The combinations that some questions need."""

    combinations: list[Combination]
    left_out: list[str]
    """What should stand in one of them, and is refused by Copier."""


def refusal(answers: Answers, config: Path = CONFIG) -> str | None:
    """Ask Copier itself whether it takes these answers; return why it does not."""
    make_copier_quicker()
    with tempfile.TemporaryDirectory(prefix="template-questions-") as folder:
        only_questions = Path(folder, "questions")
        (only_questions / "template").mkdir(parents=True)
        (only_questions / CONFIG.name).write_bytes(config.read_bytes())
        try:
            copier.run_copy(
                str(only_questions),
                Path(folder, "service"),
                data=dict(answers),
                defaults=True,
                pretend=True,
                quiet=True,
            )
        except ValueError as reason:
            if not any(f"'{name}'" in str(reason) for name in answers):
                raise  # It is about something else: no way to learn what goes together.
            return str(reason)
    return None


def compute_matrix(config: Path = CONFIG, classes: Classes = CLASSES) -> Matrix:
    """Every combination of the questions that multiply, and then as many more as those in pairs take."""
    asked = questions(config)
    check_classes(asked, classes)
    check_known("Combination", classes.multiplies, {*_MULTIPLYING})
    defaults: Answers = {name: asked[name].choices[0] for name in classes.paired}
    every = itertools.product(*(asked[name].choices for name in classes.multiplies))
    candidates = [dict(zip(classes.multiplies, choices, strict=True)) | defaults for choices in every]
    plain = [answers for answers in candidates if refusal(answers, config) is None]
    further = FurtherRows(
        {name: asked[name].choices for name in (*classes.multiplies, *classes.paired)},
        [*classes.paired],
        plain,
        lambda answers: refusal(answers, config) is None,
    )
    if classes.paired:
        further.add_all_at_once(("driver", "pool"))
        further.add_each_alone()
        further.add_open_pairs()
    return Matrix([Combination.of(answers, asked, classes) for answers in plain + further.rows], further.left_out)


@cache
def combinations() -> list[Combination]:
    """Every combination that Copier accepts. Computed once per run: xdist's workers inherit the list."""
    if _HANDED_ON not in os.environ:
        os.environ[_HANDED_ON] = as_json(compute_matrix().combinations)
    return from_json(os.environ[_HANDED_ON])


def as_json(these: list[Combination]) -> str:
    """Combinations, as one process hands them on to another."""
    return json.dumps([combination.answers for combination in these])


def from_json(text: str, asked: Mapping[str, Question] | None = None, classes: Classes = CLASSES) -> list[Combination]:
    """Combinations that another process has handed on."""
    return [Combination.of(answers, asked, classes) for answers in json.loads(text)]


@cache
def samples() -> tuple[Combination, ...]:
    """As few of the combinations as it takes for every answer to be given at least once."""
    given = {combination: {*combination.answers.items()} for combination in combinations()}
    answers = set[tuple[str, Choice]]().union(*given.values())
    for size in range(1, len(given) + 1):
        for chosen in itertools.combinations(given, size):
            if answers == set[tuple[str, Choice]]().union(*(given[combination] for combination in chosen)):
                return chosen
    raise AssertionError("all of them together give every answer")


@cache
def kits() -> frozenset[Combination]:
    """The combinations whose kit is tested.

    All in which the paired questions have their defaults, as in most services. Of those in which all of them have their
    last choice, as few as it takes to have each driver and each pool. And each choice by itself.
    """
    plain = [each for each in combinations() if not each.further]
    together = [each for each in combinations() if all(choice == asked.choices[-1] for asked, choice in each.paired)]
    # The last one, because it needs no server.
    alone = {tuple(each.further.items()): each for each in combinations() if len(each.further) == 1}
    served = {(each.driver, each.pool): each for each in reversed(together)}
    wanted = {answer for pair in served for answer in pair}
    few = next(
        chosen
        for size in range(1, len(served) + 1)
        for chosen in itertools.combinations(served, size)
        if wanted == {answer for pair in chosen for answer in pair}
    )
    return frozenset(plain) | {served[pair] for pair in few} | frozenset(alone.values())


def groups() -> list[str]:
    """Prefixes of the combinations' names, each shared by those with the same driver and pool."""
    return sorted({combination.group for combination in combinations()})


def check_name(name: str) -> None:
    """Raise ValueError, which says what name is like it, unless a combination has this name."""
    names = [str(each) for each in combinations()]
    if name not in names:
        (alike,) = difflib.get_close_matches(name, names, n=1, cutoff=0)
        raise ValueError(
            f"{name!r} is the name of no combination. Is it {alike}? `uv run poe combinations` prints all names, "
            "and `-k` instead of `--combination` takes every combination whose name holds a text"
        )


def _print_what_is_asked_for() -> None:
    parser = argparse.ArgumentParser(
        prog="poe combinations", description="Print the names of the combinations, as JSON."
    )
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--groups", action="store_true", help="print what those have in common that share driver and pool"
    )
    instead.add_argument("--questions", action="store_true", help="print how each question is exercised, and why")
    options = parser.parse_args()
    if options.questions:
        from tests.harness.rendering.packaging import describe_questions  # noqa: PLC0415 - it uses this module

        print(describe_questions())
    else:
        print(json.dumps(groups() if options.groups else [str(each) for each in combinations()]))


if __name__ == "__main__":
    _print_what_is_asked_for()
