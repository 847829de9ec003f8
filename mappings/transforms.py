"""The named functions a mapping may call in `as`: each inward, most with a way back.

A transform is built once per use from its parameters and then called per value. It sees the value
and a `Scope`, raises `Fault` for a value it cannot take, and never sees null (null stays null).
Importing this module registers them all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from email.utils import parseaddr
from typing import Any

import re2  # type: ignore[import-untyped]  # publishes no types

from mappings.amounts import (
    AmountError,
    amount_text,
    decimal_text,
    number_text,
    read_amount,
    read_decimal,
    vendor_number,
)
from mappings.paths import MISSING, WrongType, kind_of, parse_path
from mappings.steps import (
    TRANSFORMS,
    Bound,
    Directory,
    Fault,
    Param,
    ParamError,
    ProblemKind,
    Scope,
    Step,
    Transform,
    bind,
    pattern,
    register,
)
from mappings.times import (
    TimeError,
    is_canonical,
    moment_text,
    read_time,
    write_date,
    write_moment,
    zone,
)

__all__ = [
    "TRANSFORMS",
    "Bound",
    "Directory",
    "Fault",
    "ParamError",
    "ProblemKind",
    "Scope",
    "Step",
    "Transform",
    "bind",
    "register",
    "text_of",
]


def _same(value: Any, scope: Scope) -> Any:
    return value


# ------------------------------------------------------------------------------------ text


def text_of(value: Any) -> str:
    """Text from text or a number; 15.0 reads 15. Raises Fault."""
    if value.__class__ is str:
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Fault(f"expected text, found {kind_of(value)}")
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return decimal_text(_decimal(value))


def _decimal(value: Any, mark: str | None = None) -> Any:
    try:
        return read_decimal(value, mark)
    except AmountError as error:
        raise Fault(str(error)) from None


def _on_text(change: Callable[[str], Any]) -> Step:
    return lambda value, scope: change(text_of(value))


def _text(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    return _on_text(lambda text: text), _same


def _lower(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    return _on_text(str.lower), _same


def _upper(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    return _on_text(str.upper), _same


def _strip(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    return _on_text(str.strip), _same


def _email(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    def inward(value: Any, scope: Scope) -> Any:
        text = text_of(value).strip()
        if not text:
            return None
        address = parseaddr(text)[1].lower()
        before, at, after = address.rpartition("@")
        if not ((before and at and "." in after.strip(".")) or (after == "localhost" and before)):
            raise Fault(f"'{text[:60]}' is not an e-mail address")
        return address

    return inward, _same


def _regex(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    program = pattern(params["pattern"])
    replacement = params.get("replace")
    group = params.get("group", 1 if program.groups else 0)
    if not 0 <= group <= program.groups:
        raise ParamError(f"the pattern has {program.groups} groups, not {group}.", param="group")

    def inward(value: Any, scope: Scope) -> Any:
        text = text_of(value)
        try:
            if replacement is not None:
                return program.sub(replacement, text)
            match = program.search(text)
        except (UnicodeEncodeError, re2.error):
            raise Fault("the text holds characters that no tool can store") from None
        return match.group(group) if match else None

    return inward, None


def _join(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    separator = params.get("separator", ", ")

    def inward(value: Any, scope: Scope) -> Any:
        values = value if isinstance(value, list) else [value]
        return separator.join(text_of(item) for item in values if item not in (None, ""))

    def outward(value: Any, scope: Scope) -> Any:
        return [part.strip() for part in text_of(value).split(separator) if part.strip()]

    return inward, outward if separator else None


def _split(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    _, forth = _join({"separator": params.get("separator", ",")})
    separator = params.get("separator", ",")
    if not separator:
        raise ParamError("'separator' of 'split' is empty.", param="separator")

    def inward(value: Any, scope: Scope) -> Any:
        if isinstance(value, list):
            return value
        return forth(value, scope) if forth else value

    def outward(value: Any, scope: Scope) -> Any:
        glue = separator if separator.isspace() or separator.endswith(" ") else f"{separator} "
        values = value if isinstance(value, list) else [value]
        return glue.join(text_of(item) for item in values if item not in (None, ""))

    return inward, outward


def _labels(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    separator, key = params.get("separator", ","), params.get("key", "name")

    def inward(value: Any, scope: Scope) -> Any:
        if isinstance(value, str):
            value = value.split(separator) if separator else [value]
        elif not isinstance(value, list):
            raise Fault(f"expected a list of labels, found {kind_of(value)}")
        words = [item.strip() for item in value if item.__class__ is str]
        if len(words) == len(value) == len(set(words)) and "" not in words:
            return words
        found: dict[str, None] = {}
        for item in value:
            text = item.get(key) if item.__class__ is dict else item
            if text is None:
                continue
            if word := (text if text.__class__ is str else text_of(text)).strip():
                found[word] = None
        return list(found)

    return inward, _same


# --------------------------------------------------------------------------------- numbers


def _integer(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    mark = params.get("mark")

    def inward(value: Any, scope: Scope) -> Any:
        if value == "":
            return None
        number = _decimal(value, mark)
        if number != number.to_integral_value():
            raise Fault(f"{number} is not a whole number")
        return int(number)

    return inward, _same


def _number(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    mark = params.get("mark")

    def inward(value: Any, scope: Scope) -> Any:
        if value == "":
            return None
        number = _decimal(value, mark)
        return int(number) if number == number.to_integral_value() else float(number)

    return inward, _same


def _decimal_transform(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    mark = params.get("mark")

    def inward(value: Any, scope: Scope) -> Any:
        if value == "":
            return None
        return number_text(value) or decimal_text(_decimal(value, mark))

    def outward(value: Any, scope: Scope) -> Any:
        text = value if value.__class__ is str else number_text(value)
        # canonical decimals are plain already; anything else is read first
        if text is None or not text.isascii() or not text[-1:].isdigit():
            text = decimal_text(_decimal(value))
        try:
            return vendor_number(text)
        except (ValueError, ArithmeticError):
            raise Fault(f"'{text[:40]}' is not a number") from None

    return inward, outward


_TRUE = ("true", "yes", "y", "on", "1", "ja", "oui", "x", "done", "✓")
_FALSE = ("false", "no", "n", "off", "0", "nein", "non")


def _boolean(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    def words(name: str, usual: tuple[str, ...]) -> tuple[str, ...]:
        given = params.get(name)
        if given is None:
            return usual
        return tuple(str(word) for word in (given if isinstance(given, list) else [given]))

    true, false = words("yes", _TRUE), words("no", _FALSE)
    known = {word.lower(): False for word in false} | {word.lower(): True for word in true}

    def inward(value: Any, scope: Scope) -> Any:
        if value is True or value is False:
            return value
        word = text_of(value).strip().lower()
        if not word:
            return None
        if word not in known:
            raise Fault(f"'{word[:40]}' is neither yes nor no", "unmapped_value")
        return known[word]

    def outward(value: Any, scope: Scope) -> Any:
        if value is True:
            return true[0] if "yes" in params else True
        if value is False:
            return false[0] if "no" in params else False
        raise Fault(f"expected true or false, found {kind_of(value)}")

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
        text = amount_text(_decimal(amount))
        return text if as_text else vendor_number(text)

    return inward, outward


# ------------------------------------------------------------------------- dates and parties


def canonical_time(value: Any) -> date | datetime:
    """A due, date or moment as the canonical model writes it. Raises Fault."""
    if isinstance(value, dict):
        value = value.get("at") or value.get("date")
    return _time(value, None, None)


def _time(value: Any, form: str | None, zone_name: str | None) -> date | datetime:
    try:
        return read_time(value, form, zone_name)
    except TimeError as error:
        raise Fault(str(error)) from None


def _date(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    form, zone_name = params.get("format"), params.get("zone")

    def inward(value: Any, scope: Scope) -> Any:
        if value == "":
            return None
        if form is None and value.__class__ is str and len(value) == 10 and is_canonical(value):
            return value
        found = _time(value, form, zone_name)
        if isinstance(found, datetime):
            # without a zone of its own the day is the one the vendor wrote
            found = (found.astimezone(zone(zone_name)) if zone_name else found).date()
        return found.isoformat()

    def outward(value: Any, scope: Scope) -> Any:
        if form is None and value.__class__ is dict and value.get("date"):
            return value["date"]
        found = canonical_time(value)
        if isinstance(found, datetime):
            found = found.astimezone(zone(zone_name or scope.zone)).date()
        return write_date(found, form)

    return inward, outward


def _datetime(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    form, zone_name = params.get("format"), params.get("zone")
    clock = params.get("time")
    if clock is not None:
        try:
            moment = datetime.strptime(clock, "%H:%M").time()
        except ValueError:
            raise ParamError("'time' of 'datetime' is a time of day.", "Write '17:00'.") from None

    def inward(value: Any, scope: Scope) -> Any:
        if value == "":
            return None
        if form is None and value.__class__ is str and len(value) == 20 and is_canonical(value):
            return value
        found = _time(value, form, zone_name)
        if not isinstance(found, datetime):
            raise Fault(f"{found.isoformat()} is a date without a time; read it with as: date")
        return moment_text(found)

    def outward(value: Any, scope: Scope) -> Any:
        if form is None and value.__class__ is dict and value.get("at"):
            return value["at"]
        found = canonical_time(value)
        if not isinstance(found, datetime):
            if clock is None:
                raise Fault(
                    f"{found.isoformat()} is a date, and this tool wants a time of day too; say "
                    "which with as: {datetime: {time: '17:00'}}"
                )
            found = datetime.combine(found, moment, zone(zone_name or scope.zone))
        return write_moment(found, form, zone_name)

    return inward, outward


def _party(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    def inward(value: Any, scope: Scope) -> Any:
        handle = text_of(value).strip()
        if not handle:
            return None
        party = scope.directory.party_for(scope.connection, handle) if scope.directory else None
        if party is None:
            raise Fault(
                f"nobody here is known as '{handle[:60]}' in {scope.connection}; add them to "
                f"identities: {scope.connection} in people.yaml",
                "unmapped_value",
            )
        return party

    def outward(value: Any, scope: Scope) -> Any:
        party = value.get("id") if isinstance(value, dict) else value
        handle = (
            scope.directory.handle_for(scope.connection, party)
            if scope.directory and isinstance(party, str)
            else None
        )
        if handle is None:
            raise Fault(
                f"{party} has no name in {scope.connection}; add one to identities: "
                f"{scope.connection} in people.yaml",
                "unmapped_value",
            )
        return handle

    return inward, outward


_MARK = {"mark": Param("text", choices=(".", ","))}
_TIME = {"format": Param("format"), "zone": Param("zone")}
_SEPARATOR = {"separator": Param("text")}

for _transform in (
    Transform("text", "text from text or a number", _text),
    Transform("lower", "lower case", _lower),
    Transform("upper", "upper case", _upper),
    Transform("strip", "without white space around it", _strip),
    Transform("email", "the address of an e-mail header or field, lower case", _email),
    Transform(
        "regex",
        "the first group an RE2 pattern finds, else nothing; with replace, the text replaced",
        _regex,
        {
            "pattern": Param("pattern", required=True),
            "group": Param("number"),
            "replace": Param("text"),
        },
        short="pattern",
    ),
    Transform("join", "a list as one text", _join, _SEPARATOR, "separator", whole=True),
    Transform("split", "a text as a list", _split, _SEPARATOR, "separator", whole=True),
    Transform(
        "labels",
        "label names from a list of names or objects, or a separated text",
        _labels,
        {**_SEPARATOR, "key": Param("text")},
        whole=True,
    ),
    Transform("integer", "a whole number", _integer, _MARK),
    Transform("number", "a JSON number", _number, _MARK),
    Transform("decimal", "an exact decimal, as text", _decimal_transform, _MARK),
    Transform(
        "boolean",
        "true or false from a flag or a word",
        _boolean,
        {"yes": Param("words"), "no": Param("words")},
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
    ),
    Transform("date", "a calendar date", _date, _TIME, "format"),
    Transform("datetime", "a moment", _datetime, {**_TIME, "time": Param("text")}, "format"),
    Transform("party", "one of us or of our partners, by handle or address", _party),
):
    register(_transform)
