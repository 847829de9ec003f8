"""What a rule can do: the actions by name, the parameters each takes, and how they are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.process.calendar import DURATION_PATTERN, Duration
from hub.process.who import Known, Who, read_who
from hub.reading import Reader, kind_of, unknown
from mappings.canonical import ExceptionType, Priority, Severity, TaskStatus, WaitingOn
from mappings.expressions import Context, Template, context
from mappings.source import Map, Place, Seq, did_you_mean

ReadParameter = Callable[[Reader, Map, str, Known], Any]


@dataclass(frozen=True, slots=True)
class Action:
    """One action of a rule. Values are templates, who, durations, constants, or dicts of these."""

    name: str
    place: Place
    values: Mapping[str, Any] = field(default_factory=dict)

    def render(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters with every template worked out; who and durations stay as they are.

        Raises ExpressionError.
        """
        ready = variables if isinstance(variables, Context) else context(variables)
        return {key: _render(value, ready) for key, value in self.values.items()}


def _render(value: Any, ready: Context) -> Any:
    if isinstance(value, Template):
        return value.render(ready)
    if isinstance(value, dict):
        return {key: _render(item, ready) for key, item in value.items()}
    if isinstance(value, list):
        return [_render(item, ready) for item in value]
    return value


# ---------------------------------------------------------------------------------- parameters


def _text(reader: Reader, where: Map, key: str, known: Known) -> Template | None:
    return reader.template(where, key)


def _who(reader: Reader, where: Map, key: str, known: Known) -> Who | None:
    return read_who(reader, where, key, known)


def _human(reader: Reader, where: Map, key: str, known: Known) -> Who | None:
    return read_who(reader, where, key, known, ("person", "role", "accountable", "responsible"))


def _duration(reader: Reader, where: Map, key: str, known: Known) -> Duration | None:
    return reader.duration(where, key)


def _values(reader: Reader, where: Map, key: str, known: Known) -> dict[str, Any] | None:
    section = reader.mapping(where, key)
    return None if section is None else {name: _value(reader, section, name) for name in section}


def _value(reader: Reader, where: Map, key: str) -> Any:
    """Any YAML value in which texts are templates."""
    return _deep(reader, where[key], where.at(key))


def _deep(reader: Reader, value: Any, place: Place) -> Any:
    if isinstance(value, str):
        return reader.template_of(value, place)
    if isinstance(value, Map):
        return {key: _deep(reader, item, value.at(key)) for key, item in value.items()}
    if isinstance(value, Seq):
        return [_deep(reader, item, value.at(index)) for index, item in enumerate(value)]
    return value


def _texts(reader: Reader, where: Map, key: str, known: Known) -> list[Template] | Template | None:
    if isinstance(where.get(key), str):
        return reader.template(where, key)  # one ${…} that gives a list
    found = [reader.template_of(*text) for text in reader.texts(where, key)]
    return [template for template in found if template is not None]


def _connection(reader: Reader, where: Map, key: str, known: Known) -> str | None:
    name = reader.text(where, key)
    if name is not None and known.connections is not None and name not in known.connections:
        reader.error(where.at(key), *unknown(name, "connection", known.connections))
    return name


def _process(reader: Reader, where: Map, key: str, known: Known) -> str | None:
    name = reader.text(where, key)
    if name is not None and known.processes is not None and name not in known.processes:
        reader.error(where.at(key), *unknown(name, "process", known.processes))
    return name


@dataclass(frozen=True, slots=True)
class Parameter:
    """How a parameter is read, and how it may be written, as a JSON Schema."""

    read: ReadParameter
    form: Mapping[str, Any]


def _choice(*choices: str) -> Parameter:
    """One of some words, or a template that gives one."""

    def read(reader: Reader, where: Map, key: str, known: Known) -> Any:
        value = where.get(key)
        if isinstance(value, str) and "${" in value:
            return reader.template(where, key)
        return reader.choice(where, key, choices)

    words = [str(choice) for choice in choices]
    return Parameter(read, {"anyOf": [{"enum": words}, {"type": "string", "pattern": r"\$\{"}]})


_NAME = {"type": "string", "minLength": 1}
_WHO = {**_NAME, "examples": ["role:ops-lead", "accountable", "external:${case.data.email}"]}
TEXT = Parameter(_text, _NAME)
TEXTS = Parameter(_texts, {"anyOf": [_NAME, {"type": "array", "items": _NAME}]})
WHO = Parameter(_who, _WHO)
HUMAN = Parameter(_human, _WHO)
DURATION = Parameter(_duration, {"type": "string", "pattern": DURATION_PATTERN})
VALUES = Parameter(_values, {"type": "object"})
CONNECTION = Parameter(_connection, _NAME)
PROCESS = Parameter(_process, _NAME)


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """The parameters of one action. `runs` False: part of the language, not yet of the engine."""

    needs: Mapping[str, Parameter]
    takes: Mapping[str, Parameter] = field(default_factory=dict)
    one_of: bool = False
    runs: bool = True


_TASK_FIELDS: Mapping[str, Parameter] = {
    "description": TEXT,
    "assignee": WHO,
    "due": DURATION,
    "priority": _choice(*Priority),
    "labels": TEXTS,
    "waiting_on": _choice(*WaitingOn),
    "custom": VALUES,
}

ACTIONS: Mapping[str, ActionSpec] = {
    "start_case": ActionSpec({"process": PROCESS}, {"key": TEXT, "title": TEXT, "data": VALUES}),
    "notify": ActionSpec({"to": WHO, "text": TEXT}, {"subject": TEXT}),
    "create_task": ActionSpec(
        {"title": TEXT},
        {**_TASK_FIELDS, "accountable": HUMAN, "connection": CONNECTION, "object": TEXT},
    ),
    "update_task": ActionSpec(
        {},
        {**_TASK_FIELDS, "task": TEXT, "title": TEXT, "status": _choice(*TaskStatus)},
        one_of=True,
    ),
    "assign": ActionSpec({"to": WHO}, {"task": TEXT}),
    "raise_exception": ActionSpec(
        {"title": TEXT},
        {
            "type": _choice(*ExceptionType),
            "severity": _choice(*Severity),
            "detail": TEXT,
            "owner": HUMAN,
        },
    ),
    "handoff": ActionSpec({"to": WHO}, {"note": TEXT, "task": TEXT}),
    "request_decision": ActionSpec({}, runs=False),
    "remind": ActionSpec({}, runs=False),
    "escalate": ActionSpec({"to": WHO}, {"text": TEXT, "task": TEXT}),
    "push": ActionSpec({}, runs=False),
    "complete_step": ActionSpec({}, runs=False),
    "close_case": ActionSpec({}, runs=False),
}
"""Every action of the language, by name."""

RUNNABLE = tuple(name for name, spec in ACTIONS.items() if spec.runs)


def read_actions(reader: Reader, rule: Map, known: Known) -> tuple[Action, ...]:
    """The actions under `then`; what is wrong with one becomes a finding and leaves it out."""
    found = []
    for entry in reader.maps(rule, "then"):
        if len(entry) != 1:
            reader.error(
                entry.place,
                f"an entry of 'then' is one action, but this has {len(entry)} keys.",
                "Write each as '- action: {…}', its parameters indented below.",
            )
            continue
        action = _read_action(reader, entry, next(iter(entry)), known)
        if action is not None:
            found.append(action)
    return tuple(found)


def _read_action(reader: Reader, entry: Map, name: str, known: Known) -> Action | None:
    place = entry.key_at(name)
    spec = ACTIONS.get(name)
    if spec is None:
        reader.error(place, f"there is no action '{name}'.", did_you_mean(name, list(ACTIONS)))
        return None
    if not spec.runs:
        reader.error(
            place,
            f"this version cannot run the action '{name}' yet.",
            f"Use {', '.join(RUNNABLE)}.",
        )
        return None
    body = entry[name]
    if not isinstance(body, Map):
        reader.error(
            entry.at(name),
            f"'{name}' needs its parameters as a mapping, not {kind_of(body)}.",
            f"Write {name}: {{{', '.join(f'{key}: …' for key in spec.needs or spec.takes)}}}.",
        )
        return None
    parameters = {**spec.needs, **spec.takes}
    reader.only(body, tuple(parameters), f"the action '{name}'")
    for key in spec.needs:
        reader.required(body, key, f"the action '{name}'")
    if spec.one_of and not any(key in body for key in spec.takes if key != "task"):
        reader.error(body.place, f"'{name}' changes nothing.", "Name a field to set.")
    values = {
        key: parameters[key].read(reader, body, key, known)
        for key in body
        if key in parameters and body[key] is not None
    }
    return Action(name, place, values)
