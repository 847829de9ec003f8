"""Rows about bodies: too large, packed, nested, ambiguous, of the wrong kind."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from hub.api.bodies import MAX_BODY as API_BODY
from hub.store import tables as t
from tests.hostile.conftest import refusal
from tests.hostile.house import House, github, house, served, standard
from webhooks.limits import MAX_BODY

CROOKED = [
    pytest.param(b"[" * 1000 + b"]" * 1000, id="depth_1000"),
    pytest.param(b'{"a":' * 1000 + b"1" + b"}" * 1000, id="objects_1000_deep"),
    pytest.param(b'{"title":' + b"1" * 5000 + b"}", id="integer_of_5000_digits"),
    pytest.param(b'{"title":NaN}', id="nan"),
    pytest.param(b'{"title":-Infinity}', id="infinity"),
    pytest.param(b'{"title":1e999}', id="beyond_a_double"),
    pytest.param(b'{"title":"a","title":"b"}', id="duplicate_keys"),
    pytest.param(b'{"x":{"a" :1,"a":2}}', id="duplicate_keys_inside"),
    pytest.param(b'{"x":"\\u0022:","a":1,"a":2}', id="duplicate_keys_beside_escapes"),
    pytest.param(b'{"title":"a"', id="cut"),
    pytest.param(b"\xff\xfe\x00", id="no_utf8"),
    pytest.param(b'\xef\xbb\xbf{"title":"a",}', id="comma_at_the_end"),
]


def gigabyte() -> Iterator[bytes]:
    """A gzip stream of 1 GiB of zeros, a megabyte on the wire. One block is packed, and sent often:
    after a full flush each stands alone.
    """
    packer = zlib.compressobj(9, wbits=31)
    yield packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    block = zlib.compressobj(9, wbits=-15)
    packed = block.compress(bytes(16 * 1024**2)) + block.flush(zlib.Z_FULL_FLUSH)
    for _ in range(64):
        yield packed


class TestBodyTooLarge:
    def test_the_cap_and_one_byte_more(self, home: House) -> None:
        body = b'{"type":"t","x":"' + b"a" * (MAX_BODY - 19) + b'"}'
        assert len(body) == MAX_BODY
        assert home.hook("shop", body, standard(body, "cap")).status_code == 202
        more = body + b" "
        assert refusal(home.hook("shop", more, standard(more, "cap1")), 413) == "body_too_large"

    def test_api(self, home: House) -> None:
        body = b" " * (API_BODY + 1)
        headers = {"content-type": "application/json"}
        answer = home.call("POST", "tasks", content=body, headers=headers)
        assert refusal(answer, 413) == "body_too_large"
        parts = iter([b" " * 65536] * 17)
        answer = home.call("POST", "tasks", content=parts, headers=headers)
        assert refusal(answer, 413) == "body_too_large"

    def test_a_form(self, home: House) -> None:
        form = {"content-type": "application/x-www-form-urlencoded"}
        answer = home.client.post("/p/none", content=b"a=" + b"b" * 300_000, headers=form)
        assert answer.status_code == 413

    @pytest.mark.parametrize("path", ["/webhooks/github", "/api/v1/tasks"])
    def test_a_length_that_lies(self, home: House, path: str) -> None:
        """Too much announced is refused unread; too little leaves the rest outside the delivery; a
        sender that stops before what it announced leaves nothing behind.
        """
        before = len(home.rows(sa.select(t.deliveries.c.id)))
        start = (
            f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {home.tokens['boss']}\r\n"
        )
        start += "Content-Type: application/json\r\n"
        with served(home) as server:
            huge = server.raw(f"{start}Content-Length: {10**15}\r\n\r\n{{}}".encode())
            assert huge.startswith(b"HTTP/1.1 413 ")
            assert b"body_too_large" in huge
            short = server.raw(f"{start}Content-Length: 2\r\n\r\n{{}}SMUGGLED".encode())
            assert short.count(b"HTTP/1.1 ") == 2
            assert b'"request_malformed"' in short
            with server.connect() as halfway:
                halfway.sendall(f"{start}Content-Length: 100\r\n\r\n{{".encode())
                halfway.shutdown(1)
                halfway.recv(65536)
        assert len(home.rows(sa.select(t.deliveries.c.id))) == before

    @pytest.mark.parametrize("path", ["/webhooks/github", "/api/v1/tasks"])
    def test_a_gigabyte_in_a_megabyte(self, home: House, path: str) -> None:
        wire = 0

        def counted() -> Iterator[bytes]:
            nonlocal wire
            for part in gigabyte():
                wire += len(part)
                yield part

        headers = {"content-encoding": "gzip", "content-type": "application/json"}
        answer = home.call("POST", path, content=counted(), headers=headers)
        assert wire < 2 * 1024**2
        # the API takes nothing packed
        wanted = (413, "body_too_large") if "webhooks" in path else (415, "unsupported_media_type")
        assert refusal(answer, wanted[0]) == wanted[1]

    def test_many_members(self, home: House) -> None:
        empty = zlib.compressobj(wbits=31).flush()
        headers = {**github(b""), "content-encoding": "gzip"}
        assert refusal(home.hook("github", empty * 5000, headers), 413) == "body_too_large"


class TestCrookedJson:
    @pytest.mark.parametrize("body", CROOKED)
    def test_api(self, home: House, body: bytes) -> None:
        answer = home.call(
            "POST", "tasks", content=body, headers={"content-type": "application/json"}
        )
        assert refusal(answer, 400) == "json_rejected"

    @pytest.mark.parametrize("body", CROOKED)
    @pytest.mark.parametrize("connection", ["github", "shop"])
    def test_a_signed_webhook_is_kept_for_a_person(
        self, home: House, connection: str, body: bytes
    ) -> None:
        id = f"crooked-{CROOKED.index(next(one for one in CROOKED if one.values[0] == body))}"
        headers = github(body, id) if connection == "github" else standard(body, id)
        answer = home.hook(connection, body, headers)
        assert answer.status_code == 202
        home.work()
        kept = home.call("GET", f"deliveries/{answer.json()['id']}").json()
        assert kept["status"] == "quarantined"
        assert kept["size"] == len(body)
        told = home.call("GET", "exceptions").json()["items"]
        assert (kept["id"], "unparseable") in {(one["subject"], one["type"]) for one in told}


class TestNulAndLoneSurrogates:
    @pytest.mark.parametrize("half", ["\\u0000", "\\ud800"], ids=["nul", "surrogate"])
    def test_accepted_kept_raw_and_the_value_flagged(
        self, tmp_path: Path, database_url: str, half: str
    ) -> None:
        """PostgreSQL takes neither in text."""
        with house(tmp_path, database_url) as home:
            good = b'{"type":"t","data":{"id":"0","title":"Good","text":"fine"}}'
            bad = b'{"type":"t","data":{"id":"1","title":"Bad","text":"a%sb"}}' % half.encode()
            first, second = (
                home.hook("shop", body, standard(body, str(number)))
                for number, body in enumerate((good, bad))
            )
            assert (first.status_code, second.status_code) == (202, 202)
            home.work()
            row = home.rows(
                sa.select(t.deliveries.c.body).where(t.deliveries.c.id == second.json()["id"])
            )[0]
            assert bytes(row["body"]) == bad
            shown = home.call("GET", f"deliveries/{second.json()['id']}")
            assert (shown.status_code, shown.json()["status"]) == (200, "processed")
            tasks = {one["title"]: one for one in home.call("GET", "tasks").json()["items"]}
            assert tasks["Good"]["description"] == "fine"
            assert tasks["Bad"]["description"] is None
            (flag,) = home.call("GET", "exceptions").json()["items"]
            assert flag["type"] in ("mapping_error", "unmapped_value")
            assert flag["subject"] == tasks["Bad"]["id"]
            assert "description" in f"{flag['title']} {flag['detail']}"

    @pytest.mark.parametrize("half", ["\\u0000", "\\udfff"], ids=["nul", "surrogate"])
    def test_the_api_refuses_both(self, home: House, half: str) -> None:
        body = f'{{"title":"{half}"}}'.encode()
        answer = home.call(
            "POST", "tasks", content=body, headers={"content-type": "application/json"}
        )
        assert refusal(answer, 400) == "json_rejected"


class TestOneKindOfBodyForAnother:
    @pytest.mark.parametrize(
        "kind",
        [
            "multipart/form-data; boundary=x",
            "application/x-www-form-urlencoded",
            "text/plain",
            "application/octet-stream",
            "application/jsonp",
            "",
        ],
    )
    def test_files_and_forms_where_json_is_expected(self, home: House, kind: str) -> None:
        body = b'--x\r\ncontent-disposition: form-data; name="f"; filename="a"\r\n\r\n{}\r\n--x--'
        answer = home.call("POST", "tasks", content=body, headers={"content-type": kind})
        assert refusal(answer, 415) == "unsupported_media_type"

    @pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x"])
    def test_json_and_files_where_a_form_is_expected(self, home: House, kind: str) -> None:
        answer = home.client.post("/p/none", content=b"{}", headers={"content-type": kind})
        assert answer.status_code == 415
