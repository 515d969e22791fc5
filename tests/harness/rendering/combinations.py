"""The combinations of answers that change what runs, computed from ``copier.yml``.

``poe combinations`` prints them as JSON; with ``--groups`` it prints the prefixes by which a CI shares them out over
its jobs (``pytest -k PREFIX`` runs one group).
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import copier

from tests.harness.rendering.questions import CONFIG, Answers, questions
from tests.harness.rendering.quicker import make_copier_quicker

RUNTIME_QUESTIONS = ("driver", "pool", "data_access", "example")
"""The questions whose answers change runtime files. All others change names, metadata and CI."""

_HANDED_ON = "TEMPLATE_TESTS_COMBINATIONS"


@dataclass(frozen=True)
class Combination:
    """One set of answers to the runtime questions."""

    driver: str
    pool: str
    data_access: str
    example: bool

    @property
    def answers(self) -> Answers:
        return {name: getattr(self, name) for name in RUNTIME_QUESTIONS}

    @property
    def group(self) -> str:
        return f"{self.driver}-{self.pool}"

    @property
    def uses_postgres(self) -> bool:
        return self.driver != "aiosqlite"

    def __str__(self) -> str:
        return f"{self.group}-{self.data_access}-{'example' if self.example else 'blank'}"


def refusal(answers: Answers) -> str | None:
    """Ask Copier itself whether it takes these answers; return why it does not."""
    make_copier_quicker()
    with tempfile.TemporaryDirectory(prefix="template-questions-") as folder:
        only_questions = Path(folder, "questions")
        (only_questions / "template").mkdir(parents=True)
        (only_questions / CONFIG.name).write_bytes(CONFIG.read_bytes())
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


def _compute() -> list[Combination]:
    axes = [questions()[name].choices for name in RUNTIME_QUESTIONS]
    every = (dict(zip(RUNTIME_QUESTIONS, choices, strict=True)) for choices in itertools.product(*axes))
    return [Combination(**answers) for answers in every if refusal(answers) is None]  # type: ignore[arg-type]


@cache
def combinations() -> list[Combination]:
    """Every combination that Copier accepts. Computed once per run: xdist's workers inherit the list."""
    if _HANDED_ON not in os.environ:
        os.environ[_HANDED_ON] = json.dumps([combination.answers for combination in _compute()])
    return [Combination(**answers) for answers in json.loads(os.environ[_HANDED_ON])]


@cache
def samples() -> tuple[Combination, ...]:
    """As few of the combinations as it takes for every answer to be given at least once."""
    answers = {answer for combination in combinations() for answer in combination.answers.items()}
    for size in range(1, len(combinations()) + 1):
        for chosen in itertools.combinations(combinations(), size):
            if answers == {answer for combination in chosen for answer in combination.answers.items()}:
                return chosen
    raise AssertionError("all of them together give every answer")


def groups() -> list[str]:
    """Prefixes of the combinations' names, each shared by those with the same driver and pool."""
    return sorted({combination.group for combination in combinations()})


if __name__ == "__main__":
    print(json.dumps(groups() if "--groups" in sys.argv[1:] else [str(combination) for combination in combinations()]))
