"""Markdown, as all reports are written in it."""

from __future__ import annotations

from collections.abc import Mapping


def table(header: list[str], rows: list[list[str]]) -> str:
    """Return a table."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def origin(part: str) -> str:
    """Return the lines on where a report comes from."""
    return (
        f"Made by `uv run --group benchmarks python -m benchmarks {part}`; do not edit. What is measured, and how,\n"
        "is in [the README](../README.md)."
    )


def listed(machine: Mapping[str, str]) -> str:
    """Return what a run was made on and with."""
    return "".join(f"- {name}: {text}\n" for name, text in machine.items())
