"""The example of a draft: one sampled record, cut down to what the mapping reads and without
anybody's data. Texts, people, amounts and labels become placeholders of the same form; what stays
are dates, flags and the words of value maps.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from mappings.compiler import CompiledMapping
from mappings.examples import Namesakes
from mappings.fields import value_key
from mappings.paths import MISSING, WrongType, parse_path
from mappings.spec import FieldSpec
from mappings.suggest.fit import DOCUMENT
from mappings.suggest.match import Suggestion
from mappings.suggest.values import TIMES, Sample, Spot, form_of
from mappings.values import canonical_field

_TEMPLATE = re.compile(r"\$\{record\.([A-Za-z0-9_.]+)\}")
_STAND_INS = {"text": "Sample", "markdown": "Sample text.", "date": "2026-03-04"}


def example_record(sample: Sample, entity: str, active: Sequence[Suggestion]) -> dict[str, Any]:
    """A record on which these fields can be tried: the sampled one that fills most of them,
    scrubbed.
    """
    chosen = max(
        sample.records, key=lambda record: _filled(record, active), default={}
    )  # the first of the fullest
    made: dict[str, Any] = {}
    for number, one in enumerate(active, 1):
        for path, stand_in in _stand_ins(sample, entity, one, chosen, number):
            _put(made, path, stand_in)
    return made


def expectation(compiled: CompiledMapping, record: Mapping[str, Any]) -> dict[str, Any]:
    """What the mapping makes of the record, where it makes anything."""
    mapped = compiled.inward(record, Namesakes(), compiled.spec.connection or "example")
    return {name: value for name, value in mapped.values.items() if value is not None}


def _filled(record: Mapping[str, Any], active: Sequence[Suggestion]) -> int:
    read = [_read(source.text, record) for one in active for source in one.field.sources]
    return sum(value is not None and value != "" and value != [] for value in read)


def _read(path: str, record: Mapping[str, Any]) -> Any:
    try:
        found = parse_path(path).read(dict(record))
    except WrongType:
        return None
    return None if found is MISSING else found


def _stand_ins(
    sample: Sample, entity: str, one: Suggestion, record: Mapping[str, Any], number: int
) -> list[tuple[str, Any]]:
    field = one.field
    if field.text is not None:
        names = _TEMPLATE.findall(field.text.text)
        return [(f"$.{name}", f"Name{count}") for count, name in enumerate(names, 1)]
    found = []
    for source in field.sources:
        spot = sample.spots.get(source.text)
        if spot is not None:
            found.append((source.text, _stand_in(spot, entity, one, record, number)))
    for step in field.transforms:
        told = step.argument if step.name == "money" else None
        path = step.params.get("currency", told)
        if isinstance(path, str) and path.startswith("$"):
            found.append((path, "CHF"))
    return found


def _stand_in(
    spot: Spot, entity: str, one: Suggestion, record: Mapping[str, Any], number: int
) -> Any:
    field = one.field
    canonical = canonical_field(entity, field.name)
    kind = canonical.type if canonical else "any"
    value = _read(spot.path, record)
    if field.values is not None:
        known = [pair.vendor for pair in field.values]
        mine = [v for v in known if not isinstance(value, list | dict)
                and value_key(v) == value_key(value)]  # fmt: skip
        return value if mine else known[0] if known else None
    if kind in ("due", "date", "moment"):
        return value if _is_time(value) else _a_time(field)
    if kind == "party":
        return _person(spot, number)
    if kind == "money":
        return _amount(value)
    if kind == "labels":
        many = spot.listed or isinstance(value, list)
        return ["label-1", "label-2"] if many else "label-1, label-2"
    if field.name == "email":
        return f"person{number}@example.test"
    if field.name == "stage" and spot.info is not None and value in spot.info.choices:
        return value
    if field.name == "login":
        return f"person-{number}"
    if any(step.name == DOCUMENT for step in field.transforms):
        text = {"type": "text", "text": "Sample text."}
        return {"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": [text]}]}
    if spot.share("html") > 0.3:
        return "<p>Sample text.</p>"
    return f"{_STAND_INS.get(kind, 'Sample')} {field.name}" if kind == "text" else "Sample text."


def _is_time(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return False
    return form_of(str(value) if isinstance(value, str) else str(int(value))) in TIMES


def _a_time(field: FieldSpec) -> Any:
    if not field.transforms:
        return "2026-03-04"
    use = field.transforms[0]
    form = use.params.get("format", use.argument)
    known = {
        "epoch": 1772582400,
        "epoch_ms": 1772582400000,
        "%d.%m.%Y": "04.03.2026",
        "%d.%m.%Y %H:%M": "04.03.2026 09:00",
        "%d/%m/%Y": "04/03/2026",
        "%m/%d/%Y": "03/04/2026",
    }
    if isinstance(form, str) and form in known:
        return known[form]
    return "2026-03-04T09:00:00Z" if use.name == "datetime" else "2026-03-04"


def _person(spot: Spot, number: int) -> Any:
    if spot.share("email") > 0.5:
        return f"person{number}@example.test"
    return 1000 + number if spot.kind_share("int") > 0.5 else f"person-{number}"


def _amount(value: Any) -> Any:
    if isinstance(value, str):
        # the first digit may not become the only one that is not zero, so all become the same
        return re.sub(r"\d", "1", value)[:40] if len(value) <= 40 else "1200.00"
    return 1200.5 if isinstance(value, float) else 1200


def _put(record: dict[str, Any], path: str, value: Any) -> None:
    """Set a value where a path points. A place that holds something else already is left alone."""
    parsed = parse_path(path)
    if parsed.steps is not None:
        _set(record, [str(step) for step in parsed.steps], value)
        return
    if parsed.projection is None:
        return
    before, after = parsed.projection
    values = value if isinstance(value, list) else [value]
    elements: list[Any] = []
    for one in values:
        element: dict[str, Any] = {}
        _set(element, [str(step) for step in after], one)
        elements.append(element if after else one)
    _set(record, [str(step) for step in before], elements)


def _set(record: dict[str, Any], members: Sequence[str], value: Any) -> None:
    for member in members[:-1]:
        inner = record.setdefault(member, {})
        if not isinstance(inner, dict):
            return
        record = inner
    if members and not isinstance(record.get(members[-1]), dict):
        record[members[-1]] = value
