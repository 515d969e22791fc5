"""An update makes a service of any release, with any options, what a new one would be, and keeps what is its owner's.

``pytest tests/test_updates.py --every-switch`` switches from each combination to each other one, instead of one option
at a time.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.harness.rendering.classes import CLASSES
from tests.harness.rendering.combinations import Combination, combinations, samples
from tests.harness.rendering.questions import questions
from tests.harness.rendering.releases import starting_points
from tests.harness.rendering.snapshot import TAG, commit, git
from tests.harness.rendering.template import Template
from tests.harness.updating.next_releases import NEXT_TAGS, with_next_releases
from tests.harness.updating.updates import assert_updated, begin_service, differences, tree

SAMPLE = 24
"""How many pairs of combinations are switched while a release is updated, in one run."""


def switches_from(combination: Combination, *, every: bool) -> list[Combination]:
    """The combinations that differ in one answer, or all others."""
    most = len(combination.answers) if every else 1

    def switched(other: Combination) -> int:
        return sum(other.answers[name] != answer for name, answer in combination.answers.items())

    return [other for other in combinations() if 1 <= switched(other) <= most]


@pytest.mark.parametrize("combination", combinations(), ids=str)
@pytest.mark.updates
def test_untouched_service_of_any_release_becomes_what_a_new_one_is(
    combination: Combination, template: Template, tmp_path: Path
) -> None:
    expected = tree(template.render(combination.answers))
    for tag in starting_points(combination.answers):
        service = begin_service(template, tmp_path / tag, combination.answers, tag)
        template.update(service)
        assert_updated(service, expected)
    # Of whichever release it was: the services are now the same, byte for byte.
    commit(service, "Update")
    template.update(service)
    assert git(service, "status", "--porcelain") == "", "a second update changed something"

    # From release to release it becomes what each of them makes. The newest of these was a beginning above.
    first, *later = starting_points(combination.answers)
    service = begin_service(template, tmp_path / "service", combination.answers, first)
    for tag in later:
        template.update(service, tag)
        assert_updated(service, tree(template.render(combination.answers, tag)))
        commit(service, f"Update to {tag}")


@pytest.mark.parametrize("combination", samples(), ids=str)
@pytest.mark.updates
def test_releases_to_come_arrive_one_by_one_and_all_at_once(
    combination: Combination, template: Template, tmp_path: Path
) -> None:
    future = with_next_releases(template, tmp_path)
    for first in (*starting_points(combination.answers), *NEXT_TAGS[:-1]):
        service = begin_service(future, tmp_path / first, combination.answers, first)
        future.update(service, NEXT_TAGS[-1])
        assert_updated(service, tree(future.render(combination.answers, NEXT_TAGS[-1])))
    service = begin_service(future, tmp_path / "service", combination.answers, TAG)
    for tag in NEXT_TAGS:
        future.update(service, tag)
        assert_updated(service, tree(future.render(combination.answers, tag)))
        commit(service, f"Update to {tag}")


@pytest.mark.parametrize("combination", samples(), ids=str)
@pytest.mark.updates
def test_options_can_be_switched_by_an_update_to_a_release_to_come(
    combination: Combination, template: Template, tmp_path: Path
) -> None:
    future = with_next_releases(template, tmp_path)
    for other in switches_from(combination, every=False):
        service = begin_service(future, tmp_path / str(other), combination.answers, TAG)
        future.update(service, NEXT_TAGS[-1], switch=other.answers)
        assert_updated(service, tree(future.render(other.answers, NEXT_TAGS[-1])))


@pytest.mark.parametrize("combination", combinations(), ids=str)
@pytest.mark.updates
def test_switched_option_leads_to_what_a_new_service_with_it_is(
    combination: Combination, template: Template, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    service = begin_service(template, tmp_path / "service", combination.answers, TAG)
    for other in switches_from(combination, every=pytestconfig.option.every_switch):
        template.update(service, switch=other.answers)
        assert_updated(service, tree(template.render(other.answers)))
        _begin_again(service)


@pytest.mark.parametrize("question", CLASSES.surrounds)
@pytest.mark.parametrize("combination", samples(), ids=str)
@pytest.mark.updates
def test_switched_surroundings_lead_to_what_a_new_service_with_them_is(
    combination: Combination, question: str, template: Template, tmp_path: Path
) -> None:
    service = begin_service(template, tmp_path / "service", combination.answers, TAG)
    for choice in [*questions()[question].choices, questions()[question].choices[0]]:
        answers = combination.answers | {question: choice}
        template.update(service, switch={question: choice})
        assert_updated(service, tree(template.render(answers)))
        commit(service, f"Switch to {choice}")


def _sample() -> list[tuple[str, Combination, Combination]]:
    chance = random.Random(9457)  # noqa: S311 - the same sample in every process and every run
    pairs = [(one, other) for one in combinations() for other in combinations() if one != other]
    chosen = [chance.choice(pairs) for _ in range(SAMPLE)]
    return [(chance.choice(starting_points(one.answers)), one, other) for one, other in chosen]


@pytest.mark.parametrize(("tag", "one", "other"), _sample(), ids=str)
@pytest.mark.updates
def test_options_can_be_switched_by_the_same_update(
    tag: str, one: Combination, other: Combination, template: Template, tmp_path: Path
) -> None:
    service = begin_service(template, tmp_path / "service", one.answers, tag)
    template.update(service, switch=other.answers)
    assert_updated(service, tree(template.render(other.answers)))


@pytest.mark.parametrize("combination", combinations(), ids=str)
@pytest.mark.updates
def test_no_file_of_a_release_has_another_name_today(combination: Combination, template: Template) -> None:
    """An update deletes a file under its old name, with what its owner has changed in it."""
    today = tree(template.render(combination.answers))
    for tag in starting_points(combination.answers):
        gone = tree(template.render(combination.answers, tag)).keys() - today.keys()
        assert not gone, (
            f"renamed or removed since {tag}: {', '.join(sorted(gone))}. Leave a file that imports the new one"
        )


@pytest.mark.parametrize("combination", combinations(), ids=str)
@pytest.mark.updates
def test_same_answers_give_the_same_service(combination: Combination, template: Template, tmp_path: Path) -> None:
    template.copy(tmp_path / "again", combination.answers)
    assert not differences(tree(tmp_path / "again"), tree(template.render(combination.answers)))


def _begin_again(service: Path) -> None:
    git(service, "reset", "--quiet", "--hard")
    git(service, "clean", "--quiet", "--force", "-d")
