"""The record of a run that is made up: it has all that the page of a run can show, the longest of each included."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from tests.harness.rendering.combinations import Combination, combinations
from tests.harness.reporting.failures import Told
from tests.harness.reporting.page import Row, RunRecord, Step
from tests.harness.reporting.processor import Part
from tests.harness.running.steps import STEPS

HOSTILE = '<script>document.title = "run"</script><img src=x onerror="document.title=1"> & "{{ 7 * 7 }}"'
"""What would do something if it were markup."""

LONG = "a_name_without_any_place_to_break_a_line" * 6

SECONDS = (0.4, 0.1, 0.2, 6.2, 11.8, 1.4, 3.9, 24.5, 83.7)


def example_of_a_run(outcome: str = "failed") -> RunRecord:
    """The record: of a run with many failures, or of one that is `passed` or `interrupted`."""
    rows = [*_rows(failing=outcome == "failed", unfinished=outcome == "interrupted")]
    return RunRecord(
        outcome=outcome,
        began=datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC),
        total=1240,
        outcomes={"ok": 1226, "failed": 7, "skipped": 7}
        if outcome == "failed"
        else {"ok": 1240 - 90 * (outcome != "passed")},
        wall=2712.3,
        processor=4988.0,
        versions={
            "Python": "3.11.9, 3.14.0",
            "PostgreSQL": "18.4",
            "PgBouncer": "1.18.0",
            "Copier": "9.19.0",
            "FastAPI": "0.165.0",
            "SQLAlchemy": "2.1.9",
            "asyncpg": "0.32.0",
        },
        steps=STEPS,
        rows=rows,
        failures=_failures(rows) if outcome == "failed" else [],
        left_out={"PgBouncer is missing: install it, or name it in PGBOUNCER": 6, HOSTILE: 1}
        if outcome == "failed"
        else {},
        suites=[
            {
                "combination": row.combination,
                "its owner's tests": "57",
                "tests of the kit": f"12 + 431 = {rows[0].combination}",
            }
            for row in rows
        ],
        suites_in_sum="14,520 tests: 2,904 ran, 11,616 were taken over from where all that they need is the same",
        parts=[Part(f"test_part_{number}", 600 / (number + 1), number * 3, 700.0) for number in range(20)],
        tables={
            "faults": [
                (
                    {
                        "fault": "the server is killed",
                        "requests": "1204",
                        "lost": "0",
                        "slowest s": "0.31",
                        LONG[:80]: "7",
                    },
                    True,
                ),
                ({"fault": HOSTILE, "requests": "900", "lost": "2", "slowest s": "12.75", LONG[:80]: LONG}, False),
            ]
        },
        slowest=[(f"faults/test_faults {LONG}", 312.5), ("test_running_service test_dev_keeps_its_data", 31.0)],
    )


def _rows(*, failing: bool, unfinished: bool) -> Iterator[Row]:
    """A row for each combination. The first of each group has its own results, and the others have taken them over."""
    first: dict[object, Combination] = {}
    for number, combination in enumerate(sorted(combinations(), key=str)):
        origin = first.setdefault(combination.group, combination)
        steps = {
            name: Step("ok", seconds, str(origin) if name in {"migrations", "kit"} and origin != combination else "")
            for name, seconds in zip(STEPS, SECONDS, strict=True)
        }
        if failing and number in {3, 8}:
            steps["types"] = Step("failed", 11.8)
            steps["suite"] = Step("failed", 0.1, str(origin))
        if failing and number == 5:
            steps = {name: step if name in STEPS[:3] else Step("skipped", 0.0) for name, step in steps.items()}
        if unfinished and number > 6:
            steps = {name: step for name, step in steps.items() if name in STEPS[: 12 - number]}
        covered = ("97.31%", "98.02%") if number % 7 == 0 else ("", "")
        if steps:
            yield Row(str(combination), "3.14" if number % 4 == 3 else "3.11", steps, *covered)


def _failures(rows: list[Row]) -> list[Told]:
    names = [row.combination for row in rows]
    return [
        Told(
            f"{names[0]}  kit",
            [f"kit_tests/http/test_a.py::test_b - {HOSTILE}", "and 2 more"],
            names[1:],
            f"uv run pytest --combination {names[0]} --only kit_tests/http/test_a.py::test_b",
        ),
        Told(
            f"test_made_up {LONG}",
            [f"AssertionError: {LONG}"],
            [],
            f"uv run pytest -n0 'tests/test_made_up.py::{LONG}'",
        ),
    ]
