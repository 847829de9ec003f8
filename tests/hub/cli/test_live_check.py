"""What `hub check --live` says about a mapping and the account it is for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from connectors.sdk.records import Field
from hub.cli.live_check import ask_the_tools
from hub.flow.fitting import compare
from mappings.compiler import compile_mapping
from mappings.language import load_mapping
from mappings.source import Place

ACCOUNT = {
    field.name: field
    for field in (
        Field("title", "text"),
        Field("state", "choice", "State", ("New", "In Progress", "Blocked", "Done")),
        Field("size", "number"),
        Field("vip", "boolean"),
        Field("due_on", "date", "Due date"),
        Field("updated", "datetime", writable=False),
        Field("tags", "list"),
        Field("owner", "user"),
        Field("place", "object"),
        Field("rank", "object", "Rank", ("High", "Low")),
        Field("code", "choice", "Code", ("1", "2")),
    )
}
HEAD = "mapping: m\nconnection: desk\nobject: card\nentity: task\ndirection: {}\nfields:\n"
DONE = "New: open, In Progress: in_progress, Done: done"

FINDINGS = [
    (
        "a field that is not there",
        "description: ▸$.sise",
        "error: card of 'desk' has no field 'sise' in this account. Did you mean 'size'?",
    ),
    (
        "the name on the screen",
        "due: \"▸$['Due date']\"",
        "error: card of 'desk' has no field 'Due date' in this account. Did you mean 'due_on'?",
    ),
    (
        "a parameter that reads a field",
        "custom.a: {from: $.size, as: {▸money: $.curency}}",
        "error: card of 'desk' has no field 'curency' in this account. Known: code, due_on, "
        "owner, place, rank, size, state, tags, title, updated, vip.",
    ),
    (
        "true or false as text",
        "description: ▸$.vip",
        "error: 'vip' is true or false in card of 'desk', which 'description' cannot be made of. "
        "'description' takes text.",
    ),
    (
        "a date read as a moment",
        "due: {from: ▸$.due_on, as: datetime}",
        "error: 'due_on' is a date in card of 'desk', which 'due' cannot be made of. "
        "'datetime' cannot work on it.",
    ),
    (
        "a list as text",
        "description: ▸$.tags",
        "error: 'tags' is a list in card of 'desk', which 'description' cannot be made of. "
        "Choose one ($.list[0]), or add as: join.",
    ),
    (
        "an object as text",
        "description: ▸$.place",
        "error: 'place' is an object in card of 'desk', which 'description' cannot be made of. "
        "Read one of its members: $.place.NAME.",
    ),
    (
        "a choice that no line names",
        f"status: {{from: $.state, values: {{{DONE.replace('Done', '▸Done')}}}}}",
        "warning: 'Blocked' can be chosen in card of 'desk', and no line here says what it means. "
        "Add under values: Blocked: on_hold",
    ),
    (
        "a line for no choice",
        f"status: {{from: $.state, values: {{{DONE}, Blocked: on_hold, ▸Doen: done}}}}",
        "warning: 'Doen' cannot be chosen in card of 'desk'. Did you mean 'Done'?",
    ),
    (
        "choices behind a transform",
        "custom.c: {from: $.code, as: integer, values: {▸1: a}}",
        "warning: '2' can be chosen in card of 'desk', and no line here says what it means. "
        "Add under values: 2: OURS",
    ),
    (
        "choices of a member",
        "priority: {from: $.rank.name, values: {▸High: high}}",
        "warning: 'Low' can be chosen in card of 'desk', and no line here says what it means. "
        "Add under values: Low: low",
    ),
]
WRITTEN = [
    (
        "a target that is not there",
        "description: {from: $.title, to: ▸$.titel}",
        "error: card of 'desk' has no field 'titel' in this account. Did you mean 'title'?",
    ),
    (
        "a field that cannot be written",
        "custom.u: ▸$.updated",
        "warning: 'updated' cannot be written in card of 'desk'. "
        "Write direction: in for 'custom.u'.",
    ),
    (
        "a way back to no choice",
        f"status: {{from: $.state, values: {{{DONE}, Blocked: on_hold}}, back: {{open: ▸Gone}}}}",
        "error: 'Gone' cannot be chosen in card of 'desk', so it cannot be written. "
        "Did you mean 'Done'?",
    ),
]
FITTING = [
    "description: {from: $.tags, as: join}",
    "labels: $.tags",
    "assignee: {from: $.owner.login, as: party}",
    "due: $.due_on",
    "custom.size: $.size",
    "custom.x: $.place",
    "description: $.place.city",
    "priority: {from: $.rank.id, values: {7: high}}",
    f"status: {{from: $.state, values: {{{DONE}}}, otherwise: open}}",
]


def said(line: str, direction: str) -> list[str]:
    text = HEAD.format(direction) + f"  {line}\n"
    spec, findings = load_mapping("m.yaml", text)
    assert spec is not None
    assert findings == []
    return [str(one.finding) for one in compare(compile_mapping(spec), ACCOUNT, "card of 'desk'")]


@pytest.mark.parametrize(
    ("line", "direction", "message"),
    [(line, "in", message) for _, line, message in FINDINGS]
    + [(line, "both", message) for _, line, message in WRITTEN],
    ids=[name for name, _, _ in FINDINGS + WRITTEN],
)
def test_what_the_account_does_not_have_is_told_with_a_way_out(
    line: str, direction: str, message: str
) -> None:
    before, _, after = line.partition("▸")
    # a quoted path is told at its quote
    column = len(before) + 3 - before.endswith('"')
    assert said(before + after, direction) == [f"m.yaml:7:{column} {message}"]


@pytest.mark.parametrize("line", FITTING)
def test_what_fits_is_not_told(line: str) -> None:
    assert said(line, "in") == []


class Unreachable:
    """A connector whose library lets its own errors through."""

    def __init__(self, name: str, settings: Any, host: Any) -> None:
        self.name = name

    def check(self) -> None:
        raise OSError(f"no route to {self.name}.")

    def close(self) -> None:
        raise OSError("it was never open")


def test_a_connection_that_cannot_be_reached_leaves_the_others_to_be_asked() -> None:
    def connection(line: int) -> Any:
        place = Place("hub.yaml", line, 3)
        return SimpleNamespace(connector="x", place=place, settings=lambda cls, resolve: None)

    workspace: Any = SimpleNamespace(
        connections={"crm": connection(4), "desk": connection(7)}, mappings={}
    )
    classes: Any = {"x": Unreachable}
    host: Any = None
    found = ask_the_tools(workspace, classes, lambda name: None, host)
    assert [(str(one.place), one.message) for one in found] == [
        ("hub.yaml:4:3", "'crm' cannot be reached: no route to crm."),
        ("hub.yaml:7:3", "'desk' cannot be reached: no route to desk."),
    ]
