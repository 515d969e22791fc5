"""How Alembic runs: with the service's settings, and one process at a time."""
