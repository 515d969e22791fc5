"""The last section of a run that failed: what, why, and how to repeat it, on one screen."""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.harness.running.steps import step_of, suite_of

SCREEN = 40
"""Lines that the section has at most."""

IN_FULL = 3
"""Failures that are told in full, however many others there are."""

NAMED = 4
"""Of tests that fail in the same way, how many are named."""

DECIDING_OPTIONS = {
    "--combination": None,
    "--only": None,
    "--every-switch": False,
    "--every-coverage": False,
    "--every-suite": False,
    "--every-server": False,
    "--hostile-examples": None,
    "--faults-minutes": 0,
    "--faults-seed": 1,
}
"""The options that decide which tests there are and what they do, with their defaults."""

_TEST = re.compile(r"\S+\.py::.*?(?= - |$)")
"""The test of a service, in front of what is wrong with it."""

_DIFFERS = re.compile(r"(?<![\w.*])/\S*/|\b[0-9a-f]{8,}\b|\b\d+(?:\.\d+)? ?m?s\b|\b\d{4,}\b")
"""What differs from test to test without being another reason: folders, random names, times, ports."""


@dataclass
class Failure:
    """Something that failed.

    Attributes:
        nodeid: The test, or the module that could not be collected; empty if it is the run itself.
        reasons: What is wrong, the first line first.
        when: In what phase of the test, where that is not its call.
        taken_over: The combinations whose failure this one is, if it is none of its own.
        later: What failed in later phases of the same test.
    """

    nodeid: str
    reasons: list[str]
    when: str = ""
    taken_over: tuple[str, ...] = ()
    later: list[str] = field(default_factory=list)

    @property
    def member(self) -> str:
        """What distinguishes it from others of the same kind."""
        combination, _ = step_of(self.nodeid)
        return combination or self.nodeid.partition("[")[2].removesuffix("]") or short(self.nodeid)

    @property
    def title(self) -> str:
        """Combination and step, or module and test."""
        where = "  ".join(step_of(self.nodeid)) if step_of(self.nodeid)[0] else short(self.nodeid)
        return f"{where or 'the run'}{f' ({self.when})' if self.when else ''}"

    @property
    def kind(self) -> tuple[str, ...]:
        """What is equal for all that fail in the same way."""
        if not self.nodeid:
            return "", *self.reasons
        parameters = self.nodeid.partition("[")[2].removesuffix("]")
        names = [name for name in (self.member, parameters) if name]
        told = [*self.reasons]
        for name in names:
            told = [re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "*", reason) for reason in told]
        return self.nodeid.partition("[")[0], self.when, *(_DIFFERS.sub("*", reason) for reason in told)


@dataclass(frozen=True)
class Told:
    """What is said of all that failed in the same way.

    Attributes:
        title: Combination and step, or module and test, of the first.
        reasons: What is wrong with it.
        others: What distinguishes those that failed like it.
        command: The line that repeats the first alone.
    """

    title: str
    reasons: list[str]
    others: list[str]
    command: str

    def lines(self, width: int) -> list[str]:
        """The same for a terminal."""
        lines = [self.title, *(f"    {reason}" for reason in self.reasons)]
        if self.others:
            names = ", ".join(self.others[:NAMED])
            lines.append(
                f"    the same in {len(self.others)} more: {names}{', ...' if len(self.others) > NAMED else ''}"
            )
        return [*(cut(line, width) for line in lines), f"    $ {self.command}"]


def short(nodeid: str) -> str:
    """A test without what all have in common."""
    path, _, name = nodeid.partition("::")
    return f"{path.removeprefix('tests/').removesuffix('.py')} {name.replace('::', ' ')}".rstrip()


def cut(text: str, width: int) -> str:
    """As much of a line as there is room for."""
    return text if len(text) <= width else f"{text[: width - 3]}..."


def deciding_arguments(option: Any) -> list[str]:
    """The arguments of this run without which a test may not be there or may do something else."""
    arguments = []
    for name, default in DECIDING_OPTIONS.items():
        value = getattr(option, name.removeprefix("--").replace("-", "_"), default)
        if value != default:
            arguments += [name] if value is True else [name, str(value)]
    return arguments


def command_to_repeat(nodeid: str, arguments: Sequence[str]) -> str:
    """The line that repeats a test alone, or the run."""
    return shlex.join(["uv", "run", "pytest", *(["-n0", nodeid] if nodeid else []), *arguments])


class Failures:
    """What failed in a run.

    Args:
        arguments: What the command that repeats a test must have in addition to its name.
    """

    def __init__(self, arguments: Sequence[str] = ()) -> None:
        self._arguments = arguments
        self._of_tests: dict[str, Failure] = {}
        self._of_the_run: list[Failure] = []

    def __len__(self) -> int:
        return len(self._of_tests) + len(self._of_the_run)

    def add(self, failure: Failure) -> None:
        """Take note of a failure. Of a test the first is what is told, in front of what followed from it."""
        if not failure.nodeid:
            self._of_the_run.append(failure)
        elif failure.nodeid in self._of_tests:
            first = self._of_tests[failure.nodeid]
            first.later.append(f"({failure.when or 'call'}) {failure.reasons[0]}")
        else:
            self._of_tests[failure.nodeid] = failure

    def first_reason(self, nodeid: str) -> str:
        """The first line that says what is wrong with a test, if anything is."""
        failure = self._of_tests.get(nodeid)
        return failure.reasons[0] if failure else ""

    def mention(self, text: str) -> bool:
        """Whether the reason of some failure holds a text."""
        return any(text in reason for failure in self._of_tests.values() for reason in failure.reasons)

    def lines(self, width: int) -> list[str]:
        """The section, its heading not included."""
        groups = self._groups()
        blocks = [self._told(group).lines(width) for group in groups]
        in_full = len(blocks)
        while in_full > IN_FULL and sum(map(len, blocks[:in_full])) + len(blocks) - in_full > SCREEN - 1:
            in_full -= 1
        lines = [line for block in blocks[:in_full] for line in block]
        rest = groups[in_full:]
        room = SCREEN - 1 - len(lines)
        shown = rest if len(rest) <= room else rest[: room - 1]
        for first, *others in shown:
            more = f" (and {len(others)} more)" if others else ""
            lines.append(cut(f"{first.title}{more}: {first.reasons[0]}", width))
        hidden = sum(map(len, rest[len(shown) :]))
        return [*lines, *([f"and {hidden} more, see above"] if hidden else [])]

    def told(self) -> list[Told]:
        """All of it, those of one kind together, the largest group first."""
        return [self._told(group) for group in self._groups()]

    def _groups(self) -> list[list[Failure]]:
        """Those of one kind together, the largest group first. What was taken over follows what it was taken from."""
        groups: defaultdict[tuple[str, ...], list[Failure]] = defaultdict(list)
        kinds: dict[tuple[str, str], tuple[str, ...]] = {}
        # The first is repeated, so it must not be one whose failure happened elsewhere.
        for failure in sorted([*self._of_tests.values(), *self._of_the_run], key=lambda each: bool(each.taken_over)):
            test = failure.nodeid.partition("[")[0]
            origins = (kinds[test, other] for other in failure.taken_over if (test, other) in kinds)
            kind = next(origins, failure.kind)
            kinds[test, failure.member] = kind
            groups[kind].append(failure)
        return sorted(groups.values(), key=len, reverse=True)

    def _told(self, group: list[Failure]) -> Told:
        first, *others = group
        reasons = [*first.reasons, *first.later[:1]]
        return Told(first.title, reasons, [failure.member for failure in others], self._command(first))

    def _command(self, failure: Failure) -> str:
        """The line that repeats no more than what failed first."""
        combination, step = step_of(failure.nodeid)
        test = _TEST.match(failure.reasons[0])
        if test is None or step != suite_of(test[0]):
            return command_to_repeat(failure.nodeid, self._arguments)
        return command_to_repeat("", ["--combination", combination, "--only", test[0]])
