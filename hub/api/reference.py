"""The API reference as one readable page, made from the OpenAPI document and nothing from outside:
no script, no font, no network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape

_templates = Environment(
    loader=PackageLoader("hub.api", "templates"),
    autoescape=select_autoescape(["html"]),
    trim_blocks=True,
)
_VERBS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Named:
    """A parameter or a field."""

    name: str
    type: str
    text: str
    required: bool
    place: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What may come back."""

    status: str
    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """One method of one path."""

    id: str
    method: str
    path: str
    text: str
    parameters: list[Named]
    takes: str
    answers: list[Answer]


@dataclass(slots=True)
class Group:
    """Calls that belong together."""

    name: str
    calls: list[Call] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Shape:
    """One schema."""

    id: str
    name: str
    text: str
    choices: list[str]
    fields: list[Named]


def page(openapi: Mapping[str, Any], base_url: str) -> str:
    """The reference as HTML."""
    groups: dict[str, Group] = {}
    for call, name in _calls(openapi):
        groups.setdefault(name, Group(name)).calls.append(call)
    return _templates.get_template("reference.html").render(
        title=openapi["info"]["title"],
        description=openapi["info"].get("description", ""),
        base=base_url.rstrip("/"),
        groups=list(groups.values()),
        shapes=list(_shapes(openapi)),
    )


def _calls(openapi: Mapping[str, Any]) -> Iterator[tuple[Call, str]]:
    for path, methods in openapi["paths"].items():
        for verb in _VERBS:
            spec = methods.get(verb)
            if spec is None:
                continue
            call = Call(
                id=spec["operationId"],
                method=verb.upper(),
                path=path,
                text=_flat(spec.get("description") or spec.get("summary") or ""),
                parameters=[
                    Named(
                        one["name"],
                        _type(one.get("schema", {})),
                        _flat(one.get("description", "")),
                        one.get("required", False),
                        one["in"],
                    )
                    for one in spec.get("parameters", ())
                ],
                takes=_content(spec.get("requestBody", {})),
                answers=[
                    Answer(status, _content(answer) or _flat(answer.get("description", "")))
                    for status, answer in spec.get("responses", {}).items()
                ],
            )
            yield call, (spec.get("tags") or ["other"])[0]


def _content(holder: Mapping[str, Any]) -> str:
    for kind, content in (holder.get("content") or {}).items():
        return _type(content.get("schema") or {}) or kind
    return ""


def _shapes(openapi: Mapping[str, Any]) -> Iterator[Shape]:
    for name, schema in sorted(openapi.get("components", {}).get("schemas", {}).items()):
        required = schema.get("required", ())
        yield Shape(
            id=f"shape-{name}",
            name=schema.get("title", name),
            text=_flat(schema.get("description", "")),
            choices=[str(one) for one in schema.get("enum", ())],
            fields=[
                Named(key, _type(one), _flat(one.get("description", "")), key in required)
                for key, one in schema.get("properties", {}).items()
            ],
        )


def _flat(text: str) -> str:
    return " ".join(text.split())


def _type(schema: Any) -> str:
    """A schema in a few words."""
    if not isinstance(schema, Mapping) or not schema:
        return "" if schema == {} else "any"
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1].replace("_", " ").strip()
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(_type(one) or "any" for one in schema[key]))
    if "enum" in schema:
        return " or ".join(f"“{one}”" for one in schema["enum"])
    if "const" in schema:
        return f"“{schema['const']}”"
    kind = str(schema.get("type", "any"))
    if kind == "array":
        return f"list of {_type(schema.get('items', {})) or 'any'}"
    return str(schema.get("format") or kind)
