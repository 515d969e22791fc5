"""The OpenAPI description, of which clients are generated: named as the code is, and complete about problems.

Each operation documents the problems that it can respond with, as its signature and its dependencies show:

- 304 where it takes `If-None-Match`, 412 where it takes `If-Match`
- 400 and 413 where it has a body, 422 where it has a body or parameters
- 401 where it has a security scheme
- 404 where its path has parameters
- 409 where it writes to the database, 503 where it uses it
- 500 everywhere

Further ones are declared by a dependency, for all operations that depend on it, or by the endpoint itself:

    @responds_with(403)
    async def current_editor(user: CurrentUser) -> User: ...

`responses={403: {}}` of an endpoint or a router does the same in FastAPI's way, and replaces what is found here. What
is refused before an operation is chosen, such as a wrong method or an untrusted host, belongs to none of them.

So are headers of successful responses: `ETag` where an operation takes `If-None-Match`, `Idempotent-Replayed` where it
takes `Idempotency-Key`, and what `@sends_headers("Location")` declares.

An operation is called what its function is called. Functions of one name are told apart by their first tag, as in
`invoices_create` and `orders_create`, and several methods of one function by the method; `operation_id=` of an endpoint
of one method is taken as it is.
"""

import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from http import HTTPStatus
from typing import Any, Final, TypeVar

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.routing import BaseRoute

from app.kit.database.dependencies import current_database, write_session
from app.kit.database.listing import TOTAL_CAP
from app.kit.http.problems import MEDIA_TYPE, Problem

CallableT = TypeVar("CallableT", bound=Callable[..., Any])
Json = dict[str, Any]

_STATUSES: Final = "__responds_with__"
_SENT_HEADERS: Final = "__sends_headers__"
_REFERENCE: Final = "#/components/schemas/"
_SAFE_METHODS: Final = frozenset({"get", "head", "options", "trace"})
_HEADERS: Final[Mapping[str, Json]] = {
    "ETag": {"description": "The version of what is sent.", "schema": {"type": "string"}},
    "Idempotent-Replayed": {
        "description": "True if the request was carried out before, and is answered as it was then.",
        "schema": {"type": "boolean"},
    },
    "Link": {"description": "The first, the previous and the next page (RFC 8288).", "schema": {"type": "string"}},
    "Location": {"description": "Where the new resource is.", "schema": {"type": "string", "format": "uri-reference"}},
    "Retry-After": {"description": "Seconds after which to try again.", "schema": {"type": "integer"}},
    "X-Total-Count": {
        "description": f"How many there are. {TOTAL_CAP:,} means that many or more.",
        "schema": {"type": "integer", "minimum": 0, "maximum": TOTAL_CAP},
    },
}

_DESCRIPTIONS: Final[Mapping[int, str]] = {
    304: "The client has the current version already.",
    400: "The body cannot be read.",
    401: "The credentials are missing or not valid.",
    403: "The credentials do not allow this.",
    404: "What the path names does not exist.",
    409: "The change conflicts with what is stored, or with a concurrent change.",
    412: "`If-Match` does not name the current version.",
    413: "The body is too large.",
    422: "A value is not valid.",
    500: "The service failed. Its log tells why, under the request id.",
    503: "The database cannot serve the request now.",
}


def responds_with(*statuses: int) -> Callable[[CallableT], CallableT]:
    """Document problems of a dependency or of an endpoint. Raises ValueError for what is no HTTP status."""
    declared = frozenset(HTTPStatus(status) for status in statuses)

    def declare(call: CallableT) -> CallableT:
        setattr(call, _STATUSES, declared)
        return call

    return declare


def sends_headers(*names: str) -> Callable[[CallableT], CallableT]:
    """Document headers that the successful responses of an endpoint, or of all that depend on something, have."""

    def declare(call: CallableT) -> CallableT:
        setattr(call, _SENT_HEADERS, names)
        return call

    return declare


class Application(FastAPI):
    """A FastAPI application with a complete description."""

    def __init__(self, **options: Any) -> None:
        """Make an application; `options` are those of `FastAPI`."""
        # What every operation has. By the model, FastAPI makes `Problem` a component.
        super().__init__(responses={500: {"model": Problem, "description": _DESCRIPTIONS[500]}}, **options)
        self._completed: Json | None = None

    def openapi(self) -> Json:
        """Return the description, which is built once for the routes that there are."""
        operations = _operations(self.routes)
        # FastAPI gives all methods of a route one id, and warns of that; `_complete` gives each its own.
        several = [route for route in operations.values() if len(route.methods or ()) > 1]
        with warnings.catch_warnings() if several else nullcontext():
            for route in several:
                operation_id = re.escape(route.operation_id or route.unique_id)
                warnings.filterwarnings("ignore", f"Duplicate Operation ID {operation_id} ")
            document = super().openapi()
        if document is not self._completed:
            _complete(document, operations)
            self._completed = document
        return document


def _operations(routes: Sequence[BaseRoute]) -> dict[tuple[str, str], RouteContext]:
    """Return the route of each operation that is described, by path and method."""
    # relies on: `iter_route_contexts`, which FastAPI exports and does not document.
    return {
        (route.path_format or "", method.lower()): route
        for route in iter_route_contexts(routes)
        if isinstance(route.original_route, APIRoute) and route.include_in_schema
        for method in route.methods or ()
    }


def _complete(document: Json, operations: Mapping[tuple[str, str], RouteContext]) -> None:
    if not operations:
        return
    paths: dict[str, Json] = document["paths"]
    schemas: dict[str, Json] = document["components"]["schemas"]
    names = {key: _readable(key, schemas) for key in schemas}
    problem = {"$ref": f"{_REFERENCE}{_key_of_problem(schemas)}"}
    for (path, method), operation_id in _operation_ids(operations).items():
        route, operation = operations[path, method], paths[path][method]
        operation["operationId"] = operation_id
        _add_problems(operation, _problems(operation, route, method))
        _add_headers(document, operation, route)
        _refer_to_problem(operation, route, problem)
        # FastAPI names what is no model of its own by the path.
        pascal_case = _pascal_case(operation_id)
        names[f"Body_{route.unique_id}"] = f"{pascal_case}Body"
        _title_inline_responses(operation, f"{pascal_case}Response")
    for path, item in paths.items():
        # The methods of a route are a set, which has another order in each process.
        paths[path] = dict(sorted(item.items()))
    for key in ("HTTPValidationError", "ValidationError"):
        schemas.pop(key, None)
    _rename_schemas(document, names)


def _operation_ids(operations: Mapping[tuple[str, str], RouteContext]) -> dict[tuple[str, str], str]:
    """Return of each operation's names the first that no other has: `read`, `invoices_read`, `read_get_invoices_id`."""
    names: dict[tuple[str, str], list[str]] = {}
    for (path, method), route in operations.items():
        name = route.name or ""
        tags = [str(getattr(tag, "value", tag)) for tag in route.tags[:1]]
        choices = ([name], [*tags, name], [name, method, path])
        generated = ["_".join(re.sub(r"\W+", "_", word).strip("_") for word in words) for words in choices]
        given = route.operation_id
        names[path, method] = [given, f"{given}_{method}"] if given else generated
    owners = Counter(name for choices in names.values() for name in set(choices))
    return {key: next((name for name in each if owners[name] == 1), each[-1]) for key, each in names.items()}


def _problems(operation: Json, route: RouteContext, method: str) -> list[int]:
    """Return the statuses that an operation can respond with, besides 422 and 500, which FastAPI adds."""
    parameters = _parameters(operation)
    calls = list(_calls(route.dependant))
    uses_database = current_database in calls
    found = {
        304: ("header", "if-none-match") in parameters,
        400: "requestBody" in operation,
        401: "security" in operation,
        404: any(place == "path" for place, _ in parameters),
        409: uses_database and (method not in _SAFE_METHODS or write_session in calls),
        412: ("header", "if-match") in parameters,
        413: "requestBody" in operation,
        503: uses_database,
    }
    declared = {int(status) for call in calls for status in getattr(call, _STATUSES, ())}
    return sorted(declared | {status for status, can_occur in found.items() if can_occur})


def _calls(dependant: Dependant) -> Iterator[Callable[..., Any]]:
    """Yield the endpoint and all of its dependencies."""
    if dependant.call is not None:
        yield dependant.call
    for each in dependant.dependencies:
        yield from _calls(each)


def _add_problems(operation: Json, statuses: Iterable[int]) -> None:
    """Add responses, unless the endpoint declares them, one by one or as `4XX` or `default`."""
    responses: dict[str, Json] = operation["responses"]
    declared = set(responses)
    for status in statuses:
        if declared.isdisjoint({str(status), f"{status // 100}XX", "default"}):
            responses[str(status)] = {"description": _DESCRIPTIONS.get(status, HTTPStatus(status).phrase)}
    operation["responses"] = dict(sorted(responses.items()))


def _add_headers(document: Json, operation: Json, route: RouteContext) -> None:
    """Add headers to the responses that have them, unless the endpoint describes them itself."""
    parameters = _parameters(operation)
    successful = {name for call in _calls(route.dependant) for name in getattr(call, _SENT_HEADERS, ())}
    if ("header", "if-none-match") in parameters:
        successful.add("ETag")
    if ("header", "idempotency-key") in parameters:
        successful.add("Idempotent-Replayed")
    for status, response in operation["responses"].items():
        added = successful if status.startswith("2") else {"304": {"ETag"}, "503": {"Retry-After"}}.get(status, set())
        for name in sorted(added):
            described = document["components"].setdefault("headers", {})
            described[name] = _HEADERS.get(name, {"schema": {"type": "string"}})
            response.setdefault("headers", {}).setdefault(name, {"$ref": f"#/components/headers/{name}"})


def _parameters(operation: Json) -> set[tuple[str, str]]:
    return {(each["in"], each["name"].lower()) for each in operation.get("parameters", ())}


def _refer_to_problem(operation: Json, route: RouteContext, problem: Json) -> None:
    """Give each error that has no content of its own a problem as its content."""
    models = {str(status).upper(): response.get("model") for status, response in route.responses.items()}
    for status, response in operation["responses"].items():
        if not status.startswith(("4", "5")):
            continue
        model = models.get(status)
        schema = next((content.get("schema") for content in response.get("content", {}).values()), problem)
        if schema == {"$ref": f"{_REFERENCE}HTTPValidationError"}:
            response["description"] = _DESCRIPTIONS[422]
            schema = problem
        if schema == problem or (isinstance(model, type) and issubclass(model, Problem)):
            # FastAPI has put it under the media type of a success.
            response["content"] = {MEDIA_TYPE: {"schema": schema}}


def _key_of_problem(schemas: Iterable[str]) -> str:
    """Return what FastAPI calls `Problem`, which is longer where a model of the service's own has that name too."""
    qualified = f"{Problem.__module__}.{Problem.__qualname__}".replace(".", "__")
    return qualified if qualified in schemas else Problem.__name__


def _title_inline_responses(operation: Json, title: str) -> None:
    for response in operation["responses"].values():
        for content in response.get("content", {}).values():
            if content.get("schema", {}).get("title", "").startswith("Response "):
                content["schema"]["title"] = title


def _readable(key: str, keys: Iterable[str]) -> str:
    """Return `PageBill` for `Page_Bill_`, `BillInput` for `Bill-Input` and `OrdersItem` for `app__orders__Item`."""
    modules, name = _modules_and_name(key)
    # Models of one name are told apart by those of their modules that the others are not in.
    namesakes = [set(others) for others, other in map(_modules_and_name, keys) if other == name]
    own = [module for module in modules if any(module not in others for others in namesakes)]
    return _pascal_case("_".join(own)) + (_pascal_case(name) if name.endswith("_") or "-" in name else name)


def _modules_and_name(key: str) -> tuple[list[str], str]:
    match = re.fullmatch(r"((?:[a-z]\w*?__)*)([\w.-]+)", key)
    return (match[1].split("__")[:-1], match[2]) if match else ([], key)


def _rename_schemas(document: Json, names: Mapping[str, str]) -> None:
    schemas: dict[str, Json] = document["components"]["schemas"]
    owners = Counter(names[key] for key in schemas)
    renamed = {key: names[key] for key in schemas if names[key] != key and owners[names[key]] == 1}
    for key, name in renamed.items():
        schemas[name] = {**schemas.pop(key), "title": name}
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    _replace(document, {f"{_REFERENCE}{key}": f"{_REFERENCE}{name}" for key, name in renamed.items()})


def _replace(value: Any, references: Mapping[str, str]) -> Any:
    """Replace references in place, wherever they are: in `$ref`, or in the mapping of a discriminator."""
    if isinstance(value, str):
        return references.get(value, value)
    if isinstance(value, list):
        value[:] = [_replace(each, references) for each in value]
    elif isinstance(value, dict):
        value.update({key: _replace(each, references) for key, each in value.items()})
    return value


def _pascal_case(text: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in re.split(r"[\W_]+", text))
