"""Settings of authentication: whose tokens are taken."""

import re
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_settings import BaseSettings, NoDecode

ENV_FILE: Final = ".data/issuer.env"
"""What `poe dev` tells about the issuer that it has started, while it runs."""

ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512"),
    *("PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512"),
    "Ed25519",
)
"""Those by which nobody signs who knows the public key. Tokens without a signature are never taken."""

_HTTPS: Final = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?")
_HTTP: Final = re.compile(r"http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?(/.*)?")
_CLAIM: Final = re.compile(r"[^\s,.]+(\.[^\s,.]+)*")


def _parts(value: object) -> object:
    """Turn `a, b` into its parts."""
    if not isinstance(value, str):
        return value
    return tuple(part for each in value.split(",") if (part := each.strip()))


def _check_issuer(issuer: str) -> str:
    if issuer.endswith("/.well-known/openid-configuration"):
        raise ValueError(
            "is the address of the issuer's description. Expected what that says is its `issuer`: as a rule the same "
            "without /.well-known/openid-configuration."
        )
    if not _HTTPS.fullmatch(issuer) and not _HTTP.fullmatch(issuer):
        raise ValueError(
            "is no issuer. Expected its URL, such as https://login.example.com/realms/main, without a query. Only one "
            "on this machine may have http."
        )
    return issuer


def _check_named(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise ValueError("names nothing. Expected one or several, separated by commas.")
    return values


def _check_algorithms(algorithms: tuple[str, ...]) -> tuple[str, ...]:
    if wrong := [each for each in algorithms if each not in ALGORITHMS]:
        raise ValueError(
            f"has {', '.join(map(repr, wrong))}. Expected some of {', '.join(ALGORITHMS)}, separated by commas."
        )
    return algorithms


def _check_claims(claims: tuple[str, ...]) -> tuple[str, ...]:
    if wrong := [each for each in claims if not _CLAIM.fullmatch(each)]:
        raise ValueError(
            f"has {', '.join(map(repr, wrong))}. Expected names of claims, such as scope, or realm_access.roles "
            "for what is within another, separated by commas."
        )
    return claims


class AuthSettings(BaseSettings):
    """Whose tokens are taken, and how long without asking the issuer."""

    oidc_issuer: Annotated[str, AfterValidator(_check_issuer)]
    """The issuer of the tokens, as it names itself: the claim `iss`."""

    oidc_audience: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parts), AfterValidator(_check_named)]
    """Whom tokens are for: one of these is in the claim `aud`. Without it, tokens for other services would do."""

    oidc_algorithms: Annotated[
        tuple[str, ...],
        NoDecode,
        BeforeValidator(_parts),
        AfterValidator(_check_named),
        AfterValidator(_check_algorithms),
    ] = ALGORITHMS
    """By which tokens may be signed."""

    oidc_scope_claims: Annotated[
        tuple[str, ...], NoDecode, BeforeValidator(_parts), AfterValidator(_check_named), AfterValidator(_check_claims)
    ] = ("scope", "scp")
    """The claims that say what the bearer may do: a list, or a text with spaces."""

    oidc_leeway: float = Field(default=30, ge=0, le=300, allow_inf_nan=False)
    """By how much the issuer's clock may differ, in seconds."""

    oidc_timeout: float = Field(default=5, ge=0.1, le=60, allow_inf_nan=False)
    """The longest time for asking the issuer for its keys, in seconds."""

    oidc_refresh: float = Field(default=600, ge=1, le=86_400, allow_inf_nan=False)
    """The age of the keys, in seconds, at which they are asked for again, while requests go on with those at hand."""

    oidc_keep: float = Field(default=86_400, ge=1, le=31_536_000, allow_inf_nan=False)
    """How old keys may be that are used while the issuer cannot be asked, in seconds."""

    metrics_scope: str = ""
    """What `/metrics` takes a token for; without it everybody may read them who reaches the service."""

    info_scope: str = ""
    """What `/info` and `/log-level` take a token for, where `info_enabled` has them served."""

    oidc_docs_client: str = ""
    """The client as which `/docs` logs in: one without a secret that may use the authorization code with PKCE."""

    @model_validator(mode="after")
    def _check_ages(self) -> Self:
        if self.oidc_keep < self.oidc_refresh:
            raise ValueError(
                "OIDC_KEEP is less than OIDC_REFRESH: keys would be too old before new ones are asked for."
            )
        return self
