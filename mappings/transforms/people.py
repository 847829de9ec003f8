"""People: their addresses, and who they are here."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parseaddr
from typing import Any

from mappings.paths import kind_of
from mappings.transforms.step import (
    NUMERIC,
    TEXTUAL,
    Example,
    Fault,
    Param,
    ParamError,
    Scope,
    Step,
    Transform,
    Usual,
    same,
)
from mappings.transforms.text import text_of


def _email(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    def inward(value: Any, scope: Scope) -> Any:
        text = text_of(value).strip()
        if not text:
            return None
        # the standard reader is recursive in comments
        readable = len(text) <= 1000 and text.count("(") <= 20
        address = parseaddr(text)[1].lower() if readable else ""
        before, at, after = address.rpartition("@")
        if not ((before and at and "." in after.strip(".")) or (after == "localhost" and before)):
            raise Fault(f"'{text[:60]}' is not an e-mail address")
        return address

    return inward, same


def _party(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    def inward(value: Any, scope: Scope) -> Any:
        handle = text_of(value).strip()
        if not handle:
            return None
        party = scope.directory.party_for(scope.connection, handle) if scope.directory else None
        if party is None:
            raise Fault(
                f"nobody here is known as '{handle[:60]}' in {scope.connection}; say who it is, or "
                f"add them to identities: {scope.connection} in people.yaml",
                "unmapped_value",
                handle,
            )
        return party

    def outward(value: Any, scope: Scope) -> Any:
        party = value.get("id") if isinstance(value, dict) else value
        if not isinstance(party, str):
            raise Fault(f"expected one person, found {kind_of(value)}")
        handle = scope.directory.handle_for(scope.connection, party) if scope.directory else None
        if handle is None:
            raise Fault(
                f"{str(party)[:60]} has no account in {scope.connection} that we know of; say "
                f"which one is theirs, or add it to identities: {scope.connection} in people.yaml",
                "unmapped_value",
                party,
            )
        return handle

    return inward, outward


_FORMATS = ("e164", "international", "national")


def _phone(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    import phonenumbers  # for those who have numbers

    known = phonenumbers.PhoneNumberFormat
    formats = dict(zip(_FORMATS, (known.E164, known.INTERNATIONAL, known.NATIONAL), strict=True))
    region, form = params.get("region"), formats[params.get("write", "e164")]
    if region is not None and region not in phonenumbers.SUPPORTED_REGIONS:
        raise ParamError(f"there is no region '{region}'.", "Write two letters as in CH.", "region")

    def read(value: Any, region: str | None) -> Any:
        text = text_of(value).strip()
        try:
            number = phonenumbers.parse(text[:250], region)
        except phonenumbers.NumberParseException:
            number = None
        if number is None or not phonenumbers.is_possible_number(number):
            told = (
                "" if region or text.startswith("+") else "; say of which country with region: CH"
            )
            raise Fault(f"'{text[:40]}' is not a phone number{told}")
        return number

    def inward(value: Any, scope: Scope) -> Any:
        if value == "":
            return None
        number = read(value, region)
        text = phonenumbers.format_number(number, formats["e164"])
        return f"{text};ext={number.extension}" if number.extension else text

    def outward(value: Any, scope: Scope) -> Any:
        number = read(value, region)
        if form == formats["e164"] and not number.extension:
            return phonenumbers.format_number(number, form)
        home = form == formats["national"] and phonenumbers.region_code_for_number(number) == region
        style = form if home else formats["international"]
        return phonenumbers.format_number(number, style)

    return inward, outward


PEOPLE = (
    Transform(
        "phone",
        "a phone number in the one way that is the same everywhere: +41446681800",
        _phone,
        {
            "region": Param("text", about="the country of numbers without +, as in CH"),
            "write": Param(
                "text",
                choices=("e164", "international", "national"),
                about="what the tool is given: e164",
            ),
        },
        short="region",
        takes=NUMERIC,
        gives="text",
        examples=(
            Example("044 668 18 00", "+41446681800", {"region": "CH", "write": "national"}),
            Example("+1 (650) 253-0000", "+16502530000", back="+16502530000"),
        ),
        lossy="spaces and how the number was grouped",
    ),
    Transform(
        "email",
        "the address of an e-mail header or field, lower case",
        _email,
        takes=TEXTUAL,
        gives="text",
        examples=(Example("Dana Meier <Dana@Acme.test>", "dana@acme.test", back="dana@acme.test"),),
    ),
    Transform(
        "party",
        "one of us or of our partners, by handle or address",
        _party,
        takes=(*NUMERIC, "party"),
        gives="party",
        usual=Usual(
            "directory.party_for(connection, handle)"
            " if {value}.__class__ is str and (handle := {value}.strip()) else None"
        ),
        usual_back=Usual(
            "directory.handle_for(connection, {value}) if {value}.__class__ is str else None"
        ),
        examples=(Example("dmeier", "dana"),),
    ),
)
