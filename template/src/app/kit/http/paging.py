"""What clients ask of a list, and the headers by which they find its other pages."""

from typing import Any
from urllib.parse import urlencode

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict

from app.kit.database.pagination import Page
from app.kit.http.fields import Cursor, Limit


class PageParams(BaseModel):
    """The parameters of a list: `params: Annotated[InvoiceListParams, Query()]`. What is none of them is a 422."""

    model_config = ConfigDict(extra="forbid")

    limit: Limit = 50
    cursor: Cursor = None


def add_links(request: Request, response: Response, page: Page[Any]) -> None:
    """Say in the header `Link` where the next, the previous and the first page are (RFC 8288)."""
    asked = request.query_params
    cursors = {"next": page.next_cursor, "prev": page.previous_cursor}
    if "cursor" not in asked and not any(cursors.values()):
        return
    rest = urlencode([(name, value) for name, value in asked.multi_items() if name != "cursor"])
    first = f"{request.url.path}?{rest}" if rest else request.url.path
    # The alphabet of cursors is that of URLs.
    links = [
        f'<{first}{"&" if rest else "?"}cursor={cursor}>; rel="{relation}"'
        for relation, cursor in cursors.items()
        if cursor is not None
    ]
    if "cursor" in asked:
        links.append(f'<{first}>; rel="first"')
    response.headers["Link"] = ", ".join(links)


def add_total(response: Response, total: int) -> None:
    """Say in the header `X-Total-Count` how many items there are on all pages."""
    response.headers["X-Total-Count"] = str(total)
