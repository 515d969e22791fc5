"""Cursors, which only the contender that is asked for a page can make."""

from __future__ import annotations

import json
from http.client import HTTPConnection
from urllib.parse import quote

from benchmarks.arena import Arena
from benchmarks.serving import Served
from tests.harness.running.live_service import HOST

PAGES = 300
"""Pages to walk through. A keyset page costs the same wherever it is, so they need not reach to the end."""


def note_cursors(served: Served, arena: Arena) -> None:
    """Ask for the cursors of the listing, once per run: after a reset they lead to the same pages."""
    file = arena.cursors(served.contender)
    if not file.exists():
        file.write_text("".join(f"{cursor}\n" for cursor in walk(served)), encoding="utf-8")


def walk(served: Served) -> list[str]:
    """Follow the cursors from the first page on, 100 rows at a time; return them, ready to be put into a URL."""
    connection = HTTPConnection(HOST, served.place.port, timeout=60)
    cursors: list[str] = []
    try:
        for _ in range(PAGES):
            after = f"&cursor={cursors[-1]}" if cursors else ""
            connection.request("GET", f"{served.contender.prefix}/heroes?limit=100{after}")
            page = json.loads(connection.getresponse().read())
            if page["next_cursor"] is None:
                break
            cursors.append(quote(page["next_cursor"], safe=""))
    finally:
        connection.close()
    return cursors
