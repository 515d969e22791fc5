"""The combinations that questions need which are covered in pairs: few, and the same ones in each run."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from tests.harness.rendering.questions import Answers, Choice

Pair = tuple[tuple[str, Choice], tuple[str, Choice]]


def shown(choice: Choice) -> str:
    """A choice as it is written on Copier's command line."""
    return str(choice).lower() if isinstance(choice, bool) else choice


def written(answers: Mapping[str, Choice]) -> str:
    """Answers as a person reads them."""
    return " with ".join(f"{name}={shown(choice)}" for name, choice in answers.items())


class FurtherRows:
    """Collects rows of answers until every pair that Copier accepts stands in one of them."""

    def __init__(
        self,
        axes: Mapping[str, tuple[Choice, ...]],
        paired: Sequence[str],
        plain: Sequence[Answers],
        accepts: Callable[[Answers], bool],
    ) -> None:
        """``axes`` have their defaults first, and ``plain`` are the rows in which all paired questions have theirs."""
        self._axes = axes
        self._paired = paired
        self._plain = plain
        self._accepts = accepts
        self._answer_of: dict[str, bool] = {}
        self.rows: list[Answers] = []
        self.left_out: list[str] = []
        every = itertools.combinations(((name, choice) for name in axes for choice in axes[name]), 2)
        self._open: dict[Pair, None] = {(one, other): None for one, other in every if self._counts(one[0], other[0])}
        for row in plain:
            self._cover(row)

    def _counts(self, one: str, other: str) -> bool:
        return one != other and not {one, other}.isdisjoint(self._paired)

    def _pairs(self, row: Answers) -> Iterator[Pair]:
        answers = [(name, row[name]) for name in self._axes if name in row]
        return (each for each in itertools.combinations(answers, 2) if self._counts(each[0][0], each[1][0]))

    def _cover(self, row: Answers) -> None:
        for pair in self._pairs(row):
            self._open.pop(pair, None)

    def _add(self, row: Answers) -> None:
        if row not in self.rows:
            self.rows.append(row)
            self._cover(row)

    def add_all_at_once(self, group: Sequence[str]) -> None:
        """For each set of answers to these questions, the last choices of all paired questions together.

        Where Copier refuses that, as many of them as it takes.
        """
        for answers in _distinct({name: row[name] for name in group} for row in self._plain):
            for choices in itertools.product(*(self._axes[name][::-1] for name in self._paired)):
                together = dict(zip(self._paired, choices, strict=True))
                row = self._complete(answers | together)
                if row is not None:
                    break
            else:
                raise AssertionError("the defaults of all of them are a plain row")
            last = {name: self._axes[name][-1] for name in self._paired}
            if together != last:
                self.left_out.append(f"{written(answers | last)}, all at once")
            if row not in self._plain:
                self._add(row)

    def add_each_alone(self) -> None:
        """Each choice of a paired question with the defaults of the other ones."""
        defaults = {name: self._axes[name][0] for name in self._paired}
        for name in self._paired:
            for choice in self._axes[name][1:]:
                alone = defaults | {name: choice}
                if not any(alone.items() <= row.items() for row in self.rows):
                    row = self._complete(alone)
                    if row is None:
                        self.left_out.append(f"{name}={shown(choice)}, alone")
                    else:
                        self._add(row)

    def add_open_pairs(self) -> None:
        """The pairs that no other row has yet, as many as fit into each of the rows."""
        while self._open:
            pair = next(iter(self._open))
            row = self._complete(dict(pair))
            if row is None:
                self.left_out.append(written(dict(pair)))
                del self._open[pair]
            else:
                self._add(row)

    def _complete(self, given: Answers) -> Answers | None:
        """A row with these answers that Copier accepts.

        Each further choice is the one that covers most open pairs, of several the one that was made least often, and of
        these the one that was made least often together with the others.
        """
        if not any(all(row[name] == given[name] for name in given if name not in self._paired) for row in self._plain):
            return None
        missing = [name for name in self._axes if name not in given]
        if not missing:
            row = {name: given[name] for name in self._axes}
            return row if self._is_accepted(row) else None

        def worth(choice: Choice) -> tuple[int, int, int]:
            covered = sum(pair in self._open for pair in self._pairs(given | {missing[0]: choice}))
            made = [row for row in self.rows if row[missing[0]] == choice]
            together = sum(row[name] == answer for row in made for name, answer in given.items())
            return covered, -len(made), -together

        for choice in sorted(self._axes[missing[0]], key=worth, reverse=True):
            row_or_none = self._complete(given | {missing[0]: choice})
            if row_or_none is not None:
                return row_or_none
        return None

    def _is_accepted(self, row: Answers) -> bool:
        key = written(row)
        if key not in self._answer_of:
            self._answer_of[key] = self._accepts(row)
        return self._answer_of[key]


def _distinct(answers: Iterable[Answers]) -> list[Answers]:
    found: list[Answers] = []
    for each in answers:
        if each not in found:
            found.append(each)
    return found
