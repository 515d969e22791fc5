"""Clients that are generated from a service's description of itself."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.harness.running.commands import run
from tests.harness.running.services import Service
from tests.harness.running.tools import node_modules

TYPESCRIPT_PACKAGES = ("openapi-typescript@7.13.0", "typescript@5.9.3")

_EXPORT = "import json; from app.asgi import app; print(json.dumps(app.openapi()))"

_CONFIGURATION = {
    # Lines of JSON are no type of which the generator knows how to read it.
    "content_type_overrides": {"application/jsonl": "application/octet-stream"},
    # It would format what it has written, by a program that need not be there.
    "post_hooks": [],
}


def description_of(service: Service, env: dict[str, str]) -> str:
    """What an installed service describes itself as, in JSON, without a server or a database."""
    return service.run(service.program("python"), "-c", _EXPORT, env=env).output.strip().splitlines()[-1]


class PythonClient:
    """A client made by openapi-python-client, which has no types here."""

    def __init__(self, description: str, folder: Path, package: str) -> None:
        """Generate and import it; fail if the generator warns of anything.

        Args:
            description: The service's description.
            folder: A folder that does not exist yet, for the package.
            package: What the package is called: no two of one process may have the same name.
        """
        folder.mkdir(parents=True)
        source, configuration = folder / "openapi.json", folder / "configuration.json"
        source.write_text(description, encoding="utf-8")
        configuration.write_text(json.dumps(_CONFIGURATION | {"package_name_override": package}), encoding="utf-8")
        generator = Path(sys.executable).with_name("openapi-python-client")
        self.output = run(
            *(generator, "generate", "--path", source, "--config", configuration, "--meta", "none"),
            *("--output-path", folder / package, "--fail-on-warning"),
            cwd=folder,
        ).output
        self.package = package
        sys.path.insert(0, str(folder))
        try:
            self._import("client")
            self._import("models")
            self._import("types")
        finally:
            sys.path.remove(str(folder))
        self.root = folder / package

    def models(self) -> set[str]:
        """The names of the classes of what is sent and received."""
        return set(self._import("models").__all__)

    def operations(self) -> dict[str, set[str]]:
        """The names of the functions, by tag."""
        api = self.root / "api"
        return {
            each.name: {file.stem for file in each.glob("*.py")} - {"__init__"}
            for each in api.iterdir()
            if each.is_dir() and each.name != "__pycache__"
        }

    def model(self, name: str) -> Any:
        """A class of what is sent and received."""
        return getattr(self._import("models"), name)

    def connect(self, url: str) -> Any:
        """An object to hand to :meth:`call`, which raises at a status that is not described."""
        return self._import("client").Client(base_url=url, raise_on_unexpected_status=True)

    def call(self, operation: str, *arguments: Any, **options: Any) -> Any:
        """Call an operation such as ``heroes.create_hero``; return its response, parsed and with its headers."""
        return self._import(f"api.{operation}").sync_detailed(*arguments, **options)

    def _import(self, module: str) -> ModuleType:
        return import_module(f"{self.package}.{module}")


def check_typescript(description: str, program: str, folder: Path, cache: Path) -> str:
    """Generate types by openapi-typescript and check a program that imports them from ``./api``; return the types.

    Args:
        description: The service's description.
        program: TypeScript.
        folder: A folder that does not exist yet.
        cache: Where the tools are kept between runs.

    Raises:
        MissingToolError: Node.js is not here, or the package index does not answer.
        CommandFailedError: The types cannot be generated, or the program does not fit them.
    """
    tools = node_modules(cache, *TYPESCRIPT_PACKAGES) / ".bin"
    folder.mkdir(parents=True)
    folder.joinpath("openapi.json").write_text(description, encoding="utf-8")
    folder.joinpath("program.ts").write_text(program, encoding="utf-8")
    output = run(tools / "openapi-typescript", "openapi.json", "--output", "api.d.ts", cwd=folder).output
    assert "⚠" not in output, output
    assert "warn" not in output.lower(), output
    run(tools / "tsc", "--noEmit", "--strict", "--target", "es2022", "--module", "preserve", "program.ts", cwd=folder)
    return folder.joinpath("api.d.ts").read_text(encoding="utf-8")
