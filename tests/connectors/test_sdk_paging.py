"""What a walk promises: whatever changes between two pages, however often it is begun anew, and
whatever nonsense a vendor pages, nothing is lost and nothing goes on for ever.
"""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors.sdk import PayloadError
from connectors.sdk.paging import HELD, KEPT, Circle, Listed, Mark, follow, next_link, walk

Row = dict[str, Any]


@dataclass
class Vendor:
    """A list sorted by the time of change, paged by offset; `script` is what people do before the
    next requests: a list of actions for each.
    """

    size: int = 2
    clamps: bool = False
    """Shows the last page for every page beyond it."""
    rows: dict[int, tuple[int, int]] = field(default_factory=dict)
    script: list[list[tuple[str, int]]] = field(default_factory=list)
    now: int = 1
    asked: int = 0

    def act(self, action: str, number: int) -> None:
        if action == "tick":
            self.now += 1
        elif action == "make":
            self.rows[len(self.rows) + 100 * (self.asked + 1)] = (self.now, 0)
        elif self.rows:
            id = sorted(self.rows)[number % len(self.rows)]
            if action == "edit":
                self.rows[id] = (self.now, self.rows[id][1] + 1)
            else:
                del self.rows[id]

    def ask(self, since: str, next: Any) -> Listed:
        for action in self.script.pop(0) if self.script else ():
            self.act(*action)
        self.asked += 1
        listed = sorted(
            (at, id, version)
            for id, (at, version) in self.rows.items()
            if not since or at >= int(since)
        )
        start = next or 0
        if self.clamps and listed and start >= len(listed):
            start = (len(listed) - 1) // self.size * self.size
        page = listed[start : start + self.size]
        rows = [{"id": id, "at": f"{at:06}", "version": version} for at, id, version in page]
        more = bool(listed) if self.clamps else start + self.size < len(listed)
        return Listed(rows, (next or 0) + self.size if more else None)


def walked(vendor: Vendor, mark: Mark, **options: Any) -> Iterator[tuple[list[Any], Mark]]:
    return walk(
        vendor.ask,
        mark,
        id=lambda row: str(row["id"]),
        stamp=lambda row: str(row["at"]),
        place="things",
        counted=True,
        **options,
    )


def stored(mark: Mark) -> Mark:
    return Mark.of(json.loads(json.dumps(mark.stored())))


ACTIONS = st.tuples(st.sampled_from(["edit", "edit", "make", "drop", "tick"]), st.integers(0, 9))
SCRIPTS = st.lists(st.lists(ACTIONS, max_size=2), max_size=4)
TIMES = st.lists(st.integers(0, 3), max_size=12)


def vendor_of(times: list[int], script: list[list[tuple[str, int]]], size: int) -> Vendor:
    rows = {number: (at, 0) for number, at in enumerate(times)}
    return Vendor(size=size, rows=rows, script=script, now=max(times, default=0))


def delivered(latest: dict[int, int], rows: list[Any]) -> None:
    latest.update({row["id"]: row["version"] for row in rows})


def read(vendor: Vendor, mark: Mark, latest: dict[int, int]) -> Mark:
    """Walk to the end, note what is delivered, and give the mark as a database gives it back."""
    last = mark
    for rows, after in walked(vendor, mark):
        delivered(latest, rows)
        last = after
    return stored(last)


@settings(max_examples=300, deadline=None)
@given(TIMES, SCRIPTS, st.integers(1, 4), st.booleans())
@example([0, 0, 0, 0, 0], [[], [("edit", 0)], [("edit", 1)]], 2, False)
@example([0, 1, 2, 3], [[], [("drop", 0)]], 2, False)
def test_the_last_state_of_every_record_is_delivered(
    times: list[int], script: list[list[tuple[str, int]]], size: int, clamps: bool
) -> None:
    """Records move and vanish while pages are read; the next pull shows what this one could not."""
    vendor = vendor_of(times, script, size)
    vendor.clamps = clamps
    latest: dict[int, int] = {}
    mark = read(vendor, Mark(), latest)
    vendor.script = []
    mark = read(vendor, mark, latest)
    assert {id: version for id, version in latest.items() if id in vendor.rows} == {
        id: version for id, (_, version) in vendor.rows.items()
    }
    assert list(walked(vendor, mark)) == []
    assert vendor.asked < 400


@settings(max_examples=200, deadline=None)
@given(TIMES, SCRIPTS, st.integers(1, 4))
@example([0, 0], [[], [("make", 0)], [("drop", 0), ("drop", 0)]], 1)
def test_a_walk_begun_anew_after_every_page_comes_to_its_end(
    times: list[int], script: list[list[tuple[str, int]]], size: int
) -> None:
    vendor = vendor_of(times, script, size)
    latest: dict[int, int] = {}
    mark = Mark()
    for _ in range(60):
        quiet = not vendor.script  # what changes during a walk, the next one shows
        found = next(walked(vendor, stored(mark)), None)
        if found is None and quiet:
            break
        if found is not None:
            delivered(latest, found[0])
            mark = found[1]
    else:
        pytest.fail("it never comes to rest")
    assert {id for id in latest if id in vendor.rows} == set(vendor.rows)
    assert all(latest[id] == version for id, (_, version) in vendor.rows.items())


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.lists(st.integers(0, 3), max_size=3), st.one_of(st.none(), st.integers(0, 3))),
        min_size=1,
        max_size=5,
    ),
    st.booleans(),
    st.booleans(),
)
def test_a_vendor_that_pages_nonsense_is_left_sooner_or_later(
    pages: list[tuple[list[int], int | None]], counted: bool, drifts: bool
) -> None:
    """Each `next` leads to any page, whatever was asked for."""
    asked = 0

    def ask(since: str, next: Any) -> Listed:
        nonlocal asked
        asked += 1
        assert asked < 1000
        rows, further = pages[(next or 0) % len(pages)]
        if counted and further is not None:
            further = (next or 0) + 1
        return Listed([{"id": row, "at": str(row)} for row in rows], further)

    def run() -> None:
        for _ in walk(
            ask,
            Mark(),
            id=lambda row: str(row["id"]),
            stamp=lambda row: str(row["at"]),
            place="things",
            counted=counted,
            drifts=drifts,
        ):
            pass

    try:
        run()
    except PayloadError as error:
        assert "things" in str(error)  # noqa: PT017 - it may also end by itself
    try:
        for _ in follow(lambda next: ask("", next), "things", counted=counted):
            pass
    except PayloadError as error:
        assert "things" in str(error)  # noqa: PT017


def test_a_vendor_that_ignores_the_time_is_still_read_to_its_end() -> None:
    vendor = Vendor(size=3, rows={number: (number, 0) for number in range(20)})
    found: set[int] = set()
    for rows, _ in walk(
        lambda since, next: vendor.ask("", next),
        Mark(),
        id=lambda row: str(row["id"]),
        stamp=lambda row: str(row["at"]),
        place="things",
        counted=True,
    ):
        found |= {row["id"] for row in rows}
    assert found == set(range(20))


def test_what_lies_within_the_overlap_is_asked_for_and_not_delivered_again() -> None:
    vendor = Vendor(size=10, rows={number: (number, 0) for number in range(8)})

    def back(since: str) -> str:
        return f"{max(0, int(since) - 3):06}"

    marks = [mark for _, mark in walked(vendor, Mark(), back=back)]
    assert list(walked(vendor, stored(marks[-1]), back=back)) == []
    vendor.rows[99] = (5, 0)  # shows late, stamped before what we have
    ((rows, _),) = walked(vendor, stored(marks[-1]), back=back)
    assert [row["id"] for row in rows] == [99]


def test_a_list_that_holds_still_is_followed_and_its_mark_moves_with_each_page() -> None:
    vendor = Vendor(size=2, rows={number: (number // 4, 0) for number in range(9)})
    pages = list(walked(vendor, Mark(), drifts=False))
    assert [len(rows) for rows, _ in pages] == [2, 2, 2, 2, 1]
    assert vendor.asked == 5
    assert [mark.since for _, mark in pages] == sorted(mark.since for _, mark in pages)


def test_a_cursor_stays_small_however_many_records_share_one_time() -> None:
    vendor = Vendor(size=500, rows={number: (1, 0) for number in range(6000)})
    mark = Mark()
    for _, mark in walked(vendor, Mark()):
        assert len(mark.stored()["seen"]) <= KEPT
        assert len(json.dumps(mark.stored())) < 64 * 1024
    again = [row for rows, _ in walked(vendor, stored(mark)) for row in rows]
    assert len(again) <= 6000


def test_memory_does_not_grow_with_the_number_of_records() -> None:
    """Rows are made on demand: what grows would be the walk's own memory."""

    def ask(since: str, next: Any) -> Listed:
        first = int(since or 0)
        rows = [{"id": at, "at": f"{at:08}", "text": "x" * 50} for at in range(first, first + 200)]
        return Listed(rows, "more" if first < 40_000 else None)

    peaks = []
    tracemalloc.start()
    try:
        for number, _ in enumerate(
            walk(
                ask,
                Mark(),
                id=lambda row: str(row["id"]),
                stamp=lambda row: str(row["at"]),
                place="things",
            )
        ):
            if number in (10, 190):
                peaks.append(tracemalloc.get_traced_memory()[1])
                tracemalloc.reset_peak()
    finally:
        tracemalloc.stop()
    assert len(peaks) == 2
    assert peaks[1] < peaks[0] * 1.5


def test_more_equal_times_than_a_walk_remembers_are_all_delivered_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert HELD >= 10_000
    monkeypatch.setattr("connectors.sdk.paging.HELD", 20)
    vendor = Vendor(size=5, rows={number: (1, 0) for number in range(60)})
    found = [row["id"] for rows, _ in walked(vendor, Mark()) for row in rows]
    assert set(found) == set(range(60))
    assert len(found) < 3 * 60
    assert vendor.asked < 60


def test_a_circle_is_noticed_by_its_target_its_rows_and_its_emptiness() -> None:
    row = [{"id": 1}]
    circle = Circle("things")
    assert not circle.ends(Listed(row, "a"))
    with pytest.raises(PayloadError, match="same page"):
        circle.ends(Listed(row, "b"))
    circle = Circle("things")
    assert not circle.ends(Listed([{"id": 1}], "a"))
    with pytest.raises(PayloadError, match="circle"):
        circle.ends(Listed([{"id": 2}], "a"))
    circle = Circle("things")
    with pytest.raises(PayloadError, match="no end"):
        all(not circle.ends(Listed([], number)) for number in range(100))


def test_pages_that_come_round_again_end_a_numbered_list() -> None:
    pages = [[{"id": 1}], [{"id": 2}]]
    read = list(
        follow(lambda next: Listed(pages[(next or 0) % 2], (next or 0) + 1), "x", counted=True)
    )
    assert [page.rows for page in read] == pages


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ('<https://x.test/a?page=2>; rel="next"', "https://x.test/a?page=2"),
        ('<https://x.test/a>; rel="prev", </b?x=1,2>; rel=next', "/b?x=1,2"),
        ('<https://x.test/a>; title="n"; rel="next"', "https://x.test/a"),
        ('<https://x.test/a>; rel="last next"', "https://x.test/a"),
        ('<https://x.test/a>; REL="Next"', "https://x.test/a"),
        ('<https://x.test/a>; rel="last"', None),
        ("", None),
    ],
)
def test_the_next_page_is_read_from_a_link_header(header: str, target: str | None) -> None:
    assert next_link({"link": header}) == target


@pytest.mark.parametrize(
    "cursor", [None, {}, {"since": 5}, {"since": "a", "seen": []}, {"at": "token"}]
)
def test_a_cursor_of_another_kind_begins_anew_or_at_its_time(cursor: Any) -> None:
    mark = Mark.of(cursor)
    assert mark.seen == {}
    assert mark.since in ("", "a")
