"""Where a previewed record comes from: a file (one record, a list, or one a line), the tool itself,
or a delivery that was stored.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import typer


class Given(NamedTuple):
    """One record, and how to speak of it."""

    name: str
    data: Mapping[str, Any]


def fail_at(place: str, message: str, remedy: str) -> NoReturn:
    """Say what is wrong at a place of a file, and stop."""
    typer.echo(f"{place} error: {message} {remedy}", err=True)
    raise typer.Exit(1)


def from_file(file: str, folder: Path) -> Iterator[Given]:
    """The records of a JSON file, a list of them, or JSON lines; `-` is standard input. What is not
    there is looked for in the workspace too, where `samples/` is.
    """
    if file == "-":
        text = sys.stdin.read()
    else:
        path = Path(file)
        if not path.exists() and (folder / path).is_file():
            path = folder / path
        text = path.read_text("utf-8-sig")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        lines = _lines(file, text)
        if lines is not None:
            yield from lines
            return
        place = f"{file}:{getattr(error, 'lineno', 1)}:{getattr(error, 'colno', 1)}"
        fail_at(place, f"not JSON: {getattr(error, 'msg', error)}.", "Give one record as JSON.")
    if isinstance(document, dict):
        yield Given(file, document)
        return
    remedy = "Give a JSON object, or a list of them."
    if not isinstance(document, list) or not document:
        fail_at(f"{file}:1:1", "this is not one record.", remedy)
    for number, one in enumerate(document, 1):
        if not isinstance(one, dict):
            fail_at(f"{file}:1:1", f"this is not one record, nor is element {number}.", remedy)
        yield Given(f"{file}#{number}", one)


def _lines(file: str, text: str) -> Iterator[Given] | None:
    """The records of JSON lines, if the first line is one; a later line that is none is named."""
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if len(lines) < 2 or not isinstance(_loaded(lines[0][1]), dict):
        return None

    def read() -> Iterator[Given]:
        for number, line in lines:
            record = _loaded(line)
            if not isinstance(record, dict):
                fail_at(f"{file}:{number}:1", "this line is no record.", "Give an object a line.")
            yield Given(f"{file}:{number}", record)

    return read()


def _loaded(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def from_tool(connection: str, object: str, id: str) -> Iterator[Given]:
    """A record as the tool has it now, by the files as they are here. Raises ConnectorError or
    LookupError.
    """
    from connectors.sdk import ConfigError, Source
    from hub.cli.planning import snapshot_of_files
    from hub.cli.session import opened

    with opened() as hub, snapshot_of_files(hub) as snapshot:
        if connection not in snapshot.workspace.connections:
            raise LookupError(
                f"There is no connection '{connection}'. Name another with --connection, or add it"
                " to hub.yaml."
            )
        tool = snapshot.connector(connection)
        if not isinstance(tool, Source):
            raise ConfigError(f"The connection '{connection}' cannot be read.")
        spec = snapshot.offers(connection).get(object)
        if spec is not None and spec.fetch:
            found = [one for one in tool.fetch(object, [id]) if not one.deleted]
        else:  # this tool gives single records to nobody: look through all
            pages = tool.pull(object, {}, ())
            everything = (one for page in pages for one in page.records if one.object == object)
            found = [one for one in everything if id in (one.id, one.url)][:1]
    if not found:
        raise LookupError(
            f"There is no {object} '{id}' in {connection}. Write its external id, as hub tasks show"
            " has it."
        )
    yield Given(f"{connection}/{object}/{id}", found[0].data)


def from_delivery(id: str, object: str) -> Iterator[Given]:
    """The records of one kind that a stored delivery holds, captured or not, read by the files as
    they are here. Raises ConnectorError or LookupError; one that a delivery only names is not there
    to be shown.
    """
    from hub.cli.planning import snapshot_of_files
    from hub.cli.session import opened
    from hub.flow.intake import parse
    from hub.store import inbox

    with opened() as hub, snapshot_of_files(hub) as snapshot:
        with hub.database.read() as tx:
            row = inbox.delivery(tx, id)
        if row is None:
            raise LookupError(f"There is no delivery {id}. See: hub deliveries")
        found = parse(snapshot, dict(row))
    whole = [one for one in found if one.kind == "state" and one.object == object]
    if not whole:
        names = sorted({f"{one.object} {one.external_id}".strip() for one in found})
        spoken = f"It speaks of: {', '.join(names)}." if names else "It speaks of nothing."
        remedy = ""
        if any(one.kind == "fetch" and one.object == object for one in found):
            remedy = " It only names the record; show that with --id."
        raise LookupError(f"The delivery {id} holds no {object}. {spoken}{remedy}")
    for one in whole:
        assert one.record is not None  # noqa: S101 - a state is one
        yield Given(f"{id} {object} {one.external_id}", one.record.data)
