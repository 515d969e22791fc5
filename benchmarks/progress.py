"""A line for each step, so that a long run shows where it is."""

from __future__ import annotations

from benchmarks.results import Measurement


class Progress:
    """Counts the measurements of a run."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._done = 0

    def say(self, line: str) -> None:
        """Print a line at once, also into a file."""
        print(line, flush=True)

    def show(self, contender: str, load: str, measurement: Measurement) -> None:
        """Print what was measured."""
        self._done += 1
        count = f"[{self._done:>{len(str(self._steps))}}/{self._steps}]"
        errors = f"  INVALID: {measurement.errors:,} errors" if measurement.errors else ""
        p99 = "" if measurement.p99_ms is None else f"  p99 {measurement.p99_ms:,.0f} ms"
        growth = "" if measurement.growth is None else f"  {measurement.growth:+.0f} MB"
        self.say(f"{count} {contender:<30}  {load:<42}  {measurement.per_second:>9,.0f}/s{p99}{growth}{errors}")
