"""What a rendered service must not contain, whatever was answered."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.harness.rendering.combinations import Combination
from tests.harness.rendering.questions import variables

TOP_LEVEL = {
    *(".copier-answers.yml", ".dockerignore", ".editorconfig", ".env.example", ".gitignore", ".pre-commit-config.yaml"),
    *("AGENTS.md", "CLAUDE.md", "Dockerfile", "LICENSE", "README.md", "compose.yaml", "pyproject.toml"),
    *("conftest.py", "devtools", "docs", "kit_tests", "src", "tests"),
}
"""What every service has at its root; a CI adds one entry of its own, and a bot may."""

CI_ENTRIES = {"github": {".github"}, "gitlab": {".gitlab-ci.yml"}, "none": set[str]()}

DEPLOY_ENTRIES = {"compose": set[str](), "kubernetes": {"deploy"}}

BOT_ENTRIES = {"none": set[str](), "dependabot": set[str](), "renovate": {"renovate.json"}}

MAY_BE_EMPTY = {"py.typed"}

CODE = ("conftest.py", "devtools/", "kit_tests/", "src/", "tests/")
"""What the names of a service's code begin with."""

LONGEST_TEST_NAME = 60
"""Characters, ``test_`` included."""

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
    "auth": {
        "oidc": r"oidc|joserfc|kit[./]auth|devtools[./]issuer|poe token|signed_in|required_scopes",
        "oidc-and-keys": r"api_keys|ApiKey|API keys?\b|poe keys|manage_keys",
    },
    "deploy": {
        "kubernetes": r"kubectl|kustomiz|deploy/kubernetes|docs/kubernetes",
    },
    "keys": {
        "uuidv7": r"app\.keys|tests\.keys|\bkeys\.py|uuid7|uuid.utils",
    },
}
"""Words that give away a choice, so none of them may stand in a service that chose otherwise."""

_ADVICE = {
    "pgbouncer": (
        "docs/",
        "src/app/kit/database/url_options.py",
        "kit_tests/database/test_server_connections.py",
    )
}
"""Where a choice may be named by those who did not make it: any PostgreSQL service can grow to need PgBouncer.

And platforms hand out URLs with `?pgbouncer=true`, which a service without it has to refuse.
"""

_TESTS_OF_URLS = "kit_tests/database/test_url.py"
_SCHEME = re.compile(r"[\w+]+://")
"""Tests may write down the URL of a database that is refused, and the one about URLs also what is said then."""

_PARTS_OF_THE_KIT: dict[str, tuple[str, ...]] = {
    "about": (),
    "garbage": (),
    "workers": (),
    "output": (),
    "logs": ("about", "output"),
    "database": ("about",),
    "http": ("about", "database", "logs", "output", "workers"),
    "auth": ("about", "database", "http"),
    "idempotency": ("about", "database", "http"),
    "settings": ("auth", "database", "http", "logs"),
    "migrations": ("database", "logs", "settings"),
    "routing": ("http", "idempotency"),
    "manage_keys": ("auth", "database", "settings"),
    "application": ("about", "auth", "database", "garbage", "http", "idempotency", "logs", "settings", "workers"),
}
"""Each folder and module of ``src/app/kit``, and which of the others it may import."""

_KNOWS_FASTAPI = "src/app/kit/database/dependencies.py"
"""The only part of the database layer that does."""

_POSTGRES_ONLY = r"postgres|pg_|pgserver|squawk|DATABASE_SCHEMA|DATABASE_STATEMENT_TIMEOUT|DATABASE_IDLE"


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
        if name.startswith(CODE):
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
        if choice != combination.answers[question]
    ]
    if combination.pool == "pgbouncer":
        # It has a client-side pool too, with the same settings.
        patterns.remove(_TRACES["pool"]["queue"])
    if combination.answers["auth"] == "oidc-and-keys":
        # It takes tokens, too.
        patterns.remove(_TRACES["auth"]["oidc"])
    if not combination.uses_postgres:
        patterns.append(_POSTGRES_ONLY)
    if not combination.example:
        patterns.append(r"hero|\bteam")
    for path in files(folder):
        name = path.relative_to(folder).as_posix()
        if name == ".copier-answers.yml":
            continue
        searched = [
            pattern
            for pattern in patterns
            if not (combination.uses_postgres and name.startswith(_ADVICE.get(pattern, ())))
            and not (name == _TESTS_OF_URLS and pattern in (*_TRACES["driver"].values(), _POSTGRES_ONLY))
        ]
        if combination.data_access == "direct" and name.startswith(CODE):
            searched.append(r"repositor")
        for pattern in searched:
            if re.search(pattern, name, re.IGNORECASE):
                yield f"{name}: its name matches {pattern!r}"
            yield from _lines_with(path, name, pattern)


def problems_of_imports(folder: Path) -> Iterator[str]:
    """Imports of the owner's code in the kit and in its tests, and such as go against the order of the kit's parts."""
    imported_by: dict[str, set[str]] = {}
    for path in files(folder):
        name = path.relative_to(folder).as_posix()
        if path.suffix == ".py" and name.startswith(("src/app/kit/", "kit_tests/")):
            imports = _imports(path)
            yield from (
                f"{name}:{line}: imports {imported}: {problem}"
                for line, imported in imports
                if (problem := _problem_of_import(name, imported))
            )
            module = name.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            imported_by[module] = {imported for _, imported in imports}
    yield from _circles(imported_by)


def _imports(path: Path) -> list[tuple[int, str]]:
    """Where a module imports what; of ``from package import name`` both, because the name may be a module."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [(node.lineno, f"{'.' * node.level}{node.module or ''}.{alias.name}") for alias in node.names]
    return found


def _problem_of_import(name: str, imported: str) -> str | None:
    """What is wrong with an import in a file of the kit or of its tests."""
    package, *rest = imported.split(".")
    # The package itself is nobody's: it tells where models and migrations are.
    if package in {"", "tests"} or (package == "app" and rest and rest[0] != "kit"):
        return "nothing there may depend on it"
    if not name.startswith("src/app/kit/"):
        return None
    own = name.removeprefix("src/app/kit/").partition("/")[0].removesuffix(".py")
    if own == "database" and package in {"fastapi", "starlette"} and name != _KNOWS_FASTAPI:
        return "the database layer serves without HTTP, too"
    if package == "app" and rest[1:] and rest[1] not in {own, *_PARTS_OF_THE_KIT.get(own, ())}:
        return f"{own} is below it"
    return None


def _circles(imported_by: dict[str, set[str]]) -> Iterator[str]:
    """Modules that import themselves by way of others, each circle once."""
    imports = {
        module: {other for other in imported_by for each in imported if each == other or each.startswith(f"{other}.")}
        # A package is not its modules.
        - {other for other in imported_by if module.startswith(f"{other}.")}
        for module, imported in imported_by.items()
    }
    told: set[frozenset[str]] = set()

    def follow(way: list[str]) -> Iterator[str]:
        for other in sorted(imports[way[-1]]):
            if other == way[0] and frozenset(way) not in told:
                told.add(frozenset(way))
                yield f"{way[0]} imports itself, by way of {' and '.join(way[1:])}"
            elif other > way[0] and other not in way:
                yield from follow([*way, other])

    for module in sorted(imports):
        yield from follow([module])


def problems_of_test_names(folder: Path) -> Iterator[str]:
    """Tests of a service whose names are too long to be read at a glance."""
    for path in files(folder):
        name = path.relative_to(folder).as_posix()
        if path.suffix == ".py" and name.startswith(("tests/", "kit_tests/")):
            yield from (
                f"{name}:{node.lineno}: {len(node.name)} characters: {node.name}"
                for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
                and node.name.startswith("test_")
                and len(node.name) > LONGEST_TEST_NAME
            )


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
        if re.match(r"(<{7}|>{7}|\|{7}) |={7}$", line):
            yield f"{number}: a mark of a conflict: {line}"
        if "\r" in line:
            yield f"{number}: a carriage return"


def _lines_with(path: Path, name: str, pattern: str) -> Iterator[str]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if re.search(
            pattern, _SCHEME.sub("", line) if name.startswith(("tests/", "kit_tests/")) else line, re.IGNORECASE
        ):
            yield f"{name}:{number}: matches {pattern!r}: {line.strip()}"
