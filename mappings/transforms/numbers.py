"""Numbers: whole, JSON, exact, and amounts of money with their currency."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from mappings.paths import MISSING, WrongType, parse_path
from mappings.transforms.amounts import (
    AmountError,
    amount_text,
    decimal_text,
    number_text,
    plain_number,
    read_amount,
    read_decimal,
    vendor_number,
    written,
)
from mappings.transforms.notation import NOTATION, PERCENT, Notation
from mappings.transforms.step import (
    NUMERIC,
    Example,
    Fault,
    Param,
    ParamError,
    Scope,
    Step,
    Transform,
    Usual,
)


def exact(value: Any, mark: str | None = None) -> Decimal:
    """`read_decimal` for a transform. Raises Fault."""
    try:
        return read_decimal(value, mark)
    except AmountError as error:
        raise Fault(str(error)) from None


def _integer(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    notation = Notation.of(params)

    def inward(value: Any, scope: Scope) -> Any:
        if value == "":
            return None
        number = notation.read(value)
        if number != number.to_integral_value():
            raise Fault(f"{decimal_text(number)} is not a whole number")
        return int(number)

    return inward, _given(notation)


def _number(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    notation = Notation.of(params)

    def inward(value: Any, scope: Scope) -> Any:
        if value == "":
            return None
        number = notation.read(value)
        return int(number) if number == number.to_integral_value() else float(number)

    return inward, _given(notation)


def _given(notation: Notation) -> Step:
    if not notation.as_text:
        return _as_number

    def outward(value: Any, scope: Scope) -> Any:
        number = exact(value)
        return notation.give(number, decimal_text(number))

    return outward


def _as_number(value: Any, scope: Scope) -> Any:
    # what became text on the way, as a person's id does, is a number to the tool again
    return vendor_number(decimal_text(exact(value))) if value.__class__ is str else value


def _decimal(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    notation = Notation.of(params)

    def inward(value: Any, scope: Scope) -> Any:
        if value == "":
            return None
        return number_text(value) or decimal_text(notation.read(value))

    def outward(value: Any, scope: Scope) -> Any:
        text = value if value.__class__ is str else number_text(value)
        # canonical decimals are plain already; anything else is read first
        if text is None or not text.isascii() or not text[-1:].isdigit() or notation.as_text:
            text = decimal_text(exact(value))
        try:
            return notation.give(exact(text), text) if notation.as_text else vendor_number(text)
        except (ValueError, ArithmeticError):
            raise Fault(f"'{text[:40]}' is not a number") from None

    return inward, outward


_WITH_CURRENCY = {
    "amount_currency": "{amount} {currency}",
    "currency_amount": "{currency} {amount}",
}


def _money(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    notation, given = Notation.of(params), params.get("currency")
    path = parse_path(given) if given and given.startswith("$") else None
    fixed = given if path is None else None
    form = _WITH_CURRENCY.get(params.get("write", ""))
    if form is not None and notation.mark is None:
        # 1.125 CHF, once written, would be two numbers to whoever reads it
        raise ParamError(
            f"'{params['write']}' writes text, and its signs are not known.",
            "Add locale: de, or mark: ',' or '.'.",
            "write",
        )

    def inward(value: Any, scope: Scope) -> Any:
        if value == "":
            return None
        currency = None
        if isinstance(value, dict):
            currency, value = value.get("currency"), value.get("value")
        try:
            number, found = read_amount(value, notation.mark)
        except AmountError as error:
            raise Fault(str(error)) from None
        currency = found or currency
        if currency is None and path is not None:
            try:
                told = path.read(scope.record)
            except WrongType:
                told = None
            currency = None if told is MISSING else told
        elif currency is None:
            currency = fixed
        if currency is not None and not isinstance(currency, str):
            raise Fault("the currency is not text")
        return {"value": amount_text(number), "currency": currency or None}

    def outward(value: Any, scope: Scope) -> Any:
        amount, currency = value, None
        if isinstance(value, dict):
            amount, currency = value.get("value"), value.get("currency")
        text = amount_text(exact(amount))
        if form is not None:
            shown = written(Decimal(text), notation.mark or ".", notation.group)
            return form.format(amount=shown, currency=_code(currency or fixed)).strip()
        if fixed and currency and str(currency).upper() != fixed.upper():
            raise Fault(
                f"it is in {currency}, and the tool is given a number that means {fixed}; "
                "with write: amount_currency the currency stands beside it"
            )
        return notation.give(Decimal(text), text)

    return inward, outward


def _code(currency: Any) -> str:
    """A currency as it can be read again beside an amount. Raises Fault."""
    code = str(currency or "").upper()
    if code and not (len(code) == 3 and code.isascii() and code.isalpha()):
        raise Fault(f"its currency '{code[:20]}' is not a code of three letters")
    return code


_NUMBER = {**NOTATION, "percent": PERCENT}
_PLAIN_TEXT = (
    "In text without `mark` or `locale` a dot stands before decimals (`1.250` is 1.25), "
    "`12.500,00` is clear, and `1,250` is refused."
)

NUMBERS = (
    Transform(
        "integer",
        "a whole number",
        _integer,
        _NUMBER,
        takes=NUMERIC,
        gives="number",
        examples=(Example("1'200", 1200, back=1200), Example("", None, back=None)),
        notes=(_PLAIN_TEXT,),
    ),
    Transform(
        "number",
        "a JSON number",
        _number,
        _NUMBER,
        takes=NUMERIC,
        gives="number",
        examples=(
            Example(12.5, 12.5),
            Example("1.234,5", 1234.5, {"locale": "de", "write": "text"}),
            Example("75 %", 0.75, {"percent": "fraction", "write": "text"}),
            Example("(1,200)", -1200, {"mark": "."}, back=-1200),
        ),
        lossy="digits beyond the 15 or so that a JSON number carries; decimal keeps all",
        notes=(_PLAIN_TEXT,),
    ),
    Transform(
        "decimal",
        "an exact decimal, as text",
        _decimal,
        _NUMBER,
        takes=NUMERIC,
        gives="decimal",
        usual=Usual("{number_text}({value})", {"number_text": number_text}),
        usual_back=Usual("{plain_number}({value})", {"plain_number": plain_number}),
        usual_despite=("mark", "locale"),
        examples=(
            Example(0.1, "0.1"),
            Example("1’234.50", "1234.50", {"locale": "de-CH", "write": "text"}),  # noqa: RUF001
        ),
        notes=(_PLAIN_TEXT,),
    ),
    Transform(
        "money",
        "an amount with its currency",
        _money,
        {
            **NOTATION,
            "write": Param(
                "text",
                choices=("number", "text", *_WITH_CURRENCY),
                about="what the tool is given: number; or, with locale or mark, 12.50 EUR or "
                "EUR 12.50",
            ),
            "currency": Param("path_or_text", about="a code, or the path of one in the record"),
        },
        short="currency",
        whole=True,
        takes=(*NUMERIC, "money"),
        gives="money",
        examples=(
            Example(15000.0, {"value": "15000.00", "currency": "CHF"}, {"currency": "CHF"}),
            Example(
                "€ 1.250,50",
                {"value": "1250.50", "currency": "EUR"},
                {"currency": "EUR", "locale": "de", "write": "text"},
                back="1.250,50",
            ),
            Example(
                "12.500,00 EUR",
                {"value": "12500.00", "currency": "EUR"},
                {"locale": "de", "write": "amount_currency"},
            ),
        ),
        notes=(
            "Text that shows its currency is written by people: without `mark` or `locale`, "
            "`1.250 CHF` is refused, as `1,250` is, since it may be 1250 or 1.25. `12.500,00 EUR`, "
            "`0.125 CHF` and the plain text `1.250` (that is 1.25) are clear.",
            "A currency beside the amount counts before `currency`. Where neither says one, it is "
            "null: say `{money: EUR}`, or the path of the field that has it.",
            "An amount in another currency than the one that `currency` names is a problem on its "
            "way out, unless the currency is written beside it.",
        ),
    ),
)
