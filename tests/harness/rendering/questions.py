"""The questions of ``copier.yml``, read and never written down a second time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
CONFIG = ROOT / "copier.yml"

Choice = str | bool
Answers = dict[str, Choice]


@dataclass(frozen=True)
class Question:
    """One question as a person meets it."""

    name: str
    choices: tuple[Choice, ...]
    """What can be chosen, the default first; empty when any text may be typed."""

    @property
    def is_text(self) -> bool:
        return not self.choices


def _choices(spec: dict[str, Any]) -> tuple[Choice, ...]:
    if spec["type"] == "bool":
        return (spec["default"], not spec["default"])
    choices = spec.get("choices", [])
    values = choices.values() if isinstance(choices, dict) else choices
    offered = [value["value"] if isinstance(value, dict) else value for value in values]
    return tuple(sorted(offered, key=lambda choice: choice != spec["default"]))


@cache
def questions(config: Path = CONFIG) -> dict[str, Question]:
    """Every question that is really asked, by name; computed values (``when: false``) are no questions."""
    return {
        name: Question(name, _choices(spec))
        for name, spec in yaml.safe_load(config.read_text(encoding="utf-8")).items()
        if not name.startswith("_") and spec.get("when") is not False
    }


@cache
def variables() -> list[str]:
    """Every name that a file of the template can ask for: the questions, what is computed from them, Copier's own."""
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    return [*(name for name in config if not name.startswith("_")), "_copier_conf", "_copier_answers"]


def text_questions() -> list[str]:
    """The names of the questions that take any text."""
    return [question.name for question in questions().values() if question.is_text]


def check_names(answers: Answers) -> None:
    """Refuse an answer to a question that does not exist, which Copier would accept and ignore."""
    unknown = answers.keys() - questions().keys()
    if unknown:
        raise LookupError(f"copier.yml asks no question named {', '.join(sorted(unknown))}")


def choices_missing_from(renders: Iterable[Answers], asked: Mapping[str, Question] | None = None) -> list[str]:
    """The choices that none of these sets of answers makes; an answer that is left out is the default."""
    asked = questions() if asked is None else asked
    open_choices = {(question.name, choice) for question in asked.values() for choice in question.choices}
    for answers in renders:
        for question in asked.values():
            if question.choices:
                open_choices.discard((question.name, answers.get(question.name, question.choices[0])))
    return sorted(f"{name}={choice}" for name, choice in open_choices)
