"""A path that no example of its file has is told, with the one that was probably meant."""

from __future__ import annotations

import pytest

from mappings.check.met import check_met
from mappings.compiler import compile_mapping
from mappings.examples import run_examples
from mappings.language import load_mapping
from mappings.spec import MappingSpec

HEAD = "mapping: m\nconnection: desk\nobject: ticket\nentity: task\ndirection: in\n"
RECORD = '{"subject": "x", "requester": {"email": "a@b.c", "boss": null}, "tags": []}'


def spec_of(lines: str, given: str) -> MappingSpec:
    text = f"{HEAD}fields:\n  title: $.subject\n  {lines}\ntests:\n"
    spec, findings = load_mapping("m.yaml", f"{text}  - {{given: {given}, expect: {{title: x}}}}\n")
    assert spec is not None
    assert not findings
    return spec


@pytest.mark.parametrize("given", ["samples/a.json", RECORD])
def test_a_misspelt_path_is_told_with_the_one_that_was_meant(given: str) -> None:
    spec = spec_of("requester: $.requesteremail", given)
    (only,) = check_met(spec, {"samples/a.json": RECORD})
    assert (only.severity, only.place.line, only.place.column) == ("warning", 8, 14)
    assert only.message == "$.requesteremail is in none of this file's examples."
    assert only.hint == "Did you mean $.requester.email?"


def test_a_path_like_no_other_is_told_where_an_example_is_a_whole_record() -> None:
    spec = spec_of("custom.x: $.somewhere", "samples/a.json")
    (only,) = check_met(spec, {"samples/a.json": RECORD})
    assert only.hint == "Mend it, or give an example that has it."
    assert not list(check_met(spec_of("custom.x: $.somewhere", RECORD), {}))


@pytest.mark.parametrize(
    "lines",
    [
        "labels: '$.tags[*].name'",
        "custom.x: $.requester.boss.email",
        "custom.x: {from: [$.wherever, $.subject]}",
        'custom.x: "$.tags[?(@.id == 1)].value"',
    ],
)
def test_what_is_null_empty_or_an_alternative_is_not_told(lines: str) -> None:
    assert not list(check_met(spec_of(lines, "samples/a.json"), {"samples/a.json": RECORD}))


def test_a_failed_expectation_names_the_path_and_its_line() -> None:
    spec, _ = load_mapping(
        "m.yaml",
        f"{HEAD}fields:\n  title: $.subjekt\ntests:\n"
        f"  - {{given: {RECORD}, expect: {{title: x}}}}\n",
    )
    assert spec is not None
    (only,) = run_examples(compile_mapping(spec), lambda name: None)
    assert "does not speak of it ($.subjekt, m.yaml:7:10)." in only.message


def test_an_expectation_that_names_a_person_of_the_files_is_told_whose_word_counts() -> None:
    spec, _ = load_mapping(
        "m.yaml",
        f"{HEAD}fields:\n  title: $.subject\n  assignee: $.requester.email\ntests:\n"
        f"  - {{given: {RECORD}, expect: {{assignee: dana}}}}\n",
    )
    assert spec is not None
    compiled = compile_mapping(spec)
    (only,) = run_examples(compiled, lambda name: None, {"dana"})
    assert "'dana' is a key of people.yaml" in only.hint
    (unknown,) = run_examples(compiled, lambda name: None, {"eve"})
    assert unknown.hint == ""
