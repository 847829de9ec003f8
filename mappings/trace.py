"""How a value came about, step by step: what each source gave, what the condition said, what every
transform made of it, which line of the value map was used. Pure, and slow on purpose.

It walks the same parts that the compiler puts together; a property test holds its results equal to
those of the compiled mapping, for any record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mappings.compiler import CompiledMapping
from mappings.expressions import compile_condition, compile_text
from mappings.fields import (
    FAILURES,
    RECORD,
    FieldPlan,
    inverse,
    target_path,
    transforms_of,
    value_key,
    vendor_words,
)
from mappings.inward import in_words
from mappings.paths import MISSING, WrongType, parse_path
from mappings.source import Place
from mappings.spec import UNSET, FieldSpec, Located, TransformUse, ValuePair
from mappings.transforms import Bound, Fault, Scope
from mappings.values import closing_step, may_be_null

Gave = Literal["value", "empty", "null", "missing", "wrong type"]
Kind = Literal[
    "source", "condition", "text", "constant", "transform", "values", "otherwise", "form", "default"
]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a field. `gave` is MISSING where nothing came of it, and then `error` may say
    why.
    """

    kind: Kind
    label: str
    """The step as it is written: a path, a transform with its parameters, a line of a value map."""
    place: Place
    given: Any = MISSING
    gave: Any = MISSING
    state: Gave | None = None
    """Of a source: what stands there."""
    used: bool = True
    """False for a source or a default that was not needed."""
    error: str | None = None


@dataclass(slots=True)
class FieldTrace:
    """One field of one record. `result` is MISSING where the record leaves the field alone, or
    where it has a problem.
    """

    name: str
    place: Place
    steps: list[Step] = field(default_factory=list)
    raw: Any = MISSING
    result: Any = MISSING
    problem: str | None = None
    """What went wrong, in the words of the compiled mapping's own problem."""
    written: str | None = None
    """Outward: the path in the tool's record that the value is written to."""

    def add(self, kind: Kind, label: str, place: Place, **said: Any) -> None:
        self.steps.append(Step(kind, label, place, **said))


def trace_inward(
    compiled: CompiledMapping, data: Mapping[str, Any], directory: Any, connection: str
) -> list[FieldTrace]:
    """Every field that comes in, in the order of the file, for one record."""
    scope = Scope(directory, connection, dict(data), compiled.zone)
    return [_inward(plan, scope) for plan in compiled.plans.values() if plan.inward]


def trace_outward(
    compiled: CompiledMapping, values: Mapping[str, Any], directory: Any, connection: str
) -> list[FieldTrace]:
    """Every field of `values` that goes out to a tool that holds nothing of it yet."""
    scope = Scope(directory, connection, None, compiled.zone)
    return [
        _outward(plan, values[name], scope)
        for name, plan in compiled.plans.items()
        if name in values and compiled.invertible(name)
    ]


def state_of(value: Any) -> Gave:
    """Which of the four things stands at a place."""
    if value is MISSING:
        return "missing"
    if value is None:
        return "null"
    return "empty" if value.__class__ in (str, list, dict) and not value else "value"


# ------------------------------------------------------------------------------------------ inward


def _inward(plan: FieldPlan, scope: Scope) -> FieldTrace:
    spec = plan.spec
    told = FieldTrace(spec.name, spec.place)
    try:
        held = _holds(told, spec, scope.record)
        value = _read(told, plan, scope.record) if held else MISSING
        if value is MISSING:
            if held and spec.value is not UNSET:
                told.result = plan.default
            elif plan.fallback is not UNSET:
                told.add("default", _short(spec.default), spec.place, gave=plan.fallback)
                told.result = plan.fallback
            return told
        told.raw = value
        told.result = _convert(told, plan, value, scope)
    except FAILURES as error:
        told.problem = said(plan, error)
    return told


def said(plan: FieldPlan, error: Exception) -> str:
    """An error of a field in a sentence, as its problem has it."""
    return f"{plan.spec.name}: {in_words(error)}."


def _holds(told: FieldTrace, spec: FieldSpec, data: Any) -> bool:
    if spec.condition is None:
        return True
    text, place = spec.condition.text, spec.condition.place
    try:
        verdict = compile_condition(text, RECORD).evaluate({"record": data})
    except FAILURES as error:
        told.add("condition", text, place, error=str(error))
        raise
    told.add("condition", text, place, gave=verdict)
    return verdict


def _read(told: FieldTrace, plan: FieldPlan, data: Any) -> Any:
    """What the sources give: the first that is not empty; else the strongest of null, empty and
    missing.
    """
    spec = plan.spec
    if spec.text is not None:
        text, place = spec.text.text, spec.text.place
        try:
            value = compile_text(text, RECORD).render({"record": data})
        except FAILURES as error:
            told.add("text", text, place, error=str(error))
            raise
        told.add("text", text, place, gave=value)
        return value
    if not spec.sources:
        # a constant with a condition is read like any value, one without is simply there
        value = plan.read(data) if plan.read else plan.default
        told.add("constant", _short(spec.value), spec.place, gave=value)
        return value if plan.read else MISSING
    if len(spec.sources) == 1:
        return _source(told, spec.sources[0], data)
    spoken: Any = MISSING
    wrong: WrongType | None = None
    found = False
    chosen: Any = MISSING
    for one in spec.sources:
        if found:
            told.add("source", one.text, one.place, used=False)
            continue
        try:
            value = _source(told, one, data)
        except WrongType as error:
            wrong = wrong or error
            continue
        if value is not None and value is not MISSING and value != "" and value != []:
            found, chosen = True, value
        elif spoken is MISSING:
            spoken = value
    if found:
        return chosen
    if wrong is not None and spoken is MISSING:
        raise wrong
    return spoken


def _source(told: FieldTrace, one: Located, data: Any) -> Any:
    try:
        value = parse_path(one.text).read(data)
    except WrongType as error:
        told.add("source", one.text, one.place, state="wrong type", error=str(error))
        raise
    except FAILURES as error:
        told.add("source", one.text, one.place, error=str(error))
        raise
    told.add("source", one.text, one.place, gave=value, state=state_of(value))
    return value


def _convert(told: FieldTrace, plan: FieldPlan, raw: Any, scope: Scope) -> Any:
    spec, canonical = plan.spec, plan.canonical
    chain = transforms_of(spec, canonical)
    value = raw
    for bound, use in _uses(spec, chain):
        if value is None:
            break
        value = _step(told, _label(use), use.place, value, bound.inward, scope)
    if spec.values is not None:
        value = _looked_up(told, spec, value)
        if value is MISSING:
            return MISSING
    if value is not None:
        last = chain[-1].name if chain and spec.values is None else ""
        close = closing_step(canonical, last)
        form = f"as {canonical.type}"
        value = _step(told, form, spec.place, value, close, scope, kind="form")
    required = not may_be_null(canonical)
    default = plan.default if spec.default is not UNSET else UNSET
    has_default = default is not UNSET
    if value is None or (value == "" and (required or has_default)):
        if has_default:
            told.add("default", _short(spec.default), spec.place, given=value, gave=default)
            return default
        if required:
            empty = "it is empty"
            if canonical.type != "enum":
                empty += f", and every {canonical.name} needs a value"
            raise Fault(empty)
    return value


def _uses(spec: FieldSpec, chain: list[Bound]) -> list[tuple[Bound, TransformUse]]:
    """Each transform with where it is written; the one that a type implies, with its field."""
    implied = [TransformUse(one.name, {}, UNSET, spec.place) for one in chain]
    written = [*spec.transforms, *implied[len(spec.transforms) :]]
    return list(zip(chain, written, strict=True))


def _step(
    told: FieldTrace,
    label: str,
    place: Place,
    value: Any,
    step: Callable[[Any, Scope], Any],
    scope: Scope,
    kind: Kind = "transform",
) -> Any:
    try:
        result = step(value, scope)
    except FAILURES as error:
        told.add(kind, label, place, given=value, error=str(error))
        raise
    told.add(kind, label, place, given=value, gave=result)
    return result


def _looked_up(told: FieldTrace, spec: FieldSpec, value: Any) -> Any:
    """A value through the value map, and each element of a list; MISSING where ours is kept."""
    if value.__class__ is list:
        found = [_looked_up(told, spec, one) for one in value]
        return [one for one in found if one is not MISSING]
    pairs = {value_key(pair.vendor): pair for pair in spec.values or ()}
    pair = pairs.get(value_key(value))
    if pair is not None:
        told.add("values", _line(pair), pair.place, given=value, gave=pair.canonical)
        return pair.canonical
    place = spec.otherwise_place or spec.place
    if spec.otherwise == "keep":
        told.add("otherwise", "keep", place, given=value)
        return MISSING
    if spec.otherwise != "exception":
        told.add("otherwise", _short(spec.otherwise), place, given=value, gave=spec.otherwise)
        return spec.otherwise
    if value is None or value == "":
        return value
    shown = str(value_key(value))[:60]
    listed = vendor_words(spec.values or ())
    fault = Fault(
        f"'{shown}' is not in the value map ({listed}); add it under values", "unmapped_value"
    )
    told.add("otherwise", "exception", place, given=value, error=str(fault))
    raise fault


# ----------------------------------------------------------------------------------------- outward


def _outward(plan: FieldPlan, value: Any, scope: Scope) -> FieldTrace:
    spec, canonical = plan.spec, plan.canonical
    target = target_path(spec)
    told = FieldTrace(spec.name, spec.place, raw=value, written=target.text if target else None)
    steps = [
        (bound.outward, use)
        for bound, use in reversed(_uses(spec, transforms_of(spec, canonical)))
        if bound.outward
    ]
    try:
        if value is None and canonical.type == "labels":
            value = []
        if spec.values is not None or spec.back:
            value = _said(told, spec, value)
        elif canonical.type in ("due", "date", "moment") and not steps and isinstance(value, dict):
            text = value.get("at") or value.get("date")
            told.add("form", "as text", spec.place, given=value, gave=text)
            value = text
        for step, use in steps:
            if value is None:
                break
            value = _step(told, f"back by {_label(use)}", use.place, value, step, scope)
        told.result = value
    except FAILURES as error:
        told.problem = said(plan, error)
    return told


def _said(told: FieldTrace, spec: FieldSpec, value: Any) -> Any:
    """A canonical value in the tool's words, by `back`, else by the one line that gives it."""
    if value.__class__ is list:
        return [_said(told, spec, one) for one in value]
    key = value_key(value)
    table, ambiguous = inverse(spec)
    if key in table:
        lines = [pair for pair in spec.back if value_key(pair.canonical) == key] or [
            pair for pair in spec.values or () if value_key(pair.canonical) == key
        ]
        told.add("values", _line(lines[-1]), lines[-1].place, given=value, gave=table[key])
        return table[key]
    if value is None or spec.values is None:
        return value
    if key in ambiguous:
        words = vendor_words(ambiguous[key])
        fault = Fault(f"'{key}' may be {words}; choose one under back", "unmapped_value")
    else:
        fault = Fault(f"'{key}' has no value in this tool; add it under back", "unmapped_value")
    told.add("values", "back", spec.place, given=value, error=str(fault))
    raise fault


# ------------------------------------------------------------------------------------------- words


def _line(pair: ValuePair) -> str:
    return f"{pair.vendor} ↔ {pair.canonical}"


def _label(use: TransformUse) -> str:
    if use.argument is not UNSET and use.argument is not None:
        return f"{use.name}: {_short(use.argument)}"
    said = ", ".join(f"{name}: {_short(value)}" for name, value in use.params.items())
    return f"{use.name}: {{{said}}}" if said else use.name


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
