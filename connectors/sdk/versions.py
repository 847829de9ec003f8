"""Versions as text that sorts: what a vendor counts, numbers or dates becomes text whose order is
theirs, because the hub compares texts, and "9" sorts behind "10".
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

WIDTH = 20
"""Digits of a number, or of the first group of several."""
LATER = 10
"""Digits of a further group."""
LONGEST = 100
"""Characters of a version in the store."""

_GROUPS = re.compile(
    r"(?:(?:v|ver|version|r|rev|revision|rel|release|build|no|#)[ ._-]{0,2})?"
    r"([0-9]+(?:[._-][0-9]+)*)",
    re.IGNORECASE,
)
_WHOLE = re.compile(r"-?[0-9]{1,20}")
_SECONDS = re.compile(r"[0-9]{9,}\.[0-9]+")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ].*)?")


def comparable(value: Any) -> str | None:
    """What orders two states of a record, as text that sorts. None for what has no order: words,
    hashes, objects, nothing.

    - Numbers sort as numbers: 9 before 9.5 before 10. So does text of digits.
    - Times sort in UTC, to the microsecond; dates and times without a zone as if they were in UTC.
    - Text of several numbers sorts by one after the other, as in "1.9" before "1.10"; a word for
      version before them is left out: "v9" before "v10". Seconds since 1970 with a fraction are one
      number.
    """
    if isinstance(value, str):
        return _of_text(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return _of_number(value)
    if isinstance(value, float) and math.isfinite(value):
        return _of_number(Decimal(repr(value)))
    return None


def _of_number(number: int | Decimal) -> str | None:
    whole = math.floor(number)
    if abs(whole) >= 10**WIDTH:
        return None
    # a number below zero counts up from the least one, behind a sign that sorts before all digits
    text = f"{whole:0{WIDTH}d}" if whole >= 0 else f"-{10**WIDTH + whole:0{WIDTH}d}"
    if number == whole:
        return text
    rest = format(number - whole, "f").partition(".")[2].rstrip("0")
    return f"{text}.{rest}"[:LONGEST]


def _of_text(text: str) -> str | None:
    text = text.strip()
    if len(text) > LONGEST or not text.isascii():
        return None
    if _WHOLE.fullmatch(text):
        return _of_number(int(text))
    if _SECONDS.fullmatch(text):
        return _of_number(Decimal(text))
    if _TIME.fullmatch(text):
        try:
            moment = datetime.fromisoformat(text)
            moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            return None
        return moment.isoformat(timespec="microseconds")
    found = _GROUPS.fullmatch(text)
    if found is None:
        return None
    first, *later = re.split("[._-]", found[1])
    groups = [first.lstrip("0").zfill(WIDTH), *(one.lstrip("0").zfill(LATER) for one in later)]
    if len(groups[0]) > WIDTH or any(len(one) > LATER for one in groups[1:]):
        return None
    made = ".".join(groups)
    return made if len(made) <= LONGEST else None
