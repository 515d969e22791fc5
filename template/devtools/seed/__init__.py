"""Fills a database for development with realistic rows: `poe seed`."""


class SeedError(Exception):
    """What was asked for cannot be filled; the message says why, and what to do."""
