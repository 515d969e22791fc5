"""Endpoints know who calls, refuse who may not, and describe it; nothing is opened while that is found out."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from kit_tests.auth.probe import bearer, probing, reason
from kit_tests.support.application import Running
from kit_tests.support.issuer import issuer
from kit_tests.support.pool import at_most
from kit_tests.support.suite import MakeSettings


@pytest.fixture
async def service(make_settings: MakeSettings) -> AsyncIterator[Running]:
    async with probing(make_settings) as service:
        yield service


async def test_endpoint_knows_who_calls(service: Running) -> None:
    response = await service.client.get("/probe/me", headers=bearer(issuer().token("ada", ["b", "a"])))
    assert response.json() == {"id": f"{issuer().url} ada", "subject": "ada", "scopes": ["a", "b"]}


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic YTpi"}, {"Authorization": ""}])
async def test_who_says_nothing_is_asked(service: Running, headers: dict[str, str]) -> None:
    response = await service.client.get("/probe/me", headers=headers)
    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert response.json()["type"] == "urn:problem:missing-credentials"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_name_of_the_scheme_has_no_case(service: Running, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} {issuer().token('ada')}"}
    assert (await service.client.get("/probe/me", headers=headers)).status_code == 200


@pytest.mark.parametrize("token", ["", "nonsense"])
async def test_what_is_open_takes_everybody(service: Running, token: str) -> None:
    assert (await service.client.get("/probe/open", headers=bearer(token))).status_code == 200


async def test_who_may_not_is_told_what_is_missing(service: Running) -> None:
    headers = bearer(issuer().token("ada", ["probe:write"]))
    assert (await service.client.post("/probe/write", headers=headers)).status_code == 200
    response = await service.client.post("/probe/both", headers=headers)
    assert (response.status_code, response.json()["type"]) == (403, "urn:problem:insufficient-scope")
    assert "`probe:more`" in reason(response)
    assert "`probe:write`" not in reason(response)
    assert response.json()["scope"] == "probe:write probe:more"
    assert response.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="probe:write probe:more"'


CLAIMS: dict[str, tuple[dict[str, object], int]] = {
    "a text": ({"scope": "a probe:write b"}, 200),
    "a list": ({"scope": "", "scp": ["a", "probe:write"]}, 200),
    "within another": ({"scope": "", "realm": {"roles": ["probe:write"]}}, 200),
    "a part of a name": ({"scope": "probe:writer"}, 403),
    "another case": ({"scope": "PROBE:WRITE"}, 403),
    "commas": ({"scope": "a,probe:write"}, 403),
    "a number": ({"scope": 1}, 403),
    "names in an object": ({"scope": {"probe:write": True}}, 403),
    "what is no list of texts": ({"scope": "", "scp": [["probe:write"]]}, 403),
    "a claim that is not asked": ({"scope": "", "roles": ["probe:write"]}, 403),
}


@pytest.mark.parametrize("how", CLAIMS)
async def test_claims_say_what_the_bearer_may_do(make_settings: MakeSettings, how: str) -> None:
    claims, status = CLAIMS[how]
    async with probing(make_settings, oidc_scope_claims=("scope", "scp", "realm.roles")) as service:
        token = issuer().token("ada", **claims)  # type: ignore[arg-type]
        assert (await service.client.post("/probe/write", headers=bearer(token))).status_code == status


async def test_each_has_keys_of_their_own(service: Running) -> None:
    def once(subject: str) -> dict[str, str]:
        return bearer(issuer().token(subject)) | {"Idempotency-Key": "a"}

    first, again, other = [
        await service.client.post("/probe/once", headers=once(subject)) for subject in ("ada", "ada", "eve")
    ]
    assert [response.status_code for response in (first, again, other)] == [200, 200, 200]
    assert (again.headers["Idempotent-Replayed"], other.json()) == ("true", f"{issuer().url} eve")
    assert "Idempotent-Replayed" not in other.headers


async def test_nobody_is_looked_up_while_a_session_is_open(make_settings: MakeSettings) -> None:
    async with probing(make_settings, **at_most(4)) as service, asyncio.timeout(60):
        headers = bearer(issuer().token("ada"))
        requests = (service.client.post("/probe/session-first", headers=headers) for _ in range(40))
        assert [response.status_code for response in await asyncio.gather(*requests)] == [200] * 40


async def test_description_names_scheme_scopes_and_problems(service: Running) -> None:
    document = (await service.client.get("/openapi.json")).json()
    schemes = document["components"]["securitySchemes"]
    assert schemes["oidc"]["type"] == "openIdConnect"
    assert schemes["oidc"]["openIdConnectUrl"] == f"{issuer().url}/.well-known/openid-configuration"
    assert (schemes["bearer"]["type"], schemes["bearer"]["scheme"]) == ("http", "bearer")
    write, me, anybody = (
        document["paths"][f"/probe/{path}"][method]
        for path, method in (("write", "post"), ("me", "get"), ("open", "get"))
    )
    # Either of the two will do.
    assert write["security"] == [{"oidc": ["probe:write"]}, {"bearer": ["probe:write"]}]
    assert me["security"] == [{"oidc": []}, {"bearer": []}]
    assert {"401", "403"} <= write["responses"].keys()
    assert "security" not in anybody
    assert not {"401", "403"} & anybody["responses"].keys()


async def test_metrics_take_a_token_where_that_is_set(make_settings: MakeSettings) -> None:
    async with probing(make_settings, metrics_scope="metrics:read") as service:
        assert (await service.client.get("/metrics")).status_code == 401
        others = bearer(issuer().token("prometheus", ["probe:write"]))
        assert (await service.client.get("/metrics", headers=others)).status_code == 403
        scraper = bearer(issuer().token("prometheus", ["metrics:read"]))
        assert (await service.client.get("/metrics", headers=scraper)).status_code == 200
        assert (await service.client.get("/health/ready")).status_code == 200


async def test_operators_take_a_token_where_that_is_set(make_settings: MakeSettings) -> None:
    async with probing(make_settings, info_enabled=True, info_scope="operate") as service:
        assert (await service.client.get("/info")).status_code == 401
        assert (await service.client.put("/log-level", json={"level": "DEBUG"})).status_code == 401
        operator = bearer(issuer().token("eve", ["operate"]))
        assert (await service.client.get("/info", headers=operator)).status_code == 200
