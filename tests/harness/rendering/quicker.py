"""Copier renders this template hundreds of times in one run, from the same commit and with the same Jinja snippets."""

from __future__ import annotations

import atexit
import shutil
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import jinja2
import yaml
from copier import _main
from copier._template import Template

_LEARNT_FROM_GIT = ("local_abspath", "commit", "commit_hash", "version", "git_index_modes")
"""What Copier asks git about a template; the first of them makes a clone."""


@cache
def make_copier_quicker() -> None:
    """Do once what Copier does for every render: compile snippets, clone the template, ask git about the clone.

    And spare it from rendering the names of files that have no Jinja in them, each of which takes a new context.

    What is rendered stays the same: ``test_readme.py`` holds it against what the real command line renders. It relies
    on internals of Copier: a release without ``_main``, ``_template`` or ``Worker._render_string`` fails here, by their
    name.
    """
    if yaml.__with_libyaml__:
        yaml.SafeLoader = yaml.CSafeLoader  # type: ignore[misc, assignment]
    _compile_once()
    for name in _LEARNT_FROM_GIT:
        if isinstance(vars(Template).get(name), cached_property):
            _learn_once(name)
    _leave_plain_names_alone()
    # A git command per file, which matters on Windows only.
    if hasattr(_main.Worker, "_sync_git_index_executable_bit"):
        _main.Worker._sync_git_index_executable_bit = lambda *_, **__: None  # type: ignore[method-assign]  # noqa: SLF001


def _compile_once() -> None:
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


def _leave_plain_names_alone() -> None:
    worker = _main.Worker
    render_really, answers_relpath_really = worker._render_string, vars(worker)["answers_relpath"].fget  # noqa: SLF001

    def render_string(self: _main.Worker, string: str, *args: Any, **options: Any) -> str:
        return render_really(self, string, *args, **options) if "{" in string else string

    def answers_relpath(self: _main.Worker) -> Path:
        path = self.answers_file or self.template.answers_relpath
        return Path(path) if "{" not in str(path) else Path(answers_relpath_really(self))

    worker._render_string = render_string  # type: ignore[method-assign]  # noqa: SLF001
    worker.answers_relpath = property(answers_relpath)  # type: ignore[assignment, method-assign]


def _learn_once(name: str) -> None:
    """Keep a property of templates for the next render of the same tag, and the clone until this process ends."""
    learnt: dict[tuple[str, str], Any] = {}
    learn_really = vars(Template)[name].func

    def learn_once(self: Template) -> Any:
        if self.ref is None:
            return learn_really(self)
        key = (self.url, self.ref)
        if key not in learnt:
            learnt[key] = learn_really(self)
            clone = getattr(self, "_temp_clone_path", None)
            if clone is not None:
                atexit.register(shutil.rmtree, clone, ignore_errors=True)
                self._temp_clone_path = None  # Or Copier would remove it after this render.
        return learnt[key]

    once = cached_property(learn_once)
    once.__set_name__(Template, name)
    setattr(Template, name, once)
