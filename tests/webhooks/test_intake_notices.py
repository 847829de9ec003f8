"""Whoever watches learns what left no row and which check refused it, and never a secret."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.webhooks.intake_support import TOKEN, Served, signature, signed
from webhooks.noticed import LONGEST_VALUE, MOST_HEADERS, Notice, Outcome, shown_headers


class Watcher:
    """Counts everything and takes the particulars of as many as it `likes`."""

    def __init__(self, likes: int = 100) -> None:
        self.likes = likes
        self.counts: Counter[tuple[str, str, str]] = Counter()
        self.notices: list[Notice] = []

    def wanted(self, connection: str, outcome: Outcome, code: str) -> bool:
        self.counts[connection, outcome, code] += 1
        return len(self.notices) < self.likes

    def note(self, notice: Notice) -> None:
        self.notices.append(notice)


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


@pytest.fixture
def watched(serve: Callable[..., Served], watcher: Watcher) -> Served:
    return serve(notices=watcher)


REFUSALS: list[tuple[str, dict[str, Any], str, str]] = [
    ("/webhooks/acme", {"headers": signed(b"other")}, "signature", "does not match the body"),
    ("/webhooks/acme", {"headers": {}}, "timestamp", "is missing"),
    ("/webhooks/acme", {"headers": {"x-acme-timestamp": "12"}}, "timestamp", "too old"),
    (f"/webhooks/acme/{TOKEN}", {"headers": signed(b"{}")}, "token", "the connection has none"),
    ("/webhooks/sforce", {}, "token", "lacks the token"),
    ("/webhooks/sforce/guessed-wrongly", {}, "token", "is wrong"),
    ("/webhooks/small", {"content": b"x" * 1001}, "size", ""),
    ("/webhooks/acme", {"headers": {"content-encoding": "br"}}, "encoding", ""),
    ("/webhooks/acme", {"headers": {"content-encoding": "gzip"}}, "encoding", ""),
    ("/webhooks/acme", {"method": "DELETE"}, "method", ""),
    ("/webhooks/acme", {"method": "GET"}, "method", ""),
]


@pytest.mark.parametrize(
    ("path", "request_", "part", "reason"),
    REFUSALS,
    ids=[f"{at}-{one[2]}" for at, one in enumerate(REFUSALS)],
)
def test_a_refusal_tells_which_check_failed_and_why(
    watched: Served, watcher: Watcher, path: str, request_: dict[str, Any], part: str, reason: str
) -> None:
    answer = watched.client.request(**{"method": "POST", "content": b"{}", "url": path} | request_)
    (notice,) = watcher.notices
    assert (notice.part, notice.outcome) == (part, "refused")
    assert notice.code == answer.json()["code"]
    assert reason in notice.reason
    assert notice.remote == "127.0.0.1"
    assert "guessed" not in repr(notice)
    assert TOKEN not in repr(notice)
    assert watched.inbox.rows == []


def test_neither_body_nor_proof_is_in_a_notice(watched: Served, watcher: Watcher) -> None:
    body = b'{"secret": "in the body"}'
    headers = signed(b"other") | {
        "authorization": "Bearer tok-of-somebody",
        "cookie": "session=of-somebody",
        "x-acme-event": "ticket.created",
    }
    watched.post("/webhooks/acme?sig=in-the-query", body, headers=headers)
    (notice,) = watcher.notices
    for secret in ("in the body", "of-somebody", signature(b"other"), "in-the-query"):
        assert secret not in repr(notice)
    assert notice.headers["x-acme-signature"] == notice.headers["authorization"] == "***"
    assert notice.headers["x-acme-event"] == "ticket.created"
    assert (notice.size, notice.path, notice.method) == (len(body), "/webhooks/acme", "POST")


def test_duplicates_and_handshakes_are_told_of_too(watched: Served, watcher: Watcher) -> None:
    for _ in range(3):
        watched.post("/webhooks/acme", b"{}", headers=signed(b"{}"))
    watched.client.get("/webhooks/acme?challenge=abc")
    outcomes = [(notice.outcome, notice.part) for notice in watcher.notices]
    assert outcomes == [("duplicate", ""), ("duplicate", ""), ("handshake", "")]
    assert len(watched.inbox.rows) == 1


def test_what_is_sent_to_no_connection_is_told_without_what_may_be_a_token(
    watched: Served, watcher: Watcher
) -> None:
    for name in ("gihub", "files", "a/b/c", "x" * 5000):
        watched.post(f"/webhooks/{name}")
    assert watcher.counts == {("", "refused", "connection_unknown"): 4}
    assert {one.connection for one in watcher.notices} == {""}
    paths = [one.path for one in watcher.notices]
    assert paths[:2] == ["/webhooks/gihub", "/webhooks/files"]
    assert "b" not in paths[2].removeprefix("/webhooks/")
    assert len(paths[3]) <= 200


def test_beyond_what_is_wanted_refusals_are_only_counted(serve: Callable[..., Served]) -> None:
    watcher = Watcher(likes=2)
    served = serve(notices=watcher)
    packed = gzip.compress(b"{}")[:-4]
    for _ in range(5):
        served.post("/webhooks/acme", packed, headers={"content-encoding": "gzip"})
    assert len(watcher.notices) == 2
    assert watcher.counts == {("acme", "refused", "encoding_invalid"): 5}


def test_headers_of_a_stranger_are_cut_to_a_bounded_size() -> None:
    many = {f"x-{number}-event": "v" * 5000 + "\x1b" for number in range(500)}
    shown = shown_headers({"user-agent": "\x1b[2J", **many})
    assert len(shown) == MOST_HEADERS
    assert max(map(len, shown.values())) == LONGEST_VALUE
    assert shown["user-agent"] == "?[2J"
