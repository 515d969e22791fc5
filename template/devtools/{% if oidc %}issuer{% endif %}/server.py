"""The issuer: its description, its keys, a page to log in at, and tokens.

It is as real as a browser, a library and the service need: the authorization code flow with PKCE (RFC 7636), and client
credentials. It asks nobody for a password, so it is for a developer's machine and for tests.
"""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

AUDIENCE: Final = "development"
"""Whom its tokens are for."""

LIFETIME: Final = 3600
"""Of a token, in seconds."""

_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Log in</title></head>
<body>
<h1>Log in</h1>
<form method="post">
<label>Name <input name="subject" value="developer" required></label>
<label>Scopes <input name="scope" value="{scope}" size="60"></label>
{hidden}
<button>Log in</button>
</form>
</body>
</html>
"""


class Issuer:
    """Signs tokens, and says by which keys. Keys can be replaced while it serves."""

    def __init__(self, url: str, scopes: Callable[[], Sequence[str]] = tuple) -> None:
        self.url = url
        self._scopes = scopes
        self._keys: list[ECKey] = []
        self._codes: dict[str, Mapping[str, str]] = {}
        self.rotate()

    def rotate(self, *, keep: bool = False) -> None:
        """Sign with a new key from now on; `keep` goes on telling the old ones."""
        key = ECKey.generate_key("P-256", {"alg": "ES256", "use": "sig"}, auto_kid=True)
        self._keys = [key, *(self._keys if keep else [])]

    @property
    def key(self) -> ECKey:
        """The key that it signs with."""
        return self._keys[0]

    def token(self, subject: str = "developer", scopes: Sequence[str] = (), **claims: object) -> str:
        """Return a token for this service; `claims` are added to the usual ones, or replace them."""
        now = int(time.time())
        usual = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": subject,
            "iat": now,
            "exp": now + LIFETIME,
            "scope": " ".join(scopes),
        }
        return jwt.encode({"alg": "ES256", "kid": self.key.kid, "typ": "at+jwt"}, {**usual, **claims}, self.key)

    def description(self) -> Mapping[str, object]:
        """Return what OpenID Connect Discovery wants to be said."""
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "grant_types_supported": ["authorization_code", "client_credentials"],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": ["openid", *self._scopes()],
        }

    def keys(self) -> Mapping[str, object]:
        """Return the public keys."""
        return KeySet([*self._keys]).as_dict(private=False)

    def login_page(self, asked: Mapping[str, str]) -> str:
        """Return the page on which somebody says who they are."""
        hidden = "\n".join(
            f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
            for name, value in asked.items()
            if name not in {"scope", "subject"}
        )
        return _PAGE.format(scope=escape(asked.get("scope", "")), hidden=hidden)

    def begin(self, asked: Mapping[str, str]) -> str:
        """Return where to go back to with a code, or raise ValueError for what is no such request."""
        if asked.get("response_type") != "code" or asked.get("code_challenge_method", "S256") != "S256":
            raise ValueError("unsupported_response_type")
        back = urlsplit(asked.get("redirect_uri", ""))
        if back.hostname not in {"localhost", "127.0.0.1", "::1"}:
            raise ValueError("invalid_request")
        code = secrets.token_urlsafe(24)
        self._codes[code] = dict(asked)
        answer = urlencode({"code": code, "state": asked.get("state", "")})
        return f"{asked['redirect_uri']}{'&' if back.query else '?'}{answer}"

    def grant(self, asked: Mapping[str, str]) -> Mapping[str, object]:
        """Return a token for a code or to a client, or raise ValueError with OAuth's name of what is wrong."""
        match asked.get("grant_type"):
            case "client_credentials":
                given: Mapping[str, str] = asked
                subject = asked.get("client_id", "developer")
            case "authorization_code":
                given = self._codes.pop(asked.get("code", ""), {})
                verifier = asked.get("code_verifier", "").encode()
                challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).rstrip(b"=").decode()
                if not given or given.get("code_challenge", challenge) != challenge:
                    raise ValueError("invalid_grant")
                subject = given.get("subject", "developer")
            case _:
                raise ValueError("unsupported_grant_type")
        scopes = given.get("scope", "").split()
        token = self.token(subject, scopes)
        return {"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME, "scope": " ".join(scopes)}


class _Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    protocol_version = "HTTP/1.1"
    issuer: Issuer

    def do_GET(self) -> None:
        path, asked = self._asked(urlsplit(self.path).query)
        match path:
            case "/.well-known/openid-configuration":
                self._json(200, self.issuer.description())
            case "/keys":
                self._json(200, self.issuer.keys())
            case "/authorize":
                self._answer(200, self.issuer.login_page(asked).encode(), {"Content-Type": "text/html; charset=utf-8"})
            case _:
                self._json(404, {"error": "not_found"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        path, asked = self._asked(body)
        try:
            match path:
                case "/authorize":
                    self._answer(303, b"", {"Location": self.issuer.begin(asked)})
                case "/token":
                    self._json(200, self.issuer.grant(asked))
                case _:
                    self._json(404, {"error": "not_found"})
        except ValueError as error:
            self._json(400, {"error": str(error)})

    def do_OPTIONS(self) -> None:
        self._answer(204, b"", {"Access-Control-Allow-Headers": "*", "Access-Control-Allow-Methods": "GET, POST"})

    def _asked(self, query: str) -> tuple[str, Mapping[str, str]]:
        return urlsplit(self.path).path, {name: values[0] for name, values in parse_qs(query).items()}

    def _json(self, status: int, value: Mapping[str, object]) -> None:
        self._answer(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        # The page of the API is of another origin.
        for name, value in {"Access-Control-Allow-Origin": "*", "Cache-Control": "no-store", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the library calls it
        """Say nothing: what matters is in the log of the service."""


@contextmanager
def running_issuer(scopes: Callable[[], Sequence[str]] = tuple) -> Iterator[Issuer]:
    """Serve an issuer on a free port of this machine for the time of the block; it offers these scopes."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    issuer = Issuer(f"http://127.0.0.1:{server.server_port}", scopes)
    server.RequestHandlerClass = type("Handler", (_Handler,), {"issuer": issuer})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
