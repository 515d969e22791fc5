"""Standard output for a log: to write to it never fails, and never waits for a reader."""

import atexit
import os
import select
import sys
from collections.abc import Callable
from functools import lru_cache
from threading import RLock, Thread
from typing import Final

MAX_BACKLOG: Final = 4 * 1024 * 1024
"""How many bytes wait for a reader that does not keep up. Lines beyond that are lost."""

_AT_ONCE: Final = 4096
"""How many bytes a pipe that is ready takes without waiting: Linux's `PIPE_BUF`."""

_SECONDS_AT_EXIT: Final = 2.0
"""How long a process that ends waits until the backlog is written."""


class StandardOutput:
    """Whatever `sys.stdout` is when something is written: a test may have replaced it since logging was configured.

    Lines that cannot be written without waiting are written by a thread, in their order. Lines that cannot be written
    at all, or for which there is no room, are lost. The next one that can be written is preceded by their number.
    """

    def __init__(self) -> None:
        self.note_of_loss: Callable[[int], str] = "{} lines of the log are lost.\n".format
        """Makes the line that says how many are lost."""
        self._lock = RLock()
        # Made anew for each line, it would cost as much as it does to write one.
        self._poll_of = lru_cache(maxsize=1)(_poll_of)
        self._backlog = bytearray()
        self._lost = 0
        self._in_a_line = False
        self._writer: Thread | None = None

    def write(self, text: str) -> int:
        """Write a line, or have it written."""
        with self._lock:
            try:
                if len(self._backlog) > MAX_BACKLOG:
                    self._lost += 1
                else:
                    self._write(text)
            except Exception:
                # Whoever logs can do nothing about it, and has something else to do.
                self._lost += 1
                self._backlog.clear()
        return len(text)

    def flush(self) -> None:
        """Do nothing: no line waits for another."""

    def _write(self, text: str) -> None:
        stdout = sys.stdout
        try:
            descriptor = stdout.fileno()
        except (OSError, ValueError):
            # What collects the output of a test, and is no file.
            stdout.write(text)
        else:
            if self._lost:
                text = self.note_of_loss(self._lost) + text
            if self._in_a_line and self._writer is None:
                text = f"\n{text}"
            self._backlog += text.encode(errors="backslashreplace")
            if self._writer is None:
                if self._is_ready(descriptor):
                    # What was printed comes before.
                    stdout.flush()
                self._write_backlog(descriptor)
                if self._backlog:
                    writer = Thread(target=self._write_later, args=(descriptor,), daemon=True)
                    writer.start()
                    self._writer = writer
            self._lost = 0

    def _write_backlog(self, descriptor: int) -> None:
        while self._backlog and self._is_ready(descriptor):
            written = os.write(descriptor, self._backlog[:_AT_ONCE])
            self._in_a_line = self._backlog[written - 1] != ord("\n")
            del self._backlog[:written]

    def _is_ready(self, descriptor: int) -> bool:
        """Whether so little as `_AT_ONCE` can be written without waiting, or not at all."""
        if not hasattr(select, "poll"):  # pragma: no cover - Windows, where pipes cannot be asked
            return True
        return bool(self._poll_of(descriptor).poll(0))

    def _write_later(self, descriptor: int) -> None:
        # Not the one that writers share, which waits for one thread at a time.
        poll = _poll_of(descriptor)
        while True:
            poll.poll(1000)
            with self._lock:
                try:
                    self._write_backlog(descriptor)
                except OSError:
                    self._lost += self._backlog.count(b"\n")
                    self._backlog.clear()
                if not self._backlog:
                    self._writer = None
                    return

    def finish(self) -> None:
        """Wait until the backlog is written, for a while."""
        if self._writer is not None:
            self._writer.join(_SECONDS_AT_EXIT)


def _poll_of(descriptor: int) -> "select.poll":
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return poll


OUTPUT: Final = StandardOutput()
"""That of this process."""

atexit.register(OUTPUT.finish)
