"""Models are found by where they are, so that no migration forgets one."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import app
from app.kit.database.models import import_models
from app.kit.database.sessions import open_database
from kit_tests.support.suite import MakeSettings


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder whose packages are the application's for the time of the test."""
    for package in ("gadgets", "without_models", "areas", "areas/stock", "areas/stock/models"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("imported = True\n")
    (tmp_path / "gadgets/models.py").write_text("imported = True\n")
    (tmp_path / "module.py").write_text("raise RuntimeError('imported, but it is no package')\n")
    monkeypatch.setattr(app, "__path__", [*app.__path__, str(tmp_path)])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith(("app.gadgets", "app.without_models", "app.areas")):
            del sys.modules[name]
            vars(app).pop(name.split(".")[1], None)


@pytest.mark.usefixtures("packages")
def test_models_of_every_package_are_found() -> None:
    import_models()
    assert sys.modules["app.gadgets.models"].imported
    assert sys.modules["app.areas.stock.models"].imported


@pytest.mark.usefixtures("packages")
async def test_models_are_imported_before_a_database_is_used(make_settings: MakeSettings) -> None:
    async with open_database(make_settings()):
        assert "app.gadgets.models" in sys.modules


@pytest.mark.parametrize("file", ["gadgets/models.py", "gadgets/__init__.py", "areas/stock/__init__.py"])
def test_models_that_cannot_be_imported_are_not_passed_over(packages: Path, file: str) -> None:
    (packages / file).write_text("import no_such_module_anywhere\n")
    with pytest.raises(ModuleNotFoundError, match="no_such_module_anywhere"):
        import_models()
