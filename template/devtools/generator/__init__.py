"""Writes a resource: its model, schemas, queries, endpoints, tests and migration, for `poe new`.

What it writes is the service's own from then on, as if it had been written by hand.
"""


class GeneratorError(Exception):
    """What was asked for cannot be done. The message says why, and what would help; nothing was written."""
