"""Secrets that were left at what the code has for development."""

from collections.abc import Iterator

from pydantic import SecretStr

from app.kit.settings import KitSettings
from devtools.doctor.check import Finding


def secrets_of_the_code(settings: KitSettings) -> Iterator[Finding]:
    """Find settings of type SecretStr whose value is their default: whoever reads the code knows it."""
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, SecretStr) and value.get_secret_value() and value == field.default:
            yield Finding(
                f"{name.upper()} is the default of the code, which is no secret.",
                f"Set {name.upper()} in the environment, to a value of its own.",
            )
