"""The questions: what each refuses, how it says so, and that nothing is half-written."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.harness.rendering.combinations import combinations
from tests.harness.rendering.packaging import packagings
from tests.harness.rendering.questions import Answers, choices_missing_from, questions
from tests.harness.rendering.snapshot import TAG
from tests.harness.rendering.template import Template
from tests.harness.running.commands import Result, run

COPIER = Path(sys.executable).with_name("copier")

UNKNOWN_CHOICES: list[tuple[Answers, str]] = [
    ({name: "no such choice"}, "Invalid choice") for name, question in questions().items() if len(question.choices) > 2
]

REFUSED: list[tuple[Answers, str]] = [
    ({"project_name": ""}, "give the service a name"),
    ({"project_name": "   "}, "give the service a name"),
    ({"project_name": "Order\nDesk"}, "write it on one line"),
    ({"project_name": "Order\x00Desk"}, "write it on one line"),
    ({"project_name": 'Order "Desk"'}, "leave those out"),
    ({"project_name": "Order's Desk"}, "leave those out"),
    ({"project_name": "Order\\Desk"}, "leave those out"),
    ({"project_name": " Order Desk"}, "begins or ends with a space"),
    ({"project_name": "x" * 81}, "80 at most"),
    ({"project_slug": ""}, "is not a usable short name"),
    ({"project_slug": "Order-Desk"}, "is not a usable short name"),
    ({"project_slug": "order_desk"}, "is not a usable short name"),
    ({"project_slug": "1-order"}, "is not a usable short name"),
    ({"project_slug": "order--desk"}, "is not a usable short name"),
    ({"project_slug": "order-"}, "is not a usable short name"),
    ({"project_slug": "../order"}, "is not a usable short name"),
    ({"project_slug": "order\n"}, "is not a usable short name"),
    ({"project_slug": "x" * 51}, "50 at most"),
    ({"project_slug": "fastapi"}, "name of a package that the service itself uses"),
    ({"description": "one\ntwo"}, "write it on one line"),
    ({"description": "x" * 501}, "500 at most"),
    ({"user_name": "one\ttwo"}, "write it on one line"),
    ({"user_name": "x" * 201}, "200 at most"),
    ({"user_email": "nobody"}, "is not an e-mail address"),
    ({"user_email": "a b@example.com"}, "is not an e-mail address"),
    ({"user_email": "a@example.com\n"}, "is not an e-mail address"),
    ({"user_email": 'a"@example.com'}, "is not an e-mail address"),
    ({"driver": "aiosqlite", "pool": "pgbouncer"}, "PgBouncer serves PostgreSQL only"),
    ({"ci": "gitlab", "dependency_bot": "dependabot"}, "Dependabot works on GitHub only"),
    ({"ci": "none", "dependency_bot": "dependabot"}, "Dependabot works on GitHub only"),
    *UNKNOWN_CHOICES,
]


def _copier(template: Template, destination: Path, answers: Answers) -> Result:
    data = [f"--data={name}={answer}" for name, answer in answers.items()]
    return run(
        COPIER,
        "copy",
        "--defaults",
        "--vcs-ref",
        TAG,
        *data,
        template.repository,
        destination,
        cwd=destination.parent,
        expected=None,
    )


@pytest.mark.parametrize(("answers", "reason"), REFUSED, ids=lambda value: repr(value)[:60])
def test_refused_with_a_reason_and_nothing_written(
    answers: Answers, reason: str, template: Template, tmp_path: Path
) -> None:
    with pytest.raises((ValueError, TypeError)) as refusal:
        template.copy(tmp_path / "service", answers)
    message = " ".join(str(refusal.value).split())
    assert reason in message
    assert next(iter(answers)) in message or len(answers) > 1
    assert not (tmp_path / "service").exists()


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"driver": "sqlite3"}, "Invalid choice"),
        ({"driver": "aiosqlite", "pool": "pgbouncer"}, "PgBouncer serves PostgreSQL only"),
        ({"project_slug": "Not A Slug"}, "is not a usable short name"),
        ({"project_name": ""}, "give the service a name"),
        ({"user_email": "nobody"}, "is not an e-mail address"),
    ],
    ids=str,
)
def test_refused_on_the_command_line(answers: Answers, reason: str, template: Template, tmp_path: Path) -> None:
    result = _copier(template, tmp_path / "service", answers)
    assert result.exit_code != 0
    assert reason in " ".join(result.output.split()[-40:]), "the reason is not the last thing that is said"
    assert not (tmp_path / "service").exists()


def test_files_that_are_there_are_not_overwritten_silently(template: Template, tmp_path: Path) -> None:
    """Without a terminal Copier stops at the first file that it would change."""
    destination = tmp_path / "service"
    destination.mkdir()
    destination.joinpath("pyproject.toml").write_text("Mine\n", encoding="utf-8")
    destination.joinpath("notes.txt").write_text("Mine too\n", encoding="utf-8")
    result = _copier(template, destination, {})
    assert result.exit_code != 0, result.output
    assert destination.joinpath("pyproject.toml").read_text(encoding="utf-8") == "Mine\n"
    assert destination.joinpath("notes.txt").read_text(encoding="utf-8") == "Mine too\n"


def test_a_slug_follows_from_every_accepted_name(template: Template, tmp_path: Path) -> None:
    for number, name in enumerate(["Order Desk", "42", "Ünïcödé", "日本語", "x" * 80, "-- a --", "Alembic & Co"]):
        template.copy(tmp_path / str(number), {"project_name": name})


def test_every_choice_of_every_question_is_exercised() -> None:
    """By the lists that the tests are made of; a complete run also reports what was really rendered."""
    exercised = [each.answers for each in combinations()] + [each.answers for each in packagings()]
    assert choices_missing_from(exercised) == []


def test_the_combinations_are_all_but_the_refused_ones() -> None:
    drivers, pools = questions()["driver"].choices, questions()["pool"].choices
    plain = [each for each in combinations() if not each.further]
    assert len(set(combinations())) == len(combinations())
    assert len(plain) == (len(drivers) * len(pools) - 1) * 2 * 2
    assert ("aiosqlite", "pgbouncer") not in {(each.driver, each.pool) for each in combinations()}


def test_an_unknown_question_is_an_error_in_a_test(template: Template) -> None:
    with pytest.raises(LookupError, match="databse"):
        template.render({"databse": "asyncpg"})


def test_no_trust_is_asked_for(template: Template) -> None:
    """Copying and updating must work for someone who trusts nothing."""
    for forbidden in ("_tasks", "_jinja_extensions", "_migrations"):
        assert f"\n{forbidden}:" not in template.repository.joinpath("copier.yml").read_text(encoding="utf-8")
