"""A process with everything that can be drawn."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from hub.process.definitions import load_process
from hub.process.model import ProcessDefinition

EVERYTHING = """\
process: all-of-it
title: Everything & more
accountable: role:ops-lead
due: 30bd
steps:
  order: {title: "Check order ${case.data.number} of ${case.data.customer} for completeness", responsible: role:sales, due: 1bd}
  address: {title: Confirm the address, after: [order], responsible: "external:${case.data.customer_email}", waiting_on: external, due: 3bd}
  price:
    type: decision
    title: Accept the special price?
    after: [order]
    if: "case.data.discount > 0.15 && case.data.amount > 10000.0"
    decider: role:finance-lead
    options: [approved, rejected, changes_requested]
    due: 4bh
    outcomes: {rejected: {terminate: price refused}, changes_requested: {reopen: order}}
  build: {title: "Build ${each.name}", after: [address], each: "${case.data.positions}", responsible: role:production, due: 5bd, compensation: Scrap the parts}
  customs: {type: process, title: Clear customs, after: [address], process: customs, if: "case.data.country != 'CH'"}
  ready: {type: milestone, title: Ready, after: [build, customs, price]}
  paid: {type: wait, title: Invoice paid, after: [ready], event: item.updated, if: "item.stage == 'paid'", key: "${item.custom.number}"}
  survey: {title: How was it?, after: [ready], responsible: "external:${case.data.customer_email}"}
"""  # noqa: E501 - one step a line


def everything() -> ProcessDefinition:
    return loaded(EVERYTHING)


def chain(count: int) -> ProcessDefinition:
    """Steps one after the other, every third with a way round it."""
    lines = ["process: long", "title: Long", "accountable: dana", "steps:"]
    for number in range(count):
        after = f", after: [s{number - 1}]" if number % 3 else ""
        if number and number % 3 == 0:
            after = f", after: [s{number - 1}, s{number - 2}]"
        lines.append(f"  s{number}: {{title: Step number {number} of this long one{after}}}")
    return loaded("\n".join(lines))


def loaded(text: str) -> ProcessDefinition:
    definition, findings = load_process("processes/drawn.yaml", text)
    assert definition is not None, findings
    return definition


@st.composite
def any_process(draw: st.DrawFn) -> ProcessDefinition:
    """Up to twelve steps: tasks, decisions with a way back, milestones, conditions, joins."""
    steps: dict[str, dict[str, Any]] = {}
    for number in range(draw(st.integers(1, 12))):
        kind = draw(st.sampled_from(["task", "task", "decision", "milestone"]))
        step: dict[str, Any] = {"type": kind, "title": draw(TITLES) + f" {number}"}
        if steps:
            step["after"] = draw(st.lists(st.sampled_from(sorted(steps)), max_size=3, unique=True))
        if draw(st.booleans()):
            step["if"] = "case.data.amount > 100.0 && case.title != '<&>'"
        if kind == "decision":
            step |= {"decider": "dana", "options": ["approved", "rejected", "changes_requested"]}
            step["outcomes"] = {"rejected": {"terminate": "refused"}}
            if step.get("after"):
                step["outcomes"]["changes_requested"] = {"reopen": step["after"][0]}
        steps[f"s{number}"] = step
    made = {"process": "any", "title": draw(TITLES), "accountable": "dana", "steps": steps}
    return loaded(json.dumps(made, ensure_ascii=False))


TITLES = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1)
