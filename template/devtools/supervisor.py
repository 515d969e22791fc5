"""Runs a command that never outlives the program that asked for it, not even when that is killed with SIGKILL.

A supervisor stands between the two: this file, run as a script in a session of its own, where neither Ctrl-C nor a
signal to the starter's process group reaches it. A socket joins it to its starter. That socket closes however the
starter ends, and then the supervisor stops the command.
"""

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

if sys.platform != "win32":
    import pwd

# How often, in seconds, a supervisor looks whether its starter still lives. The socket tells it at once, unless a
# process that the starter forked holds the other end open.
_LOOK_AFTER_STARTER = 1.0

_PR_SET_PDEATHSIG = 1


class StartError(RuntimeError):
    """A server or another command could not be started."""


class Supervised:
    """A running command. It ends with `stop()`, with the `with` block, or with this process, whichever is first.

    Args:
        command: the program, with its path or found on PATH, and its arguments.
        user: the user id to run as, with its primary group only; needs root. By default the current user.
        cwd: the working directory of the command, by default the current one.
        env: its whole environment, by default the current one.
        stop_signal: what asks the command to stop.
        grace: seconds until a command that was asked to stop, and all of its process group, is killed.
        remove: a directory to remove when the command has ended; it need not exist.
        log: takes the output of the command, which then has no input. By default the command shares input and
            output with this process.

    Raises:
        StartError: when the command cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        user: int | None = None,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        grace: float = 5.0,
        remove: Path | None = None,
        log: IO[bytes] | None = None,
    ) -> None:
        if sys.platform == "win32":
            raise StartError("Servers are supervised on Linux and macOS only: on Windows use WSL.")
        self._remove = remove
        self._channel, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-IS", __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=None if log is None else subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        request = {
            "starter": os.getpid(),
            "command": list(command),
            "user": user,
            "cwd": None if cwd is None else str(cwd),
            "env": None if env is None else dict(env),
            "stop_signal": int(stop_signal),
            "grace": grace,
            "remove": None if remove is None else str(remove),
        }
        try:
            self.pid = self._ask(request)
        except BaseException:
            self.stop()
            raise

    def _ask(self, request: dict[str, Any]) -> int:
        """Hand over what is to be run; return its process id."""
        try:
            self._channel.sendall(json.dumps(request).encode() + b"\n")
            answer = self._channel.makefile("rb").readline()
        except OSError as error:
            raise StartError(f"The supervisor ended unexpectedly: {error}") from error
        if not answer:
            raise StartError("The supervisor ended unexpectedly.")
        reply = json.loads(answer)
        if "error" in reply:
            raise StartError(reply["error"])
        return int(reply["pid"])

    def running(self) -> bool:
        """Tell whether the command is still running."""
        return self._process.poll() is None

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the end of the command.

        Returns its exit code, 128 and the signal's number if a signal ended it, or None after `timeout` seconds.
        """
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def end(self) -> str | None:
        """Return how the command has ended, or None while it runs."""
        code = self.wait(0)
        if code is None:
            return None
        return f"was ended by {signal.Signals(code - 128).name}" if code > 128 else f"ended with code {code}"

    def stop(self) -> None:
        """Stop the command and wait for its end, `grace` seconds at most. May be called again."""
        _hang_up(self._channel)
        self._channel.close()
        self._process.wait()
        if self._remove is not None:  # the supervisor did this already, unless it was killed itself
            _remove(self._remove)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _hang_up(channel: socket.socket) -> None:
    """End the talk for both sides. A mere close goes unnoticed while a forked process holds a copy of the socket."""
    with contextlib.suppress(OSError):
        channel.shutdown(socket.SHUT_RDWR)


def _remove(directory: Path) -> None:
    """Remove a directory, also if the last processes that write there need a moment to end."""
    for _ in range(50):
        shutil.rmtree(directory, ignore_errors=True)
        if not directory.exists():
            return
        time.sleep(0.1)


def _supervise(channel: socket.socket) -> int:
    """Run what the starter asks for; stop it when the starter is gone. Return the exit code for this process."""
    wake = _wake_on(signal.SIGCHLD)
    # A signal to the supervisor itself has the effect of a starter that ends.
    signal.signal(signal.SIGTERM, lambda _signal, _frame: _hang_up(channel))
    request = json.loads(channel.makefile("rb").readline())
    try:
        child = _start(request)
    except (OSError, ValueError) as error:
        _reply(channel, error=f"Cannot run {request['command'][0]}: {error}")
        return 1
    try:
        _reply(channel, pid=child.pid)
        while child.poll() is None and os.getppid() == request["starter"]:
            readable, _, _ = select.select([channel, wake], [], [], _LOOK_AFTER_STARTER)
            if channel in readable:
                break
            if wake in readable:
                wake.recv(64)
    finally:
        _stop(child, request["stop_signal"], request["grace"])
        if request["remove"] is not None:
            _remove(Path(request["remove"]))
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


def _wake_on(signum: signal.Signals) -> socket.socket:
    """Return a socket that becomes readable with each of these signals, so that one `select` waits for them too."""
    readable, writable = socket.socketpair()
    writable.setblocking(False)
    signal.set_wakeup_fd(writable.detach())
    signal.signal(signum, lambda _signal, _frame: None)
    return readable


def _reply(channel: socket.socket, **reply: object) -> None:
    with contextlib.suppress(OSError):  # a starter that is gone is noticed by the caller
        channel.sendall(json.dumps(reply).encode() + b"\n")


def _start(request: dict[str, Any]) -> subprocess.Popen[bytes]:
    """Start the command as the leader of a process group, so that all it starts can be killed together."""
    identity: dict[str, Any] = {}
    if request["user"] is not None:
        identity = {"user": request["user"], "group": primary_group(request["user"]), "extra_groups": []}
    return subprocess.Popen(
        request["command"],
        cwd=request["cwd"],
        env=request["env"],
        process_group=0,
        preexec_fn=_end_with_parent(request["stop_signal"]),  # noqa: PLW1509 - this process has no threads
        **identity,
    )


def primary_group(user: int) -> int:
    """Return the primary group of a user id, which need not have an account."""
    try:
        return pwd.getpwuid(user).pw_gid
    except KeyError:
        return user


def _end_with_parent(signum: int) -> Callable[[], None] | None:
    """Have Linux signal the command if this process is killed. Elsewhere there is no such service."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    prctl.argtypes = [ctypes.c_int, ctypes.c_ulong]
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signum)
        if os.getppid() != parent:  # killed before the line above
            os._exit(1)

    return ask


def _stop(child: subprocess.Popen[bytes], signum: int, grace: float) -> None:
    """Ask the command to end, wait, then kill whatever is left of its process group."""
    child.send_signal(signum)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(grace)
    with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody left, which macOS calls not permitted
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as starter:
        sys.exit(_supervise(starter))
