"""How long a vendor can hold a connector, and how much it can make it swallow."""

from __future__ import annotations

import gzip
import itertools
import socket
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator

import pytest

from connectors.sdk import NotSentError, TransientError
from connectors.sdk.http import HttpClient
from connectors.sdk.network import Destinations
from connectors.sdk.sockets import dial

MIB = 1024 * 1024

# ------------------------------------------------------------------------------------ how long


def test_a_name_server_that_never_answers_holds_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's resolver knows no timeout of ours."""
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(20) and [])
    client = HttpClient("http://api.acme.test", title="Acme", deadline=0.3)
    began = time.monotonic()
    with pytest.raises(NotSentError):
        client.request("POST", "/", json={})
    with pytest.raises(OSError, match="in time"):
        dial("mail.acme.test", 25, Destinations(), time.monotonic() + 0.3)
    assert time.monotonic() - began < 5
    over.set()
    client.close()


Talk = Callable[[socket.socket], None]


@pytest.fixture
def serve() -> Iterator[Callable[[Talk], str]]:
    """A server whose one connection is handed to a function; its base URL."""
    server = socket.create_server(("127.0.0.1", 0))
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    threads: list[threading.Thread] = []

    def start(talk: Talk) -> str:
        def run() -> None:
            connection, _ = server.accept()
            with connection:
                try:
                    talk(connection)
                except OSError:
                    return

        threads.append(threading.Thread(target=run, daemon=True))
        threads[-1].start()
        return f"http://127.0.0.1:{server.getsockname()[1]}"

    yield start
    for thread in threads:
        thread.join(timeout=10)
    server.close()


def test_a_vendor_that_reads_slowly_does_not_outlast_the_deadline(
    serve: Callable[[Talk], str],
) -> None:
    """Every single write goes on in time."""
    over = threading.Event()

    def sip(connection: socket.socket) -> None:
        while not over.wait(0.02):
            connection.recv(65_536)

    client = HttpClient(serve(sip), title="Acme", deadline=0.5)
    began = time.monotonic()
    with pytest.raises(TransientError, match=r"within 0\.5 s") as caught:
        client.request("POST", "/", content=bytes(30 * MIB))
    assert time.monotonic() - began < 3
    assert not isinstance(caught.value, NotSentError)
    over.set()
    client.close()


def test_interim_answers_without_end_meet_the_deadline(serve: Callable[[Talk], str]) -> None:
    def hints(connection: socket.socket) -> None:
        connection.recv(65_536)
        while True:
            connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)

    client = HttpClient(serve(hints), title="Acme", deadline=0.5)
    with pytest.raises(TransientError, match=r"within 0\.5 s"):
        client.request("GET", "/")
    client.close()


# ------------------------------------------------------------------------------------ how much


def answer(body: bytes, encoding: str) -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


BOMB = bytes(64 * MIB)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(BOMB)),
        ("deflate", zlib.compress(BOMB)),
        ("deflate", raw_deflate(BOMB)),
        ("gzip, gzip", gzip.compress(gzip.compress(bytes(900 * MIB)))),
        ("br", b"\x00" * 100),
        ("zstd", b"\x00" * 100),
        ("gzip, br", b"\x00" * 100),
    ],
    ids=["gzip", "deflate", "raw-deflate", "twice", "br", "zstd", "mixed"],
)
def test_a_bomb_is_never_unpacked(serve: Callable[[Talk], str], encoding: str, body: bytes) -> None:
    """Not even one network read of it: a few kilobytes may hold gigabytes."""

    def talk(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(answer(body, encoding))

    client = HttpClient(serve(talk), title="Acme", max_body=MIB)
    tracemalloc.start()
    try:
        with pytest.raises(TransientError, match=r"more than 1 MiB|compressed"):
            client.request("GET", "/")
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()
    client.close()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(b"[1]")),
        ("GZIP", gzip.compress(b"[1]")),
        ("x-gzip", gzip.compress(b"[1]")),
        ("gzip", gzip.compress(b"[") + gzip.compress(b"1]")),
        ("deflate", zlib.compress(b"[1]")),
        ("deflate", raw_deflate(b"[1]")),
        ("identity", b"[1]"),
    ],
    ids=["gzip", "GZIP", "x-gzip", "gzip-in-two", "deflate", "raw-deflate", "identity"],
)
def test_what_is_honestly_compressed_is_read(
    serve: Callable[[Talk], str], encoding: str, body: bytes
) -> None:
    def talk(connection: socket.socket) -> None:
        asked = connection.recv(65_536).lower()
        assert b"accept-encoding: gzip, deflate\r\n" in asked
        connection.sendall(answer(body, encoding))

    client = HttpClient(serve(talk), title="Acme")
    assert client.request("GET", "/").json() == [1]
    client.close()


@pytest.mark.parametrize(
    "body", [gzip.compress(b"[1]")[:-9], b"not gzip at all"], ids=["cut", "something-else"]
)
def test_what_is_cut_or_no_compression_at_all_is_trouble_on_the_way(
    serve: Callable[[Talk], str], body: bytes
) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(answer(body, "gzip"))

    client = HttpClient(serve(talk), title="Acme")
    with pytest.raises(TransientError):
        client.request("GET", "/")
    client.close()


def test_headers_without_end_are_refused(serve: Callable[[Talk], str]) -> None:
    def flood(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        for number in itertools.count():
            connection.sendall(f"x-{number}: {'y' * 1000}\r\n".encode())

    client = HttpClient(serve(flood), title="Acme", deadline=5)
    with pytest.raises(TransientError, match="broke"):
        client.request("GET", "/")
    client.close()
