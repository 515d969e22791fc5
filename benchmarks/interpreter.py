"""The Python that every contender runs on."""

from collections.abc import Sequence

from tests.harness.running.interpreters import find_interpreter

VERSIONS = ("3.13", "3.12")
"""What the template and the other generators support, the newer one first."""


class PythonMissingError(RuntimeError):
    """None of the versions is installed."""


def find_python(versions: Sequence[str]) -> str:
    """Where the first of the versions is that is installed. Raises PythonMissingError."""
    for version in versions:
        interpreter = find_interpreter(version)
        if interpreter is not None:
            return interpreter
    raise PythonMissingError(f"The contenders need one of Python {', '.join(versions)}, and none is installed.")
