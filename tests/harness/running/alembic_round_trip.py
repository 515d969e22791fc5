"""Run by a service's own interpreter, in the service's folder: all the migration commands in one process."""

from __future__ import annotations

from alembic.config import main

COMMANDS = ("upgrade head", "check", "downgrade base", "upgrade head", "current --check-heads", "upgrade head --sql")

for command in COMMANDS:
    print(f"== alembic {command}", flush=True)
    main(argv=command.split())
