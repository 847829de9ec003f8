"""The conformance kit: what every connector must keep, ours and yours, played against its sandbox.

Each check has a name, a tier and a reason; `connectors.sdk.conformance.kit` says how they run.
"""

from connectors.sdk.conformance import (  # isort: skip - the order in which they are played
    basics,
    pulling,
    pushing,
    edits,
    trouble,
    webhooks,
    listening,
    strangers,
)
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
    "edits",
    "listening",
    "pulling",
    "pushing",
    "run",
    "strangers",
    "trouble",
    "webhooks",
]
