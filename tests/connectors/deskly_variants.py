"""Deskly in every way it can be switched, each as a connector class that the kit can play with."""

from __future__ import annotations

from typing import Any, ClassVar

from connectors.rest.connector import RestConnector
from connectors.rest.sandbox import DesklySandbox

VARIANTS: dict[str, dict[str, Any]] = {
    "none": {"paging": "none", "auth": "header"},
    "page": {"paging": "page", "auth": "header"},
    "offset": {"paging": "offset", "auth": "basic", "wrapped": False},
    "link": {"paging": "link", "auth": "query"},
    "next_url": {"paging": "next_url", "auth": "query", "polite": True},
    "feed": {"paging": "feed", "auth": "bearer"},
    "hmac": {"auth": "header", "scheme": "hmac"},
    "stripe": {"auth": "header", "scheme": "stripe"},
    "github": {"auth": "header", "scheme": "github"},
    "slack": {"auth": "header", "scheme": "slack"},
    "token": {"auth": "header", "scheme": "token"},
    "basic": {"auth": "basic", "scheme": "basic"},
}


def _sandbox(switches: dict[str, Any]) -> type[DesklySandbox]:
    class Switched(DesklySandbox):
        def __init__(self) -> None:
            super().__init__(**switches)

    return Switched


WAIVED = {
    "token": {
        "refuses-forgeries": "a token proves the sender, not the body",
        "verifies-the-very-bytes": "a token proves the sender, not the body",
    },
}
WAIVED["basic"] = WAIVED["token"]

CONNECTORS: dict[str, type[RestConnector]] = {}
for _name, _switches in VARIANTS.items():
    globals()[f"Deskly_{_name}"] = _sandbox(_switches)

    class _Switched(RestConnector):
        sandbox: ClassVar[str] = f"{__name__}:Deskly_{_name}"
        waived: ClassVar[dict[str, str]] = WAIVED.get(_name, {})

    CONNECTORS[_name] = _Switched
