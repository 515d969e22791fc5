"""Tokens are taken if the issuer has signed them for this service, now; all others are refused, with the reason."""

import base64
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey
from joserfc.jws import JWSRegistry
from joserfc.registry import HeaderParameter

from devtools.issuer.server import AUDIENCE, Issuer
from kit_tests.auth.probe import answer, bearer, probing, reason
from kit_tests.support.application import Running
from kit_tests.support.issuer import issuer
from kit_tests.support.suite import MakeSettings


@pytest.fixture
async def service(make_settings: MakeSettings) -> AsyncIterator[Running]:
    async with probing(make_settings) as service:
        yield service


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def claims_of(signed_by: Issuer, **claims: object) -> dict[str, object]:
    now = int(time.time())
    return {"iss": signed_by.url, "aud": AUDIENCE, "sub": "ada", "iat": now, "exp": now + 60, **claims}


def without(name: str) -> str:
    claims = claims_of(issuer())
    del claims[name]
    return jwt.encode({"alg": "ES256", "kid": issuer().key.kid}, claims, issuer().key)


def unsigned() -> str:
    return f"{encoded({'alg': 'none'})}.{encoded(claims_of(issuer()))}."


def signed_with_the_public_key() -> str:
    signed = f"{encoded({'alg': 'HS256', 'kid': issuer().key.kid})}.{encoded(claims_of(issuer()))}"
    signature = hmac.digest(issuer().key.as_pem(private=False), signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def signed_by_another_key(kid: str | None) -> str:
    header = {"alg": "ES256"} if kid is None else {"alg": "ES256", "kid": kid}
    return jwt.encode(header, claims_of(issuer()), ECKey.generate_key("P-256"))


def tampered() -> str:
    head, _, signature = issuer().token("ada").split(".")
    return f"{head}.{encoded(claims_of(issuer(), sub='eve', scope='probe:write'))}.{signature}"


def with_the_key_in_its_head() -> str:
    key = ECKey.generate_key("P-256", auto_kid=True)
    header = {"alg": "ES256", "kid": key.kid, "jwk": key.as_dict(private=False), "jku": "https://example.com/keys"}
    return jwt.encode(header, claims_of(issuer()), key)


def critical() -> str:
    header = {"alg": "ES256", "kid": issuer().key.kid, "crit": ["exp"], "exp": 1}
    known = {"exp": HeaderParameter("Whatever it is", "int")}
    registry = JWSRegistry(known, algorithms=["ES256"])
    return jwt.encode(header, claims_of(issuer()), issuer().key, registry=registry)


REFUSED: dict[str, tuple[Callable[[], str], str]] = {
    "no signature": (unsigned, "not signed by an algorithm that is allowed"),
    "a signature with the public key as secret": (signed_with_the_public_key, "not signed by an algorithm"),
    "a key that the issuer does not have": (lambda: signed_by_another_key("made-up"), "a key that its issuer does not"),
    "another key under the issuer's id": (lambda: signed_by_another_key(issuer().key.kid), "not its issuer's"),
    "another key without an id": (lambda: signed_by_another_key(None), "not its issuer's"),
    "a key that it brings itself": (with_the_key_in_its_head, "a key that its issuer does not"),
    "another text than was signed": (tampered, "not its issuer's"),
    "a head that has to be understood": (critical, "none"),
    "another issuer": (lambda: issuer().token(iss="https://example.com"), "of another issuer"),
    "another audience": (lambda: issuer().token(aud="others"), "another audience"),
    "other audiences": (lambda: issuer().token(aud=["others", "more"]), "another audience"),
    "no audience": (lambda: without("aud"), "`aud`"),
    "no issuer": (lambda: without("iss"), "`iss`"),
    "no end": (lambda: without("exp"), "`exp`"),
    "no subject": (lambda: without("sub"), "`sub`"),
    "an empty subject": (lambda: issuer().token(""), "`sub`"),
    "a subject that is no text": (lambda: issuer().token(sub=7), "`sub`"),
    "an end that has passed": (lambda: issuer().token(exp=int(time.time()) - 60), "expired"),
    "an end that is no number": (lambda: issuer().token(exp="tomorrow"), "`exp`"),
    "an end that never comes": (lambda: issuer().token(exp=float("inf")), "`exp`"),
    "an end that is true": (lambda: issuer().token(exp=True), "`exp`"),
    "a beginning that is to come": (lambda: issuer().token(nbf=int(time.time()) + 90), "not valid yet"),
    "a time that is to come": (lambda: issuer().token(iat=int(time.time()) + 90), "from the future"),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_token_is_refused_with_its_reason(service: Running, what: str) -> None:
    make, why = REFUSED[what]
    response = await service.client.get("/probe/me", headers=bearer(make()))
    assert (response.status_code, response.json()["type"]) == (401, "urn:problem:invalid-token")
    assert why in reason(response)
    challenge = response.headers["WWW-Authenticate"]
    assert challenge.startswith('Bearer error="invalid_token", error_description="')
    assert response.headers["Content-Type"] == "application/problem+json"


NO_TOKENS = {
    "nothing": "",
    "a word": "abc",
    "dots": "..",
    "four parts": "a.b.c.d",
    "five parts": "a.b.c.d.e",
    "no base64": "%.%.%",
    "a head that is no object": f"{encoded('alg')}.{encoded({})}.c2ln",
    "a head that is a list": f"{encoded(['alg'])}.{encoded({})}.c2ln",
    "a head that is deep": f"{base64.urlsafe_b64encode(b'[' * 5000).decode().rstrip('=')}.e30.c2ln",
    "an algorithm that is no text": f"{encoded({'alg': 1})}.{encoded({})}.c2ln",
    "a key's id that is no text": f"{encoded({'alg': 'ES256', 'kid': ['a']})}.{encoded({})}.c2ln",
    "what is too long": "a" * 20_000,
}


@pytest.mark.parametrize("what", NO_TOKENS)
async def test_what_is_no_token_is_refused(service: Running, what: str) -> None:
    status, _ = await answer(service, NO_TOKENS[what])
    assert status == 401


@pytest.mark.parametrize("letter", ["é", "\x7f", "\x80"])
async def test_bytes_beside_ascii_are_refused(service: Running, letter: str) -> None:
    headers = {b"Authorization": f"Bearer {letter}.{letter}.{letter}".encode("latin-1")}
    assert (await service.client.get("/probe/me", headers=headers)).status_code == 401


async def test_each_part_of_a_token_counts(service: Running) -> None:
    token = issuer().token("ada")
    for place in range(0, len(token), 7):
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        status, _ = await answer(service, changed)
        assert status == 401, changed


async def test_several_credentials_are_refused(service: Running) -> None:
    headers = [("Authorization", f"Bearer {issuer().token('ada')}"), ("Authorization", "Bearer x")]
    response = await service.client.get("/probe/me", headers=headers)
    assert (response.status_code, "several" in reason(response)) == (401, True)


TAKEN: dict[str, dict[str, object]] = {
    "one of several audiences": {"aud": ["others", AUDIENCE]},
    "an end within the leeway": {"exp": int(time.time()) - 5},
    "a beginning within the leeway": {"nbf": int(time.time()) + 20},
    "a fraction of a second": {"exp": time.time() + 600.5},
    "any other claim": {"name": "Ada", "groups": ["a", {"b": None}]},
}


@pytest.mark.parametrize("what", TAKEN)
async def test_token_is_taken(make_settings: MakeSettings, what: str) -> None:
    async with probing(make_settings, oidc_leeway=300) as service:
        assert await answer(service, issuer().token("ada", **TAKEN[what])) == (200, "")  # type: ignore[arg-type]


@pytest.mark.parametrize("header", [{}, {"typ": "JWT"}, {"x5c": ["A" * 3000]}, {"unheard-of": 1}])
async def test_head_may_have_more(service: Running, header: dict[str, object]) -> None:
    registry = JWSRegistry(strict_check_header=False, algorithms=["ES256"])
    head = {"alg": "ES256", "kid": issuer().key.kid, **header}
    token = jwt.encode(head, claims_of(issuer()), issuer().key, registry=registry)
    assert await answer(service, token) == (200, "")


async def test_token_may_leave_out_which_key(service: Running) -> None:
    assert await answer(service, jwt.encode({"alg": "ES256"}, claims_of(issuer()), issuer().key)) == (200, "")


async def test_algorithm_can_be_forbidden(make_settings: MakeSettings) -> None:
    async with probing(make_settings, oidc_algorithms=("RS256",)) as service:
        status, why = await answer(service, issuer().token("ada"))
        assert (status, "algorithm" in why) == (401, True)


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (RSAKey.generate_key(2048), "RS256"),
        (RSAKey.generate_key(2048), "PS384"),
        (ECKey.generate_key("P-384"), "ES384"),
        (ECKey.generate_key("P-521"), "ES512"),
    ],
    ids=["RS256", "PS384", "ES384", "ES512"],
)
async def test_issuers_sign_by_any_of_them(
    make_settings: MakeSettings,
    own_issuer: Issuer,
    key: RSAKey | ECKey,
    algorithm: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys = KeySet([key, own_issuer.key]).as_dict(private=False)
    monkeypatch.setattr(own_issuer, "keys", lambda: keys)
    async with probing(make_settings, oidc_issuer=own_issuer.url) as service:
        registry = JWSRegistry(algorithms=[algorithm])
        for head in ({"alg": algorithm, "kid": key.kid}, {"alg": algorithm}):
            token = jwt.encode(head, claims_of(own_issuer), key, registry=registry)
            assert await answer(service, token) == (200, "")
