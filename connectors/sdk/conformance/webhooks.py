"""Checks of deliveries: only genuine ones enter, every genuine one is understood or put aside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.sdk.conformance.kit import (
    Stage,
    attempt,
    check,
    error_of,
    must,
    receives,
)
from connectors.sdk.connector import Tier
from connectors.sdk.errors import PayloadError, SignatureError
from connectors.sdk.records import Answer, Delivery, Fetch, Parsed, PullHint, Record
from connectors.sdk.sandbox import Inapplicable

JUNK = (
    b"",
    b"{}",
    b"[]",
    b"null",
    b'"text"',
    b"7",
    b"<html><body>down for maintenance</body></html>",
    b'{"a": ',
    b"\xff\xfe\x00",
    b"[" * 2000 + b"]" * 2000,
    b'{"number": ' + b"9" * 5000 + b"}",
    b'{"action": {}, "event": [], "data": "x", "issue": 3, "id": null, "payload": []}',
)
SECRET = "kit-secret-of-at-least-twenty-four-bytes"  # noqa: S105 - made up
OTHER = "another-secret-of-at-least-twenty-four-bytes"


def genuine(stage: Stage) -> Delivery:
    """A delivery that a person's doing caused."""
    stage.sandbox.webhook_url = stage.sandbox.webhook_url or "http://127.0.0.1:9/webhooks/kit"
    stage.drill.seed(stage.object, 1)
    found = list(stage.drill.deliveries())
    must(found, f"The sandbox sends no webhook when a {stage.object} is made.")
    return found[-1]


def signed(
    stage: Stage, body: bytes, at: datetime | None = None, secret: str | None = None
) -> Delivery:
    moment = at or datetime.now(UTC)
    return replace(stage.drill.sign(body, at=moment, secret=secret), received_at=datetime.now(UTC))


def refused(connector: Any, delivery: Delivery, what: str) -> None:
    error = error_of(connector.verify, delivery)
    must(isinstance(error, SignatureError), f"{what} gives {type(error).__name__}: {error}")


def speaks_of(parsed: Parsed, stage: Stage, id: str) -> bool:
    if isinstance(parsed, Record):
        return parsed.object == stage.object and parsed.id == id
    if isinstance(parsed, Fetch):
        return parsed.object == stage.object and id in parsed.ids
    return isinstance(parsed, PullHint) and parsed.object == stage.object


@check("understands-webhooks", Tier.SILVER, "A webhook that says nothing is no webhook.", receives)
def understands_webhooks(stage: Stage) -> None:
    stage.sandbox.webhook_url = stage.sandbox.webhook_url or "http://127.0.0.1:9/webhooks/kit"
    connector = stage.connector()
    (id,) = stage.drill.seed(stage.object, 1)
    stage.drill.edit(stage.object, id)
    parsed: list[Parsed] = []
    for delivery in stage.drill.deliveries():
        connector.verify(delivery)
        parsed += connector.parse(delivery)
    must(
        any(speaks_of(one, stage, id) for one in parsed),
        f"No webhook speaks of {id}: {parsed!r:.300}",
    )


@check(
    "tells-deletions",
    Tier.GOLD,
    "Where only the webhook reports a deletion, missing it leaves a task open for ever.",
    lambda cls, spec: receives(cls, spec) and spec.deletes == "reported",
)
def tells_deletions(stage: Stage) -> None:
    stage.sandbox.webhook_url = stage.sandbox.webhook_url or "http://127.0.0.1:9/webhooks/kit"
    connector = stage.connector()
    (id,) = stage.drill.seed(stage.object, 1)
    cursor = stage.pull()[1] if stage.spec.pull else {}
    before = len(list(stage.drill.deliveries()))
    stage.drill.remove(stage.object, id)
    for delivery in list(stage.drill.deliveries())[before:]:
        for one in connector.parse(delivery):
            if speaks_of(one, stage, id) and (not isinstance(one, Record) or one.deleted):
                return
    pulled = stage.pull(cursor=cursor)[0] if stage.spec.pull else []
    must(
        any(one.id == id and one.deleted for one in pulled),
        "Neither a webhook nor the next pull says that it was deleted.",
    )


def _mutations(delivery: Delivery, connector: Any) -> Iterator[tuple[str, Delivery]]:
    yield "A body with one more byte", replace(delivery, body=delivery.body + b" ")
    if delivery.body:
        flipped = bytes([delivery.body[0] ^ 1]) + delivery.body[1:]
        yield "A body with one other byte", replace(delivery, body=flipped)
    yield "A delivery without headers", replace(delivery, headers={})
    for name in delivery.headers:
        if not _spared(connector, delivery, name):
            for value in (
                "",
                " ",
                "nonsense",
                "v1,",
                "t=,v1=",
                "sha256=",
                "ünïcödé-§",
                "=" * 9999,
                "\x00",
            ):
                spoilt = replace(delivery, headers={**delivery.headers, name: value})
                yield f"A header {name} of {value[:12]!r}", spoilt


@check(
    "refuses-forgeries",
    Tier.SILVER,
    "Anybody can post to the address; a malformed header must end in 401, never in our error.",
    receives,
    once=True,
)
def refuses_forgeries(stage: Stage) -> None:
    connector = stage.connector()
    delivery = signed(stage, genuine(stage).body)
    connector.verify(delivery)
    for what, forged in _mutations(delivery, connector):
        if forged != delivery:
            refused(connector, forged, what)
    refused(connector, signed(stage, delivery.body, secret=OTHER), "Another secret")


@check(
    "verifies-the-very-bytes",
    Tier.SILVER,
    "Parsing and writing the body again changes bytes: genuine ones fail, forged ones may pass.",
    receives,
    once=True,
)
def verifies_the_very_bytes(stage: Stage) -> None:
    connector = stage.connector()
    for body in (b'{ "a" :1,"a":2 }', '{"größe": "ü€😀"}'.encode(), b'{"x":1.10e2}', b"{}\r\n"):
        delivery = signed(stage, body)
        connector.verify(delivery)
        try:
            again = json.dumps(json.loads(body)).encode()
        except ValueError:
            continue
        if again != body:
            refused(connector, replace(delivery, body=again), "A body that was written anew")


@check(
    "takes-several-secrets",
    Tier.SILVER,
    "While a secret is replaced, both are in use; neither sender may be refused.",
    receives,
    once=True,
)
def takes_several_secrets(stage: Stage) -> None:
    block = stage.sandbox.connection().get("webhook") or {}
    if "secret" not in block:
        raise Inapplicable("it signs with nothing that a person could replace")
    own = stage.sandbox.env()[str(block["secret"]).removeprefix("env:")]
    body = genuine(stage).body
    rotating = stage.connector(webhook={**block, "secret": [_like(own), own]})
    rotating.verify(signed(stage, body))
    rotating.verify(signed(stage, body, secret=_like(own)))
    refused(
        stage.connector(), signed(stage, body, secret=_like(own)), "A secret that is not listed"
    )


def _like(secret: str) -> str:
    """Another secret of the same form: a digit or letter in it is replaced."""
    from string import ascii_letters

    place = next(
        (at for at in range(len(secret) - 3, 8, -1) if secret[at] in ascii_letters), len(secret) - 1
    )
    other = "A" if secret[place] != "A" else "B"
    return secret[:place] + other + secret[place + 1 :]


@check(
    "needs-a-secret",
    Tier.SILVER,
    "A connection whose secret was forgotten must let nobody in.",
    receives,
    once=True,
)
def needs_a_secret(stage: Stage) -> None:
    block = stage.sandbox.connection().get("webhook") or {}
    if "secret" not in block:
        raise Inapplicable("it signs with nothing that a person could forget")
    delivery = signed(stage, genuine(stage).body)
    rest = {key: part for key, part in block.items() if key != "secret"}
    refused(stage.connector(webhook=rest), delivery, "No secret at all")
    refused(stage.connector(webhook={**rest, "secret": ""}), delivery, "An empty secret")


@check(
    "minds-the-time",
    Tier.SILVER,
    "A delivery that was listened to can be sent again later; a signed time ends that.",
    receives,
    once=True,
)
def minds_the_time(stage: Stage) -> None:
    connector, now = stage.connector(), datetime.now(UTC)
    body = genuine(stage).body
    now_signed = signed(stage, body, at=now)
    proofs = [name for name in now_signed.headers if not _spared(connector, now_signed, name)]
    first, second = (stage.drill.sign(body, at=now - timedelta(hours=hour)) for hour in (1, 2))
    if all(first.headers.get(name) == second.headers.get(name) for name in proofs):
        raise Inapplicable("the vendor signs no time")
    for minutes in (-6, 6, -60 * 24 * 400):
        stale = replace(
            stage.drill.sign(body, at=now + timedelta(minutes=minutes)), received_at=now
        )
        error = error_of(connector.verify, stale)
        must(
            isinstance(error, SignatureError) and error.code == "timestamp_out_of_window",
            f"Signed {minutes} minutes from now gives {error!r}",
        )
    connector.verify(
        replace(stage.drill.sign(body, at=now - timedelta(minutes=4)), received_at=now)
    )


def _spared(connector: Any, delivery: Delivery, name: str) -> bool:
    """Whether a delivery is genuine without this header too."""
    rest = {key: value for key, value in delivery.headers.items() if key != name}
    return error_of(connector.verify, replace(delivery, headers=rest)) is None


@check(
    "judges-by-arrival",
    Tier.SILVER,
    "A backlog is worked off hours later; what was fresh when it came must not go stale.",
    receives,
    once=True,
)
def judges_by_arrival(stage: Stage) -> None:
    body, then = genuine(stage).body, datetime.now(UTC) - timedelta(days=2)
    stage.connector().verify(replace(stage.drill.sign(body, at=then), received_at=then))


@check(
    "survives-junk",
    Tier.SILVER,
    "What cannot be read is put aside and shown; any other error would stop the queue.",
    receives,
    once=True,
)
def survives_junk(stage: Stage) -> None:
    connector = stage.connector()
    like = genuine(stage)
    for body in JUNK:
        delivery = replace(like, body=body)
        error, found = attempt(connector.parse, delivery)
        must(
            error is None or isinstance(error, PayloadError),
            f"The body {body[:40]!r} gives {type(error).__name__}: {error}",
        )
        if error is None:
            for one in found:
                must(
                    isinstance(one, Record | Fetch | PullHint | Answer),
                    f"The body {body[:40]!r} gives {one!r:.80}",
                )


@check(
    "reads-the-same-twice",
    Tier.SILVER,
    "Deliveries are replayed after a mapping is mended; reading them must need nobody.",
    receives,
    once=True,
)
def reads_the_same_twice(stage: Stage) -> None:
    connector, delivery = stage.connector(), genuine(stage)
    before = len(stage.sandbox.faults.requests)
    first = list(connector.parse(delivery))
    must(len(stage.sandbox.faults.requests) == before, "It asks the vendor while it reads.")
    stage.stop()
    must(list(connector.parse(delivery)) == first, "The second time it reads something else.")


@check(
    "names-deliveries",
    Tier.SILVER,
    "Vendors send again; the same delivery must be known, and two different ones kept apart.",
    receives,
    once=True,
)
def names_deliveries(stage: Stage) -> None:
    connector = stage.connector()
    one = genuine(stage)
    first = connector.verify(one)
    must(connector.verify(one) == first, "The same delivery has two ids.")
    other = genuine(stage)
    must(
        first is None or connector.verify(other) != first, f"Two deliveries have one id: {first!r}"
    )


@check(
    "answers-handshakes",
    Tier.SILVER,
    "Without the answer it wants, the vendor never sends anything; answering strangers is a hole.",
    receives,
    once=True,
)
def answers_handshakes(stage: Stage) -> None:
    connector = stage.connector()
    for delivery in stage.drill.handshakes():
        if not connector.handshake_before_verify and delivery.method == "POST":
            connector.verify(delivery)
        reply = connector.handshake(delivery)
        must(reply is not None, f"A handshake by {delivery.method} is not answered.")
        must(reply.status < 300, f"A handshake is answered with {reply.status}.")
    usual = genuine(stage)
    must(connector.handshake(usual) is None, "An ordinary delivery is taken for a handshake.")
    for body in JUNK:
        junk = replace(usual, body=body, headers={"content-type": "application/json"})
        error_of(connector.handshake, junk)
