"""Models are found by where they are, so that no migration forgets one."""

import sys
from pathlib import Path

import pytest

import app
from app.kit.database.models import import_models


def test_models_of_every_package_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("gadgets", "without_models"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "gadgets/models.py").write_text("imported = True\n")
    (tmp_path / "module.py").write_text("raise RuntimeError('imported, but it is no package')\n")
    monkeypatch.setattr(app, "__path__", [*app.__path__, str(tmp_path)])
    with monkeypatch.context() as modules:
        for name in ("app.gadgets", "app.gadgets.models", "app.without_models"):
            modules.delitem(sys.modules, name, raising=False)
        import_models()
        assert sys.modules["app.gadgets.models"].imported
