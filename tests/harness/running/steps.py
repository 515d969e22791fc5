"""The steps that each combination goes through, and how its tests are shared out among processes."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

STEPS = ("render", "format", "lint", "install", "types", "dependencies", "migrations", "suite", "kit")
"""In the order in which they run; ``test_combinations.py`` has a test for each."""

_STAY_TOGETHER = tuple(
    f"tests/test_{name}.py"
    for name in (
        "clients",
        "in_a_browser",
        "new_questions",
        "packaging",
        "readme",
        "records",
        "running_service",
        "typing",
        "variants",
    )
)
"""Modules whose tests share something that is costly to make."""

_TOGETHER_BY_PARAMETER = ("tests/hostile/", "tests/faults/")
"""Folders whose tests share a service for each driver, or for each pair of driver and pool."""


def step_of(nodeid: str) -> tuple[str, str]:
    """The combination and the step of a test of the matrix, else two empty strings."""
    function, _, combination = nodeid.rpartition("::")[2].removesuffix("]").partition("[")
    step = function.removeprefix("test_")
    return (combination, step) if "::TestCombination::" in nodeid and step in STEPS else ("", "")


def suite_of(test: str) -> str:
    """The step that runs a test of a service."""
    return "kit" if test.startswith("kit_tests/") else "suite"


class WholeCombinations(LoadScopeScheduling):  # type: ignore[misc]
    """Gives all steps of a combination to one process, in order, and everything else to whoever is free."""

    def _split_scope(self, nodeid: str) -> str:
        combination, step = step_of(nodeid)
        if step == "kit" and self.config.option.combination:
            return nodeid  # It takes as long as all others.
        module = nodeid.partition("::")[0]
        if nodeid.startswith(_TOGETHER_BY_PARAMETER) and nodeid.endswith("]"):
            # The first parameter is that of the fixture which is made once.
            return nodeid.rpartition("/")[0] + nodeid.partition("[")[2].removesuffix("]").partition("-")[0]
        return combination or (module if module in _STAY_TOGETHER else nodeid)
