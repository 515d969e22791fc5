"""``poe variants`` shows every content of every file to tools that cannot read the template itself."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.harness.rendering import variants
from tests.harness.rendering.combinations import combinations
from tests.harness.rendering.packaging import packagings
from tests.harness.rendering.pairs import shown
from tests.harness.rendering.questions import ROOT, Answers
from tests.harness.rendering.variants import MARKER, RefusedFolderError, Render, arrange, check_folder, write
from tests.harness.running.commands import run

RUFF = Path(sys.executable).with_name("ruff")


@pytest.fixture(scope="module")
def renders(run_folder: Path) -> list[Render]:
    return variants.render_all(run_folder, processes=1)


@pytest.fixture(scope="module")
def written(renders: list[Render], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("variants")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(variants, "render_all", lambda _: renders)
        assert variants.main([str(folder)]) == 0
    return folder


def _leads_to(answers: Answers, name: str) -> bool:
    """Whether a folder with this name is for these answers, as a person reads it."""
    return name == "common" or any(
        all(shown(answers[question]) in choices.split("+") for question, _, choices in parts)
        for parts in ([part.partition("=") for part in way.split(",")] for way in name.split("_or_"))
    )


def _tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_combination_and_packaging_is_rendered(renders: list[Render]) -> None:
    for wanted in [each.answers for each in combinations()] + [each.answers for each in packagings()]:
        assert any(wanted.items() <= answers.items() for answers, _ in renders)


def test_each_file_stands_where_its_answers_lead_to(renders: list[Render], written: Path) -> None:
    contents = {name.name: _tree(name) for name in written.iterdir() if name.is_dir()}
    for answers, files in renders:
        found = [file for name, tree in contents.items() if _leads_to(answers, name) for file in tree.items()]
        # Each of them once, with the same bytes, and no other ones.
        assert sorted(found) == sorted(files.items())


def test_each_content_of_a_file_stands_in_one_folder(written: Path) -> None:
    found = [(path.partition("/")[2], content) for path, content in _tree(written).items() if "/" in path]
    assert len({*found}) == len(found)


def test_names_are_those_that_a_maintainer_expects(written: Path) -> None:
    for name in (
        "common/src/app/kit/logs.py",
        "driver=asyncpg,pool=null/src/app/kit/database/driver.py",
        "driver=asyncpg+psycopg/docs/scaling.md",
        "pool=pgbouncer/src/app/kit/database/engine.py",
        "driver=asyncpg+psycopg,pool=queue+null/src/app/kit/database/engine.py",
        "pool=queue+pgbouncer/src/app/kit/database/pool_settings.py",
        "data_access=direct,keys=bigint,auth=none,example=true/src/app/heroes/endpoints.py",
        "license=Proprietary/LICENSE",
        "ci=gitlab,python_version=3.11,driver=asyncpg+psycopg/.gitlab-ci.yml",
        "license=MIT,python_version=3.11,driver=asyncpg,keys=bigint,auth=none/pyproject.toml",
    ):
        assert written.joinpath(name).is_file(), name


def test_ruff_finds_nothing_in_them_and_what_is_wrong(written: Path) -> None:
    """With the rules of the services, their exceptions for some paths included."""
    wrong = written / "common/src/app/kit/wrong.py"
    wrong.write_text('"""Wrong."""\n\nimport app.kit\nimport pydantic\n\nassert app.kit, pydantic\n', encoding="utf-8")
    try:
        found = run(RUFF, "check", "--no-cache", "--output-format=concise", written, cwd=written, expected=1).output
    finally:
        wrong.unlink()
    # The second one knows that `app` is the service's own. There are no others.
    assert "S101" in found, found
    assert "I001" in found, found
    assert "Found 2 errors" in found, found


def _arranged(*renders: tuple[Answers, str | None]) -> dict[str, str]:
    """Where the contents of one file come to stand."""
    files: list[Render] = [(answers, {} if text is None else {"a.py": text.encode()}) for answers, text in renders]
    return {path.removesuffix("/a.py"): content.decode() for path, content in arrange(files).items()}


def _grid(text_of: dict[tuple[str, str], str | None]) -> list[tuple[Answers, str | None]]:
    return [({"driver": driver, "pool": pool}, text) for (driver, pool), text in text_of.items()]


def test_what_is_the_same_everywhere_is_common() -> None:
    assert _arranged(*_grid({("a", "x"): "1", ("b", "x"): "1"})) == {"common": "1"}


def test_a_file_that_is_missing_somewhere_is_not_common() -> None:
    assert _arranged(*_grid({("a", "x"): "1", ("b", "x"): None})) == {"driver=a": "1"}


def test_choices_with_the_same_content_are_joined() -> None:
    assert _arranged(*_grid({("a", "x"): "1", ("b", "x"): "2", ("c", "x"): "1"})) == {
        "driver=a+c": "1",
        "driver=b": "2",
    }


def test_needless_answers_are_left_out_of_a_name() -> None:
    texts: dict[tuple[str, str], str | None] = {(driver, pool): "1" for driver in "ab" for pool in "xy"}
    texts |= {("a", "z"): "2", ("b", "z"): "2", ("c", "x"): "3", ("c", "y"): "3"}
    assert _arranged(*_grid(texts)) == {"driver=a+b,pool=x+y": "1", "pool=z": "2", "driver=c": "3"}


def test_answers_that_cannot_be_joined_are_alternatives() -> None:
    texts: dict[tuple[str, str], str | None] = {("a", "x"): "1", ("b", "y"): "1", ("a", "y"): "2", ("b", "x"): "2"}
    assert _arranged(*_grid(texts)) == {
        "driver=a,pool=x_or_driver=b,pool=y": "1",
        "driver=a,pool=y_or_driver=b,pool=x": "2",
    }


def test_true_and_false_are_written_as_on_the_command_line() -> None:
    assert _arranged(({"example": True}, "1"), ({"example": False}, None)) == {"example=true": "1"}


def test_what_was_written_before_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "variants"
    write(folder, {"common/a.py": b"1", "pool=null/b/c.py": b"2"})
    folder.joinpath("common/.cache").write_text("of a tool", encoding="utf-8")
    write(folder, {"common/a.py": b"3"})
    tree = _tree(folder)
    assert json.loads(tree.pop(MARKER)) == ["common/a.py"]
    assert tree == {"common/a.py": b"3", "common/.cache": b"of a tool"}
    assert not folder.joinpath("pool=null").exists()


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    write(tmp_path, {"common/a.py": b"1"})
    assert tmp_path.joinpath("common/a.py").read_bytes() == b"1"


@pytest.mark.parametrize("marker", [None, "not JSON", '["../elsewhere"]'])
def test_a_folder_with_something_else_is_refused(
    marker: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    folder.joinpath("notes.txt").write_text("Mine", encoding="utf-8")
    tmp_path.joinpath("elsewhere").write_text("Mine too", encoding="utf-8")
    if marker is not None:
        folder.joinpath(MARKER).write_text(marker, encoding="utf-8")
    before = _tree(tmp_path)
    assert variants.main([str(folder)]) == 1
    said = capsys.readouterr()
    assert said.err.startswith(str(folder))
    assert said.err.endswith(": nothing was written.\n")
    assert said.err.count("\n") == 1
    assert _tree(tmp_path) == before


def test_a_file_and_the_template_itself_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("Mine", encoding="utf-8")
    assert variants.main([str(file)]) == 1
    with pytest.raises(RefusedFolderError, match=r"is a part of the template: nothing was written\.$"):
        check_folder(ROOT / "template" / "variants")
    assert file.read_text(encoding="utf-8") == "Mine"


@pytest.mark.parametrize("name", ["common/a.py", "common"])
def test_a_file_in_the_place_of_a_new_one_is_not_overwritten(name: str, tmp_path: Path) -> None:
    write(tmp_path, {"pool=null/a.py": b"1"})
    tmp_path.joinpath(name).parent.mkdir(exist_ok=True)
    tmp_path.joinpath(name).write_text("Mine", encoding="utf-8")
    before = _tree(tmp_path)
    with pytest.raises(RefusedFolderError, match=r"which this command has not written: nothing was written\.$"):
        write(tmp_path, {"common/a.py": b"2"})
    assert _tree(tmp_path) == before
