"""What a transform is: its name, its parameters, and what it may look at; and the register of all
that have been registered. `mappings.transforms` registers those that come with the language.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from mappings.paths import PathError, parse_path
from mappings.patterns import PatternError, compiled
from mappings.source import did_you_mean
from mappings.spec import UNSET, TransformUse
from mappings.transforms.other_names import transform_hint
from mappings.transforms.times import NAMED_FORMATS, TimeError, zone

ProblemKind = Literal["unmapped_value", "mapping_error"]
ValueKind = Literal[
    "any", "text", "number", "decimal", "boolean", "date", "moment", "money", "party", "list"
]
"""What a value is between two transforms, as far as it is known before there is one. A `list` is
one of texts; `any` may be anything."""

TEXTUAL: tuple[ValueKind, ...] = ("text", "number", "decimal", "date", "moment", "party")
NUMERIC: tuple[ValueKind, ...] = ("text", "number", "decimal")
TIMES: tuple[ValueKind, ...] = ("text", "number", "decimal", "date", "moment")


class Directory(Protocol):
    """Who is who in which tool. Handed in by the hub."""

    def party_for(self, connection: str, handle: str) -> str | None:
        """The id of our party for a vendor's handle, user id or e-mail address."""

    def handle_for(self, connection: str, party: str) -> str | None:
        """What this party is called in that tool."""


class Fault(Exception):
    """A value cannot be mapped; the message completes the sentence about the field. `who`: the
    person whom nobody knows, by the tool's name inward, by ours outward.
    """

    def __init__(
        self, message: str, kind: ProblemKind = "mapping_error", who: str | None = None
    ) -> None:
        super().__init__(message)
        self.kind: ProblemKind = kind
        self.who = who


@dataclass(slots=True)
class Scope:
    """What a transform may look at beside its value. `zone` is the workspace's time zone."""

    directory: Directory | None
    connection: str
    record: Any = None
    zone: str = "UTC"


Step = Callable[[Any, Scope], Any]


@dataclass(frozen=True, slots=True)
class Usual:
    """The usual case of a step as a Python expression, so that a mapping costs no call for it.

    In `source` stand `{value}` and, in braces, the words of `names`; `directory` and `connection`
    are known too. For any value whatsoever it gives what the step would, or None where the step
    itself has to judge.
    """

    source: str
    names: Mapping[str, Any] = field(default_factory=dict)


AS_IT_IS = Usual("{value}")


@dataclass(frozen=True, slots=True)
class Bound:
    """A transform with its parameters filled in. `outward` is None where there is no way back."""

    name: str
    inward: Step
    outward: Step | None
    single: Step
    """`inward` for what is not a list."""
    reads: frozenset[str] = frozenset()
    """Further top-level vendor fields it looks at."""
    usual: Usual | None = None
    """What `inward` does with the usual value."""
    usual_back: Usual | None = None
    """What `outward` does with it."""


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter. `number` means a whole number; `path` is a JSONPath into the record; `table`
    is a set of keys with single values, and `value` a single value of any kind.
    """

    kind: Literal[
        "text",
        "number",
        "flag",
        "words",
        "path_or_text",
        "pattern",
        "format",
        "zone",
        "table",
        "value",
    ]
    required: bool = False
    choices: tuple[str, ...] = ()
    about: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """A value as the tool has it and as it is here, with these parameters. `back` is what is
    written, if that is not the same again. Documentation shows it and a test runs it.
    """

    vendor: Any
    ours: Any
    params: Mapping[str, Any] = field(default_factory=dict)
    back: Any = UNSET


@dataclass(frozen=True, slots=True)
class Transform:
    """A named transform: how to build it, what it may be told, and what it gives."""

    name: str
    about: str
    build: Callable[[Mapping[str, Any]], tuple[Step, Step | None]]
    params: Mapping[str, Param] = field(default_factory=dict)
    short: str | None = None
    """The parameter that `{name: X}` fills when X is not a set of parameters."""
    whole: bool = False
    """It takes a list as one value; others are applied to each element."""
    takes: tuple[ValueKind, ...] = ()
    """The kinds of value it can work on, of an element where it is given a list; none: any."""
    gives: ValueKind = "any"
    """The kind of value it makes, so that a chain that can never fit is known before it runs."""
    usual: Usual | None = None
    usual_back: Usual | None = None
    usual_despite: tuple[str, ...] = ()
    """The parameters that change nothing for a usual value; with any other there is none."""
    bound: Callable[[list[Any]], None] | None = None
    """Raises Fault for a list whose elements are together more than the transform can take, where
    it works long for each of them.
    """
    examples: tuple[Example, ...] = ()
    lossy: str = ""
    """What does not survive the way in and out again."""
    notes: tuple[str, ...] = ()
    """What else its user has to know, a Markdown sentence or two each."""


class ParamError(Exception):
    """A transform is used with a parameter it does not have, or a wrong one."""

    def __init__(self, message: str, hint: str = "", param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.param = param


def same(value: Any, scope: Scope) -> Any:
    """The way back of what the canonical form already says in the tool's words."""
    return value


TRANSFORMS: dict[str, Transform] = {}


def register(transform: Transform) -> None:
    """Add a transform under its name; a name is taken only once."""
    if transform.name in TRANSFORMS:
        raise ValueError(f"There is already a transform '{transform.name}'.")
    TRANSFORMS[transform.name] = transform


def unavailable(name: str, reason: str) -> None:
    """There should be such a transform, and there is not: whoever uses it is told why."""
    _UNAVAILABLE[name] = reason


_UNAVAILABLE: dict[str, str] = {}


def registrable(name: str, value: Any) -> Transform:
    """A transform of this name from a `Transform`, or from a function of one value that raises
    ValueError for what it cannot take. Raises TypeError.
    """
    if isinstance(value, Transform):
        if value.name != name:
            raise TypeError(f"The transform calls itself '{value.name}'.")
        return value
    if not callable(value) or isinstance(value, type):
        raise TypeError(f"It is neither a Transform nor a function, but {value!r:.80}.")

    def inward(given: Any, scope: Scope) -> Any:
        try:
            return value(given)
        except (ValueError, TypeError) as error:
            raise Fault(str(error).removesuffix(".") or "it cannot be read") from None

    about = (inspect.getdoc(value) or "").split("\n\n")[0].replace("\n", " ")
    return Transform(name, about.removesuffix("."), lambda params: (inward, None))


def bind(use: TransformUse) -> Bound:
    """A transform with the parameters of one `as` step. Raises ParamError."""
    transform = TRANSFORMS.get(use.name)
    if transform is None and use.name in _UNAVAILABLE:
        raise ParamError(f"there is no transform '{use.name}': {_UNAVAILABLE[use.name]}.")
    if transform is None:
        raise ParamError(
            f"there is no transform '{use.name}'.", transform_hint(use.name, TRANSFORMS)
        )
    params = dict(use.params)
    if use.argument is not UNSET and use.argument is not None:
        if transform.short is None:
            raise ParamError(f"'{use.name}' takes no parameter.", f"Write as: {use.name}.")
        params[transform.short] = use.argument
    for name, value in params.items():
        if name not in transform.params:
            hint = did_you_mean(name, transform.params) or f"'{use.name}' takes no parameters."
            raise ParamError(f"'{use.name}' has no parameter '{name}'.", hint, name)
        _check_param(use.name, name, transform.params[name], value)
    for name, param in transform.params.items():
        if param.required and name not in params:
            raise ParamError(f"'{use.name}' needs '{name}'.", f"Write {{{use.name}: …}}.")
    inward, outward = transform.build(params)
    reads: frozenset[str] = frozenset()
    for name, param in transform.params.items():
        if param.kind == "path_or_text" and str(params.get(name, "")).startswith("$"):
            reads |= parse_path(params[name]).roots
    single = inward
    if not transform.whole:
        inward = _each(inward, transform.bound)
        outward = outward and _each(outward, transform.bound)
    usual, usual_back = transform.usual, transform.usual_back
    if not params.keys() <= set(transform.usual_despite):
        usual = usual_back = None
    return Bound(use.name, inward, outward, single, reads, usual, usual_back)


def _check_param(transform: str, name: str, param: Param, value: Any) -> None:
    where = f"'{name}' of '{transform}'"
    if param.kind == "number":
        if isinstance(value, bool) or not isinstance(value, int):
            raise ParamError(f"{where} is a whole number.", param=name)
    elif param.kind == "flag":
        if not isinstance(value, bool):
            raise ParamError(f"{where} is true or false.", param=name)
    elif param.kind == "words":
        words = value if isinstance(value, list) else [value]
        if not words or not all(isinstance(word, (str, int)) for word in words):
            raise ParamError(f"{where} is a word or a list of words.", param=name)
    elif param.kind == "table":
        if not isinstance(value, dict) or not value or any(map(_is_nested, value.values())):
            raise ParamError(
                f"{where} is a set of keys with single values.", "Write {A: B, C: D}.", name
            )
    elif param.kind == "value":
        if _is_nested(value):
            raise ParamError(f"{where} is a single value.", param=name)
    elif not isinstance(value, str):
        raise ParamError(f"{where} is text.", "Quote it.", name)
    elif param.choices and value not in param.choices:
        raise ParamError(
            f"{where} cannot be '{value}'.", f"Write one of {', '.join(param.choices)}.", name
        )
    elif param.kind == "zone":
        try:
            zone(value)
        except TimeError as error:
            raise ParamError(f"{where}: {error}.", param=name) from None
    elif param.kind == "format" and "%" not in value and value not in NAMED_FORMATS:
        raise ParamError(
            f"{where} cannot be '{value}'.",
            f"Write one of {', '.join(NAMED_FORMATS)}, or a pattern such as '%d.%m.%Y'.",
            name,
        )
    elif param.kind == "path_or_text" and value.startswith("$"):
        try:
            parse_path(value)
        except PathError as error:
            raise ParamError(f"{where}: {error.message}", error.hint, name) from None
    elif param.kind == "pattern":
        try:
            pattern(value)
        except ParamError as error:
            raise ParamError(f"{where}: {error.message}", error.hint, name) from None


def _is_nested(value: Any) -> bool:
    return isinstance(value, (dict, list))


def _each(step: Step, bound: Callable[[list[Any]], None] | None) -> Step:
    def apply(value: Any, scope: Scope) -> Any:
        if value.__class__ is list:
            if bound is not None:
                bound(value)
            return [None if item is None else step(item, scope) for item in value]
        return step(value, scope)

    return apply


def pattern(text: str) -> Any:
    """A compiled RE2 pattern, which cannot stall. Raises ParamError."""
    try:
        return compiled(text)
    except PatternError as error:
        raise ParamError(
            f"not a pattern: {error}.", "Patterns are RE2: no look-around, no back-references."
        ) from None
