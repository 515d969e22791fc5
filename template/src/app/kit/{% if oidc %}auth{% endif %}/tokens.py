"""Whether a token is one of the issuer's for this service, and what it says about its bearer."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Final

from joserfc import jwt
from joserfc.errors import (
    ExpiredTokenError,
    InvalidClaimError,
    InvalidPayloadError,
    JoseError,
    MissingClaimError,
    UnsupportedHeaderError,
)
from joserfc.jws import JWSRegistry, extract_compact
from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError

from app.kit.auth.errors import InvalidTokenError
from app.kit.auth.issuer import IssuerKeys
from app.kit.auth.settings import AuthSettings

MAX_LENGTH: Final = 16_384
"""The longest token that is looked at, in bytes."""

_NO_TOKEN: Final = "What is sent as a token is none."  # noqa: S105 - what a client is told

_REASONS: Final[Mapping[str, str]] = {
    "aud": "The token is for another audience.",
    "iss": "The token is of another issuer.",
    "nbf": "The token is not valid yet.",
    "iat": "The token is from the future: is a clock wrong?",
}

_Seconds = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_CLAIMS: Final = TypeAdapter(dict[str, JsonValue])


@dataclass(frozen=True, slots=True)
class User:
    """Who calls, as the issuer says: a person, or a program."""

    issuer: str
    """The URL of whoever says so."""

    subject: str
    """Their name at the issuer: it never changes, and nobody else has it there."""

    scopes: frozenset[str]
    """What they may do."""

    claims: Mapping[str, JsonValue]
    """All that the token says about them."""

    @property
    def id(self) -> str:
        """What tells them from all others, also from those of other issuers."""
        return f"{self.issuer} {self.subject}"


class _Registered(BaseModel):
    """Of the claims those that are checked, in the form that they have to have."""

    model_config = ConfigDict(extra="ignore")

    iss: Annotated[str, Field(strict=True)]
    sub: Annotated[str, Field(strict=True, min_length=1)]
    exp: _Seconds
    nbf: _Seconds | None = None
    iat: _Seconds | None = None


class _Header(BaseModel):
    """Of a token's head that which decides by what key it is checked; all else in it is up to whoever has made it."""

    alg: Annotated[str, Field(strict=True)]
    kid: Annotated[str, Field(strict=True)] | None = None


class _Registry(JWSRegistry):
    """Takes heads with more in them than is known, such as certificates, unless they call it critical."""

    max_header_length = 8_192
    max_payload_length = MAX_LENGTH


class TokenVerifier:
    """Verifies tokens by the issuer's keys."""

    def __init__(self, settings: AuthSettings, keys: IssuerKeys) -> None:
        self._keys = keys
        self._algorithms = frozenset(settings.oidc_algorithms)
        self._scope_claims = [tuple(claim.split(".")) for claim in settings.oidc_scope_claims]
        self._registry = _Registry(algorithms=list(settings.oidc_algorithms), strict_check_header=False)
        self._claims = jwt.JWTClaimsRegistry(
            leeway=round(settings.oidc_leeway),
            iss={"essential": True, "value": settings.oidc_issuer},
            aud={"essential": True, "values": list(settings.oidc_audience)},
            exp={"essential": True},
        )

    async def verify(self, token: str) -> User:
        """Return whom the token is about.

        Raises InvalidTokenError, and IssuerUnavailableError if the issuer has to be asked and cannot.
        """
        header = self._header(token)
        if header.alg not in self._algorithms:
            raise InvalidTokenError("The token is not signed by an algorithm that is allowed.")
        for key in await self._keys.find(header.kid, header.alg):
            try:
                claims = jwt.decode(token, key, registry=self._registry).claims
            except (InvalidPayloadError, UnsupportedHeaderError, ValueError, TypeError, RecursionError):
                raise InvalidTokenError(_NO_TOKEN) from None
            except JoseError:
                # Another key's signature, or one that this key cannot be for.
                continue
            return self._user(claims)
        raise InvalidTokenError("The signature of the token is not its issuer's.")

    def _header(self, token: str) -> _Header:
        if len(token) > MAX_LENGTH:
            raise InvalidTokenError(f"The token is longer than {MAX_LENGTH} bytes.")
        try:
            return _Header.model_validate(extract_compact(token.encode(), registry=self._registry).headers())
        except (JoseError, ValueError, TypeError, AttributeError, RecursionError):
            raise InvalidTokenError(_NO_TOKEN) from None

    def _user(self, claims: Mapping[str, object]) -> User:
        try:
            registered = _Registered.model_validate(claims)
            known = _CLAIMS.validate_python(claims)
        except ValidationError as error:
            name = error.errors(include_url=False, include_context=False, include_input=False)[0]["loc"][0]
            raise InvalidTokenError(_lacks(str(name))) from None
        try:
            self._claims.validate(known)
        except ExpiredTokenError:
            raise InvalidTokenError("The token has expired.") from None
        except MissingClaimError as error:
            raise InvalidTokenError(_lacks(error.claim)) from None
        except InvalidClaimError as error:
            raise InvalidTokenError(_REASONS.get(error.claim, _lacks(error.claim))) from None
        scopes = frozenset(scope for claim in self._scope_claims for scope in _scopes(known, claim))
        return User(registered.iss, registered.sub, scopes, known)


def _lacks(claim: str) -> str:
    return f"The token lacks the claim `{claim}`, or it is not what it has to be."


def _scopes(claims: Mapping[str, JsonValue], path: tuple[str, ...]) -> Iterator[str]:
    """Yield the scopes that a claim names, by a text with spaces or by a list of texts."""
    value: JsonValue = dict(claims)
    for name in path:
        if not isinstance(value, dict):
            return
        value = value.get(name)
    if isinstance(value, str):
        yield from value.split()
    elif isinstance(value, list):
        yield from (each for each in value if isinstance(each, str))
