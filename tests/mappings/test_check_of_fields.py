"""The catalogue of what `hub check` finds in one field of a mapping: a broken line for each, with
▸ where the finding points, and all that it says. A line has exactly one finding.
"""

from __future__ import annotations

import pytest

from mappings.check import check_mapping
from mappings.language import load_mapping
from mappings.source import Finding

HEAD = "mapping: m\nconnection: desk\nobject: ticket\nentity: {}\nfields:\n  {}: $.t\n  "

FIELDS = [
    (
        "an unknown field",
        "▸titel: $.x",
        "error: a task has no field 'titel'. Did you mean 'title'? A field of your own is "
        "custom.titel.",
    ),
    (
        "a field the entity does not have",
        "▸amount: $.x",
        "error: a task has no field 'amount'. Known: assignee, description, due, labels, "
        "priority, requester, start_by, status, title, waiting_on. A field of your own is "
        "custom.amount.",
    ),
    (
        "custom without a name",
        "▸custom: $.x",
        "error: a task has no field 'custom'. Write custom.NAME.",
    ),
    (
        "an unknown key of a field",
        "labels: {▸form: $.x}",
        "error: the field 'labels' has no 'form'. Did you mean 'from'?",
    ),
    (
        "a field that is no path",
        "labels: ▸7",
        "error: 'labels' is neither a path nor a set of keys. Write a path such as "
        "$.title, or {from: $.title}; a constant is {value: …}.",
    ),
    (
        "a path that does not begin at the record",
        "labels: ▸tags",
        "error: 'tags' does not start with $. Write $.tags.",
    ),
    (
        "a path that cannot be read",
        "labels: '$.tags▸[*'",
        "error: '$.tags[*' is not a path, a ] is missing. Close the bracket with ].",
    ),
    (
        "two sources of a kind",
        "labels: {from: $.a, ▸value: x}",
        "error: 'labels' has 'from' and 'value'. Give exactly one of from, value and text.",
    ),
    (
        "no source",
        "▸labels: {as: labels}",
        "error: 'labels' has no source. Give exactly one of from, value and text.",
    ),
    (
        "unknown transform",
        "due: {from: $.d, as: ▸dat}",
        "error: there is no transform 'dat'. Did you mean 'date'? All of them: hub transforms",
    ),
    (
        "a transform by the name of what it should give",
        "due: {from: $.d, as: ▸markdown}",
        "error: there is no transform 'markdown'. Did you mean 'html', 'adf' or 'plain'? "
        "All of them: hub transforms",
    ),
    (
        "a transform by another language's name",
        "custom.x: {from: $.d, as: ▸bool}",
        "error: there is no transform 'bool'. Did you mean 'boolean'? All of them: hub transforms",
    ),
    (
        "a value map under the key of a constant",
        "priority: {from: $.p, ▸value: {1: high}}",
        "error: 'priority' has 'from' and 'value'. Did you mean 'values'?",
    ),
    (
        "unknown parameter",
        "due: {from: $.d, as: {date: {▸formatt: iso}}}",
        "error: 'date' has no parameter 'formatt'. Did you mean 'format'?",
    ),
    (
        "wrong parameter",
        "due: {from: $.d, as: [{▸date: x}]}",
        "error: 'format' of 'date' cannot be 'x'. Write one of iso, iso_ms, "
        "iso_offset, sql, epoch, epoch_ms, epoch_text, epoch_ms_text, slack, excel, excel_1904, "
        "rfc2822, dotnet, or a pattern such as '%d.%m.%Y'.",
    ),
    (
        "unknown zone",
        "due: {from: $.d, as: {datetime: {▸zone: Europe/Zurck}}}",
        "error: 'zone' of 'datetime': there is no time zone 'Europe/Zurck'; write one such "
        "as Europe/Zurich.",
    ),
    (
        "a pattern that RE2 does not know",
        "custom.a: {from: $.d, as: {▸regex: '(?=a)'}, direction: in}",
        "error: 'pattern' of 'regex': not a pattern: invalid perl operator: (?=. Patterns "
        "are RE2: no look-around, no back-references.",
    ),
    (
        "a needed parameter",
        "custom.a: {from: $.d, as: ▸regex, direction: in}",
        "error: 'regex' needs 'pattern'. Write {regex: …}.",
    ),
    (
        "a parameter for one that takes none",
        "custom.a: {from: $.d, as: {▸lower: x}}",
        "error: 'lower' takes no parameter. Write as: lower.",
    ),
    (
        "a date as labels",
        "labels: {from: $.d, as: ▸date}",
        "error: 'date' gives a date, which 'labels' cannot be. 'labels' takes a list of "
        "labels, as labels gives.",
    ),
    (
        "a date as a status",
        "status: {from: $.d, as: ▸date, direction: in}",
        "error: 'date' gives a date, which 'status' cannot be. 'status' takes one of its words.",
    ),
    (
        "an amount as text",
        "description: {from: $.d, as: ▸money, direction: in}",
        "error: 'money' gives an amount, which 'description' cannot be. 'description' takes text.",
    ),
    (
        "true or false as a due",
        "due: {from: $.d, as: ▸boolean, direction: in}",
        "error: 'boolean' gives true or false, which 'due' cannot be. 'due' takes a date "
        "or moment, as date or datetime gives.",
    ),
    (
        "a date as a moment",
        "created_at: {from: $.d, as: ▸date, direction: in}",
        "error: 'date' gives a date, which 'created_at' cannot be. 'created_at' takes a "
        "moment, as datetime gives.",
    ),
    (
        "a person as text",
        "description: {from: $.d, as: ▸party, direction: in}",
        "error: 'party' gives a person, which 'description' cannot be. 'description' takes text.",
    ),
    (
        "a date as a person",
        "assignee: {from: $.d, as: ▸date}",
        "error: 'date' gives a date, which 'assignee' cannot be. 'assignee' takes a "
        "person, as party gives.",
    ),
    (
        "transforms that do not fit each other",
        "custom.x: {from: $.d, as: [boolean, ▸decimal]}",
        "error: 'decimal' cannot work on true or false, which is what 'boolean' gives. "
        "Change the order, or remove one of them.",
    ),
    (
        "a date read as a moment",
        "due: {from: $.d, as: [date, ▸datetime]}",
        "error: 'datetime' cannot work on a date, which is what 'date' gives. Change the "
        "order, or remove one of them.",
    ),
    (
        "a list where one is wanted",
        "description: {from: $.d, as: ▸split}",
        "error: 'split' gives a list, and 'description' takes one value. Add join behind "
        "it, or choose one with regex instead.",
    ),
    (
        "a wildcard where one value is wanted",
        "description: ▸$.a[*].b",
        "error: '$.a[*].b' can match many values, and 'description' takes one. Choose one "
        "($.list[0]), filter ([?(@.type=='x')]), or add as: join.",
    ),
    (
        "a descent where one value is wanted",
        "description: ▸$..b",
        "error: '$..b' can match many values, and 'description' takes one. Choose one "
        "($.list[0]), filter ([?(@.type=='x')]), or add as: join.",
    ),
    (
        "a word outside the field's choices",
        "priority: {from: $.p, values: {1: ▸hihg}}",
        "error: 'priority' cannot be 'hihg'; it is one of urgent, high, normal, low. Did "
        "you mean 'high'?",
    ),
    (
        "a value map written the wrong way round",
        "priority: {from: $.p, values: {high: ▸1}}",
        "error: 'priority' cannot be '1'; it is one of urgent, high, normal, low. A value "
        "map reads theirs: ours.",
    ),
    (
        "otherwise outside the choices",
        "priority: {from: $.p, values: {1: high}, otherwise: ▸hgh}",
        "error: 'priority' cannot be 'hgh'; it is one of urgent, high, normal, low. Did "
        "you mean 'high'?",
    ),
    (
        "a constant outside the choices",
        "priority: {value: ▸hihg}",
        "error: the value of 'priority': 'hihg' is none of urgent, high, normal, low. Did "
        "you mean 'high'?",
    ),
    (
        "a default outside the choices",
        "priority: {from: $.p, values: {1: high}, default: ▸hihg}",
        "error: the default of 'priority': 'hihg' is none of urgent, high, normal, low. "
        "Did you mean 'high'?",
    ),
    (
        "a way back from what cannot occur",
        "priority: {from: $.p, values: {1: high}, back: {▸hgih: 1}}",
        "error: 'priority' cannot be 'hgih'; it is one of urgent, high, normal, low. Did "
        "you mean 'high'?",
    ),
    (
        "a value map that gives the wrong type",
        "due: {from: $.p, values: {1: ▸soon}}",
        "error: 'due' cannot be 'soon': 'soon' is not a date or time in a known form.",
    ),
    (
        "a default of the wrong type",
        "due: {from: $.d, default: ▸tomorrow}",
        "error: the default of 'due': 'tomorrow' is not a date or time in a known form.",
    ),
    (
        "a number as a person",
        "assignee: {value: ▸7}",
        "error: the value of 'assignee' is 7, and a person is named by text. Write a "
        "person's id, or remove it.",
    ),
    (
        "several values for one without back",
        "priority: {from: $.p, values: {1: high, ▸2: high, 3: low, 4: normal, 5: urgent}}",
        "error: '1', '2' all mean 'high', so the way back is not clear. Add back: {high: 1}.",
    ),
    (
        "a key written twice",
        "priority: {from: $.p, values: {1: high, ▸'1': low}}",
        "error: duplicate key '1' (first on line 7). Remove one of them.",
    ),
    (
        "a value that the transform before it changes",
        "status: {from: $.s, as: lower, values: {▸Open: open}, direction: in}",
        "error: 'Open' can never come: 'lower' before the value map makes it 'open'. Write open.",
    ),
    (
        "a word behind boolean",
        "custom.v: {from: $.s, as: boolean, values: {▸yes: A, true: B}}",
        "error: 'yes' can never come: 'boolean' before the value map makes it 'true'. Write true.",
    ),
    (
        "a word behind integer",
        "custom.v: {from: $.s, as: integer, values: {▸one: A, 2: B}}",
        "error: 'one' can never come: 'integer' before the value map gives no such value. "
        "Remove the line, or the transform.",
    ),
    (
        "otherwise where everything is mapped",
        "custom.v: {from: $.s, as: boolean, values: {true: A, false: B, null: C}, ▸otherwise: D}",
        "error: 'otherwise' never applies: true, false and nothing are all mapped. Remove it.",
    ),
    (
        "otherwise without values",
        "due: {from: $.d, otherwise: ▸keep}",
        "error: 'otherwise' stands without 'values'. Add values.",
    ),
    (
        "a source inside the one before it",
        "custom.v: {from: [$.a, ▸$.a.b], direction: in}",
        "error: '$.a.b' is never looked at: '$.a' before it is what it stands in. Remove "
        "it, or put it first.",
    ),
    (
        "a source named twice",
        "custom.v: {from: [$.a, $.b, ▸$.a], direction: in}",
        "error: '$.a' is never looked at: '$.a' before it is the same. Remove it, or put it first.",
    ),
    (
        "a default beside a constant",
        "custom.v: {value: 1, ▸default: 2}",
        "error: 'default' never applies: 'custom.v' is always its 'value'. Remove one of them.",
    ),
    (
        "a transform beside a constant",
        "custom.v: {value: 1, ▸as: decimal}",
        "error: 'as' never applies: 'custom.v' is always its 'value'. Remove one of them.",
    ),
    (
        "a default for text that is never empty",
        "custom.v: {text: 'Nr ${record.no}', ▸default: none, direction: in}",
        "error: 'default' never applies: the text of 'custom.v' is never empty. Remove it.",
    ),
    (
        "a condition that is never true",
        "custom.v: {from: $.a, if: ▸'false && record.x'}",
        "error: the condition of 'custom.v' is false for every record: it is never filled. "
        "Remove it, or mend it.",
    ),
    (
        "a condition that is always true",
        "custom.v: {from: $.a, if: ▸'1 == 1'}",
        "warning: the condition of 'custom.v' is true for every record: it decides "
        "nothing. Remove it, or mend it.",
    ),
    (
        "a condition with a single =",
        "custom.v: {from: $.a, if: 'record.x ▸= 1'}",
        "error: the condition of 'custom.v': a single '=' does not compare. Write ==.",
    ),
    (
        "a variable that text does not have",
        "custom.v: {text: 'a ${▸recrd.x}', direction: in}",
        "error: the text: there is no 'recrd' here. Did you mean 'record'?",
    ),
    (
        "a target for a field that only comes in",
        "custom.v: {from: $.a, ▸to: $.b, direction: in}",
        "error: 'to' never applies: 'custom.v' only comes in. Remove it, or write "
        "direction: both for this field.",
    ),
    (
        "a way back for a field that only comes in",
        "priority: {from: $.a, values: {1: high}, ▸back: {low: 1}, direction: in}",
        "error: 'back' never applies: 'priority' only comes in. Remove it, or write "
        "direction: both for this field.",
    ),
    (
        "a default for a field that only goes out",
        "custom.v: {from: $.a, ▸default: x, direction: out}",
        "error: 'default' never applies: 'custom.v' only goes out. Remove it, or write "
        "direction: both for this field.",
    ),
    (
        "a conflict rule beside a system of record",
        "custom.v: {from: $.a, system_of_record: hub, ▸conflict: ours}",
        "error: 'conflict' never applies: 'hub' is the system of record of 'custom.v'. "
        "Remove one of them.",
    ),
    (
        "a conflict rule for a field that only comes in",
        "custom.v: {from: $.a, direction: in, ▸conflict: ours}",
        "error: 'conflict' never applies: 'custom.v' only comes in. Remove it, or write "
        "direction: both for this field.",
    ),
    (
        "the hub as system of record of what only comes in",
        "custom.v: {from: $.a, direction: in, system_of_record: ▸hub}",
        "error: 'custom.v' only comes in, so the hub cannot be its system of record. Write "
        "direction: both for this field, or name a connection.",
    ),
    (
        "the tool as system of record of what only goes out",
        "custom.v: {from: $.a, direction: out, system_of_record: ▸desk}",
        "error: 'custom.v' only goes out to 'desk', so that cannot be its system of "
        "record. Write direction: both for this field, or system_of_record: hub.",
    ),
    (
        "a target that is not one place",
        "labels: {from: $.a, to: ▸'$.a[1]'}",
        "error: '$.a[1]' does not name one place to write to. Name a field ($.a.b), the "
        "first element ($.a[0]) or all ($.a[*].b).",
    ),
    (
        "composed text that should go back",
        "custom.v: {text: 'x ${record.a}', direction: ▸both}",
        "error: 'custom.v' has no field to go back to. Write direction: in.",
    ),
    (
        "two fields that write one place",
        "custom.v: {from: $.a, to: ▸$.t}",
        "error: 'custom.v' and 'title' (line 6) write the same place: $.t. Give one of "
        "them direction: in, or another 'to'.",
    ),
    (
        "two fields that write within each other",
        "custom.v: ▸$.t.x",
        "error: 'custom.v' and 'title' (line 6) write places within each other: $.t.x. "
        "Give one of them direction: in, or another 'to'.",
    ),
    (
        "a transform without a way back",
        "▸custom.v: {from: $.d, as: {regex: 'a(b)'}}",
        "warning: 'custom.v' cannot be written back: 'regex' has no way back. Write direction: in.",
    ),
    (
        "two sources and no target",
        "▸custom.v: {from: [$.a, $.b]}",
        "warning: 'custom.v' cannot be written back: where to is not clear. Add to: "
        "$.PATH, or direction: in.",
    ),
    (
        "choices without a value map",
        "▸status: $.s",
        "warning: 'status' takes one of open, in_progress, on_hold, done, cancelled, and "
        "there is no value map. Add values: {theirs: ours}, unless the tool uses exactly "
        "these words.",
    ),
    (
        "choices the tool has no value for",
        "▸status: {from: $.s, values: {a: open}}",
        "warning: 'status' may become in_progress, on_hold, done, cancelled, for which the "
        "tool has no value here. Add them under back, or such a change raises an exception.",
    ),
    (
        "an or in a filter",
        "custom.a: {from: \"$.f[?(@.name == 'a||b' ▸|| @.name == 'b')].v\", direction: in}",
        "error: a filter in a path has no ||. Give several paths under from, a list of which the "
        "first that gives something counts.",
    ),
    (
        "composed text as a path",
        'description: "▸${record.a}"',
        "error: '${record.a}' is composed text, not a path. Write {text: \"${record.a}\"}.",
    ),
    (
        "composed text with words before, as a path",
        'description: "▸No ${record.a}"',
        "error: 'No ${record.a}' is composed text, not a path. Write {text: \"No ${record.a}\"}.",
    ),
    (
        "another language's expression in a text",
        'description: {text: "No ▸#{record.number}"}',
        "warning: '#{record.number}' stands in the text as it is written here. "
        "Write ${record.number} for the record's value.",
    ),
    (
        "a value that YAML takes for a comment",
        "▸description: #${record.number}",
        "error: 'description' has no value: # starts a comment. Quote it: {text: "
        '"#${record.number}"}.',
    ),
    (
        "a composed text with a place to go",
        "description: {text: '${record.a}', ▸to: $.d}",
        "error: 'description' cannot be written to $.d: a composed text cannot be written back. "
        "Remove 'to' and write direction: in, or read it with from.",
    ),
    (
        "a field removed that is not inherited",
        "▸labels: null",
        "error: 'labels: null' removes an inherited field, and this file extends nothing. "
        "Remove the line, or give the field a source.",
    ),
    (
        "a direction that does not exist",
        "labels: {from: $.a, direction: ▸inn}",
        "error: 'direction' cannot be 'inn'. Write one of in, out, both.",
    ),
]


@pytest.mark.parametrize(("line", "said"), [row[1:] for row in FIELDS], ids=[r[0] for r in FIELDS])
def test_a_mistake_has_its_place_its_reason_and_a_way_out(line: str, said: str) -> None:
    before, _, after = line.partition("▸")
    entity, first = ("comment", "body") if "created_at" in line else ("task", "title")
    spec, findings = load_mapping("m.yaml", HEAD.format(entity, first) + before + after + "\n")
    findings = findings + (check_mapping(spec) if spec else [])
    column = len(before) + 3
    assert [str(one) for one in findings] == [f"m.yaml:7:{column} {said}"]
    assert with_caret(findings[0]) == after.splitlines()[0]


def with_caret(finding: Finding) -> str:
    """The text that the caret under the excerpt points at."""
    *_, excerpt, caret = finding.with_caret().splitlines()
    return excerpt[caret.index("^") :]
