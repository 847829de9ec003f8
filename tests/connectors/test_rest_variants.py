"""The rest connector against every way of paging, signing in, wrapping and signing: the checks of
the conformance kit that each of them can break.
"""

from __future__ import annotations

import pytest

from connectors.sdk.conformance import CHECKS, run
from tests.connectors.deskly_variants import CONNECTORS

PAGED = (
    "refuses-bad-credentials",
    "keeps-secrets-to-itself",
    "pulls-everything",
    "resumes-anywhere",
    "sees-changes",
    "comes-to-rest",
    "survives-equal-times",
    "survives-moving-pages",
    "ends-at-circles",
    "survives-hollow-pages",
    "shows-deletions",
    "names-spoilt-answers",
    "fetches-records",
    "updates",
    "repeats-without-doubling",
    "tells-refusals",
    "notices-missing-records",
)
SIGNED = (
    "understands-webhooks",
    "refuses-forgeries",
    "verifies-the-very-bytes",
    "takes-several-secrets",
    "needs-a-secret",
    "minds-the-time",
    "survives-junk",
)
CASES = [
    *((name, check) for name in ("none", "page", "offset", "link", "next_url") for check in PAGED),
    *(("feed", check) for check in (*PAGED, "survives-lost-cursors")),
    *(
        (name, check)
        for name in ("hmac", "stripe", "github", "slack", "token", "basic")
        for check in SIGNED
    ),
]


@pytest.mark.parametrize(("variant", "check"), CASES)
def test_a_variant_keeps_what_it_could_break(variant: str, check: str) -> None:
    finding = run(CHECKS[check], CONNECTORS[variant])
    assert finding.verdict != "failed", finding.detail
