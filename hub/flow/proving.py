"""How the deliveries of a connection prove themselves, for every screen that names connections.
Read from the files, so it needs no secret.
"""

from __future__ import annotations

from typing import Literal

from connectors.sdk import Receiver
from hub.live import Snapshot

Proving = Literal["signed", "token", "unsigned", "subscribed", "otherwise", "not taken"]


def proving(snapshot: Snapshot, name: str) -> Proving:
    """`signed` also where a token in the address is wanted beside it; `subscribed`: with a secret
    that the vendor hands over when the hub registers; `otherwise`: with what is no secret under
    `webhook` (an app's client secret, an issuer's keys); `not taken`: there is no such address.
    """
    spec = snapshot.workspace.connections[name]
    connector = snapshot.classes[spec.connector]
    said = spec.raw.get("webhook")
    webhook = said if isinstance(said, dict) else {}
    if not issubclass(connector, Receiver) or webhook.get("receive") is False:
        return "not taken"
    if not any(one.webhook for one in spec.offers(connector).values()):
        return "not taken"
    if webhook.get("unsigned") is True:
        return "unsigned"
    if webhook.get("secret"):
        return "signed"
    if webhook.get("token"):
        return "token"
    return "subscribed" if webhook.get("subscribe") is True else "otherwise"


def unsigned(snapshot: Snapshot) -> list[str]:
    """The connections that take deliveries without any proof."""
    return [one for one in snapshot.workspace.connections if proving(snapshot, one) == "unsigned"]
