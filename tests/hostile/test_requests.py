"""Bytes that no client library sends: each is answered or refused, and the service is afterwards as it was before."""

from __future__ import annotations

import json
import random
import re
import socket
from base64 import urlsafe_b64encode
from contextlib import suppress
from http.client import HTTPException, HTTPResponse

import pytest

from tests.harness.running.commands import last_lines
from tests.harness.running.live_service import HOST, LiveService

pytestmark = pytest.mark.slow

PATIENCE = 60.0  # seconds
DEEP = 100_000
TOO_LARGE = 3_000_000  # bytes; the limit is 1 MiB
MUTATIONS = 400
MORE_MEMORY = 100 * 1024**2  # bytes that many attacks may take more than the first few did


def _request(method: bytes, target: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    head = [method + b" " + target + b" HTTP/1.1", b"Connection: close", *headers]
    if not any(header.lower().startswith(b"host:") for header in headers):
        head.append(b"Host: test")
    if body:
        head.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*head, b"", body])


def _get(target: bytes, *headers: bytes) -> bytes:
    return _request(b"GET", target, *headers)


def _post(body: bytes, *headers: bytes, target: bytes = b"/heroes") -> bytes:
    return _request(b"POST", target, *(headers or (b"Content-Type: application/json",)), body=body)


def _hero(age: bytes = b"1", name: bytes = b'"a"') -> bytes:
    return b'{"name": %s, "secret_name": "b", "age": %s}' % (name, age)


def _chunked(*chunks: bytes) -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    head = _request(b"POST", b"/heroes", b"Content-Type: application/json", b"Transfer-Encoding: chunked")
    return head + body + b"0\r\n\r\n"


def _cursor(value: object) -> bytes:
    return urlsafe_b64encode(json.dumps(value).encode())


REFUSED = {
    "deep arrays": (422, _post(b"[" * DEEP)),
    "deep arrays, closed": (422, _post(b"[" * DEEP + b"]" * DEEP)),
    "deep objects": (422, _post(b'{"a":' * DEEP + b"1" + b"}" * DEEP)),
    "deep value": (422, _post(_hero(b"[" * DEEP + b"]" * DEEP))),
    "1e400": (422, _post(_hero(b"1e400"))),
    "-1e400": (422, _post(_hero(b"-1e400"))),
    "number of 5,000 digits": (422, _post(_hero(b"9" * 5_000))),
    "NaN": (422, _post(_hero(b"NaN"))),
    "Infinity": (422, _post(_hero(b"-Infinity"))),
    "true for a number": (422, _post(_hero(b"true"))),
    "invalid UTF-8": (422, _post(_hero(name=b'"\xff"'))),
    "overlong UTF-8": (422, _post(_hero(name=b'"\xc0\x80"'))),
    "surrogate in UTF-8": (422, _post(_hero(name=b'"\xed\xa0\x80"'))),
    "lone surrogate": (422, _post(_hero(name=b'"\\ud800"'))),
    "lone surrogate in a key": (422, _post(b'{"\\ud800": 1}')),
    "NUL": (422, _post(_hero(name=b'"a\\u0000b"'))),
    "empty body": (422, _post(b"")),
    "null": (422, _post(b"null")),
    "many unknown fields": (422, _post(b"{" + b",".join(b'"k%d":1' % n for n in range(10_000)) + b"}")),
    "many wrong items": (422, _post(b"[" + b"{}," * 9_999 + b"{}]", target=b"/heroes/bulk")),
    "XML": (422, _post(b"<hero/>", b"Content-Type: application/xml")),
    "form": (422, _post(b"name=a&secret_name=b", b"Content-Type: application/x-www-form-urlencoded")),
    "multipart": (422, _post(b"--x\r\n\r\n", b"Content-Type: multipart/form-data; boundary=x")),
    "multipart without a boundary": (422, _post(b"--x\r\n\r\n", b"Content-Type: multipart/form-data")),
    "content type of bytes": (422, _post(_hero(), b"Content-Type: \xff/\x80; charset=\xfe")),
    "no content type": (422, _post(_hero(), b"Accept: */*")),
    "compressed body": (422, _post(b"\x1f\x8b\x08", b"Content-Type: application/json", b"Content-Encoding: gzip")),
    "key of bytes": (422, _post(b"{}", b"Content-Type: application/json", b"Idempotency-Key: " + b"\xff" * 1_000)),
    "large body": (413, _post(b" " * TOO_LARGE)),
    "chunks beyond the limit": (413, _chunked(*[b" " * 65_536] * (TOO_LARGE // 65_536))),
    "announced size beyond the limit": (413, _request(b"POST", b"/heroes", b"Content-Length: 10000000000")),
    "id of 5,000 digits": (422, _get(b"/heroes/" + b"9" * 5_000)),
    "id that is NUL": (422, _get(b"/heroes/%00")),
    "id that is no UTF-8": (422, _get(b"/heroes/%ff")),
    "id with a line break": (422, _get(b"/heroes/1%0d%0aSet-Cookie:%20a=b")),
    "id in other digits": (422, _get(b"/heroes/%D9%A1%D9%A1%D9%A1%D9%A1%D9%A1%D9%A1%D9%A1%D9%A1%D9%A1")),
    "way out": (404, _get(b"/../../etc/passwd")),
    "encoded way out": (404, _get(b"/%2e%2e/%2e%2e/etc/passwd")),
    "two slashes": (404, _get(b"//evil.example/heroes")),
    "long path": (404, _get(b"/" + b"a" * 60_000)),
    "long cursor": (422, _get(b"/heroes?cursor=" + b"a" * 60_000)),
    "cursor with NUL": (422, _get(b"/heroes?cursor=%00")),
    "cursor that is no UTF-8": (422, _get(b"/heroes?cursor=%ff%fe")),
    "cursor of another type": (422, _get(b"/heroes?cursor=" + _cursor({"a": [1] * 10}))),
    "cursor beyond 64 bits": (422, _get(b"/heroes?cursor=" + _cursor(["id", 2**63]))),
    "cursor of 30 digits": (422, _get(b"/heroes?cursor=" + _cursor(["id", 10**30]))),
    "unknown parameters": (422, _get(b"/heroes?" + b"&".join(b"a%d=%%ff" % n for n in range(1_000)))),
    "unknown parameter of bytes": (422, _get(b"/heroes?" + b"&".join([b"%ff=%ff"] * 1_000))),
    "limit as a float": (422, _get(b"/heroes?limit=1e1")),
    "entity tag that is none": (404, _request(b"DELETE", b"/heroes/999999999", b'If-Match: "' + b'\\",W/*' * 99)),
    "TRACE": (405, _request(b"TRACE", b"/heroes")),
    "no method's path": (404, _request(b"OPTIONS", b"*")),
    "huge query": (414, _get(b"/heroes?cursor=" + b"a" * 600_000)),
    "huge header": (431, _get(b"/heroes", b"X-A: " + b"a" * 600_000)),
    "many headers": (431, _get(b"/heroes", b"\r\n".join(b"X-%d: a" % number for number in range(50_000)))),
}
"""Requests that are HTTP, with the status that a client is told."""

SERVED = {
    "large header": _get(b"/heroes", b"X-Large: " + b"a" * 50_000),
    "many headers": _get(b"/heroes", *[b"X-%d: a" % n for n in range(2_000)]),
    "request id of bytes": _get(b"/heroes", b"X-Request-ID: \xff\xfe"),
    "no host": b"GET /heroes HTTP/1.0\r\n\r\n",
    "forwarded rubbish": _get(b"/heroes", b"X-Forwarded-Proto: javascript", b"X-Forwarded-For: \xff,,,"),
    "range": _get(b"/heroes", b"Range: bytes=0-1,2-3,-9"),
}
"""Requests that are odd and right."""

_POST_HEAD = b"POST /heroes HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"

NOT_HTTP = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "NUL": b"\x00" * 1_000 + b"\r\n\r\n",
    "HTTP/9": b"GET / HTTP/9.9\r\nHost: test\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "unknown method": _request(b"BREW", b"/heroes"),
    "long method": _request(b"A" * 10_000, b"/heroes"),
    "tunnel": b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n",
    "bytes in the path": _get(b"/\xff\xfe"),
    "NUL in a header": _get(b"/heroes", b"X-A: a\x00b"),
    "space in a header's name": _get(b"/heroes", b"X A: b"),
    "line feeds alone": b"GET /heroes HTTP/1.1\nHost: test\nX: \n\n",
    "two lengths": _POST_HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    "negative length": _POST_HEAD + b"Content-Length: -1\r\n\r\n{}",
    "length of 26 digits": _POST_HEAD + b"Content-Length: 99999999999999999999999999\r\n\r\n{}",
    "length and chunks": _POST_HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "unknown encoding": _POST_HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunk without a size": _POST_HEAD + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n",
    "chunk of 72 bits": _POST_HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
}
"""What the server itself refuses, or cuts the connection for."""

UNFINISHED = {
    "nothing": b"",
    "half a line": b"GET /her",
    "half a head": b"GET /heroes HTTP/1.1\r\nHost: te",
    "half a body": _POST_HEAD + b'Content-Length: 100\r\n\r\n{"name": ',
    "half a chunk": _POST_HEAD + b"Transfer-Encoding: chunked\r\n\r\n64\r\n{",
    "half of too much": _POST_HEAD + b"Content-Length: 10000000000\r\n\r\n{",
}


def _connect(live: LiveService) -> socket.socket:
    return socket.create_connection((HOST, live.port), timeout=PATIENCE)


def _exchange(live: LiveService, request: bytes) -> tuple[HTTPResponse, bytes]:
    """Send bytes, and take what is answered even if the service has not read all of them."""
    with _connect(live) as connection:
        with suppress(ConnectionError):
            connection.sendall(request)
        method = request.partition(b" ")[0].decode("latin-1")
        answer = HTTPResponse(connection, method=method)
        answer.begin()
        return answer, answer.read()


def _assert_unharmed(live: LiveService) -> None:
    """The service is ready, holds no connection, and has met nothing that it did not expect."""
    live.wait_until_ready()
    live.process.wait_for(
        "no connection is in use", lambda: "\ndatabase_pool_checked_out 0.0\n" in live.call("GET", "/metrics").text
    )
    assert '"level": "error"' not in live.output, last_lines(live.output)


def test_request_that_is_wrong_is_answered_with_a_problem(live: LiveService) -> None:
    for what, (status, request) in REFUSED.items():
        answer, body = _exchange(live, request)
        assert answer.status == status, (what, body[:500])
        assert answer.headers["Content-Type"] == "application/problem+json", what
        problem = json.loads(body)
        assert problem["status"] == status, what
        assert problem["request_id"] == answer.headers["X-Request-ID"], what
        assert len(body) < 10_000, what
    _assert_unharmed(live)


def test_request_that_is_odd_is_served(live: LiveService) -> None:
    for what, request in SERVED.items():
        answer, body = _exchange(live, request)
        assert (answer.status, set(json.loads(body))) == (200, {"items", "next_cursor"}), what
    _assert_unharmed(live)


def test_what_is_not_http_is_refused(live: LiveService) -> None:
    for what, request in NOT_HTTP.items():
        try:
            answer, _ = _exchange(live, request)
        except (ConnectionError, HTTPException):
            continue  # cut off
        assert answer.status == 400, what
    _assert_unharmed(live)


def test_what_follows_a_request_does_not_change_its_answer(live: LiveService) -> None:
    with _connect(live) as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: test\r\n\r\n" * 50 + b"\x00GARBAGE\r\n\r\n")
        received = b""
        with suppress(ConnectionError):
            while chunk := connection.recv(65_536):
                received += chunk
    assert set(re.findall(rb"HTTP/1\.1 (\d+)", received)) <= {b"200", b"400"}
    _assert_unharmed(live)


def test_request_that_never_ends_is_forgotten_with_its_connection(live: LiveService) -> None:
    with _connect(live) as waiting:
        waiting.sendall(UNFINISHED["half a body"])
        for request in list(UNFINISHED.values()) * 20:
            with _connect(live) as connection:
                connection.sendall(request)
        _assert_unharmed(live)


def test_mutated_requests_never_end_in_a_server_error(live: LiveService) -> None:
    """Requests with bytes changed, added and removed; the same ones in each run."""
    chance = random.Random(4711)  # noqa: S311 - nothing is kept secret by it
    requests = [*SERVED.values(), *(request for _, request in REFUSED.values())]
    originals = [request for request in requests if len(request) < 2_000]
    for number in range(MUTATIONS):
        request = bytearray(chance.choice(originals))
        for _ in range(chance.randint(1, 8)):
            at = chance.randrange(len(request))
            piece = chance.choice((b"", b"\x00", b"\xff", b"\r\n", b'"', b"%", b"9" * 30, b"[", chance.randbytes(4)))
            request[at : at + chance.randint(0, 3)] = piece
        received = b""
        with _connect(live) as connection, suppress(ConnectionError):
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65_536):
                received += chunk
        assert not re.match(rb"HTTP/1\.1 5", received), (number, bytes(request), received)
    _assert_unharmed(live)


def test_memory_stays_bounded_under_attack(live: LiveService) -> None:
    attacks = [request for _, request in REFUSED.values() if len(request) > 10_000]

    def attack(times: int) -> int:
        for request in attacks * times:
            _exchange(live, request)
        return live.resident_memory()

    first = attack(2)
    assert attack(8) < first + MORE_MEMORY
    _assert_unharmed(live)
