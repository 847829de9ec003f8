"""What answers say of a vendor's own limit."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import respx

from connectors.sdk import HttpClient
from connectors.sdk.quota import DAY, Quota, quota_of

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("headers", "quota"),
    [
        (
            {
                "x-ratelimit-limit": "5000",
                "x-ratelimit-remaining": "4990",
                "x-ratelimit-reset": str(int(NOW) + 600),
                "x-ratelimit-resource": "core",
            },
            Quota(5000, 4990, NOW, NOW + 600),
        ),
        (
            {
                "ratelimit-limit": "100, 100;w=60",
                "ratelimit-remaining": "0",
                "ratelimit-reset": "9",
            },
            Quota(100, 0, NOW, NOW + 9),
        ),
        ({"x-ratelimit-limit": "50", "x-ratelimit-remaining": "70"}, Quota(50, 50, NOW)),
        (
            {"sforce-limit-info": "api-usage=18/5000; per-app-api-usage=17/250(appName=a)"},
            Quota(5000, 4982, NOW, None, DAY),
        ),
        ({"sforce-limit-info": "api-usage=120/100"}, Quota(100, 0, NOW, None, DAY)),
        (
            {
                "x-ratelimit-limit": "30",
                "x-ratelimit-remaining": "1",
                "x-ratelimit-resource": "search",
            },
            None,
        ),
        ({"x-ratelimit-limit": "many", "x-ratelimit-remaining": "1"}, None),
        ({"sforce-limit-info": "api-usage=1/0"}, None),
        ({}, None),
    ],
    ids=[
        "github",
        "draft",
        "more-than-all",
        "salesforce",
        "used-up",
        "search",
        "odd",
        "zero",
        "no",
    ],
)
def test_a_quota_is_read(headers: Mapping[str, str], quota: Quota | None) -> None:
    assert quota_of(headers, NOW) == quota


@respx.mock
def test_a_client_counts_its_requests_and_keeps_what_was_last_said() -> None:
    told = {"x-ratelimit-limit": "60", "x-ratelimit-remaining": "59"}
    route = respx.get("https://api.acme.test/things").respond(200, json=[], headers=told)
    client = HttpClient("https://api.acme.test", title="Acme")
    assert (client.requests, client.quota) == (0, None)
    client.request("GET", "/things")
    route.respond(200, json=[])
    client.request("GET", "/things")
    assert client.requests == 2
    assert client.quota is not None
    assert (client.quota.limit, client.quota.remaining) == (60, 59)
    client.close()
