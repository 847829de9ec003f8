"""Rules that can never match, or say what another says, are found before they are applied."""

from __future__ import annotations

import pytest

from tests.hub.test_rules import complain, rules_of

THEN = "then: [{assign: {to: dana}}]"


@pytest.mark.parametrize(
    ("when", "condition", "expected"),
    [
        ("item.*", "1 > 2", "5:9 warning: this rule can never match."),
        ("item.*", "item.kind == 'deal' && false", "5:9 warning: this rule can never match."),
        ("item.*", "true || item.kind == 'deal'", "5:9 warning: this condition holds for every"),
        (
            "item.*",
            "item.kind == 'deal' && task.title == 'x'",
            "5:33 error: this rule can never match: no event of 'item.*' brings 'task'. "
            "Write when: task.*.",
        ),
        ("item.created", "has(task.due)", "'item.created' brings 'task'. Write when: task.*."),
        ("comment.added", "!(task.title == 'x')", "'comment.added' brings 'task'."),
        ("task.*", "delivery.method == 'GET'", "Write when: delivery.*."),
        ("task.*", "[item.a].exists(x, x == 1)", "no event of 'task.*' brings 'item'."),
        ("task.*", "item.a == 1 || item.b == 1", "no event of 'task.*' brings 'item'."),
        ("task.*", "task.a ? item.b == 1 : item.c", "no event of 'task.*' brings 'item'."),
        (
            "item.*",
            "item.kind == 'deal' && item.kind == 'invoice'",
            "warning: this rule can never match: 'item.kind' cannot be two things at once.",
        ),
        (
            "item.*",
            "item.kind in ['deal', 'order'] && item.a && item.kind == 'invoice'",
            "'item.kind' cannot be two things at once.",
        ),
    ],
)
def test_a_condition_that_cannot_decide_is_found(when: str, condition: str, expected: str) -> None:
    found = complain(f'rule: r\nwhen: {when}\nif: "{condition}"\n{THEN}')
    assert len(found) == 1, found
    assert expected in found[0]


@pytest.mark.parametrize(
    ("when", "condition"),
    [
        ("item.*", "item.kind == 'deal' || task.title == 'x'"),
        ("*", "item.kind == 'deal' && event.type == 'item.created'"),
        ("task.*", "case.process == 'onboarding' && task.title == 'x'"),
        ("step.completed", "case.process == 'onboarding' && now > timestamp(case.data.from)"),
        ("delivery.received", "delivery.connection == 'crm'"),
        ("item.*", "event.type == 'task.created' ? task.a : item.a"),
        ("item.*", "!(item.a && task.b)"),
        ("item.*", "item.labels.exists(task, task == 'x')"),
        ("item.*", "item.kind in ['deal', 'order'] && item.kind == 'order'"),
        ("item.*", "item.kind == 'deal' || item.kind == 'order'"),
    ],
)
def test_a_condition_that_can_hold_is_left_alone(when: str, condition: str) -> None:
    assert complain(f'rule: r\nwhen: "{when}"\nif: "{condition}"\n{THEN}') == []


def test_a_rule_that_says_the_same_as_another_is_found_across_files() -> None:
    first = f'rules:\n  - {{rule: a, when: item.*, if: "item.x == 1", {THEN}}}\n'
    second = first.replace("rule: a", "rule: b")
    other = first.replace("rule: a", "rule: c").replace("x == 1", "x == 2")
    _, findings = rules_of(first, second, other)
    assert [str(found) for found in findings] == [
        "rules/1.yaml:2:12 warning: 'b' says the same as 'a' (rules/0.yaml:2:5), so it is all done "
        "twice. Remove one of them."
    ]
