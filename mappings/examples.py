"""Runs the examples inside a mapping file, so that a mapping is tested where it is written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from mappings.compiler import CompiledMapping, Mapped
from mappings.custom import flat
from mappings.expressions import ExpressionError
from mappings.source import Finding
from mappings.spec import ExampleSpec
from mappings.transforms import Fault
from mappings.transforms.times import TimeError, read_time
from mappings.values import canonical_field

_SHORT = 80


class Namesakes:
    """A directory for examples: every party is called in each tool as it is here."""

    def party_for(self, connection: str, handle: str) -> str | None:
        return handle

    def handle_for(self, connection: str, party: str) -> str | None:
        return party


def run_examples(
    compiled: CompiledMapping, load_sample: Callable[[str], Any], people: Collection[str] = ()
) -> list[Finding]:
    """A finding for each expectation that does not hold. `load_sample` gives the JSON of a sample
    by its path as written; it raises OSError or ValueError where it cannot. `people` are the keys
    of people.yaml, of which an example knows nothing.

    `expect` is `filtered` for a record that stays out, else a part of the canonical values (labels
    in any order), `back` a part of the vendor fields written for them, and `roundtrip` says that
    the vendor's own values come back.
    """
    findings: list[Finding] = []
    for example in compiled.spec.examples:
        given = example.given
        if isinstance(given, str):
            try:
                given = load_sample(given)
            except (OSError, ValueError) as error:
                findings.append(
                    compiled.spec.finding(
                        example.place,
                        f"the sample '{example.given}' cannot be read: {error}.",
                        "Save the record there as JSON.",
                    )
                )
                continue
        findings += [
            compiled.spec.finding(example.place, message, hint)
            for message, hint in _outcome(compiled, example, given, people)
        ]
    return findings


def _outcome(
    compiled: CompiledMapping, example: ExampleSpec, record: Any, people: Collection[str]
) -> list[tuple[str, str]]:
    if not isinstance(record, Mapping):
        return [("the sample is not one record.", "Give a JSON object.")]
    directory, connection = Namesakes(), compiled.spec.connection or "example"
    try:
        let_in = compiled.matches(record)
        if example.filtered:
            return [("the filter lets this record in, and should not.", "")] if let_in else []
        if not let_in:
            return [
                (
                    "the filter does not let this record in.",
                    "If it should stay out, write expect: filtered.",
                )
            ]
    except ExpressionError as error:
        return [(f"the filter has no answer for this record: {error}", "")]
    mapped = compiled.inward(record, directory, connection)
    wrong: list[tuple[str, str]] = []
    expected_values = flat(example.expect, compiled.spec.fields)
    for name, expected in expected_values.items():
        if name not in mapped.values:
            wrong.append(
                (f"'{name}' should be {_show(expected)}; {_absence(compiled, mapped, name)}.", "")
            )
        elif not _same(name, mapped.values[name], expected):
            got = _show(mapped.values[name])
            hint = _of_people(compiled, name, expected, people)
            wrong.append((f"'{name}' should be {_show(expected)}, and is {got}.", hint))
    expected_to_fail = expected_values.keys() - mapped.values.keys()
    for problem in mapped.problems:
        if problem.field not in expected_to_fail:
            wrong.append((f"{problem.message}", ""))
    if example.roundtrip:
        wrong += _roundtrip(compiled, mapped, connection)
    if example.back is not None:
        outward = compiled.outward(mapped.values, directory, connection)
        wrong += [(problem.message, "") for problem in outward.problems]
        if difference := _not_within(example.back, outward.fields, "$"):
            wrong.append((f"written back, {difference}.", ""))
    return wrong


def _roundtrip(compiled: CompiledMapping, mapped: Mapped, connection: str) -> list[tuple[str, str]]:
    """Each value, said in the tool's words without looking at the record, is what was read."""
    wrong: list[tuple[str, str]] = []
    for name, value in mapped.values.items():
        if name not in mapped.raw or not compiled.invertible(name):
            continue
        try:
            back = compiled.vendor_value(name, value, Namesakes(), connection)
        except Fault as fault:
            wrong.append((f"the way back of '{name}': {fault}.", ""))
            continue
        if not _same_to_the_tool(back, mapped.raw[name]):
            wrong.append(
                (
                    f"'{name}' was {_show(mapped.raw[name])} and comes back as {_show(back)}.",
                    "If the tool takes both, expect it under back instead of roundtrip.",
                )
            )
    return wrong


def _same_to_the_tool(one: Any, other: Any) -> bool:
    """Equal values, or two spellings of one moment."""
    if isinstance(one, str) and isinstance(other, str) and one != other:
        try:
            return read_time(one) == read_time(other)
        except TimeError:
            return False
    return not _not_within(one, other, "$")


def _same(name: str, value: Any, expected: Any) -> bool:
    if name == "labels" and isinstance(value, list) and isinstance(expected, list):
        return sorted(map(str, value)) == sorted(map(str, expected))
    if isinstance(value, dict) and isinstance(expected, Mapping):
        return all(value.get(key) == item for key, item in expected.items())
    if isinstance(value, bool) or isinstance(expected, bool):
        return value is expected
    return bool(value == expected)


def _of_people(compiled: CompiledMapping, name: str, expected: Any, people: Collection[str]) -> str:
    canonical = canonical_field(compiled.spec.entity or "", name)
    if canonical is None or canonical.type != "party":
        return ""
    if not isinstance(expected, str) or expected not in people:
        return ""
    return f"'{expected}' is a key of people.yaml; an example calls a person as the tool does."


def _absence(compiled: CompiledMapping, mapped: Mapped, name: str) -> str:
    for problem in mapped.problems:
        if problem.field == name:
            return problem.message.removesuffix(".")
    field = compiled.spec.fields.get(name)
    paths = " or ".join(one.text for one in field.sources) if field else ""
    if not field or not paths:
        return "the record does not speak of it"
    return f"the record does not speak of it ({paths}, {field.sources[0].place})"


def _not_within(part: Any, whole: Any, where: str) -> str:
    """How `part` differs from what `whole` has in its place; empty if it does not."""
    if isinstance(part, Mapping):
        if not isinstance(whole, Mapping):
            return f"{where} should be an object, and is {_show(whole)}"
        for key, value in part.items():
            if key not in whole:
                return f"{where}.{key} should be {_show(value)}, and is not there"
            if difference := _not_within(value, whole[key], f"{where}.{key}"):
                return difference
        return ""
    if isinstance(part, list) and isinstance(whole, list):
        if len(part) != len(whole):
            return f"{where} should have {len(part)} elements, and has {len(whole)}"
        for index, (one, other) in enumerate(zip(part, whole, strict=True)):
            if difference := _not_within(one, other, f"{where}[{index}]"):
                return difference
        return ""
    if part != whole or isinstance(part, bool) is not isinstance(whole, bool):
        return f"{where} should be {_show(part)}, and is {_show(whole)}"
    return ""


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 1]}…"
