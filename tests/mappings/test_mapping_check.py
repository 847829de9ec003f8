"""Every mistake has its place and its remedy, and a sound file has none."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

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


def test_a_warning_waits_until_the_mistakes_of_its_field_are_mended() -> None:
    (only,) = field("priority: {from: $.p, values: {1: hihg}}\ncustom.x: $.x")
    assert only.severity == "error"


def test_mistakes_of_several_fields_are_told_at_once_in_the_order_of_the_file() -> None:
    found = field("titel: $.x\ndue: {from: $.d, as: dat}\nstatus: $.s")
    assert [(one.place.line, one.severity) for one in found] == [
        (7, "error"),
        (8, "error"),
        (9, "warning"),
    ]


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


@pytest.mark.parametrize(
    ("line", "warned"),
    [
        ('{text: "${record.a}"}', "a composed text only comes in. Write direction: in to say so."),
        ("{value: x}", "a constant only comes in. Write direction: in to say so."),
        ('{text: "${record.a}", direction: in}', ""),
        ("{value: x, to: $.d}", ""),
        ("$.other", ""),
    ],
)
def test_an_override_that_quietly_ends_the_way_back_is_warned_of(line: str, warned: str) -> None:
    base = loaded(f"{HEAD}fields: {{title: $.t, description: $.d}}\n")
    child = loaded(f"mapping: mine\nextends: m\nfields:\n  description: {line}\n")
    specs, findings = resolve([child, base])
    assert check_mapping(specs["mine"]) == []
    first = "m.yaml:4:3 warning: 'description' is no longer written to the tool ($.d in 'm'): "
    assert [str(one) for one in findings] == ([first + warned] if warned else [])


def test_extending_what_does_not_exist_or_oneself_is_found() -> None:
    a = loaded("mapping: a\nextends: b\n")
    b = loaded("mapping: b\nextends: a\n")
    _, findings = resolve(
        [a, b, loaded("mapping: c\nextends: bb\n"), loaded("mapping: a\nextends: b\n")]
    )
    assert "circle: a → b → a" in said(findings)
    assert "no mapping 'bb' to extend. Did you mean 'b'?" in said(findings)
    assert "two mappings 'a'" in said(findings)


HALVES = """mapping: {}
connector: desk
object: ticket
entity: task
fields: {{title: $.t, labels: $.l}}
tests: [{{given: {{t: x}}, expect: {{title: x}}}}]
"""


def test_a_mapping_of_the_name_of_a_default_extends_that_default() -> None:
    default = loaded(HALVES.format("desk-ticket"))
    mine = loaded("mapping: desk-ticket\nextends: desk-ticket\nfields: {labels: null}\n")
    specs, findings = resolve([mine], [default])
    assert findings == []
    assert list(specs) == ["desk-ticket"]
    assert list(specs["desk-ticket"].fields) == ["title"]
    assert specs["desk-ticket"].connector == "desk"


def test_the_examples_of_a_base_are_not_run_on_what_extends_it() -> None:
    child = loaded("mapping: mine\nextends: desk-ticket\nfields: {title: $.subject}\n")
    specs, _ = resolve([child], [loaded(HALVES.format("desk-ticket"))])
    assert specs["mine"].examples == ()
    assert len(specs["desk-ticket"].examples) == 1


def test_what_hangs_on_a_missing_base_or_a_circle_has_that_finding_and_no_other() -> None:
    texts = [
        "mapping: a\nextends: nobody\nfields: {labels: null}\n",
        "mapping: b\nextends: a\n",
        "mapping: c\nextends: d\n",
        "mapping: d\nextends: c\n",
        "mapping: e\nextends: d\n",
        "mapping: f\nextends: broken\n",
    ]
    specs, findings = resolve([loaded(text) for text in texts], unreadable=["broken"])
    for spec in specs.values():
        findings += check_mapping(spec)
    assert [finding.message for finding in findings] == [
        "there is no mapping 'nobody' to extend.",
        "'extends' goes in a circle: c → d → c.",
    ]


@pytest.mark.parametrize(
    ("lines", "place", "message"),
    [
        ("entity: item", "3:9", "error: 'base' fills a task, so a mapping that extends it cannot"),
        ("object: order", "3:9", "warning: 'base' reads the object 'ticket', and this one reads"),
        ("connector: jira", "3:12", "warning: 'base' is for the connector desk, and this one for"),
        ("fields: {labelz: null}", "3:10", "error: 'labelz: null' removes nothing: 'base' has no"),
    ],
)
def test_a_base_of_something_else_is_found(lines: str, place: str, message: str) -> None:
    child = loaded(f"mapping: mine\nextends: base\n{lines}\n")
    specs, findings = resolve([child], [loaded(HALVES.format("base"))])
    found = findings + check_mapping(specs["mine"])
    assert str(found[0]).startswith(f"m.yaml:{place} {message}"), said(found)


def test_a_path_with_brackets_inside_a_set_of_keys_is_told_to_be_quoted() -> None:
    text = "mapping: m\nfields:\n  labels: {from: $.l[*].name, to: $.l}\n"
    _, findings = load_mapping("m.yaml", text)
    assert "Quote the text: a colon, a bracket" in findings[0].hint


def test_a_misspelt_word_of_ours_is_not_taken_for_a_map_the_wrong_way_round(
    spec: Callable[..., MappingSpec],
) -> None:
    field = "title: $.t\nstatus: {from: $.s, direction: in, values: {%s}}"
    for pair, hint in (
        ("open: opne", "Did you mean 'open'?"),
        ("done: closed", "A value map reads theirs: ours."),
    ):
        (found,) = check_mapping(spec(field % pair))
        assert found.hint == hint


@pytest.mark.parametrize(
    ("fields", "tests"),
    [
        ("{title: $.t, lables: $.tags}", "{labels: [a]}"),
        ("{title: $.t, priority: {from: $.p, value: {1: high}}}", "{priority: high}"),
        ("{title: $.t, status: {from: $.s, vlaues: {1: open}, otherwise: keep}}", "{status: open}"),
        ("{titel: $.t}", "{title: x}"),
        ("{title: {as: text}}", "{title: x}"),
    ],
)
def test_one_mistake_in_a_field_is_told_once(fields: str, tests: str) -> None:
    found = findings_of(f"{HEAD}fields: {fields}\ntests: [{{given: {{t: x}}, expect: {tests}}}]\n")
    assert len(found) == 1, said(found)


@pytest.mark.parametrize(
    ("fields", "line", "column", "remedy"),
    [
        ("  title:$.subject\n", 6, 3, "Write title: $.subject"),
        ("  title:$.subject\n  status: $.s\n", 6, 3, "Write title: $.subject"),
        ("  status: $.s\n  title:$.subject\n  x: $.y\n", 7, 3, "Write title: $.subject"),
        ("  title: {from:$.x, as: date}\n", 6, 11, "Write from: $.x"),
    ],
)
def test_a_colon_without_a_space_is_told_on_its_own_line(
    fields: str, line: int, column: int, remedy: str
) -> None:
    (only,) = findings_of(f"{HEAD}fields:\n{fields}")
    assert only.message == "a space is missing after the colon."
    assert (only.place.line, only.place.column, only.hint) == (line, column, remedy)


@pytest.mark.parametrize(
    ("fields", "remedy"),
    [
        ("  status: $.s\n   title: $.t\n", "deeper than 'status' above it, which has a value"),
        ("  status:\n    from: $.s\n   as: date\n", "3 spaces. Indent it by 4 or 2 or 0."),
        ("    status: $.s\n  title: $.t\n", "2 spaces. Indent it by 4 or 0."),
    ],
)
def test_a_wrong_indentation_is_told_how_many_spaces_to_write(fields: str, remedy: str) -> None:
    (only,) = findings_of(f"{HEAD}fields:\n{fields}")
    assert remedy in only.hint


def test_a_value_that_yaml_takes_for_a_comment_is_the_only_finding_of_its_field() -> None:
    """Even of a field that must be there."""
    spec, findings = load_mapping("m.yaml", f"{HEAD}fields:\n  title: #${{record.number}}\n")
    assert spec is not None
    assert [one.place.line for one in [*findings, *check_mapping(spec)]] == [6]


@pytest.mark.parametrize(
    ("filtered", "example", "message"),
    [
        ('filter: "record.a"\n', "", ""),
        ("", "", "expects a record to be filtered, and this file has no filter."),
        ('filter: "record.a"\n', ", roundtrip: true", "a filtered record does not come in."),
        ('filter: "record.a"\n', ", back: {t: x}", "a filtered record does not come in."),
    ],
)
def test_an_example_that_stays_out_needs_a_filter_and_nothing_else(
    filtered: str, example: str, message: str
) -> None:
    tests = f"tests: [{{given: {{a: false}}, expect: filtered{example}}}]\n"
    spec, findings = load_mapping("m.yaml", f"{HEAD}{filtered}fields: {{title: $.t}}\n{tests}")
    assert spec is not None
    told = [one.message for one in [*findings, *check_mapping(spec)]]
    assert len(told) == bool(message)
    assert message in "".join(told)


@pytest.mark.parametrize(
    ("match", "message"),
    [
        ("{by: custom.order}", "nothing fills 'custom.order' here"),
        ("{by: order_no}", "Did you mean 'custom.order_no'?"),
        ("{by: status}", "'status' cannot tell which one it is"),
        ("{likely: [title, url]}", "'url' cannot tell which one it is"),
        ("{by: custom.out}", "only written to the tool"),
        ("{by: custom.same}", "is a constant"),
        ("{by: title}", "'by' asks nobody"),
        ("{by: [custom.order_no, custom.order_no]}", "named twice"),
        ("{by: custom.order_no, likely: custom.order_no}", "the same fields stand in 'by'"),
        ("{bye: title}", "'match' has no 'bye'"),
        ("{by: 7}", "'by' is a field, a list of fields, or a list of such lists"),
        ("null", "this file extends nothing"),
    ],
)
def test_what_is_wrong_with_match_is_told_at_its_place(match: str, message: str) -> None:
    fields = (
        "  title: $.t\n  custom.order_no: $.o\n  custom.same: {value: 1, direction: in}\n"
        "  custom.out: {from: $.x, direction: out}\n"
    )
    found = findings_of(f"{HEAD}match: {match}\nfields:\n{fields}")
    assert message in said(found)
    assert {one.place.line for one in found} == {5}


def test_match_takes_one_field_several_and_several_sets() -> None:
    for match in ("{by: custom.a}", "{by: [custom.a, title]}", "{by: [[custom.a], [custom.b]]}"):
        assert findings_of(f"{HEAD}match: {match}\nfields: {{title: $.t, custom.a: $.a,"
                           " custom.b: $.b}\n") == []  # fmt: skip
