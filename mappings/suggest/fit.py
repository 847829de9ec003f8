"""Whether what stands at a path can be a canonical field's value at all, how well it fits, and what
turns it into one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from mappings.canonical import CanonicalField
from mappings.source import Place
from mappings.spec import UNSET, TransformUse
from mappings.suggest.enums import EnumGuess, guess_enum
from mappings.suggest.names import Name, plain_words
from mappings.suggest.values import TIMES, Sample, Spot
from mappings.suggest.words import CHOICE_FACETS
from mappings.transforms import TRANSFORMS

HTML, DOCUMENT = "html", "adf"
"""The transforms that turn HTML and Atlassian documents into Markdown, where there are such."""
_FORM_NAMES = {
    "date": "dates", "moment": "moments", "local": "moments without a zone",
    "%d.%m.%Y": "dates as 31.12.2026", "%d.%m.%Y %H:%M": "moments as 31.12.2026 17:00",
    "slashed": "dates with slashes", "epoch": "Unix seconds", "epoch_ms": "Unix milliseconds",
    "email": "e-mail addresses", "url": "addresses of pages", "number": "numbers",
    "money": "amounts with a currency", "uuid": "technical ids", "html": "HTML", "code": "codes",
    "word": "single words", "prose": "text",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fit:
    """How well a path's values fit a field, from 0 (they cannot be it) to 1."""

    score: float
    told: str = ""
    transforms: tuple[TransformUse, ...] = ()
    hints: tuple[str, ...] = ()
    guess: EnumGuess | None = None
    telling: bool = False
    """Values that can hardly be anything else, whatever the name."""


_NO = Fit(0.0)


def fitness(sample: Sample, spot: Spot, name: Name, field: CanonicalField) -> Fit:
    """How well what stands at a path fits a field."""
    if not spot.kinds:
        return _by_type_alone(spot, field, sample)
    judge = {
        "text": _text, "markdown": _markdown, "party": _party, "due": _time, "date": _time,
        "moment": _time, "money": _money, "labels": _labels,
    }.get(field.type)  # fmt: skip
    if field.type == "enum":
        return _enum(sample, spot, name, field)
    return judge(sample, spot, name, field) if judge else _NO


def told(spot: Spot) -> str:
    """What stands at a path, in a few words: `dates in 37 of 40 records`."""
    main = spot.main_form()
    what = _FORM_NAMES.get(main, "values")
    if not spot.forms and spot.kinds:
        kind = spot.kinds.most_common(1)[0][0]
        what = {"bool": "flags", "object": "objects", "float": "numbers"}.get(kind, "values")
    share = spot.share(main) if main else 1.0
    some = f"{round(share * 100)}% " if share < 0.95 else ""
    return f"{some}{what} in {spot.filled} of {_records(spot.records)}"


def _records(number: int) -> str:
    return f"{number} record" if number == 1 else f"{number} records"


# ------------------------------------------------------------------------------- without values

_TYPES: dict[str, dict[str, float]] = {
    "text": {"text": 0.75, "choice": 0.25},
    "markdown": {"text": 0.75},
    "enum": {"choice": 0.8},
    "party": {"user": 0.8, "text": 0.4},
    "due": {"date": 0.85, "datetime": 0.8, "text": 0.2},
    "date": {"date": 0.85, "datetime": 0.7},
    "moment": {"datetime": 0.85},
    "money": {"number": 0.8},
    "labels": {"list": 0.7},
}


def _by_type_alone(spot: Spot, field: CanonicalField, sample: Sample) -> Fit:
    """Every record is silent here: only what the tool says about the field speaks."""
    if spot.info is None or not spot.top:
        return _NO
    # many tools leave out what is empty, but a field that no record speaks of is a weaker guess
    silence = 0.55 if spot.records and not spot.spoken else 1.0
    score = _TYPES.get(field.type, {}).get(spot.info.type, 0.0) * silence
    if field.type == "enum":
        guess = guess_enum(spot, field, sample)
        if guess is None or not guess.known:
            return _NO
        return Fit((0.5 + 0.45 * guess.covered) * silence, _choices(guess), guess=guess)
    if not score:
        return _NO
    nobody = f"no value in {_records(spot.records)}" if spot.records else "no record to look at"
    transforms: tuple[TransformUse, ...] = ()
    if field.type == "due":
        transforms = _as("date" if spot.info.type == "date" else "datetime")
    elif field.type == "date":
        transforms = _as("date")
    elif field.type in ("moment", "money", "party"):
        transforms = _as({"moment": "datetime"}.get(field.type, field.type))
    return Fit(score, f"a {spot.info.type} field, {nobody}", transforms)


# ------------------------------------------------------------------------------------ by values


def _text(sample: Sample, spot: Spot, name: Name, field: CanonicalField) -> Fit:
    if field.name == "email":
        share = spot.share("email")
        return Fit(share, told(spot), telling=share > 0.9) if share > 0.5 else _NO
    if spot.listed or spot.kind_share("str") < 0.8:
        return _NO
    if spot.share("date", "moment", "local", "email", "url", "uuid", "html", "epoch") > 0.4:
        # a login may well be an address
        return Fit(0.6, told(spot)) if field.name == "login" and spot.share("email") else _NO
    if spot.share("number") > 0.6:
        return Fit(0.15, told(spot))
    score = 0.85
    if field.name == "stage":
        return Fit(0.95 if not spot.lines else 0.3, told(spot))
    if field.name == "login":
        return Fit(0.9 if not spot.spaced else 0.3, told(spot))
    if spot.lines:
        score -= 0.35
    if spot.texts and spot.letters / spot.texts > 200:
        score -= 0.25
    if spot.info is not None and spot.top and spot.info.choices:
        score -= 0.55
    if field.name == "title" and spot.share("code") > 0.6:
        score -= 0.3
    if field.name == "name":
        # people and companies are seldom called by one word; handles are
        score -= 0.3 * (1 - spot.share("prose"))
    repeated = spot.filled >= 5 and not spot.varied and len(spot.distinct) <= spot.filled / 2
    if field.name == "title" and repeated:
        score -= 0.35
    elif spot.filled > 1 and not spot.varied and len(spot.distinct) == 1:
        score -= 0.4  # the same in every record tells none from another
    return Fit(min(1.0, score + 0.15 * spot.share("prose")), told(spot))


def _markdown(sample: Sample, spot: Spot, name: Name, field: CanonicalField) -> Fit:
    if is_document(sample, spot) and DOCUMENT in TRANSFORMS:
        return Fit(0.95, f"documents in {spot.filled} of {_records(spot.records)}", _as(DOCUMENT))
    if spot.listed or spot.kind_share("str") < 0.8 or _has_choices(spot):
        return _NO
    if spot.share("date", "moment", "local", "email", "url", "uuid", "number", "epoch") > 0.4:
        return _NO
    score = 0.82 + 0.18 * (spot.share("prose", "html") > 0.5)
    if spot.share("html") > 0.3:
        if HTML in TRANSFORMS:
            return Fit(score - 0.05, told(spot), _as(HTML))
        return Fit(score - 0.1, told(spot), hints=("it is HTML, and stays so",))
    return Fit(score, told(spot))


def is_document(sample: Sample, spot: Spot) -> bool:
    """Whether an Atlassian document stands at a path: its root says that it is a `doc`."""
    kind = sample.spots.get(f"{spot.path}.type")
    return not spot.listed and kind is not None and kind.seen() == ["doc"]


def _has_choices(spot: Spot) -> bool:
    return bool(spot.info is not None and spot.top and spot.info.choices)


def _enum(sample: Sample, spot: Spot, name: Name, field: CanonicalField) -> Fit:
    if name.facet and name.facet not in CHOICE_FACETS:
        return _NO
    guess = guess_enum(spot, field, sample)
    if guess is None or not guess.known:
        return _NO
    telling = guess.covered > 0.8 and len(guess.known) > 1 and field.name in ("status", "priority")
    score = 0.33 + 0.62 * guess.covered + 0.05 * guess.complete
    if guess.named_by:
        # codes are only as good as the words for them, and the words may stand alone
        score *= 0.97 if spot.top and spot.info is not None and spot.info.writable else 0.8
    return Fit(score, _choices(guess), guess=guess, telling=telling)


def _choices(guess: EnumGuess) -> str:
    return f"{len(guess.known)} of {len(guess.values)} values are known words"


def _party(sample: Sample, spot: Spot, name: Name, field: CanonicalField) -> Fit:
    if spot.kind_share("bool", "object", "float") > 0.1 or spot.lines:
        return _NO
    if spot.share(*(TIMES - {"epoch", "epoch_ms"}), "url", "html", "money") > 0.2:
        return _NO
    hints: tuple[str, ...] = ()
    if spot.listed:
        # one person is wanted, so the first of the list is a choice that somebody makes
        return _NO
    email = spot.share("email")
    user = spot.info is not None and spot.top and spot.info.type == "user"
    if email > 0.8:
        score = 0.97
    elif user or name.facet in _HANDLES:
        score = 0.95
    elif spot.share("prose") > 0.5:
        score = 0.6
        hints = ("these look like names: say who is who under identities in people.yaml",)
    else:
        score = 0.84
    return Fit(score, told(spot), _as("party"), hints, telling=email > 0.95)


def _time(sample: Sample, spot: Spot, name: Name, field: CanonicalField) -> Fit:
    if spot.listed or not spot.forms:
        return _NO
    share = spot.share(*TIMES)
    if share < 0.6:
        return _NO
    form = next((one for one, _ in spot.forms.most_common() if one in TIMES), "date")
    day = form in ("date", "%d.%m.%Y", "slashed")
    if field.type == "moment" and day:
        return _NO
    uniform = spot.share(form) > 0.95
    params: dict[str, Any] = {}
    hints: list[str] = []
    if form == "slashed":
        form, sure = _slashed(spot)
        if not sure:
            hints.append("day or month first? Every day so far is 12 or less: ask, then say format")
            share -= 0.6
    if "%" in form or form.startswith("epoch"):
        params["format"] = form
    if form in ("local", "%d.%m.%Y %H:%M"):
        hints.append("no zone is written here, and UTC is taken: add zone: Europe/Zurich if not so")
    if form.startswith("epoch"):
        share -= 0.1
    step = "date" if day or field.type == "date" else "datetime"
    if not uniform and not params:
        # dates and moments mixed: a due takes both as they are
        transforms = () if field.type == "due" else _as(step)
    else:
        transforms = _as(step, **params)
    if field.type == "date" and not day:
        share -= 0.08
    return Fit(max(share, 0.05), told(spot), transforms, tuple(hints))


def _slashed(spot: Spot) -> tuple[str, bool]:
    """Whether the day or the month comes first, and whether the values prove it."""
    pairs = []
    for value in spot.seen():
        parts = str(value).strip().split("/")
        if len(parts) == 3 and parts[0].isdigit() and parts[1].isdigit():
            pairs.append((int(parts[0]), int(parts[1])))
    if any(first > 12 for first, _ in pairs):
        return "%d/%m/%Y", not any(second > 12 for _, second in pairs)
    return "%m/%d/%Y", any(second > 12 for _, second in pairs)


def _money(sample: Sample, spot: Spot, name: Name, field: CanonicalField) -> Fit:
    if spot.listed or spot.kind_share("bool", "object") > 0.1:
        return _NO
    share = spot.share("number", "money", "epoch")
    if share < 0.8 or name.facet in ("id", "gid", "key"):
        return _NO
    currency = _currency_beside(sample, spot)
    params: dict[str, Any] = {"currency": currency} if currency else {}
    hints: list[str] = []
    mark, sure = _decimal_mark(spot)
    if mark:
        params["mark"] = mark
        if not sure:
            hints.append("is the comma a decimal sign? Say mark: '.' if it groups thousands")
    if not currency and not spot.share("money"):
        hints.append("in which currency? Write as: {money: CHF}, or the path of the field it is in")
    return Fit(0.9 if sure else 0.7, told(spot), _as("money", **params), tuple(hints))


def _decimal_mark(spot: Spot) -> tuple[str | None, bool]:
    """Which sign separates decimals, where texts leave a doubt; and whether they prove it."""
    texts = [value for value in spot.seen() if isinstance(value, str)]
    if not any("," in text for text in texts):
        return None, True
    if any(text.rfind(",") < text.rfind(".") for text in texts if "." in text):
        return ".", True
    # a thousand has three digits behind it
    return ",", any(re.search(r",\d{1,2}(\D|$)", text) for text in texts)


def _currency_beside(sample: Sample, spot: Spot) -> str | None:
    """The path of a currency code that stands next to an amount."""
    best = None
    for other in sample.spots.values():
        if other is spot or other.listed or "currency" not in plain_words(other.members[-1]):
            continue
        codes = [value for value in other.seen() if isinstance(value, str)]
        right = codes and all(len(code) == 3 and code.isalpha() for code in codes)
        if right and other.members[:-1] == spot.members[:-1]:
            return other.path
        if right and len(other.members) <= 2:
            best = best or other.path
    return best


def _labels(sample: Sample, spot: Spot, name: Name, field: CanonicalField) -> Fit:
    if spot.share(*TIMES, "email", "url", "html", "number", "uuid") > 0.3 or spot.lines:
        return _NO
    if spot.kind_share("str") < 0.95 or (name.facet and not spot.listed):
        return _NO
    if spot.listed:
        named = "[*]" not in spot.path or plain_words(spot.members[-1]) in _LABELLED
        return Fit(0.95, told(spot)) if named else _NO
    if spot.spaced and not any("," in str(value) for value in spot.seen()):
        return Fit(0.3, told(spot))
    return Fit(0.7, told(spot), _as("labels"))


_HANDLES = frozenset(
    {"login", "account id", "username", "user name", "id", "gid", "key", "uuid", "sys id"}
)
_LABELLED = (("name",), ("title",), ("label",), ("text",), ("value",), ("tag",))


def _as(name: str, **params: Any) -> tuple[TransformUse, ...]:
    short = TRANSFORMS[name].short
    if short is not None and params.keys() == {short}:
        return (TransformUse(name, {}, params[short], _NOWHERE),)
    return (TransformUse(name, params, UNSET, _NOWHERE),)


_NOWHERE = Place("draft")
