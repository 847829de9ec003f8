"""Whose value holds, as tables: both bases, every policy, and nothing that reads its own echo."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from hub.flow.merge import FieldPolicy, Merged, merge, same

Json = Any
LINK = {
    "remote_base": {"title": "A", "status": "open"},
    "hub_base": {"title": "A", "status": "open"},
}
Side = Literal["ours", "theirs", "review"]


def merged(
    ours: Json,
    theirs: Json,
    policy: FieldPolicy,
    *,
    name: str = "title",
    raw: Json = None,
    link: Json = LINK,
    newer: bool = True,
    review: tuple[str, ...] = (),
) -> Merged:
    return merge(
        "github",
        {name: policy},
        {name: theirs},
        {name: theirs if raw is None else raw},
        {name: ours},
        link,
        remote_is_newer=lambda name: newer,
        under_review=review,
    )


BOTH = FieldPolicy("both")


@pytest.mark.parametrize("ours", ["A", "B"])
@pytest.mark.parametrize("policy", ["review", "newest", "ours", "theirs"])
def test_what_the_tool_said_before_changes_nothing(ours: str, policy: Any) -> None:
    """An echo, whether or not the hub has moved on since, and whatever the policy."""
    result = merged(ours, "A", FieldPolicy("both", policy))
    assert result == Merged()


def test_only_the_tool_changed_it_so_it_comes_in() -> None:
    result = merged("A", "B", BOTH)
    assert result.values == {"title": "B"}
    assert (result.remote_base, result.hub_base) == ({"title": "B"}, {"title": "B"})
    assert not result.push_back
    assert not result.conflicts


def test_both_changed_it_to_the_same_so_nobody_is_told() -> None:
    result = merged("B", "B", BOTH)
    assert result.values == {}
    assert result.conflicts == {}
    assert result.push_back == set()
    assert (result.remote_base, result.hub_base) == ({"title": "B"}, {"title": "B"})


@pytest.mark.parametrize(
    ("policy", "newer", "holds"),
    [
        (FieldPolicy("both", "review"), True, "review"),
        (FieldPolicy("both", "ours"), True, "ours"),
        (FieldPolicy("both", "theirs"), True, "theirs"),
        (FieldPolicy("both", "newest"), True, "theirs"),
        (FieldPolicy("both", "newest"), False, "ours"),
        # a system of record is above every policy
        (FieldPolicy("both", "ours", "github"), False, "theirs"),
        (FieldPolicy("both", "theirs", "hub"), True, "ours"),
        (FieldPolicy("both", "theirs", "tracker"), True, "ours"),
    ],
)
def test_both_changed_it(policy: FieldPolicy, newer: bool, holds: Side) -> None:
    """Deterministic, and whoever loses is told: the hub by the value, the tool by a push."""
    result = merged("ours", "theirs", policy, newer=newer)
    assert result.values == ({"title": "theirs"} if holds == "theirs" else {})
    assert result.push_back == ({"title"} if holds == "ours" else set())
    assert result.conflicts == ({"title": ("ours", "theirs")} if holds == "review" else {})
    if holds == "review":
        assert result.remote_base == result.hub_base == {}


def test_ours_that_holds_stays_an_edit_until_it_was_pushed() -> None:
    """The hub's base is what both agreed on last, not what it would like."""
    result = merged("ours", "theirs", FieldPolicy("both", "ours"))
    assert result.remote_base == {"title": "theirs"}
    assert result.hub_base == {}


def test_a_field_under_review_keeps_ours_whatever_the_tool_says_next() -> None:
    result = merged("A", "C", FieldPolicy("both", "theirs"), review=("title",))
    assert result.conflicts == {"title": ("A", "C")}
    assert result.values == {}


def test_a_lossy_map_does_not_read_its_own_echo_as_an_edit() -> None:
    """on_hold is written as open and reads back as open: still on_hold."""
    link = {"remote_base": {"status": "open"}, "hub_base": {"status": "on_hold"}}
    result = merged("on_hold", "open", BOTH, name="status", raw="open", link=link)
    assert result == Merged()


def test_a_lossy_map_still_sees_a_real_edit() -> None:
    link = {"remote_base": {"status": "open"}, "hub_base": {"status": "on_hold"}}
    result = merged("on_hold", "done", BOTH, name="status", raw="closed", link=link)
    assert result.values == {"status": "done"}


def test_two_raw_values_that_mean_the_same_are_no_edit() -> None:
    """'Deferred' and 'Waiting' are both on_hold: the base moves, nothing else."""
    link = {"remote_base": {"status": "Deferred"}, "hub_base": {"status": "on_hold"}}
    result = merged("on_hold", "on_hold", BOTH, name="status", raw="Waiting", link=link)
    assert result.remote_base == {"status": "Waiting"}
    assert result.values == {}


@pytest.mark.parametrize("direction", ["in", "out", "both"])
def test_direction(direction: Any) -> None:
    """A field that only goes out takes nothing in."""
    result = merged("A", "B", FieldPolicy(direction))
    assert result.values == ({} if direction == "out" else {"title": "B"})


def test_labels_have_no_order_and_other_lists_do() -> None:
    assert same("labels", ["a", "b"], ["b", "a"])
    assert not same("labels", ["a"], ["a", "b"])
    assert not same("custom.list", ["a", "b"], ["b", "a"])


def test_reordered_labels_are_no_edit_of_either_side() -> None:
    link = {"remote_base": {"labels": ["a", "b"]}, "hub_base": {"labels": ["a", "b"]}}
    result = merged(["a", "b"], ["b", "a"], BOTH, name="labels", link=link)
    assert result.values == {}
    assert result.conflicts == {}
    # and an edit there is not taken for a conflict because ours is ordered otherwise
    result = merged(["b", "a"], ["a", "b", "c"], BOTH, name="labels", link=link)
    assert result.values == {"labels": ["a", "b", "c"]}


def test_a_field_that_was_never_agreed_on_takes_the_tools_value() -> None:
    """A mapping got a new field: the tool's value comes in on first sight."""
    link: Json = {"remote_base": {}, "hub_base": {}}
    assert merged(None, "B", BOTH, link=link).values == {"title": "B"}


def test_fields_the_record_does_not_speak_of_stay() -> None:
    result = merge(
        "github", {"title": BOTH}, {}, {}, {"title": "B"}, LINK, remote_is_newer=lambda name: True
    )
    assert result == Merged()


def test_an_emptied_value_is_an_edit() -> None:
    link = {"remote_base": {"due": "2026-03-01"}, "hub_base": {"due": {"date": "2026-03-01"}}}
    policy = {"due": BOTH}
    result = merge(
        "github", policy, {"due": None}, {"due": None}, {"due": {"date": "2026-03-01"}}, link,
        remote_is_newer=lambda name: True,
    )  # fmt: skip
    assert result.values == {"due": None}
