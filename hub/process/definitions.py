"""Loads a process file and finds everything that can be wrong with it before a case runs: names,
types, order, people, durations and conditions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hub import keys
from hub.process.clock_keys import read_calendar, read_pause, stands_from_the_start
from hub.process.decision_keys import KEYS as DECISION_KEYS
from hub.process.decision_keys import read_decision
from hub.process.model import (
    Escalation,
    Outcome,
    ProcessDefinition,
    Reminders,
    StepDefinition,
)
from hub.process.order import find_cycle, predecessors_of, successors_of
from hub.process.process_tests import read_tests
from hub.process.step_kinds import OF_ELEMENT, read_each, read_part, read_wait
from hub.process.who import Known, WhoKind, read_who
from hub.reading import VARIABLES, Reader, descend, plain, unknown
from mappings.canonical import StepType, WaitingOn
from mappings.expressions import Template, compile_text
from mappings.source import Finding, Map, did_you_mean

__all__ = [
    "Escalation",
    "Outcome",
    "ProcessDefinition",
    "Reminders",
    "StepDefinition",
    "load_process",
]

DEFAULT_REMINDERS = 3

_COMMON = {"type", "title", "description", "delivers", "after", "if", "each"}
_OWNED = {
    "responsible", "accountable", "due", "remind", "escalate", "waiting_on", "compensation",
    "calendar", "pause",
}  # fmt: skip
_MIRRORED = {"connection", "object", "labels"}
_COLLEAGUE: tuple[WhoKind, ...] = ("person", "role", "accountable")
STEP_KEYS: Mapping[StepType, frozenset[str]] = {
    StepType.TASK: frozenset(_COMMON | _OWNED | _MIRRORED | {"form", "accept_within"}),
    StepType.DECISION: frozenset(_COMMON | _OWNED | _MIRRORED | DECISION_KEYS),
    StepType.MILESTONE: frozenset(_COMMON),
    StepType.WAIT: frozenset(_COMMON | _OWNED | {"event", "key"}),
    StepType.PROCESS: frozenset(_COMMON | _OWNED | {"process", "key", "data"}),
}
_EVERY_STEP_KEY = frozenset().union(*STEP_KEYS.values())


def load_process(
    file: str, text_or_map: str | Map, known: Known | None = None
) -> tuple[ProcessDefinition | None, list[Finding]]:
    """The process in a file, or None beside at least one error among the findings.

    `known` are the workspace's people, roles and connections; what it leaves out is not checked.
    """
    reader = Reader(file, text_or_map if isinstance(text_or_map, str) else "")
    document = text_or_map if isinstance(text_or_map, Map) else reader.load()
    if document is None:
        return None, reader.findings
    definition = _Loading(reader, known or Known()).process(document)
    return (None if reader.failed else definition), reader.findings


class _Loading:
    def __init__(self, reader: Reader, known: Known) -> None:
        self.reader = reader
        self.known = known

    def process(self, document: Map) -> ProcessDefinition | None:
        reader = self.reader
        reader.only(document, keys.PROCESS, "a process")
        for needed in ("process", "accountable", "steps"):
            reader.required(document, needed, "a process")
        key = reader.text(document, "process")
        accountable = read_who(reader, document, "accountable", self.known, ("person", "role"))
        written = reader.mapping(document, "steps")
        if written is not None and not written:
            reader.error(document.at("steps"), "a process needs at least one step.")
        steps: dict[str, StepDefinition] = {}
        for name, body in (written or {}).items():
            if written is None:
                break
            if not isinstance(body, Map):
                reader.wrong(written, name, "a mapping")
                continue
            step = self.step(name, body, written)
            if step is not None:
                steps[name] = step
        title = reader.text(document, "title")
        due = reader.duration(document, "due")
        description = reader.text(document, "description")
        tests = read_tests(reader, document, steps)
        if key is None or accountable is None or written is None:
            return None
        self.outcomes_lead_back(written, steps)
        return ProcessDefinition(
            key, title or key, accountable, steps, document.place, due, description,
            accept_within=reader.duration(document, "accept_within"), tests=tests,
            calendar=read_calendar(reader, document, self.known.calendars),
            pause=read_pause(reader, document),
        )  # fmt: skip

    # ------------------------------------------------------------------------------- one step

    def step(self, key: str, body: Map, steps: Map) -> StepDefinition | None:
        reader = self.reader
        kind_text = reader.choice(body, "type", tuple(StepType)) or "task"
        kind = StepType(kind_text)
        what = f"a {kind} step" if kind is not StepType.TASK else "a step"
        if "type" not in body or body["type"] in tuple(StepType):
            self.keys(body, kind, what)
        reader.required(body, "title", "a step")
        each = read_each(reader, body)
        if "each" in body:
            reader.variables = (*VARIABLES, *OF_ELEMENT)
        try:
            return self.parts(key, kind, body, steps, each)
        finally:
            reader.variables = VARIABLES

    def parts(
        self, key: str, kind: StepType, body: Map, steps: Map, each: Template | None
    ) -> StepDefinition:
        """What the keys of a step say, each read for itself."""
        reader = self.reader
        waits = kind is StepType.WAIT
        # nobody outside is asked for anything by a wait or a process
        askable = (
            (*_COLLEAGUE, "external")
            if kind in (StepType.TASK, StepType.DECISION)
            else (_COLLEAGUE)
        )
        title = reader.template(body, "title")
        labels = [reader.template_of(*label) for label in reader.texts(body, "labels")]
        decision = (
            read_decision(reader, self.known, key, body, steps) if kind is StepType.DECISION else {}
        )
        step = StepDefinition(
            key=key,
            type=kind,
            title=title or compile_text(key),
            place=steps.key_at(key),
            description=reader.template(body, "description"),
            delivers=reader.text(body, "delivers"),
            after=self.after(key, body, steps),
            condition=None if waits else reader.condition(body, "if"),
            condition_place=body.at("if") if "if" in body and not waits else None,
            each=each,
            each_place=body.at("each") if "each" in body else None,
            wait=read_wait(reader, body) if waits else None,
            part=read_part(reader, body) if kind is StepType.PROCESS else None,
            compensation=reader.template(body, "compensation"),
            responsible=read_who(reader, body, "responsible", self.known, askable),
            accountable=read_who(reader, body, "accountable", self.known, ("person", "role")),
            connection=self.connection(body),
            object=reader.text(body, "object"),
            due=reader.duration(body, "due"),
            calendar=read_calendar(reader, body, self.known.calendars),
            pause=read_pause(reader, body),
            waiting_on=WaitingOn(
                reader.choice(body, "waiting_on", tuple(WaitingOn))
                or ("system" if waits else "internal")
            ),
            form=self.form(body) if kind is StepType.TASK else None,
            accept_within=reader.duration(body, "accept_within"),
            remind=self.remind(body),
            escalate=self.escalate(body),
            labels=tuple(label for label in labels if label is not None),
            **decision,
        )
        stands_from_the_start(reader, body, step.pause, step.waiting_on, step.responsible)
        if step.object is not None and step.connection is None and "connection" not in body:
            reader.error(
                body.key_at("object"), "'object' needs a 'connection' beside it.", "Name the tool."
            )
        return step

    def keys(self, body: Map, kind: StepType, what: str) -> None:
        for name in body:
            if name in STEP_KEYS[kind]:
                continue
            owners = [other for other in STEP_KEYS if name in STEP_KEYS[other]]
            if owners:
                message = f"'{name}' belongs to {' and '.join(owners)} steps, not to {what}."
                hint = f"Write type: {owners[0]}, or remove '{name}'."
            else:
                message = f"{what} has no '{name}'."
                hint = did_you_mean(name, sorted(STEP_KEYS[kind]))
            self.reader.error(body.key_at(name), message, hint)

    def after(self, key: str, body: Map, steps: Map) -> tuple[str, ...]:
        found = []
        for name, place in self.reader.texts(body, "after"):
            if name == key:
                self.reader.error(place, f"'{key}' cannot come after itself.")
            elif name not in steps:
                self.reader.error(place, *unknown(name, "step", steps))
            elif name in found:
                self.reader.warn(place, f"'{name}' is listed twice.", "Remove one of them.")
            else:
                found.append(name)
        return tuple(found)

    def connection(self, body: Map) -> str | None:
        name = self.reader.text(body, "connection")
        if name is not None and self.known.connections is not None:
            if name in self.known.connections:
                return name
            self.reader.error(
                body.at("connection"), *unknown(name, "connection", self.known.connections)
            )
        return name

    def form(self, body: Map) -> Mapping[str, Any] | None:
        """A JSON Schema whose instance is an object, as a participant fills in a form."""
        form = self.reader.mapping(body, "form")
        if form is None:
            return None
        from jsonschema import Draft202012Validator  # for processes that have forms
        from jsonschema.exceptions import SchemaError

        schema: Mapping[str, Any] = plain(form)
        try:
            Draft202012Validator.check_schema(
                schema, format_checker=Draft202012Validator.FORMAT_CHECKER
            )
        except SchemaError as error:
            place = descend(form, list(error.absolute_path), body.at("form"))
            self.reader.error(place, f"this form is not a JSON Schema: {error.message}.")
            return schema
        for path, pointer in _pointers(schema, []):
            if not pointer.startswith("#"):
                self.reader.error(
                    descend(form, path, body.at("form")),
                    "a form cannot fetch a part of itself from elsewhere.",
                    "Write the part out, or point into this form with #/$defs/NAME.",
                )
        if form.get("type") != "object":
            self.reader.error(body.at("form"), "a form describes an object.", "Add type: object.")
        properties = form.get("properties")
        names = list(properties) if isinstance(properties, Map) else []
        for index, name in enumerate(form.get("required") or []):
            if name not in names:
                self.reader.error(
                    descend(form, ["required", index], body.at("form")),
                    f"the form requires '{name}' but has no such property.",
                    did_you_mean(name, names),
                )
        return schema

    def remind(self, body: Map) -> Reminders | None:
        reader, remind = self.reader, self.reader.mapping(body, "remind")
        if remind is None:
            return None
        reader.only(remind, keys.REMIND, "'remind'")
        before = [reader.duration_of(*item) for item in reader.texts(remind, "before")]
        if before and "due" not in body:
            reader.error(
                remind.key_at("before"), "there is nothing to be reminded before.", "Add a 'due'."
            )
        return Reminders(
            tuple(item for item in before if item is not None),
            reader.duration(remind, "every"),
            reader.integer(remind, "max") or DEFAULT_REMINDERS,
        )

    def escalate(self, body: Map) -> tuple[Escalation, ...]:
        reader, found = self.reader, []
        for entry in reader.maps(body, "escalate"):
            reader.only(entry, keys.ESCALATION, "an escalation")
            complete = [reader.required(entry, key, "an escalation") for key in ("after", "to")]
            after = reader.duration(entry, "after")
            to = read_who(reader, entry, "to", self.known)
            if all(complete) and after is not None and to is not None:
                found.append(Escalation(after, to))
        if found and "due" not in body:
            reader.error(
                body.key_at("escalate"), "there is nothing to be late for.", "Add a 'due'."
            )
        return tuple(found)

    # -------------------------------------------------------------------------- steps together

    def outcomes_lead_back(self, written: Map, steps: Mapping[str, StepDefinition]) -> None:
        """Order: no cycles, `reopen` leads back, and every step can be reached."""
        after = {key: step.after for key, step in steps.items()}
        cycle = find_cycle(after)
        if cycle:
            first = cycle[0]
            self.reader.error(
                written[first].at("after"),
                f"these steps wait for each other: {' → '.join([*cycle, first])}.",
                "Remove one of these from 'after'.",
            )
            return
        for key, step in steps.items():
            before = predecessors_of(key, after)
            for option, outcome in step.outcomes.items():
                if outcome.reopen is None or outcome.reopen in before:
                    continue
                place = descend(written[key], ["outcomes", option, "reopen"], step.place)
                if outcome.reopen in written:
                    self.reader.error(
                        place,
                        f"'{outcome.reopen}' does not come before '{key}', so it cannot be "
                        "reopened from here.",
                        f"Before it come: {', '.join(sorted(before))}." if before else "",
                    )
                else:
                    self.reader.error(place, *unknown(outcome.reopen, "step", sorted(before)))
            if step.options and all(option in step.outcomes for option in step.options):
                for behind in successors_of(key, after):
                    self.reader.warn(
                        steps[behind].place,
                        f"'{behind}' can never be reached: every outcome of '{key}' ends the case "
                        "or goes back.",
                        "Let one outcome go on.",
                    )


def _pointers(schema: Any, path: list[Any]) -> Iterator[tuple[list[Any], str]]:
    """Every `$ref` of a JSON Schema."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key in ("$ref", "$dynamicRef") and isinstance(value, str):
                yield [*path, key], value
            yield from _pointers(value, [*path, key])
    elif isinstance(schema, list):
        for index, value in enumerate(schema):
            yield from _pointers(value, [*path, index])
