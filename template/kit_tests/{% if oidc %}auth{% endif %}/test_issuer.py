"""The issuer's keys: learned at the start, replaced at any time, kept while it is away, and never made up by others."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from app.kit.auth import issuer as issuer_module
from devtools.issuer.server import Issuer, running_issuer
from kit_tests.auth.probe import answer, probing
from kit_tests.support.application import Running, eventually
from kit_tests.support.output import captured_output, log_lines
from kit_tests.support.suite import MakeSettings

DESCRIPTION = "/.well-known/openid-configuration"


class Scripted:
    """An issuer that says what a test wants, byte for byte, and counts how often it is asked."""

    def __init__(self) -> None:
        self.url = ""
        self.signer = Issuer("")
        self.says: dict[str, Callable[[], bytes]] = {DESCRIPTION: self.description, "/keys": self.keys}
        self.status = "200 OK"
        self.seconds = 0.0
        self.asked: list[str] = []

    def description(self) -> bytes:
        return json.dumps({"issuer": self.url, "jwks_uri": f"{self.url}/keys"}).encode()

    def keys(self) -> bytes:
        return json.dumps(self.signer.keys()).encode()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split()[1].decode()
            self.asked.append(path)
            await asyncio.sleep(self.seconds)
            body = self.says[path]()
            writer.write(f"HTTP/1.1 {self.status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode())
            writer.write(body)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def scripted() -> AsyncIterator[Scripted]:
    issuer = Scripted()
    server = await asyncio.start_server(issuer.serve, "127.0.0.1", 0)
    issuer.url = issuer.signer.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield issuer


async def until(service: Running, token: str, expected: int) -> None:
    status = 0
    while status != expected:
        await asyncio.sleep(0.1)
        status, _ = await answer(service, token)


async def test_key_that_is_replaced_is_known_at_once(make_settings: MakeSettings, own_issuer: Issuer) -> None:
    async with probing(make_settings, oidc_issuer=own_issuer.url) as service:
        before = own_issuer.token("ada")
        assert await answer(service, before) == (200, "")
        for _ in range(2):
            own_issuer.rotate()
            assert await answer(service, own_issuer.token("ada")) == (200, "")
        status, _ = await answer(service, before)
        assert status == 401


async def test_nobody_is_refused_while_keys_are_replaced(make_settings: MakeSettings, own_issuer: Issuer) -> None:
    async with probing(make_settings, oidc_issuer=own_issuer.url) as service, asyncio.timeout(120):
        answers: list[tuple[int, str]] = []

        async def client(name: str) -> None:
            while len(answers) < 300:
                answers.append(await answer(service, own_issuer.token(name)))
                await asyncio.sleep(0)

        async def rotate() -> None:
            while len(answers) < 300:
                own_issuer.rotate(keep=True)
                await asyncio.sleep(0.3)

        await asyncio.gather(rotate(), *(client(f"client {number}") for number in range(5)))
        assert set(answers) == {(200, "")}


async def test_keys_that_are_made_up_cost_few_questions(make_settings: MakeSettings) -> None:
    async with scripted() as issuer, probing(make_settings, oidc_issuer=issuer.url) as service, asyncio.timeout(120):
        assert await answer(service, issuer.signer.token("ada")) == (200, "")
        loop = asyncio.get_running_loop()
        begun, others = loop.time(), Issuer(issuer.url)

        async def flood() -> None:
            for _ in range(3):
                others.rotate()
                status, _ = await answer(service, others.token("eve"))
                assert status == 401

        async def known() -> None:
            for _ in range(20):
                assert await answer(service, issuer.signer.token("ada")) == (200, "")

        await asyncio.gather(known(), *(flood() for _ in range(50)))
        seconds = loop.time() - begun
        assert issuer.asked.count("/keys") <= 3 + seconds / issuer_module.SPACING_SECONDS


async def test_service_starts_without_its_issuer(make_settings: MakeSettings) -> None:
    with running_issuer() as gone:
        pass
    with captured_output() as output:
        async with probing(make_settings, oidc_issuer=gone.url) as service:
            response = await service.client.get("/probe/me", headers={"Authorization": f"Bearer {gone.token('ada')}"})
            assert (response.status_code, response.json()["type"]) == (503, "urn:problem:issuer-unavailable")
            assert response.headers["Retry-After"] == "1"
            assert (await service.client.get("/probe/open")).status_code == 200
            assert (await service.client.get("/health/ready")).status_code == 200
    assert [line["event"] for line in log_lines(output)].count("issuer_unavailable") == 1


async def test_known_keys_are_kept_while_it_is_away(make_settings: MakeSettings) -> None:
    settings = {"oidc_refresh": 1, "oidc_keep": 4}
    async with scripted() as issuer, probing(make_settings, oidc_issuer=issuer.url, **settings) as service:
        token = issuer.signer.token("ada")
        assert await answer(service, token) == (200, "")
        issuer.status = "500 Internal Server Error"
        await asyncio.sleep(1.5)
        assert await answer(service, token) == (200, "")
        asked = len(issuer.asked)
        await eventually(lambda: len(issuer.asked) >= asked)
        await asyncio.sleep(3)
        status, _ = await answer(service, token)
        assert status == 503
        issuer.status = "200 OK"
        async with asyncio.timeout(60):
            await until(service, token, 200)


async def test_key_that_is_no_longer_told_is_forgotten(make_settings: MakeSettings, own_issuer: Issuer) -> None:
    async with probing(make_settings, oidc_issuer=own_issuer.url, oidc_refresh=1) as service, asyncio.timeout(60):
        stolen = own_issuer.token("ada")
        assert await answer(service, stolen) == (200, "")
        own_issuer.rotate()
        await until(service, stolen, 401)


async def test_slow_issuer_holds_up_only_who_needs_it(make_settings: MakeSettings) -> None:
    async with scripted() as issuer, probing(make_settings, oidc_issuer=issuer.url, oidc_timeout=2) as service:
        assert await answer(service, issuer.signer.token("ada")) == (200, "")
        known = issuer.signer.token("ada")
        issuer.seconds = 30
        others = Issuer(issuer.url)
        waiting = [asyncio.create_task(answer(service, others.token("eve"))) for _ in range(10)]
        await eventually(lambda: len(issuer.asked) > 2)
        assert await answer(service, known) == (200, "")
        assert not any(task.done() for task in waiting)
        assert {status for status, _ in await asyncio.gather(*waiting)} == {503}


def says(**changes: Any) -> Callable[[Scripted], bytes]:
    return lambda issuer: json.dumps({**json.loads(issuer.description()), **changes}).encode()


def keys_are(*keys: Any) -> Callable[[Scripted], bytes]:
    return lambda _: json.dumps({"keys": keys}).encode()


LIES: dict[str, tuple[str, Callable[[Scripted], bytes]]] = {
    "another name": (DESCRIPTION, says(issuer="https://example.com")),
    "no name": (DESCRIPTION, lambda issuer: json.dumps({"jwks_uri": f"{issuer.url}/keys"}).encode()),
    "no place of its keys": (DESCRIPTION, lambda issuer: json.dumps({"issuer": issuer.url}).encode()),
    "a place that is none": (DESCRIPTION, says(jwks_uri="file:///etc/passwd")),
    "a place that is no text": (DESCRIPTION, says(jwks_uri=7)),
    "no JSON": ("/keys", lambda _: b"<html>"),
    "JSON that is too deep": ("/keys", lambda _: b"[" * 100_000),
    "no object": ("/keys", lambda _: b"[]"),
    "no keys": ("/keys", lambda _: b"{}"),
    "keys that are no list": ("/keys", lambda _: b'{"keys": {"a": 1}}'),
    "an empty list": ("/keys", keys_are()),
    "keys that are none": ("/keys", keys_are(1, None, "a", {}, {"kty": "EC"}, {"kty": "RSA", "n": 1, "e": []})),
    "a secret key": ("/keys", keys_are(OctKey.generate_key(256).as_dict(private=True))),
    "a key for encryption": (
        "/keys",
        lambda issuer: json.dumps({"keys": [issuer.signer.key.as_dict(private=False) | {"use": "enc"}]}).encode(),
    ),
    "too much": ("/keys", lambda _: b" " * 3_000_000),
}


@pytest.mark.parametrize("lie", LIES)
async def test_issuer_that_lies_is_not_believed(make_settings: MakeSettings, lie: str) -> None:
    path, body = LIES[lie]
    async with scripted() as issuer:
        issuer.says[path] = lambda: body(issuer)
        with captured_output() as output:
            async with probing(make_settings, oidc_issuer=issuer.url) as service:
                status, _ = await answer(service, issuer.signer.token("ada"))
                assert status == 503
        (line,) = [line for line in log_lines(output) if line["event"] == "issuer_unavailable"]
        assert line["reason"]


async def test_keys_that_cannot_be_used_hide_no_others(make_settings: MakeSettings) -> None:
    async with scripted() as issuer:
        good = issuer.signer.key.as_dict(private=False)
        odd: Sequence[Any] = [{"kty": "new"}, 1, {"kty": "EC", "crv": "P-256", "x": "?", "y": "?"}, good]
        issuer.says["/keys"] = lambda: json.dumps({"keys": odd}).encode()
        async with probing(make_settings, oidc_issuer=issuer.url) as service:
            assert await answer(service, issuer.signer.token("ada")) == (200, "")


async def test_lies_after_the_truth_take_no_key_away(make_settings: MakeSettings) -> None:
    async with scripted() as issuer, probing(make_settings, oidc_issuer=issuer.url, oidc_refresh=1) as service:
        token = issuer.signer.token("ada")
        assert await answer(service, token) == (200, "")
        issuer.says["/keys"] = lambda: b'{"keys": []}'
        asked = len(issuer.asked)
        async with asyncio.timeout(60):
            while len(issuer.asked) < asked + 4:
                assert await answer(service, token) == (200, "")
                await asyncio.sleep(0.05)


async def test_redirect_is_not_followed(make_settings: MakeSettings) -> None:
    async with scripted() as issuer:
        issuer.status = "302 Found\r\nLocation: /keys"
        async with probing(make_settings, oidc_issuer=issuer.url) as service:
            status, _ = await answer(service, issuer.signer.token("ada"))
            assert (status, {*issuer.asked}) == (503, {DESCRIPTION})


async def test_short_keys_are_not_taken() -> None:
    with pytest.warns(UserWarning, match="2048"):
        short = RSAKey.generate_key(1024)
    given = KeySet([short, RSAKey.generate_key(2048), ECKey.generate_key("P-256")]).as_dict(private=False)
    assert len(issuer_module._usable(given["keys"])) == 2
