"""Copier's own command line, in this process: another one would take seconds to compile the same snippets."""

from __future__ import annotations

import io
import os
import traceback
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

from copier._cli import CopierApp
from plumbum import local

from tests.harness.running.commands import Result


def run_copier(words: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> Result:
    """Run ``copier`` with some arguments in a folder, and with further variables in its environment."""
    printed = io.StringIO()
    with ExitStack() as shell:
        # The one is for what Copier starts, the other for Copier itself.
        shell.enter_context(local.env(**(environment or {})))
        shell.enter_context(patch.dict(os.environ, environment or {}))
        shell.enter_context(local.cwd(folder))
        shell.enter_context(chdir(folder))
        shell.enter_context(redirect_stdout(printed))
        shell.enter_context(redirect_stderr(printed))
        try:
            _, exit_code = CopierApp.run(["copier", *words], exit=False)
        except Exception:
            # As the interpreter does with what nobody catches.
            traceback.print_exc()
            exit_code = 1
    return Result(printed.getvalue(), exit_code)
