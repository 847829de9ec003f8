"""Reads the examples that stand in a process file: what a case is given, what happens, and what
must be so then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub import keys
from hub.process.model import Happening, ProcessTest, StepDefinition
from hub.reading import Reader, plain, unknown
from mappings.canonical import EVENT_TYPES, CaseStatus, StepType
from mappings.source import Map, Place

HAPPENS = ("done", "decide", "event", "ended", "skip")
STATES = ("active", "completed", "skipped", "available", "blocked")
_BESIDE = ("item", "task")
_KINDS: Mapping[str, tuple[StepType, ...]] = {
    "done": (StepType.TASK,),
    "decide": (StepType.DECISION,),
    "ended": (StepType.PROCESS,),
    "skip": (StepType.WAIT, StepType.PROCESS),
}
"""What can happen to which kinds of steps."""

Steps = Mapping[str, StepDefinition]


def read_tests(reader: Reader, document: Map, steps: Steps) -> tuple[ProcessTest, ...]:
    """The examples of a process; mistakes become findings, and leave theirs out."""
    found = (_test(reader, body, steps) for body in reader.maps(document, "tests"))
    return tuple(one for one in found if one is not None)


def _test(reader: Reader, body: Map, steps: Steps) -> ProcessTest | None:
    reader.only(body, keys.PROCESS_TEST, "a test")
    given = reader.mapping(body, "given")
    if given is not None:
        reader.only(given, keys.PROCESS_GIVEN, "'given'")
        for name in ("data", "item"):
            reader.mapping(given, name)
    happens = [_happening(reader, one, steps) for one in reader.maps(body, "happens")]
    if not reader.required(body, "expect", "a test"):
        return None
    expect = reader.mapping(body, "expect")
    if expect is None:
        return None
    reader.only(expect, keys.EXPECTED, "'expect'")
    states: dict[str, tuple[str, ...]] = {}
    for state in STATES:
        if expect.get(state) is None:
            continue
        names = reader.texts(expect, state)
        for name, place in names:
            if name not in steps:
                reader.error(place, *unknown(name, "step", steps))
        states[state] = tuple(name for name, _ in names)
    if not expect:
        reader.error(body.at("expect"), "this expects nothing.", "Write active: [STEP].")
    return ProcessTest(
        plain(given) if given is not None else {},
        tuple(one for one in happens if one is not None),
        states,
        body.place,
        body.at("expect"),
        reader.text(body, "name") or "",
        reader.choice(expect, "status", tuple(CaseStatus)),
        reader.text(expect, "outcome"),
    )


def _happening(reader: Reader, body: Map, steps: Steps) -> Happening | None:
    reader.only(body, keys.HAPPENING, "what happens")
    kinds = [name for name in HAPPENS if name in body]
    if len(kinds) != 1:
        reader.error(
            body.place,
            "an entry of 'happens' is one thing.",
            f"Write one of: {', '.join(HAPPENS)}.",
        )
        return None
    kind = kinds[0]
    if kind == "event":
        return _event(reader, body)
    for name in _BESIDE:
        if name in body:
            reader.error(body.key_at(name), f"'{name}' belongs to an event.", "Write event beside.")
    named = body[kind]
    if isinstance(named, str) and kind in ("done", "skip"):
        step, value, place = named, None, body.at(kind)
    elif isinstance(named, Map) and len(named) == 1 and kind != "skip":
        step, place = next(iter(named)), named.key_at(next(iter(named)))
        value = plain(named[step])
    else:
        wanted = {"done": "STEP, or {STEP: {FIELD: …}}", "skip": "STEP"}.get(
            kind, "{STEP: OUTCOME}"
        )
        reader.error(body.at(kind), f"'{kind}' names one step.", f"Write {kind}: {wanted}.")
        return None
    return _checked(reader, Happening(kind, place, step, value), steps)


def _checked(reader: Reader, one: Happening, steps: Steps) -> Happening | None:
    """The same, if it can happen to that step at all."""
    step = steps.get(one.step)
    if step is None:
        reader.error(one.place, *unknown(one.step, "step", steps))
        return None
    if step.type not in _KINDS[one.kind]:
        kinds = " and ".join(_KINDS[one.kind])
        reader.error(
            one.place, f"'{one.kind}' happens to {kinds} steps; '{one.step}' is a {step.type}."
        )
        return None
    if one.kind == "decide" and one.value not in step.options:
        reader.error(one.place, *unknown(str(one.value), "option", step.options))
        return None
    if one.kind == "done" and one.value is not None and not isinstance(one.value, dict):
        reader.error(one.place, "a form is filled in field by field.", "Write {FIELD: …}.")
        return None
    if one.kind == "done" and step.form and not one.value:
        reader.error(
            one.place,
            f"'{one.step}' is not done without its form.",
            f"Write done: {{{one.step}: {{FIELD: …}}}}.",
        )
        return None
    return one


def _event(reader: Reader, body: Map) -> Happening | None:
    event = reader.mapping(body, "event")
    if event is None or not isinstance(event.get("type"), str):
        reader.error(body.at("event"), "an event needs a type.", "Write event: {type: …}.")
        return None
    if event["type"] not in EVENT_TYPES:
        reader.error(event.at("type"), *unknown(event["type"], "event type", EVENT_TYPES))
        return None
    for name in _BESIDE:
        reader.mapping(body, name)
    seen: dict[str, Any] = {name: plain(body[name]) for name in _BESIDE if name in body}
    return Happening("event", _place(body), value={**seen, "event": plain(event)})


def _place(body: Map) -> Place:
    return body.key_at("event")
