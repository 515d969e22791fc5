"""The settings of this service, and `.env.example`, which shows all of them."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest

from app.settings import Settings, load_settings
from kit_tests.support.migrations import ROOT

# What compose.yaml alone reads is no setting.
_PARTS: Final = re.split(r"^(?=# --- )", (ROOT / ".env.example").read_text(), flags=re.MULTILINE)
EXAMPLE: Final = "".join(part for part in _PARTS if not part.startswith("# --- Read by compose.yaml alone ---"))


def test_every_setting_is_in_the_example() -> None:
    shown = set(re.findall(r"^#?([A-Z][A-Z0-9_]*)=", EXAMPLE, re.MULTILINE))
    settings = {name.upper() for name in Settings.model_fields}
    missing, unknown = sorted(settings - shown), sorted(shown - settings)
    assert not missing, f"Add to .env.example what a value looks like: {', '.join(f'{name}=' for name in missing)}"
    assert not unknown, f"Remove from .env.example, because app.settings does not have it: {', '.join(unknown)}"


def test_example_shows_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = dict(re.findall(r"^#?([A-Z][A-Z0-9_]*)(=.*)$", EXAMPLE, re.MULTILINE))

    def settings_of(names: Iterable[str]) -> Settings:
        (tmp_path / ".env").write_text("".join(f"{name}{lines[name]}\n" for name in names))
        return load_settings()

    shown = settings_of(lines)
    defaults = settings_of(name for name in lines if Settings.model_fields[name.lower()].is_required())
    differing = [name for name in lines if getattr(shown, name.lower()) != getattr(defaults, name.lower())]
    assert not differing, f"Let .env.example show the defaults of {', '.join(differing)}."
