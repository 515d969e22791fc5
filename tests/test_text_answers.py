"""Whatever is typed into a text question is refused with a reason, or comes out as it went in and breaks nothing."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import copier
import pytest
import yaml

from tests.harness.rendering import content
from tests.harness.rendering.combinations import refusal
from tests.harness.rendering.questions import Answers, text_questions
from tests.harness.rendering.snapshot import A_PERSON, TAG, commit_everything, git
from tests.harness.rendering.template import Template
from tests.harness.running.commands import run
from tests.harness.updating.updates import assert_updated, begin, tree

RUFF, COPIER = (Path(sys.executable).with_name(name) for name in ("ruff", "copier"))
NEXT_TAG = "v10000"

NASTY = {
    "plain": "Takes orders and ships them",
    "double quotes": 'say "hello"',
    "single quotes": "it's an 'order'",
    "triple double quotes": 'a """ b',
    "triple single quotes": "a ''' b",
    "ends with a quote": 'say "hello',
    "backslashes": r"C:\new\table \\server \u0041 \N{DASH}",
    "ends with a backslash": "to the end\\",
    "jinja expression": "{{ driver }} and {{ undefined.attribute }}",
    "jinja statement": "{% if true %}yes{% endif %}",
    "jinja raw": "{% raw %}{{ x }}{% endraw %}",
    "half a jinja raw": "{% endraw %}",
    "jinja comment": "{# nothing #} {#",
    "github expression": "${{ secrets.TOKEN }}",
    "shell": "$(id) `id` ${HOME} $HOME && true; false | cat > file",
    "percent": "100% %s %(name)s %% %",
    "braces": "{} {0} {name} }{",
    "hash": "a # comment?",
    "starts with a hash": "# heading",
    "colon": "key: value",
    "ends with a colon": "key:",
    "dash": "- item",
    "three dashes": "---",
    "question mark": "? key",
    "tag": "!important !!python/object:os.system",
    "anchor": "&anchor *alias",
    "flow": "[a, b], {c: d}",
    "block": "| > literal",
    "at and backtick": "@home `code`",
    "null": "null",
    "tilde": "~",
    "yes": "yes",
    "false": "false",
    "octal": "0123",
    "number": "1e3",
    "date": "2024-01-01",
    "html": "<b>bold</b> <!-- comment --> </textarea> &amp;",
    "markdown": "*star* _under_ [link](http://example.com) ![image](x) |a|b|",
    "accents": "Größe, Ünïcödé, naïve",
    "emoji": "rocket \N{ROCKET} family \N{MAN}\N{ZERO WIDTH JOINER}\N{WOMAN}",
    "outside the basic plane": "\N{MATHEMATICAL BOLD CAPITAL A} \U00020000",
    "right to left": "\N{RIGHT-TO-LEFT OVERRIDE}abc \N{HEBREW LETTER ALEF}",
    "combining": "Z\N{COMBINING ACUTE ACCENT}\N{COMBINING DIAERESIS}",
    "no-break space": "a\N{NO-BREAK SPACE}b",
    "byte order mark": "\N{ZERO WIDTH NO-BREAK SPACE}text",
    "leading and trailing spaces": "  text  ",
    "only spaces": "   ",
    "empty": "",
    "long": "wörd " * 99 + "end",
    "very long": "x" * 100_000,
    "newline": "one\ntwo",
    "only a newline": "\n",
    "trailing newline": "one\n",
    "carriage return": "one\rtwo",
    "tab": "one\ttwo",
    "null byte": "one\0two",
    "escape": "one\x1b[31mtwo",
    "delete": "one\x7ftwo",
    "next line": "one\N{NEXT LINE}two",
    "line separator": "one\N{LINE SEPARATOR}two",
    "paragraph separator": "one\N{PARAGRAPH SEPARATOR}two",
    "lone surrogate": "one \ud800 two",
}

MUST_ACCEPT = {"description": {"double quotes", "backslashes", "jinja expression", "hash", "colon", "emoji", "percent"}}
"""What people really write, and must be let through."""


@cache
def _refusals(text: str) -> dict[str, str | None]:
    return {question: refusal({question: NASTY[text]}) for question in text_questions()}


@pytest.mark.parametrize("text", NASTY)
def test_text_is_refused_with_advice_or_comes_out_verbatim(text: str, template: Template, tmp_path: Path) -> None:
    for question, reason in _refusals(text).items():
        if reason is not None:
            _, _, advice = " ".join(reason.split()).partition(f"question '{question}': ")
            assert ": " in advice, f"{question}: {reason!r} does not say how to mend the answer"
            assert "invalid escape" not in advice
    # One render shows what a text does in every question that takes it.
    answers: Answers = {question: NASTY[text] for question, reason in _refusals(text).items() if reason is None}
    if not answers:
        return
    service = tmp_path / "service"
    template.copy(service, answers)
    _check_shown_verbatim(answers, service, usual=template.render({}))

    # Written to YAML, read back and rendered again it is still the same.
    before = _contents(service)
    copier.run_recopy(service, defaults=True, overwrite=True, quiet=True, vcs_ref=copier.VcsRef.CURRENT)
    assert _contents(service) == before


def test_what_people_write_is_accepted() -> None:
    for question, texts in MUST_ACCEPT.items():
        for text in texts:
            assert _refusals(text)[question] is None


UPDATED: dict[str, Answers] = {
    "special characters": {
        "project_name": "{{ 7 * 7 }} {% endraw %} # & * : %s ${{ x }} | - \N{ROCKET}",
        "description": " ".join(
            NASTY[text]
            for text in (
                *("double quotes", "triple double quotes", "triple single quotes", "backslashes", "jinja expression"),
                *("half a jinja raw", "jinja comment", "github expression", "shell", "percent", "colon", "html"),
                *("markdown", "right to left", "emoji", "ends with a backslash"),
            )
        ),
        "user_name": '- &a *b !!python/object:os.system {{ x }} {% if %} it\'s "quoted" \\ # : @ `|>',
    },
    "other types": {"project_name": "1e3", "description": "null", "user_name": "2024-01-01"},
}


@pytest.mark.slow
@pytest.mark.parametrize("answers", UPDATED.values(), ids=UPDATED)
def test_update_leaves_text_as_it_was(answers: Answers, template: Template, tmp_path: Path) -> None:
    """A real update, from the command line, to a release that changed one line."""
    repository, service, fresh = (tmp_path / name for name in ("template", "service", "fresh"))
    git(tmp_path, "clone", "--quiet", str(template.repository), str(repository))
    copier.run_copy(str(repository), service, data=dict(answers), vcs_ref=TAG, defaults=True, quiet=True)
    begin(service)

    with repository.joinpath("template", ".dockerignore").open("a", encoding="utf-8") as file:
        file.write("new-in-this-release/\n")
    commit_everything(repository, "Ignore one folder more", NEXT_TAG)
    run(COPIER, "update", "--defaults", cwd=service, env=A_PERSON)

    assert git(service, "status", "--porcelain") == " M .copier-answers.yml\n M .dockerignore\n"
    copier.run_copy(str(repository), fresh, data=dict(answers), vcs_ref=NEXT_TAG, defaults=True, quiet=True)
    assert_updated(service, tree(fresh))
    _check_shown_verbatim(answers, service, usual=template.render({}))


def _contents(service: Path) -> dict[str, bytes]:
    names = {path: path.relative_to(service) for path in content.files(service)}
    return {name.as_posix(): path.read_bytes() for path, name in names.items() if ".git" not in name.parts}


def _check_shown_verbatim(answers: Answers, service: Path, *, usual: Path) -> None:
    """Every answer is where it belongs, and every file that is not as usual is still valid and formatted."""
    ordinary = _contents(usual)
    affected = {name: data for name, data in _contents(service).items() if data != ordinary.get(name)}
    parsed = {name: value for name, data in affected.items() if (value := _parse(name, data)) is not None}
    assert {name: parsed[".copier-answers.yml"][name] for name in answers} == answers
    for question, answer in answers.items():
        assert _is_shown(str(answer), affected, parsed), f"the answer to {question} is nowhere to be found"
    if "description" in answers:
        assert parsed["pyproject.toml"]["project"]["description"] == answers["description"]
        assert str(answers["description"]) in affected["README.md"].decode()
    if answers.get("user_name"):
        assert parsed["pyproject.toml"]["project"]["authors"][0]["name"] == answers["user_name"]
    modules = [name for name, value in parsed.items() if isinstance(value, ast.AST)]
    if modules:
        run(RUFF, "format", "--no-cache", "--check", "--diff", *modules, cwd=service)


def _parse(name: str, data: bytes) -> Any:
    if name.endswith(".toml"):
        return tomllib.loads(data.decode())
    if name.endswith((".yml", ".yaml")):
        return yaml.safe_load(data.decode())
    return ast.parse(data, name) if name.endswith(".py") else None


def _is_shown(answer: str, affected: dict[str, bytes], parsed: dict[str, Any]) -> bool:
    """Whether an answer stands in some file other than the record of answers, as plain text or as a parsed string."""
    recorded = ".copier-answers.yml"
    return (
        not answer.strip()
        or any(answer in set(_strings(value)) for name, value in parsed.items() if name != recorded)
        or any(answer in data.decode() for name, data in affected.items() if name != recorded)
    )


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from (*_strings(key), *_strings(inner))
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
    elif isinstance(value, ast.AST):
        yield from (
            node.value for node in ast.walk(value) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        )
