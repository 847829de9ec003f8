"""Routing rules: which event, under which condition, leads to which actions. Loaded and compiled
once; matching an event touches only the rules that listen to its type.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from hub import keys
from hub.process.who import Known
from hub.reading import Reader, plain, unknown
from hub.workspace.actions import Action, read_actions
from hub.workspace.matching import Index, Matched
from hub.workspace.unreachable import check_reach, same
from mappings.canonical import EVENT_TYPES, Event
from mappings.expressions import Condition, Context, context
from mappings.source import Map, Place, did_you_mean

Otherwise = Literal["ignore", "exception"]


@dataclass(frozen=True, slots=True)
class Rule:
    """When an event of this type has this property, do this."""

    name: str
    when: str
    condition: Condition | None
    actions: tuple[Action, ...]
    place: Place
    file: str
    condition_place: Place | None = None

    def listens_to(self, event_type: str) -> bool:
        """Whether `when` covers the type; a trailing * stands for anything."""
        return covers(self.when, event_type)


def covers(when: str, event_type: str) -> bool:
    """Whether `when` covers a type of event."""
    return event_type.startswith(when[:-1]) if when.endswith("*") else event_type == when


@dataclass(frozen=True, slots=True)
class RuleTest:
    """An example of a rules file: an event with its entities, and the rules it must match."""

    given: Mapping[str, Any]
    expect: tuple[str, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All rules of a workspace. `otherwise` is what happens to an event that none matches."""

    rules: tuple[Rule, ...] = ()
    otherwise: Otherwise = "ignore"
    tests: tuple[RuleTest, ...] = ()
    _by_type: dict[str, Index[Rule]] = field(default_factory=dict, compare=False, repr=False)

    def __iter__(self) -> Any:
        return iter(self.rules)

    def __len__(self) -> int:
        return len(self.rules)

    def listening(self, event_type: str) -> tuple[Rule, ...]:
        """The rules that listen to a type of event."""
        return self.index(event_type).rules

    def index(self, event_type: str) -> Index[Rule]:
        """The same, ready to be matched."""
        found = self._by_type.get(event_type)
        if found is None:
            found = Index(rule for rule in self.rules if rule.listens_to(event_type))
            if event_type in EVENT_TYPES:
                self._by_type[event_type] = found
        return found

    def match(
        self, event: Event | Mapping[str, Any], variables: Mapping[str, Any]
    ) -> Matched[Rule]:
        """The rules that match. `variables` are what conditions see beside `event`.

        A condition that cannot be evaluated is no match; its trace names the clause.
        """
        event_type = event.type if isinstance(event, Event) else str(event.get("type", ""))
        index = self.index(event_type)
        if not index.rules:
            return Matched()
        sees = variables if isinstance(variables, Context) else context(variables)
        if not sees.has("event"):
            sees = Context(sees)
            sees.update(context({"event": event}))
        return index.match(sees)


# ------------------------------------------------------------------------------------- loading


def load_rules(readers: Iterable[Reader], known: Known) -> RuleSet:
    """The rules of all files; what is wrong with them is among each reader's findings."""
    rules: dict[str, Rule] = {}
    said: dict[str, Rule] = {}
    tests: list[RuleTest] = []
    expected: list[tuple[Reader, str, Place]] = []
    otherwise: tuple[str, Place] | None = None
    for reader in readers:
        document = reader.load()
        if document is None:
            continue
        reader.only(document, keys.RULES, "a rules file")
        for body in reader.maps(document, "rules"):
            rule = _rule(reader, body, known)
            if rule is None:
                continue
            if rule.name in rules:
                reader.error(
                    body.at("rule"),
                    f"there are two rules '{rule.name}' (the first in {rules[rule.name].place}).",
                    "Rename one of them.",
                )
                continue
            rules[rule.name] = rule
            first = said.setdefault(same(body), rule)
            if first is not rule:
                reader.warn(
                    body.at("rule"),
                    f"'{rule.name}' says the same as '{first.name}' ({first.place}), so it is all "
                    "done twice.",
                    "Remove one of them.",
                )
        chosen = reader.choice(document, "otherwise", ("ignore", "exception"))
        if chosen is not None and otherwise is not None and chosen != otherwise[0]:
            reader.error(
                document.at("otherwise"),
                f"'{chosen}' here, but '{otherwise[0]}' in {otherwise[1]}; it holds for all rules.",
                "Say the same in both, or say it once.",
            )
        elif chosen is not None and otherwise is None:
            otherwise = (chosen, document.at("otherwise"))
        for test in reader.maps(document, "tests"):
            found, names = _test(reader, test)
            if found is not None:
                tests.append(found)
            expected += [(reader, name, place) for name, place in names]
    for reader, name, place in expected:
        if name not in rules:
            reader.error(place, *unknown(name, "rule", rules))
    return RuleSet(
        tuple(rules.values()),
        "exception" if otherwise and otherwise[0] == "exception" else "ignore",
        tuple(tests),
    )


def _rule(reader: Reader, body: Map, known: Known) -> Rule | None:
    reader.only(body, keys.RULE, "a rule")
    complete = [reader.required(body, key, "a rule") for key in ("rule", "when", "then")]
    name, when = reader.text(body, "rule"), reader.text(body, "when")
    if when is not None:
        _check_when(reader, body, when)
    condition = reader.condition(body, "if")
    if condition is not None and when is not None:
        listened = [one for one in EVENT_TYPES if covers(when, one)]
        if listened:
            check_reach(reader, body, condition, listened)
    actions = read_actions(reader, body, known)
    if body.get("then") == []:
        reader.error(body.at("then"), "this rule does nothing.", "Add an action.")
    if not all(complete) or name is None or when is None:
        return None
    return Rule(
        name,
        when,
        condition,
        actions,
        body.place,
        reader.file,
        body.at("if") if condition is not None else None,
    )


def _check_when(reader: Reader, body: Map, when: str) -> None:
    place, stem = body.at("when"), when.removesuffix("*")
    if "*" in stem:
        reader.error(
            place, f"in '{when}' the * is not at the end.", "Write item.* or item.updated."
        )
    elif when.endswith("*"):
        if not any(known.startswith(stem) for known in EVENT_TYPES):
            families = sorted({f"{known.split('.')[0]}.*" for known in EVENT_TYPES})
            reader.error(place, f"no event is called '{when}'.", did_you_mean(when, families))
    elif when not in EVENT_TYPES:
        reader.error(
            place, f"no event is called '{when}'.", did_you_mean(when, sorted(EVENT_TYPES))
        )


def _test(reader: Reader, body: Map) -> tuple[RuleTest | None, Sequence[tuple[str, Place]]]:
    reader.only(body, keys.RULE_TEST, "a test")
    reader.required(body, "given", "a test")
    given = reader.mapping(body, "given")
    if "expect" not in body:
        reader.error(body.place, "a test needs 'expect'.", "Write expect: [] for no match.")
    names = reader.texts(body, "expect")
    if given is None:
        return None, names
    reader.only(given, keys.GIVEN, "'given'")
    event = reader.mapping(given, "event")
    if event is None or not isinstance(event.get("type"), str):
        reader.error(given.place, "a test needs an event with a type.", "Add event: {type: …}.")
        return None, names
    if event["type"] not in EVENT_TYPES:
        reader.error(event.at("type"), *unknown(event["type"], "event type", EVENT_TYPES))
    return RuleTest(plain(given), tuple(name for name, _ in names), body.place), names
