"""The properties by which tests, and those that run them, tell the report more than passed or failed."""

from __future__ import annotations

from collections.abc import Mapping

COVERAGE = "coverage"
"""The property in which the test of the owner's suite records the coverage; a column of the table."""

KIT_COVERAGE = "coverage of the kit"
"""The property in which the test of the kit's suite does; the last column."""

TAKEN_OVER = "taken over"
"""The property in which a suite of which nothing ran names the combination whose results it has taken over."""

TESTS = "tests"
"""The property in which a suite says how many of its tests ran, and how many it took over from which combination."""

PROCESSOR = "processor seconds"
"""The property in which each test has what it took of the processor."""

VERSIONS = "versions"
"""The property in which the installation of a combination has the versions of what was installed, by package."""

ROW = "row of a table"


def table_row(title: str, row: Mapping[str, object]) -> tuple[str, object]:
    """The property by which a test adds a row to a table that is printed at the end of the run."""
    return ROW, {"title": title, "cells": {name: str(cell) for name, cell in row.items()}}
