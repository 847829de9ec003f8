"""The tables of docs/mappings.md that the code itself can tell: the keys of a mapping file, the
fields of each entity, and what missing, null, empty and wrong mean. `make docs` writes them into
the page, and a test says when to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hub.transform_docs import shown
from mappings.canonical import HAS_CUSTOM, MAPPED_FIELDS, CanonicalField
from mappings.compiler import CompiledMapping, compile_mapping
from mappings.examples import Namesakes
from mappings.keys import DELETES_IN, DELETES_OUT, FIELD_KEYS, IDENTITY_KEYS, TOP_KEYS, Keys
from mappings.language import load_mapping
from mappings.schema import FIELDS

FILE = "docs/mappings.md"
_MARK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- /generated -->)", re.DOTALL)
_TYPES = {
    "text": "text",
    "markdown": "text, Markdown",
    "party": "one person",
    "due": "a date or a moment",
    "date": "a date",
    "moment": "a moment",
    "money": "an amount, with its currency",
    "labels": "a list of words",
    "any": "any JSON",
}

WAYS = (
    "description: $.v",
    "title: $.v",
    "description: {from: $.v, default: none}",
    "priority: {from: $.v, values: {x: high}}",
    "priority: {from: $.v, values: {x: high}, default: low}",
    "priority: {from: $.v, values: {x: high}, otherwise: normal}",
    "priority: {from: $.v, values: {x: high}, otherwise: keep}",
    "due: $.v",
    "assignee: $.v",
    "labels: $.v",
    "custom.x: $.v",
    "custom.x: {from: $.v, default: 0}",
    "custom.x: {from: $.v, as: decimal}",
    "custom.x: {from: $.v, as: integer}",
    "custom.x: $.v.name",
    'custom.x: "$.v[*].name"',
    "custom.x: {text: 'No ${record.v}'}",
)
_VALUES: tuple[Any, ...] = (None, "", [], {}, True, 7, "x")
SEEN: tuple[tuple[str, dict[str, Any]], ...] = (
    ("missing", {}),
    *((shown(value), {"v": value}) for value in _VALUES),
)


def mapping_of(lines: str, entity: str = "task") -> CompiledMapping:
    """Some lines of `fields` as a mapping; for the examples of the page."""
    head = f"mapping: example\nconnection: support\nobject: ticket\nentity: {entity}\nfields:\n"
    spec, findings = load_mapping("example.yaml", head + "  " + lines.replace("\n", "\n  ") + "\n")
    if spec is None or findings:
        raise ValueError("\n".join(map(str, findings)))
    return compile_mapping(spec, "Europe/Zurich")


def keys() -> str:
    """The keys at the top of a file and of a field, with what each says."""
    rows = [(f"`{key}`", said) for key, said in TOP_KEYS.items()]
    parts = ["Of the file:\n", _table(("key", "says"), rows)]
    for name, table in (("deletes: in", DELETES_IN), ("deletes: out", DELETES_OUT)):
        parts.append(f"\n`{name}` is {_choices(table)}.")
    parts.append(f"`identity` has {_choices(IDENTITY_KEYS)}.\n")
    parts.append("Of a field:\n")
    parts.append(_table(("key", "says"), [(f"`{key}`", said) for key, said in FIELD_KEYS.items()]))
    return "\n".join(parts)


def _choices(table: Keys) -> str:
    said = [f"`{key}` ({text[0].lower()}{text[1:].rstrip('.')})" for key, text in table.items()]
    return ", ".join(said)


def fields() -> str:
    """What a mapping may fill, per entity."""
    parts = []
    for entity, known in MAPPED_FIELDS.items():
        rows = [
            (f"`{name}`{' (needed)' if one.required else ''}", _value(one), FIELDS[entity][name])
            for name, one in known.items()
        ]
        if entity in HAS_CUSTOM:
            rows.append(("`custom.NAME`", "any JSON", "Whatever you want to keep besides."))
        parts.append(f"**{entity}**\n\n{_table(('field', 'is', 'means'), rows)}\n")
    return "\n".join(parts)


def _value(one: CanonicalField) -> str:
    if one.type == "enum":
        return ", ".join(f"`{choice}`" for choice in one.choices)
    return _TYPES[one.type]


def empties() -> str:
    """What each way to write a field makes of each kind of nothing."""
    rows = []
    for written in WAYS:
        compiled = mapping_of(written)
        cells = [outcome(compiled, record) for _, record in SEEN]
        rows.append((shown(written, quoted=False), *cells))
    return _table(("`$.v` is", *(name for name, _ in SEEN)), rows)


def outcome(compiled: CompiledMapping, record: Mapping[str, Any]) -> str:
    """What a record makes of the only field of a mapping, as a cell: a value, `—` where the field
    stays as it is here, ✗ where it has a problem.
    """
    (name,) = compiled.spec.fields
    mapped = compiled.inward(record, Namesakes(), "support")
    if mapped.problems:
        return "✗"
    return shown(mapped.values[name]) if name in mapped.values else "—"


SECTIONS: Mapping[str, Callable[[], str]] = {"keys": keys, "fields": fields, "empties": empties}


def page(text: str) -> str:
    """The page with its tables as they should be."""
    return _MARK.sub(lambda found: f"{found[1]}{SECTIONS[found[2]]()}\n{found[3]}", text)


def _table(columns: tuple[str, ...], rows: list[Any]) -> str:
    def lines() -> Iterator[str]:
        yield f"| {' | '.join(columns)} |"
        yield f"|{'---|' * len(columns)}"
        for row in rows:
            yield f"| {' | '.join(row)} |"

    return "\n".join(lines())


if __name__ == "__main__":
    path = Path(__file__).parent.parent / FILE
    path.write_text(page(path.read_text("utf-8")), "utf-8")
    print(path)
