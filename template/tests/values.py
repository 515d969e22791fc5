"""The values that your own settings have in tests, by field name: a setting without a default needs one here."""

from typing import Any, Final

VALUES: Final[dict[str, Any]] = {}
