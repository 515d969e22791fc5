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

from tests.harness import content
from tests.harness.combinations import refusal
from tests.harness.commands import run
from tests.harness.questions import Answers, text_questions
from tests.harness.rendering import Template

RUFF = Path(sys.executable).with_name("ruff")

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


def _accepted(text: str) -> Answers:
    # One render shows what a text does in every question that takes it.
    return {question: NASTY[text] for question, reason in _refusals(text).items() if reason is None}


@pytest.mark.parametrize("text", NASTY)
def test_refusal_says_what_to_do(text: str) -> None:
    for question, reason in _refusals(text).items():
        if reason is None:
            continue
        _, _, advice = " ".join(reason.split()).partition(f"question '{question}': ")
        assert ": " in advice, f"{question}: {reason!r} does not say how to mend the answer"
        assert "invalid escape" not in advice


def test_what_people_write_is_accepted() -> None:
    for question, texts in MUST_ACCEPT.items():
        for text in texts:
            assert _refusals(text)[question] is None


@pytest.mark.parametrize("text", NASTY)
def test_accepted_text_comes_out_verbatim(text: str, template: Template, tmp_path: Path) -> None:
    answers = _accepted(text)
    if not answers:
        return
    service = tmp_path / "service"
    template.copy(service, answers)

    parsed = dict(_parse_everything(service))
    assert {name: parsed[".copier-answers.yml"][name] for name in answers} == answers
    for question, answer in answers.items():
        assert _is_shown(str(answer), service, parsed), f"the answer to {question} is nowhere to be found"
    if "description" in answers:
        description = str(answers["description"])
        assert parsed["pyproject.toml"]["project"]["description"] == description
        assert description in service.joinpath("README.md").read_text(encoding="utf-8")
    if answers.get("user_name"):
        assert parsed["pyproject.toml"]["project"]["authors"][0]["name"] == answers["user_name"]

    usual = template.render({})
    for name, parsed_file in parsed.items():
        if isinstance(parsed_file, ast.AST) and (service / name).read_bytes() != (usual / name).read_bytes():
            run(RUFF, "format", "--no-cache", "--check", "--diff", name, cwd=service)
    _render_again(service)


def _parse_everything(service: Path) -> Iterator[tuple[str, Any]]:
    for path in content.files(service):
        name, data = path.relative_to(service).as_posix(), path.read_bytes()
        if path.suffix == ".toml":
            yield name, tomllib.loads(data.decode())
        elif path.suffix in {".yml", ".yaml"}:
            yield name, yaml.safe_load(data.decode())
        elif path.suffix == ".py":
            yield name, ast.parse(data, name)


def _is_shown(answer: str, service: Path, parsed: dict[str, Any]) -> bool:
    """Whether an answer stands in some file other than the record of answers, as plain text or as a parsed string."""
    recorded = ".copier-answers.yml"
    if any(answer in set(_strings(value)) for name, value in parsed.items() if name != recorded):
        return True
    return not answer.strip() or any(
        answer in path.read_text(encoding="utf-8") for path in content.files(service) if path.name != recorded
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


def _render_again(service: Path) -> None:
    """The answers that were recorded render the same service: a text survives being written to YAML and read back."""
    before = {path.relative_to(service): path.read_bytes() for path in content.files(service)}
    copier.run_recopy(service, defaults=True, overwrite=True, quiet=True, vcs_ref=copier.VcsRef.CURRENT)
    after = {path.relative_to(service): path.read_bytes() for path in content.files(service)}
    assert after == before
