"""Routing rules: what matches, what a trace says, and what `hub check` says about mistakes."""

from __future__ import annotations

import json
import textwrap
from datetime import UTC, datetime
from typing import Any

import pytest

from hub.process.calendar import Duration
from hub.process.who import Known
from hub.reading import Reader
from hub.workspace.actions import ACTIONS, RUNNABLE
from hub.workspace.rules import RuleSet, load_rules
from mappings.canonical import Actor, Event, TaskStatus
from mappings.expressions import ExpressionError, context
from mappings.source import Finding

KNOWN = Known(
    people=frozenset({"dana"}),
    roles={"ops-lead": ["dana"]},
    connections=frozenset({"crm"}),
    processes=frozenset({"onboard"}),
)

DEALS = """\
rules:
  - rule: won
    when: item.*
    if: "item.kind == 'deal' && has(event.changed.stage) && item.amount.value > 10000.0"
    then:
      - start_case:
          process: onboard
          key: "${item.custom.account}"
          title: "Onboard ${item.title}"
          data: {amount: "${item.amount.value}", tags: ["${item.kind}", fixed], count: 3}
      - notify: {to: role:ops-lead, text: "Won: ${item.title}"}
  - rule: any-item
    when: item.updated
    then:
      - create_task: {title: "Look at ${item.title}", assignee: dana, due: 2bd, priority: high}
      - raise_exception: {type: validation, title: Odd, owner: role:ops-lead}
  - rule: tasks
    when: task.completed
    then: [{assign: {to: dana}}]
otherwise: exception
tests:
  - given: {event: {type: item.created}, item: {kind: deal}}
    expect: []
"""


def rules_of(*texts: str) -> tuple[RuleSet, list[Finding]]:
    readers = [Reader(f"rules/{index}.yaml", text) for index, text in enumerate(texts)]
    rules = load_rules(readers, KNOWN)
    return rules, [found for reader in readers for found in reader.findings]


def good() -> RuleSet:
    rules, findings = rules_of(DEALS)
    assert findings == []
    return rules


def deal(amount: float = 20000.0, **more: Any) -> dict[str, Any]:
    return {
        "event": {"type": "item.updated", "changed": {"stage": {}}},
        "item": {
            "kind": "deal",
            "title": "Acme",
            "amount": {"value": str(amount), "currency": "CHF"},
            "custom": {"account": "A1"},
            **more,
        },
    }


def test_all_rules_that_match_apply_in_their_order() -> None:
    sees = deal()
    matched = good().match(sees["event"], sees)
    assert [rule.name for rule in matched.rules] == ["won", "any-item"]
    assert [trace.verdict for trace in matched.traces] == ["matched", "matched"]


def test_the_trace_of_a_false_condition_names_the_clause_and_what_it_saw() -> None:
    sees = deal(5.0)
    matched = good().match(sees["event"], sees)
    assert [rule.name for rule in matched.rules] == ["any-item"]
    assert matched.traces[0].verdict == "false"
    assert str(matched.traces[0]) == (
        "rules/0.yaml:4:9 won: no match, `item.amount.value > 10000.0` was false: 5.0 > 10000.0"
    )


def test_a_condition_without_an_answer_is_no_match_and_its_trace_names_the_clause() -> None:
    sees = deal()
    del sees["item"]["amount"]
    matched = good().match(sees["event"], sees)
    assert [rule.name for rule in matched.rules] == ["any-item"]
    trace = matched.traces[0]
    assert (trace.verdict, trace.clause) == ("error", "item.amount.value > 10000.0")
    assert "amount" in trace.detail
    assert str(trace).startswith("rules/0.yaml:4:9 won: no match, `item.amount.value")


def test_a_rule_for_another_type_of_event_is_not_even_traced() -> None:
    matched = good().match({"type": "comment.added"}, {})
    assert (matched.rules, matched.traces) == ((), ())


def test_an_event_of_the_canonical_model_is_what_conditions_see() -> None:
    event = Event(
        id="e1",
        type="item.created",
        time=datetime(2026, 3, 2, tzinfo=UTC),
        source="crm",
        actor=Actor(kind="connector", id="crm"),
    )
    text = (
        "rules:\n  - rule: r\n    when: '*'\n    if: event.source == 'crm'\n"
        "    then: [{assign: {to: dana}}]\n"
    )
    rules, findings = rules_of(text)
    assert findings == []
    assert [rule.name for rule in rules.match(event, {}).rules] == ["r"]


def test_actions_render_their_templates_and_keep_types() -> None:
    won, anything, _ = good().rules
    start, notify = won.actions
    rendered = start.render(deal())
    assert rendered == {
        "process": "onboard",
        "key": "A1",
        "title": "Onboard Acme",
        "data": {"amount": 20000.0, "tags": ["deal", "fixed"], "count": 3},
    }
    assert str(notify.render(deal())["to"]) == "role:ops-lead"
    assert anything.actions[0].render(deal())["due"] == Duration(2, "bd")
    with pytest.raises(ExpressionError):
        start.render({"item": {}})


def test_what_follows_when_nothing_matches_is_said_once_for_all_files() -> None:
    assert good().otherwise == "exception"
    assert rules_of("rules: []\n")[0].otherwise == "ignore"
    _, findings = rules_of(DEALS, "rules: []\notherwise: ignore\n")
    assert any("'ignore' here, but 'exception' in rules/0.yaml" in str(each) for each in findings)


def many(*conditions: str) -> RuleSet:
    """One rule per condition, named by its number."""
    rules = "".join(
        f"  - {{rule: r{number}, when: item.*, if: {json.dumps(condition)},"
        " then: [{assign: {to: dana}}]}\n"
        for number, condition in enumerate(conditions)
    )
    loaded, findings = rules_of(f"rules:\n{rules}")
    assert all(found.severity == "warning" for found in findings)
    return loaded


GUARDED = (
    "item.kind == 'deal' && item.title == 'Acme'",
    "'order' == item.kind",
    "item.kind in ['order', 'deal']",
    "item.title.startsWith('A')",
    "item.missing == 'x'",
    "item.missing == 'x' && item.kind == 'order'",
    "item.amount.value == 'text' || true",
    "item.amount.currency == 'EUR' && item.nothing",
)


@pytest.mark.parametrize(
    "item",
    [
        deal()["item"],
        deal(title="Other")["item"],
        {"kind": None},
        {"kind": 3, "title": 5},
        {"kind": ["deal"], "missing": "x"},
        {"kind": "order", "missing": "x"},
        {"kind": TaskStatus.OPEN},
        {},
        None,
        "text",
    ],
)
def test_the_index_changes_no_answer(item: Any) -> None:
    rules, sees = many(*GUARDED), {"event": {"type": "item.updated"}, "item": item}
    matched = rules.match(sees["event"], sees)
    alone: dict[str, list[str]] = {"matched": [], "error": []}
    for rule in rules:
        assert rule.condition is not None
        try:
            if rule.condition.evaluate(context(sees)):
                alone["matched"].append(rule.name)
        except ExpressionError:
            alone["error"].append(rule.name)
    assert [rule.name for rule in matched.rules] == alone["matched"]
    assert [trace.rule for trace in matched.errors] == alone["error"]
    assert {trace.rule: trace.verdict for trace in matched.traces} == {
        rule.name: "matched"
        if rule.name in alone["matched"]
        else "error"
        if rule.name in alone["error"]
        else "false"
        for rule in rules
    }


def test_what_no_condition_names_is_never_made() -> None:
    made: list[str] = []

    def make() -> dict[str, str]:
        made.append("item")
        return {"kind": "deal"}

    rules = many("event.source == 'crm' && item.kind == 'deal'")
    for source, expected in (("desk", []), ("crm", ["item"])):
        sees = context({"event": {"type": "item.updated", "source": source}})
        sees.later("item", make)
        assert bool(rules.match({"type": "item.updated"}, sees).rules) is bool(expected)
        assert made == expected


def complain(rule: str) -> list[str]:
    body = textwrap.indent(textwrap.dedent(rule).strip(), "    ")
    _, findings = rules_of(f"rules:\n  -\n{body}\n")
    return [str(found) for found in findings]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("rule: r\nwhen: item.*", "a rule needs 'then'."),
        ("rule: r\nwhen: item.*\nthen: []", "this rule does nothing"),
        ("when: item.*\nthen: [{assign: {to: dana}}]", "a rule needs 'rule'."),
        ("rule: r\nwen: item.*\nthen: [{assign: {to: dana}}]", "Did you mean 'when'?"),
        ("rule: r\nwhen: item.udpated\nthen: [{assign: {to: dana}}]", "'item.updated'?"),
        ("rule: r\nwhen: itm.*\nthen: [{assign: {to: dana}}]", "Did you mean 'item.*'?"),
        ("rule: r\nwhen: it*.x\nthen: [{assign: {to: dana}}]", "the * is not at the end"),
        ("rule: r\nwhen: item.*\nif: 'false'\nthen: [{assign: {to: dana}}]", "can never match"),
        (
            "rule: r\nwhen: item.*\nif: \"itme.kind == 'x'\"\nthen: [{assign: {to: dana}}]",
            "5:10 error: there is no 'itme' here. Did you mean 'item'?",
        ),
        (
            "rule: r\nwhen: item.*\nthen: [{asign: {to: dana}}]",
            "there is no action 'asign'. Did you mean 'assign'?",
        ),
        ("rule: r\nwhen: item.*\nthen: [{assign: dana}]", "needs its parameters as a mapping"),
        ("rule: r\nwhen: item.*\nthen: [{assign: {to: dna}}]", "Did you mean 'dana'?"),
        ("rule: r\nwhen: item.*\nthen: [{assign: {}}]", "the action 'assign' needs 'to'."),
        (
            "rule: r\nwhen: item.*\nthen: [{assign: {to: dana}, notify: {to: dana, text: x}}]",
            "is one action, but this has 2 keys",
        ),
        (
            "rule: r\nwhen: item.*\nthen: [{start_case: {process: onbord}}]",
            "5:35 error: there is no process 'onbord'. Did you mean 'onboard'?",
        ),
        (
            'rule: r\nwhen: item.*\nthen: [{notify: {to: dana, text: "${item.title"}}]',
            "is not closed",
        ),
        (
            "rule: r\nwhen: item.*\nthen: [{notify: {to: dana, txt: hi}}]",
            "the action 'notify' has no 'txt'. Did you mean 'text'?",
        ),
        (
            "rule: r\nwhen: item.*\nthen: [{create_task: {title: T, connection: crn}}]",
            "Did you mean 'crm'?",
        ),
        (
            "rule: r\nwhen: item.*\nthen: [{create_task: {title: T, priority: hihg}}]",
            "Did you mean 'high'?",
        ),
        ("rule: r\nwhen: item.*\nthen: [{create_task: {title: T, due: soon}}]", "not a duration"),
        ("rule: r\nwhen: item.*\nthen: [{update_task: {task: x}}]", "changes nothing"),
        (
            "rule: r\nwhen: item.*\nthen: [{raise_exception: {title: T, type: validaton}}]",
            "Did you mean 'validation'?",
        ),
    ],
)
def test_a_mistake_is_named_at_its_place(rule: str, expected: str) -> None:
    messages = complain(rule)
    assert any(expected in message for message in messages), messages


def test_an_action_that_cannot_run_yet_is_never_silently_ignored() -> None:
    later = sorted(set(ACTIONS) - set(RUNNABLE))
    assert later == [
        "close_case",
        "complete_step",
        "push",
        "remind",
        "request_decision",
    ]
    for name in later:
        messages = complain(f"rule: r\nwhen: item.*\nthen: [{{{name}: {{}}}}]")
        assert any(f"cannot run the action '{name}' yet" in message for message in messages)


def test_rule_names_are_unique_and_tests_name_real_rules() -> None:
    _, findings = rules_of(DEALS, DEALS.replace("expect: []", "expect: [wonn]"))
    messages = [str(found) for found in findings]
    assert any("there are two rules 'won' (the first in rules/0.yaml:2:5)." in m for m in messages)
    assert any("there is no rule 'wonn'. Did you mean 'won'?" in m for m in messages)
