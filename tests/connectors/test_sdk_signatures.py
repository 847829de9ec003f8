"""Which deliveries are genuine: the vectors that vendors publish, those computed for this project,
and one test for each way to be refused.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from connectors.sdk import Delivery, SignatureError
from connectors.sdk.jwt import bearer, check_jwt, query_hash
from connectors.sdk.signatures import (
    AIRTABLE,
    ASANA,
    GITHUB,
    HUBSPOT,
    JIRA,
    LINEAR,
    REDMINE,
    SLACK,
    TRELLO,
    ZENDESK,
    Hmac,
    check_basic,
    check_fresh,
    check_hmac,
    check_token,
    hubspot_url,
)
from connectors.sdk.vendor_signatures import check_standard_webhooks, check_stripe, check_twilio

BODY = b'{"id":"T-1","status":"done"}'
KEY = "hub_test_secret"
WHSEC = "whsec_aHViLXRlc3Qtc2VjcmV0LTI0LWJ5dGVz"
T = 1767225600
NOW = datetime.fromtimestamp(T, UTC)
HEX = "70c542624e5975eee5117f4cbfca9f54abd8f00604c720b94a354e37fd7b970d"
STANDARD = "v1,6H3J3Klb3AgKSiThA/AZXfz/F6BGlrWmtYhCSmv80bs="
STRIPE = "df2aba254acf7407457781e0059c0368462f38676d7319a2c299b4a816ea146a"


def delivery(
    headers: dict[str, str],
    body: bytes = BODY,
    url: str = "https://hub.example.com/in",
    **more: Any,
) -> Delivery:
    return Delivery("POST", url, headers, body, **{"received_at": NOW, **more})


def secrets(*texts: str) -> list[SecretStr]:
    return [SecretStr(text) for text in texts]


def refused(
    check: Callable[..., object], *given: Any, code: str = "signature_invalid", **named: Any
) -> None:
    with pytest.raises(SignatureError) as caught:
        check(*given, **named)
    assert caught.value.code == code
    assert KEY not in str(caught.value)


# -------------------------------------------------------------------------------------- the vectors

HUBSPOT_URL = "https://hub.example.com/in/hubspot?x=1"
TRELLO_URL = "https://hub.example.com/in/trello"
VECTORS: dict[str, tuple[Hmac, dict[str, str], str]] = {
    "github": (GITHUB, {"x-hub-signature-256": f"sha256={HEX}"}, KEY),
    "jira": (JIRA, {"x-hub-signature": f"sha256={HEX}"}, KEY),
    "redmine": (REDMINE, {"x-redmine-signature-256": f"sha256={HEX}"}, KEY),
    "linear": (LINEAR, {"linear-signature": HEX}, KEY),
    "asana": (ASANA, {"x-hook-signature": HEX}, KEY),
    "slack": (
        SLACK,
        {
            "x-slack-signature": "v0="
            "47c7954883421b3117ef7064003c02bcc1965791e9c174f985fee5816bbe3e52",
            "x-slack-request-timestamp": str(T),
        },
        KEY,
    ),
    "zendesk": (
        ZENDESK,
        {
            "x-zendesk-webhook-signature": "mbwOtRfimNU2UViX+2atoc5X6EWY8yAey/7VWlIProk=",
            "x-zendesk-webhook-signature-timestamp": "2026-01-01T00:00:00Z",
        },
        KEY,
    ),
    "hubspot": (
        HUBSPOT,
        {
            "x-hubspot-signature-v3": "tAypTa1VcoAfk6vRVBkaJ1NB+AGPqIFig6g26q8ewu8=",
            "x-hubspot-request-timestamp": f"{T}000",
        },
        KEY,
    ),
    "trello": (TRELLO, {"x-trello-webhook": "kuUJdBcyLjpQoyXACmsSreh6aLY="}, KEY),
    "airtable": (
        AIRTABLE,
        {
            "x-airtable-content-mac": "hmac-sha256="
            "9bf5ef142a8bc5ea45e65217e2b6ad2cf2ecb32ec54f6575dbb2a8d319fb12f5"
        },
        "aHViLXRlc3Qtc2VjcmV0LTI0LWJ5dGVz",
    ),
}


def of(name: str) -> tuple[Hmac, Delivery, str]:
    scheme, headers, key = VECTORS[name]
    url = {"hubspot": HUBSPOT_URL, "trello": TRELLO_URL}.get(name, "https://hub.example.com/in")
    return scheme, delivery(headers, url=url), key


@pytest.mark.parametrize("name", VECTORS)
def test_a_genuine_delivery_of_each_vendor_passes(name: str) -> None:
    scheme, genuine, key = of(name)
    scheme.check(genuine, secrets(key))


@pytest.mark.parametrize("name", VECTORS)
def test_a_rotated_secret_is_accepted_in_any_place(name: str) -> None:
    scheme, genuine, key = of(name)
    scheme.check(genuine, secrets("bmV3", key, ""))
    scheme.check(genuine, secrets(key, "bmV3"))


@pytest.mark.parametrize("name", VECTORS)
def test_a_wrong_secret_is_refused(name: str) -> None:
    scheme, genuine, _ = of(name)
    refused(scheme.check, genuine, secrets("bm90IHRoaXM="))


@pytest.mark.parametrize("name", VECTORS)
@pytest.mark.parametrize("none", [[], [""], ["", ""]])
def test_without_a_secret_nothing_is_genuine(name: str, none: list[str]) -> None:
    """Not even what was signed with the empty key."""
    scheme, genuine, _ = of(name)
    empty = hmac.new(b"", BODY, scheme.algorithm).hexdigest()
    given = {**genuine.headers, scheme.header: scheme.prefix + empty}
    for one in (genuine, replace(genuine, headers=given)):
        refused(scheme.check, one, secrets(*none))


@pytest.mark.parametrize("name", VECTORS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        BODY + b"\n",
        BODY.replace(b"done", b"open"),
        json.dumps(json.loads(BODY)).encode(),  # parsed and written again
        json.dumps({"status": "done", "id": "T-1"}, separators=(",", ":")).encode(),
        "\ufeff".encode() + BODY,
    ],
)
def test_a_changed_body_is_refused(name: str, body: bytes) -> None:
    scheme, genuine, key = of(name)
    refused(scheme.check, replace(genuine, body=body), secrets(key))


@pytest.mark.parametrize("name", VECTORS)
def test_a_missing_header_is_refused(name: str) -> None:
    scheme, genuine, key = of(name)
    for missing in genuine.headers:
        rest = {header: text for header, text in genuine.headers.items() if header != missing}
        late = "timestamp" in missing
        code = "timestamp_out_of_window" if late else "signature_invalid"
        refused(scheme.check, replace(genuine, headers=rest), secrets(key), code=code)


@pytest.mark.parametrize("name", VECTORS)
@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: " " + text,
        lambda text: text + " ",
        lambda text: text + "\n",
        lambda text: text[:-2],
        lambda text: text + "00",
        lambda text: text + ", " + text,
        lambda text: "é" + text,
        lambda text: text[:-1] + "é",
        lambda text: text[:-1] + "\udcff",
        lambda text: "٣" * 64,
        lambda text: "sha256=" + text,
        lambda text: text * 100_000,
        lambda text: "=" * 64,
    ],
)
def test_a_malformed_signature_is_refused(name: str, spoil: Callable[[str], str]) -> None:
    scheme, genuine, key = of(name)
    headers = {**genuine.headers, scheme.header: spoil(genuine.headers[scheme.header])}
    refused(scheme.check, replace(genuine, headers=headers), secrets(key))


@pytest.mark.parametrize("name", VECTORS)
def test_the_right_bytes_in_the_wrong_encoding_are_refused(name: str) -> None:
    scheme, genuine, key = of(name)
    text = genuine.headers[scheme.header].removeprefix(scheme.prefix)
    other = (
        base64.b64encode(bytes.fromhex(text)).decode()
        if scheme.encoding == "hex"
        else base64.b64decode(text).hex()
    )
    headers = {**genuine.headers, scheme.header: scheme.prefix + other}
    refused(scheme.check, replace(genuine, headers=headers), secrets(key))


def test_hex_may_be_written_large() -> None:
    scheme, genuine, key = of("linear")
    headers = {scheme.header: HEX.upper()}
    scheme.check(replace(genuine, headers=headers), secrets(key))


@pytest.mark.parametrize("name", ["slack", "hubspot", "zendesk"])
@pytest.mark.parametrize(("seconds", "fine"), [(300, True), (301, False), (86400, False)])
@pytest.mark.parametrize("sign", [1, -1])
def test_what_is_too_old_or_from_the_future_is_refused(
    name: str, seconds: int, fine: bool, sign: int
) -> None:
    scheme, genuine, key = of(name)
    moved = replace(genuine, received_at=NOW + timedelta(seconds=seconds * sign))
    if fine:
        scheme.check(moved, secrets(key))
    else:
        refused(scheme.check, moved, secrets(key), code="timestamp_out_of_window")


@pytest.mark.parametrize("name", ["slack", "hubspot", "zendesk"])
def test_a_changed_timestamp_does_not_make_an_old_delivery_fresh(name: str) -> None:
    scheme, genuine, key = of(name)
    assert scheme.timestamp_header
    later = {"slack": str(T + 600), "hubspot": f"{T + 600}000", "zendesk": "2026-01-01T00:10:00Z"}
    headers = {**genuine.headers, scheme.timestamp_header: later[name]}
    moved = replace(genuine, headers=headers, received_at=NOW + timedelta(seconds=600))
    refused(scheme.check, moved, secrets(key))


def test_the_vector_that_github_publishes() -> None:
    """https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries"""
    digest = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    genuine = delivery({"x-hub-signature-256": f"sha256={digest}"}, b"Hello, World!")
    GITHUB.check(genuine, secrets("It's a Secret to Everybody"))


@pytest.mark.parametrize(
    ("stamp", "signature"),
    [
        ("1693657560000", "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y="),  # its Python library
        ("1700000300000", "RnbPH7+UMKVkbV32P8bz450N4M56aPmcru1+D3kSDtw="),  # its Ruby library
    ],
)
def test_the_vectors_in_the_tests_of_hubspots_libraries(stamp: str, signature: str) -> None:
    headers = {"x-hubspot-signature-v3": signature, "x-hubspot-request-timestamp": stamp}
    genuine = delivery(
        headers,
        b"{'example_field':'example_value'}",
        "https://www.example.com/webhook_uri",
        received_at=datetime.fromtimestamp(int(stamp) / 1000, UTC),
    )
    HUBSPOT.check(genuine, secrets("yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"))


def test_hubspot_decodes_twelve_characters_of_the_address_and_no_other() -> None:
    assert hubspot_url("https://x/a?b=hs%3Aapp%2Fv3&c=%28a%29%20%26%3D%2b%C3%A9") == (
        "https://x/a?b=hs:app/v3&c=(a)%20%26%3D%2b%C3%A9"
    )
    assert hubspot_url("%3A%2F%3F%40%21%24%27%28%29%2A%2C%3B%3a") == ":/?@!$'()*,;:"
    assert hubspot_url("%253A") == "%253A"  # once only


def test_trello_signs_the_address_that_was_registered() -> None:
    scheme, genuine, key = of("trello")
    proxied = replace(genuine, url="http://10.0.0.7/in/trello")
    refused(scheme.check, proxied, secrets(key))
    scheme.check(proxied, secrets(key), url=TRELLO_URL)


# ------------------------------------------------------------------------------------- generic HMAC


def sign(scheme: Hmac, one: Delivery, key: bytes = KEY.encode()) -> Delivery:
    digest = hmac.new(key, scheme.signed(one), scheme.algorithm).digest()
    text = {
        "hex": digest.hex(),
        "base64": base64.b64encode(digest).decode(),
        "base64url": base64.urlsafe_b64encode(digest).decode().rstrip("="),
    }[scheme.encoding]
    return replace(one, headers={**one.headers, scheme.header.lower(): scheme.prefix + text})


EVERYTHING = Hmac(
    "X-Acme-Signature",
    algorithm="sha512",
    encoding="base64url",
    prefix="v9:",
    base="{method} {url}|{id}|{timestamp}|{header:x-more}|{body}",
    timestamp_header="X-Acme-Time",
    unit="milliseconds",
    tolerance=60,
    id_header="X-Acme-Id",
)


def everything(**headers: str) -> Delivery:
    names = {"x-acme-time": f"{T}000", "x-acme-id": "d-1", "x-more": "é}{body}"}
    return delivery(names | {name.replace("_", "-"): text for name, text in headers.items()})


def test_everything_that_the_base_names_is_signed() -> None:
    genuine = sign(EVERYTHING, everything())
    EVERYTHING.check(genuine, secrets(KEY))
    for name in genuine.headers:
        changed = {**genuine.headers, name: genuine.headers[name] + "A"}
        refused(EVERYTHING.check, replace(genuine, headers=changed), secrets(KEY))
    refused(EVERYTHING.check, replace(genuine, method="PUT"), secrets(KEY))
    refused(EVERYTHING.check, replace(genuine, url="https://other.example.com/"), secrets(KEY))
    late = replace(genuine, received_at=NOW + timedelta(seconds=61))
    refused(EVERYTHING.check, late, secrets(KEY), code="timestamp_out_of_window")


def test_what_stands_in_a_header_is_never_read_as_a_place() -> None:
    """A body with {timestamp} in it stays as it is."""
    scheme = Hmac("x-s", base="{body}.{header:x-more}")
    one = delivery({"x-more": "{body}"}, b"{timestamp}{id}")
    assert scheme.signed(one) == b"{timestamp}{id}.{body}"


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
@pytest.mark.parametrize("encoding", ["hex", "base64", "base64url"])
def test_each_algorithm_in_each_encoding(algorithm: Any, encoding: Any) -> None:
    scheme = Hmac("x-s", algorithm=algorithm, encoding=encoding)
    scheme.check(sign(scheme, delivery({})), secrets(KEY))
    others = {"sha1": "sha256", "sha256": "sha512", "sha512": "sha1"}
    other = replace(scheme, algorithm=others[algorithm])  # type: ignore[arg-type]
    refused(other.check, sign(scheme, delivery({})), secrets(KEY))


@pytest.mark.parametrize(
    ("form", "written", "key"),
    [
        ("utf8", "pässword", "pässword".encode()),
        ("base64", "c2VjcmV0IQ==", b"secret!"),
        ("base64", "c2VjcmV0IQ", b"secret!"),
        ("hex", "00ff", b"\x00\xff"),
    ],
)
def test_each_way_to_write_a_key(form: Any, written: str, key: bytes) -> None:
    scheme = Hmac("x-s", key=form)
    scheme.check(sign(scheme, delivery({}), key), secrets(written))


@pytest.mark.parametrize(("form", "written"), [("base64", "§"), ("hex", "0"), ("hex", "zz")])
def test_a_key_that_cannot_be_decoded_never_verifies(form: Any, written: str) -> None:
    scheme = Hmac("x-s", key=form)
    refused(scheme.check, sign(scheme, delivery({}), b""), secrets(written))


def test_base64_of_addresses_and_the_ordinary_one_are_two_things() -> None:
    digest = hmac.new(KEY.encode(), BODY, "sha256").digest()
    body, standard = BODY, base64.b64encode(digest).decode()
    while not {"+", "/"} & set(standard):
        body += b" "
        digest = hmac.new(KEY.encode(), body, "sha256").digest()
        standard = base64.b64encode(digest).decode()
    url = base64.urlsafe_b64encode(digest).decode()
    check_hmac(body, secrets(KEY), [standard], encoding="base64")
    check_hmac(body, secrets(KEY), [url], encoding="base64url")
    refused(check_hmac, body, secrets(KEY), [url], encoding="base64")
    refused(check_hmac, body, secrets(KEY), [standard], encoding="base64url")


def test_a_place_without_its_header_is_refused_not_left_out() -> None:
    for base in ("{timestamp}{body}", "{id}{body}", "{nonsense}{body}", "{header:x-gone}{body}"):
        scheme = Hmac("x-s", base=base)
        headers = {"x-s": HEX}
        refused(scheme.check, delivery(headers), secrets(KEY))


# --------------------------------------------------------------------------------------- timestamps


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        (str(T), 1),
        (str(T), "seconds"),
        (f"{T}000", 1000),
        (f"{T}000", "milliseconds"),
        ("2026-01-01T00:00:00Z", "iso"),
        ("2026-01-01T00:00:00.123456+00:00", "iso"),
        ("2026-01-01T05:30:00+05:30", "iso"),
    ],
)
def test_each_way_to_write_a_moment(text: str, unit: Any) -> None:
    check_fresh(text, NOW, unit=unit)
    for seconds in (301, -302):
        moved = NOW + timedelta(seconds=seconds)
        refused(check_fresh, text, moved, unit=unit, code="timestamp_out_of_window")


@pytest.mark.parametrize("unit", ["seconds", "milliseconds", "iso", 1, 1000])
@pytest.mark.parametrize(
    "text",
    [
        "", " ", "x", "-1", "+1767225600", "1767225600.0", "1e9", "NaN", "inf", " 1767225600",
        "1767225600 ", "١٧٦٧٢٢٥٦٠٠", "1_767_225_600", "0x69", "9" * 16, "9" * 5000, "²",
        "2026-01-01", "2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "2026-01-01T24:61:00Z",
        "\udcff",
    ],
)  # fmt: skip
def test_a_malformed_moment_is_refused(text: str, unit: Any) -> None:
    refused(check_fresh, text, NOW, unit=unit, code="timestamp_out_of_window")


# -------------------------------------------------------------------------------- Standard Webhooks


def standard(signature: str = STANDARD, **more: Any) -> Delivery:
    headers = {
        "webhook-id": "msg_1", "webhook-timestamp": str(T), "webhook-signature": signature,
    }  # fmt: skip
    return delivery(headers | more.pop("headers", {}), **more)


def test_standard_webhooks_gives_the_id() -> None:
    assert check_standard_webhooks(standard(), secrets(WHSEC)) == "msg_1"
    assert check_standard_webhooks(standard(), secrets(WHSEC.removeprefix("whsec_"))) == "msg_1"


def test_the_vector_in_the_tests_of_standard_webhooks() -> None:
    """https://github.com/standard-webhooks/standard-webhooks (MIT), libraries/python/tests"""
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    at = datetime.fromtimestamp(1614265330, UTC)
    genuine = delivery(headers, b'{"test": 2432232314}', received_at=at)
    found = check_standard_webhooks(genuine, secrets("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
    assert found == headers["webhook-id"]


def test_one_good_signature_among_many_is_enough() -> None:
    """The sender rotates: it signs with the old key and the new one."""
    for signature in (
        f"v1,AAA= {STANDARD}",
        f"{STANDARD} v1,AAA=",
        f"v2,x v1a,AAA= nonsense , v1 {STANDARD}",
    ):
        check_standard_webhooks(standard(signature), secrets(WHSEC))
    check_standard_webhooks(standard(), secrets("whsec_bmV3", WHSEC))


def test_unpadded_keys_and_signatures_are_accepted() -> None:
    key = base64.b64encode(b"24 bytes and one more...").decode()
    odd = base64.b64encode(b"25 bytes and one more....").decode()
    for written, raw in ((key, b"24 bytes and one more..."), (odd, b"25 bytes and one more....")):
        digest = hmac.new(raw, b"msg_1.%d." % T + BODY, "sha256").digest()
        signature = "v1," + base64.b64encode(digest).decode().rstrip("=")
        check_standard_webhooks(standard(signature), secrets("whsec_" + written.rstrip("=")))


def public_key(key: Ed25519PrivateKey) -> str:
    return "whpk_" + base64.b64encode(key.public_key().public_bytes_raw()).decode()


def test_a_public_key_checks_v1a_and_nothing_else() -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    signature = "v1a," + base64.b64encode(key.sign(b"msg_1.%d." % T + BODY)).decode()
    for held in ([public_key(key)], [public_key(other), public_key(key)], [WHSEC, public_key(key)]):
        assert check_standard_webhooks(standard(signature), secrets(*held)) == "msg_1"
    check_standard_webhooks(standard(f"{signature} {STANDARD}"), secrets(WHSEC))
    refused(check_standard_webhooks, standard(signature), secrets(public_key(other)))
    refused(check_standard_webhooks, standard(signature), secrets(WHSEC))
    tampered = standard(signature, body=BODY + b" ")
    refused(check_standard_webhooks, tampered, secrets(public_key(key)))
    old = standard(signature, received_at=NOW + timedelta(seconds=301))
    refused(check_standard_webhooks, old, secrets(public_key(key)), code="timestamp_out_of_window")


def test_a_public_key_is_never_the_key_of_an_hmac() -> None:
    """It is public: whoever has it could sign with it."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    for raw in (key.public_key().public_bytes_raw(), public_key(key).encode()):
        digest = hmac.new(raw, b"msg_1.%d." % T + BODY, "sha256").digest()
        forged = standard("v1," + base64.b64encode(digest).decode())
        refused(check_standard_webhooks, forged, secrets(public_key(key)))


@pytest.mark.parametrize("key", ["whpk_", "whpk_§", "whpk_AAAA", "whpk_" + "A" * 5000])
def test_a_malformed_public_key_never_verifies(key: str) -> None:
    refused(check_standard_webhooks, standard("v1a,AAAA"), secrets(key))


@pytest.mark.parametrize(
    "signature",
    [
        "", " ", "v1", "v1,", ",", STANDARD.removeprefix("v1,"), "v1a" + STANDARD[2:],
        "V1" + STANDARD[2:], STANDARD.replace(",", ", "), STANDARD.replace(",", "\t"),
        STANDARD[:-3], STANDARD + "é", "v1,é", f"{STANDARD},{STANDARD}", "v1,\udcff",
        " ".join(["v1,AAA="] * 1000 + [STANDARD]), "v1," + "A" * 1_000_000,
    ],
)  # fmt: skip
def test_a_malformed_standard_signature_is_refused(signature: str) -> None:
    refused(check_standard_webhooks, standard(signature), secrets(WHSEC))


def test_standard_webhooks_binds_id_and_timestamp() -> None:
    for headers in ({"webhook-id": "msg_2"}, {"webhook-timestamp": str(T + 1)}, {"webhook-id": ""}):
        moved = standard(headers=headers)
        refused(check_standard_webhooks, moved, secrets(WHSEC))
    for seconds in (301, -301):
        late = standard(received_at=NOW + timedelta(seconds=seconds))
        refused(check_standard_webhooks, late, secrets(WHSEC), code="timestamp_out_of_window")


# ------------------------------------------------------------------------------------------- Stripe


def stripe(header: str = f"t={T},v1={STRIPE}", **more: Any) -> Delivery:
    return delivery({"stripe-signature": header}, **more)


@pytest.mark.parametrize(
    "header",
    [
        f"t={T},v1={STRIPE}",
        f"v1={STRIPE}, t={T}",
        f"t={T},v1=00,v1={STRIPE},v0={HEX}",
        f"t={T},v1=a=b=c,v1={STRIPE},,nonsense",
    ],
)
def test_stripe_takes_any_v1(header: str) -> None:
    check_stripe(stripe(header), secrets("other", KEY))


def test_stripe_keeps_the_prefix_of_its_secret() -> None:
    """The opposite of Standard Webhooks: `whsec_…` as it is written is the key."""
    digest = hmac.new(WHSEC.encode(), b"%d." % T + BODY, "sha256").hexdigest()
    check_stripe(stripe(f"t={T},v1={digest}"), secrets(WHSEC))


@pytest.mark.parametrize(
    "header",
    [
        "", f"v1={STRIPE}", f"t={T}", f"t={T},v0={STRIPE}", f"t={T + 1},v1={STRIPE}",
        f"t=,v1={STRIPE}", f"t=é,v1={STRIPE}", f"t={T},v1=é", f"t={T},t={T - 9999},v1={STRIPE}",
        f"t={T};v1={STRIPE}", "=" * 8000, "," * 8000, f"t={T}," + "v1=00," * 1000 + f"v1={STRIPE}",
    ],
)  # fmt: skip
def test_a_malformed_stripe_header_is_refused(header: str) -> None:
    refused(check_stripe, stripe(header), secrets(KEY))


@pytest.mark.parametrize("seconds", [301, -301])
def test_stripe_is_fresh_both_ways(seconds: int) -> None:
    late = stripe(received_at=NOW + timedelta(seconds=seconds))
    refused(check_stripe, late, secrets(KEY), code="timestamp_out_of_window")
    check_stripe(late, secrets(KEY), tolerance=301)


# ------------------------------------------------------------------------------------------- Twilio

TWILIO_URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
TWILIO_FORM = (
    b"CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309"
    b"&To=%2B18005551212"
)
TWILIO = {"x-twilio-signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8="}


def test_the_vectors_that_twilio_publishes() -> None:
    """https://www.twilio.com/docs/usage/security and the tests of twilio-python (MIT)."""
    check_twilio(delivery(TWILIO, TWILIO_FORM, TWILIO_URL), secrets("12345"))
    body = b'{"property": "value", "boolean": true}'
    url = f"{TWILIO_URL}&bodySHA256={hashlib.sha256(body).hexdigest()}"
    signed = {"x-twilio-signature": "a9nBmqA0ju/hNViExpshrM61xv4="}
    check_twilio(delivery(signed, body, url), secrets("other", "12345"))
    refused(check_twilio, delivery(signed, body + b" ", url), secrets("12345"))
    refused(check_twilio, delivery(signed, body, TWILIO_URL), secrets("12345"))


def test_twilio_sorts_the_form_and_takes_a_repeated_value_once() -> None:
    parts = TWILIO_FORM.split(b"&")
    mixed = b"&".join([parts[3], *reversed(parts), parts[0]])
    check_twilio(delivery(TWILIO, mixed, TWILIO_URL), secrets("12345"))


@pytest.mark.parametrize(
    ("headers", "body", "url"),
    [
        (TWILIO, TWILIO_FORM.replace(b"1234&", b"9999&"), TWILIO_URL),
        (TWILIO, TWILIO_FORM, TWILIO_URL.replace("https", "http")),
        (TWILIO, b"\xff\xfe", TWILIO_URL),
        (TWILIO, b"a=1&" * 2000, TWILIO_URL),
        (TWILIO, TWILIO_FORM, "https://[mycompany.com"),
        ({}, TWILIO_FORM, TWILIO_URL),
        ({"x-twilio-signature": "é"}, TWILIO_FORM, TWILIO_URL),
    ],
)
def test_what_twilio_did_not_sign_is_refused(
    headers: dict[str, str], body: bytes, url: str
) -> None:
    refused(check_twilio, delivery(headers, body, url), secrets("12345"))


# --------------------------------------------------------------------------------- tokens and Basic


def test_a_token_fits_or_does_not() -> None:
    check_token("clé", SecretStr("clé"))
    check_token(KEY, secrets("old", KEY))
    for token in ("", "x", KEY + " ", KEY.upper(), "\udcff", "clé", "x" * 1_000_000):
        refused(check_token, token, secrets(KEY, ""))
    for none in (None, SecretStr(""), [], secrets("", "")):
        refused(check_token, "", none)


def basic(pair: str, kind: str = "Basic") -> str:
    return f"{kind} {base64.b64encode(pair.encode()).decode()}"


def test_basic_takes_the_user_with_any_of_the_passwords() -> None:
    check_basic(basic("crm:p:ä ss"), "crm", secrets("old", "p:ä ss"))
    check_basic(basic(f"crm:{KEY}", "basic"), "crm", secrets(KEY))
    check_basic(basic(f":{KEY}"), "", secrets(KEY))


@pytest.mark.parametrize(
    "header",
    [
        "", "Basic", "Basic ", "Basic é", "Basic AAAA", basic("crm:"), basic(f"CRM:{KEY}"),
        basic(f"crm:{KEY}x"), basic(f"crm:{KEY}", "Bearer"), basic(f"crm:{KEY}") + " ",
        "Basic  " + basic(f"crm:{KEY}")[6:], "Basic " + "A" * 1_000_000, f"Basic crm:{KEY}",
    ],
)  # fmt: skip
def test_other_credentials_are_refused(header: str) -> None:
    refused(check_basic, header, "crm", secrets(KEY, ""))


# ---------------------------------------------------------------------------------------------- JWT


def part(value: object) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def jwt(claims: object, head: object = None, key: str = KEY) -> str:
    signed = f"{part(head or {'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}"
    return f"{signed}.{part(hmac.new(key.encode(), signed.encode(), 'sha256').digest())}"


GOOD = {"iss": "jira", "iat": T - 10, "exp": T + 180, "qsh": "abc"}


def test_a_jwt_gives_its_claims() -> None:
    claims = check_jwt(jwt(GOOD), secrets("new", KEY), NOW, bound={"qsh": "abc"})
    assert claims["iss"] == "jira"
    assert bearer(delivery({"authorization": "JWT x.y.z"})) == "x.y.z"
    assert bearer(delivery({"authorization": "Bearer x.y.z"})) == "x.y.z"
    for header in ("", "Basic x", "x.y.z"):
        refused(bearer, delivery({"authorization": header}))


@pytest.mark.parametrize(
    "token",
    [
        "", ".", "..", "a.b.c", "é.é.é", "\udcff..", "x" * 100_000, jwt(GOOD)[:-2],
        jwt(GOOD) + ".x", jwt(GOOD, key="other"), jwt(GOOD, key=""),
        jwt(GOOD, {"alg": "none"}), jwt(GOOD, {"alg": "HS512"}), jwt(GOOD, [1]), jwt(GOOD, b"{"),
        jwt(GOOD).rpartition(".")[0] + ".", f"{part({'alg': 'none'})}.{part(GOOD)}.",
        jwt(b"["), jwt(b"\xff"), jwt(b"[" * 3000 + b"]" * 3000),
        jwt({**GOOD, "qsh": "other"}), jwt({**GOOD, "qsh": 7}),
        jwt({name: GOOD[name] for name in ("iss", "iat", "exp")}),
    ],
)  # fmt: skip
def test_a_jwt_that_is_not_right_is_refused(token: str) -> None:
    with pytest.raises(SignatureError):
        check_jwt(token, secrets(KEY), NOW, bound={"qsh": "abc"})


@pytest.mark.parametrize(
    "claims",
    [
        {}, {"exp": None}, {"exp": str(T)}, {"exp": T - 61}, {"exp": T + 9, "iat": T + 61},
        {"exp": T + 9, "nbf": T + 61}, [], 7,
    ],
)  # fmt: skip
def test_a_jwt_must_expire_and_may_not_have(claims: object) -> None:
    refused(check_jwt, jwt(claims), secrets(KEY), NOW, code="timestamp_out_of_window")


def test_the_query_hash_is_atlassians() -> None:
    """A request with its hash, published at https://gist.github.com/moskrc/8453971"""
    url = (
        "http://localhost:2990/addon/?lic=none&tz=Europe%2FMoscow&cp=%2Fjira&user_key=admin"
        "&loc=en-US&user_id=admin&jwt=aaa.bbb.ccc&xdm_e=http%3A%2F%2Flocalhost%3A2990"
        "&xdm_c=channel-servlet-click-me&xdm_p=1"
    )
    published = "3a6ff1b66f60eb275d0e4cb6be4261d5d3b0216b91c58dc6524509227ef346de"
    assert query_hash("get", url) == published


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("https://x.test", "POST&/&"),
        ("https://x.test/app/in/", "POST&/in&"),
        ("https://x.test/app/a&b?c=~ *", "POST&/a%26b&c=~%20%2A"),
        ("https://x.test/app/in?b=2&a=z&a=y%2C&jwt=t", "POST&/in&a=y%2C,z&b=2"),
    ],
)
def test_how_a_request_is_made_canonical(url: str, canonical: str) -> None:
    expected = hashlib.sha256(canonical.encode()).hexdigest()
    assert query_hash("POST", url, "https://x.test/app/") == expected


# ----------------------------------------------------------------------------------------- anything


@given(text=st.text(), body=st.binary(max_size=50))
def test_nothing_that_a_stranger_sends_raises_anything_else(text: str, body: bytes) -> None:
    """Whatever stands in every header, the answer is a SignatureError: 401, never 500."""
    names = {
        "webhook-id", "webhook-timestamp", "webhook-signature", "stripe-signature",
        "x-twilio-signature", "authorization", "x-acme-signature", "x-acme-time", "x-acme-id",
        "x-more", *(name for _, headers, _ in VECTORS.values() for name in headers),
    }  # fmt: skip
    one = delivery(dict.fromkeys(names, text), body, f"https://x.test/{text}?{text}")
    schemes = [scheme for scheme, _, _ in VECTORS.values()]
    checks: list[Callable[[], object]] = [
        *(lambda scheme=scheme: scheme.check(one, secrets(WHSEC)) for scheme in schemes),
        lambda: EVERYTHING.check(one, secrets(KEY)),
        lambda: check_standard_webhooks(one, secrets(WHSEC, "whpk_AAAA")),
        lambda: check_stripe(one, secrets(KEY)),
        lambda: check_twilio(one, secrets(KEY)),
        lambda: check_basic(text, "crm", secrets(KEY)),
        lambda: check_token(text, secrets(KEY)),
        lambda: check_jwt(text, secrets(KEY), NOW),
        lambda: bearer(one, ()),
    ]
    for check in checks:
        with pytest.raises(SignatureError):
            check()
