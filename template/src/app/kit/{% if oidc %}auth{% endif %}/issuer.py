"""The public keys of the issuer, asked for over HTTP and kept.

A request waits for the issuer only where its token names a key that is not known, or where no keys are known that are
young enough. All that wait share one question. Questions begin a second apart at least, so that whoever makes up names
of keys costs the issuer little, and after a rotation nobody is refused: who waits is told what a question has found
that began after they came.
"""

import asyncio
import json
import warnings
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, Final

import httpx2
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey, import_key

from app.kit.auth.errors import InvalidTokenError, IssuerUnavailableError
from app.kit.auth.settings import AuthSettings

SPACING_SECONDS: Final = 1.0
"""Between the beginnings of two questions."""

LONGEST_PAUSE_SECONDS: Final = 30.0
"""After a question without an answer the next one waits, twice as long each time, and no longer than this."""

MAX_BYTES: Final = 1_048_576
"""The largest answer that is read."""

MAX_KEYS: Final = 100
"""The most keys that are taken: a token that names none is tried with each."""

_SMALLEST_RSA: Final = 2048
"""Bits: shorter ones can be broken (NIST SP 800-131A)."""

_DESCRIPTION: Final = "/.well-known/openid-configuration"

log = structlog.get_logger()


class _UselessAnswerError(Exception):
    """What the issuer has said is not what an issuer says."""


class IssuerKeys:
    """The keys of one issuer, as far as this process knows them."""

    def __init__(self, settings: AuthSettings, client: httpx2.AsyncClient) -> None:
        self._issuer = settings.oidc_issuer
        self._timeout = settings.oidc_timeout
        self._refresh = settings.oidc_refresh
        self._keep = settings.oidc_keep
        self._client = client
        self._keys: Sequence[Key] = ()
        self._learned_at: float | None = None
        self._begun_at = float("-inf")
        self._pause = SPACING_SECONDS
        self._failure: str | None = None
        self._asking: asyncio.Task[bool] | None = None

    async def find(self, key_id: str | None, algorithm: str) -> Sequence[Key]:
        """Return the keys by which a token may be signed: that of this id, or all that fit if it names none.

        Raises InvalidTokenError if the issuer has no such key, and IssuerUnavailableError if it cannot be asked.
        """
        found, age = self._known(key_id, algorithm), self._age()
        if found and age < self._keep:
            if age >= self._refresh and not self._pausing():
                self._ask()
            return found
        came_at = monotonic()
        while self._begun_at < came_at:
            # A question that fails is not repeated by those who wait: they would wait for each of them.
            if self._pausing() and self._failure:
                raise IssuerUnavailableError
            if not await asyncio.shield(self._ask()):
                raise IssuerUnavailableError
            if found := self._known(key_id, algorithm):
                return found
        raise InvalidTokenError("The token is signed by a key that its issuer does not have.")

    async def ask(self) -> str | None:
        """Ask the issuer, and return why it could not be asked, or None if it has told its keys."""
        await asyncio.shield(self._ask())
        return self._failure

    def warm(self) -> None:
        """Begin to ask, so that the first request finds the keys."""
        self._ask()

    async def close(self) -> None:
        """Give up what is being asked."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    def _age(self) -> float:
        return float("inf") if self._learned_at is None else monotonic() - self._learned_at

    def _known(self, key_id: str | None, algorithm: str) -> Sequence[Key]:
        return [key for key in self._keys if key_id in {None, key.get("kid")} and _fits(key, algorithm)]

    def _pausing(self) -> bool:
        return self._asking is None and monotonic() < self._begun_at + self._pause

    def _ask(self) -> asyncio.Task[bool]:
        """Return the question that is being asked, or begin one."""
        if self._asking is None:
            self._asking = asyncio.create_task(self._learn())
            self._asking.add_done_callback(self._end)
        return self._asking

    def _end(self, _: asyncio.Task[bool]) -> None:
        self._asking = None

    async def _learn(self) -> bool:
        """Ask the issuer, and say whether it has answered."""
        await asyncio.sleep(max(0.0, self._begun_at + SPACING_SECONDS - monotonic()))
        self._begun_at = monotonic()
        try:
            async with asyncio.timeout(self._timeout):
                keys = await self._fetch()
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, _UselessAnswerError) as error:
            reason = str(error) or type(error).__name__
            self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)
            if not self._failure:
                log.warning("issuer_unavailable", issuer=self._issuer, reason=reason)
            self._failure = reason
            return False
        if self._failure:
            log.info("issuer_available_again", issuer=self._issuer)
        self._failure = None
        self._pause = SPACING_SECONDS
        self._keys, self._learned_at = keys, self._begun_at
        return True

    async def _fetch(self) -> Sequence[Key]:
        described = await self._read(f"{self._issuer.removesuffix('/')}{_DESCRIPTION}")
        if described.get("issuer") != self._issuer:
            raise _UselessAnswerError(f"it calls itself {described.get('issuer')!r}: is OIDC_ISSUER what it says?")
        where = described.get("jwks_uri")
        if not isinstance(where, str) or (self._issuer.startswith("https:") and not where.startswith("https:")):
            raise _UselessAnswerError(f"its keys are at {where!r}, which is no address with https")
        given = (await self._read(where)).get("keys")
        keys = _usable(given) if isinstance(given, list) else []
        if not keys:
            raise _UselessAnswerError(f"what is at {where} has no public key for signatures")
        return keys

    async def _read(self, url: str) -> Mapping[str, Any]:
        """Return a JSON object; redirects are not followed, because they may lead to where the issuer is not."""
        body = bytearray()
        async with self._client.stream("GET", url, headers={"Accept": "application/json"}) as response:
            if response.status_code != httpx2.codes.OK:
                raise _UselessAnswerError(f"{url} answers with {response.status_code}")
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise _UselessAnswerError(f"{url} answers with more than {MAX_BYTES} bytes")
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            raise _UselessAnswerError(f"{url} answers with what is no JSON") from None
        if not isinstance(value, dict):
            raise _UselessAnswerError(f"{url} answers with what is no JSON object")
        return value


def _usable(given: Collection[Any]) -> list[Key]:
    """Return the public keys for signatures. What else there is, or is broken, is no reason to do without them."""
    keys: list[Key] = []
    for each in given:
        # A symmetric key that everybody can read would let everybody sign.
        if isinstance(each, dict) and each.get("kty") in {"RSA", "EC", "OKP"} and each.get("use", "sig") == "sig":
            try:
                with warnings.catch_warnings(action="ignore"):
                    key = import_key(each)
            except (JoseError, ValueError, TypeError):
                continue
            if not isinstance(key, RSAKey) or key.public_key.key_size >= _SMALLEST_RSA:
                keys.append(key)
    return keys[:MAX_KEYS]


def _fits(key: Key, algorithm: str) -> bool:
    """Say whether a signature by the algorithm can be checked with the key."""
    if key.get("alg", algorithm) != algorithm:
        return False
    match algorithm[:2]:
        case "RS" | "PS":
            return isinstance(key, RSAKey)
        case "ES":
            return isinstance(key, ECKey)
        case _:
            return isinstance(key, OKPKey)


@asynccontextmanager
async def open_issuer(settings: AuthSettings) -> AsyncIterator[IssuerKeys]:
    """Keep the issuer's keys for the time of the block. It begins to ask for them, and does not wait."""
    async with httpx2.AsyncClient(timeout=settings.oidc_timeout) as client:
        keys = IssuerKeys(settings, client)
        keys.warm()
        try:
            yield keys
        finally:
            await keys.close()
