"""What a picture of a process shows: a card or sign for every step with its words, and the lines
between them. Where things stand, and how they look, is for others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hub.process.drawing.layout import Box, Line, Placed, place
from hub.process.drawing.lettering import label, readable, width, wrapped
from hub.process.model import ProcessDefinition, StepDefinition
from hub.process.who import Who
from mappings.canonical import StepType

CARD = 208.0
"""How wide a card is."""
SIGN = 40.0
"""How wide a round sign is: waiting, milestones, beginning and ends."""
CAPTION = 168.0
"""How wide the words under a sign may be."""
PAD = 12.0
SIZES = {"title": 13.0, "tag": 11.0, "fact": 11.5, "undo": 11.5, "state": 11.5}
LEADING = {"title": 17.0, "tag": 14.0, "fact": 16.0, "undo": 16.0, "state": 17.0}
BOLD = {"title": 1.12, "tag": 1.0, "fact": 1.0, "undo": 1.0, "state": 1.12}
AFTER = {"title": 4.0, "tag": 3.0, "fact": 0.0, "undo": 0.0, "state": 0.0}
"""Per kind of paragraph: the size and the height of its lines, how much wider bold letters are,
and the room below it.
"""
LINE_TEXT = 11.0


@dataclass(frozen=True, slots=True)
class State:
    """How far a step of a case is: the state's own word, and how people call it."""

    word: str
    text: str


@dataclass(frozen=True, slots=True)
class Words:
    """One paragraph of a card: its kind, and its lines as they break."""

    kind: str
    lines: tuple[str, ...]
    icon: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """One thing in the picture. `kind` is a step's type, `start`, `end` or `stop`; `about` is the
    whole of it in one sentence, for who does not see it.
    """

    id: str
    kind: str
    words: tuple[Words, ...]
    about: str
    width: float
    height: float
    marks: tuple[str, ...] = ()
    """Signs that BPMN knows: `many` for a run per element, `inside` for a process of its own."""
    outside: bool = False
    state: State | None = None


@dataclass(frozen=True, slots=True)
class Sketch:
    """Cards and lines, and where they are."""

    title: str
    cards: Mapping[str, Card]
    lines: Mapping[str, Line]
    labels: Mapping[str, str]
    placed: Placed


def sketch(
    process: ProcessDefinition,
    states: Mapping[str, State] | None = None,
    titles: Mapping[str, str] | None = None,
    people: Mapping[str, str] | None = None,
) -> Sketch:
    """The picture of a process. With `states` (by step key) of a running case, whose own `titles`
    may say more; `people` are names by key.
    """
    return _Sketching(process, states or {}, titles or {}, people or {}).sketch()


class _Sketching:
    def __init__(
        self,
        process: ProcessDefinition,
        states: Mapping[str, State],
        titles: Mapping[str, str],
        people: Mapping[str, str],
    ) -> None:
        self.process, self.states = process, states
        self.titles, self.people = titles, people
        self.cards: dict[str, Card] = {}
        self.lines: list[Line] = []
        self.labels: dict[str, str] = {}

    def sketch(self) -> Sketch:
        steps = self.process.steps
        self.sign("start", "start", "Start", "The process begins.")
        for step in steps.values():
            card = self.step(step)
            self.cards[card.id] = card
        behind: dict[str, list[str]] = {key: [] for key in steps}
        for key, step in steps.items():
            for one in step.after:
                behind[one].append(key)
        for key, step in steps.items():
            if not step.after:
                self.line("start", f"step {key}")
            for one in step.after:
                self.line(f"step {one}", f"step {key}", _going_on(steps[one]))
        self.sign("end", "end", "Completed", "The process is completed.")
        for key, after in behind.items():
            if not after:
                self.line(f"step {key}", "end", _going_on(steps[key]))
            self.outcomes(steps[key])
        boxes = [self.box(card) for card in self.cards.values()]
        placed = place(boxes, self.lines)
        lines = {line.id: line for line in self.lines}
        return Sketch(self.process.title, self.cards, lines, self.labels, placed)

    def outcomes(self, step: StepDefinition) -> None:
        for option, outcome in step.outcomes.items():
            if outcome.terminate is not None:
                id = f"stop {step.key} {option}"
                words = f"Ends: {readable(outcome.terminate)}"
                self.sign(id, "stop", words, f"The case ends: {readable(outcome.terminate)}.")
                self.line(f"step {step.key}", id, label(option))
            elif outcome.reopen is not None:
                self.line(f"step {step.key}", f"step {outcome.reopen}", label(option), back=True)

    def line(self, source: str, target: str, text: str = "", *, back: bool = False) -> None:
        id = f"{source} > {target}" + (f" > {text}" if back else "")
        if text:
            self.labels[id] = text
        self.lines.append(Line(id, source, target, width(text, LINE_TEXT), back))

    # -------------------------------------------------------------------------------- cards

    def sign(self, id: str, kind: str, caption: str, about: str) -> None:
        lines = tuple(wrapped(caption, 120.0, SIZES["fact"]))
        wide = max(SIGN, *(width(line, SIZES["fact"]) for line in lines))
        high = SIGN + 4.0 + len(lines) * LEADING["fact"]
        self.cards[id] = Card(id, kind, (Words("fact", lines),), about, wide, high)

    def step(self, step: StepDefinition) -> Card:
        round_ = step.type in (StepType.WAIT, StepType.MILESTONE)
        room = CAPTION if round_ else CARD - 2 * PAD
        title = self.titles.get(step.key) or readable(step.title.text)
        state = self.states.get(step.key)
        paragraphs: list[tuple[str, str, str]] = []
        if step.condition is not None:
            paragraphs.append(("tag", f"if {_flat(step.condition.text)}", "branch"))
        paragraphs.append(("title", title, ""))
        paragraphs += self.facts(step)
        if state is not None:
            paragraphs.append(("state", state.text, state.word))
        words = tuple(
            Words(
                kind,
                tuple(
                    wrapped(text, room - self.indent(kind, icon, round_), SIZES[kind] * BOLD[kind])
                ),
                icon,
            )
            for kind, text, icon in paragraphs
        )
        text_height = sum(len(one.lines) * LEADING[one.kind] + AFTER[one.kind] for one in words)
        marks = tuple(
            name
            for name, there in (("inside", step.part is not None), ("many", step.each is not None))
            if there
        )
        if round_:
            wide = CAPTION
            high = SIGN + 6.0 + text_height
        else:
            wide = CARD
            high = 2 * PAD + text_height + (18.0 if marks else 0.0)
        rest = [text for kind, text, _ in paragraphs if kind != "title"]
        about = f"{_KINDS[step.type]}: {'. '.join([title, *rest])}."
        who = step.decider or step.responsible
        return Card(
            f"step {step.key}",
            step.type.value,
            words,
            about,
            wide,
            high,
            marks,
            who is not None and who.kind == "external",
            state,
        )

    @staticmethod
    def indent(kind: str, icon: str, round_: bool) -> float:
        """Room for the sign of the step's type beside its title, and for a fact's icon."""
        if round_:
            return 0.0
        return 22.0 if kind == "title" else 16.0 if icon else 0.0

    def facts(self, step: StepDefinition) -> list[tuple[str, str, str]]:
        found: list[tuple[str, str, str]] = []
        who = step.decider or step.responsible
        if step.wait is not None:
            said = f"until {step.wait.event}"
            if step.wait.filter is not None:
                said += f", if {_flat(step.wait.filter.text)}"
            found.append(("fact", said, "waiting"))
        if step.part is not None:
            found.append(("fact", f"runs {label(step.part.process)}", "inside"))
        if step.each is not None:
            found.append(("fact", f"once per {readable(step.each.text)}", "many"))
        if who is not None:
            more = f", {step.quorum} of them" if step.quorum > 1 else ""
            found.append(("fact", self.who(who) + more, "person"))
        if step.accountable is not None and step.type is not StepType.MILESTONE:
            found.append(("fact", f"{self.who(step.accountable)} answers for it", "answers"))
        if step.due is not None:
            found.append(("fact", f"due in {step.due.in_words()}", "clock"))
        if step.connection is not None:
            found.append(("fact", f"in {step.connection}", "tool"))
        if step.compensation is not None:
            found.append(("undo", f"to undo: {readable(step.compensation.text)}", "undo"))
        return found

    def who(self, who: Who) -> str:
        return named(who, self.people)

    def box(self, card: Card) -> Box:
        if card.kind in ROUND:
            return Box(card.id, card.width, card.height, SIGN / 2, SIGN)
        return Box(card.id, card.width, card.height, card.height / 2, card.width)


ROUND = frozenset({"start", "end", "stop", "wait", "milestone"})
_KINDS: Mapping[StepType, str] = {
    StepType.TASK: "Task",
    StepType.DECISION: "Decision",
    StepType.WAIT: "Wait",
    StepType.MILESTONE: "Milestone",
    StepType.PROCESS: "Process",
}


def named(who: Who, people: Mapping[str, str]) -> str:
    """Whom a file points at, in words."""
    if who.kind == "external":
        return f"Outside: {readable(who.text.removeprefix('external:').strip())}"
    if who.kind in ("accountable", "responsible"):
        return f"Whoever is {who.kind}"
    return people.get(who.name) or label(who.name)


def _flat(text: str) -> str:
    return " ".join(text.split())


def _going_on(step: StepDefinition) -> str:
    """With which options a decision goes on, where it has others."""
    going = [option for option in step.options if option not in step.outcomes]
    if not step.outcomes or not going:
        return ""
    return " or ".join(label(option) for option in going)
