"""Every scheme through the real intake: its vector is taken, and there is a test for each way to be
refused. The table is `scheme_cases`; a scheme that is not in it fails the first test.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

import connectors.webhook
from connectors.sdk import ConfigError, Delivery, SignatureError, UnsupportedError
from connectors.sdk.public_keys import PublicKeys
from connectors.sdk.schemes import SCHEMES
from connectors.webhook.config import WebhookConnection
from connectors.webhook.connector import WebhookConnector
from tests.connectors.scheme_cases import (
    ACCOUNT,
    AUDIENCE,
    BODY,
    CASES,
    GRAPH,
    KEY,
    NOW,
    Case,
    Keys,
    T,
    google,
)
from tests.webhooks.intake_support import MemoryInbox, until
from webhooks.app import WebhookApp
from webhooks.inbox import Endpoint

INVALID, LATE = "signature_invalid", "timestamp_out_of_window"
TIMED = [name for name, case in CASES.items() if case.timed]
SIGNED = [name for name, case in CASES.items() if case.signs_body]
PROVED = [name for name, case in CASES.items() if case.proof]
SECRET = [name for name in CASES if name != "google-oidc"]
OBJECTS = {"thing": {"id": "$.id"}}


@pytest.fixture(scope="module")
def keys() -> Iterator[Keys]:
    found = Keys()
    yield found
    found.stop()


@pytest.fixture
def intake(keys: Keys) -> Iterator[Intake]:
    made = Intake(keys)
    yield made
    made.stop()


class Intake:
    """The real application, called as a server calls it."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self.inbox = MemoryInbox()
        self.endpoints: dict[str, Endpoint] = {}
        self.now = NOW
        self.handed: list[str] = []
        self.reasons: list[str] = []
        self.app = WebhookApp(
            self.endpoints, self.inbox, public_url="https://hub.example.com", now=lambda: self.now
        )
        self.app.start()

    def stop(self) -> None:
        self.app.stop()
        for endpoint in self.endpoints.values():
            endpoint.receiver.close()  # type: ignore[attr-defined]

    def connect(self, name: str, *secrets: str, **words: Any) -> WebhookConnector:
        """The connection of a scheme with these secrets, its own where none are named."""
        case = CASES[name]
        given = list(secrets) or [one for one in [case.secret] if one]
        said = {"scheme": name, "objects": OBJECTS, **case.words, **words}
        if name == "google-oidc":
            said["keys_url"] = self.keys.url
        said.setdefault("webhook", {"secret": given} if given else {})
        made = WebhookConnector("x", WebhookConnection.model_validate(said))
        token = made.settings.webhook.token
        text = token.get_secret_value().encode() if token else b""
        self.endpoints["x"] = Endpoint(
            "x", made,
            token_hash=hashlib.sha256(text).digest() if token else None,
            token_required=token is not None,
            on_secret=self.handed.append if made.awaits_secret else None,
        )  # fmt: skip
        if made._keys is not None:
            made.prepare()
            until(lambda: made._keys is not None and made._keys.known)
        return made

    def send(
        self, case: Case, headers: Mapping[str, str] | None = None, body: bytes | None = None,
        method: str = "POST", path: str = "", query: str = "",
    ) -> tuple[int, dict[str, str], bytes]:  # fmt: skip
        """Status, headers and body of the answer."""
        sent = [
            (name.encode(), value.encode("latin-1"))
            for name, value in (case.headers if headers is None else headers).items()
        ]
        content = case.body if body is None else body
        sent.append((b"content-length", str(len(content)).encode()))
        answer: dict[str, Any] = {"body": b""}

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": content}

        async def take(message: Mapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answer["status"] = message["status"]
                answer["headers"] = {k.decode(): v.decode() for k, v in message["headers"]}
            else:
                answer["body"] += message.get("body", b"")

        target = path or case.path
        scope = {
            "type": "http", "http_version": "1.1", "method": method, "path": target,
            "raw_path": target.encode(), "query_string": (query or case.query).encode(),
            "headers": sent,
        }  # fmt: skip
        asyncio.run(self.app(scope, receive, take))
        return answer["status"], answer["headers"], answer["body"]

    def taken(self, case: Case, **changes: Any) -> None:
        before = len(self.inbox.rows)
        status, _, body = self.send(case, **changes)
        assert 200 <= status < 300, body
        assert len(self.inbox.rows) == before + 1

    def refused(self, case: Case, code: str = INVALID, **changes: Any) -> None:
        before = len(self.inbox.rows)
        status, _, body = self.send(case, **changes)
        assert (status, json.loads(body)["code"]) == (401, code)
        assert len(self.inbox.rows) == before, "something was stored"


def changed(case: Case, proof: str) -> dict[str, str]:
    return {**case.headers, case.proof: case.before + proof}


def proof_of(case: Case) -> str:
    return case.headers[case.proof].removeprefix(case.before)


def test_no_scheme_is_forgotten() -> None:
    assert set(CASES) == set(SCHEMES)


@pytest.mark.parametrize("name", CASES)
def test_a_genuine_delivery_is_taken(name: str, intake: Intake) -> None:
    intake.connect(name)
    intake.taken(CASES[name])


# ------------------------------------------------------------------------------------- the refusals


@pytest.mark.parametrize("name", PROVED)
def test_a_missing_proof_is_refused(name: str, intake: Intake) -> None:
    case = CASES[name]
    intake.connect(name)
    rest = {header: value for header, value in case.headers.items() if header != case.proof}
    intake.refused(case, headers=rest)
    intake.refused(case, headers={**rest, case.proof: ""})
    intake.refused(case, headers={**rest, case.proof: case.before})


@pytest.mark.parametrize("name", PROVED)
def test_a_wrong_proof_is_refused(name: str, intake: Intake) -> None:
    case = CASES[name]
    intake.connect(name)
    proof = proof_of(case)
    flipped = proof[:-8] + ("A" if proof[-8] != "A" else "B") + proof[-7:]
    intake.refused(case, headers=changed(case, flipped))
    intake.refused(case, headers=changed(case, "0" * len(proof)))
    intake.refused(case, headers={**case.headers, case.proof: "x" + case.headers[case.proof]})


@pytest.mark.parametrize("name", PROVED)
def test_a_prefix_of_the_right_proof_is_refused(name: str, intake: Intake) -> None:
    case = CASES[name]
    intake.connect(name)
    proof = proof_of(case)
    for length in (1, len(proof) // 2, len(proof) - 4):
        intake.refused(case, headers=changed(case, proof[:length]))


@pytest.mark.parametrize("name", PROVED)
@pytest.mark.parametrize("what", ["é" * 64, "\xff\xfe", "ünïcödé"], ids=["e", "bytes", "umlauts"])
def test_a_proof_that_is_not_ascii_is_refused(name: str, what: str, intake: Intake) -> None:
    case = CASES[name]
    intake.connect(name)
    intake.refused(case, headers=changed(case, what))
    intake.refused(case, headers=changed(case, proof_of(case) + what))


@pytest.mark.parametrize("name", SECRET)
def test_a_wrong_secret_and_an_empty_one_refuse_everything(name: str, intake: Intake) -> None:
    case = CASES[name]
    for secrets in ([case.other], [""], ["", ""], [case.secret[:-4]]):
        intake.connect(name, *secrets)
        intake.refused(case)
        if case.proof:
            intake.refused(case, headers=changed(case, ""))


@pytest.mark.parametrize("name", SECRET)
def test_while_a_secret_is_changed_both_are_good(name: str, intake: Intake) -> None:
    case = CASES[name]
    for secrets in ([case.other, case.secret], ["", case.secret, case.other]):
        made = intake.connect(name, *secrets)
        made.verify(delivery(case))


@pytest.mark.parametrize("name", SIGNED)
def test_one_other_byte_in_the_body_is_refused(name: str, intake: Intake) -> None:
    case = CASES[name]
    intake.connect(name)
    body = case.body
    intake.refused(case, body=bytes([body[0] ^ 1]) + body[1:])
    intake.refused(case, body=body[:-1] + bytes([body[-1] ^ 1]))
    intake.refused(case, body=body[:-1])
    if name != "twilio":  # a form without its last, empty field is the same form
        intake.refused(case, body=body + b"\n")


@pytest.mark.parametrize("name", TIMED)
@pytest.mark.parametrize("sign", [1, -1], ids=["old", "ahead"])
def test_what_is_too_old_or_from_the_future_is_refused(
    name: str, sign: int, intake: Intake
) -> None:
    case = CASES[name]
    intake.connect(name)
    seconds = case.window if sign > 0 or case.window == 300 else 60
    intake.now = NOW + timedelta(seconds=sign * (seconds + 1))
    intake.refused(case, LATE)
    intake.now = NOW + timedelta(seconds=sign * (seconds - 1))
    intake.taken(case)


@pytest.mark.parametrize("name", TIMED)
@pytest.mark.parametrize("stamp", ["NaN", "1e20", "100000000000000000000", "-1", "Infinity", ""])
def test_a_signed_time_that_is_none_is_refused(name: str, stamp: str, intake: Intake) -> None:
    """It is signed with the right secret: only the time is wrong."""
    case = CASES[name]
    if name in ("jira-app", "google-oidc", "linear") and stamp == "":
        stamp = "-0.5"
    assert case.timed is not None
    headers, body = case.timed(stamp)
    intake.connect(name)
    status, _, answer = intake.send(case, headers={**case.headers, **headers}, body=body)
    assert status == 401
    assert json.loads(answer)["code"] in (INVALID, LATE)
    assert not intake.inbox.rows


@pytest.mark.parametrize("name", TIMED)
def test_a_signed_time_of_the_moment_is_taken(name: str, intake: Intake) -> None:
    """The makers of these tests sign as vendors do: the refusals above are for their reason."""
    case = CASES[name]
    assert case.timed is not None
    headers, body = case.timed(case.stamp(T))
    intake.connect(name)
    intake.taken(case, headers={**case.headers, **headers}, body=body)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.twice])
def test_of_two_signatures_one_is_enough(name: str, intake: Intake) -> None:
    case = CASES[name]
    intake.connect(name)
    intake.taken(case, headers={**case.headers, **(case.twice or {})})


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.known])
def test_the_same_delivery_twice_is_one(name: str, intake: Intake) -> None:
    case = CASES[name]
    intake.connect(name)
    intake.taken(case)
    intake.send(case)
    assert len(intake.inbox.rows) == 1


@pytest.mark.parametrize("name", SIGNED)
def test_no_unsigned_header_makes_a_later_delivery_pass_for_this_one(
    name: str, intake: Intake
) -> None:
    """An id that is not signed counts together with the body."""
    case = CASES[name]
    made = intake.connect(name)
    place = SCHEMES[name].delivery or ""
    header = place.removeprefix("header:")
    if not place.startswith("header:") or made.settings.trusts(header):
        return
    id = made.verify(delivery(case))
    assert id is not None
    assert id.startswith(case.headers[header] + ":")
    assert hashlib.sha256(case.body).hexdigest()[:32] in id


# ------------------------------------------------------------------------------------------ signing


def delivery(case: Case, headers: Mapping[str, str] | None = None) -> Delivery:
    url = "https://hub.example.com" + case.path + (f"?{case.query}" if case.query else "")
    return Delivery("POST", url, headers or case.headers, case.body, NOW)


@pytest.mark.parametrize("name", CASES)
def test_what_is_signed_here_is_what_the_vendor_sends(name: str, intake: Intake) -> None:
    """Byte for byte the vector, wherever time and id are the same."""
    case = CASES[name]
    made = intake.connect(name)
    bare = {k: v for k, v in case.headers.items() if k != case.proof}
    if name in ("graph", "google-oidc"):
        with pytest.raises(UnsupportedError, match=r"clientState|Only Google"):
            made.sign(delivery(case, {"x": "y"}))
        return
    signed = made.sign(delivery(case, bare or {"x": "y"}), id="msg_1")
    made.verify(signed)
    if name != "jira-app":  # its JWT may be written in several ways
        wanted = case.headers[case.proof].rstrip("=")
        assert signed.headers[case.proof].rstrip("=") == wanted


@pytest.mark.parametrize("name", SECRET)
def test_without_a_secret_nothing_can_be_signed(name: str, intake: Intake) -> None:
    made = intake.connect(name, "")
    with pytest.raises(ConfigError, match=r"set webhook\.(secret|token)"):
        made.sign(delivery(CASES[name], {"x": "y"}))


# ------------------------------------------------------------------------------------- the messages


@pytest.mark.parametrize("name", PROVED)
def test_no_refusal_tells_a_secret(name: str, intake: Intake) -> None:
    case = CASES[name]
    made = intake.connect(name)
    token = proof_of(case)
    for headers in ({}, changed(case, "nonsense"), changed(case, token[:-4])):
        with pytest.raises(SignatureError) as caught:
            made.verify(delivery(case, headers or {"x": "y"}))
        said = str(caught.value)
        assert len(said) > 20
        assert KEY not in said
        assert case.secret == "" or case.secret not in said
        assert token not in said


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        ("github", {"headers": {"x": "y"}}, "The header x-hub-signature-256 is missing"),
        ("github", {"headers": {"x-hub-signature-256": "sha1=12"}}, "does not begin with 'sha2"),
        ("github", {"headers": {"x-hub-signature-256": "sha256=12"}}, "which has 32 bytes"),
        ("github", {"body": BODY + b" "}, "does not match the body under the secret"),
        ("github", {"body": BODY + b"\n"}, "a line break was added to the body"),
        ("trello", {"body": BODY + b" "}, "taken to be https://hub.example.com/in/trello"),
        ("slack", {"received_at": NOW + timedelta(seconds=412)}, "too old, 412 s where 300 s are"),
        ("slack", {"received_at": NOW - timedelta(seconds=412)}, "lies in the future, 412 s where"),
        ("basic", {"headers": {"authorization": "Basic c2hvcDp4"}}, "The password is another"),
        ("basic", {"headers": {"authorization": "Basic eDp4"}}, "The user is not 'shop'"),
        ("token", {"headers": {"authorization": "Basic eDp4"}}, "does not begin with 'Bearer'"),
        ("graph", {"body": GRAPH.replace(KEY.encode(), b"x", 1)}, "clientState of 1 of 2"),
    ],
)  # fmt: skip
def test_a_refusal_says_what_failed(
    name: str, change: dict[str, Any], expected: str, intake: Intake
) -> None:
    made = intake.connect(name)
    with pytest.raises(SignatureError) as caught:
        made.verify(replace(delivery(CASES[name]), **change))
    assert expected in str(caught.value)


def test_white_space_around_a_secret_is_told(intake: Intake) -> None:
    made = intake.connect("github", "other", f"{KEY}\n")
    with pytest.raises(SignatureError, match="once the white space around secret number 2"):
        made.verify(delivery(CASES["github"]))
    with pytest.raises(ConfigError, match="secret number 2 has white space"):
        made.check()


def test_an_address_that_was_signed_with_http_is_told_and_its_token_is_not(intake: Intake) -> None:
    made = intake.connect("hubspot", url=None)
    one = replace(
        delivery(CASES["hubspot"], {"x": "y"}), url="http://hub.example.com/webhooks/x/tok-1?a=b"
    )
    signed = replace(made.sign(one), url=one.url.replace("http://", "https://"))
    with pytest.raises(SignatureError) as caught:
        made.verify(signed)
    assert "another address than https://hub.example.com/webhooks/x/***?…" in str(caught.value)
    assert "namely with http://" in str(caught.value)


# ------------------------------------------------------------------------------------ Google's keys


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://other.example"}, {"aud": None}, {"email": "mallory@example.test"},
        {"email": None}, {"email_verified": False}, {"email_verified": "true"},
        {"iss": "https://mallory.example"}, {"kid": "k2"}, {"exp": None}, {"exp": "never"},
    ],
)  # fmt: skip
def test_a_token_that_was_not_meant_for_us_is_refused(
    claims: dict[str, Any], intake: Intake
) -> None:
    intake.connect("google-oidc")
    headers, _ = google(str(T), **claims)
    status, _, _ = intake.send(CASES["google-oidc"], headers=headers)
    assert status == 401
    assert not intake.inbox.rows


def test_a_token_of_another_key_is_refused(intake: Intake) -> None:
    intake.connect("google-oidc")
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    intake.refused(CASES["google-oidc"], headers=google(str(T), key=other)[0])


def test_unknown_keys_are_asked_for_once_a_minute_and_nobody_waits() -> None:
    now = [0.0]
    asked: list[float] = []

    def fetch() -> Any:
        asked.append(now[0])
        return {"keys": []}

    keys = PublicKeys(fetch, clock=lambda: now[0])
    for _ in range(50):
        assert keys.get("k") is None
    until(lambda: len(asked) == 1)
    now[0] = 59.0
    assert keys.get("k") is None
    now[0] = 61.0
    assert keys.get("k") is None
    until(lambda: len(asked) == 2)
    assert asked == [0.0, 61.0]


def test_until_there_are_keys_the_sender_is_told_to_try_again() -> None:
    said = {
        "scheme": "google-oidc", "audience": AUDIENCE, "account": ACCOUNT, "objects": OBJECTS,
        "keys_url": "http://127.0.0.1:9/certs",
    }  # fmt: skip
    made = WebhookConnector("x", WebhookConnection.model_validate(said))
    with pytest.raises(SignatureError, match="still being fetched"):
        made.verify(delivery(CASES["google-oidc"]))
    made.close()


def test_what_pubsub_packs_is_unpacked(intake: Intake) -> None:
    said = {"thing": {"records": "$.message.data", "id": "$.id"}}
    made = intake.connect("google-oidc", objects=said)
    (record,) = made.parse(delivery(CASES["google-oidc"]))
    assert record.id == "T-1"  # type: ignore[union-attr]


def test_a_channel_speaks_by_its_headers_alone(intake: Intake) -> None:
    said = {"thing": {"events": ["update"], "id": "$.channel_id", "version": "$.message_number"}}
    made = intake.connect("google-channel", objects=said)
    intake.taken(CASES["google-channel"])
    row = intake.inbox.rows[0]
    stored = Delivery("POST", row.url, row.headers, row.body, row.received_at)
    (record,) = made.parse(stored)
    assert (record.id, record.version) == ("c-1", "7".zfill(20))  # type: ignore[union-attr]
    assert KEY not in str(row.headers)
    assert KEY not in str(record)


# -------------------------------------------------------------------------------------- the vectors

SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
    b"&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner"
    b"&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands"
    b"%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
PUBLISHED: dict[str, tuple[str, str, Mapping[str, str], bytes, int]] = {
    # https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    "github": (
        "github", "It's a Secret to Everybody",
        {"x-hub-signature-256":
         "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
        b"Hello, World!", T,
    ),
    # https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/, as Jira signs too
    "jira": (
        "jira", "It's a Secret to Everybody",
        {"x-hub-signature":
         "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"},
        b"Hello World!", T,
    ),
    # https://docs.slack.dev/authentication/verifying-requests-from-slack
    "slack": (
        "slack", "8f742231b10e8888abcd99yyyzzz85a5",
        {"x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
         "x-slack-request-timestamp": "1531420618"},
        SLACK_BODY, 1531420618,
    ),
    # https://github.com/standard-webhooks/standard-webhooks, the tests of its libraries
    "standard-webhooks": (
        "standard-webhooks", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        {"webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330",
         "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
        b'{"test": 2432232314}', 1614265330,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_vector_that_the_vendor_publishes(name: str, intake: Intake) -> None:
    scheme, secret, headers, body, at = PUBLISHED[name]
    intake.connect(scheme, secret)
    intake.now = datetime.fromtimestamp(at, UTC)
    intake.taken(CASES[scheme], headers=headers, body=body)
    intake.refused(CASES[scheme], headers=headers, body=body + b"x")


def test_zendesks_older_example_signs_the_other_way_round(intake: Intake) -> None:
    """Its page once put the time behind the body; what it says today is what counts.
    https://developer.zendesk.com/documentation/webhooks/verifying/
    """
    intake.connect("zendesk", "HRkRd4BeOAoUkfZr-mhauJT64rvBASlJRoIyPsd3zeA=")
    intake.now = datetime(2021, 7, 25, 10, tzinfo=UTC)
    name = "x-zendesk-webhook-signature"
    headers = {
        name: "tRDSF7URY8BLCDlaBcQ7FHu051Zk+aAB0NKMP53teMw=",
        f"{name}-timestamp": "2021-07-25T10:00:00Z",
    }
    intake.refused(CASES["zendesk"], headers=headers, body=b'{"say": "hello"}')


# ----------------------------------------------------------------------------------- the handshakes


def test_asana_hands_its_secret_over_behind_the_token_alone(intake: Intake) -> None:
    offer = {"x-hook-secret": "b537207f20cbfa02357cf448134da559e8bd39d61597dcd5"}
    intake.connect("asana", webhook={"token": "tok-1"})
    case = CASES["asana"]
    assert intake.send(case, headers=offer, body=b"")[0] == 401  # without the token
    assert intake.send(case, headers=offer, body=b"", path="/webhooks/x/tok-2")[0] == 401
    assert intake.handed == []
    status, headers, _ = intake.send(case, headers=offer, body=b"", path="/webhooks/x/tok-1")
    assert (status, headers["x-hook-secret"]) == (200, offer["x-hook-secret"])
    assert intake.handed == [offer["x-hook-secret"]]
    assert not intake.inbox.rows
    intake.connect("asana")  # knows its secret, and has no token: nothing is handed over any more
    assert intake.send(case, headers=offer, body=b"")[0] == 401
    assert len(intake.handed) == 1


def test_graphs_validation_is_answered_as_escaped_text(intake: Intake) -> None:
    intake.connect("graph")
    case = CASES["graph"]
    status, headers, body = intake.send(
        case, body=b"", query="validationToken=Validation%3A%20Testing%20%3Cscript%3E"
    )
    assert (status, body) == (200, b"Validation: Testing &lt;script&gt;")
    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert headers["x-content-type-options"] == "nosniff"
    assert intake.send(case, body=b"", query="validationToken=%00a")[0] == 401
    assert intake.send(case, body=b"", query="validationToken=" + "a" * 5000)[0] == 401
    assert not intake.inbox.rows


@pytest.mark.parametrize("body", [b"", b"{}", b'{"value":[]}', b'{"value":[7]}', b"[" * 9999])
def test_a_graph_notification_without_state_is_refused(body: bytes, intake: Intake) -> None:
    intake.connect("graph")
    intake.refused(CASES["graph"], body=body)


def test_graphs_lifecycle_notifications_are_proved_too(intake: Intake) -> None:
    intake.connect("graph")
    one = {"subscriptionId": "s", "lifecycleEvent": "missed", "clientState": KEY}
    intake.taken(CASES["graph"], body=json.dumps({"value": [one]}).encode())
    forged = {**one, "clientState": KEY[:-1]}
    intake.refused(CASES["graph"], body=json.dumps({"value": [one, forged]}).encode())


def test_trello_is_told_that_somebody_is_there(intake: Intake) -> None:
    intake.connect("trello")
    status, _, body = intake.send(CASES["trello"], headers={}, body=b"", method="HEAD")
    assert (status, body) == (200, b"")
    assert intake.send(CASES["trello"], headers={}, body=b"", method="GET")[0] == 405


def test_slacks_challenge_must_be_signed(intake: Intake) -> None:
    made = intake.connect("slack")
    asked = b'{"type":"url_verification","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY"}'
    signed = made.sign(replace(delivery(CASES["slack"], {"x": "y"}), body=asked))
    status, headers, body = intake.send(CASES["slack"], headers=signed.headers, body=asked)
    assert (status, body) == (200, b"3eZbrw1aBm2rZgRNFdxV2595E9CY")
    assert headers["content-type"].startswith("text/plain")
    intake.refused(CASES["slack"], body=asked)
    assert not intake.inbox.rows


def test_githubs_ping_is_answered_once_it_is_proved(intake: Intake) -> None:
    intake.connect("github")
    case = CASES["github"]
    ping = {**case.headers, "x-github-event": "ping"}
    status, _, body = intake.send(case, headers=ping)
    assert (status, json.loads(body)) == (200, {"status": "pong"})
    intake.refused(case, headers=ping, body=b"{}")
    assert not intake.inbox.rows


def test_a_channel_that_opens_is_acknowledged(intake: Intake) -> None:
    intake.connect("google-channel")
    case = CASES["google-channel"]
    sync = {**case.headers, "x-goog-resource-state": "sync"}
    assert intake.send(case, headers=sync)[0] == 200
    assert not intake.inbox.rows
    intake.refused(case, headers={**sync, "x-goog-channel-token": "guessed"})


@pytest.mark.parametrize(
    ("name", "status", "body"), [("slack", 200, b""), ("graph", 202, b""), ("twilio", 200, b"<Re")]
)
def test_who_wants_another_answer_gets_it(
    name: str, status: int, body: bytes, intake: Intake
) -> None:
    intake.connect(name)
    found, _, said = intake.send(CASES[name])
    assert (found, said[:3]) == (status, body[:3])


# ------------------------------------------------------------------------------------ configuration


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"scheme": "githb"}, "Input should be 'standard-webhooks', 'hmac', 'github'"),
        ({"scheme": "github", "base": "{body}"}, "`base` says nothing with scheme github, wh"),
        ({"scheme": "slack", "header": "X"}, "`header` says nothing with scheme slack, which"),
        ({"scheme": "google-oidc"}, "google-oidc needs `audience`: Audience of the push"),
        ({"scheme": "google-oidc", "audience": "x"}, "google-oidc needs `account`: E-mail"),
        ({"scheme": "hmac"}, "hmac needs `header`"),
        ({"scheme": "trello", "url": "hub.example.com"}, "url"),
    ],
)  # fmt: skip
def test_a_mistake_names_the_right_keys(words: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match="validation error") as caught:
        WebhookConnection.model_validate({**words, "objects": OBJECTS, "webhook": {"secret": "s"}})
    assert expected in str(caught.value)


def test_the_secret_of_airtable_must_be_base64(intake: Intake) -> None:
    made = intake.connect("airtable", "not base64 §")
    with pytest.raises(ConfigError, match="not written in base64"):
        made.check()
    assert base64.b64decode(CASES["airtable"].secret)


def test_the_readme_lists_every_scheme_with_its_keys() -> None:
    text = (Path(connectors.webhook.__file__).parent / "README.md").read_text("utf-8")
    table = text.partition("<!-- schemes -->")[2].partition("<!-- /schemes -->")[0]
    rows = {row.split("`")[1]: row for row in table.splitlines() if row.startswith("| `")}
    assert list(rows)[1:] == list(SCHEMES)
    for name, scheme in SCHEMES.items():
        assert scheme.about in rows[name]
        if name != "hmac":
            assert all(f"`{word}`" in rows[name] for word in (*scheme.needs, *scheme.takes))
        assert all(f"`{place}`" in rows[name] for place in scheme.event)
