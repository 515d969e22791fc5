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
    links = [
        _link(request, relation, cursor)
        for relation, cursor in (("next", page.next_cursor), ("prev", page.previous_cursor))
        if cursor is not None
    ]
    if "cursor" in request.query_params:
        links.append(_link(request, "first", None))
    if links:
        response.headers["Link"] = ", ".join(links)


def _link(request: Request, relation: str, cursor: str | None) -> str:
    parameters = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    if cursor is not None:
        parameters.append(("cursor", cursor))
    query = f"?{urlencode(parameters)}" if parameters else ""
    return f'<{request.url.path}{query}>; rel="{relation}"'


def add_total(response: Response, total: int) -> None:
    """Say in the header `X-Total-Count` how many items there are on all pages."""
    response.headers["X-Total-Count"] = str(total)
