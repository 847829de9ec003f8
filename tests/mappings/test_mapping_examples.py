"""The examples inside a mapping file hold, or say at their own line what does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from mappings.compiler import CompiledMapping, compile_mapping
from mappings.examples import run_examples
from mappings.language import load_mapping
from mappings.source import Finding

HEAD = """
mapping: test
connection: desk
object: issue
entity: task
filter: "!has(record.pull_request)"
fields:
  title: $.title
  status: {from: $.state, values: {open: open, closed: done}, back: {cancelled: closed}}
  assignee: {from: $.assignee.login, as: party, to: "$.assignees[0]"}
  labels: {from: "$.labels[*].name", to: $.labels}
  due: {from: $.due, as: datetime}
  custom.size: {from: $.size, values: {S: small, M: small}, back: {small: S}}
tests:
"""


def run(examples: str, sample: Callable[[str], Any] | None = None) -> list[Finding]:
    spec, findings = load_mapping("t.yaml", HEAD + examples)
    assert spec is not None
    assert findings == []
    compiled: CompiledMapping = compile_mapping(spec)
    return run_examples(compiled, sample or json.loads)


def test_examples_that_hold_are_silent(github_issue: dict[str, Any]) -> None:
    findings = run(
        """
  - given: samples/issue.json
    expect: {status: open, title: Spelling error in the README file, labels: [bug]}
    roundtrip: true
    back: {state: open, assignees: [Codertocat]}
  - given: {title: a, state: closed, due: 2026-03-01T10:00:00.000Z}
    expect: {status: done, due: {at: 2026-03-01T10:00:00Z}}
    roundtrip: true
  - given: {title: a, size: M}
    expect: {custom: {size: small}}
  - given: {title: a, pull_request: {}}
    expect: filtered
""",
        lambda path: {"samples/issue.json": github_issue}[path],
    )
    assert findings == []


@pytest.mark.parametrize(
    ("example", "said"),
    [
        ("{given: {title: a}, expect: {title: b}}", "'title' should be 'b', and is 'a'"),
        ("{given: {title: a}, expect: {status: open}}", "does not speak of it"),
        ("{given: {state: gone}, expect: {status: open}}", "'gone' is not in the value map"),
        ("{given: {state: gone, title: a}, expect: {title: a}}", "'gone' is not in the value map"),
        ("{given: {title: a, size: M}, roundtrip: true}", "was 'M' and comes back as 'S'"),
        ("{given: {title: a}, back: {title: b}}", "$.title should be 'b', and is 'a'"),
        ("{given: {title: a}, back: {state: open}}", "$.state should be 'open', and is not there"),
        ("{given: {pull_request: {}, title: a}, expect: {title: a}}", "filter does not let"),
        ("{given: {title: a}, expect: filtered}", "the filter lets this record in, and should not"),
        ("{given: nothing.json, expect: {title: a}}", "cannot be read"),
        ("{given: '[]', expect: {title: a}}", "not one record"),
    ],
)
def test_an_example_that_fails_says_what_and_where(example: str, said: str) -> None:
    findings = run(f"  - {example}\n")
    assert said in findings[0].message
    assert str(findings[0].place).startswith("t.yaml:15:")
