"""How a tool writes numbers as text: the signs before decimals and between thousands, percent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mappings.transforms.amounts import AmountError, read_decimal, vendor_number, written
from mappings.transforms.step import Fault, Param, ParamError

_HARD, _NARROW, _APOSTROPHE = "\u00a0", "\u202f", "\u2019"
_SIGNS = {
    (".", ","): "en zh ja ko th he ms fil es-MX es-US es-GT es-HN es-NI es-PA es-PE es-PR es-SV",
    (",", "."): "de it es nl pt da el tr id ro hr sl is vi sr",
    (",", _HARD): "cs sk pl ru uk bg hu nb no nn sv fi lt lv et de-AT pt-PT fr-CA",
    (",", _NARROW): "fr",
    (".", _APOSTROPHE): "de-CH de-LI it-CH en-CH",
}
"""The signs of the Unicode locale data, https://cldr.unicode.org, where they are in common use."""
_KNOWN = {locale: signs for signs, locales in _SIGNS.items() for locale in locales.split()}
_LOCALE = re.compile(r"([a-zA-Z]{2,3})(?:[-_]([a-zA-Z]{2}))?")

NOTATION: Mapping[str, Param] = {
    "mark": Param("text", choices=(".", ","), about="the sign before decimals"),
    "locale": Param("text", about="whose signs are used, as in de-CH; instead of mark"),
    "write": Param("text", choices=("number", "text"), about="what the tool is given: number"),
}
PERCENT = Param(
    "text", choices=("whole", "fraction"), about="what 75 % is here: whole 75, fraction 0.75"
)


@dataclass(frozen=True, slots=True)
class Notation:
    """Numbers in the tool's own writing."""

    mark: str | None = None
    group: str = ""
    as_text: bool = False
    percent: str | None = None

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Notation:
        """From the parameters of a transform. Raises ParamError."""
        mark, group = params.get("mark"), ""
        if (locale := params.get("locale")) is not None:
            if mark is not None:
                raise ParamError("'locale' and 'mark' say the same.", "Keep one.", "locale")
            mark, group = _signs(locale)
        return cls(mark, group, params.get("write") == "text", params.get("percent"))

    def read(self, value: Any) -> Decimal:
        """A number or text as a decimal. Raises Fault."""
        percent = value.__class__ is str and value.rstrip().endswith("%")
        if percent:
            if self.percent is None:
                raise Fault(
                    f"'{value[:40]}' is a share of a hundred; say percent: whole or percent: "
                    "fraction"
                )
            value = value.rstrip()[:-1]
        try:
            number = read_decimal(value, self.mark)
        except AmountError as error:
            raise Fault(str(error)) from None
        return number.scaleb(-2) if percent and self.percent == "fraction" else number

    def give(self, number: Decimal, text: str) -> Any:
        """A decimal as the tool takes it; `text` is how it stands here."""
        if not self.as_text:
            return vendor_number(text)
        if self.percent is None:
            return written(number, self.mark or ".", self.group)
        if self.percent == "fraction":
            number = number.scaleb(2)
        return f"{written(number, self.mark or '.', self.group)} %"


def _signs(locale: str) -> tuple[str, str]:
    found = _LOCALE.fullmatch(locale)
    language = found[1].lower() if found else ""
    region = f"{language}-{found[2].upper()}" if found and found[2] else ""
    signs = _KNOWN.get(region) or _KNOWN.get(language)
    if signs is None:
        raise ParamError(
            f"the signs of the locale '{locale}' are not known.",
            "Write mark: ',' or '.'.",
            "locale",
        )
    return signs
