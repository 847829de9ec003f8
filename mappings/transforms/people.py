"""People: their addresses, and who they are here."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parseaddr
from typing import Any

from mappings.transforms.step import NUMERIC, TEXTUAL, Fault, Scope, Step, Transform, Usual, same
from mappings.transforms.text import text_of


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

    return inward, same


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


PEOPLE = (
    Transform(
        "email",
        "the address of an e-mail header or field, lower case",
        _email,
        takes=TEXTUAL,
        gives="text",
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
    ),
)
