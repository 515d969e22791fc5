"""What no render may hold is found, each by the check that is for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness.rendering import content
from tests.harness.rendering.combinations import Combination, combinations, samples
from tests.harness.rendering.template import Template

FORBIDDEN_IMPORTS = {
    "from app.settings import Settings": "src/app/kit/logs.py",
    "import app.main": "src/app/kit/application.py",
    "from app import routers": "src/app/kit/http/health.py",
    "from app.heroes.models import Hero": "kit_tests/database/test_bulk.py",
    "import app.settings": "kit_tests/test_logs.py",
    "from tests.values import VALUES": "kit_tests/support/settings.py",
    "from ...settings import Settings": "src/app/kit/http/settings.py",
    "from fastapi import Depends": "src/app/kit/database/sessions.py",
    "from app.kit.http.problems import problem": "src/app/kit/database/dependencies.py",
    "from app.kit.idempotency.models import IdempotencyKey": "src/app/kit/http/retries.py",
    "from app.kit.routing import Router": "src/app/kit/idempotency/routes.py",
    "from app.kit.application import build_application": "src/app/kit/migrations/env.py",
    "from app.kit.settings import KitSettings": "src/app/kit/logs.py",
    "from app.kit.application import build_application as build": "src/app/kit/routing.py",
}
"""Imports, and files that may not have them, not in a function either."""

ALLOWED_IMPORTS = {
    "import app": "src/app/kit/database/models.py",
    "from app.kit import http": "kit_tests/test_application.py",
    "from app.kit.settings import KitSettings": "src/app/kit/application.py",
    "from fastapi import Depends": "src/app/kit/database/dependencies.py",
    "from application import something": "src/app/kit/logs.py",
    "from app.settings import Settings": "src/app/heroes/endpoints.py",
}


def _written(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(("line", "name"), FORBIDDEN_IMPORTS.items())
def test_import_that_goes_the_wrong_way_is_found(line: str, name: str, tmp_path: Path) -> None:
    for number, text in ((1, f"{line}\n"), (2, f"def later():\n    {line}\n")):
        (problem,) = content.problems_of_imports(_written(tmp_path, name, text))
        assert problem.startswith(f"{name}:{number}: ")


@pytest.mark.parametrize(("line", "name"), ALLOWED_IMPORTS.items())
def test_import_that_goes_the_right_way_is_none_of_them(line: str, name: str, tmp_path: Path) -> None:
    assert [*content.problems_of_imports(_written(tmp_path, name, f"{line}\n"))] == []


def test_modules_that_import_each_other_are_found(tmp_path: Path) -> None:
    _written(tmp_path, "src/app/kit/http/one.py", "from app.kit.http.two import x\n")
    _written(tmp_path, "src/app/kit/http/two.py", "import app.kit.http.three\n")
    assert [*content.problems_of_imports(tmp_path)] == []
    _written(tmp_path, "src/app/kit/http/three.py", "def f():\n    from app.kit.http import one\n")
    (problem,) = content.problems_of_imports(tmp_path)
    assert problem == "app.kit.http.one imports itself, by way of app.kit.http.two and app.kit.http.three"


FOUND: dict[str, tuple[Callable[[Path], Iterator[str]], str, str]] = {
    "the template": (content.problems_of_wording, "kit_tests/test_logs.py", "# As the template wants it.\n"),
    "the generator": (content.problems_of_wording, "conftest.py", "# Made by Copier.\n"),
    "marks of a conflict": (content.problems_of_any_render, "src/app/kit/logs.py", "<<<<<<< HEAD\n"),
    "a long name": (content.problems_of_test_names, "kit_tests/test_a.py", f"async def test_{'x' * 56}(): pass\n"),
    "a long name of an owner's": (content.problems_of_test_names, "tests/test_a.py", f"def test_{'x' * 56}(): pass\n"),
}


@pytest.mark.parametrize(("check", "name", "text"), FOUND.values(), ids=FOUND)
def test_what_should_not_be_there_is_found(
    check: Callable[[Path], Iterator[str]], name: str, text: str, tmp_path: Path
) -> None:
    (problem,) = check(_written(tmp_path, name, text))
    assert problem.startswith(f"{name}:1")


def test_traces_of_what_was_not_chosen_are_found_everywhere(tmp_path: Path) -> None:
    (blank,) = [each for each in combinations() if str(each) == "aiosqlite-null-direct-blank"]
    for number, (name, trace) in enumerate(
        {
            "kit_tests/support/items.py": "# A repository\n",
            "src/app/kit/logs.py": "# postgres\n",
            "conftest.py": "# DATABASE_MAX_OVERFLOW\n",
            "README.md": "Heroes\n",
            "docs/a.md": "PgBouncer\n",
        }.items()
    ):
        (problem,) = content.problems_of_combination(_written(tmp_path / str(number), name, trace), blank)
        assert problem.startswith(f"{name}:1: ")
    allowed = _written(tmp_path / "allowed", "src/app/kit/idempotency/store.py", "# Idempotency keys\n")
    assert [*content.problems_of_combination(allowed, blank)] == []


@pytest.mark.parametrize("combination", samples(), ids=str)
def test_names_of_a_services_tests_can_be_read_at_a_glance(combination: Combination, template: Template) -> None:
    problems = [*content.problems_of_test_names(template.render(combination.answers))]
    assert not problems, "\n".join([f"{len(problems)} names of tests are too long:", *problems])
