"""Every mistake has its place and its remedy, and a sound file has none."""

from __future__ import annotations

import textwrap
import time

import pytest

from mappings.check import check_mapping
from mappings.language import MappingSpec, load_mapping, resolve
from mappings.source import Finding

HEAD = "mapping: m\nconnection: desk\nobject: ticket\nentity: task\n"


def findings_of(text: str) -> list[Finding]:
    """All findings of a file: of its form, then of its meaning."""
    spec, findings = load_mapping("m.yaml", textwrap.dedent(text))
    return findings + (check_mapping(spec) if spec else [])


def field(lines: str, entity: str = "task") -> list[Finding]:
    """The findings of a file whose fields are a title and these lines."""
    head = HEAD.replace("task", entity)
    body = textwrap.indent(textwrap.dedent(lines).strip(), "  ")
    return findings_of(f"{head}fields:\n  title: $.t\n{body}\n")


def said(findings: list[Finding]) -> str:
    return "\n".join(finding.with_caret() for finding in findings)


def test_a_sound_file_has_no_findings() -> None:
    assert field("status: {from: $.s, values: {a: open, b: in_progress, c: on_hold, d: done, "
                 "e: cancelled}}\nlabels: $.tags\ndue: {from: $.d, as: date}") == []  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "place", "message", "hint"),
    [
        ("titel: $.x", "7:3", "no field 'titel'", "Did you mean 'title'"),
        ("amount: $.x", "7:3", "no field 'amount'", "custom.amount"),
        ("labels: {form: $.x}", "7:12", "has no 'form'", "Did you mean 'from'"),
        ("labels: 7", "7:11", "neither a path nor", "{value:"),
        ("due: {from: $.d, as: dat}", "7:24", "no transform 'dat'", "Did you mean 'date'"),
        (
            "due: {from: $.d, as: {date: {formatt: iso}}}",
            "7:32",
            "no parameter 'formatt'",
            "Did you mean 'format'",
        ),
        ("due: {from: $.d, as: [date, {date: x}]}", "7:32", "cannot be 'x'", "pattern such as"),
        ("labels: tags", "7:11", "does not start with $", "Write $.tags"),
        ("labels: '$.tags[*'", "7:12", "not a path", ""),
        ("description: $.a[*].b", "7:16", "can match many values", "join"),
        ("description: $..b", "7:16", "can match many values", "join"),
        (
            "priority: {from: $.p, values: {1: hihg}}",
            "7:34",
            "cannot be 'hihg'",
            "Did you mean 'high'",
        ),
        (
            "priority: {from: $.p, values: {1: high, '1': low}}",
            "7:43",
            "duplicate key '1'",
            "Remove",
        ),
        (
            "priority: {from: $.p, values: {1: high, 2: high, 3: low, 4: normal, 5: urgent}}",
            "7:43",
            "'1', '2' all mean 'high'",
            "back: {high: 1}",
        ),
        ("priority: {from: $.p, values: {1: high}, otherwise: hgh}", "7:55", "cannot be 'hgh'", ""),
        ("priority: {value: top}", "7:3", "'top' is none of", ""),
        ("priority: {from: $.p, values: {a: b: c}}", "7:38", "not valid YAML", "Quote"),
        ("labels: {from: $.a, value: x}", "7:23", "'from' and 'value'", "exactly one"),
        ("labels: {as: labels}", "7:3", "has no source", "exactly one"),
        ("labels: {from: $.a, direction: inn}", "7:34", "cannot be 'inn'", "in, out, both"),
        ("description: {from: $.a, if: 'record.x = 1'}", "7:42", "does not compare", "Write =="),
        ("description: {text: 'a ${recrd.x}'}", "7:28", "no 'recrd'", "Did you mean 'record'"),
        ("labels: {from: $.a, to: '$.a[1]'}", "7:27", "does not name one place", "first element"),
        ("labels: $.a\nlabels: $.b", "8:3", "duplicate key 'labels'", "Remove"),
        ("due: {from: $.d, default: tomorrow}", "7:3", "the default of 'due'", ""),
        ("due: {from: $.d, otherwise: keep}", "7:31", "without 'values'", "Add values"),
        ("custom: $.x", "7:3", "no field 'custom'", "custom.NAME"),
    ],
)
def test_a_mistake_is_found_where_it_stands(
    lines: str, place: str, message: str, hint: str
) -> None:
    findings = [finding for finding in field(lines) if finding.severity == "error"]
    assert findings, "nothing was found"
    assert str(findings[0].place) == f"m.yaml:{place}", said(findings)
    assert message in findings[0].message, said(findings)
    assert hint in findings[0].hint, said(findings)
    assert len(findings) == 1, said(findings)
    assert findings[0].with_caret().splitlines()[-1].strip() == "^"


@pytest.mark.parametrize(
    ("lines", "message", "hint"),
    [
        ("labels: '$.l[*].name'", "where to is not clear", "Add to:"),
        ("description: {from: $.d, as: {regex: 'a(b)'}}", "'regex' has no way back", "in."),
        ("description: {from: [$.a, $.b]}", "where to is not clear", "Add to:"),
        ("status: {from: $.s, values: {a: open}}", "may become in_progress", "under back"),
        ("status: $.s", "there is no value map", "Add values"),
    ],
)
def test_what_works_one_way_only_is_a_warning(lines: str, message: str, hint: str) -> None:
    findings = field(lines)
    assert [finding.severity for finding in findings] == ["warning"], said(findings)
    assert message in findings[0].message
    assert hint in findings[0].hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("object: a\nentity: task\nconnection: d\nfields: {title: $.t}", "no 'mapping'"),
        ("mapping: m\nentity: task\nconnection: d\nfields: {title: $.t}", "no 'object'"),
        ("mapping: m\nobject: a\nconnection: d\nfields: {title: $.t}", "no 'entity'"),
        (f"{HEAD.replace('task', 'taks')}fields: {{title: $.t}}", "no entity 'taks'"),
        ("mapping: m\nobject: a\nentity: task\nfields: {title: $.t}", "no 'connection'"),
        (f"{HEAD}connector: x\nfields: {{title: $.t}}", "both 'connection' and 'connector'"),
        (f"{HEAD}", "no 'fields'"),
        (f"{HEAD}fields: {{}}", "no field is mapped"),
        (f"{HEAD}feilds: {{title: $.t}}", "has no 'feilds'"),
        (f"{HEAD}filter: 'rec.x == 1'\nfields: {{title: $.t}}", "no 'rec' here"),
        (f"{HEAD}filter: !x\nfields: {{title: $.t}}", "the tag !x"),
        (f"{HEAD}fields: {{title: $.t}}\ntests: [{{given: a.json}}]", "cannot fail"),
        (
            f"{HEAD}fields: {{title: $.t}}\ntests: [{{given: a.json, expect: {{stats: x}}}}]",
            "expects 'stats'",
        ),
        (f"{HEAD}deletes: {{in: maybe}}\nfields: {{title: $.t}}", "'in' cannot be 'maybe'"),
        (
            f"{HEAD.replace('connection: desk', 'connector: github')}identity: {{key: $.id}}\n"
            "fields: {title: $.t}",
            "knowledge of the connector 'github'",
        ),
        ("%YAML 1.1\n---\nmapping: m", "%YAML"),
        ("- a", "list of keys and values"),
        ("", "list of keys and values"),
    ],
)
def test_the_head_of_a_file_is_checked(text: str, message: str) -> None:
    assert message in said(findings_of(text))


def test_the_column_inside_a_quoted_filter_is_exact() -> None:
    text = f'{HEAD}filter: "record.a && recrd.b"\nfields: {{title: $.t}}\n'
    (finding,) = findings_of(text)
    lines = finding.with_caret().splitlines()
    assert lines[-2][lines[-1].index("^") :].startswith("recrd.b")


def loaded(text: str) -> MappingSpec:
    spec, findings = load_mapping("m.yaml", text)
    assert spec is not None
    assert findings == []
    return spec


def test_a_file_that_extends_another_overrides_field_by_field() -> None:
    base = loaded(
        f"{HEAD.replace('connection: desk', 'connector: desk')}conflict: ours\n"
        "fields: {title: $.t, description: $.d, labels: $.l}\n"
    )
    child = loaded(
        "mapping: mine\nextends: m\nconnection: desk\ndirection: in\n"
        "fields: {description: $.other, labels: null}\n"
    )
    specs, findings = resolve([child, base])
    assert findings == []
    mine = specs["mine"]
    assert (mine.object, mine.entity, mine.conflict) == ("ticket", "task", "ours")
    assert (mine.connection, mine.connector, mine.direction) == ("desk", None, "in")
    assert {name: spec.sources[0].text for name, spec in mine.fields.items()} == {
        "title": "$.t",
        "description": "$.other",
    }
    assert check_mapping(mine) == []


def test_extending_what_does_not_exist_or_oneself_is_found() -> None:
    a = loaded("mapping: a\nextends: b\n")
    b = loaded("mapping: b\nextends: a\n")
    _, findings = resolve(
        [a, b, loaded("mapping: c\nextends: bb\n"), loaded("mapping: a\nextends: b\n")]
    )
    assert "circle: a → b → a" in said(findings)
    assert "no mapping 'bb' to extend. Did you mean 'b'?" in said(findings)
    assert "two mappings 'a'" in said(findings)


def test_two_hundred_files_are_checked_in_seconds() -> None:
    lines = "\n".join(f"  custom.f{n}: {{from: $.x.f{n}, as: [strip, lower]}}" for n in range(18))
    text = f"{HEAD}filter: record.kind == 1\nfields:\n  title: $.t\n{lines}\n"
    start = time.perf_counter()
    for number in range(200):
        assert (
            findings_of(text.replace("$.x", f"$.x{number}").replace("== 1", f"== {number}")) == []
        )
    took = time.perf_counter() - start
    assert took < 10, "2 s are the aim; the rest is room for a busy machine"
