"""Reads what only some steps have: the event that a wait waits for, the process that a step is, the
list of `each`; and finds processes that contain each other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from hub.process.model import Part, ProcessDefinition, Wait
from hub.process.order import find_cycle
from hub.reading import VARIABLES, Reader, unknown
from mappings.canonical import EVENT_TYPES
from mappings.expressions import CompileError, Template
from mappings.source import Finding, Map, Place, Seq, did_you_mean

OF_ELEMENT = ("each", "each_index")
"""What expressions of a step with `each` see beside the rest: the element, and its place from 0."""

_BROUGHT = frozenset({"task", "item", "delivery"})
"""What only events of these families bring."""


def read_each(reader: Reader, body: Map) -> Template | None:
    """The list that a step runs over: text that is one expression."""
    template = reader.template(body, "each")
    if template is not None and (template.constant or template.literals):
        reader.error(
            body.at("each"),
            "'each' needs a list, and this is text.",
            'Write one expression alone: "${case.data.tenants}".',
        )
    return template


# ------------------------------------------------------------------------------------------ waits


def read_wait(reader: Reader, body: Map) -> Wait | None:
    """The event that a `wait` step waits for; mistakes become findings."""
    reader.required(body, "event", "a wait step")
    event = reader.text(body, "event")
    types = _types(reader, body, event) if event is not None else []
    condition = reader.condition(body, "if")
    before, reader.variables = reader.variables, tuple(v for v in VARIABLES if v != "case")
    key = reader.template(body, "key")
    reader.variables = before
    if event is None:
        return None
    brought = {type.partition(".")[0] for type in types} & _BROUGHT
    families = {name: f"{name}.*" for name in sorted(_BROUGHT)}
    if condition is not None and types:
        missing = condition.needs(_BROUGHT - brought)
        if missing is not None:
            name, column, line = missing
            place = reader.within(body.at("if"), condition.text, CompileError("", column, line))
            reader.error(
                place,
                f"this is never true: no event of '{event}' brings '{name}'.",
                f"Write event: {families[name]}.",
            )
    for name in sorted(_BROUGHT - brought) if key is not None and types else ():
        if key is not None and key.reads(name):
            reader.error(
                body.at("key"),
                f"this has no value: no event of '{event}' brings '{name}'.",
                f"Write event: {families[name]}.",
            )
    if key is not None and key.constant:
        reader.error(
            body.at("key"),
            "this is the same for every event, so it ties none to this case.",
            'Write what of the event is the key of the case: "${item.custom.account_id}".',
        )
    filter_place = body.at("if") if "if" in body else None
    return Wait(event, condition, filter_place, key, body.at("key") if key is not None else None)


def _types(reader: Reader, body: Map, event: str) -> list[str]:
    """The types of event that are meant."""
    place, stem = body.at("event"), event.removesuffix("*")
    if "*" in stem:
        reader.error(
            place, f"in '{event}' the * is not at the end.", "Write item.* or item.updated."
        )
        return []
    wild = event.endswith("*")
    found = [one for one in sorted(EVENT_TYPES) if one == event or (wild and one.startswith(stem))]
    if not found:
        families = sorted({f"{known.split('.')[0]}.*" for known in EVENT_TYPES})
        known = families if wild else sorted(EVENT_TYPES)
        reader.error(place, f"no event is called '{event}'.", did_you_mean(event, known))
    return found


# ------------------------------------------------------------------------------------------ parts


def read_part(reader: Reader, body: Map) -> Part | None:
    """The process that is run as a `process` step; mistakes become findings."""
    reader.required(body, "process", "a process step")
    name = reader.text(body, "process")
    key = reader.template(body, "key")
    told = reader.mapping(body, "data")
    data = {} if told is None else _templates(reader, told, told.place)
    return Part(name, body.at("process"), key, data) if name is not None else None


def _templates(reader: Reader, value: Any, place: Place) -> Any:
    """The same value with its texts as templates."""
    if isinstance(value, str):
        return reader.template_of(value, place)
    if isinstance(value, Map):
        return {key: _templates(reader, one, value.at(key)) for key, one in value.items()}
    if isinstance(value, Seq):
        return [_templates(reader, one, value.at(index)) for index, one in enumerate(value)]
    return value


def rendered(value: Any, sees: Mapping[str, Any]) -> Any:
    """The value with every template worked out. Raises ExpressionError."""
    if isinstance(value, Template):
        return value.render(sees)
    if isinstance(value, Mapping):
        return {key: rendered(one, sees) for key, one in value.items()}
    if isinstance(value, list):
        return [rendered(one, sees) for one in value]
    return value


def check_parts(
    processes: Mapping[str, ProcessDefinition], names: Collection[str]
) -> list[Finding]:
    """Parts that are no process of the workspace (`names` are all there are, also those with
    mistakes), and processes that are parts of themselves: a case of one would never end.
    """
    used = [step.part for one in processes.values() for step in one.steps.values() if step.part]
    unknowns = [
        Finding(part.place, *unknown(part.process, "process", names))
        for part in used
        if part.process not in names
    ]
    parts = {
        name: {step.part.process: step.part for step in one.steps.values() if step.part}
        for name, one in processes.items()
    }
    circle = find_cycle({name: list(found) for name, found in parts.items()})
    if not circle:
        return unknowns
    first, following = circle[0], (*circle, circle[0])[1]
    return [
        *unknowns,
        Finding(
            parts[first][following].place,
            f"these processes are parts of each other: {' → '.join([*circle, first])}.",
            "Take one of these steps out.",
        ),
    ]
