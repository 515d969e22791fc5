"""What is wrong, in a line or a few, out of the whole text of a failure."""

from __future__ import annotations

import re

SHOWN_TESTS = 3
"""Failed tests of a suite that are named; the others are counted."""

_COMMAND = re.compile(
    r"the command (?P<ending>(?:exited|was killed).*?) after [\d.]+ s\. To repeat it:\n\n.*?\n\n(?P<output>.*)",
    re.DOTALL,
)
"""The message of a CommandFailedError."""

_COLOUR = re.compile(r"\x1b\[[\d;]*m")

_FAILED_TEST = re.compile(r"^(FAILED|ERROR) (?P<test>\S+\.py\b(?:::.+?)?)(?: - (?P<reason>.*))?$", re.MULTILINE)

_RUFF = re.compile(r"^(?P<code>[A-Z]+\d+|invalid-\S+):?(?: \[\*\])? (?P<what>.+)\n +--> (?P<where>\S+)", re.MULTILINE)

_RUFF_FORMAT = re.compile(r"^--- (?P<where>\S+)\n\+\+\+ ", re.MULTILINE)

_FINDINGS = (
    # mypy, actionlint, deptry, ruff's short form
    re.compile(r"^(?P<line>\S+?:(?:\d+:)* (?:error: |[A-Z]{1,5}\d{3}\b).*)", re.MULTILINE),
    # pytest-cov, uv, poe
    re.compile(r"^ *(?P<line>(?:FAIL|ERROR|[Ee]rror:|\u00d7|E  ) ?.*)", re.MULTILINE),
)

_EXCEPTION = re.compile(r"^(?P<line>[\w.]+(?:Error|Exception|Exit|Interrupt)\b.*)", re.MULTILINE)


def reasons_of(longrepr: object) -> list[str]:
    """What a report says in its first line; of a suite, the tests in it that failed."""
    crash = getattr(longrepr, "reprcrash", None)
    text = _COLOUR.sub("", str(longrepr) if crash is None else crash.message)
    command = _COMMAND.search(text)
    if command is not None:
        found = _reasons_in(command["output"])
        return [f"the command {command['ending']}", *found] if command["ending"].startswith("was killed") else found
    if crash is None:
        return [_first_error_in(text)]
    return [_first_line(text)]


def _first_line(message: str) -> str:
    """The first line, and the next if the first only announces it."""
    lines = [line.strip() for line in message.splitlines() if line.strip()] or ["(no message)"]
    first = lines[0].removeprefix("AssertionError: ")
    return " ".join([first, *lines[1:2]]) if first.endswith(":") else first


def _first_error_in(text: str) -> str:
    """The first line that pytest marks as an error, else the first of all."""
    marked = re.search(r"^E +(.+)", text, re.MULTILINE)
    return _first_line(marked[1] if marked else text)


def _reasons_in(output: str) -> list[str]:
    """What a command complains of."""
    tests = _failed_tests(output)
    if tests:
        more = len(tests) - SHOWN_TESTS
        return [*tests[:SHOWN_TESTS], *([f"and {more} more"] if more > 0 else [])]
    ruff = _RUFF.search(output)
    if ruff is not None:
        return [f"{ruff['where']}: {ruff['code']} {ruff['what']}"]
    formatted = _RUFF_FORMAT.search(output)
    if formatted is not None:
        return [f"{formatted['where']}: would be reformatted"]
    for pattern in _FINDINGS:
        found = pattern.search(output)
        if found is not None:
            return [found["line"]]
    *_, last = [line.strip() for line in output.splitlines() if line.strip()] or ["(no output)"]
    exceptions = _EXCEPTION.findall(output)
    return [exceptions[-1] if exceptions else last]


def _failed_tests(output: str) -> list[str]:
    """Each test that a summary of pytest names, with its reason."""
    tests: dict[str, str] = {}
    for found in _FAILED_TEST.finditer(output):
        test, reason = found["test"], found["reason"] or ""
        # pytest cuts its summary to the width of a terminal.
        if not reason or reason.endswith("..."):
            reason = _error_in_section_of(test, output) or reason
        tests.setdefault(test, reason.removeprefix("AssertionError: "))
    return [f"{test} - {reason}" if reason else test for test, reason in tests.items()]


def _error_in_section_of(test: str, output: str) -> str:
    """The first line that pytest marks as an error below the heading of a test."""
    name = test.partition("::")[2].replace("::", ".")
    section = re.search(
        rf"^_+ (?:ERROR at \w+ of )?{re.escape(name)} _+$(?P<text>.*?)(?=^_+ .* _+$|^=+ .* =+$|\Z)",
        output,
        re.MULTILINE | re.DOTALL,
    )
    marked = section and re.search(r"^E +(.+)", section["text"], re.MULTILINE)
    return marked[1] if marked else ""
