"""Pulling one object: by time, by a feed's own cursor, or everything; and what is read by id."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import islice

from connectors.rest.answers import Api, CursorExpired, member, members
from connectors.rest.lists import Found, Lists
from connectors.rest.objects import Listing, ObjectWords
from connectors.rest.shapes import Row, Shape
from connectors.rest.templates import Scope, filled
from connectors.rest.times import floor, stamp, unstamp
from connectors.sdk import (
    Change,
    ConnectorError,
    NotFoundError,
    Page,
    PayloadError,
    Record,
    RejectedError,
    UnsupportedError,
)
from connectors.sdk.http import HttpResponse
from connectors.sdk.paging import HELD, KEPT, PASSES, Mark, digest, follow, walk
from connectors.sdk.records import Cursor

LOOK_BACK = timedelta(minutes=5)
"""How long before the hub intended a create a search for it begins: clocks differ."""


class Reading:
    """What can be read of one object. `above` is the reading of the object it is listed below."""

    def __init__(
        self, api: Api, name: str, words: ObjectWords, above: Reading | None = None
    ) -> None:
        self.name = name
        self.words = words
        self.shape = Shape(name, words, api.scope)
        self._api = api
        self._above = above

    def lists(self, scope: Scope | None = None) -> Lists:
        """Its list. Raises UnsupportedError where it has none."""
        if self.words.list is None:
            raise UnsupportedError(f"{self._api.title} cannot list a {self.name}.")
        return Lists(self._api, self.words.list, self._place("list"), scope)

    def _place(self, key: str) -> str:
        return f"{self._api.title} objects.{self.name}.{key}"

    # ------------------------------------------------------------------------------------------

    def pull(self, cursor: Cursor) -> Iterator[Page]:
        """Pages of what changed since the cursor."""
        words = self.words.list
        if words is not None and words.for_each:
            yield from self._below(cursor)
            return
        lists = self.lists()
        for rows, after in self._rows(lists, cursor):
            yield Page([self.shape.record(row) for row in rows], after, lists.total)

    def _rows(self, lists: Lists, cursor: Cursor) -> Iterator[tuple[Sequence[Row], Cursor]]:
        words = self.words.list or Listing(path="/")
        if words.paging.keep:
            yield from self._feed(lists, words, cursor)
        elif words.since is None:
            yield from self._everything(lists, cursor)
        else:
            overlap, format, zone = words.since.overlap, words.since.format, words.since.zone

            def back(since: str) -> str:
                return stamp(floor(unstamp(since) - timedelta(seconds=overlap), format, zone))

            mark = _mark(cursor)
            if not words.sorted:
                yield from self._unsorted(lists, mark, back)
                return
            for rows, after in walk(
                lambda since, next: self._in_order(lists.ask(since, next)),
                mark,
                id=self.shape.id,
                stamp=self.shape.stamp,
                place=lists.place,
                back=back,
                drifts=not words.paging.stable,
                counted=lists.counted,
            ):
                yield rows, after.stored()

    def _in_order(self, page: Found) -> Found:
        stamps = [self.shape.stamp(row) for row in page.rows]
        if stamps != sorted(stamps):
            raise PayloadError(
                f"{self._place('list')} does not come oldest change first. Ask for that order in "
                "`query`, or write `sorted: false` where the vendor has none.",
                self._place("list"),
            )
        return page

    def _feed(
        self, lists: Lists, words: Listing, cursor: Cursor
    ) -> Iterator[tuple[Sequence[Row], Cursor]]:
        """A cursor for ever. One that the vendor forgot leads back to the beginning."""
        token = cursor.get("at")
        for attempt in (token, None):
            begun = False
            try:
                for page in follow(lambda next: lists.ask("", next or attempt), lists.place):  # noqa: B023 - used up within this turn
                    begun = True
                    token = getattr(page, "token", None) or token
                    if page.rows or token != cursor.get("at"):
                        yield page.rows, {"at": token} if token is not None else {}
            except ConnectorError as error:
                if begun or attempt is None or not self._forgotten(error, words):
                    raise
            else:
                return

    def _forgotten(self, error: ConnectorError, words: Listing) -> bool:
        return isinstance(error, CursorExpired) or (
            not words.paging.expired and isinstance(error, NotFoundError | RejectedError)
        )

    def _everything(self, lists: Lists, cursor: Cursor) -> Iterator[tuple[Sequence[Row], Cursor]]:
        """The whole list each time; a short one is remembered, so that only changes are told."""
        known = cursor.get("seen")
        seen = dict(known) if isinstance(known, dict) else {}
        here: set[str] = set()
        for page in follow(lambda next: lists.ask("", next), lists.place, counted=lists.counted):
            told = {self.shape.id(row): (digest(row), row) for row in page.rows}
            fresh = [row for id, (what, row) in told.items() if seen.get(id) != what]
            seen.update({id: what for id, (what, _) in told.items()})
            here |= set(islice(told, HELD - len(here))) if len(here) < HELD else set()
            if fresh:
                fresh.sort(key=self.shape.stamp)
                yield fresh, {"seen": dict(islice(seen.items(), KEPT))}
            for id in list(islice(seen, max(0, len(seen) - HELD))):
                del seen[id]
        kept = {id: what for id, what in seen.items() if id in here}
        after = {"seen": dict(islice(kept.items(), KEPT))}
        if known is not None and after["seen"] != known:
            yield [], after

    def _unsorted(
        self, lists: Lists, mark: Mark, back: Callable[[str], str]
    ) -> Iterator[tuple[Sequence[Row], Cursor]]:
        """In any order: the mark moves once the list came to its end. A list that is paged by
        numbers is read again until a pass brings nothing new, since records slip meanwhile.
        """
        since = back(mark.since) if mark.since else ""
        seen, newest, full = dict(mark.seen), mark.since, False
        for _ in range(PASSES):
            found, pages = False, 0
            for page in follow(
                lambda next: lists.ask(since, next), lists.place, counted=lists.counted
            ):
                pages += 1
                at = {self.shape.id(row): (self.shape.stamp(row), digest(row)) for row in page.rows}
                fresh = [row for row in page.rows if seen.get(id := self.shape.id(row)) != at[id]]
                seen.update(at)
                newest = max([newest, *(when for when, _ in at.values())])
                if fresh:
                    found = True
                    fresh.sort(key=self.shape.stamp)
                    recent = dict(islice(reversed(seen.items()), KEPT))
                    yield fresh, Mark(mark.since, recent).stored()
                full = full or len(seen) > HELD
                for id in list(islice(seen, max(0, len(seen) - HELD))):
                    del seen[id]
            if full or not (found and pages > 1 and lists.counted):
                break
        floor = back(newest) if newest else ""
        kept = {id: at for id, at in seen.items() if at[0] >= floor}
        after = Mark(newest, kept)
        if after.stored() != mark.stored():
            yield [], after.stored()

    def _below(self, cursor: Cursor) -> Iterator[Page]:
        """The records below every parent that changed."""
        assert self._above is not None  # noqa: S101 - the description was checked for it
        for rows, after in self._above._rows(self._above.lists(), cursor):
            found: list[Record] = []
            for row in rows:
                parent = self._above.shape.record(row)
                if not parent.deleted:
                    with suppress(NotFoundError):  # deleted since it was listed
                        found += self._children(parent)
            found.sort(key=lambda one: one.version or "")
            yield Page(found, after)

    def _children(self, parent: Record) -> Iterator[Record]:
        scope = {"parent": {"id": parent.id, "address": parent.address, "record": parent.data}}
        lists = self.lists(scope)
        for page in follow(lambda next: lists.ask("", next), lists.place, counted=lists.counted):
            for row in page.rows:
                yield self.shape.record(row, parent=parent.id)

    # ------------------------------------------------------------------------------------------

    def sample(self) -> Sequence[Row]:
        """The rows of a first page; none below another object that has none itself."""
        if self.words.list is None:
            return []
        if self.words.list.for_each and self._above is not None:
            for row in self._above.sample():
                parent = self._above.shape.record(row)
                if not parent.deleted and (found := list(islice(self._children(parent), 50))):
                    return [one.data for one in found]
            return []
        return self.lists().ask("", None).rows

    def get(self, scope: Scope, parent: str | None = None) -> Record:
        """One record now. Raises NotFoundError."""
        words = self.words.get
        if words is None:
            raise UnsupportedError(f"{self._api.title} cannot read one {self.name}.")
        answer = self._api.send("GET", words.path, scope, query=self._query(words.query, scope))
        row = member(answer.json(), words.record, self._place("get"))
        return self.shape.record(row, parent=parent)

    def fetch(self, ids: Sequence[str]) -> list[Record]:
        """These records now, what is gone marked as deleted."""
        words = self.words.get
        if words is None or words.batch is None:
            return [self._one(id) for id in ids]
        found: dict[str, Record] = {}
        size = words.batch.size
        for start in range(0, len(ids), size):
            scope = {"ids": words.batch.separator.join(ids[start : start + size])}
            query = self._query(words.batch.query, scope)
            answer: HttpResponse = self._api.send("GET", words.batch.path, scope, query=query)
            for row in members(answer.json(), words.batch.records, self._place("get.batch")):
                record = self.shape.record(row)
                found[record.id] = record
        return [found.get(id) or self._one(id) for id in ids]

    def _one(self, id: str) -> Record:
        try:
            return self.get({"id": id})
        except NotFoundError:
            return self.shape.gone(id)

    def _query(self, query: dict[str, str | int | bool], scope: Scope) -> dict[str, object]:
        return dict(filled(query, {**self._api.scope, **scope}))

    # ------------------------------------------------------------------------------------------

    def find(self, changes: Sequence[Change]) -> list[Record | None]:
        """For each create the record that carries its key."""
        key = self.words.key
        if key is None or key.field is None:
            raise UnsupportedError(f"A {self.name} of {self._api.title} keeps no key of ours.")
        if key.find is not None:
            return [self._found(key.find, change) for change in changes]
        return self._searched(changes)

    def _found(self, words: Listing, change: Change) -> Record | None:
        scope = {"key": change.key, "parent": {"id": change.parent}, "address": change.address}
        lists = Lists(self._api, words, self._place("key.find"), scope)
        for page in follow(lambda next: lists.ask("", next), lists.place, counted=lists.counted):
            for row in page.rows:
                if self.shape.key(row) == change.key:
                    return self.shape.record(row, parent=change.parent)
        return None

    def _searched(self, changes: Sequence[Change]) -> list[Record | None]:
        """Through what changed since the first of the creates was intended."""
        moments = [change.created_at for change in changes if change.created_at is not None]
        since = stamp(min(moments) - LOOK_BACK) if len(moments) == len(changes) else ""
        wanted, found = {change.key for change in changes}, dict[str, Record]()
        listing = self.words.list
        if listing is not None and listing.for_each:
            pages = iter([[one for change in changes for one in self._siblings(change)]])
        else:
            lists = self.lists()
            asked = since if listing is not None and listing.since is not None else ""
            pages = (
                [self.shape.record(row) for row in page.rows]
                for page in follow(
                    lambda next: lists.ask(asked, next), lists.place, counted=lists.counted
                )
            )
        for page in pages:
            for record in page:
                if record.key in wanted and not record.deleted:
                    found.setdefault(record.key, record)
            if wanted <= found.keys():
                break
        return [found.get(change.key) for change in changes]

    def _siblings(self, change: Change) -> list[Record]:
        if change.parent is None:
            return []
        with suppress(NotFoundError):
            return list(self._children(Record("", change.parent, {}, address=change.address)))
        return []


def _mark(cursor: Cursor) -> Mark:
    mark = Mark.of(cursor)
    with suppress(ValueError):
        if mark.since:
            unstamp(mark.since)
        return mark
    return Mark()  # written by another version, or by hand: from the beginning
