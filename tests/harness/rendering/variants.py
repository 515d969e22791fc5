"""Every content that a file of a service can have, once, in a folder that editors and linters can read.

``poe variants FOLDER`` writes it: what is the same in every render into ``common``, and all else into folders named
after the answers that lead to it, such as ``driver=asyncpg+psycopg,pool=null``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.harness.rendering.classes import CLASSES
from tests.harness.rendering.combinations import combinations
from tests.harness.rendering.content import files
from tests.harness.rendering.memory import keep_temporary_files_in_memory
from tests.harness.rendering.packaging import packagings
from tests.harness.rendering.pairs import shown
from tests.harness.rendering.questions import ROOT, Answers, Choice, questions
from tests.harness.rendering.template import Template

COMMON = "common"

MARKER = ".variants.json"
"""Lists what the command has written, which is all that it ever removes."""

Render = tuple[Answers, Mapping[str, bytes]]
"""All answers to questions with choices, and the files that they lead to."""

Row = tuple[Choice, ...]
Box = list[list[Choice]]
"""For each of some questions the choices that lead to a content, in any mixture."""


class RefusedFolderError(Exception):
    """The folder holds something else."""


def all_answers() -> list[tuple[Answers, Answers]]:
    """Of each combination and each packaging: what is answered, and that with the defaults of what is left out.

    And each choice of what surrounds the code by itself: packagings change several of these answers together, from
    which it cannot be told which of them a file depends on.
    """
    asked = questions()
    defaults = {question.name: question.choices[0] for question in asked.values() if question.choices}
    by_themselves: list[Answers] = [{name: choice} for name in CLASSES.surrounds for choice in asked[name].choices]
    given = [each.answers for each in combinations()] + [each.answers for each in packagings()] + by_themselves
    complete = [defaults | each for each in given]
    return [pair for number, pair in enumerate(zip(given, complete, strict=True)) if pair[1] not in complete[:number]]


def arrange(renders: Sequence[Render]) -> dict[str, bytes]:
    """Where to find which content: each one of a file stands in one folder."""
    arranged = {}
    for path in sorted({path for _, contents in renders for path in contents}):
        found = [contents.get(path) for _, contents in renders]
        for content in dict.fromkeys(found):
            if content is not None:
                folder = COMMON if len({*found}) == 1 else _name([answers for answers, _ in renders], found, content)
                arranged[f"{folder}/{path}"] = content
    return arranged


def _name(answers: Sequence[Answers], found: Sequence[bytes | None], wanted: bytes) -> str:
    """Name the answers that lead to one of the contents which were found."""
    names = _deciding(answers, found)
    rows = [tuple(each[name] for name in names) for each in answers]
    mine = dict.fromkeys(row for row, content in zip(rows, found, strict=True) if content == wanted)
    others = {*rows} - mine.keys()
    order = [[*dict.fromkeys(column)] for column in zip(*rows, strict=True)]
    boxes = []
    while mine:
        box = _box(mine, others)
        mine = dict.fromkeys(row for row in mine if not _holds(box, row))
        box = [sorted(choices, key=known.index) for choices, known in zip(box, order, strict=True)]
        boxes.append(_written(names, box, others))
    return "_or_".join(boxes)


def _deciding(answers: Sequence[Answers], found: Sequence[bytes | None]) -> tuple[str, ...]:
    """As few questions as it takes to tell from their answers which of the contents a file has."""
    for size in range(len(answers[0]) + 1):
        for names in itertools.combinations(answers[0], size):
            content_of: dict[Row, bytes | None] = {}
            rows = (tuple(each[name] for name in names) for each in answers)
            if all(content_of.setdefault(row, content) == content for row, content in zip(rows, found, strict=True)):
                return names
    raise ValueError("the same answers lead to different files")


def _holds(box: Box, row: Row) -> bool:
    return all(choice in choices for choice, choices in zip(row, box, strict=True))


def _box(mine: Iterable[Row], others: Iterable[Row]) -> Box:
    """Join the first row with others that lead to the same content, as long as nothing else is among them."""
    first, *further = mine
    box: Box = [[choice] for choice in first]
    for row in further:
        wider = [choices if choice in choices else [*choices, choice] for choice, choices in zip(row, box, strict=True)]
        if not any(_holds(wider, other) for other in others):
            box = wider
    return box


def _written(names: Sequence[str], box: Box, others: Iterable[Row]) -> str:
    """Leave out the questions that the other ones make needless, if every mixture of their answers is known."""
    needed = [*range(len(names))]
    for column in [*needed] if CLASSES.multiplies.keys() >= {*names} else []:
        fewer = [each for each in needed if each != column]
        if fewer and not any(all(other[each] in box[each] for each in fewer) for other in others):
            needed = fewer
    return ",".join(f"{names[each]}={'+'.join(shown(choice) for choice in box[each])}" for each in needed)


def ruff_configuration(arranged: Mapping[str, bytes]) -> str:
    """The configuration of the services, whose paths begin one folder further down here."""
    path = next(path for path in arranged if path.endswith("/pyproject.toml") and path.count("/") == 1)
    service = tomllib.loads(arranged[path].decode())["tool"]["ruff"]
    ignored = service["lint"]["per-file-ignores"]
    return "\n".join(
        [
            f"extend = {json.dumps(path)}",
            f"src = {json.dumps([os.path.normpath(f'*/{folder}') for folder in service['src']])}",
            "[lint.extend-per-file-ignores]",
            *(f"{json.dumps(f'*/{pattern}')} = {json.dumps(rules)}" for pattern, rules in ignored.items()),
            "",
        ]
    )


def write(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write files in the place of those that were written here before.

    Raises:
        RefusedFolderError: Something else is there. Nothing has been written.
    """
    before = check_folder(folder)
    for name in contents:
        ways = [folder / name, *(folder / parent for parent in Path(name).parents[:-1])]
        if (name not in before and ways[0].exists()) or any(way.is_file() for way in ways[1:]):
            raise RefusedFolderError(f"{folder} holds {name}, which this command has not written: nothing was written.")
    folder.mkdir(parents=True, exist_ok=True)
    # Whoever is interrupted can go on.
    _mark(folder, {*before, *contents})
    for name in before - contents.keys():
        (folder / name).unlink(missing_ok=True)
        for parent in (folder / name).parents:
            if parent == folder or not parent.is_dir() or any(parent.iterdir()):
                break
            parent.rmdir()
    for name, content in contents.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    _mark(folder, {*contents})


def check_folder(folder: Path) -> set[str]:
    """Return what this command has written to a folder, and refuse one that holds something else."""
    if folder.resolve().is_relative_to(ROOT / "template"):
        raise RefusedFolderError(f"{folder} is a part of the template: nothing was written.")
    if not folder.exists():
        return set()
    try:
        names = {str(name) for name in json.loads((folder / MARKER).read_text(encoding="utf-8"))}
    except (OSError, ValueError):
        if folder.is_dir() and not any(folder.iterdir()):
            return set()
        raise RefusedFolderError(f"{folder} holds something else: nothing was written.") from None
    if not all((folder / name).resolve().is_relative_to(folder.resolve()) for name in names):
        raise RefusedFolderError(f"{folder / MARKER} names files elsewhere: nothing was written.")
    return names


def _mark(folder: Path, names: set[str]) -> None:
    (folder / MARKER).write_text(json.dumps(sorted(names), indent=0) + "\n", encoding="utf-8")


def read(folder: Path) -> dict[str, bytes]:
    """The files of a render."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files(folder)}


def _keep_temporary_files_in(folder: str) -> None:
    tempfile.tempdir = folder


def _render(run_folder: Path, answers: Answers) -> Path:
    return Template(run_folder).render(answers)


def render_all(run_folder: Path, processes: int | None = None) -> list[Render]:
    """Render everything, on all CPUs unless told otherwise: each process has to import and compile anew."""
    every = all_answers()
    _ = Template(run_folder).repository
    # Processes of a pool leave their clones behind.
    with (
        tempfile.TemporaryDirectory(prefix="clones-", dir=run_folder) as clones,
        ProcessPoolExecutor(
            processes or os.cpu_count(), multiprocessing.get_context("spawn"), _keep_temporary_files_in, (clones,)
        ) as pool,
    ):
        folders = [*pool.map(_render, itertools.repeat(run_folder), [given for given, _ in every])]
    return [(complete, read(folder)) for (_, complete), folder in zip(every, folders, strict=True)]


def main(arguments: Sequence[str]) -> int:
    """Write the folder that the command line names."""
    parser = argparse.ArgumentParser(prog="poe variants", description="Write every content of every file, once.")
    parser.add_argument("folder", type=Path, help="a new or empty folder, or one that was written so before")
    folder: Path = parser.parse_args(arguments).folder
    started = time.perf_counter()
    keep_temporary_files_in_memory()
    try:
        check_folder(folder)
        with tempfile.TemporaryDirectory(prefix="template-variants-") as run_folder:
            renders = render_all(Path(run_folder))
        arranged = arrange(renders)
        write(folder, {**arranged, "ruff.toml": ruff_configuration(arranged).encode()})
    except RefusedFolderError as refusal:
        print(refusal, file=sys.stderr)
        return 1
    every = len({path.partition("/")[2] for path in arranged})
    common = sum(path.startswith(f"{COMMON}/") for path in arranged)
    seconds = time.perf_counter() - started
    print(
        f"{folder}: {every} files of {len(renders)} renders. {common} are the same in each, and there are "
        f"{len(arranged) - common} variants of the other {every - common}. It took {seconds:.0f} s."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
