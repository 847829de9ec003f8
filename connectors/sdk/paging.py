"""Reading lists page by page without losing what changes meanwhile, and without going round in
circles at a vendor that does.

`follow` reads a list that holds still. `walk` reads what changed since a mark, oldest first:
vendors page by offset or number over a set that is sorted by a moving time, so records slip between
pages; each page is therefore followed by a question from its newest time on, and a time that fills
whole pages is read by following links until a pass brings nothing new.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import orjson

from connectors.sdk.errors import PayloadError
from connectors.sdk.records import Cursor, Json

Row = Mapping[str, Any]

EMPTY_PAGES = 20
"""Pages without a record, yet with a next one, that are believed in a row."""
KEPT = 500
"""How many records a cursor remembers by content. Those beyond are delivered again: harmless."""
HELD = 50_000
"""How many records a walk remembers while it runs. Where one time has more, they are read once."""
PASSES = 5
"""How often a time that fills pages is read again before moving on regardless."""

_LINK = re.compile(r"<([^<>]*)>([^<>]*)")
_PAGE = re.compile(r"[?&]page=([0-9]{1,9})(?:&|$)")
_RELATION = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s;,\"]+))", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of a list. `next` is whatever leads to the following page, None at the end; `total`
    how many records the whole list has, where the vendor says so.
    """

    rows: Sequence[Row]
    next: Json = None
    total: int | None = None


class Counting:
    """`ask` of a walk, remembering in `total` what the list said of itself when it was asked for
    from its very beginning: only then it counts everything there is.
    """

    def __init__(self, ask: Callable[[str, Json], Listed]) -> None:
        self._ask = ask
        self.total: int | None = None

    def __call__(self, since: str, next: Json) -> Listed:
        page = self._ask(since, next)
        if not since and next is None:
            self.total = page.total
        return page


def next_link(headers: Mapping[str, str]) -> str | None:
    """The address of the next page in a `Link` header (RFC 8288)."""
    return _link(headers, "next")


def last_page(headers: Mapping[str, str]) -> int | None:
    """The number of the last page, where a `Link` header leads there by `page`."""
    found = _PAGE.search(_link(headers, "last") or "")
    return int(found[1]) if found else None


def _link(headers: Mapping[str, str], wanted: str) -> str | None:
    for target, parameters in _LINK.findall(headers.get("link", "")):
        relation = _RELATION.search(parameters)
        if relation and wanted in (relation[1] or relation[2]).lower().split():
            return str(target)
    return None


def digest(value: Json) -> str:
    """A short name for a content: two equal ones have the same."""
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


class Circle:
    """Notices a list that has no end. Feed it every page before asking for the next.

    Raises PayloadError for a `next` that was there before, for the same rows twice, and for empty
    pages without end. With `counted` the connector itself numbers the pages, and a vendor that
    shows a page once more is only at its end.
    """

    def __init__(self, place: str, *, counted: bool = False) -> None:
        self._place = place
        self._counted = counted
        self._known: set[str] = set()
        self._shown: set[str] = set()
        self._empty = 0

    def ends(self, page: Listed, content: str | None = None) -> bool:
        """Whether this page is the last. `content` is a digest of its rows, where there is one."""
        if content is None and page.rows:
            content = digest(list(page.rows))
        if content is not None and content in self._shown:
            if self._counted:
                return True
            raise PayloadError(f"{self._place} shows the same page again and again.", self._place)
        if content is not None:
            self._shown.add(content)
        if page.next is None:
            return True
        self._empty = 0 if page.rows else self._empty + 1
        target = digest(page.next)
        if target in self._known or self._empty > EMPTY_PAGES:
            raise PayloadError(
                f"{self._place} has no end: its pages lead in a circle.", self._place
            )
        self._known.add(target)
        return False


def follow(ask: Callable[[Json], Listed], place: str, *, counted: bool = False) -> Iterator[Listed]:
    """Every page of a list, `ask(None)` being the first. Raises PayloadError for a circle."""
    circle = Circle(place, counted=counted)
    page = ask(None)
    while True:
        ended = circle.ends(page)
        if ended and counted and page.next is not None:
            return
        yield page
        if ended:
            return
        page = ask(page.next)


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a walk stands: everything before `since` was delivered, and of what is read again from
    there, `seen` (record id to its stamp and a digest of its content).
    """

    since: str = ""
    seen: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, cursor: Cursor | None) -> Mark:
        """The mark in a stored cursor; the beginning where there is none."""
        if not cursor or not isinstance(cursor.get("since"), str):
            return cls()
        seen = cursor.get("seen")
        known = seen if isinstance(seen, dict) else {}
        # an entry in the form of an older release is forgotten: its record comes once more
        pairs = {id: one for id, one in known.items() if isinstance(one, list) and len(one) == 2}
        return cls(cursor["since"], {id: (at, what) for id, (at, what) in pairs.items()})

    def stored(self) -> dict[str, Json]:
        """JSON for the cursor, bounded."""
        newest = sorted(self.seen.items(), key=lambda entry: entry[1][0])[-KEPT:]
        return {"since": self.since, "seen": {id: list(stamp) for id, stamp in newest}}


def walk(
    ask: Callable[[str, Json], Listed],
    mark: Mark,
    *,
    id: Callable[[Row], str],
    stamp: Callable[[Row], str],
    place: str,
    back: Callable[[str], str] = lambda since: since,
    drifts: bool = True,
    counted: bool = False,
) -> Iterator[tuple[list[Row], Mark]]:
    """New and changed rows page by page, each with the mark that follows them.

    `ask(since, next)` lists what changed at `since` or later ("" is the beginning), sorted by that
    time. `stamp` gives a row's time as text that sorts; `id` its identity. `back` steps back from
    a mark by the time that a vendor's clocks or indexes may be late (a pull begins there once;
    what was seen is not delivered again). `drifts=False`: the vendor's own cursor holds the list
    still, so links are followed to the end. Raises PayloadError where the list has no end.
    """
    since, seen = back(mark.since) if mark.since else "", dict(mark.seen)
    reached = mark.since
    next: Json = None
    followed = found = False  # this pass over `since`: followed a link; brought something
    passes = 1
    circle = Circle(place, counted=counted)
    while True:
        page = ask(since, next)
        stamped = [(row, id(row), (stamp(row), digest(row))) for row in page.rows]
        fresh = [row for row, key, at in stamped if seen.get(key) != at]
        seen.update({key: at for _, key, at in stamped})
        if len(seen) > HELD:  # reading this time again would find all of it new
            for key in list(islice(seen, len(seen) - HELD)):
                del seen[key]
            passes = PASSES
        newest = max((at for _, _, (at, _) in stamped), default=since)
        content = digest([what for _, _, (_, what) in stamped]) if stamped else None
        ended = circle.ends(page, content)
        found = found or bool(fresh)
        within = not ended and (not drifts or newest <= since)
        again = drifts and not within and followed and found and passes < PASSES
        if (within and not drifts) or (not within and not again):
            reached = max(newest, reached)
        floor = back(reached) if reached else ""
        kept = {key: at for key, at in seen.items() if at[0] >= floor}
        if fresh or (ended and not again and reached != mark.since):
            mark = Mark(reached, kept)
            yield fresh, mark
        if ended and not again:
            return
        if within:
            next, followed = page.next, True
            seen = seen if drifts else kept
            continue
        passes = passes + 1 if again else 1
        followed = found = False
        next, since = None, since if again else newest
        seen = kept
        circle = Circle(place, counted=counted)
