"""A person agrees in a browser that the hub may act for them at a vendor: begun here, finished with
the code that comes back.
"""

from __future__ import annotations

from collections.abc import Mapping

from connectors.sdk import AuthError, ConfigError
from connectors.sdk.auth import Consent, OAuth2
from hub.flow import connections
from hub.hub import Hub
from hub.store import running


def begin(hub: Hub, connection: str, redirect_uri: str) -> Consent:
    """Where to send the person. Raises ConfigError where nobody needs to agree."""
    return _asked(hub, connection).begin(redirect_uri)


def finish(hub: Hub, connection: str, consent: Consent, answer: Mapping[str, str]) -> None:
    """Exchange the code that came back for tokens, and let the connection go on. `answer` holds the
    parameters that the vendor sent the browser back with. Raises ConnectorError.
    """
    if "code" not in answer:
        code = answer.get("error", "")
        known = code if code.isascii() and code.isidentifier() and len(code) < 60 else "no code"
        raise AuthError(f"The vendor did not give its agreement ({known}). Begin again.")
    _asked(hub, connection).finish(consent, answer["code"], answer.get("state", ""))
    with hub.unit() as unit:
        running.keep_connections(unit.tx, [connection])
        connections.resume(unit, connection)
    for stage in ("bring_in", "deliver"):
        hub.wake(stage)


def _asked(hub: Hub, connection: str) -> OAuth2:
    connector = hub.live.current().connector(connection)
    if connector.consent is None:
        raise ConfigError(
            f"{connector.title} needs nobody's agreement for '{connection}': the credentials in"
            " hub.yaml are enough."
        )
    return connector.consent
