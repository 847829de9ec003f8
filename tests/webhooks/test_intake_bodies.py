"""Bodies that are too large, packed, slow or contradictory, over real sockets."""

from __future__ import annotations

import gzip
import socket
import struct
import zlib
from collections.abc import Callable, Iterator

import pytest

from tests.webhooks.intake_support import NOW, Served, refusal, signature, signed, until
from webhooks.answers import Refused
from webhooks.limits import MAX_BODY, MAX_MEMBERS, Unpacker, coding_of
from webhooks.server import DeadlineHttpProtocol

Serve = Callable[..., Served]


def pieces(total: int) -> Iterator[bytes]:
    """A body without Content-Length."""
    for start in range(0, total, 65536):
        yield b"x" * min(65536, total - start)


def test_a_body_at_the_cap_is_taken_and_one_byte_more_is_413(hub: Served) -> None:
    body = b"x" * MAX_BODY
    assert hub.post("/webhooks/acme", body, headers=signed(body)).status_code == 202
    assert hub.inbox.rows[0].body == body
    body += b"x"
    response = hub.post("/webhooks/acme", body, headers=signed(body))
    assert refusal(response, 413) == "body_too_large"


def test_the_cap_holds_without_a_content_length(hub: Served) -> None:
    """The sender is still writing when the answer goes out, and gets to read it."""
    headers = signed(b"x" * MAX_BODY)
    answer = hub.client.post("/webhooks/acme", content=pieces(MAX_BODY), headers=headers)
    assert answer.status_code == 202
    response = hub.client.post("/webhooks/acme", content=pieces(MAX_BODY + 1_000_000))
    assert refusal(response, 413) == "body_too_large"
    assert response.headers["connection"] == "close"


def test_a_connection_may_have_its_own_cap(hub: Served) -> None:
    body = b"x" * 1000
    assert hub.post("/webhooks/small", body, headers=signed(body)).status_code == 202
    assert refusal(hub.post("/webhooks/small", body + b"x"), 413) == "body_too_large"


def test_a_sender_that_asks_first_is_refused_before_it_sends(hub: Served) -> None:
    """With Expect: 100-continue not a byte of the body crosses the wire."""
    head = b"POST /webhooks/acme HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
    answer = hub.raw(head + b"Content-Length: 9999999999\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_content_length_of_absurd_length_is_413_not_an_error(hub: Served) -> None:
    head = b"POST /webhooks/acme HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
    answer = hub.raw(head + b"Content-Length: 18000000000000000000\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_content_length_with_chunks_is_400(hub: Served) -> None:
    head = b"POST /webhooks/open HTTP/1.1\r\nHost: x\r\n"
    both = b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    assert hub.raw(head + both).startswith(b"HTTP/1.1 400 ")
    assert hub.inbox.rows == []


def test_bytes_beyond_the_content_length_are_not_part_of_the_delivery(hub: Served) -> None:
    head = b"POST /webhooks/open HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"
    answer = hub.raw(head + b"{}garbage\r\n\r\n")
    assert b"HTTP/1.1 400 " in answer
    assert [row.body for row in hub.inbox.rows] in ([], [b"{}"])


def test_packed_bodies_are_verified_and_stored_as_their_sender_wrote_them(hub: Served) -> None:
    body = b'{"id": "T-1"}' * 100
    bare = zlib.compressobj(wbits=-15)
    packed = {
        "gzip": gzip.compress(body),
        "x-gzip": gzip.compress(body[:50]) + gzip.compress(body[50:]) + b"\0\0",
        "deflate": zlib.compress(body),
        "Deflate": bare.compress(body) + bare.flush(),
        "identity": body,
    }
    for coding, content in packed.items():
        headers = signed(body, id=f"{coding}", content_encoding=coding)
        assert hub.post("/webhooks/acme", content, headers=headers).status_code == 202
    assert [row.body for row in hub.inbox.rows] == [body] * 5
    assert not any("content-encoding" in row.headers for row in hub.inbox.rows)


def test_a_bomb_is_413_and_stops_unpacking_at_the_cap() -> None:
    """A gibibyte of zeros is one mebibyte on the wire."""
    packer = zlib.compressobj(9, wbits=-15)
    mebibyte = packer.compress(b"\0" * 1024 * 1024) + packer.flush(zlib.Z_FULL_FLUSH)
    wire = mebibyte * 1024
    assert len(wire) < 1_200_000
    unpacker = Unpacker("deflate", MAX_BODY)
    with pytest.raises(Refused, match="body_too_large"):
        unpacker.feed(wire)
    assert unpacker.size == MAX_BODY + 1


def test_a_bomb_over_the_wire_is_413(hub: Served) -> None:
    wire = gzip.compress(b"\0" * (MAX_BODY + 1))
    response = hub.post("/webhooks/acme", wire, headers={"content-encoding": "gzip"})
    assert refusal(response, 413) == "body_too_large"


def test_too_many_gzip_members_are_413(hub: Served) -> None:
    """Empty members unpack to nothing, so the cap on bytes would never stop them."""
    empty = gzip.compress(b"")
    for count, status in ((MAX_MEMBERS, 202), (200_000, 413)):
        headers = signed(b"", content_encoding="gzip")
        assert hub.post("/webhooks/acme", empty * count, headers=headers).status_code == status


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@pytest.mark.parametrize("size", [1, 2, 7, 4096])
def test_unpacking_does_not_depend_on_how_the_bytes_arrive(coding: str, size: int) -> None:
    body = bytes(range(256)) * 100
    wire = gzip.compress(body) if coding == "gzip" else zlib.compress(body)
    unpacker = Unpacker(coding, len(body))
    for start in range(0, len(wire), size):
        unpacker.feed(wire[start : start + size])
    assert unpacker.finish() == body


def test_a_body_that_is_not_what_its_encoding_says_is_400(hub: Served) -> None:
    whole = gzip.compress(b"{}" * 100)
    cases = [("gzip", b"{}"), ("gzip", whole[:-9]), ("gzip", whole + b"junk"), ("deflate", b"x")]
    cases.append(("deflate", zlib.compress(b"{}") + b"junk"))
    for coding, content in cases:
        response = hub.post("/webhooks/acme", content, headers={"content-encoding": coding})
        assert refusal(response, 400) == "encoding_invalid"


def test_encodings_we_do_not_undo_are_415_and_name_those_we_do(hub: Served) -> None:
    for coding in ("br", "zstd", "gzip, gzip", "gzip, br", "é"):
        headers = {"content-encoding": coding.encode("latin-1")}
        response = hub.post("/webhooks/acme", headers=headers)
        assert refusal(response, 415) == "encoding_unsupported"
        assert "gzip" in response.headers["accept-encoding"]
    assert coding_of(" identity , GZIP") == "gzip"


def test_a_body_that_never_ends_is_408(serve: Serve) -> None:
    hub = serve(body_seconds=0.05)
    head = b"POST /webhooks/acme HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
    answer = hub.raw(head + b"{")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code": "body_timeout"' in answer
    assert b"connection: close" in answer


def test_a_sender_that_leaves_halfway_leaves_nothing_behind(hub: Served) -> None:
    head = b"POST /webhooks/open HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", hub.port)) as connection:
        connection.sendall(head + b"x" * 50000)
        until(lambda: hub.app._reading.used == 50000)
        linger = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)  # close by reset
    until(lambda: hub.app._reading.used == 0)
    assert hub.inbox.rows == []


def test_more_bodies_at_once_than_memory_allows_are_asked_to_come_back(serve: Serve) -> None:
    hub = serve(max_reading=100_000)
    response = hub.post("/webhooks/open", b"x" * 100_001)
    assert refusal(response, 503) == "cannot_store"
    assert response.headers["retry-after"] == "10"
    assert hub.post("/webhooks/open", b"x" * 100_000).status_code == 202


class Impatient(DeadlineHttpProtocol):
    header_seconds = 0.2


def test_sockets_that_never_finish_their_headers_are_closed_while_others_are_served(
    serve: Serve,
) -> None:
    hub = serve(protocol=Impatient)
    slow = [socket.create_connection(("127.0.0.1", hub.port), timeout=10) for _ in range(200)]
    for number, connection in enumerate(slow):
        if number % 2:
            connection.sendall(b"POST /webhooks/acme HTTP/1.1\r\nX-Slow: ")
    assert hub.post("/webhooks/open").status_code == 202
    for connection in slow:
        assert connection.recv(1) == b""
        connection.close()


def test_a_later_request_on_the_same_socket_has_the_same_deadline(serve: Serve) -> None:
    hub = serve(protocol=Impatient)
    whole = b"POST /webhooks/open HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
    with socket.create_connection(("127.0.0.1", hub.port), timeout=3) as connection:
        connection.sendall(whole)
        assert connection.recv(65536).startswith(b"HTTP/1.1 202 ")
        connection.sendall(b"POST /webhooks/open HTTP/1.1\r\n")
        assert connection.recv(1) == b""


def test_headers_without_end_are_431(hub: Served) -> None:
    with socket.create_connection(("127.0.0.1", hub.port), timeout=10) as connection:
        connection.sendall(b"GET /webhooks/acme HTTP/1.1\r\nX-Much: " + b"x" * 60_000)
        connection.sendall(b"x" * 6_000)
        assert connection.recv(65536).startswith(b"HTTP/1.1 431 ")


def test_a_long_answer_is_not_cut_by_the_deadline_for_headers(serve: Serve) -> None:
    """A sender that waits for its commit has sent its headers long ago."""
    hub = serve(protocol=Impatient)
    hub.inbox.gate.clear()
    whole = b"POST /webhooks/open HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
    with socket.create_connection(("127.0.0.1", hub.port), timeout=10) as connection:
        connection.sendall(whole)
        assert hub.inbox.entered.wait(10)
        with socket.create_connection(("127.0.0.1", hub.port), timeout=10) as other:
            assert other.recv(1) == b""  # the deadline has certainly passed now
        hub.inbox.gate.set()
        assert connection.recv(65536).startswith(b"HTTP/1.1 202 ")


def test_the_clock_of_a_delivery_is_ours(hub: Served) -> None:
    headers = signed(b"{}") | {"date": "Thu, 01 Jan 1970 00:00:00 GMT"}
    hub.post("/webhooks/acme", headers=headers)
    assert hub.inbox.rows[0].received_at == NOW
    assert hub.inbox.rows[0].headers["x-acme-signature"] == signature(b"{}")
