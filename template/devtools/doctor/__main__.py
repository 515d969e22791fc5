"""Says what is wrong with the service and its database, and how to mend it: `poe doctor`."""

import argparse
import asyncio
import logging
import sys
from contextlib import AsyncExitStack, redirect_stdout
from datetime import UTC, datetime

import structlog

from app.kit.database.models import Base, import_models
from app.kit.database.schema import VERSIONS
from app.settings import Settings, load_settings
from devtools.application import PROJECT
from devtools.doctor.check import Examination, Options, Result, Service, examine
from devtools.doctor.checks import CHECKS
from devtools.doctor.report import as_json, as_text


def main() -> None:
    """Examine the service, print what was found, and exit with 1 if there is a problem."""
    arguments = _parser().parse_args()
    options = Options(arguments.production, arguments.workers, arguments.replicas)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    # The output is the report, whatever the owner's code prints when it is imported or gives credentials.
    with redirect_stdout(sys.stderr):
        results = asyncio.run(_examined(options))
    print(as_json(results) if arguments.json else as_text(results))
    sys.exit(any(each.outcome == "problem" for each in results))


async def _examined(options: Options) -> list[Result]:
    import_models()
    service = Service(PROJECT, Settings, load_settings, VERSIONS, Base.metadata)
    async with AsyncExitStack() as stack:
        return await examine(CHECKS, Examination(service, options, datetime.now(tz=UTC).date(), stack))


def _parser() -> argparse.ArgumentParser:
    width = max(len(check.id) for check in CHECKS)
    parser = argparse.ArgumentParser(
        prog="poe doctor",
        description="Say what is wrong with the service and its database, and how to mend it. It changes nothing.",
        epilog="\n".join(["checks:", *(f"  {check.id:{width}}  {check.title}" for check in CHECKS)]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--production", action="store_true", help="expect of any host what production needs")
    parser.add_argument("--workers", type=_count, default=1, metavar="N", help="processes of each, by default 1")
    parser.add_argument("--replicas", type=_count, default=1, metavar="N", help="replicas of the service, by default 1")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


if __name__ == "__main__":
    main()
