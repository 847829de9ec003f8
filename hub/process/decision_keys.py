"""Reads what only decisions have in a process file: who decides, in which way, what can be chosen,
who must not take part, and what follows from an option.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub import keys
from hub.process.model import Outcome
from hub.process.order import predecessors_of
from hub.process.who import Known, Who, parse_who
from hub.reading import Reader, unknown
from mappings.expressions import Template
from mappings.source import Map, Place, Seq

KEYS = frozenset({"decider", "options", "quorum", "sequence", "veto", "exclude", "outcomes"})
RESERVED_OUTCOMES = ("expired", "withdrawn")
DONE_BEFORE = "steps"
"""What `exclude` sees beside the rest: per step, who completed it (`by`), and how."""


def read_decision(reader: Reader, known: Known, key: str, body: Map, steps: Map) -> dict[str, Any]:
    """The fields of a decision; mistakes become findings."""
    for needed in ("decider", "options"):
        reader.required(body, needed, "a decision")
    options = _options(reader, body)
    deciders = _deciders(reader, body, known)
    quorum = reader.integer(body, "quorum") or 1
    sequence = _sequence(reader, body, deciders)
    exclude = _exclude(reader, body, known, key, steps)
    if not sequence:
        _enough(reader, body, known, deciders, quorum)
    return {
        "decider": deciders[0] if deciders else None,
        "deciders": tuple(deciders),
        "options": options,
        "quorum": quorum,
        "sequence": sequence,
        "veto": _veto(reader, body, options, alone=quorum == 1 and not sequence),
        "exclude": exclude,
        "outcomes": _outcomes(reader, body, options),
    }


def _deciders(reader: Reader, body: Map, known: Known) -> list[Who]:
    """One who, or a list of them."""
    value = body.get("decider")
    written: list[tuple[str, Place]]
    if isinstance(value, Seq):
        written = reader.texts(body, "decider")
        if not value:
            reader.error(body.at("decider"), "nobody decides.", "Name at least one.")
    else:
        text = reader.text(body, "decider")
        written = [] if text is None else [(text, body.at("decider"))]
    found: list[Who] = []
    for text, place in written:
        who = parse_who(reader, text, place, known)
        if who is None:
            continue
        if who in found:
            reader.error(place, f"'{text}' is listed twice.", "One person has one voice.")
        else:
            found.append(who)
    return found


def _sequence(reader: Reader, body: Map, deciders: list[Who]) -> bool:
    value = body.get("sequence")
    if value is None:
        return False
    if not isinstance(value, bool):
        reader.wrong(body, "sequence", "true or false")
        return False
    if not value:
        return False
    if body.get("quorum") is not None:
        reader.error(
            body.key_at("quorum"),
            "a sequence has no quorum: each is asked after the one before has passed it on.",
            "Remove 'quorum', or remove 'sequence' to ask all of them at once.",
        )
    elif len(deciders) < 2 and body.get("decider") is not None:
        reader.error(
            body.key_at("sequence"),
            "there is nobody to ask one after the other.",
            "List the deciders in their order: decider: [role:legal, dana].",
        )
    return True


def _enough(reader: Reader, body: Map, known: Known, deciders: list[Who], quorum: int) -> None:
    """A quorum that these people can never reach, where they can be counted."""
    if quorum == 1 or known.roles is None or not deciders:
        return
    excluded = {
        text
        for text, _ in _texts_quietly(body, "exclude")
        if "${" not in text and not text.startswith("role:")
    }
    people: set[str] = set()
    others = 0
    for who in deciders:
        if who.kind == "person":
            people.add(who.name)
        elif who.kind == "role":
            people |= set(known.roles.get(who.name, ()))
        else:
            others += 1
    count = len(people - excluded) + others
    if count < quorum:
        names = ", ".join(sorted(people - excluded))
        reader.error(
            body.at("quorum"),
            f"{quorum} must decide alike, but only {count} can: {names or 'nobody'}.",
            "Name more deciders, add people to the role, or ask for fewer.",
        )


def _texts_quietly(body: Map, key: str) -> list[tuple[str, None]]:
    value = body.get(key)
    return [(one, None) for one in value if isinstance(one, str)] if isinstance(value, Seq) else []


def _options(reader: Reader, body: Map) -> tuple[str, ...]:
    found: list[str] = []
    for option, place in reader.texts(body, "options"):
        if option in RESERVED_OUTCOMES:
            reader.error(place, f"'{option}' is what the hub itself calls an outcome.")
        elif option in found:
            reader.error(place, f"the option '{option}' is listed twice.")
        else:
            found.append(option)
    if body.get("options") is not None and len(found) < 2:
        reader.error(body.at("options"), "a decision needs at least two options.")
    return tuple(found)


def _veto(reader: Reader, body: Map, options: tuple[str, ...], *, alone: bool) -> tuple[str, ...]:
    found: list[str] = []
    for option, place in reader.texts(body, "veto"):
        if option not in options:
            reader.error(place, *unknown(option, "option", options))
        elif option in found:
            reader.warn(place, f"'{option}' is listed twice.", "Remove one of them.")
        else:
            found.append(option)
    if found and alone:
        reader.warn(
            body.key_at("veto"),
            "one voice decides here anyway.",
            "Remove 'veto', or write how many must decide alike: quorum: 2.",
        )
    return tuple(found)


def _exclude(reader: Reader, body: Map, known: Known, key: str, steps: Map) -> tuple[Template, ...]:
    found = []
    before, reader.variables = reader.variables, (*reader.variables, DONE_BEFORE)
    for text, place in reader.texts(body, "exclude"):
        if "${" not in text and ("@" not in text or text.startswith("external:")):
            parse_who(reader, text, place, known)
        template = reader.template_of(text, place)
        if template is not None:
            _steps_before(reader, template, place, key, steps)
            found.append(template)
    reader.variables = before
    return tuple(found)


def _steps_before(reader: Reader, template: Template, place: Place, key: str, steps: Map) -> None:
    """Who completed a step is known only of steps that come before."""
    named = template.reads(DONE_BEFORE) - {"*"}
    if not named:
        return
    after = {}
    for name, one in steps.items():
        written = one.get("after") if isinstance(one, Map) else None
        listed = written if isinstance(written, Seq) else ()
        after[name] = tuple(a for a in listed if isinstance(a, str) and a in steps and a != name)
    earlier = predecessors_of(key, after)
    for name in sorted(named - set(earlier)):
        if name not in steps:
            reader.error(place, *unknown(name, "step", steps))
        else:
            reader.error(
                place,
                f"'{name}' does not come before '{key}', so nobody has done it yet.",
                f"Before it come: {', '.join(sorted(earlier))}." if earlier else "",
            )


def _outcomes(reader: Reader, body: Map, options: tuple[str, ...]) -> Mapping[str, Outcome]:
    found: dict[str, Outcome] = {}
    written = reader.mapping(body, "outcomes")
    for option in written or ():
        if written is None:
            break
        if option not in options:
            reader.error(written.key_at(option), *unknown(option, "option", options))
        entry = reader.mapping(written, option)
        if entry is None:
            continue
        reader.only(entry, keys.OUTCOME, "an outcome")
        if len(entry) != 1:
            reader.error(
                written.at(option),
                "an outcome does exactly one thing.",
                "Write {terminate: reason} or {reopen: step}.",
            )
        found[option] = Outcome(reader.text(entry, "terminate"), reader.text(entry, "reopen"))
    return found
