"""Checks of reading: nothing lost, nothing endless, whatever happens between two pages."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from datetime import UTC, datetime

from connectors.sdk.conformance.kit import (
    Failed,
    Stage,
    check,
    error_of,
    in_threads,
    must,
    pulls,
)
from connectors.sdk.connector import Tier
from connectors.sdk.records import Cursor, Record
from connectors.sdk.sandbox import Inapplicable

CURSOR = 64 * 1024
"""Bytes that a cursor may take after a few pages: it is written with every page."""


def several_pages(stage: Stage, at: datetime | None = None) -> set[str]:
    """The ids of more records than two pages of this vendor hold."""
    count = 2 * stage.drill.page + stage.drill.page // 3 + 1
    return set(stage.drill.seed(stage.object, count, at=at))


def none_missing(wanted: Collection[str], found: Collection[Record], when: str = "") -> None:
    missing = set(wanted) - {one.id for one in found}
    must(not missing, f"{len(missing)} of {len(wanted)} records are not pulled{when}.")


@check("pulls-everything", Tier.BRONZE, "A record that is never pulled is invisible work.", pulls)
def pulls_everything(stage: Stage) -> None:
    wanted = several_pages(stage)
    records, _ = stage.pull()
    none_missing(wanted, records)
    for one in records:
        must(isinstance(one.id, str) and one.id, f"The id {one.id!r} is no text.")
        must(one.version is None or isinstance(one.version, str), "A version is no text.")
        must(
            one.updated_at is None or one.updated_at.tzinfo is not None,
            f"updated_at of {one.id} has no time zone.",
        )
        try:
            json.dumps([dict(one.data), dict(one.address)])
        except (TypeError, ValueError) as error:
            raise Failed(f"The data of {one.id} is not JSON: {error}") from None


@check(
    "pulls-oldest-first",
    Tier.BRONZE,
    "The cursor is stored with each page: what is older than it would never be read again.",
    pulls,
)
def pulls_oldest_first(stage: Stage) -> None:
    several_pages(stage)
    times = [one.updated_at for one in stage.pull()[0] if one.updated_at]
    must(times == sorted(times), "Records come in another order than they changed.")


@check(
    "keeps-cursors-small",
    Tier.BRONZE,
    "A cursor is JSON in the database, written with every page.",
    pulls,
)
def keeps_cursors_small(stage: Stage) -> None:
    several_pages(stage)
    for _, cursor in stage.pages(stage.connector(), {}):
        size = len(json.dumps(cursor))
        must(size < CURSOR, f"A cursor takes {size} bytes.")


@check(
    "resumes-anywhere",
    Tier.BRONZE,
    "A hub stops at any moment; the next pull goes on from the last page that was stored.",
    pulls,
)
def resumes_anywhere(stage: Stage) -> None:
    wanted = several_pages(stage)
    found: list[Record] = []
    cursor: Cursor = {}
    for _ in range(60):
        connector = stage.connector(fresh=True)
        page = next(stage.pages(connector, cursor), None)
        if page is None or (not page[0] and page[1] == cursor):
            break
        found += page[0]
        cursor = page[1]
    else:
        raise Failed("Begun anew after each page, the pull does not come to an end.")
    none_missing(wanted, found, " when the pull is begun anew after each page")


@check("sees-changes", Tier.BRONZE, "This is what a pull is for.", pulls)
def sees_changes(stage: Stage) -> None:
    ids = list(stage.drill.seed(stage.object, 3))
    _, cursor = stage.pull()
    stage.drill.edit(stage.object, ids[0])
    records, cursor = stage.pull(cursor=cursor)
    none_missing(ids[:1], records, " after a person changed it")
    again = list(stage.drill.seed(stage.object, 2))
    records, _ = stage.pull(cursor=cursor)
    none_missing(again, records, " after a person made it")


@check(
    "comes-to-rest",
    Tier.BRONZE,
    "A pull runs every few minutes for years; with nothing new it must cost and move nothing.",
    pulls,
)
def comes_to_rest(stage: Stage) -> None:
    several_pages(stage)
    _, cursor = stage.pull()
    _, cursor = stage.pull(cursor=cursor)
    asked = len(stage.sandbox.faults.requests)
    third, after = stage.pull(cursor=cursor)
    fourth, end = stage.pull(cursor=after)
    must(len(fourth) <= len(third), "It delivers more each time although nothing changes.")
    must(after == end, "The cursor moves on although nothing changes.")
    must(
        len(stage.sandbox.faults.requests) - asked < 200, "Two pulls of nothing take 200 requests."
    )


@check(
    "survives-equal-times",
    Tier.BRONZE,
    "An import stamps thousands of records with one second; a cursor between them loses the rest.",
    pulls,
)
def survives_equal_times(stage: Stage) -> None:
    wanted = several_pages(stage, at=datetime.now(UTC).replace(microsecond=0))
    records, cursor = stage.pull()
    none_missing(wanted, records, " where all changed in the same second")
    id = sorted(wanted)[0]
    stage.drill.edit(stage.object, id)
    none_missing([id], stage.pull(cursor=cursor)[0], " after it changed once more")


@check(
    "survives-moving-pages",
    Tier.BRONZE,
    "Records change while pages are read: they slip to other pages, and some are never shown.",
    pulls,
)
def survives_moving_pages(stage: Stage) -> None:
    wanted = several_pages(stage)
    latest: dict[str, Record] = {}
    cursor: Cursor = {}
    for number, (records, cursor) in enumerate(stage.pages(stage.connector(), {})):  # noqa: B007
        latest |= {one.id: one for one in records}
        if number == 0:
            seen = [one.id for one in records if one.id in wanted]
            for id in [*seen[:3], *sorted(wanted - set(seen))[:2]]:
                stage.drill.edit(stage.object, id)
    for one in stage.pull(cursor=cursor)[0]:
        latest[one.id] = one
    none_missing(wanted, list(latest.values()), " when some change between two pages")
    for one in stage.pull(stage.connector(fresh=True))[0]:
        if one.id in wanted:
            must(latest[one.id].data == one.data, f"The last state of {one.id} was not pulled.")


@check(
    "fetches-records",
    Tier.BRONZE,
    "Thin webhooks name a record; what fetch says of it must be what a pull says.",
    lambda cls, spec: pulls(cls, spec) and spec.fetch,
)
def fetches_records(stage: Stage) -> None:
    ids = list(several_pages(stage))
    pulled = {one.id: one for one in stage.pull()[0]}
    stage.drill.remove(stage.object, ids[0])
    fetched = {one.id: one for one in stage.connector().fetch(stage.object, ids)}
    must(set(fetched) == set(ids), f"Of {len(ids)} records {len(fetched)} are named.")
    must(fetched[ids[0]].deleted, "A record that is gone is not marked as deleted.")
    for id in ids[1:]:
        must(not fetched[id].deleted, f"{id} is there, and called deleted.")
        must(fetched[id].data == pulled[id].data, f"fetch and pull say different things of {id}.")


@check(
    "names-parents",
    Tier.BRONZE,
    "A comment without its task is noise.",
    lambda cls, spec: pulls(cls, spec) and spec.parent is not None,
)
def names_parents(stage: Stage) -> None:
    ids = set(stage.drill.seed(stage.object, 3))
    parents = stage.spec.parent or ""
    known = {one.id for page in stage.connector().pull(parents, {}, ()) for one in page.records}
    for one in stage.pull()[0]:
        if one.id in ids:
            must(one.parent in known, f"The parent of {one.id} is {one.parent!r}: no {parents}.")


@check(
    "reads-page-by-page",
    Tier.GOLD,
    "A backfill of a million records must not be held in memory.",
    pulls,
)
def reads_page_by_page(stage: Stage) -> None:
    sandbox = stage.http
    sandbox.faults.keep = 1000
    wanted = several_pages(stage)
    connector = stage.connector()
    fields = stage.fields(connector)
    before = len(sandbox.faults.requests)
    pages = connector.pull(stage.object, {}, fields)
    next(pages)
    first = len(sandbox.faults.requests) - before
    rest = sum(1 for _ in pages)
    total = len(sandbox.faults.requests) - before
    if rest == 0 or any(_holds(one.answer, wanted) for one in sandbox.faults.exchanges):
        raise Inapplicable("the vendor gives everything in one answer")
    must(first < total, "Every page is read before the first is handed over.")


def _holds(answer: bytes, ids: Collection[str]) -> bool:
    """Whether one answer names all of these records."""
    return {id.encode() for id in ids} <= set(re.findall(rb"[\w.@<>:|-]+", answer))


@check(
    "ends-at-circles",
    Tier.GOLD,
    "A vendor whose pages lead in a circle must not hold a worker for ever.",
    pulls,
)
def ends_at_circles(stage: Stage) -> None:
    sandbox = stage.http
    several_pages(stage)
    connector = stage.connector()
    stage.fields(connector)
    before = len(sandbox.faults.requests)
    sandbox.faults.repeat = True
    pull = connector.pull(stage.object, {}, ())

    def read() -> None:
        for _ in pull:
            must(len(sandbox.faults.requests) - before < 300, "It goes round in circles.")

    error_of(read)
    must(len(sandbox.faults.requests) - before < 300, "It goes round in circles.")
    sandbox.faults.repeat = False


@check(
    "survives-hollow-pages",
    Tier.GOLD,
    "Vendors filter after paging: a page may be empty and still have a next one.",
    pulls,
)
def survives_hollow_pages(stage: Stage) -> None:
    sandbox = stage.http
    wanted = several_pages(stage)
    connector = stage.connector()
    stage.fields(connector)
    found: list[Record] = []
    cursor: Cursor = {}

    def read() -> None:
        nonlocal cursor
        for records, cursor in stage.pages(connector, cursor):  # noqa: B007, B020
            found.extend(records)

    for _ in range(3):  # the vendor empties the same page, whoever asks
        sandbox.faults.hollow = 1
        error_of(read)
    sandbox.faults.hollow = 0
    late = {one.id for one in found}
    lost = wanted - late
    must(
        len(lost) <= stage.drill.page,
        f"{len(lost)} records were lost with one page that the vendor emptied.",
    )


@check(
    "survives-clock-skew",
    Tier.GOLD,
    "A watermark taken from our clock loses whatever the vendor stamps earlier.",
    pulls,
)
def survives_clock_skew(stage: Stage) -> None:
    for ahead in (-3600.0, 3600.0):
        stage.drill.clock(ahead)
        first = list(stage.drill.seed(stage.object, 2))
        records, cursor = stage.pull()
        none_missing(first, records, f" with the vendor's clock {ahead:+.0f} s off")
        second = list(stage.drill.seed(stage.object, 2))
        stage.drill.edit(stage.object, first[0])
        records, _ = stage.pull(cursor=cursor)
        none_missing([*second, first[0]], records, f" with the vendor's clock {ahead:+.0f} s off")


@check(
    "survives-lag",
    Tier.GOLD,
    "Where lists run behind, a cursor that moves on leaves behind what was not listed yet.",
    pulls,
)
def survives_lag(stage: Stage) -> None:
    _, cursor = stage.pull()
    stage.drill.lag(30)
    late = list(stage.drill.seed(stage.object, 1))
    first, cursor = stage.pull(cursor=cursor)
    stage.drill.lag(0)
    then = list(stage.drill.seed(stage.object, 1))
    second, _ = stage.pull(cursor=cursor)
    none_missing([*late, *then], [*first, *second], " where the vendor's lists run behind")


@check(
    "survives-lost-cursors",
    Tier.GOLD,
    "Vendors forget tokens after days; the pull must begin anew by itself.",
    pulls,
)
def survives_lost_cursors(stage: Stage) -> None:
    old = list(stage.drill.seed(stage.object, 2))
    _, cursor = stage.pull()
    stage.drill.expire_cursor()
    new = list(stage.drill.seed(stage.object, 1))
    stage.drill.edit(stage.object, old[0])
    records, _ = stage.pull(cursor=cursor)
    none_missing([old[0], *new], records, " after the vendor forgot the cursor")


@check(
    "follows-moves",
    Tier.GOLD,
    "A record that moves must stay the same record, or its task is doubled.",
    pulls,
)
def follows_moves(stage: Stage) -> None:
    before = stage.one()
    _, cursor = stage.pull()
    stage.drill.move(stage.object, before.id)
    records = [one for one in stage.pull(cursor=cursor)[0] if one.id == before.id]
    must(records, "A record that moved is not pulled under its id.")
    must(records[-1].address != before.address, "It moved, and its address is the old one.")


@check(
    "shows-deletions",
    Tier.GOLD,
    "A task whose record is gone must not stay open for ever.",
    lambda cls, spec: pulls(cls, spec) and spec.deletes != "unseen",
)
def shows_deletions(stage: Stage) -> None:
    gone, stays = stage.drill.seed(stage.object, 2)
    _, cursor = stage.pull()
    stage.drill.remove(stage.object, gone)
    records, _ = stage.pull(cursor=cursor)
    if any(one.id == gone and one.deleted for one in records):
        return
    if stage.spec.deletes == "reported":
        must(stage.spec.webhook, "A deletion is neither pulled nor told by webhook.")
        return  # `tells-deletions` holds the webhook to it
    everything = {one.id: one for one in stage.pull(stage.connector(fresh=True))[0]}
    must(stays in everything, "A sweep does not show what is there.")
    must(
        gone not in everything or everything[gone].deleted, "A sweep still shows what was deleted."
    )
    if stage.spec.fetch:
        (one,) = stage.connector().fetch(stage.object, [gone])
        must(one.deleted, "fetch does not say that it was deleted.")


@check(
    "forgets-deletions",
    Tier.GOLD,
    "Where a webhook was missed, only a pull of everything shows what is gone.",
    lambda cls, spec: pulls(cls, spec) and spec.deletes == "reported" and spec.webhook,
)
def forgets_deletions(stage: Stage) -> None:
    gone, stays = stage.drill.seed(stage.object, 2)
    stage.drill.remove(stage.object, gone)
    everything = {one.id: one for one in stage.pull(stage.connector(fresh=True))[0]}
    must(stays in everything, "A pull of everything does not show what is there.")
    must(
        gone not in everything or everything[gone].deleted,
        "A pull of everything shows a record that was deleted as if it were there.",
    )


@check(
    "works-in-threads",
    Tier.GOLD,
    "One connector serves several workers at once.",
    pulls,
)
def works_in_threads(stage: Stage) -> None:
    wanted = several_pages(stage)
    connector = stage.connector()
    fields = stage.fields(connector)
    counts: list[int] = []

    def read() -> None:
        pages = connector.pull(stage.object, {}, fields)
        counts.append(len(wanted - {one.id for page in pages for one in page.records}))

    wrong = in_threads(4, read)
    must(not wrong and not any(counts), f"With four threads: {wrong[:1]}, missing {counts}")
