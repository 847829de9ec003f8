"""Inward: a mapping's fields written out as plain Python source, once, for the usual record.

Per field the source reads the value, converts it in place where it is of the usual kind, and leaves
every other value to `judge`, which goes the field's general way. Paths that begin alike are walked
once. Into the source go names of ours and quoted literals only; everything else a mapping says
stays in the compiled parts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from mappings.expressions import ExpressionError
from mappings.fields import FAILURES, FieldPlan
from mappings.paths import MISSING, Path, Step, WrongType, parse_path
from mappings.source import Place
from mappings.spec import UNSET
from mappings.transforms import Directory, Fault, ProblemKind, Scope
from mappings.transforms.step import Usual
from mappings.values import may_be_null


@dataclass(frozen=True, slots=True)
class Problem:
    """One field that could not be mapped: why, the vendor's value, and the line that says how."""

    field: str
    kind: ProblemKind
    message: str
    raw: Any
    place: Place
    who: str | None = None
    """The person whom nobody knows: by the tool's name inward, by our id outward."""


@dataclass(slots=True)
class Mapped:
    """A record in canonical form. A field that is not in `values` was not spoken of, or has a
    problem; `raw` holds what the vendor said, also for those with a problem.
    """

    values: dict[str, Any] = field(default_factory=dict)
    raw: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


Inward = Callable[[Mapping[str, Any], Directory, str], Mapped]


# -------------------------------------------------------------------------------- the general way


def judge(plan: FieldPlan, data: dict[str, Any], scope: Scope, mapped: Mapped) -> None:
    """One field of a record, whatever stands there."""
    name, raw = plan.spec.name, None
    try:
        raw = MISSING
        if plan.condition is None or plan.condition.evaluate({"record": data}):
            if plan.read is None:
                mapped.values[name] = deepcopy(plan.default)
                return
            raw = plan.read(data)
        if raw is MISSING:
            if plan.fallback is not UNSET:
                mapped.values[name] = deepcopy(plan.fallback)
            return
        mapped.raw[name] = raw
        value = plan.convert(raw, scope)
        if value is not MISSING:
            mapped.values[name] = value
    except FAILURES as error:
        if raw is MISSING:
            raw = mapped.raw[name] = _nearest(plan, data) if isinstance(error, WrongType) else None
        mapped.problems.append(problem(plan, error, raw))


def problem(plan: FieldPlan, error: Exception, raw: Any) -> Problem:
    """What a person is told about a field that failed."""
    spec = plan.spec
    kind: ProblemKind = error.kind if isinstance(error, Fault) else "mapping_error"
    who = error.who if isinstance(error, Fault) else None
    return Problem(spec.name, kind, f"{spec.name}: {in_words(error)}.", raw, spec.place, who)


def in_words(error: Exception) -> str:
    """One of `FAILURES` as the end of a sentence about its field."""
    if isinstance(error, RecursionError):
        return "the value is nested too deep"
    if isinstance(error, ValueError) and "set_int_max_str_digits" in str(error):
        return "a number has thousands of digits"
    if not isinstance(error, (Fault, WrongType, ExpressionError)):
        return f"{type(error).__name__}: {error}"[:200]
    return str(error).removesuffix(".")


def _nearest(plan: FieldPlan, data: Mapping[str, Any]) -> Any:
    """What stands where the path went wrong: the top-level value it begins with."""
    for source in plan.spec.sources:
        for root in parse_path(source.text).roots:
            if root in data:
                return data[root]
    return None


# ------------------------------------------------------------------------------------- the source


class Nulls(dict[str, Any]):
    """What stands for an object that is null: every member of it is null too."""

    def __missing__(self, key: str) -> None:
        return None


NULLS = Nulls()
NOTHING: dict[str, Any] = {}
"""What stands for an object that is missing, or is none; `judge` finds out which."""

_JUDGE = "judge(plan{number}, data, Scope(directory, connection, data, ZONE), mapped)"


def compile_inward(plans: Sequence[FieldPlan], zone: str) -> Inward:
    """A function that maps a record."""
    source, names = write_inward(plans, zone)
    exec(compile(source, "<mapping, inward>", "exec"), names)  # noqa: S102 - our own source
    inward: Inward = names["inward"]
    return inward


def write_inward(plans: Sequence[FieldPlan], zone: str) -> tuple[str, dict[str, Any]]:
    """The source of `inward(data, directory, connection)`, and what its names stand for."""
    names: dict[str, Any] = {
        "FAILURES": FAILURES,
        "MISSING": MISSING,
        "NOTHING": NOTHING,
        "NULLS": NULLS,
        "ZONE": zone,
        "Mapped": Mapped,
        "Scope": Scope,
        "judge": judge,
    }
    walk = _Walk()
    for number, plan in enumerate(plans):
        names[f"plan{number}"] = plan
        lines = _field(number, plan, walk, names)
        walk.lines.extend(lines)
    body = ["if data.__class__ is not dict:", "    data = dict(data)"]
    body += ["values, raws = {}, {}", "mapped = Mapped(values, raws, [])", *walk.lines]
    head = "def inward(data, directory, connection):\n    "
    return head + "\n    ".join([*body, "return mapped\n"]), names


def _field(number: int, plan: FieldPlan, walk: _Walk, names: dict[str, Any]) -> list[str]:
    """The lines of one field, after those of the way to its value."""
    judged = _JUDGE.format(number=number)
    path = parse_path(plan.spec.sources[0].text) if len(plan.spec.sources) == 1 else None
    found = walk.read(path) if path and plan.usual is not None else None
    if found is None or plan.usual is None:
        return [judged]
    raw, parent = found
    lines, value = convert_lines(number, raw, plan.usual, names)
    name = repr(plan.spec.name)
    some = f"if {value} is not None"
    if plan.default is not UNSET or not may_be_null(plan.canonical):
        some += f" and {value} != ''"
    lines += [f"{some}:", f"    raws[{name}] = {raw}", f"    values[{name}] = {value}"]
    null = _of_null(plan)
    if null is not MISSING:
        lines += [f"elif {raw} is None:", f"    raws[{name}] = None"]
        lines += [f"    values[{name}] = {null!r}"]
    if parent and plan.default is UNSET:
        lines += [f"elif {raw} is MISSING and {parent} is not NOTHING:", "    pass"]
    lines += ["else:", f"    {judged}"]
    if plan.condition is None:
        return lines
    names[f"condition{number}"] = plan.condition.program
    return [
        "try:",
        f"    holds = condition{number}.run({{'record': data}})",
        "except Exception:",
        "    holds = None",
        "if holds is True:",
        *(f"    {line}" for line in lines),
        "elif holds is not False:" if plan.default is UNSET else "else:",
        f"    {judged}",
    ]


def convert_lines(
    number: int, value: str, usual: Sequence[Usual], names: dict[str, Any]
) -> tuple[list[str], str]:
    """The usual steps of a field over the variable `value`, and the variable that has the outcome:
    None where the general way has to judge.
    """
    lines = []
    for place, step in enumerate(usual):
        known = {word: f"{word}_{number}_{place}" for word in step.names}
        names.update((known[word], thing) for word, thing in step.names.items())
        lines.append(f"x{number} = {step.source.format(value=value, **known)}")
        value = f"x{number}"
    return lines, value


def _of_null(plan: FieldPlan) -> Any:
    """What null becomes, which no record changes; MISSING where that is not a plain value."""
    try:
        value = plan.convert(None, Scope(None, ""))
    except FAILURES:
        return MISSING
    return value if value is None or value.__class__ in (str, int, float, bool) else MISSING


class _Walk:
    """The way to every value, each stretch walked once."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._named = 0
        self._values: dict[tuple[Step, ...], str] = {(): "data"}
        self._objects: dict[tuple[Step, ...], str] = {(): "data"}

    def read(self, path: Path) -> tuple[str, str] | None:
        """The variable that will hold what `path.read` gives, or MISSING for `judge`; and, where it
        is a member, that of the object it is in. None for a path that is not plain.
        """
        if path.steps is not None:
            chain = path.steps
            inside = bool(chain) and isinstance(chain[-1], str)
            return self._value(chain), self._object(chain[:-1]) if inside else ""
        if path.projection is None or len(path.projection[1]) > 1:
            return None
        before, after = path.projection
        if not after:
            return self._all(before), ""
        # text answers to an index too, so only members are read without a look at their elements
        return (self._members(before, after[0]), "") if isinstance(after[0], str) else None

    def _value(self, chain: tuple[Step, ...]) -> str:
        if chain not in self._values:
            step = chain[-1]
            if isinstance(step, str):
                # a key that is there costs less so than by `get`, and most are
                self._values[chain] = self._tried(f"{self._object(chain[:-1])}[{step!r}]")
            else:
                of = self._value(chain[:-1])
                enough = step + 1 if step >= 0 else -step
                self._values[chain] = self._new(
                    f"{of}[{step}] if {of}.__class__ is list and len({of}) >= {enough}"
                    f" else None if {of} is None or {of}.__class__ is list else MISSING"
                )
        return self._values[chain]

    def _object(self, chain: tuple[Step, ...]) -> str:
        if chain not in self._objects:
            value = self._value(chain)
            self._objects[chain] = self._new(
                f"{value} if {value}.__class__ is dict else NULLS if {value} is None else NOTHING"
            )
        return self._objects[chain]

    def _all(self, chain: tuple[Step, ...]) -> str:
        many = self._value(chain)
        return self._new(f"{many} if {many}.__class__ is list or {many} is None else MISSING")

    def _members(self, chain: tuple[Step, ...], member: Step) -> str:
        many = self._value(chain)
        each = f"[one[{member!r}] for one in {many}]"
        return self._tried(f"{each} if {many}.__class__ is list else MISSING")

    def _tried(self, source: str) -> str:
        name = self._name()
        self.lines += ["try:", f"    {name} = {source}"]
        self.lines += ["except (LookupError, TypeError):", f"    {name} = MISSING"]
        return name

    def _new(self, source: str) -> str:
        name = self._name()
        self.lines.append(f"{name} = {source}")
        return name

    def _name(self) -> str:
        self._named += 1
        return f"v{self._named}"
