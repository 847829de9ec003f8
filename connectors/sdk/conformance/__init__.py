"""The conformance kit: what every connector must keep, ours and yours, played against its sandbox.

Each check has a name, a tier and a reason; `connectors.sdk.conformance.kit` says how they run.
"""

from connectors.sdk.conformance import basics, pulling, pushing, trouble, webhooks
from connectors.sdk.conformance.kit import (
    CHECKS,
    Check,
    Failed,
    Finding,
    Scorecard,
    Stage,
    certify,
    check,
    run,
)

__all__ = [
    "CHECKS",
    "Check",
    "Failed",
    "Finding",
    "Scorecard",
    "Stage",
    "basics",
    "certify",
    "check",
    "pulling",
    "pushing",
    "run",
    "trouble",
    "webhooks",
]
