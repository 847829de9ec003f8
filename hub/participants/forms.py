"""A step's form (a JSON Schema) as fields to fill in, and what was typed as answers. Pure.

The schema stays the judge of the answers; what a browser checks by itself is a courtesy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Typed = Mapping[str, Sequence[str]]
"""What a browser sent: the values of every named input."""

RESERVED = frozenset({"code", "comment", "answer", "csrf"})
"""Names of the page's own inputs: a field called like one of them gets a prefix."""
_LONG = 200
_INPUTS = {"email": "email", "date": "date", "uri": "url"}
_YES = {"true", "yes", "on", "1"}
_NO = {"false", "no", "off", "0"}


@dataclass(frozen=True, slots=True)
class Field:
    """One input. `kind` is what the template draws; `values` is what was typed or chosen."""

    name: str
    path: tuple[str, ...]
    kind: str
    label: str
    required: bool = False
    help: str = ""
    group: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()
    values: tuple[str, ...] = ()
    error: str = ""

    @property
    def value(self) -> str:
        return self.values[0] if self.values else ""

    @property
    def id(self) -> str:
        return "field-" + "-".join(self.path)


def fields(
    form: Mapping[str, Any] | None, typed: Typed | None = None, errors: Mapping[str, str] = {}
) -> list[Field]:
    """The inputs of a form in the schema's order, filled with what was typed (or its defaults)."""
    return [
        _field(path, schema, required, group, typed, errors)
        for path, schema, required, group in _leaves(form or {})
    ]


def answers(form: Mapping[str, Any] | None, typed: Typed) -> dict[str, Any]:
    """What was typed, in the types that the schema asks for; what cannot be read so stays text,
    and what was left empty is absent.
    """
    found: dict[str, Any] = {}
    for path, schema, _, _ in _leaves(form or {}):
        texts = [text.strip().replace("\r\n", "\n") for text in typed.get(_name(path), ())]
        value = _read(schema, [text for text in texts if text])
        if value is None:
            continue
        place = found
        for part in path[:-1]:
            place = place.setdefault(part, {})
        place[path[-1]] = value
    return found


def shown(form: Mapping[str, Any] | None, given: Any) -> list[tuple[str, Any]]:
    """Answers that were given, with the labels of their form; what the form does not know last."""
    if not isinstance(given, Mapping):
        return []
    rest = dict(given)
    found = []
    for name, schema in ((form or {}).get("properties") or {}).items():
        if name in rest:
            value = rest.pop(name)
            title = schema.get("title") if isinstance(schema, Mapping) else None
            found.append((str(title or readable(name)), value))
    return found + [(readable(str(name)), value) for name, value in rest.items()]


# ------------------------------------------------------------------------------------------


def _leaves(
    form: Mapping[str, Any], path: tuple[str, ...] = (), group: str = ""
) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any], bool, str]]:
    required = form.get("required")
    needed = set(required) if isinstance(required, list) else set()
    for name, schema in (form.get("properties") or {}).items():
        schema = schema if isinstance(schema, Mapping) else {}
        here = (*path, name)
        if schema.get("properties") and len(here) < 4:
            yield from _leaves(schema, here, str(schema.get("title") or readable(name)))
        else:
            yield here, schema, name in needed, group


def _name(path: tuple[str, ...]) -> str:
    name = ".".join(path)
    return f"answer.{name}" if name in RESERVED else name


def _type(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), None)
    return str(kind or "string")


def _options(schema: Mapping[str, Any]) -> list[tuple[Any, str]]:
    """The values that may be chosen, with their words."""
    if isinstance(schema.get("enum"), list):
        return [(value, str(value)) for value in schema["enum"] if value is not None]
    if "const" in schema:
        return [(schema["const"], str(schema["const"]))]
    for key in ("oneOf", "anyOf"):
        found = schema.get(key)
        if isinstance(found, list) and all(isinstance(o, Mapping) and "const" in o for o in found):
            return [(one["const"], str(one.get("title") or one["const"])) for one in found]
    return []


def _kind(schema: Mapping[str, Any]) -> str:
    kind = _type(schema)
    if kind == "boolean":
        return "yesno"
    if kind == "array":
        items = schema.get("items")
        return "checks" if isinstance(items, Mapping) and _options(items) else "lines"
    if _options(schema):
        return "select"
    if kind in ("integer", "number"):
        return "number"
    if kind == "object" or int(schema.get("maxLength") or 0) > _LONG:
        return "textarea"
    return _INPUTS.get(str(schema.get("format")), "text")


def _field(
    path: tuple[str, ...],
    schema: Mapping[str, Any],
    required: bool,
    group: str,
    typed: Typed | None,
    errors: Mapping[str, str],
) -> Field:
    kind, name = _kind(schema), _name(path)
    items = schema.get("items") if kind == "checks" else schema
    options = _options(items if isinstance(items, Mapping) else {})
    if typed is None:
        default = schema.get("default")
        listed = default if isinstance(default, list) else [default]
        values = tuple(_text(one) for one in listed if one is not None)
        if kind == "lines":
            values = ("\n".join(values),) if values else ()
    else:
        values = tuple(typed.get(name, ()))
    dotted = ".".join(path)
    error = errors.get(dotted) or next(
        (text for place, text in errors.items() if place.startswith(f"{dotted}.")), ""
    )
    return Field(
        name=name,
        path=path,
        kind=kind,
        label=str(schema.get("title") or readable(path[-1])),
        required=required,
        help=_help(schema, kind),
        group=group,
        choices=tuple((_text(value), words) for value, words in options),
        attributes=tuple(_attributes(schema, kind)),
        values=values,
        error=error,
    )


def readable(name: str) -> str:
    """A name as a person reads it: `vat_id` is `Vat id`."""
    return name.replace("_", " ").replace("-", " ").capitalize()


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _help(schema: Mapping[str, Any], kind: str) -> str:
    parts = [str(schema["description"])] if schema.get("description") else []
    examples = schema.get("examples")
    if isinstance(examples, list) and examples:
        parts.append(f"For example: {examples[0]}")
    if kind == "lines":
        parts.append("One per line.")
    return " ".join(parts)


def _attributes(schema: Mapping[str, Any], kind: str) -> Iterator[tuple[str, str]]:
    """What a browser can check by itself."""
    if kind == "number":
        yield "step", "1" if _type(schema) == "integer" else "any"
        for name, key in (("min", "minimum"), ("max", "maximum")):
            if isinstance(schema.get(key), int | float):
                yield name, str(schema[key])
    if kind in ("text", "email", "url", "textarea"):
        for name, key in (("minlength", "minLength"), ("maxlength", "maxLength")):
            if isinstance(schema.get(key), int):
                yield name, str(schema[key])
    if kind == "text" and isinstance(schema.get("pattern"), str):
        # a schema's pattern finds anywhere; a browser's must fit the whole value
        yield "pattern", f".*(?:{schema['pattern']}).*"
        yield "title", str(schema.get("description") or f"The form is {schema['pattern']}")
    if kind == "email":
        yield "autocomplete", "email"


def _read(schema: Mapping[str, Any], texts: list[str]) -> Any:
    """A value of the schema's type; the text itself where it is none; None where nothing is."""
    if not texts:
        return None
    kind = _kind(schema)
    if kind == "checks":
        return [_chosen(schema["items"], text) for text in texts]
    text = texts[0]
    match kind:
        case "lines":
            items = schema.get("items")
            inner = items if isinstance(items, Mapping) else {}
            return [_scalar(inner, line.strip()) for line in text.split("\n") if line.strip()]
        case "select":
            return _chosen(schema, text)
        case "yesno":
            low = text.lower()
            return True if low in _YES else False if low in _NO else text
        case _:
            return _scalar(schema, text)


def _chosen(schema: Mapping[str, Any], text: str) -> Any:
    return next((value for value, _ in _options(schema) if _text(value) == text), text)


def _scalar(schema: Mapping[str, Any], text: str) -> Any:
    kind = _type(schema)
    if kind in ("integer", "number"):
        plain = text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "").replace("'", "")
        try:
            return int(plain)
        except ValueError:
            pass
        try:
            number = float(plain)
        except ValueError:
            return text
        return number if math.isfinite(number) else text
    return text
