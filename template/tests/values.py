"""Values of your own settings in tests, by field name. A setting without a default needs one here."""

from typing import Any, Final

VALUES: Final[dict[str, Any]] = {}
