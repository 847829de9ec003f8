"""What a refused delivery means, in words: which checks it passed, which one failed, and what to do
about it. Says nothing of a secret but that it does not fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PASSED: Mapping[str, tuple[str, ...]] = {
    "route": (),
    "method": ("route",),
    "size": ("route", "token"),
    "token": ("route", "size"),
    "encoding": ("route", "token"),
    "signature": ("route", "token", "size", "encoding"),
    "timestamp": ("route", "token", "size", "encoding"),
    "handshake": ("route", "token"),
    "store": ("route", "token", "size", "encoding", "signature"),
}
"""By the part that failed: what was in order before it."""

_REMEDIES: Mapping[str, str] = {
    "connection_unknown": "Check the name after /webhooks/: it is the connection's name in"
    " hub.yaml, and the connection must be applied.",
    "method_not_allowed": "Only POST brings a delivery. A browser or a probe asks with GET; a"
    " vendor that does so in earnest wants a handshake that this connector does not know.",
    "request_malformed": "The request contradicts itself about its length: a proxy in between is"
    " the likely cause.",
    "body_too_large": "The body is larger than is taken. Let the vendor send fewer fields, or only"
    " ids.",
    "body_timeout": "The body did not come to its end in time. The sender tries again, if it does.",
    "encoding_invalid": "The body is not what its Content-Encoding says. Turn packing off at the"
    " sender or the proxy.",
    "encoding_unsupported": "Let the sender pack with gzip or deflate, or not at all.",
    "timestamp_out_of_window": "The time that was signed is not near ours. Check the clocks of both"
    " machines (hub doctor checks ours); a delivery that was recorded and sent again later is"
    " refused for this reason too.",
    "handshake_rejected": "The vendor's handshake was not understood. Set it up again at the"
    " vendor, and see its page under docs/connectors.",
    "connection_unavailable": "The hub told the sender to come back later. Mend what is missing in"
    " its own environment: env:NAME counts from its next start on, secret:NAME (set by hub secret"
    " set NAME) within a second.",
    "cannot_store": "The hub could not store it and told the sender to come back. Look at hub"
    " doctor: a full disk or an overloaded database.",
}
_TIMES = (
    (
        "is written as",
        "The clocks are fine: say in the connection how its sender writes the time, as told above,"
        " then: hub apply",
    ),
    (
        "missing",
        "Have the sender send the header with the time that it signs. If it signs none, leave"
        " timestamp_header and {timestamp} in base away.",
    ),
    (
        "not written in",
        "Look at what the sender writes there, and set unit: seconds, milliseconds or iso; iso"
        " wants a zone (2026-03-02T09:00:00Z).",
    ),
)
"""What a reason about the signed time says, and what to do then."""
_WITH_IT = (
    "The address must end with the token of webhook.token:"
    " /webhooks/{name}/TOKEN. Copy it to the vendor again."
)
_BARE = (
    "Leave away what follows /webhooks/{name} in the address at the vendor, or set webhook.token."
)
_PROOF = (
    "While a secret is changed, webhook.secret may be a list of the old and the new one."
    " A request with a right signature to compare with: hub sign {name} FILE"
)
_UNSIGNED = (
    "Give the webhook its secret at the vendor. A request with a right signature to compare with:"
    " hub sign {name} FILE"
)


def remedy(name: str, row: Mapping[str, Any]) -> str:
    """What to do about a refusal, as it was noted."""
    code, part, reason = row["code"], row["part"], str(row["reason"]).lower()
    if code == "signature_invalid":
        if part == "token":
            return (_BARE if "has none" in reason else _WITH_IT).format(name=name)
        if "webhook.secret is missing" in reason:
            return "Set it to the vendor's signing secret, then: hub apply"
        if "missing" in reason:
            brought = proofs(row["headers"])
            said = f"It brought: {', '.join(brought)}. " if brought else ""
            return said + _UNSIGNED.format(name=name)
        return _PROOF.format(name=name)
    if code == "timestamp_out_of_window":
        for words, what_to_do in _TIMES:
            if words in reason:
                return what_to_do
    return _REMEDIES.get(code, "")


def proofs(headers: Mapping[str, str]) -> list[str]:
    """Names of the headers that look as if they proved something."""
    words = ("signature", "hmac", "token", "authorization", "digest", "secret", "-mac", "x-hub")
    return [name for name in headers if any(word in name for word in words)]


def in_a_line(row: Mapping[str, Any]) -> str:
    """Which part failed and why."""
    why = str(row["reason"]) or str(row["code"]).replace("_", " ")
    return f"{row['part']}: {why}".removesuffix(".")
