"""Mapping files as text: a field, a record or a value as YAML that reads back as exactly that.

What comes from outside (field names, values of records) is data here and nothing else: whatever
YAML could take for a sign of its own is quoted, and what a terminal or a line of text could trip
over is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mappings.spec import UNSET, FieldSpec, TransformUse, ValuePair

_PLAIN = re.compile(r"[^\W\d][\w./@+-]*(?: [\w./@+$&()-]+)*|\$(?:\.[^\W\d][\w-]*)+")
_WORDS = frozenset({"null", "Null", "NULL", "true", "True", "TRUE", "false", "False", "FALSE"})
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}
_WIDE = 88
"""Characters of a line beyond which a set of keys is written one below the other."""


class Unwritable(ValueError):
    """A value that no YAML file can hold: half of a surrogate pair, a number that is none."""


def scalar(value: Any) -> str:
    """A single value as YAML, fit for a key, a flow and a block alike. Raises Unwritable."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise Unwritable("a number that is not finite")
        return repr(value)
    text = str(value)
    if _PLAIN.fullmatch(text) and text not in _WORDS and text.isprintable():
        return text
    return quoted(text)


def quoted(text: str) -> str:
    """Text in double quotes, on one line, with everything unprintable escaped."""
    return '"' + "".join(_letter(letter) for letter in text) + '"'


def _letter(letter: str) -> str:
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    if letter.isprintable() and letter != "\ufeff":
        return letter
    code = ord(letter)
    if 0xD800 <= code <= 0xDFFF:
        raise Unwritable("half of a surrogate pair")
    return (
        f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
    )


def comment(text: str) -> str:
    """Text fit for a comment: one line, nothing unprintable."""
    return "".join(
        letter if letter.isprintable() else " " if letter.isspace() else f"\\u{ord(letter):04x}"
        for letter in text
    )


def flow(value: Any) -> str:
    """Any JSON value on one line. Raises Unwritable."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(k)}: {flow(item)}" for k, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    return scalar(value)


def _key(key: Any) -> str:
    text = str(key)
    if len(text) > 200:
        raise Unwritable("a key of more than 200 characters")
    return scalar(text)


def block(key: str, value: Any, indent: int) -> list[str]:
    """`key: value` in lines: on one where that is short, else nested. Raises Unwritable."""
    pad = " " * indent
    line = f"{pad}{_key(key)}: {flow(value)}"
    if len(line) <= _WIDE or not value or not isinstance(value, Mapping | list):
        return [line]
    if isinstance(value, Mapping):
        inner = [row for k, item in value.items() for row in block(str(k), item, indent + 2)]
        return [f"{pad}{_key(key)}:", *inner]
    return [f"{pad}{_key(key)}:", *(f"{pad}  - {flow(item)}" for item in value)]


# ---------------------------------------------------------------------------------- one field


def field_lines(
    field: FieldSpec,
    indent: int = 2,
    note: str = "",
    notes: Mapping[Any, str] | None = None,
) -> list[str]:
    """A field as the lines of a mapping file. `note` becomes the comment of the first line, `notes`
    those of the value map, by the vendor's value. Raises Unwritable.
    """
    pad, said = " " * indent, f"  # {comment(note)}" if note else ""
    if field.removed:
        return [f"{pad}{_key(field.name)}: null{said}"]
    parts = parts_of(field)
    if parts.keys() == {"from"} and isinstance(parts["from"], str):
        return [f"{pad}{_key(field.name)}: {scalar(parts['from'])}{said}"]
    short = f"{pad}{_key(field.name)}: {flow(parts)}"
    if not notes and "values" not in parts and len(short) <= _WIDE:
        return [short + said]
    lines = [f"{pad}{_key(field.name)}:{said}"]
    for key, value in parts.items():
        if key == "values" and (notes or len(flow(value)) > 60):
            lines.append(f"{pad}  values:")
            for vendor, canonical in field_pairs(field.values or ()):
                why = (notes or {}).get(vendor)
                told = f"  # {comment(why)}" if why else ""
                lines.append(f"{pad}    {vendor_key(vendor)}: {flow(canonical)}{told}")
        elif key == "values":
            lines.append(f"{pad}  values: {value_map(field.values or ())}")
        else:
            lines += block(key, value, indent + 2)
    return lines


def field_pairs(pairs: Sequence[ValuePair]) -> list[tuple[Any, Any]]:
    """The lines of a value map, as (vendor, canonical)."""
    return [(pair.vendor, pair.canonical) for pair in pairs]


def value_map(pairs: Iterable[ValuePair]) -> str:
    """A value map on one line; vendor values keep the type they were written with."""
    return "{" + ", ".join(f"{vendor_key(p.vendor)}: {flow(p.canonical)}" for p in pairs) + "}"


def vendor_key(value: Any) -> str:
    """A vendor's value as a key: text that looks like a number or a flag is quoted."""
    if isinstance(value, str) and len(value) > 200:
        raise Unwritable("a key of more than 200 characters")
    return scalar(value)


def parts_of(field: FieldSpec) -> dict[str, Any]:
    """What a field says, key by key, as a file has it."""
    parts: dict[str, Any] = {}
    if len(field.sources) == 1:
        parts["from"] = field.sources[0].text
    elif field.sources:
        parts["from"] = [source.text for source in field.sources]
    if field.value is not UNSET:
        parts["value"] = field.value
    if field.text is not None:
        parts["text"] = field.text.text
    if field.condition is not None:
        parts["if"] = field.condition.text
    if field.transforms:
        uses = [_use(use) for use in field.transforms]
        parts["as"] = uses[0] if len(uses) == 1 else uses
    if field.values is not None:
        parts["values"] = {str(pair.vendor): pair.canonical for pair in field.values}
    if field.back:
        parts["back"] = {str(pair.canonical): pair.vendor for pair in field.back}
    if field.values is not None and field.otherwise_place is not None:
        parts["otherwise"] = field.otherwise
    for key in ("default", "to", "direction", "system_of_record", "conflict"):
        value = getattr(field, key)
        if value is not None and value is not UNSET:
            parts[key] = value.text if key == "to" else value
    return parts


def _use(use: TransformUse) -> Any:
    if use.argument is not UNSET:
        return {use.name: use.argument}
    return {use.name: dict(use.params)} if use.params else use.name
