"""Which vendors describe their API, where their description lies and what it gets wrong, so that
tests hold connectors and sandboxes against it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import pytest

from connectors.sdk.faults import Exchange
from connectors.sdk.specs import Description


@dataclass(frozen=True, slots=True)
class Described:
    """A vendor's description. `least` is how many of its operations a round has to play, `adapt`
    makes of an exchange what the description speaks of.
    """

    file: str
    least: int
    allowed: Mapping[str, str] = field(default_factory=dict)
    adapt: Callable[[Exchange], Exchange] = lambda exchange: exchange


def _without_gateway(exchange: Exchange) -> Exchange:
    """Jira as an OAuth app reaches it: `/ex/jira/{cloud}` and then the path of the site."""
    if not exchange.path.startswith("/ex/jira/"):
        return exchange
    return replace(exchange, path="/" + exchange.path.split("/", 4)[4])


def _with_status(exchange: Exchange) -> Exchange:
    """Slack says 200 to everything; its description gives the refusals as another answer."""
    refused = b'"ok":false' in exchange.answer.replace(b" ", b"")
    return replace(exchange, status=400) if refused else exchange


DESCRIBED = {
    "github": Described(
        "github/api.github.com.issues-subset.json",
        14,
        {r"\w+ /repos/\S+: answer 422 \.status: no such": "there, as in its other errors"},
    ),
    "jira": Described(
        "jira/platform-swagger.v3.full.json",
        20,
        {
            r"POST /rest/api/3/search/jql: no such path": "newer (2025)",
            r"POST /rest/api/3/issue/bulkfetch: no such method": "newer (2024)",
            r"GET /rest/api/3/issue/createmeta/\w+/issuetypes(/\d+)?: no such path": "newer (2023)",
            r"\w+ /rest/webhooks/1.0/webhook(/\d+)?: no such path": "described on a page of prose",
            r"\w+ /(oauth/|authorize)\S*: no such path": "signing in, at another host",
            r".* '\S+[+-]\d{4}' is not a 'date-time'": "its own examples have no colon there",
        },
        _without_gateway,
    ),
    "slack": Described(
        "slack/slack_web_openapi_v2.json",
        9,
        {
            r"\w+ /api/[\w.]+: request token: Missing required": "it may go into Authorization",
            r"POST /api/chat\.\w+: request \.blocks: .* 'string'": "that is of forms, not of JSON",
            r"POST /api/chat\.\w+: request \.metadata: no such": "newer (2022)",
            r"GET /api/[\w.]+: query include_all_metadata: no such": "newer (2022)",
            r"\w+ /api/[\w.]+: answer 200 \.messages?(\[\])?\.(app_id|metadata): no such": "newer",
            r"POST /api/chat\.update: answer 200 \.message\.": "made from one example",
            r"GET /api/[\w.]+: answer 200 \.messages\[\]\.edited: no such": "there once edited",
            r"GET /api/conversations\.history: answer 200 \.messages: \[\]": "silence is possible",
            r"POST /api/oauth\.v2\.access: no such method": "today it is POST",
            r"POST /api/chat\.delete: request \.ts: .* 'number'": "a ts is text everywhere else",
        },
        _with_status,
    ),
    "google_sheets": Described(
        "google/sheets.v4.json",
        6,
        {
            r"\w+ /drive/v3/\S+: no such path": "Drive has a description of its own",
            r"POST /token: no such path": "signing in, at another host",
        },
    ),
}

UNDESCRIBED = {
    "email": "speaks IMAP and SMTP",
    "redmine": "publishes none",
    "rest": "is a description itself",
    "salesforce": "publishes none that is at hand",
    "spreadsheet": "is a file",
    "webhook": "asks nobody",
}


def folder() -> Path:
    """Where the descriptions lie. Skips the test where there are none."""
    told = os.environ.get("HUB_VENDOR_SPECS")
    if not told or not Path(told).is_dir():
        pytest.skip("HUB_VENDOR_SPECS names no folder with the vendors' descriptions")
    return Path(told)


@cache
def _read(file: Path) -> Description:
    return Description.read(file)


def description(name: str) -> Description:
    """A vendor's description, read once. Skips the test where it is not at hand."""
    file = folder() / DESCRIBED[name].file
    if not file.is_file():
        pytest.skip(f"HUB_VENDOR_SPECS has no {DESCRIBED[name].file}")
    return _read(file)


def findings(name: str, exchanges: Iterable[Exchange]) -> list[str]:
    """What the vendor's description says against what was sent and answered."""
    vendor = DESCRIBED[name]
    return description(name).findings(map(vendor.adapt, exchanges), vendor.allowed)


def operations(name: str, exchanges: Iterable[Exchange]) -> set[str]:
    """The described operations among them, as "GET /issues/{number}"."""
    told = (description(name).operation(DESCRIBED[name].adapt(one)) for one in exchanges)
    return {f"{one.method.upper()} {one.pattern}" for one in told if one is not None}
