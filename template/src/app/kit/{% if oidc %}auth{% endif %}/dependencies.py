"""Who calls, as FastAPI dependencies.

    @router.post("", dependencies=[requires("invoices:write")])
    async def create_invoice(invoice: InvoiceCreate, user: CurrentUser, session: WriteSession) -> ...: ...

Both document the security scheme, 401 and 403. They may stand anywhere among the parameters: who calls is known before
the first of them is computed, so none waits for the issuer while a session is open.
"""

from typing import Annotated, Final

from fastapi import Request, Security, params
from fastapi.openapi.models import HTTPBearer, OpenIdConnect
from fastapi.openapi.models import SecurityBase as SecurityScheme
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from app.kit.auth.errors import InsufficientScopeError, MissingCredentialsError
from app.kit.auth.middleware import caller_of
from app.kit.auth.tokens import User
from app.kit.http.openapi import responds_with

SCHEME: Final = "oidc"
"""What the description of the API calls the security scheme of the issuer."""


class _Scheme(SecurityBase):
    """A security scheme in the description. It checks nothing: `current_user` does."""

    def __init__(self, name: str, model: SecurityScheme) -> None:
        self.scheme_name = name
        self.model = model

    async def __call__(self) -> None:
        """Let everybody pass."""


# Where the issuer is, the application adds.
_LOGIN: Final = _Scheme(SCHEME, OpenIdConnect(openIdConnectUrl="", description="Log in at the issuer."))
_BEARER: Final = _Scheme("bearer", HTTPBearer(description="Paste a token of the issuer."))


@responds_with(403)
async def current_user(
    connection: HTTPConnection,
    required: SecurityScopes,
    _login: Annotated[None, Security(_LOGIN)],
    _bearer: Annotated[None, Security(_BEARER)],
) -> User:
    """Return who calls. Raises 401 if they are not known, and 403 if they may not do this.

    Override this dependency to let others in, such as in a test.
    """
    user = caller_of(connection.scope)
    if user is None:
        raise MissingCredentialsError
    if missing := [scope for scope in required.scopes if scope not in user.scopes]:
        raise InsufficientScopeError(missing, required.scopes)
    return user


CurrentUser = Annotated[User, Security(current_user)]


_required: Final[set[str]] = set()


def requires(*scopes: str) -> params.Security:
    """Return a dependency that lets in who has all of these scopes, for `dependencies=` of an endpoint or a router."""
    _required.update(scopes)
    return params.Security(current_user, scopes=scopes)


def required_scopes() -> frozenset[str]:
    """Return all scopes that were required so far: of all endpoints, once their routers are imported."""
    return frozenset(_required)


async def calling_user(request: Request) -> str:
    """Tell clients apart by who they are; those who do not say share what nobody else has."""
    user = caller_of(request.scope)
    return "" if user is None else user.id
