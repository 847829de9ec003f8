"""Checks of what comes from elsewhere: ids, links, cursors, cookies and headers of others must not
lead a connector astray.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from connectors.sdk.conformance.kit import (
    Stage,
    attempt,
    check,
    error_of,
    must,
    pulls,
    receives,
)
from connectors.sdk.conformance.pushing import creation, done, push
from connectors.sdk.conformance.webhooks import genuine, signed
from connectors.sdk.connector import Connector, Sink, Source, Tier
from connectors.sdk.faults import Exchange
from connectors.sdk.records import Change, Cursor, Delivery, Json, ObjectSpec, Outcome, Record
from connectors.sdk.sandbox import Inapplicable

FOREIGN: tuple[Cursor, ...] = (
    {"since": 7},
    {"x": []},
    {"since": "nonsense", "seen": "no"},
    {"since": None, "seen": {"1": None}},
)
"""Cursors as another connector, or another release of this one, may have left them."""
ODD: tuple[Json, ...] = (7, "nonsense", None, [], {})
HOSTILE = (
    "{id}/x",
    "../{id}",
    "..",
    ".",
    "{id}?a=b",
    "{id}#x",
    "%2e%2e",
    "{id}%2fx",
    "{id}\\..\\x",
)
"""What a record may be called by somebody who wants another path to be asked."""


# ---------------------------------------------------------------------------------------- cursors


@check(
    "reads-foreign-cursors",
    Tier.SILVER,
    "A connection whose connector is changed or updated must say what to do, or begin anew.",
    pulls,
)
def reads_foreign_cursors(stage: Stage) -> None:
    wanted = set(stage.drill.seed(stage.object, 3))
    connector = stage.connector()
    for cursor in FOREIGN:
        error, pulled = attempt(stage.pull, connector, cursor)
        missing = wanted - {one.id for one in (pulled[0] if pulled else ())}
        must(
            error is not None or not missing,
            f"With the cursor {cursor} {len(missing)} of {len(wanted)} records are not pulled.",
        )
    _, own = stage.pull(connector)
    for name in own:
        for odd in ODD:
            spoilt = {**own, name: odd}
            attempt(stage.pull, connector, spoilt)


# ---------------------------------------------------------------------------------- times, links


@check(
    "takes-time-zones",
    Tier.SILVER,
    "A hub in Mumbai must see the same times as one in Lisbon.",
    pulls,
    once=True,
)
def takes_time_zones(stage: Stage) -> None:
    stage.drill.seed(stage.object, 3)
    seen = []
    for zone in ("UTC", "Asia/Kolkata", "America/New_York"):
        with _living_in(zone):
            records, _ = stage.pull(stage.connector(fresh=True))
        seen.append({one.id: (one.updated_at, one.version, dict(one.data)) for one in records})
    must(seen[0] == seen[1] == seen[2], "What it says of a record depends on where the hub runs.")


@contextmanager
def _living_in(zone: str) -> Iterator[None]:
    if not hasattr(time, "tzset"):
        raise Inapplicable("the zone of a running program cannot be changed on this system")
    before = os.environ.get("TZ")
    os.environ["TZ"] = zone
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()


@check(
    "links-are-web",
    Tier.SILVER,
    "People click the link of a record; anything but http or https runs or opens something else.",
    pulls,
)
def links_are_web(stage: Stage) -> None:
    stage.drill.seed(stage.object, 3)
    records, _ = stage.pull()
    if issubclass(stage.cls, Sink) and "create" in stage.spec.push:
        records.append(done(push(stage, creation(stage, "kit-link"))[0]))
    for one in records:
        link = urlsplit(one.url) if one.url is not None else None
        must(
            link is None or (link.scheme in ("http", "https") and link.netloc),
            f"The link of {one.id} is {one.url!r:.100}.",
        )


# ---------------------------------------------------------------------------------------- cookies


@check(
    "keeps-no-cookies",
    Tier.SILVER,
    "A cookie from one answer changes the next: another account's page, a session that ends.",
    lambda cls, spec: issubclass(cls, Source) or issubclass(cls, Sink),
    once=True,
)
def keeps_no_cookies(stage: Stage) -> None:
    faults = stage.http.faults
    connector = stage.connector()
    if pulls(stage.cls, stage.spec):
        stage.drill.seed(stage.object, 1)
    faults.cookie, faults.keep = "kit=1; Path=/", 100
    for _ in range(2):
        connector.check()
        if isinstance(connector, Source):
            stage.fields(connector)
            connector.discover(stage.object)
        if pulls(stage.cls, stage.spec):
            stage.pull(connector)
        if isinstance(connector, Sink) and "create" in stage.spec.push:
            push(stage, creation(stage, "kit-cookie"))
    if len(faults.exchanges) < 2:
        raise Inapplicable("it asks the vendor nothing twice")
    told = [one for one in faults.exchanges if "cookie" in one.headers]
    must(not told, f"{len(told)} requests bring back a cookie that an answer left.")


# ---------------------------------------------------------------------------------------- headers


@check(
    "unsigned-headers-say-nothing",
    Tier.SILVER,
    "Whoever overheard a delivery may send it again with other headers, and it stays genuine.",
    receives,
    once=True,
)
def unsigned_headers_say_nothing(stage: Stage) -> None:
    connector = stage.connector()
    like = genuine(stage)
    signed(stage, like.body)  # Inapplicable where nothing is signed
    (id,) = stage.drill.seed(stage.object, 1)
    stage.drill.edit(stage.object, id)
    with suppress(Inapplicable):
        stage.drill.remove(stage.object, id)
    known = list(stage.drill.deliveries())
    for delivery in known[-3:]:
        meant = list(connector.parse(delivery))
        for what, altered in _altered(delivery, known):
            if error_of(connector.verify, altered):
                continue
            error, heard = attempt(connector.parse, altered)
            # a delivery that is put aside or ignored says nothing else
            must(
                error is not None or not heard or list(heard) == meant,
                f"With {what} a delivery says {heard!r:.200}",
            )


def _altered(delivery: Delivery, known: list[Delivery]) -> Iterator[tuple[str, Delivery]]:
    for name, value in delivery.headers.items():
        others = {one.headers[name] for one in known if name in one.headers}
        for other in sorted({*others, "nonsense", f"{value}x", ""} - {value}):
            spoilt = {**delivery.headers, name: other}
            yield f"{name}: {other[:40]!r}", replace(delivery, headers=spoilt)
        rest = {key: part for key, part in delivery.headers.items() if key != name}
        yield f"no {name}", replace(delivery, headers=rest)


# -------------------------------------------------------------------------------------------- ids


def _by_id(cls: type[Connector], spec: ObjectSpec) -> bool:
    reads = spec.fetch and issubclass(cls, Source)
    writes = bool(spec.push & {"update", "delete"}) and issubclass(cls, Sink)
    return pulls(cls, spec) and (reads or writes)


@check(
    "fills-only-its-segment",
    Tier.GOLD,
    "An id with slashes or dots in it must not lead to another path: whoever names a record would "
    "choose what is read or deleted.",
    _by_id,
)
def fills_only_its_segment(stage: Stage) -> None:
    faults = stage.http.faults
    connector = stage.connector()
    stage.fields(connector)  # it has signed in by now
    for what, act in _acts(stage, connector):
        usual, other = stage.one(), stage.one()
        faults.keep, faults.exchanges = 1000, []
        attempt(act, usual, usual.id)
        known = [_Place.of(one, usual) for one in faults.exchanges]
        always = _worked(act, other, "kit-unknown")  # it goes by the address, or gone is as good
        for form in HOSTILE:
            id = form.format(id=other.id)
            faults.exchanges = []
            worked = _worked(act, other, id)
            for asked in faults.exchanges:
                must(
                    any(place.holds(asked) for place in known),
                    f"A {what} of {id!r} asks {asked.method} {asked.path}?{asked.query}",
                )
            must(always or not worked, f"A {what} of {id!r}, which is no record, succeeds.")


Act = Callable[[Record, str], bool]


def _acts(stage: Stage, connector: Any) -> Iterator[tuple[str, Act]]:
    """What is done to a record under some id, and whether that is said to have worked."""

    def fetch(record: Record, id: str) -> bool:
        return any(not one.deleted for one in connector.fetch(stage.object, [id]))

    def update(record: Record, id: str) -> bool:
        return send(stage.drill.alteration(record, "kit-odd"), record, id)

    def delete(record: Record, id: str) -> bool:
        change = Change("delete", stage.object, "kit-odd", {}, parent=record.parent)
        return send(replace(change, base=record.data, version=record.version), record, id)

    def send(change: Change, record: Record, id: str) -> bool:
        address = {
            name: id if str(value) == record.id else value for name, value in record.address.items()
        }
        (result,) = push(stage, replace(change, id=id, address=address), connector=connector)
        return result.outcome is Outcome.OK

    if stage.spec.fetch:
        yield "fetch", fetch
    if issubclass(stage.cls, Sink):
        yield from [(op, act) for op, act in (("update", update), ("delete", delete))
                    if op in stage.spec.push]  # fmt: skip


def _worked(act: Act, record: Record, id: str) -> bool:
    return bool(attempt(act, record, id)[1])


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a request for a usual record goes: whatever names the record may differ."""

    method: str
    parts: Sequence[str]
    parameters: Set[str]

    @classmethod
    def of(cls, asked: Exchange, record: Record) -> _Place:
        names = {record.id, record.parent or "", *(str(one) for one in record.address.values())}
        names -= {"", "None"}
        whole = "|".join(re.escape(one) for one in sorted(names, key=len, reverse=True))
        parts = [
            ".*".join(
                re.escape(rest)
                for rest in re.split(rf"(?<![0-9A-Za-z])(?:{whole})(?![0-9A-Za-z])", unquote(part))
            )
            for part in asked.path.split("/")
        ]
        return cls(asked.method, parts, _parameters(asked))

    def holds(self, asked: Exchange) -> bool:
        parts = [unquote(part) for part in asked.path.split("/")]
        return (
            asked.method == self.method
            and len(parts) == len(self.parts)
            and not {".", ".."} & set(parts)
            and all(re.fullmatch(*pair, re.DOTALL) for pair in zip(self.parts, parts, strict=True))
            and _parameters(asked) <= self.parameters
        )


def _parameters(asked: Exchange) -> Set[str]:
    return {name for name, _ in parse_qsl(asked.query, keep_blank_values=True)}
