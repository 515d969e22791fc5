"""The releases of the generators, and the Python that their projects run on."""

from tests.harness.interpreters import find_interpreter

S3RIUS = "fastapi_template==6.1.2"
S3RIUS_FASTAPI = "fastapi==0.136.3"
"""Newer ones, which the generated project allows, do not work with the instrumentator for Prometheus that it allows."""

FULLSTACK = "fastapi-fullstack==0.2.21"

PYTHON_VERSIONS = ("3.13", "3.12")
"""What the projects of both support, the newer one first, which one of them has in its image."""


class PythonMissingError(RuntimeError):
    """None of the versions is installed."""


def find_python() -> str:
    """Where the first of these versions is that is installed. Raises PythonMissingError."""
    for version in PYTHON_VERSIONS:
        interpreter = find_interpreter(version)
        if interpreter is not None:
            return interpreter
    raise PythonMissingError(f"The peers need one of Python {', '.join(PYTHON_VERSIONS)}, and none is installed.")
