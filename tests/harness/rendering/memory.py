"""Temporary files in memory."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

ENOUGH_MEMORY = 4 * 1024**3
"""Free bytes on a file system in memory from which on temporary files are kept there."""


def keep_temporary_files_in_memory() -> None:
    """Most of an update's time goes into files that soon are gone again: in memory it takes less than half of it."""
    memory = Path("/dev/shm")  # noqa: S108 - each who uses it makes a folder of its own there
    if "TMPDIR" in os.environ or not os.access(memory, os.W_OK):
        return
    found = os.statvfs(memory)
    # Environments are made there too, and their programs run.
    if found.f_bavail * found.f_frsize > ENOUGH_MEMORY and not found.f_flag & os.ST_NOEXEC:
        os.environ["TMPDIR"] = str(memory)
        tempfile.tempdir = None
