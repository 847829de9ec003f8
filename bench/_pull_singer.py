"""A Singer tap and target of singer-sdk as peers of the bench of pulling.

`_pull_singer.py tap URL PAGE STATE | _pull_singer.py target DATABASE`, run by the Python of the
peers' own environment. Set for speed: messages are read and written by msgspec, records are parsed
by orjson and not checked against their schema again, and batches of 10,000 are upserted with one
statement, in a WAL.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa
from singer_sdk import RESTStream, Tap
from singer_sdk import typing as th
from singer_sdk.contrib.msgspec import MsgSpecReader, MsgSpecWriter
from singer_sdk.pagination import JSONPathPaginator
from singer_sdk.sql import SQLConnector, SQLSink, SQLTarget
from sqlalchemy.dialects.sqlite import insert


def _text(*names: str) -> list[th.Property[Any]]:
    return [th.Property(name, th.StringType) for name in names]


SCHEMA = th.PropertiesList(
    th.Property("id", th.IntegerType, required=True),
    *_text("subject", "description", "status", "priority", "due_on", "amount", "url", "locale"),
    th.Property("assignee", th.ObjectType(*_text("id", "email", "name"))),
    th.Property("requester", th.ObjectType(*_text("id", "email"))),
    th.Property("tags", th.ArrayType(th.StringType)),
    th.Property(
        "organization",
        th.ObjectType(th.Property("id", th.IntegerType), th.Property("name", th.StringType)),
    ),
    th.Property(
        "via",
        th.ObjectType(
            th.Property("channel", th.StringType),
            th.Property("source", th.ObjectType(*_text("from"))),
        ),
    ),
    th.Property("is_public", th.BooleanType),
    *_text("created_at", "updated_by"),
    th.Property("updated_at", th.DateTimeType),
    th.Property("followers", th.ArrayType(th.StringType)),
)


class Tickets(RESTStream[str]):
    """The list of tickets by its cursor, from the newest change of the state."""

    name = "tickets"
    path = "/tickets"
    primary_keys = ("id",)
    replication_key = "updated_at"
    is_sorted = True
    schema = SCHEMA.to_dict()

    @property
    def url_base(self) -> str:
        return str(self.config["url"])

    def get_new_paginator(self) -> JSONPathPaginator:
        return JSONPathPaginator("$.next")

    def get_url_params(self, context: Any, next_page_token: str | None) -> dict[str, Any]:
        query = {"limit": self.config["page"]}
        if next_page_token:
            query["after"] = next_page_token
        elif since := self.get_starting_replication_key_value(context):
            query["updated_since"] = since
        return query

    def parse_response(self, response: Any) -> Iterable[dict[str, Any]]:
        yield from orjson.loads(response.content)["tickets"]


class DeskTap(Tap):
    """The tap."""

    name = "tap-desk"
    message_writer_class = MsgSpecWriter
    config_jsonschema = th.PropertiesList(
        th.Property("url", th.StringType), th.Property("page", th.IntegerType)
    ).to_dict()

    def discover_streams(self) -> list[Tickets]:
        return [Tickets(self)]


class Connector(SQLConnector):
    """SQLite, set as the hub's own store."""

    allow_temp_tables = False
    allow_merge_upsert = True

    def get_sqlalchemy_url(self, config: Any) -> str:
        return f"sqlite:///{config['path']}"

    def create_engine(self) -> sa.Engine:
        engine = super().create_engine()

        @sa.event.listens_for(engine, "connect")
        def _set(connection: Any, _: Any) -> None:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")

        return engine


class Sink(SQLSink[Connector]):
    """Upserts by primary key; what is nested is stored as JSON."""

    connector_class = Connector
    validate_schema = False
    max_size = 10_000

    def bulk_insert_records(
        self, full_table_name: Any, schema: Any, records: Iterable[dict[str, Any]]
    ) -> int | None:
        names = list(schema["properties"])
        table = sa.table(str(full_table_name), *map(sa.column, names))
        statement = insert(table)
        statement = statement.on_conflict_do_update(
            index_elements=["id"], set_={name: statement.excluded[name] for name in names[1:]}
        )
        made = [
            {
                name: orjson.dumps(value).decode() if isinstance(value, (dict, list)) else value
                for name, value in ((name, record.get(name)) for name in names)
            }
            for record in records
        ]
        with self.connector._connect() as connection, connection.begin():
            return connection.execute(statement, made).rowcount


class SqliteTarget(SQLTarget):
    """The target."""

    name = "target-sqlite"
    default_sink_class = Sink
    message_reader_class = MsgSpecReader
    config_jsonschema = th.PropertiesList(th.Property("path", th.StringType)).to_dict()


if __name__ == "__main__":
    if sys.argv[1] == "tap":
        held = Path(sys.argv[4])
        state = json.loads(held.read_text().splitlines()[-1]) if held.exists() else None
        DeskTap(config={"url": sys.argv[2], "page": int(sys.argv[3])}, state=state).sync_all()
    else:
        SqliteTarget(config={"path": sys.argv[2]}).listen()
