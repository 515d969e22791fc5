"""What a process knows of those beside it."""

import multiprocessing

import pytest

from app.kit.workers import workers_started
from kit_tests.support.application import application, running
from kit_tests.support.output import captured_output, log_lines
from kit_tests.support.suite import MakeSettings


@pytest.fixture
def as_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a process that another one has started."""
    monkeypatch.setattr(multiprocessing, "parent_process", multiprocessing.current_process)


@pytest.mark.usefixtures("as_worker")
@pytest.mark.parametrize(
    ("arguments", "variable", "expected"),
    [
        (["uvicorn", "app.asgi:app"], "", 1),
        (["uvicorn", "app.asgi:app", "--workers", "3"], "", 3),
        (["uvicorn", "--workers=4", "app.asgi:app"], "2", 4),
        (["uvicorn", "app.asgi:app"], "2", 2),
        (["gunicorn"], "many", 1),
    ],
)
def test_workers_are_those_that_uvicorn_was_told_of(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], variable: str, expected: int
) -> None:
    monkeypatch.setattr("sys.argv", arguments)
    monkeypatch.setenv("WEB_CONCURRENCY", variable)
    assert workers_started() == expected


def test_process_that_nobody_has_started_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "4")
    assert workers_started() == 1


@pytest.mark.usefixtures("as_worker")
async def test_several_workers_say_what_metrics_are_worth(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "2")
    with captured_output() as output:
        async with running(application(make_settings())):
            pass
    (line,) = log_lines(output)
    assert (line["event"], line["workers"]) == ("several_workers", 2)
    assert "/metrics" in line["reason"]
