"""How results are shown: to people, a line each, and to programs."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from textwrap import indent
from typing import Final

from devtools.doctor.check import Outcome, Result

_MARKS: Final[Mapping[Outcome, str]] = {"ok": "ok", "problem": "PROBLEM", "not checked": "-"}


def as_text(results: Sequence[Result]) -> str:
    """Return a line for each result, the advice below, and a summary as the last line."""
    return "\n".join([*_lines(results), "", _summary(results)])


def _lines(results: Sequence[Result]) -> Iterator[str]:
    marks, ids = max(map(len, _MARKS.values())), max(len(each.id) for each in results)
    for each in results:
        first, *more = each.message.splitlines()
        yield f"{_MARKS[each.outcome]:{marks}}  {each.id:{ids}}  {first}"
        if more or each.advice:
            yield indent("\n".join([*more, *(each.advice or "").splitlines()]), " " * (marks + ids + 6))


def _summary(results: Sequence[Result]) -> str:
    counts = Counter(each.outcome for each in results)
    parts = [f"{counts['ok']} ok", f"{counts['problem']} with a problem", f"{counts['not checked']} not checked"]
    return f"{len(results)} checks: {', '.join(parts)}."


def as_json(results: Sequence[Result]) -> str:
    """Return one JSON document: whether all is well, and each result."""
    well = all(each.outcome != "problem" for each in results)
    return json.dumps({"ok": well, "checks": [each._asdict() for each in results]}, indent=2)
