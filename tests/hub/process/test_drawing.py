"""The picture of a process: everything is in it, nothing overlaps, and it is the same each time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import combinations, pairwise
from typing import Any
from xml.etree import ElementTree

import pytest

from hub.process.drawing.lettering import readable, width, wrapped
from hub.process.drawing.of_case import states_of, titles_of
from hub.process.drawing.sketch import State, sketch
from hub.process.drawing.svg import diagram
from hub.process.model import ProcessDefinition
from tests.hub.process.drawn import chain, everything, loaded

SVG = "{http://www.w3.org/2000/svg}"
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def words(drawn: str) -> str:
    root = ElementTree.fromstring(drawn)  # noqa: S314 - our own
    return " ".join("".join(one.itertext()) for one in root.iter(f"{SVG}text"))


def test_everything_that_people_must_know_is_written_there() -> None:
    text = words(diagram(everything(), people={"dana": "Dana Meier"}))
    for said in (
        "Check order \u2039number\u203a of", "Finance lead", "Outside: \u2039customer email\u203a",
        "due in 4 business hours", "if case.data.discount > 0.15", "Rejected", "Approved",
        "\u21ba Changes requested", "Ends: price refused", "once per \u2039positions\u203a",
        "to undo: Scrap the parts", "runs Customs", "until item.updated, if", "Completed",
    ):  # fmt: skip
        assert said in text


def test_the_same_process_makes_the_same_bytes() -> None:
    assert diagram(everything()) == diagram(everything())


def test_the_picture_is_told_to_who_does_not_see_it() -> None:
    root = ElementTree.fromstring(diagram(everything()))  # noqa: S314 - our own
    assert root.get("role") == "img"
    assert root.findtext(f"{SVG}title") == "Everything & more"
    told = str(root.findtext(f"{SVG}desc"))
    assert told.startswith("8 steps. 1. Task: Check order")
    assert "Decision: Accept the special price?. if case.data.discount" in told


def test_the_picture_brings_no_script_and_nothing_from_outside() -> None:
    title = '<script>alert(1)</script> & "quotes"'
    drawn = diagram(loaded(f"process: p\naccountable: dana\nsteps:\n  a: {{title: '{title}'}}\n"))
    assert "<script" not in drawn
    assert "&lt;script&gt;" in drawn
    assert "http" not in drawn.replace("http://www.w3.org/2000/svg", "")
    assert "<style>" not in diagram(everything(), styled=False)


@pytest.mark.parametrize("process", [everything(), chain(30)], ids=["everything", "thirty steps"])
def test_no_card_lies_on_another_and_no_line_runs_through_one(process: ProcessDefinition) -> None:
    drawn = sketch(process)
    places = {
        id: (x, y, x + drawn.cards[id].width, y + drawn.cards[id].height)
        for id, (x, y) in drawn.placed.boxes.items()
    }
    for one, other in combinations(places.values(), 2):
        apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        assert apart
    for line, points in drawn.placed.lines.items():
        ends = (drawn.lines[line].source, drawn.lines[line].target)
        for (ax, ay), (bx, by) in pairwise(points):
            assert ax == bx or ay == by, line
            for id, (left, top, right, bottom) in places.items():
                inside = (
                    min(ax, bx) < right and max(ax, bx) > left
                    and min(ay, by) < bottom and max(ay, by) > top
                )  # fmt: skip
                assert id in ends or not inside, (line, id)


def test_every_word_fits_its_card() -> None:
    for card in sketch(everything()).cards.values():
        for paragraph in card.words:
            for line in paragraph.lines:
                assert width(line, 11.0) <= card.width


def test_long_words_break_and_nothing_is_left_out() -> None:
    text = "Donaudampfschifffahrtsgesellschaftskapitaen case.data.customer.registration_number"
    lines = wrapped(text, 120, 12)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(width(line, 12) <= 120 for line in lines)
    assert (
        readable("Bill ${case.data.customer} ${1 + 1}")
        == "Bill \u2039customer\u203a \u2039\u2026\u203a"
    )


def row(key: str, status: str, run: int = 1, **more: Any) -> dict[str, Any]:
    return {"key": key, "status": status, "run": run, "blocked": False, "due_by": None,
            "outcome": None, "parent": None, "title": f"{key} {run}", **more}  # fmt: skip


def test_a_case_shows_how_far_each_step_is_in_words_and_not_by_colour_alone() -> None:
    rows = [
        row("order", "completed"), row("order", "active", 2, due_by=NOW - timedelta(hours=1)),
        row("price", "completed", outcome="changes_requested"), row("price", "available", 2),
        row("customs", "skipped"), row("address", "active", blocked=True),
        row("build", "completed", 1, parent="s"), row("build", "active", 2, parent="s"),
    ]  # fmt: skip
    states = states_of(everything(), rows, NOW)
    assert states["order"] == State("overdue", "Overdue (run 2)")
    assert states["price"] == State("available", "Not yet (run 2)")
    assert states["address"] == State("blocked", "Blocked")
    assert states["build"] == State("active", "Now: 1 of 2 done")
    assert states["paid"] == State("available", "Not yet")
    drawn = diagram(everything(), states=states, titles=titles_of(rows))
    assert 'class="pd-task is-overdue"' in drawn
    assert "Overdue (run 2)" in words(drawn)
    assert "order 2" in words(drawn)


def test_nothing_is_overdue_in_a_case_that_has_ended() -> None:
    rows = [row("order", "active", due_by=NOW - timedelta(hours=1))]
    assert states_of(everything(), rows, NOW, running=False)["order"].word == "active"
