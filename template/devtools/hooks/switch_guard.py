#!/usr/bin/env python3
"""Tells what a switch to another answer would cost, before `copier update --data ANSWER` makes it.

    switch_guard.py pool=null [more=answers] [--allow] [--answers-file NAME]

Copier deletes the files of an option that is switched off, also those that you have edited, and calls that a success.
So this renders the service as it was made and as it would be after the switch, compares what is committed with both,
and exits with 1 if edits of yours would be deleted or rewritten, with 2 if it cannot tell, else with 0.

Without answers it is the hook of a commit: it takes those that the commit would change, and exits with 1 only if edits
get deleted, because everybody sees in the diff what was rewritten.
"""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ANSWERS = ".copier-answers.yml"
"""What their file is called unless `copier copy --answers-file` named another."""

# Where a service has this script.
_ITSELF = "devtools/hooks/switch_guard.py"

# What is found in the answers of a service like this one, and not in those of other projects.
_OURS = re.compile(rb"^# sha256 of the answers:|^data_access:", re.MULTILINE)

Files = Mapping[str, str]
"""The paths of files and the ids that git gives to their contents."""

# A value goes on in lines that are indented or, within quotes, empty.
_ANSWER = re.compile(rb"^(\w+):.*\n?(?:(?: .*)?\n)*", re.MULTILINE)

_COLOURS = re.compile(r"\x1b\[[\d;]*m")

# The beginning of the last line of a traceback, after which comes what an exception says.
_EXCEPTION = re.compile(r"^[\w.]+: ", re.MULTILINE)

_WAY_OUT = "If you know better: SKIP=switch-guard git commit"


class CannotTellError(Exception):
    """Something is missing or refused, as the message says."""


@dataclass(frozen=True)
class Service:
    """A service in a working tree of git.

    Attributes:
        top: The root of the working tree.
        prefix: The service's folder below it, empty or ending with a slash.
        answers_file: The name of the file of answers in that folder.
    """

    top: Path
    prefix: str
    answers_file: str = ANSWERS

    @property
    def folder(self) -> Path:
        """Where Copier is started: a relative `_src_path` counts from here."""
        return self.top / self.prefix

    def answers(self, revision: str) -> bytes:
        """Return the file of answers in a commit, or in the index if the revision is empty.

        Raises:
            CannotTellError: The file is not there.
        """
        try:
            content = _git(self.top, "cat-file", "blob", f"{revision}:{self.prefix}{self.answers_file}")
        except CannotTellError as problem:
            raise CannotTellError(
                f"{self.answers_file} is not committed, so there is nothing to compare with."
            ) from problem
        return content.replace(b"\r\n", b"\n")

    def option(self) -> list[str]:
        """Return what tells Copier the name of the file, where it is another than Copier expects."""
        return [] if self.answers_file == ANSWERS else ["--answers-file", self.answers_file]

    def committed(self) -> Files:
        """Return the files in HEAD, relative to the service."""
        listed = _git(self.top, "ls-tree", "-r", "-z", f"HEAD:{self.prefix}").decode(errors="surrogateescape")
        entries = (entry.partition("\t") for entry in listed.split("\0") if entry)
        return {name: properties.split()[2] for properties, _, name in entries}

    def staged(self) -> set[str]:
        """Return the paths that the index holds, relative to the service."""
        listed = _git(self.top, "ls-files", "-z").decode(errors="surrogateescape").split("\0")
        return {name.removeprefix(self.prefix) for name in listed if name and name.startswith(self.prefix)}

    def rendered(self, *switch: str) -> tuple[Files, set[str]]:
        """Let Copier render the version in HEAD with the answers in HEAD, apart from a switch.

        Args:
            switch: Options of Copier that say what to answer instead.

        Returns:
            The files, without that of the answers, and the names of the questions that were answered.

        Raises:
            CannotTellError: Copier is not there or fails, and why.
        """
        with tempfile.TemporaryDirectory(prefix="switch-guard-") as folder:
            render = Path(folder).resolve()
            answers = render / self.answers_file
            answers.write_bytes(self.answers("HEAD"))
            copier_options = ("--quiet", "--defaults", "--overwrite", "--skip-tasks", "--vcs-ref=:current:")
            run_copier(["recopy", *copier_options, *self.option(), *switch, str(render)], self.folder)
            asked = set(_own_answers(answers.read_bytes()))
            paths = sorted(path for path in render.rglob("*") if path.is_file() and path != answers)
            stdin = "".join(f"{path}\n" for path in paths).encode(errors="surrogateescape")
            ids = _git(self.top, "hash-object", "--no-filters", "--stdin-paths", stdin=stdin).decode().split()
        names = [path.relative_to(render).as_posix() for path in paths]
        return dict(zip(names, ids, strict=True)), asked


@dataclass(frozen=True)
class Stakes:
    """What a switch does to the work of the service's owner; paths, sorted.

    Attributes:
        deleted: Edited files that are gone after the switch, edits included.
        rewritten: Edited files that the switch changes too, by a merge that may end in a conflict.
        stranded: Files of the owner in folders from which all others vanish.
        stays_deleted: Files that the owner has deleted and the switch would change: it does not bring them back.
    """

    deleted: list[str]
    rewritten: list[str]
    stranded: list[str]
    stays_deleted: list[str]


def stakes(before: Files, after: Files, committed: Files) -> Stakes:
    """Compare renders from before and after a switch with what is committed."""
    edited = {path for path, content in committed.items() if content != before.get(path)}
    changed = {path for path, content in after.items() if content not in {before.get(path), committed.get(path)}}
    vanishing = _folders(before) - _folders(after)
    return Stakes(
        deleted=sorted(edited & before.keys() - after.keys()),
        rewritten=sorted(edited & changed),
        stranded=sorted(path for path in edited - before.keys() - after.keys() if _folders([path]) & vanishing),
        stays_deleted=sorted(before.keys() & changed - committed.keys()),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what is at stake and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("answers", nargs="*", metavar="question=answer", help="what the switch is to")
    parser.add_argument("--allow", action="store_true", help="exit with 0 all the same: your edits are safe elsewhere")
    parser.add_argument("--answers-file", metavar="NAME", help="which of several files has the answers")
    options = parser.parse_args(arguments)
    try:
        if not options.answers:
            return _before_commit()
        return _before_switch(options.answers, allow=options.allow, answers_file=options.answers_file)
    except CannotTellError as problem:
        print(problem if options.answers else f"{problem}\n{_WAY_OUT}", file=sys.stderr)
        return 2


def _before_switch(answers: list[str], *, allow: bool, answers_file: str | None) -> int:
    for answer in answers:
        if not re.fullmatch(r"[A-Za-z]\w*=.*", answer, re.DOTALL):
            raise CannotTellError(f'"{answer}" is no answer to a question: write it like pool=null.')
    service = _service_around(Path.cwd(), answers_file)
    data = [word for answer in answers for word in ("--data", answer)]
    found = _stakes_of(service, data, {answer.partition("=")[0] for answer in answers})

    _list("The switch would DELETE these files, with your edits in them:", found.deleted)
    _list("The switch would REWRITE these files that you have edited, in a merge or a conflict:", found.rewritten)
    _mention(found)
    command = shlex.join(["uvx", "copier", "update", "--defaults", "--vcs-ref=:current:", *service.option(), *data])
    if not found.deleted and not found.rewritten:
        print(f"None of your edits is at stake. With a clean working tree, switch with:\n  {command}")
        return 0
    if allow:
        print(f"You allow that. With a clean working tree, switch with:\n  {command}")
        return 0
    print("Save these edits elsewhere, commit, and repeat this with --allow.")
    return 1


def _before_commit() -> int:
    services = _services_with_changed_answers(Path.cwd())
    return max((_before_commit_of(service) for service in services), default=0)


def _before_commit_of(service: Service) -> int:
    committed, staged = (_own_answers(service.answers(revision)) for revision in ("HEAD", ""))
    if staged == committed:
        return 0
    with tempfile.TemporaryDirectory(prefix="switch-guard-") as folder:
        data = Path(folder, "answers.yml")
        data.write_bytes(b"".join(staged.values()))
        found = _stakes_of(service, ["--data-file", str(data)], set())
    # What its owner has brought back is safe.
    deleted = sorted(set(found.deleted) - service.staged())

    _list("This commit would DELETE these files, with your edits in them, as it changes an answer:", deleted)
    _list("It rewrites these files, which you have edited too; look at them in the diff:", found.rewritten)
    _mention(found)
    if not deleted:
        return 0
    restore = shlex.join(["git", "checkout", "HEAD", "--", f"{service.prefix}{deleted[0]}"])
    print(f"To bring one back: {restore}\nTo let them go: SKIP=switch-guard git commit")
    return 1


def _stakes_of(service: Service, switch: Iterable[str], questions: set[str]) -> Stakes:
    if "_commit" not in _parse(service.answers("HEAD")):
        raise CannotTellError(f"{service.answers_file} has no _commit, so there is no version to compare with.")
    try:
        before, _ = service.rendered()
    except CannotTellError as problem:
        raise CannotTellError(f"The service cannot be rendered as it was made: {problem}") from problem
    try:
        after, asked = service.rendered(*switch)
    except CannotTellError as problem:
        raise CannotTellError(f"The switch is refused: {problem}") from problem
    if not questions <= asked:
        unknown, known = (", ".join(sorted(names)) for names in (questions - asked, asked))
        raise CannotTellError(f"There is no question {unknown}. The questions are: {known}.")
    return stakes(before, after, service.committed())


def run_copier(arguments: list[str], folder: Path) -> None:
    """Run Copier in a folder.

    Raises:
        CannotTellError: It is not there, or what it says when it fails.
    """
    programs = (("copier",), ("uvx", "copier"))
    program = next((words for words in programs if shutil.which(words[0])), None)
    if program is None:
        raise CannotTellError("Copier is not there: install uv, of which uvx is a part (pip install uv).")
    # During a commit git names its own folder and index to all that it starts, and Copier works on others.
    ours = set(_git(folder, "rev-parse", "--local-env-vars").decode().split())
    environment = {
        name: value for name, value in os.environ.items() if name not in ours or name.startswith("GIT_CONFIG")
    }
    finished = subprocess.run(
        [*program, *arguments],
        cwd=folder,
        env=environment,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if finished.returncode:
        raise CannotTellError(reason(finished.stdout.decode(errors="replace")))


def reason(output: str) -> str:
    """Return on one line why Copier failed: it often says so at the end of a traceback only."""
    text = _COLOURS.sub("", output)
    fatal = re.findall(r"fatal: .*", text)
    if fatal:
        return str(fatal[-1])
    if "Traceback" in text:
        return " ".join(_EXCEPTION.split(text)[-1].split())
    return " ".join(text.split()) or "Copier does not say why."


def _service_around(folder: Path, named: str | None) -> Service:
    """Return the service that a folder belongs to, with one of its files of answers if that is named."""
    roots = (each for each in (folder, *folder.parents) if each.joinpath(_ITSELF).is_file() or _answers_in(each))
    root = next(roots, folder)
    found = [name for name in _answers_in(root) if named in {None, name}]
    if not found:
        raise CannotTellError(f"There is no {named or 'file'} with the answers of this service in {root}.")
    if len(found) > 1:
        raise CannotTellError(f"There are {' and '.join(found)} in {root}: name one of them with --answers-file.")
    top, prefix = _git(root, "rev-parse", "--show-toplevel", "--show-prefix").decode().split("\n")[:2]
    if not _has_a_commit(root):
        raise CannotTellError("Nothing is committed yet, so there is nothing to compare with.")
    return Service(Path(top), prefix, found[0])


def _answers_in(folder: Path) -> list[str]:
    """Return the names of the files in a folder that hold the answers."""
    files = (file for end in ("yml", "yaml") for file in folder.glob(f"*.{end}"))
    return sorted(file.name for file in files if file.is_file() and _OURS.search(file.read_bytes()))


def _services_with_changed_answers(folder: Path) -> list[Service]:
    """Return those in or below a folder."""
    top = Path(_git(folder, "rev-parse", "--show-toplevel").decode().rstrip("\n"))
    if not _has_a_commit(folder):
        return []
    # A rename is listed with the letter and the two names, all else with the letter and the name.
    options = ("--cached", "--name-status", "--find-renames", "--no-relative", "--diff-filter=MR", "-z", "HEAD")
    listed = iter(_git(folder, "diff", *options, "--", "*.yml", "*.yaml").decode(errors="surrogateescape").split("\0"))
    services = []
    for status in filter(None, listed):
        before = next(listed)
        after = next(listed) if status.startswith("R") else before
        if not _OURS.search(_git(top, "cat-file", "blob", f"HEAD:{before}")):
            continue
        if before == after:
            services.append(_service_of(top, PurePosixPath(before)))
        elif status != "R100":
            raise CannotTellError(f"{before} has become {after}, and with other answers: commit the one first.")
    return services


def _service_of(top: Path, file: PurePosixPath) -> Service:
    """Return the service whose answers a file holds."""
    roots = [folder for folder in file.parents if top.joinpath(folder, _ITSELF).is_file()]
    if roots and roots[0] != file.parent:
        raise CannotTellError(f"{file}: the answers belong into {top / roots[0]} itself, to be guarded.")
    return Service(top, str(file).removesuffix(file.name), file.name)


def _has_a_commit(folder: Path) -> bool:
    try:
        _git(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    except CannotTellError:
        return False
    return True


def _git(folder: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    try:
        return subprocess.run(["git", *arguments], cwd=folder, input=stdin, check=True, capture_output=True).stdout
    except FileNotFoundError as problem:
        raise CannotTellError("git is not there, and what you have edited is seen by it.") from problem
    except subprocess.CalledProcessError as problem:
        raise CannotTellError(" ".join(problem.stderr.decode(errors="replace").split())) from problem


def _parse(answers: bytes) -> dict[str, bytes]:
    """Take the file apart without reading the values: what Copier understands stays its own affair."""
    return {answer[1].decode(): answer[0] for answer in _ANSWER.finditer(answers)}


def _own_answers(answers: bytes) -> dict[str, bytes]:
    """Return what was answered, without what Copier notes for itself."""
    return {name: text for name, text in _parse(answers).items() if not name.startswith("_")}


def _folders(paths: Iterable[str]) -> set[str]:
    return {str(folder) for path in paths for folder in PurePosixPath(path).parents}


def _mention(found: Stakes) -> None:
    _list("These files of yours stay behind in folders that vanish, so what they import may be gone:", found.stranded)
    _list("You have deleted these files, and the switch does not bring them back:", found.stays_deleted)


def _list(title: str, paths: list[str]) -> None:
    if paths:
        print("\n".join([title, *(f"  {path}" for path in paths)]))


if __name__ == "__main__":
    sys.exit(main())
