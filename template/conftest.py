"""What the tests in `tests` and in `kit_tests` have in common."""

pytest_plugins = ["kit_tests.support.plugin"]
