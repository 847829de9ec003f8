"""What stands at each path of some records: of which kind, in which form, how often, how varied.

Bounded whatever the records are: so many paths, so deep, so many elements of a list.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from mappings.paths import PathError, parse_path

MAX_RECORDS = 500
MAX_PATHS = 1_500
MAX_DEPTH = 5
MAX_ELEMENTS = 20
MAX_TEXT = 2_000
MAX_DISTINCT = 60
MAX_NAME = 150

_NAME = re.compile(r"[^\W\d][\w-]*")


class _Each(str):
    """The step to each element of a list. Told by its class: a field may be called `*` too."""

    __slots__ = ()


EACH = _Each("*")
_FORMS: Sequence[tuple[str, re.Pattern[str]]] = (
    ("email", re.compile(
        r"[^@\s<>]{1,64}@[^@\s<>]+\.[^@\s<>.]+|[^<>]*<[^@\s<>]+@[^@\s<>]+>")),
    ("url", re.compile(r"(https?|ftp|mailto)://?\S+|mailto:\S+|/[\w.-]+(/[\w.-]+)+/?", re.I)),
    ("date", re.compile(r"[12]\d{3}-\d\d-\d\d")),
    ("moment", re.compile(
        r"[12]\d{3}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d([.,]\d+)?)?\s?(Z|z|[+-]\d\d:?\d\d)")),
    ("local", re.compile(r"[12]\d{3}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d([.,]\d+)?)?")),
    ("%d.%m.%Y", re.compile(r"[0-3]\d\.[01]\d\.[12]\d{3}")),
    ("%d.%m.%Y %H:%M", re.compile(r"[0-3]\d\.[01]\d\.[12]\d{3} [0-2]\d:\d\d")),
    ("slashed", re.compile(r"[0-3]?\d/[0-3]?\d/[12]\d{3}")),
    ("epoch", re.compile(r"1[0-9]{9}|[2-3][0-9]{9}")),
    ("epoch_ms", re.compile(r"1[0-9]{12}")),
    ("number", re.compile(r"[+-]?\d{1,20}([.,]\d+)?([eE][+-]?\d+)?|\d{1,3}([ '’.,]\d{3})+([.,]\d\d)?")),  # noqa: RUF001,E501 - the Swiss sign for thousands
    ("money", re.compile(r"([A-Z]{3}|[€£$])\s?[\d'’., ]+|[\d'’., ]+\s?([A-Z]{3}|[€£$])")),  # noqa: RUF001
    ("uuid", re.compile(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}|[0-9a-f]{24,64}")),
    ("html", re.compile(r"(?s).*<(p|div|br|ul|ol|li|b|strong|span|table|a|h[1-6])(\s[^>]*)?/?>.*")),
    ("code", re.compile(r"(?=\S*\d)[\w.:-]{1,60}")),
    ("word", re.compile(r"\S{1,60}")),
)  # fmt: skip
TIMES = frozenset(
    {"date", "moment", "local", "%d.%m.%Y", "%d.%m.%Y %H:%M", "slashed", "epoch", "epoch_ms"}
)


class FieldInfo(Protocol):
    """What a tool says about one of its fields (a connector's `Field`)."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def choices(self) -> Sequence[str]: ...
    @property
    def writable(self) -> bool: ...


@dataclass(slots=True)
class Spot:
    """One path with what was found there. `members` are the names on it, list marks left out."""

    path: str
    members: tuple[str, ...]
    listed: bool
    info: FieldInfo | None = None
    """What the tool says about the top-level field the path begins with."""
    records: int = 0
    spoken: int = 0
    """Times that it is there at all, if only as null."""
    filled: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    forms: Counter[str] = field(default_factory=Counter)
    distinct: dict[Any, int] = field(default_factory=dict)
    """Value → how often, for values short enough to be choices; at most MAX_DISTINCT."""
    varied: bool = False
    """More distinct values than are kept."""
    letters: int = 0
    spaced: int = 0
    lines: int = 0
    texts: int = 0

    @property
    def top(self) -> bool:
        """Whether the path is a top-level field, so that `info` speaks of this very value."""
        return len(self.members) == 1

    def share(self, *names: str) -> float:
        """The share of the values that have one of these forms."""
        total = sum(self.forms.values())
        return sum(self.forms[name] for name in names) / total if total else 0.0

    def kind_share(self, *names: str) -> float:
        """The share of the values that are of one of these kinds."""
        total = sum(self.kinds.values())
        return sum(self.kinds[name] for name in names) / total if total else 0.0

    def main_form(self) -> str:
        """The form that most values have; empty if there is none."""
        return self.forms.most_common(1)[0][0] if self.forms else ""

    def note(self, value: Any) -> None:
        """Take a value that is neither null nor empty into account."""
        kind = value.__class__.__name__
        self.kinds[kind if kind in ("str", "int", "float", "bool") else "object"] += 1
        if isinstance(value, str):
            text = value[:MAX_TEXT]
            self.texts += 1
            self.letters += len(text)
            self.spaced += " " in text.strip()
            self.lines += "\n" in text.strip()
            self.forms[form_of(text)] += 1
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            # further digits are nobody's moment, and too many cannot be written at all
            plain = str(int(value)) if abs(value) < 1e15 else ""
            self.forms[form_of(plain) if form_of(plain) in TIMES else "number"] += 1
        if isinstance(value, (str, int, bool)) and len(str(value)[:80] if not isinstance(
            value, int
        ) or abs(value) < 10**18 else "x" * 80) < 80:  # fmt: skip
            key = (value.__class__, value)
            if key in self.distinct or len(self.distinct) < MAX_DISTINCT:
                self.distinct[key] = self.distinct.get(key, 0) + 1
            else:
                self.varied = True
        else:
            self.varied = True

    def seen(self) -> list[Any]:
        """The distinct values, the most frequent first."""
        ranked = sorted(self.distinct.items(), key=lambda pair: -pair[1])
        return [value for (_, value), _ in ranked]


def form_of(text: str) -> str:
    """The form of a text: `date`, `email`, `number` …; `prose` for anything with several words."""
    stripped = text.strip()
    for name, pattern in _FORMS:
        if (len(stripped) <= 300 or name == "html") and pattern.fullmatch(stripped):
            return name
    return "prose"


@dataclass(frozen=True, slots=True)
class Sample:
    """The records of one object, as what stands at each of their paths."""

    object: str
    records: Sequence[Mapping[str, Any]]
    infos: Mapping[str, FieldInfo]
    spots: Mapping[str, Spot]
    unnamed: Sequence[str] = ()
    """Names of fields that no path can name."""
    cut: bool = False
    """There were more paths than are looked at."""

    @classmethod
    def of(
        cls,
        object: str,
        records: Iterable[Any],
        infos: Iterable[FieldInfo] = (),
    ) -> Sample:
        """Look through some records; whatever is not a JSON object is passed over."""
        kept = [one for one in records if isinstance(one, Mapping)][:MAX_RECORDS]
        named = {info.name: info for info in infos}
        spots: dict[str, Spot] = {}
        unnamed: dict[str, None] = {}
        cut = False
        for name, info in list(named.items())[:MAX_PATHS]:
            path = path_to((name,))
            if path is None:
                unnamed[name] = None
            else:
                spots[path] = Spot(path, (name,), info.type == "list", info, records=len(kept))
        for record in kept:
            reached: set[str] = set()
            for steps, value in _walk(record):
                path = path_to(steps)
                if path is None:
                    if len(unnamed) < 50:
                        unnamed[steps[-1]] = None
                    continue
                spot = spots.get(path)
                if spot is None:
                    if len(spots) >= MAX_PATHS:
                        cut = True
                        continue
                    members = tuple(step for step in steps if step is not EACH)
                    top = named.get(members[0])
                    spot = Spot(path, members, _listed(steps), top, records=len(kept))
                    spots[path] = spot
                spot.spoken += 1
                if path not in reached and value is not None and value != "" and value != []:
                    reached.add(path)
                    spot.filled += 1
                if value is None or value == "":
                    continue
                if isinstance(value, list):
                    spot.listed = True
                    for element in value[:MAX_ELEMENTS]:
                        if element is not None and element != "":
                            spot.note(element)
                else:
                    spot.note(value)
        return cls(object, kept, named, spots, tuple(unnamed), cut)


def _walk(record: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each path of a record with its value, an object's members after itself."""
    budget = 4_000
    waiting: list[tuple[tuple[str, ...], Any]] = []
    for key, value in list(record.items())[:MAX_PATHS][::-1]:
        waiting.append(((str(key),), value))
    while waiting and budget:
        budget -= 1
        steps, value = waiting.pop()
        yield steps, value
        if len(steps) >= MAX_DEPTH:
            continue
        if isinstance(value, Mapping):
            members = list(value.items())[:200]
            waiting += [((*steps, str(key)), item) for key, item in members][::-1]
        elif isinstance(value, list) and not _listed(steps):
            for element in value[:MAX_ELEMENTS][::-1]:
                if isinstance(element, Mapping):
                    members = list(element.items())[:60]
                    waiting += [((*steps, EACH, str(key)), item) for key, item in members][::-1]


def _listed(steps: Sequence[str]) -> bool:
    return any(step is EACH for step in steps)


def path_to(steps: Sequence[str]) -> str | None:
    """The path of these members, EACH for a list's elements; None where no path can say it."""
    text = "$"
    if any(len(step) > MAX_NAME for step in steps):
        return None
    for step in steps:
        if step is EACH:
            text += "[*]"
        elif _NAME.fullmatch(step) and step.isprintable():
            text += f".{step}"
        elif "'" not in step:
            text += f"['{step}']"
        else:
            text += f'["{step}"]'
    if not text.isprintable():
        return None
    try:
        path = parse_path(text)
    except (PathError, RecursionError):
        return None
    at = next((index for index, step in enumerate(steps) if step is EACH), None)
    expected = tuple(steps)
    if at is None:
        return text if path.steps == expected else None
    return text if path.projection == (expected[:at], expected[at + 1 :]) else None
