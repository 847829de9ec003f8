"""What `hub check` says about process files: each mistake at its line and column, with a remedy."""

from __future__ import annotations

import textwrap

import pytest

from hub.process.calendar import Duration
from hub.process.definitions import Outcome, load_process
from hub.process.who import Known
from mappings.canonical import StepType, WaitingOn

KNOWN = Known(
    people=frozenset({"dana", "lee"}),
    roles={"ops-lead": ["dana"], "legal": ["lee"], "finance-lead": ["lee", "dana"]},
    connections=frozenset({"github", "crm"}),
)

ONBOARDING = """\
process: customer-onboarding
title: Customer onboarding
accountable: role:ops-lead
due: 10bd
steps:
  contract:
    title: Sign contract
    delivers: Countersigned contract, filed with the deal
    responsible: role:legal
    accountable: role:ops-lead
    connection: github
    labels: [onboarding, "${case.data.region}"]
    due: 2bd
  documents:
    title: "Documents for ${case.title}"
    after: [contract]
    responsible: "external:${case.data.customer_email}"
    waiting_on: external
    form:
      type: object
      required: [vat_id]
      properties: {vat_id: {type: string, pattern: "^[A-Z]{2}[0-9]+$"}}
    due: 3bd
    remind: {before: [1bd], every: 1bd, max: 3}
    escalate: [{after: 1bd, to: accountable}, {after: 3bd, to: role:ops-lead}]
  credit:
    type: decision
    title: Grant credit
    after: [documents]
    if: "case.data.amount > 50000.0"
    decider: role:finance-lead
    options: [approved, rejected, changes_requested]
    quorum: 1
    exclude: ["${case.started_by}"]
    due: 1bd
    outcomes: {rejected: {terminate: credit refused}, changes_requested: {reopen: documents}}
  live: {type: milestone, title: Live, after: [credit]}
"""


def test_the_contracts_own_example_loads_completely() -> None:
    definition, findings = load_process("p.yaml", ONBOARDING, KNOWN)
    assert findings == []
    assert definition is not None
    assert (definition.key, str(definition.accountable)) == ("customer-onboarding", "role:ops-lead")
    assert definition.due == Duration(10, "bd")
    assert list(definition.steps) == ["contract", "documents", "credit", "live"]
    contract, documents, credit, live = definition.steps.values()
    assert contract.connection == "github"
    assert [label.text for label in contract.labels] == ["onboarding", "${case.data.region}"]
    assert documents.title.render({"case": {"title": "Acme"}}) == "Documents for Acme"
    assert documents.waiting_on is WaitingOn.EXTERNAL
    assert documents.form is not None
    assert documents.form["required"] == ["vat_id"]
    assert documents.remind is not None
    assert documents.remind.before == (Duration(1, "bd"),)
    assert [str(entry.to) for entry in documents.escalate] == ["accountable", "role:ops-lead"]
    assert documents.responsible is not None
    assert documents.responsible.address is not None
    sees = {"case": {"data": {"customer_email": "a@b.test"}}}
    assert documents.responsible.address.render(sees) == "a@b.test"
    assert credit.type is StepType.DECISION
    assert credit.condition is not None
    assert credit.condition.evaluate({"case": {"data": {"amount": 60000.0}}})
    assert credit.outcomes == {
        "rejected": Outcome(terminate="credit refused"),
        "changes_requested": Outcome(reopen="documents"),
    }
    assert live.type is StepType.MILESTONE


def test_names_are_not_checked_where_they_are_not_known() -> None:
    definition, findings = load_process("p.yaml", ONBOARDING)
    assert findings == []
    assert definition is not None


def complain(steps: str, head: str = "process: p\naccountable: dana\n") -> list[str]:
    text = f"{head}steps:\n{textwrap.indent(textwrap.dedent(steps).strip(), '  ')}\n"
    definition, findings = load_process("p.yaml", text, KNOWN)
    assert (definition is None) == any(found.severity == "error" for found in findings)
    return [str(found) for found in findings]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param("a: {title: A, ower: x}", "4:17 error: a step has no 'ower'", id="key"),
        pytest.param("a: {titel: A}", "Did you mean 'title'?", id="did-you-mean"),
        pytest.param("a: {due: 1bd}", "4:6 error: a step needs 'title'.", id="no-title"),
        pytest.param("a: {title: 5}", "'title' must be text, not a number. Quote it.", id="type"),
        pytest.param("a: nothing", "'a' must be a mapping, not text", id="not-a-mapping"),
        pytest.param(
            "alpha: {title: A}\nb: {title: B, after: [alfa]}",
            "5:25 error: there is no step 'alfa'. Did you mean 'alpha'?",
            id="unknown-after",
        ),
        pytest.param("a: {title: A, after: b}", "must be a list, not text. Write [b].", id="list"),
        pytest.param("a: {title: A, after: [a]}", "'a' cannot come after itself", id="self"),
        pytest.param(
            "a: {title: A, after: [c]}\nb: {title: B, after: [a]}\nc: {title: C, after: [b]}",
            "these steps wait for each other: a → c → b → a.",
            id="cycle",
        ),
        pytest.param("a: {title: A, due: 2 weeks}", "'2 weeks' is not a duration", id="due"),
        pytest.param("a: {title: A, responsible: dan}", "Did you mean 'dana'?", id="person"),
        pytest.param(
            "a: {title: A, responsible: legal}", "Did you mean 'role:legal'?", id="role-as-person"
        ),
        pytest.param(
            "a: {title: A, responsible: role:leagl}", "there is no role 'leagl'.", id="role"
        ),
        pytest.param(
            'a: {title: A, responsible: "${case.data.mail}"}',
            'write "external:${case.data.mail}"',
            id="bare-template",
        ),
        pytest.param(
            'a: {title: A, accountable: "external:a@b.test"}',
            "Write a person's key or role:NAME.",
            id="external-accountable",
        ),
        pytest.param(
            'a: {title: A, responsible: "external:nobody"}', "names no e-mail address", id="mail"
        ),
        pytest.param(
            'a: {title: A, responsible: "external:${case.}"}', "error: ", id="broken-address"
        ),
        pytest.param(
            "a: {title: A, connection: githup}", "Did you mean 'github'?", id="connection"
        ),
        pytest.param("a: {title: A, object: issue}", "needs a 'connection'", id="object-alone"),
        pytest.param(
            'a: {title: A, if: "case.data.amount = 5"}',
            "a single '=' does not compare. Write ==.",
            id="single-equals",
        ),
        pytest.param(
            'a: {title: A, if: "cas.data.amount > 5.0"}',
            "4:22 error: there is no 'cas' here. Did you mean 'case'?",
            id="condition-column",
        ),
        pytest.param(
            'a: {title: A, if: "${case.x}"}', "write it without ${ and }", id="braces-in-if"
        ),
        pytest.param(
            "a:\n  title: A\n  if: case.title == 'a #1'",
            "after ' #' as a comment: quote the condition.",
            id="comment",
        ),
        pytest.param("a:\n  title: A\n  if: !has(case.x)", "quote it", id="bang"),
        pytest.param(
            "a:\n  title: A\n  if: 'x' == case.title", "Quote the whole condition", id="quote"
        ),
        pytest.param(
            "a:\n  title: A\n  if: [1, 2].exists(x, x == 1)",
            "Quote the whole condition",
            id="bracket",
        ),
        pytest.param("a:\n  title: A\n  if: case.x ? a : b", "Quote", id="question"),
        pytest.param("a: {title: A, if: true}", "conditions are text", id="boolean-condition"),
        pytest.param(
            "a: {title: A, type: aproval}",
            "'type' cannot be 'aproval'. Known: decision, milestone,",
            id="type-word",
        ),
        pytest.param(
            "a: {title: A, type: wait, event: item.udpated}",
            "no event is called 'item.udpated'. Did you mean 'item.updated'?",
            id="wait-event",
        ),
        pytest.param("a: {title: A, type: wait}", "a wait step needs 'event'.", id="wait"),
        pytest.param(
            "a: {title: A, type: wait, event: '*.updated'}", "the * is not at the end", id="star"
        ),
        pytest.param(
            "a: {title: A, type: wait, event: task.*, if: \"item.stage == 'paid'\"}",
            "this is never true: no event of 'task.*' brings 'item'. Write event: item.*.",
            id="wait-if",
        ),
        pytest.param(
            'a: {title: A, type: wait, event: task.*, key: "${item.title}"}',
            "this has no value: no event of 'task.*' brings 'item'.",
            id="wait-key",
        ),
        pytest.param(
            "a: {title: A, type: wait, event: item.*, key: acme}",
            "this is the same for every event",
            id="constant-key",
        ),
        pytest.param(
            'a: {title: A, type: wait, event: item.*, key: "${case.key}"}', "'case'", id="case-key"
        ),
        pytest.param(
            'a: {title: A, type: wait, event: item.*, responsible: "external:x@y.test"}',
            "'responsible' cannot be 'external:x@y.test'.",
            id="wait-external",
        ),
        pytest.param(
            "a: {title: A, type: process}", "a process step needs 'process'.", id="process"
        ),
        pytest.param(
            "a: {title: A, type: process, process: q, connection: github}",
            "'connection' belongs to task and decision steps",
            id="process-keys",
        ),
        pytest.param('a: {title: "${each.name}"}', "'each'", id="each-alone"),
        pytest.param(
            "a: {title: A, each: tenants}", "'each' needs a list, and this is text.", id="each"
        ),
        pytest.param(
            "a: {title: A, options: [x, y]}",
            "'options' belongs to decision steps, not to a step.",
            id="options-on-task",
        ),
        pytest.param(
            "a: {title: A, type: milestone, due: 1d}", "not to a milestone step", id="due-milestone"
        ),
        pytest.param(
            "a: {title: A, type: decision, options: [x, y]}",
            "a decision needs 'decider'.",
            id="no-decider",
        ),
        pytest.param(
            "a: {title: A, type: decision, decider: lee}",
            "a decision needs 'options'.",
            id="no-options",
        ),
        pytest.param(
            "a: {title: A, type: decision, decider: lee, options: [x]}",
            "at least two options",
            id="one-option",
        ),
        pytest.param(
            "a: {title: A, type: decision, decider: lee, options: [x, x, y]}",
            "listed twice",
            id="same-option",
        ),
        pytest.param(
            "a: {title: A, type: decision, decider: lee, options: [x, expired]}",
            "what the hub itself calls an outcome",
            id="reserved",
        ),
        pytest.param(
            "a: {title: A, type: decision, decider: lee, options: [x, y], quorum: 2}",
            "4:72 error: 2 must decide alike, but only 1 can: lee.",
            id="quorum-person",
        ),
        pytest.param(
            "a: {title: A, type: decision, options: [x, y], decider: [role:finance-lead, lee],"
            " quorum: 3}",
            "3 must decide alike, but only 2 can: dana, lee.",
            id="quorum-role",
        ),
        pytest.param(
            "a: {title: A, type: decision, options: [x, y], decider: role:finance-lead,"
            " exclude: [dana], quorum: 2}",
            "2 must decide alike, but only 1 can: lee.",
            id="quorum-excluded",
        ),
        pytest.param(
            "a: {title: A, type: decision, options: [x, y], decider: [lee, lee]}",
            "'lee' is listed twice. One person has one voice.",
            id="decider-twice",
        ),
        pytest.param(
            "a: {title: A, type: decision, options: [x, y], decider: [lee, role:leagl]}",
            "there is no role 'leagl'. Did you mean 'legal'?",
            id="decider-role",
        ),
        pytest.param(
            "a: {title: A, type: decision, options: [x, y], decider: []}",
            "nobody decides. Name at least one.",
            id="decider-none",
        ),
        pytest.param(
            "a: {title: A, type: decision, options: [x, y], decider: [lee, dana],"
            " sequence: true, quorum: 2}",
            "a sequence has no quorum",
            id="quorum-beside-sequence",
        ),
        pytest.param(
            "a: {title: A, type: decision, options: [x, y], decider: lee, sequence: true}",
            "there is nobody to ask one after the other.",
            id="sequence-alone",
        ),
        pytest.param(
            "a: {title: A, type: decision, options: [x, y], decider: [lee, dana], sequence: yes}",
            "'sequence' must be true or false, not text.",
            id="sequence-text",
        ),
        pytest.param(
            "a: {title: A, type: decision, options: [no, yes], decider: [lee, dana], quorum: 2,"
            " veto: [nope]}",
            "there is no option 'nope'. Did you mean 'no'?",
            id="veto-unknown",
        ),
        pytest.param(
            "a: {title: A, type: decision, options: [no, yes], decider: lee, veto: [no]}",
            "warning: one voice decides here anyway.",
            id="veto-alone",
        ),
        pytest.param(
            "first: {title: F}\na: {title: A, type: decision, options: [x, y], decider: lee,"
            ' after: [first], exclude: ["${steps.frist.by}"]}',
            "there is no step 'frist'. Did you mean 'first'?",
            id="exclude-step",
        ),
        pytest.param(
            "b: {title: B}\na: {title: A, type: decision, options: [x, y], decider: lee,"
            ' exclude: ["${steps.b.by}"]}',
            "'b' does not come before 'a', so nobody has done it yet.",
            id="exclude-later-step",
        ),
        pytest.param(
            "a: {title: A, type: decision, options: [x, y], decider: lee, exclude: [leee]}",
            "there is no person 'leee'. Did you mean 'lee'?",
            id="exclude-person",
        ),
        pytest.param(
            "a: {title: A, type: decision, decider: lee, options: [yes, no],"
            " outcomes: {nope: {terminate: t}}}",
            "there is no option 'nope'.",
            id="outcome-name",
        ),
        pytest.param(
            "a: {title: A, type: decision, decider: lee, options: [yes, no],"
            " outcomes: {no: {terminate: t, reopen: a}}}",
            "an outcome does exactly one thing",
            id="two-things",
        ),
        pytest.param(
            "a: {title: A, type: decision, decider: lee, options: [yes, no],"
            " outcomes: {no: {reopen: b}}}\nb: {title: B, after: [a]}",
            "'b' does not come before 'a', so it cannot be reopened from here.",
            id="reopen-ahead",
        ),
        pytest.param(
            "first: {title: F}\na: {title: A, after: [first], type: decision, decider: lee,"
            " options: [yes, no], outcomes: {no: {reopen: frist}}}",
            "there is no step 'frist'. Did you mean 'first'?",
            id="reopen-unknown",
        ),
        pytest.param(
            "a: {title: A, type: decision, decider: lee, options: [yes, no],"
            " outcomes: {no: {terminate: n}, yes: {terminate: y}}}\nb: {title: B, after: [a]}",
            "5:3 warning: 'b' can never be reached",
            id="unreachable",
        ),
        pytest.param(
            "a: {title: A, due: 1d, remind: {before: [soon]}}",
            "4:44 error: 'soon' is not a duration.",
            id="remind",
        ),
        pytest.param(
            "a: {title: A, remind: {before: [1d]}}", "Add a 'due'", id="remind-without-due"
        ),
        pytest.param(
            "a: {title: A, due: 1d, escalate: [{after: 1bd}]}",
            "an escalation needs 'to'.",
            id="escalate",
        ),
        pytest.param(
            "a: {title: A, form: {type: objekt}}", "this form is not a JSON Schema", id="schema"
        ),
        pytest.param(
            'a: {title: A, form: {type: object, properties: {x: {pattern: "["}}}}',
            "4:64 error: this form is not a JSON Schema",
            id="pattern",
        ),
        pytest.param(
            "a: {title: A, form: {type: object, required: [vat], properties: {vat_id: {}}}}",
            "the form requires 'vat' but has no such property. Did you mean 'vat_id'?",
            id="form-required",
        ),
        pytest.param(
            'a: {title: A, form: {type: object, $ref: "https://a.test/s.json"}}',
            "4:44 error: a form cannot fetch a part of itself from elsewhere.",
            id="form-ref",
        ),
    ],
)
def test_a_mistake_is_named_at_its_place(steps: str, expected: str) -> None:
    messages = complain(steps)
    assert any(expected in message for message in messages), messages
    assert all(message.startswith("p.yaml:") for message in messages)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("process: p\n", "a process needs 'accountable'."),
        ("accountable: dana\n", "a process needs 'process'."),
        ("process: p\naccountable: responsible\n", "Write a person's key or role:NAME."),
        ("process: p\naccountable: dana\naccontable: dana\n", "Did you mean 'accountable'?"),
        ("process: p\naccountable: dana\ndue: 0d\n", "no time at all"),
    ],
)
def test_the_head_of_a_process_is_checked_too(head: str, expected: str) -> None:
    messages = complain("a: {title: A}", head)
    assert any(expected in message for message in messages), messages


def test_a_genuine_comment_after_a_condition_is_no_finding() -> None:
    assert complain("a:\n  title: A\n  if: case.data.big  # only big ones") == []


@pytest.mark.parametrize("text", ["", "[]", "steps: [", "a text", "\x00", "process: p\nsteps: {}"])
def test_a_file_that_is_no_process_gives_findings_not_an_exception(text: str) -> None:
    definition, findings = load_process("p.yaml", text, KNOWN)
    assert definition is None
    assert any(found.severity == "error" for found in findings)
