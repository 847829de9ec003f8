"""What cannot be done, and why, in words for whoever asked; and that only people decide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Refused(Exception):
    """An answer that cannot be taken. `code` is stable; `status` is the HTTP status that fits."""

    def __init__(
        self, code: str, message: str, status: int = 409, errors: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.errors = dict(errors or {})


def human(party: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The party, if it is a person. Raises Refused `human_required`."""
    if party is None or party["kind"] != "person":
        raise Refused(
            "human_required",
            "Only a person can do this. Use a token that is bound to a person.",
            403,
        )
    return party
