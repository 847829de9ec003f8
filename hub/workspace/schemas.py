"""The JSON Schemas of workspace files, for editors: made of the tables that the readers use, and
kept in the workspace, where the modeline at the top of a file points at them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any

import connectors as all_connectors
import mappings
from connectors.sdk import Connector
from hub import keys
from hub.process.calendar import DURATION_PATTERN, WEEKDAYS, supported_countries
from hub.process.definitions import STEP_KEYS
from hub.process.process_tests import STATES
from hub.registry import GROUP
from hub.workspace.actions import ACTIONS, ActionSpec
from hub.workspace.connection_schemas import connection_schemas, service_schema
from hub.workspace.retention import DAYS_PATTERN
from mappings.canonical import EVENT_TYPES, CaseStatus, StepType, WaitingOn
from mappings.keys import Keys
from mappings.schema import DRAFT, Schema, described, mapping_schema

Connectors = Mapping[str, type[Connector]]

FOLDER = Path(".hub", "schemas")
"""Where the schemas of a workspace stand, in its folder."""
STAMP = ".made-for"
"""Beside the schemas: for what they were made, so that an upgrade makes them anew."""
TRANSFORM_PLUGINS = "hub.transforms"
"""The entry points by which others add transforms."""
MODELINE = "# yaml-language-server: $schema="

_NAME: Schema = {"type": "string", "minLength": 1}
_TEXTS: Schema = {"type": "array", "items": _NAME}
_WHO: Schema = {**_NAME, "examples": ["role:ops-lead", "accountable", "external:${…}"]}
_DAY: Schema = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
_DURATION: Schema = {
    "type": "string",
    "pattern": DURATION_PATTERN,
    "examples": ["2bd", "4bh", "3d", "2h", "30m"],
}
_ZONE: Schema = {**_NAME, "examples": ["Europe/Zurich", "UTC"]}


def _object(words: Keys, forms: Mapping[str, Schema], **more: Any) -> Schema:
    return {
        "type": "object",
        "properties": described(words, forms),
        "additionalProperties": False,
        **more,
    }


def _file(title: str, words: Keys, forms: Mapping[str, Schema], **more: Any) -> Schema:
    return {"$schema": DRAFT, "title": f"Process Hub {title}", **_object(words, forms, **more)}


# -------------------------------------------------------------------------------------- hub.yaml


def hub_schema(connectors: Connectors) -> Schema:
    """The schema of hub.yaml, with the connections of the installed connectors."""
    calendar: Mapping[str, Schema] = {
        "country": {"enum": sorted(supported_countries())},
        "subdivision": _NAME,
        "workdays": {"type": "array", "items": {"enum": list(WEEKDAYS)}, "minItems": 1},
        "hours": {"type": "string", "pattern": r"^[0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2}$"},
        "closed": {
            "type": "array",
            "items": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
        },
    }
    named = _object(keys.NAMED_CALENDAR, {**calendar, "timezone": _ZONE})
    connection, definitions = connection_schemas(connectors)
    forms: Mapping[str, Schema] = {
        "name": _NAME,
        "timezone": {**_ZONE, "default": "UTC"},
        "calendar": _object(keys.CALENDAR, calendar),
        "calendars": {"type": "object", "additionalProperties": named},
        "retention": _object(
            keys.RETENTION,
            {"deliveries": {"type": "string", "pattern": DAYS_PATTERN, "default": "90d"}},
        ),
        "nudges": _object(
            keys.NUDGES,
            {
                "per_day": {"type": "integer", "minimum": 1, "default": 20},
                "at_once": {"type": "integer", "minimum": 1, "default": 5},
            },
        ),
        "connections": {
            "type": "object",
            "additionalProperties": connection,
            "propertyNames": {"pattern": "^[a-z0-9][a-z0-9_-]{0,62}$"},
        },
    }
    return {**_file("workspace", keys.HUB, forms, required=["name"]), "$defs": definitions}


def people_schema(connectors: Connectors) -> Schema:
    """The schema of people.yaml."""
    person: Mapping[str, Schema] = {
        "name": _NAME,
        "email": {"type": "string", "pattern": "^[^@\\s]+@[^@\\s]+$"},
        "timezone": _ZONE,
        "deputies": _TEXTS,
        "quiet_hours": {"type": "string", "pattern": r"^[0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2}$"},
        "channel": _NAME,
        "away": {
            "type": "array",
            "items": _object(keys.AWAY, {"from": _DAY, "until": _DAY}, required=["from", "until"]),
        },
        "calendar": _NAME,
        "left": _DAY,
    }
    members: Schema = {**_TEXTS, "minItems": 1}
    role = _object(keys.ROLE, {"members": members, "calendar": _NAME}, required=["members"])
    forms: Mapping[str, Schema] = {
        "people": {
            "type": "object",
            "additionalProperties": _object(keys.PERSON, person, required=["name"]),
            "propertyNames": {"pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$"},
        },
        "roles": {"type": "object", "additionalProperties": {"anyOf": [members, role]}},
        "identities": {
            "type": "object",
            "additionalProperties": {"type": "object", "additionalProperties": _NAME},
        },
        "fallback": {"type": "object", "additionalProperties": _NAME},
    }
    return _file("people", keys.PEOPLE, forms)


# ----------------------------------------------------------------------------------------- rules


def rule_schema(connectors: Connectors) -> Schema:
    """The schema of a file in rules/."""
    families = sorted({f"{known.split('.')[0]}.*" for known in EVENT_TYPES})
    types = sorted(EVENT_TYPES)
    actions = {name: spec for name, spec in ACTIONS.items() if spec.runs}
    action: Schema = {
        "type": "object",
        "properties": {name: _action(name, spec) for name, spec in actions.items()},
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    rule: Mapping[str, Schema] = {
        "rule": _NAME,
        "when": {"anyOf": [{"enum": [*types, *families]}, {"type": "string", "pattern": r"\*$"}]},
        "if": {**_NAME, "examples": ["item.kind == 'deal' && item.stage == 'Closed Won'"]},
        "then": {"type": "array", "items": action, "minItems": 1},
    }
    event: Schema = {
        "type": "object",
        "properties": {"type": {"enum": types}},
        "required": ["type"],
    }
    given = {**{name: {} for name in keys.GIVEN}, "event": event}
    test: Mapping[str, Schema] = {
        "given": _object(keys.GIVEN, given, required=["event"]),
        "expect": _TEXTS,
    }
    forms: Mapping[str, Schema] = {
        "rules": {
            "type": "array",
            "items": _object(keys.RULE, rule, required=["rule", "when", "then"]),
        },
        "otherwise": {"enum": ["ignore", "exception"], "default": "ignore"},
        "tests": {
            "type": "array",
            "items": _object(keys.RULE_TEST, test, required=["given", "expect"]),
        },
    }
    return _file("rules", keys.RULES, forms)


def _action(name: str, spec: ActionSpec) -> Schema:
    parameters = {**spec.needs, **spec.takes}
    words = {key: keys.PARAMETERS[key] for key in parameters}
    forms = {key: dict(parameter.form) for key, parameter in parameters.items()}
    more: Schema = {"required": list(spec.needs)} if spec.needs else {}
    if spec.one_of:
        more["anyOf"] = [{"required": [key]} for key in spec.takes if key != "task"]
    return {"description": keys.ACTIONS[name], **_object(words, forms, **more)}


# ------------------------------------------------------------------------------------- processes


def process_schema(connectors: Connectors) -> Schema:
    """The schema of a file in processes/."""
    kinds = list(StepType)
    step: Schema = {
        "type": "object",
        "required": ["title"],
        "$ref": f"#/$defs/{StepType.TASK}_step",
    }
    for kind in kinds:
        if kind != StepType.TASK:
            step = {
                "if": {"properties": {"type": {"const": str(kind)}}, "required": ["type"]},
                "then": {"$ref": f"#/$defs/{kind}_step"},
                "else": step,
            }
    forms: Mapping[str, Schema] = {
        "process": _NAME,
        "title": _NAME,
        "description": _NAME,
        "accountable": _WHO,
        "due": _DURATION,
        "calendar": _NAME,
        "pause": {"type": "array", "items": {"enum": [str(each) for each in WaitingOn]}},
        "accept_within": _DURATION,
        "steps": {"type": "object", "additionalProperties": step, "minProperties": 1},
        "tests": {
            "type": "array",
            "items": _object(keys.PROCESS_TEST, _process_test(), required=["expect"]),
        },
    }
    return {
        **_file("process", keys.PROCESS, forms, required=["process", "accountable", "steps"]),
        "$defs": {f"{kind}_step": _step(kind, kinds) for kind in kinds},
    }


def _process_test() -> Mapping[str, Schema]:
    one: Schema = {"type": "object", "minProperties": 1, "maxProperties": 1}
    given: Mapping[str, Schema] = {
        "data": {"type": "object"},
        "key": _NAME,
        "title": _NAME,
        "started_by": _NAME,
        "item": {"type": "object"},
        "now": _NAME,
    }
    happening: Mapping[str, Schema] = {
        "done": {"anyOf": [_NAME, {**one, "additionalProperties": {"type": "object"}}]},
        "decide": one,
        "event": {
            "type": "object",
            "properties": {"type": {"enum": sorted(EVENT_TYPES)}},
            "required": ["type"],
        },
        "ended": one,
        "skip": _NAME,
        "item": {"type": "object"},
        "task": {"type": "object"},
    }
    expected: Mapping[str, Schema] = {
        **dict.fromkeys(STATES, _TEXTS),
        "status": {"enum": [str(status) for status in CaseStatus]},
        "outcome": _NAME,
    }
    return {
        "name": _NAME,
        "given": _object(keys.PROCESS_GIVEN, given),
        "happens": {
            "type": "array",
            "items": _object(keys.HAPPENING, happening, minProperties=1, maxProperties=3),
        },
        "expect": _object(keys.EXPECTED, expected, minProperties=1),
    }


_NEEDED: Mapping[StepType, tuple[str, ...]] = {
    StepType.DECISION: ("decider", "options"),
    StepType.WAIT: ("event",),
    StepType.PROCESS: ("process",),
}
"""What steps of a kind cannot be without, beside a title."""


def _step(kind: StepType, kinds: list[StepType]) -> Schema:
    families = sorted({f"{known.split('.')[0]}.*" for known in EVENT_TYPES})
    positive: Schema = {"type": "integer", "minimum": 1}
    remind: Mapping[str, Schema] = {
        "before": {"type": "array", "items": _DURATION},
        "every": _DURATION,
        "max": {**positive, "default": 3},
    }
    escalation: Mapping[str, Schema] = {"after": _DURATION, "to": _WHO}
    outcome: Mapping[str, Schema] = {"terminate": _NAME, "reopen": _NAME}
    forms: Mapping[str, Schema] = {
        "type": {"enum": [str(each) for each in kinds], "default": str(StepType.TASK)},
        "title": _NAME,
        "description": _NAME,
        "delivers": _NAME,
        "after": _TEXTS,
        "if": {**_NAME, "examples": ["case.data.amount > 50000.0"]},
        "responsible": _WHO,
        "accountable": _WHO,
        "due": _DURATION,
        "calendar": _NAME,
        "pause": {"type": "array", "items": {"enum": [str(each) for each in WaitingOn]}},
        "accept_within": _DURATION,
        "remind": _object(keys.REMIND, remind),
        "escalate": {
            "type": "array",
            "items": _object(keys.ESCALATION, escalation, required=["after", "to"]),
        },
        "labels": _TEXTS,
        "waiting_on": {"enum": [str(each) for each in WaitingOn], "default": "internal"},
        "connection": _NAME,
        "object": _NAME,
        "form": {"type": "object", "properties": {"type": {"const": "object"}}},
        "decider": {
            "anyOf": [_WHO, {"type": "array", "items": _WHO, "minItems": 1, "uniqueItems": True}]
        },
        "options": {"type": "array", "items": _NAME, "minItems": 2, "uniqueItems": True},
        "quorum": {"type": "integer", "minimum": 1, "default": 1},
        "sequence": {"type": "boolean", "default": False},
        "veto": {**_TEXTS, "uniqueItems": True},
        "exclude": _TEXTS,
        "outcomes": {
            "type": "object",
            "additionalProperties": _object(
                keys.OUTCOME, outcome, minProperties=1, maxProperties=1
            ),
        },
        "each": {**_NAME, "pattern": r"^\$\{", "examples": ["${case.data.tenants}"]},
        "event": {
            "anyOf": [
                {"enum": [*sorted(EVENT_TYPES), *families]},
                {"type": "string", "pattern": r"\*$"},
            ]
        },
        "key": {**_NAME, "examples": ["${item.custom.account_id}"]},
        "process": _NAME,
        "data": {"type": "object"},
        "compensation": _NAME,
    }
    own = {key: about for key, about in keys.STEP.items() if key in STEP_KEYS[kind]}
    needed = ["title", *_NEEDED.get(kind, ())]
    return _object(own, forms, required=needed)


# --------------------------------------------------------------------------------- all of them

SCHEMAS: Mapping[str, Callable[[Connectors], Schema]] = {
    "mapping": lambda connectors: mapping_schema(),
    "rule": rule_schema,
    "process": process_schema,
    "hub": hub_schema,
    "people": people_schema,
    "services": service_schema,
}
"""Per kind of file, what makes its schema."""

_KINDS = {"mappings": "mapping", "rules": "rule", "processes": "process", "services": "services"}


def kind_of_file(name: str) -> str | None:
    """The kind of a workspace file by its path; None for one that has no schema."""
    folder, _, rest = name.partition("/")
    if not rest:
        return {"hub.yaml": "hub", "people.yaml": "people"}.get(name)
    return _KINDS.get(folder)


def modeline(name: str) -> str:
    """The line that tells an editor the schema of a workspace file, by its path in the workspace.
    Raises KeyError for a file that has none.
    """
    kind = kind_of_file(name)
    if kind is None:
        raise KeyError(name)
    return f"{MODELINE}{'../' * name.count('/')}{FOLDER.as_posix()}/{kind}.json"


def bundle(connectors: Connectors) -> Schema:
    """One schema that any file of a workspace is held against."""
    parts = {name: make(connectors) for name, make in SCHEMAS.items()}
    names = {name: f"urn:process-hub:schema:{name}" for name in parts}
    return {
        "$schema": DRAFT,
        "title": "Process Hub: any file of a workspace",
        "anyOf": [{"$ref": names[name]} for name in parts],
        "$defs": {name: {"$id": names[name], **part} for name, part in parts.items()},
    }


def write_schemas(
    folder: Path, connectors: Connectors, kinds: Iterable[str] = tuple(SCHEMAS)
) -> list[Path]:
    """Write the schemas of some kinds as JSON into a folder, and return the files that were new or
    changed. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in kinds:
        path = folder / f"{name}.json"
        text = json.dumps(SCHEMAS[name](connectors), indent=1, ensure_ascii=False) + "\n"
        with suppress(OSError, UnicodeDecodeError):
            if path.read_text("utf-8") == text:
                continue
        part = path.with_name(f".{name}.{os.getpid()}.part")
        part.write_text(text, "utf-8")
        part.replace(path)  # an editor that reads now sees one or the other
        written.append(path)
    return written


def refresh_schemas(
    workspace: Path, files: Mapping[str, str], connectors: Connectors
) -> list[Path]:
    """Bring the schemas of a workspace up to date, if a file of it points at them; what was new or
    changed. A folder that cannot be written to is left alone.
    """
    if not any(MODELINE in text and FOLDER.as_posix() in text for text in files.values()):
        return []
    folder = workspace / FOLDER
    stamp, state = folder / STAMP, _installed()
    complete = all((folder / f"{name}.json").is_file() for name in SCHEMAS)
    with suppress(OSError):
        # making them imports every connector, which a check of a few files should not wait for
        if complete and stamp.is_file() and stamp.read_text("utf-8") == state:
            return []
        written = write_schemas(folder, connectors)
        stamp.write_text(state, "utf-8")
        return written
    return []


def _installed() -> str:
    """What schemas depend on beside the workspace: changes with an upgrade, with another connector
    or transform, and with an edit of the sources.
    """
    plugins = sorted(
        f"{point.group} {point.name} {point.value} {point.dist.version if point.dist else ''}"
        for group in (GROUP, TRANSFORM_PLUGINS)
        for point in entry_points(group=group)
    )
    sources = [Path(__file__), Path(str(keys.__file__))]
    for package in (mappings, all_connectors):
        for root in package.__path__:
            sources += Path(root).rglob("*.py")
    newest = max(path.stat().st_mtime_ns for path in sources)
    return "\n".join([version("process-hub"), str(newest), *plugins])
