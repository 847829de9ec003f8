"""What a vendor says of its own limit with every answer: how much of it is left, until when.

`X-RateLimit-Limit/Remaining/Reset` (GitHub, Jira, many others), the same without the X, and
Salesforce's `Sforce-Limit-Info`, whose day rolls on and so has no moment of reset.

https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_api_usage.htm
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

DAY = 86_400.0
_USAGE = re.compile(r"(?:^|[;,\s])api-usage=(\d{1,12})/(\d{1,12})(?:$|[;,\s])")
_WHOLE = re.compile(r"\s*(\d{1,12})")
_EPOCH = 1_000_000_000
"""Beyond, a reset is a moment since 1970 and no number of seconds."""


@dataclass(frozen=True, slots=True)
class Quota:
    """Of `limit` requests per `window` seconds `remaining` are left, as of `at` (epoch seconds).

    `resets_at`: when all are there again, None where the window rolls on. `window`: None where the
    vendor does not say how long it is.
    """

    limit: int
    remaining: int
    at: float
    resets_at: float | None = None
    window: float | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """How much of a vendor was asked, and what is left."""

    requests: int = 0
    quota: Quota | None = None


def quota_of(headers: Mapping[str, str], now: float | None = None) -> Quota | None:
    """What the headers of an answer say; None where they say nothing that can be read."""
    at = time.time() if now is None else now
    if headers.get("x-ratelimit-resource", "core") != "core":
        return None  # GitHub counts searches and the like beside, by limits of their own
    if usage := _USAGE.search(headers.get("sforce-limit-info", "")):
        used, limit = int(usage[1]), int(usage[2])
        return Quota(limit, max(0, limit - used), at, window=DAY) if limit else None
    for prefix in ("x-ratelimit-", "ratelimit-"):
        most, remaining, reset = (
            _number(headers.get(prefix + name, "")) for name in ("limit", "remaining", "reset")
        )
        if most and remaining is not None:
            resets_at = None if reset is None else reset if reset > _EPOCH else at + reset
            return Quota(most, min(remaining, most), at, resets_at)
    return None


def _number(text: str) -> int | None:
    found = _WHOLE.match(text)
    return int(found[1]) if found else None
