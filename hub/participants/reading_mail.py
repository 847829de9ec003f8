"""What a mail that a person wrote answers: a form's fields, an option with its code, or that it is
done. Pure; quoted text was taken out before.

An answer is a line that says nothing else. Everything that is not clearly one is a comment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hub.participants import forms

_CODE = re.compile(r"(?<![0-9])([0-9]{6})(?![0-9])")
_PAIR = re.compile(r"\s*[*_-]*\s*([^:=]{1,120}?)\s*[*_]*\s*[:=]\s*(.*?)\s*")
_DONE = frozenset({"done", "it is done", "its done", "completed", "finished"})


@dataclass(frozen=True, slots=True)
class Written:
    """What a mail says. `values` are those of a form's fields as they were typed."""

    option: str | None = None
    code: str | None = None
    done: bool = False
    values: Mapping[str, list[str]] = field(default_factory=dict)
    unclear: str | None = None
    """Why it is no answer though it looks like one, in words for its sender."""


def decision(text: str, options: Sequence[str]) -> Written:
    """An option alone on a line, or with the code on it; the code may stand on a line of its own.
    Two options, or two codes, are none.
    """
    lines = _lines(text)
    codes = {code for line in lines for code in _CODE.findall(line)}
    chosen = {
        option
        for line in lines
        for option in options
        if _plain(_CODE.sub(" ", re.sub(r"(?i)\bcode\b", " ", line))) == _plain(option)
    }
    if len(chosen) > 1:
        return Written(unclear=f"It names {len(chosen)} options; write one of them.")
    if len(codes) > 1:
        return Written(unclear="It holds several codes; write the one of the latest mail.")
    option = next(iter(chosen), None)
    return Written(option=option, code=next(iter(codes), None))


def task(text: str, form: Mapping[str, Any] | None) -> Written:
    """The fields of a form, a line each (`VAT number: CH123`); without a form a first line that
    says `done`.
    """
    lines = _lines(text)
    if not form:
        return Written(done=bool(lines) and _plain(lines[0]) in _DONE)
    known: dict[str, str] = {}
    for one in forms.fields(form):
        known |= {_plain(one.label): one.name, _plain(one.name): one.name}
        known.setdefault(_plain(one.path[-1]), one.name)
    values: dict[str, list[str]] = {}
    for line in lines:
        pair = _PAIR.fullmatch(line)
        name = known.get(_plain(pair[1])) if pair else None
        if pair and name and pair[2]:
            values.setdefault(name, []).append(pair[2])
    twice = [name for name, given in values.items() if len(set(given)) > 1]
    if twice:
        return Written(unclear=f"It answers {twice[0]} twice, and not alike; write it once.")
    return Written(values={name: given[:1] for name, given in values.items()})


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _plain(text: str) -> str:
    """As people vary it: case, underscores, marks around it."""
    return " ".join(re.sub(r"[^\w\s]|_", " ", text).casefold().split())
