"""Documentation that is taken from what connectors declare, so that it cannot drift: the settings
and objects of each, and the matrix of all. `make docs` writes it, and a test says when to.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from connectors.sdk import Connector, ObjectSpec, Receiver, Sink, Source, Subscriber
from connectors.sdk.conformance.kit import objects_of
from hub.conformance import CHECKS
from hub.workspace.mapping_files import default_mappings

ROLES = {"source": Source, "sink": Sink, "receiver": Receiver, "subscriber": Subscriber}
_KINDS = {"IPvAnyNetwork": "network"}
BEGIN, END = "<!-- generated -->", "<!-- /generated -->"


def described(name: str, cls: type[Connector]) -> dict[str, Any]:
    """Everything a connector declares, as plain data."""
    return {
        "name": name,
        "title": cls.title,
        "summary": _summary(cls),
        "tier": cls.tier.name.lower(),
        "waived": dict(cls.waived),
        "roles": [role for role, kind in ROLES.items() if issubclass(cls, kind)],
        "rates": dict(cls.rates),
        "settings": list(_keys(cls.config)),
        "objects": {key: abilities(one) for key, one in objects_of(cls).items()},
        "mappings": dict(default_mappings(cls)),
    }


def abilities(spec: ObjectSpec) -> dict[str, Any]:
    """What can be done with one object."""
    return {
        "title": spec.title,
        "can": [
            *(word for word in ("pull", "fetch", "find", "webhook") if getattr(spec, word)),
            *(f"push {op}" for op in ("create", "update", "delete") if op in spec.push),
        ],
        "lost_create": "repeated" if spec.keyed else _found(spec),
        "deletes": spec.deletes,
        "batch": spec.batch,
        "parent": spec.parent,
    }


def _found(spec: ObjectSpec) -> str:
    if not spec.find:
        return "asked about" if "create" in spec.push else ""
    return "looked up" if spec.conclusive else "looked up, then asked about"


def page(name: str, cls: type[Connector]) -> str:
    """The whole page of `hub connector docs NAME`, Markdown."""
    about = described(name, cls)
    parts = [f"# {cls.title} (`connector: {name}`)", about["summary"], tables(name, cls)]
    if about["mappings"]:
        parts.append("## Mappings that apply where a workspace has none")
        parts += [
            f"`{file}`\n\n```yaml\n{text.rstrip()}\n```" for file, text in about["mappings"].items()
        ]
    return "\n\n".join(part for part in parts if part)


def tables(name: str, cls: type[Connector]) -> str:
    """Settings, objects and tier: what stands between the markers of a connector's README."""
    about = described(name, cls)
    settings = _table(
        ("key", "type", "default", "meaning"),
        [
            [f"`{one['key']}`", one["type"], _default(one), one["meaning"]]
            for one in about["settings"]
        ],
    )
    objects = _table(
        ("object", "what it is", "abilities", "batch", "a lost create is", "deletions are"),
        [
            [
                f"`{key}`",
                one["title"] + (f" of a `{one['parent']}`" if one["parent"] else ""),
                ", ".join(one["can"]),
                str(one["batch"]),
                one["lost_create"],
                one["deletes"],
            ]
            for key, one in about["objects"].items()
        ],
    )
    tier = f"Tier: **{about['tier']}**."
    if about["waived"]:
        reasons = "\n".join(f"- `{check}`: {why}" for check, why in about["waived"].items())
        tier += f" Not kept, and why:\n\n{reasons}"
    if about["rates"]:
        rates = ", ".join(f"{bucket} {rate}" for bucket, rate in about["rates"].items())
        tier += f"\n\nPace kept by itself: {rates}."
    return (
        f"{tier}\n\n## What a connection may say\n\n{settings}\n\n"
        "Secrets are written as `env:NAME` or `secret:NAME`.\n\n"
        f"## Objects\n\n{objects}"
    )


def matrix(classes: Mapping[str, type[Connector]]) -> str:
    """The page that compares all connectors, Markdown."""
    rows = []
    for name, cls in classes.items():
        about = described(name, cls)
        for number, (key, one) in enumerate(about["objects"].items()):
            can = one["can"]
            rows.append(
                [
                    f"[{cls.title}](../../connectors/{name}/README.md)" if number == 0 else "",
                    about["tier"] if number == 0 else "",
                    f"`{key}`",
                    *("✓" if word in can else "" for word in ("pull", "fetch", "webhook")),
                    *("✓" if f"push {op}" in can else "" for op in ("create", "update", "delete")),
                    one["lost_create"],
                    one["deletes"],
                    str(one["batch"]) if "push create" in can else "",
                ]
            )
    columns = (
        "connector", "tier", "object", "pull", "fetch", "webhook", "create", "update", "delete",
        "a lost create is", "deletions are", "batch",
    )  # fmt: skip
    return (
        "# Connectors\n\n"
        "Written by `make docs` from what the connectors declare; the conformance kit holds them\n"
        "to it. How to add one: [write a connector](../write-a-connector.md).\n\n"
        "A tier is earned, not claimed: **bronze** pulls and maps, **silver** also pushes without\n"
        "doubling and verifies webhooks, **gold** also keeps batches, deletions, every fault a\n"
        "vendor shows, and renews what expires. Deletions are *reported* by the vendor, *swept*\n"
        "(missed twice in a full reading) or *unseen*.\n\n"
        f"{_table(columns, rows)}\n"
    )


def checks() -> str:
    """The page that lists what the conformance kit asks, Markdown."""
    rows = [[one.tier.name.lower(), f"`{one.name}`", one.why] for one in CHECKS.values()]
    rows.sort(key=lambda row: (["bronze", "silver", "gold"].index(row[0]), row[1]))
    return (
        "# What the conformance kit asks\n\n"
        "Written by `make docs`. `hub connector test PATH` plays all of it, `--check NAME` one.\n\n"
        f"{_table(('tier', 'check', 'why it matters'), rows)}\n"
    )


def write(classes: Mapping[str, type[Connector]], root: Path) -> Iterator[tuple[Path, str]]:
    """What `make docs` writes: each file and its content."""
    yield root / "docs" / "connectors" / "README.md", matrix(classes)
    yield root / "docs" / "connectors" / "checks.md", checks()
    for name, cls in classes.items():
        readme = root / "connectors" / name / "README.md"
        if not readme.is_file():
            continue  # somebody else's connector
        text = readme.read_text("utf-8")
        before, mark, rest = text.partition(BEGIN)
        _, closing, after = rest.partition(END)
        if mark and closing:
            yield readme, f"{before}{BEGIN}\n{tables(name, cls)}\n{END}{after}"


# ---------------------------------------------------------------------------------------- settings


def _summary(cls: type[Connector]) -> str:
    module = sys.modules[cls.__module__].__doc__ or ""
    return " ".join(module.split("\n\n")[0].split())


def _default(key: Mapping[str, Any]) -> str:
    if key["required"]:
        return "**required**"
    return "" if key["default"] in (None, "", [], {}) else f"`{key['default']}`"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(columns)} |", f"|{'|'.join(' --- ' for _ in columns)}|"]
    for row in rows:
        cells = [cell.replace("|", "&#124;").replace("\n", " ") for cell in row]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _keys(model: type[BaseModel], prefix: str = "", depth: int = 0) -> Iterator[dict[str, Any]]:
    """Every key of a configuration model, dotted, depth first."""
    for name, field in model.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        inner = [
            kind
            for kind in _classes_in(field.annotation)
            if isinstance(kind, type) and issubclass(kind, BaseModel)
        ]
        default = None if field.default is PydanticUndefined else field.default
        yield {
            "key": key,
            "type": "mapping" if inner else _type_name(field.annotation),
            "required": field.is_required(),
            "default": None if isinstance(default, BaseModel) else _plain(default),
            "meaning": field.description or "",
        }
        for kind in inner if depth < 4 else ():
            yield from _keys(kind, f"{key}.", depth + 1)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    return None if "Secret" in type(value).__name__ else str(value)


def _classes_in(annotation: Any) -> Iterator[Any]:
    arguments = get_args(annotation)
    if not arguments:
        yield annotation
    for argument in arguments:
        yield from _classes_in(argument)


def _type_name(annotation: Any) -> str:
    """A type in the words of whoever writes YAML."""
    names = {str: "text", int: "number", float: "number", bool: "true or false", dict: "mapping"}
    origin = str(getattr(annotation, "__origin__", ""))
    kinds = []
    for kind in _classes_in(annotation):
        if kind is type(None):
            continue
        if isinstance(kind, type):
            secret = kind.__name__ == "SecretStr"
            word = "secret" if secret else names.get(kind, _KINDS.get(kind.__name__, kind.__name__))
            kinds.append(word.lower())
        elif isinstance(kind, str | int | bool):
            kinds.append(f"`{kind}`")
    listed = "list" in origin or "tuple" in origin or "list[" in str(annotation)
    text = " or ".join(dict.fromkeys(kinds)) or "anything"
    return f"list of {text}" if listed else text


if __name__ == "__main__":
    from hub.registry import connector_classes

    for file, content in write(connector_classes(), Path(__file__).parent.parent):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, "utf-8")
        print(file)
