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
)
from mappings.transforms.step import (
    NUMERIC,
    Fault,
    Param,
    Scope,
    Step,
    Transform,
    Usual,
    same,
)


def exact(value: Any, mark: str | None = None) -> Decimal:
    """`read_decimal` for a transform. Raises Fault."""
    try:
        return read_decimal(value, mark)
    except AmountError as error:
        raise Fault(str(error)) from None


def _integer(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    mark = params.get("mark")

    def inward(value: Any, scope: Scope) -> Any:
        if value == "":
            return None
        number = exact(value, mark)
        if number != number.to_integral_value():
            raise Fault(f"{number} is not a whole number")
        return int(number)

    return inward, same


def _number(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    mark = params.get("mark")

    def inward(value: Any, scope: Scope) -> Any:
        if value == "":
            return None
        number = exact(value, mark)
        return int(number) if number == number.to_integral_value() else float(number)

    return inward, same


def _decimal(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    mark = params.get("mark")

    def inward(value: Any, scope: Scope) -> Any:
        if value == "":
            return None
        return number_text(value) or decimal_text(exact(value, mark))

    def outward(value: Any, scope: Scope) -> Any:
        text = value if value.__class__ is str else number_text(value)
        # canonical decimals are plain already; anything else is read first
        if text is None or not text.isascii() or not text[-1:].isdigit():
            text = decimal_text(exact(value))
        try:
            return vendor_number(text)
        except (ValueError, ArithmeticError):
            raise Fault(f"'{text[:40]}' is not a number") from None

    return inward, outward


def _money(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    mark, given = params.get("mark"), params.get("currency")
    path = parse_path(given) if given and given.startswith("$") else None
    as_text = params.get("write") == "text"

    def inward(value: Any, scope: Scope) -> Any:
        if value == "":
            return None
        currency = None
        if isinstance(value, dict):
            currency, value = value.get("currency"), value.get("value")
        try:
            number, found = read_amount(value, mark)
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
            currency = given
        if currency is not None and not isinstance(currency, str):
            raise Fault("the currency is not text")
        return {"value": amount_text(number), "currency": currency or None}

    def outward(value: Any, scope: Scope) -> Any:
        amount = value.get("value") if isinstance(value, dict) else value
        text = amount_text(exact(amount))
        return text if as_text else vendor_number(text)

    return inward, outward


_MARK = {"mark": Param("text", choices=(".", ","))}

NUMBERS = (
    Transform("integer", "a whole number", _integer, _MARK, takes=NUMERIC, gives="number"),
    Transform("number", "a JSON number", _number, _MARK, takes=NUMERIC, gives="number"),
    Transform(
        "decimal",
        "an exact decimal, as text",
        _decimal,
        _MARK,
        takes=NUMERIC,
        gives="decimal",
        usual=Usual("{number_text}({value})", {"number_text": number_text}),
        usual_back=Usual("{plain_number}({value})", {"plain_number": plain_number}),
        usual_despite=("mark",),
    ),
    Transform(
        "money",
        "an amount with its currency",
        _money,
        {
            **_MARK,
            "currency": Param("path_or_text"),
            "write": Param("text", choices=("number", "text")),
        },
        short="currency",
        whole=True,
        takes=(*NUMERIC, "money"),
        gives="money",
    ),
)
