"""What is written to a tool: in the words of the place it goes to, and never over what the field is
only a part of.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mappings.check import check_mapping
from mappings.compiler import CompiledMapping
from mappings.language import MappingSpec

Make = Callable[..., CompiledMapping]

TRANSITIONS = """
title: $.t
status:
  from: $.status.name
  to: $.transition.id
  values: {Open: open, Backlog: open, Doing: in_progress, Closed: done}
  back: {open: 11, in_progress: 21, done: 31, on_hold: 11, cancelled: 31}
"""
"""A tool that is read by names and written by numbers, as Jira's transitions are."""


@pytest.mark.parametrize("name", ["Open", "Backlog"])
def test_words_that_are_read_are_not_written_where_others_are_asked_for(
    mapping: Make, people: Any, name: str
) -> None:
    compiled = mapping(TRANSITIONS)
    base = {"t": "a", "status": {"name": name}}
    assert compiled.outward({"status": "open"}, people, "desk", base=base).fields == {
        "transition": {"id": 11}
    }


def test_a_table_with_words_of_its_own_for_the_way_back_is_used_whatever_the_tool_holds(
    mapping: Make, people: Any
) -> None:
    compiled = mapping(
        """
        custom.size:
          from: $.size.name
          to: $.size_id
          as: {lookup: {table: {Small: s, Large: l}, back: {s: '1', l: '2'}}}
        """
    )
    base = {"size": {"name": "Small"}}
    outward = compiled.outward({"custom.size": "s"}, people, "desk", base=base)
    assert outward.fields == {"size_id": "1"}


def test_the_same_words_at_another_place_are_kept_as_the_tool_holds_them(
    mapping: Make, people: Any
) -> None:
    compiled = mapping(
        """
        status:
          from: $.state.name
          to: $.state_name
          values: {Waiting: on_hold, Deferred: on_hold, Done: done}
          back: {on_hold: Waiting}
        priority: {from: $.prio.name, to: $.prio_name, values: {High: high, Higher: high}}
        """
    )
    base = {"state": {"name": "Deferred"}, "prio": {"name": "Higher"}}
    values = {"status": "on_hold", "priority": "high"}
    assert compiled.outward(values, people, "desk", base=base).fields == {
        "state_name": "Deferred",
        "prio_name": "Higher",
    }


PART = "title: $.t\ncustom.v: {from: $.body, as: {regex: 'Is (.)'}, values: {S: small, L: large}}"


def test_a_part_of_a_text_is_not_written_over_the_whole_text(mapping: Make, people: Any) -> None:
    compiled = mapping(PART)
    assert not compiled.invertible("custom.v")
    values = {"title": "a", "custom.v": "small"}
    assert compiled.outward(values, people, "desk").fields == {"t": "a"}
    base = {"t": "b", "body": "Is L\nand much more"}
    assert compiled.outward(values, people, "desk", base=base).fields == {"t": "a"}


def test_a_part_of_a_text_is_written_where_the_mapping_says(mapping: Make, people: Any) -> None:
    compiled = mapping(PART.replace("as:", "to: $.size, as:"))
    values = {"title": "a", "custom.v": "small"}
    assert compiled.outward(values, people, "desk").fields == {"t": "a", "size": "S"}


def test_the_check_says_that_such_a_part_does_not_go_back(
    spec: Callable[..., MappingSpec],
) -> None:
    assert [str(finding.message) for finding in check_mapping(spec(PART))] == [
        "'custom.v' cannot be written back: 'regex' has no way back."
    ]
    assert check_mapping(spec(PART.replace("as:", "to: $.size, as:"))) == []
