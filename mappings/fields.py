"""One field of a mapping, compiled: how it is read, what its value becomes, and the way back.

This is the general way, which has an answer for every value. Beside it stands, where there is one,
the usual case as source, from which `mappings.inward` and `mappings.outward` write a function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from mappings.canonical import CanonicalField
from mappings.expressions import Condition, ExpressionError, compile_condition, compile_text
from mappings.paths import MISSING, Path, PathError, WrongType, kind_of, parse_path
from mappings.spec import UNSET, FieldSpec, MappingSpec, TransformUse, ValuePair
from mappings.transforms import Bound, Fault, ParamError, Scope, Step, bind
from mappings.transforms.step import AS_IT_IS, Usual
from mappings.values import (
    IMPLIED,
    canonical_field,
    clean_json,
    closing_step,
    may_be_null,
    usual_closing,
)
from mappings.writing import Writer, writer

RECORD = ("record",)
FAILURES = (
    Fault,
    WrongType,
    ExpressionError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    RecursionError,
    AttributeError,
)
"""What may come of one field of a hostile record, and must not cost the others."""

_TIMES = ("due", "date", "moment")


class MappingError(Exception):
    """A mapping cannot be compiled. `check_mapping` says all that is wrong with it, and how."""


@dataclass(frozen=True, slots=True)
class FieldPlan:
    """One field, compiled. `read` may give MISSING or raise; `convert` never sees MISSING. A
    constant has a `default` and no `read`.
    """

    spec: FieldSpec
    canonical: CanonicalField
    condition: Condition | None
    """The field's `if`, over the variable `record`."""
    read: Callable[[Any], Any] | None
    convert: Step
    default: Any
    give: Step | None
    """Canonical value to vendor value; None where there is no way back."""
    write: Writer | None
    inward: bool
    outward: bool
    usual: tuple[Usual, ...] | None = None
    """What `convert` does with the usual value, in steps; None where no value is usual."""
    usual_back: tuple[Usual, ...] | None = None
    """The same for `give`."""
    fallback: Any = UNSET
    """What it is where the record says nothing, or its condition does not hold: the `default`."""


def compile_field(mapping: MappingSpec, spec: FieldSpec) -> FieldPlan:
    """Compile one field. Raises MappingError, PathError, ParamError or CompileError."""
    canonical = canonical_field(mapping.entity or "", spec.name)
    if canonical is None:
        raise MappingError(f"{spec.place}: {mapping.entity} has no field '{spec.name}'.")
    direction = mapping.direction_of(spec)
    chain = transforms_of(spec, canonical)
    target = target_path(spec)
    return FieldPlan(
        spec=spec,
        canonical=canonical,
        condition=compile_condition(spec.condition.text, RECORD) if spec.condition else None,
        read=_reader(spec),
        convert=_inward_step(spec, canonical, chain),
        default=_canonical(spec.default if spec.value is UNSET else spec.value, spec, canonical),
        fallback=_canonical(spec.default, spec, canonical),
        give=_outward_step(spec, canonical, chain),
        write=writer(target) if target else None,
        inward=direction in ("in", "both"),
        outward=direction in ("out", "both") and target is not None,
        usual=_usual_inward(spec, canonical, chain),
        usual_back=_usual_outward(spec, canonical, chain),
    )


def transforms_of(spec: FieldSpec, canonical: CanonicalField) -> list[Bound]:
    """The transforms of a field, with the one its type implies at the end. Raises ParamError."""
    chain = [bind(use) for use in spec.transforms]
    implied = IMPLIED.get(canonical.type)
    if not implied or any(bound.name == implied for bound in chain):
        return chain
    # what a value map gives is canonical already; only labels are made a list before it
    if spec.values is None or implied == "labels":
        chain.append(bind(TransformUse(implied, {}, UNSET, spec.place)))
    return chain


def target_path(spec: FieldSpec) -> Path | None:
    """Where the field goes in a write: `to`, else its only source if that names one place."""
    if spec.to is not None:
        return parse_path(spec.to.text)
    if len(spec.sources) != 1:
        return None
    path = parse_path(spec.sources[0].text)
    return path if path.steps and writer(path) else None


def written_path(mapping: MappingSpec, spec: FieldSpec) -> Path | None:
    """Where a field whose parts are in order goes; None if it never does."""
    canonical = canonical_field(mapping.entity or "", spec.name)
    if spec.removed or canonical is None or mapping.direction_of(spec) == "in" or spec.text:
        return None
    try:
        path = target_path(spec)
        if path is None or writer(path) is None or one_way(spec, transforms_of(spec, canonical)):
            return None
    except (ParamError, PathError):
        return None
    return path


def _reader(spec: FieldSpec) -> Callable[[Any], Any] | None:
    if spec.text is not None:
        template = compile_text(spec.text.text, RECORD)
        return lambda data: template.render({"record": data})
    if not spec.sources:
        return None
    readers = [parse_path(source.text).read for source in spec.sources]
    return readers[0] if len(readers) == 1 else _first_of(readers)


def _first_of(readers: list[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    """The first value that is not empty; else the strongest of null, empty and missing."""

    def read(data: Any) -> Any:
        spoken: Any = MISSING
        wrong: WrongType | None = None
        for one in readers:
            try:
                value = one(data)
            except WrongType as error:
                wrong = wrong or error
                continue
            if value is not None and value is not MISSING and value != "" and value != []:
                return value
            if spoken is MISSING:
                spoken = value
        if wrong is not None and spoken is MISSING:
            raise wrong
        return spoken

    return read


def _canonical(value: Any, spec: FieldSpec, canonical: CanonicalField) -> Any:
    """A default or constant in canonical form; a due or an amount may be written short."""
    if value is UNSET or value is None:
        return value
    if canonical.type == "party":
        return value
    try:
        scope = Scope(None, "")
        if (implied := IMPLIED.get(canonical.type)) is not None:
            value = bind(TransformUse(implied, {}, UNSET, spec.place)).inward(value, scope)
        return closing_step(canonical)(clean_json(value), scope)
    except Fault as fault:
        raise MappingError(f"{spec.place}: the default of '{spec.name}': {fault}.") from None


def _inward_step(spec: FieldSpec, canonical: CanonicalField, chain: list[Bound]) -> Step:
    values = _value_map(spec)
    close = closing_step(canonical, chain[-1].name if chain and values is None else "")
    steps = tuple(bound.inward for bound in chain)
    default = _canonical(spec.default, spec, canonical)
    has_default = default is not UNSET
    required = not may_be_null(canonical)
    empty_message = (
        f"it is empty, and every {canonical.name} needs a value"
        if canonical.type != "enum"
        else "it is empty"
    )

    def convert(raw: Any, scope: Scope) -> Any:
        value = raw
        for step in steps:
            if value is None:
                break
            value = step(value, scope)
        if values is not None:
            value = values(value)
            if value is MISSING:
                return MISSING
        if value is not None:
            value = close(value, scope)
        if value is None or (value == "" and (required or has_default)):
            if has_default:
                return deepcopy(default)
            if required:
                raise Fault(empty_message, "unmapped_value" if values else "mapping_error")
        return value

    return convert


def _usual_inward(
    spec: FieldSpec, canonical: CanonicalField, chain: list[Bound]
) -> tuple[Usual, ...] | None:
    """`_inward_step` for the usual value."""
    steps = [bound.usual for bound in chain]
    if spec.values is None:
        steps.append(usual_closing(canonical, chain[-1].name if chain else ""))
    else:
        steps.append(_usual_word(spec, canonical))
    return _all_of(steps)


def _usual_word(spec: FieldSpec, canonical: CanonicalField) -> Usual:
    """A word of the value map, in the form of the field."""
    close, scope = closing_step(canonical), Scope(None, "")

    def closed(value: Any) -> Any:
        # the general way says what is wrong with a value, where it matters
        with suppress(Fault):
            word = None if value is None else close(value, scope)
            return word if word.__class__ in (str, int, float, bool) else None
        return None

    words = {value_key(pair.vendor): closed(pair.canonical) for pair in spec.values or ()}
    other = None if spec.otherwise in ("exception", "keep") else closed(spec.otherwise)
    return Usual(
        "{words}.get({value}, {other}) if {value}.__class__ is str else None",
        {"words": words, "other": other},
    )


_UNKNOWN = object()


def _value_map(spec: FieldSpec) -> Callable[[Any], Any] | None:
    """The value map as a function; MISSING means that our value stays as it is."""
    if spec.values is None:
        return None
    table = {value_key(pair.vendor): pair.canonical for pair in spec.values}
    otherwise = spec.otherwise
    listed = vendor_words(spec.values)

    def convert(value: Any) -> Any:
        if value.__class__ is list:
            return [one for item in value if (one := convert(item)) is not MISSING]
        found = table.get(value if value.__class__ is str else value_key(value), _UNKNOWN)
        if found is not _UNKNOWN:
            return found
        if otherwise == "keep":
            return MISSING
        if otherwise != "exception":
            return otherwise
        if value is None or value == "":
            return value
        shown = str(value_key(value))[:60]
        raise Fault(
            f"'{shown}' is not in the value map ({listed}); add it under values", "unmapped_value"
        )

    return convert


def vendor_words(pairs: Sequence[ValuePair]) -> str:
    """The vendor's side of some lines of a value map, as YAML writes it."""
    words = ("null" if one.vendor is None else str(value_key(one.vendor)) for one in pairs[:12])
    return ", ".join(words)


def value_key(value: Any) -> Any:
    """What a vendor's value is looked up by: text as it is; true, 3 and 3.0 as YAML writes them."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (dict, list)):
        return f"({kind_of(value)})"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if not isinstance(value, int) or value.bit_length() < 200 else "a huge number"


def inverse(spec: FieldSpec) -> tuple[dict[Any, Any], dict[Any, list[ValuePair]]]:
    """Canonical value → vendor value, and the canonical values several vendor values stand for and
    `back` does not settle.
    """
    by_canonical: dict[Any, list[ValuePair]] = {}
    for pair in spec.values or ():
        by_canonical.setdefault(value_key(pair.canonical), []).append(pair)
    settled = {value_key(pair.canonical): pair.vendor for pair in spec.back}
    open_ = {
        key: pairs for key, pairs in by_canonical.items() if len(pairs) > 1 and key not in settled
    }
    simple = {key: pairs[0].vendor for key, pairs in by_canonical.items() if len(pairs) == 1}
    return {**simple, **settled}, open_


def one_way(spec: FieldSpec, chain: Sequence[Bound]) -> str | None:
    """The transform because of which a field does not go back; None if it does.

    A value map has its own words for the way back, and where `to` names a place for them that is
    enough. Without it they would be written over the text of which they are only a part.
    """
    if spec.values is not None and spec.to is not None:
        return None
    return next((bound.name for bound in chain if bound.outward is None), None)


def _outward_step(spec: FieldSpec, canonical: CanonicalField, chain: list[Bound]) -> Step | None:
    if spec.text is not None or (not spec.sources and spec.to is None):
        return None
    if one_way(spec, chain) is not None:
        return None
    steps = tuple(bound.outward for bound in reversed(chain) if bound.outward)
    mapped = spec.values is not None or bool(spec.back)
    table, ambiguous = inverse(spec)
    passes = spec.values is None
    listed = canonical.type == "labels"

    def look_up(value: Any) -> Any:
        if value.__class__ is list:
            return [look_up(one) for one in value]
        key = value_key(value)
        if key in table:
            return table[key]
        if value is None or passes:
            return value
        if key in ambiguous:
            words = vendor_words(ambiguous[key])
            raise Fault(f"'{key}' may be {words}; choose one under back", "unmapped_value")
        raise Fault(f"'{key}' has no value in this tool; add it under back", "unmapped_value")

    def give(value: Any, scope: Scope) -> Any:
        if value is None and listed:
            value = []
        if mapped:
            value = look_up(value)
        elif canonical.type in _TIMES and not steps:
            value = _time_text(value)
        for step in steps:
            if value is None:
                break
            value = step(value, scope)
        return value

    return give


def _usual_outward(
    spec: FieldSpec, canonical: CanonicalField, chain: list[Bound]
) -> tuple[Usual, ...] | None:
    """`_outward_step` for the usual value."""
    steps = [bound.usual_back for bound in reversed(chain) if bound.outward]
    if spec.values is not None or spec.back:
        words = {word: said for word, said in inverse(spec)[0].items() if word.__class__ is str}
        said = Usual("{words}.get({value}) if {value}.__class__ is str else None", {"words": words})
        steps.insert(0, said)
    elif canonical.type in _TIMES and not steps:
        time = "{value}.get('at') or {value}.get('date') if {value}.__class__ is dict else None"
        steps.append(Usual(time))
    elif canonical.type == "labels":
        steps.append(Usual("{value} if {value}.__class__ is list else None"))
    return _all_of(steps)


def _all_of(steps: list[Usual | None]) -> tuple[Usual, ...] | None:
    """The steps that do something; None where one of them has no usual case."""
    usual = tuple(step for step in steps if step is not None)
    return (
        tuple(step for step in usual if step is not AS_IT_IS) if len(usual) == len(steps) else None
    )


def _time_text(value: Any) -> Any:
    return (value.get("at") or value.get("date")) if isinstance(value, dict) else value
