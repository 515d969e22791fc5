"""Copier renders this template hundreds of times in one run, from the same commit and with the same Jinja snippets."""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import shutil
import tempfile
from contextlib import suppress
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import jinja2
import yaml
from copier import _main, _vcs
from copier._template import Template

_LEARNT_FROM_GIT = ("local_abspath", "commit", "commit_hash", "version", "git_index_modes")
"""What Copier asks git about a template; the first of them makes a clone."""

KEPT_RENDERS = 400
"""How many renders a run keeps: folders of some 2 MB each."""

_RENDERS = "TEMPLATE_TESTS_RENDERS"


@cache
def make_copier_quicker() -> None:
    """Do once what Copier does for every render: compile snippets, clone the template, ask git about the clone.

    And spare it from rendering the names of files that have no Jinja in them, each of which takes a new context, from
    rendering twice what is the same, as an update renders the old release and the new one beside the service, and from
    asking git what is known.

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
    _render_once()
    _ask_git_less()
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


def _render_once() -> None:
    """Copy what was rendered before from the same commit, with the same answers, into a folder that is empty."""
    worker = _main.Worker
    render_really = worker._render_template  # noqa: SLF001
    kept = _folder_of_renders()

    def render_once(self: _main.Worker) -> None:
        folder = self.dst_path
        without_history = self.template.commit_hash is None
        if self.pretend or without_history or (folder.exists() and any(folder.iterdir())):
            render_really(self)
            return
        render = kept / hashlib.sha256(_what_a_render_depends_on(self).encode()).hexdigest()
        if render.exists():
            shutil.copytree(render, folder, symlinks=True, dirs_exist_ok=True)
            return
        render_really(self)
        if folder.exists() and sum(1 for _ in kept.iterdir()) < KEPT_RENDERS:
            with suppress(OSError):  # Another process was first.
                unfinished = Path(tempfile.mkdtemp(dir=kept))
                shutil.copytree(folder, unfinished, symlinks=True, dirs_exist_ok=True)
                unfinished.rename(render)

    worker._render_template = render_once  # type: ignore[method-assign]  # noqa: SLF001


def _folder_of_renders() -> Path:
    """One folder for all processes of a run, made and removed by the first of them."""
    if _RENDERS not in os.environ:
        folder = tempfile.mkdtemp(prefix="template-renders-")
        os.environ[_RENDERS] = folder
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(os.environ[_RENDERS])


def _what_a_render_depends_on(worker: _main.Worker) -> str:
    """All that the template's files can ask for, but for the path of the service, which they must not."""
    context = worker._render_context()  # noqa: SLF001
    asked_for = {name: context[name] for name in context if name not in {"_copier_conf", "_folder_name"}}
    asked_for["_external_data"] = dict(asked_for["_external_data"])
    about = (
        *(worker.template.url, worker.template.commit_hash, str(worker.answers_relpath)),
        *(worker.all_exclusions, worker.all_skip_if_exists, _main._operation.get()),  # noqa: SLF001
    )
    return json.dumps([asked_for, about], sort_keys=True, default=str)


def _ask_git_less() -> None:
    """A folder is no bundle of git's, and is the root of a repository only if it has ``.git`` in it.

    Copier asks for both a dozen times in an update, with a new repository to ask from for each.
    """
    is_bundle_really, is_root_really = _vcs.is_git_bundle, _vcs.is_git_repo_root
    known: set[Path] = set()

    def is_bundle(path: Path) -> bool:
        return not path.is_dir() and is_bundle_really(path)

    def is_root(path: str | Path) -> bool:
        folder = Path(path)
        if not folder.joinpath(".git").exists():
            return False
        if folder in known:
            return True
        if is_root_really(path):
            known.add(folder)
            return True
        return False

    _vcs.is_git_bundle, _vcs.is_git_repo_root = is_bundle, is_root


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
