"""A stored delivery judged once more, for people: under which of the secrets its signature is
right, how old the signed time was when it came, and what it says.

Nothing depends on it: intake has judged already, and a secret may have changed since.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from pydantic import SecretStr
from sqlalchemy.engine import Connection

from connectors.sdk import ConnectorError, Delivery, Receiver, SignatureError
from hub.flow.intake import delivery_of, parse
from hub.live import Snapshot
from hub.store import delivered
from hub.store.records import NewRecord

LARGEST = 256 * 1024
"""Bytes of a body that is judged again, as it takes some forty times."""
FAR = 40 * 86400
"""Seconds within which the edge of a tolerance is looked for."""


def checks(snapshot: Snapshot, row: Any) -> list[tuple[str, str]]:
    """What intake checked of this delivery, each check with its verdict in words."""
    connection = row["connection"]
    try:
        connector = snapshot.connector(connection)
    except (ConnectorError, LookupError) as error:
        return [("route", f"the connection cannot be used any more: {error}")]
    webhook = connector.settings.webhook
    found = [("route", f"{row['method']} {row['url']}")]
    if webhook.token is not None:
        found.append(("token", "the one in the address is right"))
    found.append(("size", f"{row['size']:,} bytes"))
    if row["verdict"] == "unsigned":
        found.append(("signature", "NOT CHECKED: the connection says unsigned: true"))
    elif isinstance(connector, Receiver):
        found += _proof(snapshot, row, connector)
    if row["replay_of"]:
        found.append(("new", f"a replay of {row['replay_of']}"))
    elif row["verdict"] == "altered":
        found.append(("new", f"ANOTHER BODY under the id {row['delivery_id']} that came before"))
    elif row["delivery_id"]:
        found.append(("new", f"the first one with the id {row['delivery_id']}"))
    else:
        found.append(("new", "the vendor sends no id, so it counts as new"))
    return found


def said(snapshot: Snapshot, row: Any) -> tuple[list[NewRecord], str]:
    """What the delivery speaks of, by the connector in force; or why it cannot be read."""
    try:
        return parse(snapshot, row), ""
    except ConnectorError as error:
        return [], str(error)


def unmapped(snapshot: Snapshot, connection: str, object: str, kind: str, **_: Any) -> bool:
    """Whether a record comes to nothing, as no mapping takes its object."""
    if kind not in ("state", "fetch") or object == "message":
        return False
    return snapshot.mapping(connection, object) is None


@dataclass(frozen=True, slots=True)
class Fate:
    """What a delivery became: its records, each with `status` (`unmapped`: no mapping takes its
    object, so nothing came in) and, where there is one, the entity that is linked to it
    (`entity`); and what a person must look at.
    """

    records: Sequence[Mapping[str, Any]]
    exceptions: Sequence[Mapping[str, Any]]

    @property
    def open(self) -> bool:
        """Whether any record still waits."""
        return any(one["status"] == "pending" for one in self.records)


def fate(tx: Connection, snapshot: Snapshot | None, row: Any) -> Fate:
    """Looks at the rows of its records, and reads the delivery again for those that have none."""
    found = {(one["object"], one["external_id"]): one for one in delivered.became(tx, row["id"])}
    if snapshot is not None and row["status"] == "processed" and len(found) < row["records"]:
        for one in said(snapshot, row)[0]:
            known: dict[str, Any] = {"object": one.object, "external_id": one.external_id,
                                     "kind": one.kind, "status": "done", "error": None}  # fmt: skip
            found.setdefault((one.object, one.external_id), known)
    if snapshot is not None:
        for known in found.values():
            if known["status"] == "done" and unmapped(snapshot, row["connection"], **known):
                known["status"] = "unmapped"
    linked = delivered.entities(tx, row["connection"], [id for _, id in found])
    records = [one | {"entity": linked.get(key)} for key, one in found.items()]
    about = [one["entity"] for one in records if one["entity"]]
    return Fate(records, delivered.troubles(tx, row["id"], about))


def _proof(snapshot: Snapshot, row: Any, connector: Any) -> list[tuple[str, str]]:
    delivery = delivery_of(row)
    secrets = list(connector.settings.webhook.secret)
    if not secrets and connector.settings.webhook.token is not None:
        return []  # the token in the address is the proof, and is told of
    if row["size"] > LARGEST:
        return [("signature", "was right when it came")]
    fitting = [
        number
        for number, secret in enumerate(secrets, 1)
        if _genuine(_with(snapshot, connector, [secret]), delivery)
    ]
    if not fitting:
        if _genuine(connector, delivery):
            return [("proof", "right"), *_timestamp(connector, delivery)]
        # a signed address is stored without its token; or the secret has been changed since
        return [("signature", "was right when it came")]
    of = f" under secret {fitting[0]} of {len(secrets)}" if len(secrets) > 1 else ""
    return [("signature", f"right{of}"), *_timestamp(connector, delivery)]


def _with(snapshot: Snapshot, connector: Any, secrets: list[SecretStr]) -> Any:
    """The same connector with these secrets only."""
    webhook = connector.settings.webhook.model_copy(update={"secret": secrets})
    settings = connector.settings.model_copy(update={"webhook": webhook})
    return type(connector)(connector.connection, settings, snapshot.host)


def _genuine(receiver: Receiver, delivery: Delivery) -> bool:
    try:
        receiver.verify(delivery)
    except Exception:
        return False  # a connector's bug is no proof either
    return True


def _timestamp(receiver: Receiver, delivery: Delivery) -> list[tuple[str, str]]:
    """How old the signed time was. No connector tells where it stands, so it is found by asking
    when the same delivery would be refused: the time lies in the middle of what is tolerated.
    """

    def late(seconds: float) -> bool:
        moved = replace(delivery, received_at=delivery.received_at + timedelta(seconds=seconds))
        try:
            receiver.verify(moved)
        except SignatureError as error:
            return error.code == "timestamp_out_of_window"
        except Exception:
            return False
        return False

    def edge(direction: int) -> float | None:
        inside, outside = 0.0, float(FAR)
        if not late(direction * outside):
            return None
        while outside - inside > 0.25:
            middle = (inside + outside) / 2
            inside, outside = (inside, middle) if late(direction * middle) else (middle, outside)
        return inside

    ahead, behind = edge(1), edge(-1)
    if ahead is None:
        return []
    if behind is None:
        return [("timestamp", f"fresh; it would have been too old {ahead:.0f} s later")]
    age, tolerance = (behind - ahead) / 2, (behind + ahead) / 2
    when = f"{age:.0f} s old" if age >= 0 else f"{-age:.0f} s ahead of our clock"
    return [("timestamp", f"{when}; {tolerance:.0f} s are tolerated")]
