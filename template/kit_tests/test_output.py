"""The log's way out: a reader that is gone, slow or stuck changes no response, and holds nothing up."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from threading import Thread
from time import perf_counter

import pytest
import structlog

from app.kit.output import MAX_BACKLOG, StandardOutput
from kit_tests.support.application import application, running
from kit_tests.support.output import captured_output
from kit_tests.support.problems import assert_problem
from kit_tests.support.suite import MakeSettings

LINE = "x" * 99 + "\n"


@contextmanager
def pipe() -> Iterator[int]:
    """Let standard output be a pipe, and give the end that its reader has."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", encoding="utf-8") as stdout, redirect_stdout(stdout):
        try:
            yield reading
        finally:
            os.close(reading)


def all_of(reading: int, size: int) -> str:
    """Read so many bytes."""
    received = b""
    while len(received) < size:
        received += os.read(reading, size - len(received))
    return received.decode()


def test_reader_that_is_late_gets_every_line_in_order() -> None:
    output = StandardOutput()
    lines = [f"{number:0{100 if number % 7 else 9000}}\n" for number in range(2000)]
    with pipe() as reading:
        started = perf_counter()
        for line in lines:
            output.write(line)
        assert perf_counter() - started < 2
        text = "".join(lines)
        assert all_of(reading, len(text)) == text
        output.finish()
        # Once nothing waits, each line is there when it was written.
        output.write(LINE)
        assert os.read(reading, 1000).decode() == LINE


def test_lines_beyond_the_backlog_are_lost_and_counted() -> None:
    output = StandardOutput()
    large = "x" * 99_999 + "\n"
    with pipe() as reading:
        kept = 0
        while not output._lost:
            output.write(large)
            kept += 1
        assert (kept - 1) * len(large) >= MAX_BACKLOG
        output.write(large)
        all_of(reading, (kept - 1) * len(large))
        output.finish()
        output.write(LINE)
        assert os.read(reading, 1000).decode() == f"2 lines of the log are lost.\n{LINE}"


def test_reader_that_has_gone_is_no_error() -> None:
    output = StandardOutput()
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", encoding="utf-8") as stdout, redirect_stdout(stdout):
        os.close(reading)
        assert output.write(LINE) == len(LINE)


def test_reader_that_goes_while_lines_wait_is_no_error() -> None:
    output = StandardOutput()
    with pipe():
        for _ in range(2000):
            output.write(LINE)
    output.finish()
    with pipe() as reading:
        output.write(LINE)
        assert b"lines of the log are lost" in os.read(reading, 1000)


def test_output_that_was_closed_at_the_start_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    output = StandardOutput()
    monkeypatch.setattr("sys.stdout", None)
    assert output.write(LINE) == len(LINE)


def test_text_that_cannot_be_encoded_is_written_all_the_same() -> None:
    output = StandardOutput()
    with pipe() as reading:
        output.write("\ud800é\n")
        assert os.read(reading, 100) == "\\ud800é\n".encode()


def test_what_was_printed_comes_before() -> None:
    output = StandardOutput()
    with pipe() as reading:
        print("first")  # noqa: T201
        output.write("second\n")
        assert os.read(reading, 100) == b"first\nsecond\n"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a pipe that is ready may have less room")
def test_line_waits_for_nobody_after_what_was_printed() -> None:
    output = StandardOutput()
    text = "p" * 3000
    with pipe() as reading:
        size = 0
        with pytest.raises(BlockingIOError):
            os.set_blocking(sys.stdout.fileno(), False)
            while True:
                size += os.write(sys.stdout.fileno(), b"x" * 4096)
        os.set_blocking(sys.stdout.fileno(), True)
        # Room for what was printed, and for nothing else.
        all_of(reading, 4096)
        sys.stdout.write(text)
        writing = Thread(target=output.write, args=(text + "\n",), daemon=True)
        writing.start()
        writing.join(5)
        assert not writing.is_alive()
        assert all_of(reading, size - 4096 + 2 * len(text) + 1).endswith(f"x{text}{text}\n")


def test_text_without_an_end_of_line_is_ended_by_the_next() -> None:
    output = StandardOutput()
    with pipe() as reading:
        output.write("")
        output.write("first")
        output.write("second\n")
        output.write("third\n")
        assert os.read(reading, 100) == b"first\nsecond\nthird\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
async def test_full_disk_changes_no_response(make_settings: MakeSettings) -> None:
    with captured_output(), Path("/dev/full").open("w", encoding="utf-8") as full, redirect_stdout(full):  # noqa: ASYNC230
        app = application(make_settings(log_level="DEBUG"))

        @app.get("/logging")
        async def log_something() -> str:
            structlog.get_logger().warning("something")
            return "done"

        async with running(app) as service:
            assert (await service.client.get("/logging")).json() == "done"
            assert_problem(await service.client.get("/nowhere"), 404)
            assert_problem(await service.client.post("/items/then/500", params={"name": "x"}), 500)


def test_process_does_not_wait_for_long_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.kit.output._SECONDS_AT_EXIT", 0.05)
    output = StandardOutput()
    with pipe():
        for _ in range(2000):
            output.write(LINE)
        started = perf_counter()
        output.finish()
        assert perf_counter() - started < 2
