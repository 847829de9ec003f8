"""The draft as a file: every line with its confidence and its reason, the unsure ones commented
out, what is left over at the end, and an example that holds. Nothing in it is trusted: each line
has been compiled, checked and run over the sample before it is written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from mappings.canonical import HAS_CUSTOM, MAPPED_FIELDS
from mappings.check import DECLARES_IDENTITY, check_mapping
from mappings.compiler import CompiledMapping, MappingError, compile_mapping
from mappings.examples import Namesakes, run_examples
from mappings.language import load_mapping
from mappings.source import Finding
from mappings.spec import FieldSpec, IdentitySpec, Located, MappingSpec
from mappings.suggest.example import example_record, expectation
from mappings.suggest.identity import guess_identity
from mappings.suggest.leftover import Leftover, leftovers
from mappings.suggest.match import ACTIVE, NOWHERE, Suggestion, guess_entity, suggest_fields
from mappings.suggest.values import Sample
from mappings.written import Unwritable, block, comment, field_lines, flow, scalar

_TOO_MANY_FAIL = 0.1


@dataclass(frozen=True, slots=True)
class Line:
    """One field as it stands in the draft. `active`: it is not commented out."""

    suggestion: Suggestion
    confidence: float
    active: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A mapping file that loads, checks without errors and holds its example."""

    name: str
    entity: str
    text: str
    lines: Sequence[Line]
    left: Sequence[Leftover]
    findings: Sequence[Finding]
    """What a check of the file still warns of."""


def draft_mapping(
    sample: Sample,
    *,
    connection: str,
    connector: str = "",
    entity: str | None = None,
    writes: bool = True,
    own_identity: bool = True,
) -> Draft:
    """A draft for one object of a connection. `writes`: the tool can be written to; `own_identity`:
    the connection says itself who a record is.
    """
    kind = entity or guess_entity(sample)
    # who people are is the tool's to say; the hub only reads it
    writes = writes and kind != "party"
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", f"{connection}-{sample.object}").strip("-") or "draft"
    head = MappingSpec(
        name=name,
        place=NOWHERE,
        connection=connection,
        object=sample.object,
        entity=kind,
        direction="both" if writes else "in",
    )
    identity = None
    if connector in DECLARES_IDENTITY and not own_identity:
        identity = guess_identity(sample)
    suggested = suggest_fields(sample, kind, writes=writes, tool=f"{connector} {connection}")
    lines = [line for one in suggested if (line := _tried(head, one, sample)) is not None]
    lines = _with_required(head, lines)
    left = leftovers(sample, suggested)
    while True:
        active = [line.suggestion for line in lines if line.active]
        example = _example(replace(head, identity=identity), active, sample)
        text = _text(head, identity, lines, left, example, sample)
        spec, findings = load_mapping(f"mappings/{name}.yaml", text)
        findings = [*findings, *(check_mapping(spec) if spec else [])]
        if spec is not None and not any(found.severity == "error" for found in findings):
            return Draft(name, kind, text, lines, left, findings)
        # lines that hold alone and not together: the least sure one gives way
        if len(active) == 1:
            raise AssertionError("a draft does not hold: " + "; ".join(map(str, findings)))
        lines = _without_the_weakest(head, lines)


def _without_the_weakest(head: MappingSpec, lines: Sequence[Line]) -> list[Line]:
    required = {name for name, one in MAPPED_FIELDS[head.entity or ""].items() if one.required}
    free = [one for one in lines if one.active and one.suggestion.field.name not in required]
    weakest = min(free or lines, key=lambda one: one.confidence)
    return [replace(one, active=False) if one is weakest else one for one in lines]


def _alone(head: MappingSpec, field: FieldSpec) -> CompiledMapping | None:
    """A mapping of this field only; None where a check finds an error in it."""
    spec = replace(head, fields={field.name: field})
    try:
        field_lines(field)
        if any(found.severity == "error" for found in check_mapping(spec)):
            return None
        return compile_mapping(spec)
    except (MappingError, Unwritable):
        return None


def _tried(head: MappingSpec, one: Suggestion, sample: Sample) -> Line | None:
    """The suggestion after a run over the sample: what fails in many records is less sure."""
    compiled = _alone(head, one.field)
    if compiled is None:
        return None
    failed = unmapped = 0
    for record in sample.records:
        problems = compiled.inward(record, Namesakes(), head.connection or "").problems
        failed += any(each.kind == "mapping_error" for each in problems)
        unmapped += any(each.kind == "unmapped_value" for each in problems)
    confidence, reason = one.confidence, one.reason
    if failed:
        share = failed / len(sample.records)
        confidence *= 1 - share if share > _TOO_MANY_FAIL else 1 - share / 2
        reason += f"; {failed} of {len(sample.records)} records cannot be read so"
    if unmapped:
        reason += f"; {unmapped} of {len(sample.records)} records have a value that is not mapped"
    confidence = round(confidence, 2)
    return Line(one, confidence, confidence >= ACTIVE, reason)


def _with_required(head: MappingSpec, lines: list[Line]) -> list[Line]:
    """What an entity cannot be without counts, however unsure, and something has to."""
    required = {name for name, one in MAPPED_FIELDS[head.entity or ""].items() if one.required}
    found = [
        replace(line, active=line.active or line.suggestion.field.name in required)
        for line in lines
    ]
    missing = required - {line.suggestion.field.name for line in found}
    for name in sorted(missing):
        spec = FieldSpec(name, NOWHERE, value=head.object if _alone_ok(head) else "record")
        one = Suggestion(spec, 0.1, f"nothing here can be a {name}: say what it is")
        found.insert(0, Line(one, 0.1, True, one.reason))
    return found


def _alone_ok(head: MappingSpec) -> bool:
    return bool(head.object and head.object.isprintable() and len(head.object) < 100)


# ---------------------------------------------------------------------------------- the example


def _example(
    head: MappingSpec, active: Sequence[Suggestion], sample: Sample
) -> tuple[dict[str, Any], dict[str, Any], bool] | None:
    """A record, what is expected of it, and whether it comes back; only what holds."""
    fields = {one.field.name: one.field for one in active}
    compiled = compile_mapping(replace(head, fields=fields))
    usable = list(active)
    for _ in range(3):
        record = example_record(sample, head.entity or "", usable)
        mapped = compiled.inward(record, Namesakes(), head.connection or "example")
        failing = {problem.field for problem in mapped.problems}
        usable = [one for one in usable if one.field.name not in failing]
        if not failing:
            break
    else:
        return None
    expected = expectation(compiled, record)
    if not expected:
        return None
    comes_back = any(compiled.invertible(name) for name in expected)
    for roundtrip in (True, False) if comes_back else (False,):
        lines = _example_lines((record, expected, roundtrip))
        spec, _ = load_mapping("draft", "\n".join(["mapping: draft", "fields: {}", *lines]))
        if spec is None or not spec.examples:
            return None
        tried = replace(compiled, spec=replace(compiled.spec, examples=spec.examples))
        if not run_examples(tried, _no_file):
            return record, expected, roundtrip
    return None


def _no_file(name: str) -> Any:
    raise OSError(f"no file {name}")


def _example_lines(example: tuple[dict[str, Any], dict[str, Any], bool]) -> list[str]:
    record, expected, roundtrip = example
    given = [line for key, value in record.items() for line in block(key, value, 6)]
    expect = [line for key, value in expected.items() for line in block(key, value, 6)]
    lines = ["tests:", "  - given:", *given, "    expect:", *expect]
    return [*lines, "    roundtrip: true"] if roundtrip else lines


# -------------------------------------------------------------------------------------- the text


def _text(
    head: MappingSpec,
    identity: IdentitySpec | None,
    lines: Sequence[Line],
    left: Sequence[Leftover],
    example: tuple[dict[str, Any], dict[str, Any], bool] | None,
    sample: Sample,
) -> str:
    records = len(sample.records)
    seen = f"{records} record{'' if records == 1 else 's'}" if records else "no record"
    told = (
        f"{len(sample.infos)} fields that the tool names" if sample.infos else "no list of fields"
    )
    text = [
        f"# A first draft from {seen} and {told}.",
        "# Each line says how sure it is (1 is certain) and why; unsure ones are commented out.",
        "# `direction: in` stands where it is not clear how the tool would be written to.",
        "# Read every line, delete what is wrong, then: hub check, hub test, hub preview.",
        f"mapping: {scalar(head.name)}",
        f"connection: {scalar(head.connection)}",
        f"object: {scalar(head.object)}",
        f"entity: {scalar(head.entity)}",
        f"direction: {head.direction}",
        *_identity_lines(identity),
        "fields:",
    ]
    for line in lines:
        text += _field_text(line)
    text += _left_text(left, head, sample)
    text.append("deletes: {in: tombstone, out: never}")
    if example is not None:
        text += ["# Made from one record, without anybody's data.", *_example_lines(example)]
    return "\n".join(text) + "\n"


def _identity_lines(identity: IdentitySpec | None) -> list[str]:
    if identity is None:
        return []
    keys = (("key", identity.key), ("version", identity.version), ("url", identity.url))
    parts = {name: located.text for name, located in keys if isinstance(located, Located)}
    return [f"identity: {flow(parts)}  # who a record is: unique in every record of the sample"]


def _field_text(line: Line) -> list[str]:
    one = line.suggestion
    note = f"{line.confidence:.2f} {line.reason}"
    rows = field_lines(one.field, note=note, notes=one.notes)
    rows += [f"    # {comment(hint)}." for hint in one.hints]
    if line.active:
        return rows
    # in the column of the fields, so that taking away `# ` gives the line as it should be
    hint = "    # "
    return [f"  #   {row[4:]}" if row.startswith(hint) else f"  # {row[2:]}" for row in rows]


def _left_text(left: Sequence[Leftover], head: MappingSpec, sample: Sample) -> list[str]:
    shown = [one for one in left if one.field is not None and _alone(head, one.field)]
    text = []
    if shown and head.entity in HAS_CUSTOM:
        text.append("  # Further fields of the tool; take away the # of those you need:")
        for one in shown:
            assert one.field is not None  # noqa: S101 - filtered above
            rows = field_lines(one.field, note=one.about)
            text += [f"  # {row[2:]}" for row in rows]
    elif shown:
        names = ", ".join(one.path for one in shown)
        text.append(f"  # Not mapped, as a {head.entity} has no custom fields: {comment(names)}")
    others = [one for one in left if one.field is None]
    if others:
        text.append(f"  # Left out: {comment(_counted(others))}.")
    if sample.unnamed:
        names = ", ".join(repr(name[:40]) for name in sample.unnamed[:10])
        text.append(f"  # No path can name these fields: {comment(names)}.")
    return text


def _counted(others: Sequence[Leftover]) -> str:
    counts: dict[str, int] = {}
    for one in others:
        counts[one.about] = counts.get(one.about, 0) + 1
    return ", ".join(f"{count} {about}" for about, count in counts.items())
