"""Which rules an event meets: an index of what their conditions demand, and why the others miss."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, Literal, Protocol, TypeVar

from mappings.expressions import Condition, Context, ExpressionError, Guard, explain
from mappings.source import Place

_TELLING = frozenset({str, int, float})
_NEITHER = frozenset({type(None), bool, list, dict})
_EXACT = 2**53


@cache
def seen_at(event_type: str) -> frozenset[str]:
    """What conditions may see at an event of this type; a case only where it concerns one."""
    own = {event_type.partition(".")[0]} & {"task", "item", "delivery"}
    return frozenset({"event", "now", "case", *own})


class Listener(Protocol):
    """What has a condition: a rule."""

    @property
    def name(self) -> str: ...

    @property
    def place(self) -> Place: ...

    @property
    def condition(self) -> Condition | None: ...

    @property
    def condition_place(self) -> Place | None: ...


L = TypeVar("L", bound=Listener)


@dataclass(frozen=True, slots=True)
class Trace:
    """Why a rule that listened did or did not match. `clause` is the part of its condition that is
    false or has no answer, and `detail` what it saw.
    """

    rule: str
    place: Place
    verdict: Literal["matched", "false", "error"]
    clause: str = ""
    detail: str = ""

    def __str__(self) -> str:
        if self.verdict == "matched":
            return f"{self.place} {self.rule}: matched"
        said = "failed" if self.verdict == "error" else "was false"
        detail = f": {self.detail}" if self.detail else ""
        return f"{self.place} {self.rule}: no match, `{self.clause}` {said}{detail}"


@dataclass(frozen=True, slots=True)
class Matched(Generic[L]):
    """The rules that match an event, in the order of files and lines, and why the others do not."""

    rules: tuple[L, ...] = ()
    failed: tuple[L, ...] = ()
    """Those whose condition has no answer."""
    listening: Sequence[L] = ()
    sees: Context | None = None

    @property
    def traces(self) -> tuple[Trace, ...]:
        """One for each rule that listened. Worked out when asked for, from what the rules saw."""
        return tuple(self._trace(rule) for rule in self.listening)

    @property
    def errors(self) -> tuple[Trace, ...]:
        """Those of the rules whose condition has no answer."""
        return tuple(self._trace(rule) for rule in self.failed)

    def _trace(self, rule: L) -> Trace:
        place = rule.condition_place or rule.place
        if rule.condition is None:
            return Trace(rule.name, place, "matched")
        why = explain(rule.condition, self.sees or {})
        if why.verdict == "true":
            return Trace(rule.name, place, "matched")
        return Trace(rule.name, place, why.verdict, why.clause, why.detail)


class Index(Generic[L]):
    """Rules that listen to one type of event, found by what their conditions compare with.

    Of `item.kind == 'deal' && …` only an item of that kind can make a match, so of many such rules
    an event meets those of its own kind. What a rule demands is tried in no other way: it only
    saves evaluating what is false.
    """

    def __init__(self, rules: Iterable[L]) -> None:
        self.rules = tuple(rules)
        self._always: list[int] = []
        self._demanding: dict[tuple[str, ...], dict[str | int, list[int]]] = {}
        guards = [rule.condition.guards() if rule.condition else () for rule in self.rules]
        words: dict[tuple[str, ...], set[str | int]] = defaultdict(set)
        for guard in (guard for each in guards for guard in each):
            words[guard.path] |= guard.among
        for number, each in enumerate(guards):
            # the path that tells most rules apart
            chosen: Guard | None = max(each, key=lambda one: len(words[one.path]), default=None)
            if chosen is None:
                self._always.append(number)
                continue
            by_value = self._demanding.setdefault(chosen.path, {})
            for value in chosen.among:
                by_value.setdefault(value, []).append(number)

    def match(self, sees: Context) -> Matched[L]:
        """The rules whose condition is true of what `sees` holds."""
        rules, matching, failed = self.rules, [], []
        for number in self._candidates(sees):
            rule = rules[number]
            if rule.condition is None:
                matching.append(rule)
                continue
            try:
                if rule.condition.evaluate(sees):
                    matching.append(rule)
            except ExpressionError:
                failed.append(rule)
        return Matched(tuple(matching), tuple(failed), rules, sees)

    def _candidates(self, sees: Context) -> Sequence[int]:
        """The numbers of the rules that may be true or have no answer, in order."""
        if not self._demanding:
            return range(len(self.rules))
        found = list(self._always)
        for path, by_value in self._demanding.items():
            try:
                value: Any = sees
                for member in path:
                    value = value[member]
            except (LookupError, TypeError):
                value = self  # not there: each condition must say what that means
            kind = value.__class__
            if kind is str or (kind in _TELLING and abs(value) < _EXACT):
                found += by_value.get(value, ())
            elif kind not in _NEITHER:
                found += {number for numbers in by_value.values() for number in numbers}
        found.sort()
        return found
