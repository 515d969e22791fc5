"""What a rendered service must not contain, whatever was answered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.harness.combinations import Combination
from tests.harness.questions import variables

TOP_LEVEL = {
    *(".copier-answers.yml", ".dockerignore", ".env.example", ".gitignore", ".pre-commit-config.yaml"),
    *("Dockerfile", "LICENSE", "README.md", "compose.yaml", "pyproject.toml"),
    *("devtools", "docs", "src", "tests"),
}
"""What every service has at its root; a CI adds one entry of its own."""

CI_ENTRIES = {"github": {".github"}, "gitlab": {".gitlab-ci.yml"}, "none": set[str]()}

MAY_BE_EMPTY = {"py.typed"}

CODE_FOLDERS = ("devtools", "src", "tests")

_TRACES: dict[str, dict[str, str]] = {
    "driver": {
        "asyncpg": r"asyncpg",
        "psycopg": r"psycopg",
        "aiosqlite": r"sqlite",
    },
    "pool": {
        "queue": r"DATABASE_POOL_RECYCLE|DATABASE_POOL_PRE_PING|DATABASE_MAX_OVERFLOW",
        "null": r"DATABASE_MAX_CONNECTIONS",
        "pgbouncer": r"pgbouncer",
    },
}
"""Words that give away a choice, so none of them may stand in a service that chose otherwise."""

_ADVICE = {"pgbouncer": "docs/"}
"""Where a choice may be named by those who did not make it: any PostgreSQL service can grow to need PgBouncer."""

_TESTS_OF_URLS = "tests/test_url.py"
_SCHEME = re.compile(r"[\w+]+://")
"""Tests may write down the URL of a database that is refused, and the one about URLs also what is said then."""

_POSTGRES_ONLY = r"postgres|pg_|pgserver|DATABASE_SCHEMA|DATABASE_STATEMENT_TIMEOUT|DATABASE_IDLE"


def files(folder: Path) -> list[Path]:
    """All files of a render, sorted."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def problems_of_any_render(folder: Path) -> Iterator[str]:
    """Leftovers of the rendering itself."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if re.search(r"{%|{{|{#|\.jinja$", name):
            yield f"{name}: a name with Jinja in it"
        if path.is_dir() and not any(path.iterdir()):
            yield f"{name}: an empty folder"
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            yield from (f"{name}:{problem}" for problem in _problems_of_a_file(path, text))


def lines_matching(folder: Path, pattern: str) -> Iterator[str]:
    """Lines anywhere in a service that match, the record of its answers apart."""
    for path in files(folder):
        if path.name != ".copier-answers.yml":
            yield from _lines_with(path, path.relative_to(folder).as_posix(), pattern)


def problems_of_wording(folder: Path) -> Iterator[str]:
    """Places where a service's code speaks of where it came from instead of what it does."""
    for path in files(folder):
        name = path.relative_to(folder).as_posix()
        if name.startswith(CODE_FOLDERS):
            # PostgreSQL clones template databases, and they are called that. What guards an update speaks of Copier.
            words = "" if name.startswith("devtools/hooks/") else "copier|"
            yield from _lines_with(
                path, name, rf"{words}cookiecutter|jinja|scaffold|this template|the template\b(?! database)"
            )


def problems_of_combination(folder: Path, combination: Combination) -> Iterator[str]:
    """Traces of the options that were not chosen."""
    patterns = [
        pattern
        for question, choices in _TRACES.items()
        for choice, pattern in choices.items()
        if choice != getattr(combination, question)
    ]
    if combination.pool == "pgbouncer":
        # It has a client-side pool too, with the same settings.
        patterns.remove(_TRACES["pool"]["queue"])
    if not combination.uses_postgres:
        patterns.append(_POSTGRES_ONLY)
    if not combination.example:
        patterns.append(r"hero|\bteam|idempoten")
    for path in files(folder):
        name = path.relative_to(folder).as_posix()
        if name == ".copier-answers.yml":
            continue
        searched = [
            pattern
            for pattern in patterns
            if not (combination.uses_postgres and name.startswith(_ADVICE.get(pattern, "no such folder/")))
            and not (name == _TESTS_OF_URLS and pattern in (*_TRACES["driver"].values(), _POSTGRES_ONLY))
        ]
        if combination.data_access == "direct" and name.startswith(CODE_FOLDERS):
            searched.append(r"repositor")
        for pattern in searched:
            if re.search(pattern, name, re.IGNORECASE):
                yield f"{name}: its name matches {pattern!r}"
            yield from _lines_with(path, name, pattern)


def _problems_of_a_file(path: Path, text: str) -> Iterator[str]:
    if not text.strip() and path.name not in MAY_BE_EMPTY:
        yield " an empty file"
    if text and not text.endswith("\n"):
        yield " no line end at its end"
    # The Apache licence begins with an empty line, and is quoted to the letter.
    if text.endswith("\n\n") or (text.startswith("\n") and path.name != "LICENSE"):
        yield " an empty line at its beginning or end"
    # Python has braces of its own, in strings; `${{` begins an expression of a GitHub workflow.
    jinja = rf"{{%|{{{{-? *({'|'.join(variables())})\b" if path.suffix == ".py" else r"{%|{#|(?<!\$){{"
    for number, line in enumerate(text.split("\n"), start=1):
        if re.search(jinja, line):
            yield f"{number}: Jinja is left: {line.strip()}"
        if line != line.rstrip() and path.suffix != ".md":
            yield f"{number}: spaces at the end of the line"
        if "\r" in line:
            yield f"{number}: a carriage return"


def _lines_with(path: Path, name: str, pattern: str) -> Iterator[str]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if re.search(pattern, _SCHEME.sub("", line) if name.startswith("tests/") else line, re.IGNORECASE):
            yield f"{name}:{number}: matches {pattern!r}: {line.strip()}"
