"""The JSON Schemas of workspace files say what the readers say: every file of ours fits, every key
is in both or in neither, and an editor underlines what the check would refuse.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from hub import keys
from hub.process.definitions import load_process
from hub.reading import Reader, plain
from hub.registry import connector_classes
from hub.workspace import load, read_files, write_starter
from hub.workspace.actions import ACTIONS
from hub.workspace.people import load_people
from hub.workspace.schemas import (
    FOLDER,
    SCHEMAS,
    STAMP,
    bundle,
    kind_of_file,
    modeline,
    refresh_schemas,
    write_schemas,
)
from mappings import keys as mapping_keys
from mappings.canonical import MAPPED_FIELDS, StepType
from mappings.language import load_mapping
from mappings.schema import FIELDS, mapping_schema
from mappings.source import Finding, Source
from mappings.transforms import TRANSFORMS, Transform

ROOT = Path(__file__).resolve().parents[2]
WORKSPACES = ("hub/starter", "examples/onboarding")
Schema = dict[str, Any]


@pytest.fixture(scope="module")
def schemas() -> Mapping[str, Schema]:
    return {name: make(connector_classes()) for name, make in SCHEMAS.items()}


def yaml_of(text: str) -> Any:
    return plain(Source("x.yaml", text).load())


def faults(schema: Schema, text: str) -> list[str]:
    return [error.message for error in Draft202012Validator(schema).iter_errors(yaml_of(text))]


# --------------------------------------------------------------------------------- our own files


def shipped() -> list[tuple[str, Path]]:
    found = [("mapping", path) for path in ROOT.glob("connectors/*/mappings/*.yaml")]
    found += [("mapping", path) for path in ROOT.glob("connector_template/*/mappings/*.yaml")]
    found += [("services", path) for path in ROOT.glob("examples/services/*.yaml")]
    found += [("services", ROOT / "connectors/rest/deskly.yaml")]
    for workspace in WORKSPACES:
        for path in (ROOT / workspace).rglob("*.yaml"):
            kind = kind_of_file(path.relative_to(ROOT / workspace).as_posix())
            assert kind is not None, path
            found.append((kind, path))
    return sorted(found)


def test_there_is_a_file_of_every_kind() -> None:
    assert {kind for kind, _ in shipped()} == set(SCHEMAS)


@pytest.mark.parametrize(
    ("kind", "path"), shipped(), ids=lambda one: str(one).removeprefix(f"{ROOT}/")
)
def test_every_file_that_we_ship_fits_its_schema(
    kind: str, path: Path, schemas: Mapping[str, Schema]
) -> None:
    assert faults(schemas[kind], path.read_text()) == []


def test_every_schema_is_one_and_the_whole_takes_any_file(schemas: Mapping[str, Schema]) -> None:
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    whole = bundle(connector_classes())
    Draft202012Validator.check_schema(whole)
    for kind, path in shipped()[::3]:
        assert faults(whole, path.read_text()) == [], kind
    assert faults(whole, "mapping: m\nobjekt: x\n")


@pytest.mark.parametrize("workspace", WORKSPACES)
def test_the_files_of_a_workspace_point_at_their_schemas(workspace: str) -> None:
    folder = ROOT / workspace
    for path in folder.rglob("*.yaml"):
        name = path.relative_to(folder).as_posix()
        assert path.read_text().splitlines()[0] == modeline(name)
        target = path.parent / modeline(name).partition("$schema=")[2]
        assert target.resolve().parent == (folder / FOLDER).resolve()


# --------------------------------------------------------------------------------- the same keys

EVERY_KEY = sorted(
    {key for table in vars(mapping_keys).values() if isinstance(table, dict) for key in table}
    | {key for table in vars(keys).values() if isinstance(table, dict) for key in table}
    | {"titel", "form", "x"}
)


def of_mapping(text: str) -> list[Finding]:
    return load_mapping("m.yaml", text)[1]


def of_hub(text: str) -> list[Finding]:
    return list(load({"hub.yaml": text}, {}).findings)


def of_people(text: str) -> list[Finding]:
    reader = Reader("people.yaml", text)
    load_people(reader, None)
    return reader.findings


def of_rules(text: str) -> list[Finding]:
    return list(load({"hub.yaml": "name: a\n", "rules/r.yaml": text}, {}).findings)


def of_process(text: str) -> list[Finding]:
    return load_process("p.yaml", text)[1]


STEP = "process: p\naccountable: a\nsteps: {{s: {}}}\n"
RULE = "rules: [{{rule: r, when: item.*, then: [{}]}}]\n"
READERS = {
    "mapping": of_mapping,
    "hub": of_hub,
    "people": of_people,
    "rule": of_rules,
    "process": of_process,
}
OBJECTS: list[tuple[str, str, str]] = [
    ("mapping", "{KEY: 1}", "properties"),
    ("mapping", "{mapping: m, fields: {title: {KEY: 1}}}", "$defs.text_field.properties"),
    ("mapping", "{mapping: m, fields: {title: {KEY: 1}}}", "$defs.task_status.properties"),
    ("mapping", "{mapping: m, deletes: {KEY: 1}}", "properties.deletes.properties"),
    ("mapping", "{mapping: m, identity: {KEY: 1}}", "properties.identity.properties"),
    ("mapping", "{mapping: m, tests: [{given: x, KEY: 1}]}", "properties.tests.items.properties"),
    ("hub", "{KEY: 1}", "properties"),
    ("hub", "{calendar: {KEY: 1}}", "properties.calendar.properties"),
    ("people", "{KEY: 1}", "properties"),
    ("people", "{people: {a: {KEY: 1}}}", "properties.people.additionalProperties.properties"),
    ("rule", "{KEY: 1}", "properties"),
    ("rule", "{rules: [{KEY: 1}]}", "properties.rules.items.properties"),
    ("rule", "{tests: [{KEY: 1}]}", "properties.tests.items.properties"),
    (
        "rule",
        "{tests: [{given: {KEY: 1}, expect: []}]}",
        "properties.tests.items.properties.given.properties",
    ),
    *(
        (
            "rule",
            RULE.format(f"{{{name}: {{KEY: 1}}}}"),
            f"properties.rules.items.properties.then.items.properties.{name}.properties",
        )
        for name, spec in ACTIONS.items()
        if spec.runs
    ),
    ("process", "{KEY: 1}", "properties"),
    *(
        ("process", STEP.format(f"{{type: {kind}, KEY: 1}}"), f"$defs.{kind}_step.properties")
        for kind in StepType
    ),
    (
        "process",
        STEP.format("{title: t, due: 1d, remind: {KEY: 1}}"),
        "$defs.task_step.properties.remind.properties",
    ),
    (
        "process",
        STEP.format("{title: t, due: 1d, escalate: [{KEY: 1}]}"),
        "$defs.task_step.properties.escalate.items.properties",
    ),
    (
        "process",
        STEP.format("{title: t, type: decision, options: [a, b], outcomes: {a: {KEY: 1}}}"),
        "$defs.decision_step.properties.outcomes.additionalProperties.properties",
    ),
]


@pytest.mark.parametrize(
    ("kind", "text", "where"), OBJECTS, ids=[f"{kind} {where}" for kind, _, where in OBJECTS]
)
def test_a_key_is_in_the_schema_exactly_if_the_reader_takes_it(
    kind: str, text: str, where: str, schemas: Mapping[str, Schema]
) -> None:
    known: Any = schemas[kind]
    for part in where.split("."):
        known = known[part]
    for key, form in known.items():
        assert form.get("description"), f"{key} says nothing in an editor"
    for key in EVERY_KEY:
        findings = READERS[kind](text.replace("KEY", key))
        told = " ".join(finding.message for finding in findings)
        refused = f"has no '{key}'" in told or f"'{key}' belongs to" in told
        # a key that is there twice is refused for that alone, and is known
        assert (key in known) is not refused, f"{key}: {told}"


def test_every_canonical_field_transform_and_action_is_described() -> None:
    assert {name: list(fields) for name, fields in FIELDS.items()} == {
        name: list(fields) for name, fields in MAPPED_FIELDS.items()
    }
    assert set(keys.ACTIONS) == {name for name, spec in ACTIONS.items() if spec.runs}
    assert all(transform.about for transform in TRANSFORMS.values())


def test_the_parameters_of_every_transform_are_offered_and_others_are_not() -> None:
    for name, transform in TRANSFORMS.items():
        schema = mapping_schema()
        for key in [*transform.params, "nonsense"]:
            found = faults(schema, field(f"{{from: $.x, as: {{{name}: {{{key}: 1}}}}}}"))
            refused = any("nonsense" in message for message in found) or (
                key == "nonsense" and bool(found)
            )
            assert refused is (key == "nonsense"), (name, key, found)


def test_the_documented_uses_of_every_transform_fit() -> None:
    schema = mapping_schema()
    for name, transform in TRANSFORMS.items():
        for use in transform.examples:
            step: object = {name: dict(use.params)} if use.params else name
            document = {**yaml_of(field("$.x")), "fields": {"title": {"from": "$.x", "as": step}}}
            assert list(Draft202012Validator(schema).iter_errors(document)) == [], (name, use)


def test_a_transform_of_somebody_else_is_offered_too(monkeypatch: pytest.MonkeyPatch) -> None:
    line = field("{from: $.x, as: shout}")
    assert faults(mapping_schema(), line)
    other = Transform("shout", "in capitals", lambda params: (lambda v, s: v, None))
    monkeypatch.setitem(TRANSFORMS, "shout", other)
    assert faults(mapping_schema(), line) == []


# ------------------------------------------------------------------------------ what is refused


def field(value: str, name: str = "title", entity: str = "task") -> str:
    return f"mapping: m\nconnection: c\nobject: o\nentity: {entity}\nfields:\n  {name}: {value}\n"


MISTAKES = [
    ("mapping", field("$.t", "titel")),
    ("mapping", field("t")),
    ("mapping", field("7")),
    ("mapping", field("{form: $.t}")),
    ("mapping", field("{from: $.t, value: x}")),
    ("mapping", field("{as: lower}")),
    ("mapping", field("{from: $.t, as: lowr}")),
    ("mapping", field("{from: $.t, as: [lower, {upper: {x: 1}}]}")),
    ("mapping", field("{from: $.t, as: {regex: {group: 1}}}")),
    ("mapping", field("{from: $.t, as: regex}")),
    ("mapping", field("{from: $.t, direction: inn}")),
    ("mapping", field("{from: $.t, conflict: mine}")),
    ("mapping", field("{from: $.t, values: {a: opne}}", "status")),
    ("mapping", field("{from: $.t, back: {opne: a}}", "status")),
    ("mapping", field("{from: $.t, otherwise: opne}", "status")),
    ("mapping", field("{from: $.t, default: opne}", "status")),
    ("mapping", field("{value: opne}", "status")),
    ("mapping", field("$.t", "amount")),
    ("mapping", field("$.t", "custom.x", "comment")),
    ("mapping", field("$.t", entity="taks")),
    ("mapping", field("$.t") + "connector: x\n"),
    ("mapping", field("$.t") + "deletes: {in: maybe}\n"),
    ("mapping", field("$.t") + "tests: [{expect: {title: x}}]\n"),
    ("mapping", "mapping: m\nconnection: c\nentity: task\nfields: {title: $.t}\n"),
    ("mapping", "mapping: m\nobject: o\nentity: task\nfields: {title: $.t}\n"),
    ("hub", "nam: x\n"),
    ("hub", "name: x\ncalendar: {country: XX}\n"),
    ("hub", "name: x\ncalendar: {workdays: [monday]}\n"),
    ("hub", "name: x\nconnections: {a: {connector: githb}}\n"),
    ("hub", "name: x\nconnections: {a: {conector: github}}\n"),
    ("hub", "name: x\nconnections: {A B: {connector: webhook}}\n"),
    (
        "hub",
        "name: x\nconnections: {a: {connector: github, repositories: [a/b], auth: {token: abc}}}\n",
    ),
    (
        "hub",
        "name: x\nconnections:\n"
        "  a: {connector: github, repositories: [a/b], auth: {token: env:T}, pul: {every: 5m}}\n",
    ),
    ("hub", "name: x\nconnections: {a: {connector: github, auth: {token: env:T}}}\n"),
    ("people", "people: {a: {nam: x}}\n"),
    ("people", "people: {a: {name: x, email: nobody}}\n"),
    ("people", "roles: {ops: []}\n"),
    ("rule", RULE.format("{notfy: {to: a, text: b}}")),
    ("rule", RULE.format("{notify: {text: b}}")),
    ("rule", RULE.format("{update_task: {task: x}}")),
    ("rule", RULE.format("{create_task: {title: x, due: soon}}")),
    ("rule", RULE.format("{create_task: {title: x, priority: top}}")),
    ("rule", RULE.format("{assign: {to: a}, notify: {to: a, text: b}}")),
    ("rule", RULE.format("{close_case: {}}")),
    ("rule", "rules: [{rule: r, when: item.udpated, then: [{assign: {to: a}}]}]\n"),
    ("rule", "rules: [{rule: r, when: item.*, then: []}]\n"),
    ("rule", "otherwise: drop\n"),
    ("process", STEP.format("{titel: t}")),
    ("process", STEP.format("{title: t, due: 2 days}")),
    ("process", STEP.format("{title: t, type: taks}")),
    ("process", STEP.format("{title: t, type: wait}")),
    ("process", STEP.format("{title: t, options: [a, b]}")),
    ("process", STEP.format("{title: t, type: decision, decider: a}")),
    ("process", STEP.format("{title: t, type: milestone, due: 2d}")),
    ("process", STEP.format("{title: t, waiting_on: them}")),
    ("process", STEP.format("{title: t, each: x}")),
    ("process", STEP.format("{title: t, type: process}")),
    ("process", STEP.format("{title: t, type: wait, event: item.udpated}")),
    ("process", STEP.format("{title: t}") + "tests: [{happens: [{done: s}]}]\n"),
    ("process", STEP.format("{title: t}") + "tests: [{expect: {actve: [s]}}]\n"),
    ("process", "process: p\nsteps: {a: {title: t}}\n"),
    ("services", "title: T\nobjcts: {}\n"),
]


@pytest.mark.parametrize(("kind", "text"), MISTAKES)
def test_a_usual_mistake_is_underlined(kind: str, text: str, schemas: Mapping[str, Schema]) -> None:
    assert faults(schemas[kind], text)


RIGHT = [
    ("mapping", field("{from: [$.a, $.b], as: [strip, {regex: {pattern: x}}], direction: in}")),
    ("mapping", field("{value: null}", "status")),
    ("mapping", field("null")),
    ("mapping", "mapping: m\nextends: github-issue\nfields: {custom.a.b: $.x, labels: null}\n"),
    ("mapping", "mapping: m\nextends: a\nfields: {status: {from: $.s, values: {a: open}}}\n"),
    ("mapping", "mapping: m\nextends: a\nfields: {kind: {value: deal}}\n"),
    ("mapping", field("{from: $.t, values: {1: open, true: done, x: null}}", "status")),
    (
        "hub",
        "name: x\nconnections:\n  a:\n    connector: github\n    repositories: [a/b]\n"
        "    auth: {token: secret:T}\n    deadline: env:D\n    webhook: {secret: [env:A, env:B]}\n",
    ),
    ("hub", "name: x\nconnections: {a: {connector: rest, service: desk, auth: {token: env:T}}}\n"),
    (
        "rule",
        RULE.format("{create_task: {title: x, priority: '${item.custom.p}', labels: [a]}}"),
    ),
    ("process", STEP.format("{title: t, after: [], form: {type: object}}")),
    ("process", STEP.format('{title: t, each: "${case.data.tenants}"}')),
    ("process", STEP.format("{title: t, type: wait, event: item.*, if: 'true'}")),
    ("process", STEP.format("{title: t, type: process, process: q, data: {a: 1}}")),
    (
        "process",
        STEP.format("{title: t}")
        + "tests: [{happens: [{done: s}, {event: {type: item.updated}, item: {kind: a}}],"
        " expect: {completed: [s], status: completed}}]\n",
    ),
]


@pytest.mark.parametrize(("kind", "text"), RIGHT)
def test_what_the_readers_take_is_not_underlined(
    kind: str, text: str, schemas: Mapping[str, Schema]
) -> None:
    assert faults(schemas[kind], text) == []


# ---------------------------------------------------------------------------------- in a folder


def test_schemas_are_kept_where_the_files_point_and_made_anew_when_they_are_old(
    tmp_path: Path,
) -> None:
    write_starter(tmp_path)
    files, folder = read_files(tmp_path), tmp_path / FOLDER
    made = refresh_schemas(tmp_path, files, connector_classes())
    assert {path.name for path in made} == {f"{kind}.json" for kind in SCHEMAS}
    assert json.loads((folder / "rule.json").read_text())["title"] == "Process Hub rules"
    assert refresh_schemas(tmp_path, files, connector_classes()) == []

    (folder / STAMP).write_text("an older version")
    (folder / "rule.json").write_text("{}")
    assert refresh_schemas(tmp_path, files, connector_classes()) == [folder / "rule.json"]
    (folder / "hub.json").unlink()
    assert refresh_schemas(tmp_path, files, connector_classes()) == [folder / "hub.json"]


def test_a_workspace_without_modelines_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "hub.yaml").write_text("name: a\n")
    assert refresh_schemas(tmp_path, read_files(tmp_path), connector_classes()) == []
    assert not (tmp_path / ".hub").exists()


def test_a_folder_that_cannot_be_written_to_is_left_alone(tmp_path: Path) -> None:
    write_starter(tmp_path)
    (tmp_path / ".hub").write_text("not a folder")
    assert refresh_schemas(tmp_path, read_files(tmp_path), connector_classes()) == []


def test_one_kind_can_be_written_by_itself(tmp_path: Path) -> None:
    written = write_schemas(tmp_path, connector_classes(), ["people"])
    assert [path.name for path in written] == ["people.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["people.json"]
