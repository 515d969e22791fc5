"""Run by a service's own interpreter, in the service's folder: all the migration commands in one process.

Its argument is the file that takes the record of what it needed for that.
"""

from __future__ import annotations

import sys
from pathlib import Path

from recorder import RECORDER  # type: ignore[import-not-found]

COMMANDS = ("upgrade head", "check", "downgrade base", "upgrade head", "current --check-heads", "upgrade head --sql")

with RECORDER.of_program("migrations", Path(sys.argv[1])):
    from alembic.config import main

    for command in COMMANDS:
        print(f"== alembic {command}", flush=True)
        main(argv=command.split())
