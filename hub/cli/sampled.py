"""The records that a draft is made from: pulled from the tool, read from a file, or of deliveries
that were stored; and what the tool says about its fields.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub.cli.given_records import from_delivery, from_file
from hub.cli.output import fail, note
from hub.cli.session import classes, folder_of, opened

if TYPE_CHECKING:
    from connectors.sdk import Connector
    from hub.hub import Hub
    from hub.workspace import ConnectionSpec, Workspace
    from mappings.suggest import FieldInfo, Sample

DELIVERIES = 200
"""How many stored deliveries are looked through, the newest first."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """What was found about an object, and what its connection can do with it."""

    sample: Sample
    connector: str
    writes: bool
    own_identity: bool


def sample_of(
    workspace: Workspace,
    connection: str,
    object: str,
    most: int,
    file: str | None,
    deliveries: Sequence[str] = (),
) -> Sampled:
    """A sample of an object's records and fields. With a file, or stored deliveries, nothing fails
    where the tool cannot be asked; without one, it has to answer. Raises LookupError and
    ConnectorError.
    """
    from mappings.source import did_you_mean
    from mappings.suggest import Sample

    spec = workspace.connections.get(connection)
    if spec is None:
        hint = did_you_mean(connection, sorted(workspace.connections))
        raise LookupError(f"There is no connection '{connection}' in hub.yaml. {hint}".strip())
    cls = classes()[spec.connector]
    offered = spec.offers(cls)
    if offered and object not in offered:
        hint = did_you_mean(object, sorted(offered))
        raise LookupError(f"'{connection}' has no object '{object}'. {hint}".strip())
    records, infos = _found(spec, cls, object, most, _given(object, file, deliveries))
    said = offered.get(object)
    sample = Sample.of(object, records[:most], infos)
    own = spec.connector in ("rest", "webhook") and bool(offered)
    return Sampled(sample, spec.connector, said is None or bool(said.push), own)


def _given(
    object: str, file: str | None, deliveries: Sequence[str]
) -> list[Mapping[str, Any]] | None:
    if deliveries:
        return [one.data for id in deliveries for one in from_delivery(id, object)]
    return None if file is None else list(_of_file(file))


def _found(
    spec: ConnectionSpec,
    cls: type[Connector],
    object: str,
    most: int,
    given: list[Mapping[str, Any]] | None,
) -> tuple[list[Mapping[str, Any]], Sequence[FieldInfo]]:
    from connectors.sdk import ConnectorError, Source

    with opened() as hub:
        if not issubclass(cls, Source):
            return given or _delivered(hub, spec, cls, object, most), ()
        try:
            tool = cls(spec.name, spec.settings(cls, hub.live.resolve), hub.live.host)
        except ConnectorError as error:
            if given is None:
                raise
            note(f"'{spec.name}' was not asked for its fields: {error}")
            return given, ()
        try:
            infos = tool.discover(object)
            if given is None:
                given = list(_pulled(tool, object, most, [one.name for one in infos]))
        except ConnectorError as error:
            if given is None:
                raise
            note(f"'{spec.name}' does not say which fields it has: {error}")
            infos = ()
        finally:
            tool.close()
    return given, infos


def _pulled(
    tool: Any, object: str, most: int, fields: Sequence[str]
) -> Iterator[Mapping[str, Any]]:
    count = 0
    for page in tool.pull(object, {}, fields):
        for record in page.records:
            if record.object == object and not record.deleted:
                yield record.data
                count += 1
                if count >= most:
                    return


def _delivered(
    hub: Hub, spec: ConnectionSpec, cls: type[Connector], object: str, most: int
) -> list[Mapping[str, Any]]:
    """The records that stored deliveries hold, where a tool only sends."""
    from connectors.sdk import ConnectorError, Receiver, Record
    from hub.flow.intake import delivery_of
    from hub.store import delivered, inbox
    from hub.store.delivered import Narrow

    tool = cls(spec.name, spec.settings(cls, hub.live.resolve), hub.live.host)
    found: list[Mapping[str, Any]] = []
    with hub.database.read() as tx:
        for row in delivered.search(tx, Narrow(spec.name), limit=DELIVERIES):
            whole = inbox.delivery(tx, row["id"])
            if whole is None or not isinstance(tool, Receiver) or len(found) >= most:
                continue
            try:
                parsed = tool.parse(delivery_of(dict(whole)))
            except ConnectorError:
                continue  # quarantined, and no record to learn from
            found += [
                one.data
                for one in parsed
                if isinstance(one, Record) and one.object == object and not one.deleted
            ]
    tool.close()
    if not found:
        fail(
            f"'{spec.name}' cannot be asked for its {object}, and no delivery that holds one is"
            " stored yet. Let it send one, or give records with --sample FILE."
        )
    return found


def _of_file(file: str) -> Iterator[Mapping[str, Any]]:
    if not file.lower().endswith((".csv", ".tsv")):
        for one in from_file(file, folder_of()):
            yield one.data
        return
    path = Path(file)
    if not path.exists() and (folder_of() / path).is_file():
        path = folder_of() / path
    text = path.read_text("utf-8-sig")
    try:
        dialect: Any = csv.Sniffer().sniff(text[:8192], delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel
    try:
        rows = csv.DictReader(io.StringIO(text, newline=""), dialect=dialect)
        for row in rows:
            yield {
                str(name): value or None
                for name, value in row.items()
                if name and not isinstance(value, list)
            }
    except csv.Error as error:
        fail(f"{file}: not a table: {error}. Save it as CSV in UTF-8.")
