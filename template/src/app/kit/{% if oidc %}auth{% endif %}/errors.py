"""Why a request is refused before its endpoint is called."""

from collections.abc import Iterable
from http import HTTPStatus

from app.kit.http.problems import RETRY_AFTER_SECONDS, ProblemError


def _quoted(text: str) -> str:
    """Return a text as the value of a parameter of `WWW-Authenticate`, without what cannot stand there (RFC 6750)."""
    return "".join(letter for letter in text if " " <= letter <= "~" and letter not in '"\\')


class MissingCredentialsError(ProblemError):
    """The request says nothing about who sends it."""

    def __init__(self) -> None:
        super().__init__(
            HTTPStatus.UNAUTHORIZED,
            "This needs a token of the issuer, as `Authorization: Bearer`.",
            kind="missing-credentials",
            headers={"WWW-Authenticate": "Bearer"},
        )


class InvalidTokenError(ProblemError):
    """The token is none of the issuer's for this service, or no longer."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            HTTPStatus.UNAUTHORIZED,
            reason,
            kind="invalid-token",
            headers={"WWW-Authenticate": f'Bearer error="invalid_token", error_description="{_quoted(reason)}"'},
        )


class InsufficientScopeError(ProblemError):
    """The bearer may not do this."""

    def __init__(self, missing: Iterable[str], required: Iterable[str]) -> None:
        scopes = " ".join(required)
        named = " and ".join(f"`{scope}`" for scope in missing)
        super().__init__(
            HTTPStatus.FORBIDDEN,
            f"This needs the scope {named}, which the credentials do not have.",
            kind="insufficient-scope",
            headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{_quoted(scopes)}"'},
            scope=scopes,
        )


class IssuerUnavailableError(ProblemError):
    """Whether the token is valid cannot be told, because the issuer does not tell its keys."""

    def __init__(self) -> None:
        super().__init__(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The issuer of the token cannot be asked for its keys. Try again.",
            kind="issuer-unavailable",
            headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
        )
