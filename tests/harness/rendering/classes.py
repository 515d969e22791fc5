"""How each question with choices is exercised, and why: said here, and nowhere else.

What any text can be typed into is the matter of ``test_text_answers.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from tests.harness.rendering.questions import Question


class NotExercisedError(Exception):
    """The tests leave out a question or a choice."""


@dataclass(frozen=True)
class Classes:
    """The names of the questions of each class, with the reason why each belongs there."""

    multiplies: Mapping[str, str]
    """Every choice with every combination of all others: for what most of the code depends on."""
    paired: Mapping[str, str]
    """Every choice with every choice of each other question somewhere: for what few files depend on."""
    surrounds: Mapping[str, str]
    """With each driver and pool in turn, and rendered only: for what no code depends on."""


CLASSES = Classes(
    multiplies={
        "driver": "decides on the dialect, so on engine, errors, migrations and half of the tests",
        "pool": "decides on the life of connections, which every request and every test of an outage sees",
        "data_access": "every endpoint of the example is written in its style",
        "example": "every other answer has to work without the example, too",
    },
    paired={
        "keys": "the example and what `poe new` writes have other types, in a few files; the kit takes both at once",
        "deploy": "no code depends on it, but what its manifests say depends on driver, pool and `auth`",
        "auth": "a folder of the kit, its tests, and a line at each endpoint that writes depend on it",
    },
    surrounds={
        "ci": "only the files of the CI and the pages that name them depend on it",
        "dependency_bot": "only its own configuration and the README depend on it",
        "license": "only LICENSE and the metadata of the package depend on it",
        "python_version": "only metadata, image and CI depend on it; the combinations run on each version that is here",
    },
)


def check_classes(asked: Mapping[str, Question], classes: Classes) -> None:
    """Refuse questions that stand in no class or in two, and entries of what is no question with choices."""
    where = "tests/harness/rendering/classes.py"
    entries = [name for each in fields(classes) for name in getattr(classes, each.name)]
    for question in asked.values():
        if not question.is_text and question.name not in entries:
            raise NotExercisedError(
                f"the question {question.name} stands in no class of {where}; CONTRIBUTING.md says how to choose one"
            )
    for name in entries:
        if name not in asked or asked[name].is_text:
            raise NotExercisedError(f"{where} has a class for {name}, which is no question with choices")
        if entries.count(name) > 1:
            raise NotExercisedError(f"the question {name} stands in two classes of {where}")


def check_known(what: str, names: Mapping[str, str], known: set[str]) -> None:
    """Refuse a class with other questions than those for which the tests have been written."""
    for name in sorted(names.keys() ^ known):
        raise NotExercisedError(f"{what} and its class in tests/harness/rendering/classes.py disagree about {name}")
