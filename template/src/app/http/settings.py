"""Settings of the HTTP layer."""

from pydantic import Field
from pydantic_settings import BaseSettings


class HttpSettings(BaseSettings):
    """Bounds on what a client may send."""

    max_body_size: int = Field(default=1_048_576, ge=1)
    """The largest request body, in bytes. A larger one is answered with 413 and is not read to its end."""
