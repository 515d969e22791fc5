"""Copier renders this template hundreds of times in one run, with the same few hundred Jinja snippets each time."""

from __future__ import annotations

from functools import cache
from typing import Any

import jinja2
import yaml
from copier import _main


@cache
def make_copier_quicker() -> None:
    """Parse with libyaml, compile each snippet once, and leave out a git command per file that matters only on Windows.

    What is rendered stays the same: ``test_readme.py`` holds it against what the real command line renders. A release
    of Copier without these internals is merely slower.
    """
    if yaml.__with_libyaml__:
        yaml.SafeLoader = yaml.CSafeLoader  # type: ignore[misc, assignment]

    compiled: dict[Any, Any] = {}
    compile_really = jinja2.Environment.compile

    def compile_once(self: jinja2.Environment, source: Any, *args: Any, **options: Any) -> Any:
        if not isinstance(source, str):
            return compile_really(self, source, *args, **options)
        # The environments that Copier makes differ in class or delimiters only.
        key = (type(self), self.variable_start_string, source, args, tuple(sorted(options.items())))
        if key not in compiled:
            compiled[key] = compile_really(self, source, *args, **options)
        return compiled[key]

    jinja2.Environment.compile = compile_once  # type: ignore[method-assign]
    if hasattr(_main.Worker, "_sync_git_index_executable_bit"):
        _main.Worker._sync_git_index_executable_bit = lambda *_, **__: None  # type: ignore[method-assign]  # noqa: SLF001
