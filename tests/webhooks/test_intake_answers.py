"""What a sender is told: the good ways, the refusals, and handshakes."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import unquote

import pytest

from tests.webhooks.intake_support import (
    NOW,
    PUBLIC,
    STAMP,
    TOKEN,
    Served,
    refusal,
    signature,
    signed,
)
from webhooks.limits import redacted_query


def test_a_genuine_delivery_is_accepted_after_its_row_is_there(hub: Served) -> None:
    body = b'{"id": "T-1"}'
    headers = signed(body, content_type="application/json", user_agent="Acme/1")
    answer = hub.post("/webhooks/acme?x=1", body, headers=headers)
    assert answer.status_code == 202
    assert answer.json() == {"id": "dlv_1", "status": "accepted"}
    (row,) = hub.inbox.rows
    assert (row.connection, row.delivery_id, row.method) == ("acme", "d-1", "POST")
    assert (row.body, row.received_at, row.verdict) == (body, NOW, "genuine")
    assert row.url == f"{PUBLIC}/webhooks/acme?x=1"
    assert row.capture is False
    assert row.headers["user-agent"] == "Acme/1"
    assert row.headers["x-acme-signature"] == signature(body)
    assert hub.outcomes == [("acme", "accepted")]


def test_a_delivery_seen_before_is_a_duplicate_with_the_first_row(hub: Served) -> None:
    first = hub.post("/webhooks/acme", b"{}", headers=signed(b"{}")).json()
    again = hub.post("/webhooks/acme", b"{}", headers=signed(b"{}"))
    assert again.status_code == 200
    assert again.json() == {"status": "duplicate", "id": first["id"]}
    assert len(hub.inbox.rows) == 1


def test_a_vendor_that_wants_its_own_acknowledgement_gets_it_for_duplicates_too(
    hub: Served,
) -> None:
    for _ in range(2):
        answer = hub.post("/webhooks/acme", headers=signed(b"{}", content_type="text/xml"))
        assert (answer.status_code, answer.content) == (200, b"<Ack/>")
        assert answer.headers["content-type"] == "text/xml"
    assert len(hub.inbox.rows) == 1


def test_a_genuine_body_that_nobody_could_parse_is_accepted(hub: Served) -> None:
    """Depth, huge numbers, NaN, duplicate keys, NUL, a lone surrogate: raw first."""
    bodies = [b"[" * 1000, b"9" * 5000, b'{"a": NaN, "a": 1}', b'"\\u0000\\ud800"', b"\xff\x00"]
    for number, body in enumerate(bodies):
        answer = hub.post("/webhooks/acme", body, headers=signed(body, id=str(number)))
        assert answer.status_code == 202
    assert [row.body for row in hub.inbox.rows] == bodies


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        signature(b"{}")[:-2],
        signature(b"{}", secret="wrong"),
        signature(b"{} "),
        "é" * 64,
        " ".join(signature(b"{}")),
        ",,,",
    ],
)
def test_a_signature_that_proves_nothing_is_401_and_leaves_no_row(
    hub: Served, given: str | None
) -> None:
    headers: dict[str, Any] = {"x-acme-timestamp": STAMP}
    if given is not None:
        headers["x-acme-signature"] = given.encode("latin-1")
    assert refusal(hub.post("/webhooks/acme", headers=headers), 401) == "signature_invalid"
    assert hub.inbox.rows == []


def test_one_valid_signature_of_two_is_enough(hub: Served) -> None:
    """As while rotating, whether in one header or in two."""
    good = [("x-acme-timestamp", STAMP)]
    old = signature(b"{}", secret="old secret")
    for values in ([f"00ff, {old}"], ["00ff", old]):
        headers = good + [("x-acme-signature", value) for value in values]
        assert hub.post("/webhooks/acme", headers=headers).status_code == 202


@pytest.mark.parametrize("off", ["301", "-301", "NaN", "1e3", "absent", "1" + "0" * 20])
def test_a_timestamp_outside_the_window_is_401_by_its_own_name(hub: Served, off: str) -> None:
    stamp = str(int(STAMP) + int(off)) if off.lstrip("-") == "301" else off
    headers = {"x-acme-timestamp": stamp, "x-acme-signature": signature(b"{}", stamp=stamp)}
    if off == "absent":
        del headers["x-acme-timestamp"]
    response = hub.post("/webhooks/acme", headers=headers)
    assert refusal(response, 401) == "timestamp_out_of_window"


def test_a_connectors_private_error_code_does_not_get_out(hub: Served) -> None:
    response = hub.post("/webhooks/refusing")
    assert refusal(response, 401) == "signature_invalid"
    assert "Nothing is ever genuine" not in response.text


def test_unknown_connections_and_those_without_receiver_look_exactly_alike(hub: Served) -> None:
    """Otherwise the answer would list our connections to anybody who asks."""
    paths = ["nobody", "files", "", "nobody/token", "files/token", "acme/a/b", "%00", "%ff/%2F"]
    for method in ("POST", "GET", "PUT", "OPTIONS"):
        answers = set()
        for path in paths:
            response = hub.client.request(method, f"/webhooks/{path}")
            assert refusal(response, 404) == "connection_unknown"
            headers = [pair for pair in response.headers.multi_items() if pair[0] != "date"]
            answers.add((response.content, tuple(headers)))
        assert len(answers) == 1


def test_other_methods_are_405_and_name_the_right_one(hub: Served) -> None:
    for method in ("PUT", "DELETE", "PATCH", "GET", "OPTIONS"):
        response = hub.client.request(method, "/webhooks/acme")
        assert refusal(response, 405) == "method_not_allowed"
        assert response.headers["allow"] == "POST"
    head = hub.client.head("/webhooks/acme")
    assert (head.status_code, head.content) == (405, b"")


def test_a_challenge_is_answered_as_the_vendor_wants_and_stores_nothing(hub: Served) -> None:
    answer = hub.client.get("/webhooks/acme?challenge=%3Cb%3Ehi")
    assert (answer.status_code, answer.text) == (200, "<b>hi")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    head = hub.client.head("/webhooks/acme?challenge=x")
    assert (head.status_code, head.content) == (200, b"")
    assert hub.inbox.rows == []


def test_a_challenge_cannot_smuggle_a_header_into_the_answer(hub: Served) -> None:
    response = hub.client.get("/webhooks/acme?challenge=a%0D%0ASet-Cookie:%20x=1")
    assert refusal(response, 400) == "handshake_rejected"
    assert "set-cookie" not in response.headers


def test_a_ping_is_answered_only_when_it_is_genuine(hub: Served) -> None:
    good = hub.post("/webhooks/acme", b"ping", headers=signed(b"ping"))
    assert (good.status_code, good.text) == (200, "pong")
    forged = {"x-acme-timestamp": STAMP, "x-acme-signature": "00"}
    assert refusal(hub.post("/webhooks/acme", b"ping", headers=forged), 401) == "signature_invalid"
    assert hub.inbox.rows == []


def test_a_secret_handed_over_is_stored_before_the_handshake_is_answered(hub: Served) -> None:
    answer = hub.post("/webhooks/asana", b"", headers={"x-hook-secret": "s3"})
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["x-hook-secret"] == "s3"
    assert hub.secrets == ["s3"]
    assert hub.post("/webhooks/asana", b"{}", headers=signed(b"{}")).status_code == 202


@pytest.mark.parametrize(
    "name",
    [
        "jwt",
        "client_assertion",
        "auth",
        "sig",
        "X-Amz-Signature",
        "key",
        "apiKey",
        "access_key",
        "code",
        "authCode",
        "hmac",
        "access_token",
        "client%5Fsecret",
        "j%77t",
        "PHPSESSID",
    ],
)
def test_a_proof_in_the_query_is_not_kept(hub: Served, name: str) -> None:
    path = f"/webhooks/acme?{name}=s3cr3t&event=issue&{name}=again"
    assert hub.post(path, headers=signed(b"{}")).status_code == 202
    (row,) = hub.inbox.rows
    assert row.url == f"{PUBLIC}/webhooks/acme?{name}=***&event=issue&{name}=***"


def test_the_rest_of_the_query_is_kept_as_it_was_written() -> None:
    written = "event=issue&topic=a%2Fb&&flag&q=a=b&codec=x&keyword=y&design=1"
    assert redacted_query(written) == written
    assert redacted_query("") == ""


@pytest.mark.parametrize("connection", ["settled", "registered"])
def test_nobody_can_hand_over_a_secret_that_is_not_awaited(hub: Served, connection: str) -> None:
    """A forged handshake is no trouble of ours: its sender is not told to come back."""
    response = hub.post(f"/webhooks/{connection}", b"", headers={"x-hook-secret": "mine now"})
    assert refusal(response, 401) == "signature_invalid"
    assert "retry-after" not in response.headers


def test_the_token_in_the_address_opens_a_connection_that_cannot_sign(hub: Served) -> None:
    for path in (f"/webhooks/sforce/{TOKEN}", f"/webhooks/sforce/{TOKEN}/"):
        assert hub.post(path).status_code == 202
    assert [row.url for row in hub.inbox.rows] == [f"{PUBLIC}/webhooks/sforce/***"] * 2


@pytest.mark.parametrize(
    "path",
    [
        "sforce",
        "sforce/",
        "sforce/wrong",
        f"sforce/{TOKEN[:-1]}",
        "sforce/%C3%A9%FF%00",
        f"acme/{TOKEN}",
        "both/wrong",
        "forgotten",
        f"forgotten/{TOKEN}",
    ],
)
def test_a_token_that_is_missing_wrong_or_superfluous_is_401(hub: Served, path: str) -> None:
    response = hub.post(f"/webhooks/{path}", b"{}", headers=signed(b"{}"))
    assert refusal(response, 401) == "signature_invalid"
    assert hub.inbox.rows == []


def test_a_token_does_not_replace_the_signature(hub: Served) -> None:
    assert hub.post(f"/webhooks/both/{TOKEN}", headers=signed(b"{}", id="1")).status_code == 202
    assert hub.post("/webhooks/both", headers=signed(b"{}", id="2")).status_code == 202
    forged = {"x-acme-timestamp": STAMP, "x-acme-signature": "00"}
    response = hub.post(f"/webhooks/both/{TOKEN}", headers=forged)
    assert refusal(response, 401) == "signature_invalid"


def test_a_challenge_needs_the_token_where_one_is_required(hub: Served) -> None:
    assert hub.client.get(f"/webhooks/sforce/{TOKEN}?challenge=x").text == "x"
    assert refusal(hub.client.get("/webhooks/sforce?challenge=x"), 401) == "signature_invalid"


def test_the_token_is_in_no_row_and_no_log_line(
    hub: Served, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither ours nor the server's access log, and not for a mistyped connection either."""
    # a server that another test ran without an access log has silenced it for the whole process
    access = logging.getLogger("uvicorn.access")
    monkeypatch.setattr(access, "propagate", True)
    caplog.set_level(logging.INFO, logger="uvicorn.access")
    caplog.set_level(logging.DEBUG)
    hub.post(f"/webhooks/sforce/{TOKEN}?access_token={TOKEN}&x=1")
    hub.post(f"/webhooks/sfroce/{TOKEN}")
    hub.post(f"/webhooks/acme/{TOKEN}")
    lines = [record.getMessage() for record in caplog.records if record.name != "httpx"]
    lines = [unquote(line) for line in lines if "/webhooks/" in line]
    assert any("/webhooks/sfroce/***" in line for line in lines)
    assert any('"POST /webhooks/sforce/***?access_token=***&x=1 HTTP/1.1" 202' in x for x in lines)
    assert not any(TOKEN in line for line in lines)
    (row,) = hub.inbox.rows
    assert row.url == f"{PUBLIC}/webhooks/sforce/***?access_token=***&x=1"


def test_an_unsigned_connection_takes_anything_and_says_so_on_the_row(hub: Served) -> None:
    assert hub.post("/webhooks/open").status_code == 202
    assert hub.post("/webhooks/open", headers=signed(b"{}", id="d-9")).status_code == 202
    rows = [(row.verdict, row.delivery_id, row.capture) for row in hub.inbox.rows]
    assert rows == [("unsigned", None, True), ("unsigned", "d-9", True)]


def test_a_connector_with_bugs_loses_no_delivery_and_leaks_no_body(
    hub: Served, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    body = b"private words"
    broken = hub.post("/webhooks/broken", body)
    assert refusal(broken, 401) == "signature_invalid"
    answer = hub.post("/webhooks/broken", body, headers={"x-acme-delivery": "d"})
    assert answer.status_code == 202
    assert refusal(hub.client.get("/webhooks/broken"), 400) == "handshake_rejected"
    assert "private words" not in caplog.text
    assert "verify failed with RecursionError at " in caplog.text


def test_a_delivery_id_that_no_index_can_hold_becomes_its_hash(hub: Served) -> None:
    """A NUL or a lone surrogate would otherwise fail every batch that it is part of."""
    for body in (b"plain", b"a\x00b", b"\xff", b"x" * 5000, b""):
        assert hub.post("/webhooks/strange", body).status_code == 202
    ids = [row.delivery_id for row in hub.inbox.rows]
    assert ids[0] == "plain"
    assert ids[4] is None
    assert all(id.startswith("sha256:") and len(id) == 71 for id in ids[1:4])
    assert len(set(ids)) == 5


def test_only_headers_worth_keeping_are_kept(hub: Served) -> None:
    secret = {
        "authorization": "Basic eA==",
        "cookie": "a=b",
        "x-gitlab-token": "t",
        "x-api-key": "k",
        "x-acme-secret": "even if a connector asks for it",
        "x-forwarded-for": "192.0.2.1",
    }
    kept = {
        "ce-id": "A-1",
        "x-github-event": "issues",
        "webhook-id": "m",
        "acme-event": "e",
        "x-acme-sender": "s",
    }
    hub.post("/webhooks/acme", headers=signed(b"{}") | secret | kept)
    (row,) = hub.inbox.rows
    assert not set(row.headers) & set(secret)
    assert kept.items() <= row.headers.items()
