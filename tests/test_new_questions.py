"""How a new question is exercised: in one of three classes, which its author has to choose."""

from __future__ import annotations

import itertools
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.harness.rendering.classes import CLASSES, Classes, NotExercisedError
from tests.harness.rendering.combinations import (
    Combination,
    Matrix,
    as_json,
    combinations,
    compute_matrix,
    from_json,
    kits,
    samples,
)
from tests.harness.rendering.packaging import check_exercised, describe_questions
from tests.harness.rendering.questions import CONFIG, ROOT, Answers, Choice, questions
from tests.harness.running.commands import run

QUESTIONS = """
project_name: { type: str, default: My Service }
license: { type: str, choices: [MIT, Proprietary], default: MIT }
ci: { type: str, choices: [github, none], default: github }
dependency_bot: { type: str, choices: [none, dependabot, renovate], default: none }
python_version: { type: str, choices: ["3.11", "3.12"], default: "3.11" }
driver: { type: str, choices: [asyncpg, psycopg, aiosqlite], default: asyncpg }
pool:
  type: str
  choices: [queue, "null", pgbouncer]
  default: queue
  validator: "{% if pool == 'pgbouncer' and driver == 'aiosqlite' %}PostgreSQL only{% endif %}"
data_access: { type: str, choices: [repository, direct], default: repository }
example: { type: bool, default: true }
"""

FURTHER = """
auth: { type: str, choices: [none, oidc, oidc-and-keys], default: none }
tracing: { type: bool, default: false }
deployment:
  type: str
  choices: [none, kubernetes]
  default: none
  validator: "{% if REFUSED %}Not together{% endif %}"
"""

PAIRED = {"auth": "few files depend on it", "tracing": "so do they on this", "deployment": "and on this"}
CHOICES: dict[str, list[Choice]] = {
    "driver": ["asyncpg", "psycopg", "aiosqlite"],
    "pool": ["queue", "null", "pgbouncer"],
    "data_access": ["repository", "direct"],
    "example": [True, False],
    "auth": ["none", "oidc", "oidc-and-keys"],
    "tracing": [False, True],
    "deployment": ["none", "kubernetes"],
}
"""What stands above, in other words: nothing here is computed by what is tested."""

MADE_UP = Classes(
    multiplies=dict.fromkeys([*CHOICES][:4], "most depends on it"),
    paired=PAIRED,
    surrounds=dict.fromkeys(["ci", "dependency_bot", "license", "python_version"], "no code depends on it"),
)
"""Whatever the questions of the template are by now."""

ALL_AT_ONCE: Answers = {"auth": "oidc-and-keys", "tracing": True, "deployment": "kubernetes"}


def _asking(folder: Path, *, further: str = FURTHER, refused: str = "false") -> Path:
    """A file of questions in a folder of its own, because what a file asks is remembered under its path."""
    folder.mkdir(exist_ok=True)
    file = folder / CONFIG.name
    file.write_text(QUESTIONS + further.replace("REFUSED", refused), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _asking(tmp_path_factory.mktemp("questions"))


@pytest.fixture(scope="module")
def matrix(config: Path) -> Matrix:
    return compute_matrix(config, MADE_UP)


def _pairs() -> Iterator[Answers]:
    """Each choice of each paired question with each choice of each other question."""
    for one, other in itertools.combinations(CHOICES, 2):
        if other in PAIRED:
            for first, second in itertools.product(CHOICES[one], CHOICES[other]):
                yield {one: first, other: second}


def _missing(matrix: Matrix, wanted: Answers) -> bool:
    return not any(wanted.items() <= each.answers.items() for each in matrix.combinations)


def test_the_real_combinations_are_today_what_multiplies() -> None:
    names = [str(each) for each in combinations() if not each.further]
    assert (names[0], names[-1], len(names)) == ("asyncpg-queue-repository-example", "aiosqlite-null-direct-blank", 32)


def test_what_multiplies_comes_first_and_keeps_its_names(matrix: Matrix) -> None:
    plain, further = matrix.combinations[:32], matrix.combinations[32:]
    assert [str(each) for each in plain] == [str(each) for each in combinations() if not each.further]
    assert not any(each.further for each in plain)
    assert all(each.further for each in further)


def test_each_pair_stands_in_some_combination(matrix: Matrix) -> None:
    assert not [pair for pair in _pairs() if _missing(matrix, pair)]
    assert matrix.left_out == []


def test_each_paired_choice_stands_alone_somewhere(matrix: Matrix) -> None:
    alone: list[Answers] = [
        {"auth": "oidc"},
        {"auth": "oidc-and-keys"},
        {"tracing": True},
        {"deployment": "kubernetes"},
    ]
    assert not [each for each in alone if each not in [combination.further for combination in matrix.combinations]]


def test_all_of_them_at_once_meet_each_driver_and_pool(matrix: Matrix) -> None:
    groups = {each.group for each in matrix.combinations}
    assert len(groups) == 8
    assert {each.group for each in matrix.combinations if each.further == ALL_AT_ONCE} == groups


def test_few_combinations_are_enough_for_that(matrix: Matrix) -> None:
    assert len(set(matrix.combinations)) == len(matrix.combinations) <= 32 + 8 + 12


def test_the_same_questions_give_the_same_combinations(matrix: Matrix, tmp_path: Path) -> None:
    again = compute_matrix(_asking(tmp_path / "again"), MADE_UP)
    assert [str(each) for each in again.combinations] == [str(each) for each in matrix.combinations]


def test_names_tell_combinations_apart_and_can_be_chosen(matrix: Matrix) -> None:
    names = [str(each) for each in matrix.combinations]
    assert len(set(names)) == len(names)
    assert any(name.endswith("-auth.oidc") for name in names)
    assert any(name.endswith("-auth.oidc-and-keys-tracing.true-deployment.kubernetes") for name in names)
    # What `pytest -k` takes for one word.
    assert all(re.fullmatch(r"[\w.-]+", name) for name in names)


def test_combinations_reach_another_process_as_they_are(config: Path, matrix: Matrix) -> None:
    text = as_json(matrix.combinations)
    assert from_json(text, questions(config), MADE_UP) == matrix.combinations
    assert from_json(as_json(combinations())) == combinations()


def test_a_combination_answers_every_question_that_changes_code(matrix: Matrix) -> None:
    """Also with defaults: an update that switches to it has to switch these back."""
    assert {frozenset(each.answers) for each in matrix.combinations} == {frozenset(CHOICES)}
    last = matrix.combinations[-1]
    assert last.uses_postgres == (last.driver != "aiosqlite")
    assert last.group == f"{last.driver}-{last.pool}"


def test_a_combination_made_by_hand_is_one_of_them() -> None:
    assert Combination("asyncpg", "queue", "repository", example=True) == combinations()[0]


def test_samples_give_every_answer() -> None:
    given = {answer for each in samples() for answer in each.answers.items()}
    assert given == {(name, choice) for name in combinations()[0].answers for choice in questions()[name].choices}


def test_kits_are_tested_by_default_together_and_alone() -> None:
    plain = {each.group for each in kits() if not each.further}
    assert plain == {each.group for each in combinations()}
    last = {name: questions()[name].choices[-1] for name in CLASSES.paired}
    together = [each for each in kits() if last.items() <= each.answers.items()]
    assert {each.driver for each in together} == {*questions()["driver"].choices}
    assert {each.pool for each in together} == {*questions()["pool"].choices}
    alone = [each.further for each in kits() if len(each.further) == 1]
    assert all({name: choice} in alone for name in CLASSES.paired for choice in questions()[name].choices[1:])


def test_refused_pairs_are_left_out_and_noted(tmp_path: Path) -> None:
    config = _asking(tmp_path, refused="deployment == 'kubernetes' and driver == 'aiosqlite'")
    matrix = compute_matrix(config, MADE_UP)
    refused: Answers = {"driver": "aiosqlite", "deployment": "kubernetes"}
    assert [pair for pair in _pairs() if _missing(matrix, pair)] == [refused]
    assert matrix.left_out == [
        "driver=aiosqlite with pool=queue with auth=oidc-and-keys with tracing=true with deployment=kubernetes, all at "
        "once",
        "driver=aiosqlite with pool=null with auth=oidc-and-keys with tracing=true with deployment=kubernetes, all at "
        "once",
        "driver=aiosqlite with deployment=kubernetes",
    ]
    # As many as there can be.
    further = [each.further for each in matrix.combinations if each.group == "aiosqlite-null"]
    assert {"auth": "oidc-and-keys", "tracing": True} in further


def test_a_choice_that_needs_another_one_is_covered_with_it(tmp_path: Path) -> None:
    config = _asking(tmp_path, refused="deployment == 'kubernetes' and auth == 'none'")
    matrix = compute_matrix(config, MADE_UP)
    assert [pair for pair in _pairs() if _missing(matrix, pair)] == [{"auth": "none", "deployment": "kubernetes"}]
    assert matrix.left_out == ["deployment=kubernetes, alone", "auth=none with deployment=kubernetes"]


def test_one_paired_question_costs_one_for_each_driver_and_pool(tmp_path: Path) -> None:
    config = _asking(tmp_path, further="tracing: { type: bool, default: false }")
    matrix = compute_matrix(config, replace(MADE_UP, paired={"tracing": "few files depend on it"}))
    assert [each.further for each in matrix.combinations[32:]] == [{"tracing": True}] * 8
    further = matrix.combinations[32:]
    assert {each.data_access for each in further} == {"repository", "direct"}
    assert {each.example for each in further} == {True, False}


REASON = {"auth": "a reason"}

REFUSED: dict[str, tuple[Classes, str]] = {
    "no class": (replace(MADE_UP, paired={}), "the question auth stands in no class of tests/harness/rendering/cl"),
    "two classes": (
        replace(MADE_UP, surrounds={**MADE_UP.surrounds, **REASON}),
        "the question auth stands in two classes",
    ),
    "no such question": (replace(MADE_UP, paired=PAIRED | {"atuh": ""}), "has a class for atuh, which is no question"),
    "a question of text": (
        replace(MADE_UP, paired=PAIRED | {"project_name": ""}),
        "has a class for project_name, which is no question with choices",
    ),
    "nothing to multiply it": (
        replace(MADE_UP, multiplies={**MADE_UP.multiplies, **REASON}, paired=dict([*PAIRED.items()][1:])),
        "Combination and its class in tests/harness/rendering/classes.py disagree about auth",
    ),
    "nothing to render it with": (
        replace(MADE_UP, surrounds={**MADE_UP.surrounds, **REASON}, paired=dict([*PAIRED.items()][1:])),
        "Packaging and its class in tests/harness/rendering/classes.py disagree about auth",
    ),
}


@pytest.mark.parametrize(("classes", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_question_in_no_class_or_the_wrong_one_is_refused(classes: Classes, reason: str, config: Path) -> None:
    with pytest.raises(NotExercisedError, match=re.escape(reason)) as refusal:
        check_exercised(None, config, classes)
    assert "\n" not in str(refusal.value)


def test_a_choice_that_nobody_makes_is_refused(config: Path, matrix: Matrix) -> None:
    check_exercised(matrix.combinations, config, MADE_UP)
    without = [each for each in matrix.combinations if each.further.get("auth") != "oidc"]
    with pytest.raises(NotExercisedError, match=r"^no combination and no packaging has auth=oidc$"):
        check_exercised(without, config, MADE_UP)


def test_a_run_does_not_start_with_a_question_in_no_class(tmp_path: Path) -> None:
    for name in ("tests/__init__.py", "tests/conftest.py", "tests/test_harness.py", "pyproject.toml", CONFIG.name):
        tmp_path.joinpath(name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "tests/harness", tmp_path / "tests/harness", ignore=shutil.ignore_patterns("__pycache__"))
    with tmp_path.joinpath(CONFIG.name).open("a", encoding="utf-8") as file:
        file.write('\nbilling: { type: bool, default: false, help: "Who pays?" }\n')
    command = [sys.executable, "-m", "pytest", "-p", "xdist.plugin", "-n0", "tests/test_harness.py"]
    # Without the plugins that nothing here needs, which take as long to import as all else.
    alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    result = run(*command, cwd=tmp_path, env=alone, expected=pytest.ExitCode.USAGE_ERROR)
    (said,) = [line for line in result.output.splitlines() if line.startswith("ERROR")]
    assert said.startswith("ERROR: copier.yml asks for more than the tests exercise: the question billing stands in no")


def test_no_question_is_asked_of_some_only() -> None:
    """Copier would ignore an answer to it, which here would look like one that is exercised."""
    config: Mapping[str, object] = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    conditions = {name: spec["when"] for name, spec in config.items() if isinstance(spec, dict) and "when" in spec}
    assert not {name for name, condition in conditions.items() if condition is not False}


def test_each_class_gives_its_reasons() -> None:
    reasons = [why for each in (CLASSES.multiplies, CLASSES.paired, CLASSES.surrounds) for why in each.values()]
    assert all(reasons)


def test_table_tells_what_each_question_costs_and_is_left_out(config: Path, matrix: Matrix) -> None:
    table = describe_questions(replace(matrix, left_out=["this with that"]), config, MADE_UP)
    for name in (*CHOICES, *MADE_UP.surrounds):
        assert re.search(rf"^{name} +\d ", table, re.MULTILINE)
    oidc = sum("auth" in each.further for each in matrix.combinations)
    assert re.search(rf"^auth +3 +in pairs +{oidc} more +few files depend on it$", table, re.MULTILINE)
    assert f"{len(matrix.combinations)} combinations: 32 of what multiplies, " in table
    assert table.endswith("Left out, because Copier refuses it: this with that.")
