"""What a webhook connection may be configured with, and what it reads in a delivery."""

from __future__ import annotations

import hmac
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import connectors.webhook
from connectors.sdk import ConfigError, Delivery, PayloadError, Record, SignatureError
from connectors.webhook.config import WebhookConnection
from connectors.webhook.connector import WebhookConnector
from connectors.webhook.paths import condition_of, link_of, path_of
from connectors.webhook.sandbox import WebhookSandbox
from hub.refusals import remedy
from hub.workspace import load

HOME = Path(connectors.webhook.__file__).parent
NOW = datetime(2026, 1, 1, tzinfo=UTC)
JSON = {"content-type": "application/json"}
TASK = {"events": ["com.acme.task.*"], "records": "$.data", "id": "$.id"}


def fixture(name: str) -> bytes:
    return (HOME / "fixtures" / f"{name}.json").read_bytes()


def connector(**settings: Any) -> WebhookConnector:
    block = {
        "scheme": "token",
        "webhook": {"secret": "s" * 32},
        "objects": {"thing": {"id": "$.id"}},
        **settings,
    }
    return WebhookConnector("shop", WebhookConnection.model_validate(block))


def delivery(body: bytes | str | Any, **headers: str) -> Delivery:
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    said = {"authorization": "Bearer " + "s" * 32, **JSON}
    said |= {name.replace("_", "-"): text for name, text in headers.items()}
    return Delivery("POST", "https://hub.test/webhooks/shop", said, body, NOW)


def records(receiver: WebhookConnector, one: Delivery) -> list[Record]:
    found = list(receiver.parse(one))
    assert all(isinstance(each, Record) for each in found)
    return found  # type: ignore[return-value]


# ----------------------------------------------------------------------------------- configuration


def readme_blocks(begin: str) -> list[str]:
    text = (HOME / "README.md").read_text()
    return [one for one in re.findall(r"```yaml\n(.*?)```", text, re.S) if one.startswith(begin)]


@pytest.mark.parametrize("block", readme_blocks("connections:"))
def test_every_block_of_the_readme_passes_hub_check(block: str) -> None:
    loaded = load({"hub.yaml": f"name: t\n{block}"}, {"webhook": WebhookConnector})
    assert [one.message for one in loaded.findings if "is mapped" not in one.message] == []


def test_the_example_mapping_of_the_readme_passes_hub_check() -> None:
    (mapping,) = readme_blocks("# mappings/order.yaml")
    hub = f"name: t\n{readme_blocks('connections:')[0]}"
    files = {"hub.yaml": hub, "mappings/order.yaml": mapping}
    assert [str(one) for one in load(files, {"webhook": WebhookConnector}).findings] == []


def test_without_any_proof_hub_check_says_so() -> None:
    block = readme_blocks("connections:")[0].replace("webhook: {secret: env:SHOP_HOOK}", "")
    loaded = load({"hub.yaml": f"name: t\n{block}"}, {"webhook": WebhookConnector})
    assert "could not tell a genuine one" in str(loaded.errors[0])


HMAC = {"scheme": "hmac", "header": "X-Signature"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"scheme": "hmac"}, "needs `header`"),
        ({**HMAC, "base": "{timestamp}"}, "must hold {body}"),
        ({**HMAC, "base": "{nonce}{body}"}, "cannot hold {nonce}"),
        ({**HMAC, "base": "{timestamp}{body}"}, "belong together"),
        ({**HMAC, "timestamp_header": "X-T"}, "belong together"),
        ({**HMAC, "id_header": "X-Id"}, "belong together"),
        ({**HMAC, "event": "header:X-Event"}, "does not cover the header x-event"),
        ({"scheme": "stripe", "event": "header:X-Event"}, "does not cover"),
        ({"scheme": "standard-webhooks", "event": "header:X-Event"}, "does not cover"),
        ({"event": "header:X-Api-Key"}, "never stored"),
        ({"event": "type"}, "is no place"),
        ({"event": "$.a[*]"}, "is not a path"),
        ({"scheme": "basic"}, "needs `user`"),
        ({"scheme": "basic", "user": "a:b"}, "without a colon"),
        ({"proof": "hmac"}, "`proof` is for scheme: cloudevents"),
        ({"objects": {}}, "at least 1"),
        ({"objects": {"a": {"id": "$.id", "events": ["x"]}}}, "`event` is missing"),
        ({"objects": {"a": {"id": "$..id"}}}, "is not a path"),
        ({"objects": {"a": {"id": "$.id", "url": "javascript:{$.id}"}}}, "is no address"),
        ({"objects": {"a": {"id": "$.id", "deleted_when": "status"}}}, "is not a condition"),
        ({"objects": {"a": {"id": "$.id", "parent": "$.b"}}}, "belong together"),
        (
            {"objects": {"a": {"id": "$.id", "parent": "$.b", "parent_object": "b"}}},
            "there is no object 'b'",
        ),
    ],
)
def test_a_mistake_is_named_with_its_remedy(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(said)) as caught:
        connector(**settings)
    assert "s" * 32 not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        {**HMAC, "event": "header:X-Event", "base": "{header:x-event}.{body}"},
        {**HMAC, "event": "header:X-Event", "unsigned_headers": True},
        {**HMAC, "event": "header:X-Id", "id_header": "X-Id", "base": "{id}.{body}"},
        {"event": "header:X-Event"},
        {"scheme": "basic", "user": "crm", "event": "header:X-Event"},
    ],
)
def test_a_header_that_is_covered_may_name_the_event(settings: dict[str, Any]) -> None:
    receiver = connector(**settings)
    assert list(receiver.stored_headers) in (["x-event"], ["x-id"])


@pytest.mark.parametrize(
    "settings",
    [
        {"webhook": {}},
        {"webhook": {"secret": ""}},
        {**HMAC, "webhook": {"token": "t"}},
        {"scheme": "standard-webhooks", "webhook": {"secret": "whsec_§"}},
        {"scheme": "standard-webhooks", "webhook": {"secret": ["whsec_AAAA", "whpk_*"]}},
        {**HMAC, "key": "hex", "webhook": {"secret": "no-hex"}},
    ],
)
def test_check_finds_a_secret_that_could_never_fit(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        connector(**settings).check()


def test_objects_differ_by_connection() -> None:
    words = {
        "order": {"id": "$.id", "deleted_when": "$.gone"},
        "order_line": {"id": "$.no", "parent": "$.order", "parent_object": "order"},
    }
    receiver = connector(objects=words)
    assert receiver.objects == WebhookConnector.offers({"objects": words})
    assert [spec.title for spec in receiver.objects.values()] == ["Order", "Order line"]
    assert receiver.spec("order").deletes == "reported"
    assert receiver.spec("order_line").parent == "order"
    assert not any(spec.pull or spec.push for spec in receiver.objects.values())
    assert connector().objects.keys() == {"thing"}


# ---------------------------------------------------------------------------------------- reading


def test_one_event_may_bring_several_objects() -> None:
    receiver = connector(
        scheme="standard-webhooks",
        objects={
            "order": {
                "events": ["order.*"],
                "records": "$.data",
                "id": "$.id",
                "version": "$.updated_at",
                "url": "https://shop.test/o/{$.id}?t={$.title}",
                "actor": "$.changed_by",
            },
            "line": {"records": "$.data.lines", "id": "$.no"},
        },
    )
    order, first, second = records(receiver, delivery(fixture("standard-webhooks")))
    assert (order.object, order.id, order.actor) == ("order", "O-1", "dmeier")
    assert order.version == "2026-01-01T00:00:00.500000+00:00"
    assert order.updated_at == datetime(2026, 1, 1, 0, 0, 0, 500000, tzinfo=UTC)
    assert order.url == "https://shop.test/o/O-1?t=Coffee%2C%202%20kg"
    assert [(one.object, one.id) for one in (first, second)] == [("line", "1"), ("line", "2")]


def test_a_stripe_event_reads_as_configured() -> None:
    words = {"events": ["invoice.*"], "records": "$.data.object", "id": "$.id"}
    receiver = connector(scheme="stripe", objects={"invoice": words})
    (record,) = records(receiver, delivery(fixture("stripe-style")))
    assert (record.object, record.id, record.data["status"]) == ("invoice", "in_1", "paid")


def test_a_form_reads_as_an_object() -> None:
    form = delivery(b"id=7&name=Ada%20L&tag=a&tag=b&empty=")
    one = replace(form, headers={"content-type": "application/x-www-form-urlencoded"})
    (record,) = records(connector(), one)
    assert record.data == {"id": "7", "name": "Ada L", "tag": ["a", "b"], "empty": ""}


def test_what_is_gone_shows_by_event_or_by_condition() -> None:
    words = {"id": "$.id", "deleted_events": ["gone.*"], "deleted_when": "$.state == 'closed'"}
    receiver = connector(event="$.type", objects={"thing": {**words, "events": ["new"]}})
    for body, gone in (
        ({"type": "new", "id": 1}, False),
        ({"type": "new", "id": 1, "state": "closed"}, True),
        ({"type": "gone.for.good", "id": 1}, True),
    ):
        assert [one.deleted for one in records(receiver, delivery(body))] == [gone]


def test_unknown_events_are_loud_and_ignored_ones_are_not() -> None:
    receiver = connector(scheme="standard-webhooks", ignore=["ping", "test.*"], objects={"t": TASK})
    assert records(receiver, delivery({"type": "ping"})) == []
    assert records(receiver, delivery({"type": "test.me"})) == []
    body: Any
    for body in ({"type": "pinged"}, {"type": ""}, {"type": None}, {}, [], "x"):
        with pytest.raises(PayloadError):
            receiver.parse(delivery(body))


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"\xff", b"[[1]]", b"7", {}, {"id": None}, {"id": ""}, {"id": True},
        {"id": 1.5}, {"id": [1]}, {"id": "x" * 201}, [{"id": 1}, 7], b"[" * 3000 + b"]" * 3000,
    ],
)  # fmt: skip
def test_what_is_no_record_is_a_payload_error(body: Any) -> None:
    with pytest.raises(PayloadError):
        connector().parse(delivery(body))


@pytest.mark.parametrize("kind", ["application/xml", "text/xml", "multipart/form-data; boundary=x"])
def test_other_forms_say_what_to_do(kind: str) -> None:
    with pytest.raises(PayloadError, match="JSON"):
        connector().parse(delivery(b"<a/>", content_type=kind))


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (9, 10),
        ("9", "10"),
        (1.5, 10),
        ("v9", "v10"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z"),
        ("2026-01-01T00:30:00+01:00", "2026-01-01T00:00:00Z"),
        ("2025-12-31T23:59:59.999999Z", "2026-01-01T00:00:00Z"),
    ],
)
def test_versions_sort_as_text(older: Any, newer: Any) -> None:
    receiver = connector(objects={"thing": {"id": "$.id", "version": "$.v"}})
    first, second = records(receiver, delivery([{"id": 1, "v": older}, {"id": 1, "v": newer}]))
    assert first.version
    assert second.version
    assert first.version < second.version


@pytest.mark.parametrize("value", [None, True, [], {}, "", "draft"])
def test_what_is_no_version_is_none(value: Any) -> None:
    receiver = connector(objects={"thing": {"id": "$.id", "version": "$.v"}})
    (record,) = records(receiver, delivery({"id": 1, "v": value}))
    assert (record.version, record.updated_at) == (None, None)


def test_paths_conditions_and_links() -> None:
    data = {"a b": [{"c-d": 1}], "e": "x/y"}
    assert path_of("$['a b'][0].c-d").read(data) == 1
    assert path_of("$").read(data) == data
    assert condition_of("$.e == x/y").holds(data)
    assert condition_of("$.nothing != 1").holds(data)
    assert not condition_of("$.a == 1").holds({"a": True})
    assert link_of("https://x.test/{$.e}", data) == "https://x.test/x%2Fy"
    assert link_of("https://x.test/{$.gone}", data) is None
    for evil in ("javascript:alert(1)", "//x.test", 'https://x.test/"><script>', 7):
        assert link_of("$.url", {"url": evil}) is None
    for text in ("", "$.", "a.b", "$..a", "$.a[*]", "$[?(@.a)]", "$.a b", "$.a[" + "9" * 9 + "]"):
        with pytest.raises(ValueError, match="not a path"):
            path_of(text)


# ------------------------------------------------------------------------------------- CloudEvents

EVENT = {"specversion": "1.0", "id": "A-1", "source": "/crm/eu", "type": "com.acme.task.updated"}
STRUCTURED = "application/cloudevents+json; charset=utf-8"
BATCH = "Application/CloudEvents-Batch+JSON"


def bus(**settings: Any) -> WebhookConnector:
    return connector(scheme="cloudevents", objects={"task": TASK}, **settings)


def binary(**changes: str | None) -> Delivery:
    headers = {f"ce-{name}": text for name, text in EVENT.items()} | changes
    kept = {name: text for name, text in headers.items() if text is not None}
    return delivery({"id": "T-1", "status": "done"}, **kept)


def test_the_three_modes_read_the_same() -> None:
    structured = delivery(fixture("cloudevents.structured"), content_type=STRUCTURED)
    (one,) = records(bus(), structured)
    assert (one.object, one.id, one.data) == ("task", "T-1", {"id": "T-1", "status": "done"})
    batch = delivery(fixture("cloudevents.batch"), content_type=BATCH)
    assert [each.id for each in records(bus(), batch)] == ["T-1", "T-2"]
    assert records(bus(), batch)[0] == one
    assert records(bus(), binary()) == [one]


def test_an_event_is_known_by_source_and_id_in_every_mode() -> None:
    structured = delivery(fixture("cloudevents.structured"), content_type=STRUCTURED)
    later = replace(structured, received_at=NOW + timedelta(days=3))
    assert (
        bus().verify(structured) == bus().verify(later) == bus().verify(binary()) == "/crm/eu#A-1"
    )
    batch = delivery(fixture("cloudevents.batch"), content_type=BATCH)
    name = bus().verify(batch)
    assert name
    assert name.startswith("batch:")
    assert bus().verify(replace(batch, body=batch.body + b" ")) == name


def test_attributes_are_unquoted_and_percent_decoded_once() -> None:
    assert bus().verify(binary(**{"ce-id": "Euro%20%E2%82%AC"})) == "/crm/eu#Euro €"
    assert bus().verify(binary(**{"ce-id": '"a\\"b"'})) == '/crm/eu#a"b'
    assert bus().verify(binary(**{"ce-id": "%2541"})) == "/crm/eu#%41"


@pytest.mark.parametrize(
    "changes",
    [
        {"ce-id": None}, {"ce-source": None}, {"ce-type": None}, {"ce-specversion": None},
        {"ce-specversion": "0.3"}, {"ce-id": ""}, {"ce-id": "%E2%82"}, {"ce-id": "%zz"},
        {"ce-id": "100%"}, {"ce-id": "é"}, {"ce-datacontenttype": "application/json"},
        {"content-type": "text/plain"}, {"ce-type": "something.else"},
    ],
)  # fmt: skip
def test_a_malformed_binary_event_is_put_aside(changes: dict[str, str | None]) -> None:
    assert bus().verify(binary(**changes))  # genuine all the same
    with pytest.raises(PayloadError):
        bus().parse(binary(**changes))


@pytest.mark.parametrize(
    "change",
    [
        {"id": None}, {"id": 7}, {"source": ""}, {"specversion": "1"}, {"type": []},
        {"data": {}, "data_base64": "e30="}, {"data_base64": "§"}, {"data_base64": 7},
        {"data_base64": "e30=", "datacontenttype": "text/plain"},
    ],
)  # fmt: skip
def test_a_malformed_structured_event_is_put_aside(change: dict[str, Any]) -> None:
    for body, kind in (({**EVENT, **change}, STRUCTURED), ([EVENT | change], BATCH)):
        with pytest.raises(PayloadError):
            bus().parse(delivery(body, content_type=kind))


def test_the_content_type_decides_the_longer_name_first() -> None:
    with pytest.raises(PayloadError, match="array"):
        bus().parse(delivery(fixture("cloudevents.structured"), content_type=BATCH))
    with pytest.raises(PayloadError, match="object"):
        bus().parse(delivery(fixture("cloudevents.batch"), content_type=STRUCTURED))
    with pytest.raises(PayloadError, match="JSON format"):
        bus().parse(delivery(b"", content_type="application/cloudevents+avro"))
    assert bus().parse(delivery(b"[]", content_type=BATCH)) == []


def shop(proof: str, mode: str, **more: Any) -> tuple[WebhookSandbox, WebhookConnector, Delivery]:
    sandbox = WebhookSandbox("cloudevents", proof, mode)
    sandbox.place()
    block = {key: part for key, part in sandbox.connection().items() if key != "connector"}
    block |= {"webhook": {"secret": sandbox.env()["SHOP_HOOK"]}, **more}
    receiver = WebhookConnector("shop", WebhookConnection.model_validate(block))
    return sandbox, receiver, sandbox.delivery(sandbox.messages[0], NOW)


@pytest.mark.parametrize("proof", ["standard-webhooks", "stripe"])
def test_headers_that_are_not_signed_are_not_believed(proof: str) -> None:
    """A captured delivery must not come back as another event."""
    _, receiver, genuine = shop(proof, "binary")
    with pytest.raises(SignatureError, match="binary mode"):
        receiver.verify(genuine)
    _, trusting, genuine = shop(proof, "binary", unsigned_headers=True)
    assert trusting.verify(genuine)
    assert records(trusting, genuine)


def test_signed_attributes_count_and_others_are_ignored() -> None:
    _, receiver, genuine = shop("hmac", "binary")
    assert receiver.verify(genuine)
    for name in ("ce-id", "ce-type", "ce-source"):
        forged = replace(genuine, headers={**genuine.headers, name: "order.deleted"})
        with pytest.raises(SignatureError):
            receiver.verify(forged)
    more = replace(genuine, headers={**genuine.headers, "ce-subject": "x", "ce-time": "%zz"})
    assert receiver.verify(more) == receiver.verify(genuine)
    assert records(receiver, more) == records(receiver, genuine)


def test_a_structured_event_cannot_be_passed_off_as_a_binary_one() -> None:
    _, receiver, genuine = shop("stripe", "structured")
    headers = {**genuine.headers, "content-type": "application/json"}
    headers |= {f"ce-{name}": text for name, text in EVENT.items()}
    with pytest.raises(SignatureError):
        receiver.verify(replace(genuine, headers=headers))


# ------------------------------------------------------------------------------------ delivery ids


def test_without_an_id_equal_bodies_within_the_window_are_one() -> None:
    one = delivery({"id": 1})
    first = connector().verify(one)
    assert first == connector().verify(replace(one, received_at=NOW + timedelta(seconds=599)))
    assert first != connector().verify(replace(one, received_at=NOW + timedelta(seconds=600)))
    assert first != connector().verify(replace(one, body=b'{"id":1}'))
    assert connector(window=0).verify(one) is None


def test_an_id_may_stand_in_the_body_or_in_a_header() -> None:
    assert connector(delivery="$.n").verify(delivery({"id": 1, "n": 17})) == "17"
    by_header = connector(delivery="header:X-Delivery")
    assert by_header.verify(delivery({"id": 1}, x_delivery="d-1")) == "d-1"
    for missing in (connector(delivery="$.n"), by_header):
        name = missing.verify(delivery({"id": 1}))
        assert name
        assert name.startswith("sha256:")


def test_an_unsigned_id_cannot_make_a_later_delivery_look_known() -> None:
    """Somebody repeats an old body under the id that the next delivery will have."""
    settings = {"scheme": "stripe", "delivery": "header:X-Delivery"}
    sandbox = WebhookSandbox("stripe")
    receiver = connector(**settings, webhook={"secret": sandbox.env()["SHOP_HOOK"]})
    old, new = (
        replace(one, headers={**one.headers, "x-delivery": "d-2"})
        for one in (sandbox.signed(b'{"id":1}', NOW), sandbox.signed(b'{"id":2}', NOW))
    )
    assert receiver.verify(old) != receiver.verify(new)
    assert receiver.verify(new) == receiver.verify(new)


def test_a_token_may_stand_in_any_header_and_be_rotated() -> None:
    receiver = connector(header="X-Shop", prefix="key ", webhook={"secret": ["new-one", "old-one"]})
    for good in ("key new-one", "KEY old-one"):
        assert receiver.verify(delivery({"id": 1}, x_shop=good))
    for bad in ("", "new-one", "key", "key ", "key new", "key new-one ", "é", "key \udcff"):
        with pytest.raises(SignatureError):
            receiver.verify(delivery({"id": 1}, x_shop=bad))


# ----------------------------------------------------------------------------------------- signing


def bare(body: bytes = b'{"id": "7"}') -> Delivery:
    return Delivery("POST", "https://hub.test/webhooks/shop", {}, body, NOW)


def test_a_signed_request_has_the_header_that_names_it_and_each_a_name_of_its_own() -> None:
    for scheme in ({}, {"scheme": "hmac", "header": "X-Sig"}):
        sender = connector(delivery="header:X-Number", **scheme)
        first, second = sender.sign(bare()), sender.sign(bare())
        assert first.headers["x-number"] != second.headers["x-number"]
        assert sender.sign(bare(), id="d-1").headers["x-number"] == "d-1"
        assert sender.verify(first) != sender.verify(second)


def test_a_header_that_names_it_is_there_before_the_signature_that_covers_it() -> None:
    sender = connector(
        scheme="hmac", header="X-Sig", base="{header:X-Number}.{body}", delivery="header:X-Number"
    )
    assert sender.verify(sender.sign(bare(), id="d-1")) == "d-1"


def test_without_any_proof_a_request_is_made_as_it_is() -> None:
    sender = connector(webhook={"unsigned": True}, delivery="header:X-Number")
    made = sender.sign(bare(), id="d-1")
    assert made.headers == {"x-number": "d-1"}
    assert sender.verify(made) == "d-1"


def test_a_token_or_nothing_at_all_needs_no_scheme_and_a_secret_does() -> None:
    for proof in ({"token": "t" * 32}, {"unsigned": True}):
        words = {"webhook": proof, "objects": {"thing": {"id": "$.id"}}}
        assert WebhookConnection.model_validate(words).proven_by == "token"
    words = {"webhook": {"secret": "s" * 32}, "objects": {"thing": {"id": "$.id"}}}
    with pytest.raises(ValidationError, match="`scheme` is missing: say how the sender"):
        WebhookConnection.model_validate(words)


@pytest.mark.parametrize(
    ("unit", "written", "said"),
    [
        ("seconds", "1767225600000", "written as milliseconds, where seconds is expected"),
        ("seconds", "2026-01-01T00:00:00Z", "written as iso, where seconds is expected"),
        ("milliseconds", "1767225600", "written as seconds, where milliseconds is expected"),
        ("iso", "1767225600", "written as seconds, where iso is expected"),
        ("seconds", "yesterday", "is not written in seconds"),
        ("seconds", "1767220000", "is too old, 5600 s"),
        ("seconds", "", "does not say when it signed"),
    ],
)
def test_a_signed_time_that_is_written_otherwise_is_told_with_its_unit(
    unit: str, written: str, said: str
) -> None:
    words = {"scheme": "hmac", "header": "X-Sig", "base": "{timestamp}.{body}", "unit": unit}
    receiver = connector(**words, timestamp_header="X-Timestamp")
    mac = hmac.new(b"s" * 32, f"{written}.".encode() + bare().body, "sha256").hexdigest()
    wrong = replace(bare(), headers={"x-sig": mac, "x-timestamp": written})
    with pytest.raises(SignatureError, match=said) as refused:
        receiver.verify(wrong)
    assert refused.value.code == "timestamp_out_of_window"
    row = {"code": refused.value.code, "part": "timestamp", "reason": str(refused.value)}
    clocks = "too old" in said
    assert ("Check the clocks" in remedy("shop", {**row, "headers": {}})) is clocks
