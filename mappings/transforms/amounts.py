"""Numbers and amounts without float noise: what a tool wrote as a number or text, as a decimal."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any

_PLAIN = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_GROUPS = "'’ \u00a0\u202f_"  # noqa: RUF001 - Swiss and French thousands
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:(.)\d{2,3})*?(.)\d{3}", re.ASCII)
_CURRENCY = re.compile(r"^([A-Z]{3})\s*(?=[-+\d.])|(?<=[\d.])\s*([A-Z]{3})$")
_THREE_BEHIND_A_DOT = re.compile(r"[(+\-\u2212\s]*[1-9]\d{0,2}\.\d{3}[)\-\s]*", re.ASCII)
"""1.250, which is 1250 or 1.25; 0.125, 1250.500 and 12.50 have one meaning."""
_SYMBOLS = {"€": "EUR", "£": "GBP", "$": None}
_MAX_DIGITS = 30


class AmountError(ValueError):
    """A value is not a number that can be relied on."""


def read_decimal(value: Any, mark: str | None = None) -> Decimal:
    """A finite decimal from a JSON number or text.

    `mark` says which of `.` and `,` separates the decimals; the other then groups thousands.
    Without it a comma is refused, since 1,234 may mean two things, unless other signs before it
    group thousands, as in 12.500,00. A number in parentheses, or with its minus behind it, is
    negative, as accountants write. Raises AmountError.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        raise AmountError("it is not a number")
    if isinstance(value, str):
        text = _bare(value, mark)
    elif isinstance(value, int) and value.bit_length() > 100:
        raise AmountError(f"it is a number of more than {_MAX_DIGITS} digits")
    else:
        text = str(value)
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise AmountError(f"'{_short(value)}' is not a number") from None
    if not number.is_finite():
        raise AmountError("it is not a finite number")
    if number and not -_MAX_DIGITS <= number.adjusted() <= _MAX_DIGITS:
        raise AmountError(f"it is a number of more than {_MAX_DIGITS} digits")
    return number


def _bare(value: str, mark: str | None) -> str:
    """A number as text without grouping, `.` before its decimals. Raises AmountError."""
    text = value.strip().replace("\u2212", "-")
    if len(text) > 80:
        raise AmountError(f"'{_short(value)}' is not a number")
    if text.startswith("(") and text.endswith(")"):
        text = f"-{text[1:-1].strip()}"
    elif text.endswith("-"):
        text = f"-{text[:-1].strip()}"
    if mark is None and "," in text:
        mark = _told_by_groups(text)
        if mark is None:
            raise _ambiguous(value)
    sign = mark or "."
    whole, found, rest = text.partition(sign)
    groups = {one for one in whole if one in _GROUPS or one in ".,"}
    if groups:
        grouped = _GROUPED.fullmatch(whole)
        if len(groups) > 1 or grouped is None or grouped[2] not in groups:
            raise AmountError(
                f"'{_short(value)}' is not a number with '{sign}' before its decimals"
            )
        whole = whole.replace(groups.pop(), "")
    text = f"{whole}.{rest}" if found else whole
    if not _PLAIN.fullmatch(text):
        raise AmountError(f"'{_short(value)}' is not a number")
    return text


def _told_by_groups(text: str) -> str | None:
    """The sign before the decimals where another one groups thousands before it: `,` in 12.500,00.
    None where that is not clear.
    """
    sign = max(".,", key=text.rfind)
    whole, _, _ = text.partition(sign)
    grouped = any(one in _GROUPS or one in ".," for one in whole)
    return sign if text.count(sign) == 1 and grouped else None


def _ambiguous(value: str) -> AmountError:
    return AmountError(
        f"'{_short(value)}' may mean two numbers; say which sign separates decimals "
        "with mark: ',' or mark: '.'"
    )


def written(number: Decimal, mark: str = ".", group: str = "") -> str:
    """A decimal as people write it: 1234.5 with `,` and `.` is 1.234,5."""
    whole, _, rest = decimal_text(number).lstrip("-").partition(".")
    first = len(whole) % 3 or 3
    parts = [whole[:first], *(whole[at : at + 3] for at in range(first, len(whole), 3))]
    text = (group.join(parts) if group else whole) + (f"{mark}{rest}" if rest else "")
    return f"-{text}" if number < 0 else text


def number_text(value: Any) -> str | None:
    """A JSON number as decimal text, if Python already writes it so: no exponent, no float noise.
    None where it takes `read_decimal` to say.
    """
    if value.__class__ is int:
        return str(value) if -(10**18) < value < 10**18 else None
    if value.__class__ is not float:
        return None
    text = repr(value)
    if "e" in text or "n" in text:
        return None
    return text[:-2] if text.endswith(".0") and text != "-0.0" else text


def decimal_text(number: Decimal) -> str:
    """A decimal as text without an exponent; integral floats lose their `.0`."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text and not text.strip("-0.") else text


def amount_text(number: Decimal) -> str:
    """An amount as text with at least two decimals: 15000.0 → 15000.00, 0.125 → 0.125."""
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and exponent > -2:
        # not quantize, which ends at the 28 digits of the context
        return format(number if number else abs(number), ".2f")
    return format(number if number else abs(number), "f")


def read_amount(value: Any, mark: str | None = None) -> tuple[Decimal, str | None]:
    """A number or text such as `CHF 12'000.50`, and the currency that stood beside it.

    Text that people write, which the currency shows, may group by dots: without a mark `1.250 CHF`
    is refused, while the plain `1.250` is what tools send that write decimals as text. Raises
    AmountError.
    """
    currency = None
    if isinstance(value, str):
        value = whole = value.strip()
        if found := _CURRENCY.search(value):
            currency = found[1] or found[2]
            value = _CURRENCY.sub("", value, count=1)
        for symbol, code in _SYMBOLS.items():
            if value.startswith(symbol) or value.endswith(symbol):
                value, currency = value.strip(symbol + " \u00a0"), code
        if mark is None and value != whole and _THREE_BEHIND_A_DOT.fullmatch(value):
            raise _ambiguous(whole)
    return read_decimal(value, mark), currency


def plain_number(value: Any) -> float | None:
    """A decimal text as the JSON number that Python writes the same way. None where it takes
    `vendor_number` to say.
    """
    if value.__class__ is not str or "." not in value or not value[-1].isdigit():
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if repr(number) == value else None


def vendor_number(text: str) -> int | float | str:
    """A decimal text as the JSON number that says exactly the same, else as it is."""
    rough = float(text)
    if repr(rough) == text and "e" not in text:
        return rough
    number = Decimal(text)
    if number == number.to_integral_value() and abs(number) < 2**53:
        return int(number)
    return rough if Decimal(repr(rough)) == number else text


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}…"
