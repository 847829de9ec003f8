"""What the transforms say of themselves, as data and as docs/transforms.md. `make docs` writes the
page, and a test says when to. Each example on it is executed by tests/mappings.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from mappings.source import Place
from mappings.spec import UNSET, TransformUse
from mappings.transforms import TRANSFORMS, Example, ParamError, Transform, bind
from mappings.transforms.times import NAMED_FORMATS, write_date, write_moment

FILE = "docs/transforms.md"
_HEAD = """# Transforms

What `as` in a mapping may name. A transform works on the value that the path found, and a list of
transforms is a chain: `as: [{regex: "Amount: (.+)"}, decimal]`. Outward the chain runs from its end
to its beginning. `hub transforms` prints this list with those that other packages brought.

- Null stays null, and a transform of single values works on each element of a list.
- A value that a transform cannot take becomes an exception with its reason; the other fields of the
  record come in all the same.
- *One way* means that nothing can be written back through it: name where the field goes with `to`,
  or keep it `direction: in`.

A package adds its own by an entry point of the group `hub.transforms`: a
`mappings.transforms.Transform`, or a function of one value that raises ValueError for what it
cannot take.

```toml
[project.entry-points."hub.transforms"]
vat = "acme_mappings:vat"
```
"""
_KINDS = {
    "number": "whole number",
    "flag": "true or false",
    "words": "word or list of words",
    "path_or_text": "text or path",
    "pattern": "RE2 pattern",
    "zone": "time zone",
    "table": "keys and values",
    "value": "any single value",
}


def described(transform: Transform) -> dict[str, Any]:
    """Everything a transform declares, as plain data. `both_ways` is None where that depends."""
    return {
        "name": transform.name,
        "about": transform.about,
        "gives": transform.gives,
        "both_ways": both_ways(transform),
        "list_as_one": transform.whole,
        "lossy": transform.lossy,
        "notes": list(transform.notes),
        "parameters": [
            {
                "name": name,
                "kind": param.kind,
                "required": param.required,
                "short": name == transform.short,
                "choices": list(param.choices),
                "about": param.about,
            }
            for name, param in transform.params.items()
        ],
        "examples": [
            {
                "as": written(transform, example),
                "in": example.vendor,
                "here": example.ours,
                "out": _out(transform, example),
            }
            for example in transform.examples
        ],
    }


def both_ways(transform: Transform) -> bool | None:
    """Whether it has a way back, by its examples; None where it needs parameters and has none."""
    for params in [*(one.params for one in transform.examples), {}]:
        try:
            return _bound(transform, params) is not None
        except ParamError:
            continue
    return None


def _bound(transform: Transform, params: Mapping[str, Any]) -> Any:
    return bind(TransformUse(transform.name, params, UNSET, Place(""))).outward


def _out(transform: Transform, example: Example) -> Any:
    if _bound(transform, example.params) is None:
        return None
    return example.vendor if example.back is UNSET else example.back


def written(transform: Transform, example: Example) -> str:
    """An example's use as it stands in a mapping."""
    if not example.params:
        return transform.name
    if transform.short is not None and list(example.params) == [transform.short]:
        return f"{{{transform.name}: {_yaml(example.params[transform.short])}}}"
    return f"{{{transform.name}: {_yaml(example.params)}}}"


def _yaml(value: Any) -> str:
    """A value in YAML's flow style; text is quoted only where it has to be."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_yaml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    plain = isinstance(value, str) and value.replace("_", "").replace("/", "").isalpha()
    if plain and value.lower() not in ("true", "false", "null", "yes", "no", "on", "off"):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def page() -> str:
    """docs/transforms.md: those that come with the language."""
    return "\n".join([_HEAD, *(part for one in _ours() for part in _section(one))]).rstrip() + "\n"


def _ours() -> Iterator[Transform]:
    from hub.transforms import brought_transforms

    brought = {one.name for one in brought_transforms() if not one.problem}
    yield from (one for name, one in sorted(TRANSFORMS.items()) if name not in brought)


def _section(transform: Transform) -> Iterator[str]:
    about = described(transform)
    yield f"## {transform.name}\n"
    yield f"{transform.about[0].upper()}{transform.about[1:]}.{_ways(about)}\n"
    if about["parameters"]:
        yield "| parameter | value | meaning |\n|---|---|---|"
        for param in about["parameters"]:
            kind = _KINDS.get(param["kind"], param["kind"])
            value = ", ".join(f"`{one}`" for one in param["choices"]) or kind
            name = f"`{param['name']}`{' (needed)' if param['required'] else ''}"
            meaning = f"{param['about']}{'; may stand alone' if param['short'] else ''}"
            yield f"| {name} | {value} | {_cell(meaning)} |"
        yield ""
    yield "| `as` | in the tool | here | written back |\n|---|---|---|---|"
    for example in about["examples"]:
        one_way = about["both_ways"] is False
        out = "" if one_way or example["here"] is None else shown(example["out"])
        values = " | ".join([shown(example["in"]), shown(example["here"]), out])
        yield f"| {shown(example['as'], quoted=False)} | {values} |"
    yield ""
    if about["notes"]:
        yield "\n".join(f"- {note}" for note in about["notes"]) + "\n"
    if transform.name == "datetime":
        yield from _forms()


def _forms() -> Iterator[str]:
    """The named forms of time, each written for one moment and one day."""
    moment, day = datetime(2026, 3, 1, 10, 30, 0, 250_000, UTC), date(2026, 3, 4)
    yield (
        "Every one of these is read without being told, but for `excel_1904` (a number below "
        "200,000 is a serial of `excel`). `format` says what is written:\n"
    )
    yield "| `format` | a moment | a day |\n|---|---|---|"
    for form in NAMED_FORMATS:
        written = [write_moment(moment, form, None), write_date(day, form)]
        yield f"| `{form}` | {shown(written[0])} | {shown(written[1])} |"
    yield '| a pattern of strftime, as in `%d.%m.%Y %H:%M` | `"01.03.2026 10:30"` | |\n'


def _ways(about: Mapping[str, Any]) -> str:
    if about["both_ways"] is False:
        return " One way."
    return f" The way there and back loses {about['lossy']}." if about["lossy"] else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def shown(value: Any, quoted: bool = True) -> str:
    """A value as code in Markdown, JSON unless told."""
    text = json.dumps(value, ensure_ascii=False) if quoted else str(value)
    return f"`{_cell(text)}`"


if __name__ == "__main__":
    path = Path(__file__).parent.parent / FILE
    path.write_text(page(), "utf-8")
    print(path)
