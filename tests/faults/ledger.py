"""What clients asked for and what they were answered, and whether the tables agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum


class Outcome(Enum):
    """What the client of a write knows about it."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Row:
    """A hero as the table has it."""

    id: int
    name: str
    age: int | None
    version: int
    deleted: bool


@dataclass(frozen=True)
class Tables:
    """What the database holds after everything."""

    heroes: Sequence[Row]
    balances: dict[int, int]
    transfers: Sequence[tuple[str, int, int, int]]
    """Name, source, target and amount of each."""


@dataclass
class Insert:
    """Rows that are created together, all or none, and perhaps deleted again."""

    names: tuple[str, ...]
    outcome: Outcome = Outcome.UNKNOWN
    deletion: Outcome | None = None
    id: int | None = None


@dataclass
class Counted:
    """A hero whom one client alone changes, each time with the version that it has seen last.

    Attributes:
        id: The hero.
        version: The newest version that was answered.
        age: What the hero had then.
        doubtful: What the changes that nobody knows the outcome of would have made of the age.
        problems: What cannot be.
    """

    id: int
    version: int
    age: int | None
    doubtful: set[int] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)

    def see(self, version: int, age: int | None) -> None:
        """Hold what was read against what is known: at most one of the changes was made, and once."""
        possible = {(self.version, self.age), *((self.version + 1, age) for age in self.doubtful)}
        if (version, age) not in possible:
            self.problems.append(f"hero {self.id} is at {version, age}, and can only be at {sorted(possible, key=str)}")
        self.version, self.age, self.doubtful = version, age, set()


@dataclass
class Move:
    """A transfer between two accounts."""

    name: str
    outcome: Outcome = Outcome.UNKNOWN


@dataclass
class Verdict:
    """What the tables lack and what they have too much."""

    lost: list[str] = field(default_factory=list)
    phantom: list[str] = field(default_factory=list)


@dataclass
class Ledger:
    """Everything that was asked for under one fault."""

    inserts: list[Insert] = field(default_factory=list)
    counted: list[Counted] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    increments: Counter[Outcome] = field(default_factory=Counter)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    slowest: float = 0.0
    pairs: int = 0
    """How often something was read right after it was written."""

    def audit(self, tables: Tables, counter: int, before: int) -> Verdict:
        """Compare with the tables.

        Args:
            tables: What they hold.
            counter: The account that was incremented.
            before: What it held when this began.
        """
        verdict = Verdict()
        by_name: dict[str, list[Row]] = {}
        for row in tables.heroes:
            by_name.setdefault(row.name, []).append(row)
        for insert in self.inserts:
            self._audit_insert(insert, by_name, verdict)
        by_id = {row.id: row for row in tables.heroes}
        for counted in self.counted:
            if counted.id not in by_id:
                verdict.lost.append(f"hero {counted.id} was acknowledged and is not there")
                continue
            counted.see(by_id[counted.id].version, by_id[counted.id].age)
            verdict.phantom += counted.problems
        self._audit_moves(tables, verdict)
        added = tables.balances[counter] - before
        acknowledged, unknown = self.increments[Outcome.ACKNOWLEDGED], self.increments[Outcome.UNKNOWN]
        if added < acknowledged:
            verdict.lost.append(f"{acknowledged} increments were acknowledged, and {added} are there")
        if added > acknowledged + unknown:
            verdict.phantom.append(f"{added} increments are there, of {acknowledged} and {unknown} in doubt")
        return verdict

    @staticmethod
    def _audit_insert(insert: Insert, by_name: dict[str, list[Row]], verdict: Verdict) -> None:
        found = [by_name.get(name, []) for name in insert.names]
        there = sum(map(bool, found))
        verdict.phantom += [f"one insert is there more than once: {rows}" for rows in found if len(rows) > 1]
        if insert.outcome is Outcome.ACKNOWLEDGED and there < len(found):
            verdict.lost.append(f"{there} of {len(found)} acknowledged rows of {insert.names[0]} are there")
        if insert.outcome is Outcome.REFUSED and there:
            verdict.phantom.append(f"{insert.names[0]} was refused and is there")
        if insert.outcome is Outcome.UNKNOWN and there not in (0, len(found)):
            verdict.phantom.append(f"{there} of {len(found)} rows of {insert.names[0]} are there: half of it")
        deleted = any(row.deleted for rows in found for row in rows)
        if insert.deletion is Outcome.ACKNOWLEDGED and not deleted:
            verdict.lost.append(f"the deletion of {insert.names[0]}")
        if insert.deletion in (None, Outcome.REFUSED) and deleted:
            verdict.phantom.append(f"{insert.names[0]} is deleted, and nobody was told so")

    def _audit_moves(self, tables: Tables, verdict: Verdict) -> None:
        names = Counter(name for name, *_ in tables.transfers)
        for move in self.moves:
            if names[move.name] > 1:
                verdict.phantom.append(f"{move.name} was made more than once")
            if move.outcome is Outcome.ACKNOWLEDGED and not names[move.name]:
                verdict.lost.append(f"{move.name} was acknowledged and not made")
            if move.outcome is Outcome.REFUSED and names[move.name]:
                verdict.phantom.append(f"{move.name} was refused and made")
        balances = Counter[int]()
        for _, source, target, amount in tables.transfers:
            balances[source] -= amount
            balances[target] += amount
        for account in range(1, COUNTER):
            holds, moved = tables.balances[account], balances[account]
            if holds != moved:
                verdict.phantom.append(f"account {account} holds {holds}, and its transfers add up to {moved}")


COUNTER = 8
"""The account that is incremented; the others have transfers between them."""
