"""Takes the picture in the README, of `/docs` of the default service: `uv run --group pictures poe picture`."""

from __future__ import annotations

import io
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from PIL import Image
from playwright.sync_api import FloatRect, Page

from tests.harness.rendering.template import Template
from tests.harness.running.browser import Watched, chromium
from tests.harness.running.live_service import installed_with_database, migrate, serve
from tests.harness.running.servers import shared_postgres
from tests.harness.running.services import Environments

PICTURE = Path(__file__).with_name("api.png")
WIDTH = 960
"""CSS pixels, of each of which the picture has two: a README is shown a little narrower."""

MARGIN = 24
COLOURS = 128


def main() -> None:
    """Start the service, take the picture, and write it as small as it can be without a difference to be seen."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(shared_postgres())
        service, url = stack.enter_context(
            installed_with_database(Template(folder), Environments(folder), folder / "service", "asyncpg")
        )
        env = {"DATABASE_URL": url}
        migrate(service, env)
        live = stack.enter_context(serve(service, env))
        browser = stack.enter_context(chromium())
        context = browser.new_context(
            viewport={"width": WIDTH, "height": 2 * WIDTH}, device_scale_factor=2, color_scheme="light"
        )
        taken = take(Watched(context).open(f"{live.url}/docs"))
    image = Image.open(io.BytesIO(taken)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    image.save(PICTURE, optimize=True)
    sys.stdout.write(f"{os.path.relpath(PICTURE)}: {image.width} x {image.height}, {PICTURE.stat().st_size} bytes\n")


def take(page: Page) -> bytes:
    """The page from its top to the last operation, without those that every service has."""
    page.locator("#operations-tag-operations button.expand-operation").click()
    page.mouse.move(0, 0)
    end = page.locator(".opblock").last.evaluate("last => last.getBoundingClientRect().bottom")
    clip: FloatRect = {"x": 0, "y": 0, "width": WIDTH, "height": end + MARGIN}
    # Swagger UI unfolds and folds by degrees.
    return page.screenshot(animations="disabled", clip=clip)


if __name__ == "__main__":
    main()
