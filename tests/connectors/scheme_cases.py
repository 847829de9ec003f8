"""One row for each scheme: a genuine delivery with the vector that was computed for this project or
that a vendor publishes, and where its proof stands. `test_schemes` refuses it in every way.
"""

from __future__ import annotations

import base64
import functools
import hmac
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from connectors.sdk.jwt import query_hash

BODY = b'{"id":"T-1","status":"done"}'
KEY = "hub_test_secret"
APP_KEY = "hub_test_secret_of_an_app_32_byte"
WHSEC = "whsec_aHViLXRlc3Qtc2VjcmV0LTI0LWJ5dGVz"
T = 1767225600
NOW = datetime.fromtimestamp(T, UTC)
HEX = "70c542624e5975eee5117f4cbfca9f54abd8f00604c720b94a354e37fd7b970d"
STRIPE = "df2aba254acf7407457781e0059c0368462f38676d7319a2c299b4a816ea146a"
STANDARD = "v1,6H3J3Klb3AgKSiThA/AZXfz/F6BGlrWmtYhCSmv80bs="
BAD = "0" * 64
AUDIENCE, ACCOUNT = "https://hub.example.test/webhooks/x", "push@acme.iam.example.test"
Headers = Mapping[str, str]


@dataclass(frozen=True)
class Case:
    """`proof` is the header that proves, with the text before the proof itself; "" where it stands
    in the body. `timed` makes a delivery that is right but for its time, as it was written.
    `twice` puts a wrong signature beside the right one. `known`: a second one is a duplicate.
    """

    headers: Headers
    proof: str
    before: str = ""
    body: bytes = BODY
    query: str = ""
    public: str = "https://hub.example.com"
    path: str = "/webhooks/x"
    secret: str = KEY
    other: str = "another_secret"
    words: Mapping[str, Any] = field(default_factory=dict)
    webhook: Mapping[str, Any] = field(default_factory=dict)
    signs_body: bool = True
    timed: Callable[[str], tuple[Headers, bytes]] | None = None
    stamp: Callable[[int], str] = str
    window: int = 300
    twice: Headers | None = None
    known: bool = True


def mac(base: bytes, algorithm: str = "sha256", key: bytes = KEY.encode()) -> bytes:
    return hmac.new(key, base, algorithm).digest()


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def milliseconds(seconds: int) -> str:
    return f"{seconds}000"


def iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def standard(stamp: str) -> tuple[Headers, bytes]:
    key = base64.b64decode(WHSEC.removeprefix("whsec_"))
    signed = mac(f"msg_1.{stamp}.".encode() + BODY, key=key)
    headers = {"webhook-id": "msg_1", "webhook-timestamp": stamp}
    return {**headers, "webhook-signature": f"v1,{b64(signed)}"}, BODY


def stripe(stamp: str) -> tuple[Headers, bytes]:
    return {"stripe-signature": f"t={stamp},v1={mac(stamp.encode() + b'.' + BODY).hex()}"}, BODY


def slack(stamp: str) -> tuple[Headers, bytes]:
    signed = "v0=" + mac(f"v0:{stamp}:".encode() + BODY).hex()
    return {"x-slack-signature": signed, "x-slack-request-timestamp": stamp}, BODY


def zendesk(stamp: str) -> tuple[Headers, bytes]:
    name = "x-zendesk-webhook-signature"
    return {name: b64(mac(stamp.encode() + BODY)), f"{name}-timestamp": stamp}, BODY


def hubspot(stamp: str) -> tuple[Headers, bytes]:
    url = "https://hub.example.com/in/hubspot?x=1"
    signed = b64(mac(f"POST{url}".encode() + BODY + stamp.encode()))
    return {"x-hubspot-signature-v3": signed, "x-hubspot-request-timestamp": stamp}, BODY


def linear(stamp: str) -> tuple[Headers, bytes]:
    body = b'{"action":"update","type":"Issue","data":{"id":"T-1","updatedAt":"2026-01-01"},'
    body += b'"webhookTimestamp":' + stamp.encode() + b"}"
    return {"linear-signature": mac(body).hex()}, body


def any_hmac(stamp: str) -> tuple[Headers, bytes]:
    signed = base64.urlsafe_b64encode(mac(stamp.encode() + b"." + BODY, "sha512")).decode()
    return {"x-acme-signature": f"s={signed}", "x-acme-time": stamp, "x-acme-id": "d-1"}, BODY


def app(stamp: str) -> tuple[Headers, bytes]:
    """A JWT that was made at `stamp` and expires three minutes later."""
    moment: Any = float(stamp) if not stamp.isdigit() else int(stamp)
    claims = {"iss": "jira", "iat": moment, "qsh": QSH}
    if stamp != "absent":
        claims["exp"] = moment + 180
    token = jwt.encode(claims, APP_KEY, algorithm="HS256")
    return {"authorization": f"JWT {token}"}, BODY


QSH = query_hash("POST", "https://hub.example.com/webhooks/x", "")


@functools.cache
def google_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def google(stamp: str, **more: Any) -> tuple[Headers, bytes]:
    moment: Any = float(stamp) if not stamp.isdigit() else int(stamp)
    claims = {
        "iss": "https://accounts.google.com", "aud": AUDIENCE, "email": ACCOUNT,
        "email_verified": True, "iat": moment, "exp": moment + 180, **more,
    }  # fmt: skip
    head = {"kid": claims.pop("kid", "k1")}
    token = jwt.encode(claims, claims.pop("key", google_key()), algorithm="RS256", headers=head)
    body = json.dumps({"message": {"messageId": "m-1", "data": b64(BODY)}}).encode()
    return {"authorization": f"Bearer {token}"}, body


class Keys:
    """Google's address for its public keys, on loopback; counts who asks."""

    def __init__(self) -> None:
        self.asked = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                found = jwt.algorithms.RSAAlgorithm.to_jwk(google_key().public_key(), as_dict=True)
                body = json.dumps({"keys": [{**found, "kid": "k1", "alg": "RS256"}]}).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return None

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/oauth2/v3/certs"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


FORM = (
    b"CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309"
    b"&To=%2B18005551212"
)
GRAPH = json.dumps(
    {
        "value": [
            {"subscriptionId": "s", "changeType": "updated", "resource": f"r/{at}", "id": f"n{at}",
             "clientState": KEY} for at in range(2)
        ]
    }
).encode()  # fmt: skip
HMAC_WORDS = {
    "header": "X-Acme-Signature", "prefix": "s=", "algorithm": "sha512", "encoding": "base64url",
    "base": "{timestamp}.{body}", "timestamp_header": "X-Acme-Time", "delivery": "header:X-Acme-Id",
}  # fmt: skip

CASES: dict[str, Case] = {
    "standard-webhooks": Case(
        {"webhook-id": "msg_1", "webhook-timestamp": str(T), "webhook-signature": STANDARD},
        "webhook-signature", "v1,", secret=WHSEC, other="whsec_bmV3LXNlY3JldC0xMjM0NTY3OA==",
        timed=standard, twice={"webhook-signature": f"v1,{b64(b'x' * 32)} {STANDARD}"},
    ),
    "hmac": Case(
        any_hmac(str(T))[0], "x-acme-signature", "s=", words=HMAC_WORDS, timed=any_hmac,
    ),
    "github": Case(
        {"x-hub-signature-256": f"sha256={HEX}", "x-github-delivery": "g-1"},
        "x-hub-signature-256", "sha256=",
    ),
    "jira": Case(
        {"x-hub-signature": f"sha256={HEX}", "x-atlassian-webhook-identifier": "j-1"},
        "x-hub-signature", "sha256=",
    ),
    "jira-app": Case(
        app(str(T))[0], "authorization", "JWT ", secret=APP_KEY, signs_body=False, timed=app,
        window=240,
    ),
    "redmine": Case(
        {"x-redmine-signature-256": f"sha256={HEX}"}, "x-redmine-signature-256", "sha256=",
    ),
    "linear": Case(
        linear(milliseconds(T))[0], "linear-signature", body=linear(milliseconds(T))[1],
        timed=linear, stamp=milliseconds,
    ),
    "asana": Case({"x-hook-signature": HEX}, "x-hook-signature", known=False),
    "stripe": Case(
        {"stripe-signature": f"t={T},v1={STRIPE}"}, "stripe-signature", f"t={T},v1=", timed=stripe,
        twice={"stripe-signature": f"t={T},v1={BAD},v1={STRIPE},v0=1"},
    ),
    "slack": Case(
        {
            "x-slack-signature": "v0="
            "47c7954883421b3117ef7064003c02bcc1965791e9c174f985fee5816bbe3e52",
            "x-slack-request-timestamp": str(T),
        },
        "x-slack-signature", "v0=", timed=slack, known=False,
    ),
    "zendesk": Case(
        {
            "x-zendesk-webhook-signature": "mbwOtRfimNU2UViX+2atoc5X6EWY8yAey/7VWlIProk=",
            "x-zendesk-webhook-signature-timestamp": "2026-01-01T00:00:00Z",
            "x-zendesk-webhook-invocation-id": "z-1",
        },
        "x-zendesk-webhook-signature", timed=zendesk, stamp=iso,
    ),
    "hubspot": Case(
        {
            "x-hubspot-signature-v3": "tAypTa1VcoAfk6vRVBkaJ1NB+AGPqIFig6g26q8ewu8=",
            "x-hubspot-request-timestamp": milliseconds(T),
        },
        "x-hubspot-signature-v3", words={"url": "https://hub.example.com/in/hubspot"}, query="x=1",
        timed=hubspot, stamp=milliseconds, known=False,
    ),
    "trello": Case(
        {"x-trello-webhook": "kuUJdBcyLjpQoyXACmsSreh6aLY="}, "x-trello-webhook",
        words={"url": "https://hub.example.com/in/trello"},
    ),
    "airtable": Case(
        {
            "x-airtable-content-mac": "hmac-sha256="
            "9bf5ef142a8bc5ea45e65217e2b6ad2cf2ecb32ec54f6575dbb2a8d319fb12f5"
        },
        "x-airtable-content-mac", "hmac-sha256=", secret="aHViLXRlc3Qtc2VjcmV0LTI0LWJ5dGVz",
        other="b3RoZXItc2VjcmV0LW9mLTI0LWJ5dGVz", known=False,
    ),
    "twilio": Case(
        {
            "x-twilio-signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
            "content-type": "application/x-www-form-urlencoded",
            "i-twilio-idempotency-token": "i-1",
        },
        "x-twilio-signature", body=FORM, secret="12345", query="foo=1&bar=2",
        words={"url": "https://mycompany.com/myapp.php"},
    ),
    "graph": Case({}, "", body=GRAPH, signs_body=False),
    "google-channel": Case(
        {
            "x-goog-channel-token": KEY, "x-goog-resource-state": "update",
            "x-goog-channel-id": "c-1", "x-goog-message-number": "7",
        },
        "x-goog-channel-token", body=b"", signs_body=False,
    ),
    "google-oidc": Case(
        google(str(T))[0], "authorization", "Bearer ", body=google(str(T))[1], secret="",
        words={"audience": AUDIENCE, "account": ACCOUNT}, signs_body=False, timed=google,
        window=240,
    ),
    "basic": Case(
        {"authorization": f"Basic {b64(f'shop:{KEY}'.encode())}"}, "authorization", "Basic ",
        words={"user": "shop"}, signs_body=False,
    ),
    "token": Case(
        {"authorization": f"Bearer {KEY}"}, "authorization", "Bearer ", signs_body=False,
    ),
}  # fmt: skip
