"""Salesforce opportunities, tasks, cases, contacts and users: pulled by SOQL (a large first load by
Bulk 2.0), pushed in collections, announced by outbound messages.

Facts about the API: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, ClassVar, TypeVar
from urllib.parse import quote, urlsplit

from connectors.salesforce import bulk, keyset, messages
from connectors.salesforce.client import SalesforceClient, UnknownField
from connectors.salesforce.config import SalesforceConfig
from connectors.salesforce.objects import SOBJECTS, SPECS, fields_of, gone, record, selection
from connectors.salesforce.push import Batch
from connectors.salesforce.soql import id18, is_id, literal, moment, quoted, quoted_list, select
from connectors.sdk import (
    AuthorizationCode,
    Change,
    ClientCredentials,
    ConfigError,
    Connector,
    Delivery,
    Fetch,
    Field,
    JwtBearer,
    NotFoundError,
    OAuth2,
    ObjectSpec,
    Page,
    Parsed,
    PayloadError,
    Receiver,
    Record,
    RefreshToken,
    RejectedError,
    Reply,
    Result,
    SignatureError,
    Sink,
    Source,
    Tier,
    UnsupportedError,
)
from connectors.sdk.auth import Grant
from connectors.sdk.config import ConnectionConfig
from connectors.sdk.records import Cursor, Json
from connectors.sdk.senders import sign_address, with_default

T = TypeVar("T")
LONG_AGO = timedelta(hours=1)
"""No transaction is this long, and no clock this wrong."""
MERGED = 50
"""Records that others were merged into, read at once."""
URL_BUDGET = 12_000
"""Bytes of SELECT list or id list in one GET; Salesforce cuts off at 16 KiB."""


_REMEDIES = {
    "invalid_grant": "Check that the user is active, that the app has our certificate, and that "
    "the app is pre-authorised for the user's profile or permission set."
}


class SalesforceConnector(Connector, Source, Sink, Receiver):
    """One Salesforce org."""

    name: ClassVar[str] = "salesforce"
    title: ClassVar[str] = "Salesforce"
    config: ClassVar[type[ConnectionConfig]] = SalesforceConfig
    objects: ClassVar[Mapping[str, ObjectSpec]] = SPECS
    sandbox: ClassVar[str] = "connectors.salesforce.sandbox:SalesforceSandbox"
    tier: ClassVar[Tier] = Tier.GOLD
    # no `rates`: Salesforce limits a day, at a number that each org has its own of and may raise,
    # and how many long queries run at once; it says so when they are used up
    settings: SalesforceConfig

    def setup(self) -> None:
        settings = self.settings
        http = self.http(
            settings.base_url,
            auth=self._sign_in(),
            headers={"sforce-call-options": f"client={settings.client_name}"},
            explain=lambda response: self.client.explain(response),
        )
        self.client = SalesforceClient(self.connection, settings, http)
        # without a place for our key this account can do less than the class declares
        vars(self)["objects"] = self.offers({"hub_key_field": settings.hub_key_field})

    @classmethod
    def offers(cls, settings: Mapping[str, Json]) -> Mapping[str, ObjectSpec]:
        if settings.get("hub_key_field", "") is not None:
            return cls.objects
        return {name: replace(spec, find=False, keyed=False) for name, spec in SPECS.items()}

    def _sign_in(self) -> OAuth2:
        auth, host = self.settings.auth, urlsplit(self.settings.base_url).hostname or ""
        client_id = auth.client_id.get_secret_value()
        oauth = f"{self.settings.base_url}/services/oauth2"
        grant: Grant
        if auth.private_key is not None:
            login = "test" if ".sandbox." in host else "login"
            audience = auth.audience or f"https://{login}.salesforce.com"
            grant = JwtBearer(client_id, auth.username, audience, auth.private_key)
        elif auth.refresh_token is not None:
            grant = RefreshToken(auth.refresh_token)
        elif auth.consent:
            grant = AuthorizationCode(f"{oauth}/authorize", scope="api refresh_token")
        else:
            grant = ClientCredentials()
        return self.oauth2(
            f"{oauth}/token",
            client_id,
            grant,
            client_secret=auth.client_secret,
            client_auth="client_secret_post" if auth.client_secret else "none",
            remedies=_REMEDIES if auth.private_key is not None else None,
        )

    def check(self) -> None:
        """One cheap query; says so if the credentials belong to another org than configured."""
        rows = self.client.query(select(["Id", "Name"], "Organization", limit=1))
        wanted = self.settings.organization_id
        if rows and wanted and id18(str(rows[0]["Id"])) != id18(wanted):
            raise ConfigError(
                f"{self.connection}: organization_id is {wanted}, but these credentials belong to "
                f"{rows[0]['Id']}. Correct one of them."
            )

    # ---------------------------------------------------------------------------------- source

    def discover(self, object: str) -> Sequence[Field]:
        name = self._sobject(object)
        self.client.forget(name)  # a person asks because something changed
        return fields_of(self.client.describe(name))

    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        """Keyset pages over (SystemModstamp, Id), so that equal stamps and records that change
        while we page are neither lost nor skipped.

        The cursor: `stamp` and `id` are the place inside an unfinished run. `low` is where the
        next full run starts, the overlap before everything read since the last full run. `seen`
        remembers states at or after `low`, so that the overlap yields only what is new: the content
        too, for a stamp counts whole seconds and a record may change twice in one.

        An interrupted run goes on from its place without looking back, so that it always gets
        on; the next full run then starts at the overlap before that place. Where the place lies
        deep in the past, as in a backfill, nothing can commit late there and `low` is left out.
        """
        name = self._sobject(object)
        first, total = not cursor, None
        if "job" in cursor or (first and self._is_large(name)):
            try:
                yield from self._first_load(object, name, cursor, fields)
                return
            except (bulk.JobLost, RejectedError, ConfigError, NotFoundError):
                cursor = {}  # there is nothing that the ordinary way would not read, only slower
        cursor = cursor if keyset.readable(cursor) else {}
        stamp = str(cursor["stamp"]) if "stamp" in cursor else None
        id = str(cursor["id"]) if "id" in cursor else None
        seen = keyset.seen(cursor)
        low = str(cursor["low"]) if "low" in cursor else None
        if stamp is not None and id is None:  # the last run was finished: look back
            where = f"SystemModstamp >= {low}"
            low = None
        else:
            where = keyset.after(stamp, id)
        resumed = low if id is not None else None
        size = self.settings.page_size
        while True:
            records = self._page(object, name, fields, where)
            states = {item.id: keyset.state(item) for item in records}
            fresh = [item for item in records if seen.get(item.id) != states[item.id]]
            seen |= states
            if records:
                place = records[-1].version or "", records[-1].id
                if place == (stamp, id):
                    raise PayloadError(f"Salesforce shows the same {name} page again.", name)
                stamp, id = place
            if stamp is None:
                return
            start = keyset.back(stamp)
            low = min(resumed, start) if resumed else start
            seen = keyset.bounded(seen, low)
            following: dict[str, Any] = {"stamp": stamp, "low": low, "seen": seen}
            fresh = self._with_winners(object, name, fields, fresh)
            if len(records) < size:
                if fresh or following != cursor:
                    yield Page(fresh, following)
                return
            if fresh:
                if not resumed and datetime.now(UTC) - moment(stamp) > LONG_AGO:
                    del following["low"]
                if first:
                    first, total = False, self._count(name)
                yield Page(fresh, {**following, "id": id}, total)
            where = keyset.after(stamp, id)

    def _is_large(self, name: str) -> bool:
        limit = self.settings.bulk_above
        return limit is not None and (self._count(name) or 0) > limit

    def _count(self, name: str) -> int | None:
        """About how many there are; None in an org that does not tell."""
        try:
            return bulk.count(self.client, name)
        except (RejectedError, ConfigError, NotFoundError, PayloadError):
            return None

    def _first_load(
        self, object: str, name: str, cursor: Cursor, fields: Collection[str]
    ) -> Iterator[Page]:
        """A query job's results as far as there are any; at their end the cursor of the ordinary
        pull, which begins at the last change before the job. Raises JobLost.
        """
        description = self.client.describe(name)
        columns = selection(description, fields, self.settings.hub_key_field)
        if "job" in cursor:
            job = bulk.Job.of(cursor["job"])
        else:
            newest = self._query(
                name, select(["SystemModstamp"], name, "", "SystemModstamp DESC", 1)
            )
            if not newest:
                return
            mark = literal(moment(str(newest[0]["SystemModstamp"])))
            job = bulk.begin(self.client, select(columns, name), mark)
            yield Page([], {"job": job.stored()})
        total = bulk.done(self.client, job)
        if total is None:
            return  # the next pull asks again
        for rows, following in bulk.parts(self.client, job, description["fields"]):
            records = [self._record(object, row) for row in rows]
            if following is not None:
                yield Page(records, {"job": following.stored()}, total)
                continue
            start = keyset.back(job.mark)
            yield Page(records, {"stamp": job.mark, "low": start, "seen": {}}, total)
        bulk.forget(self.client, job)

    def _record(self, object: str, row: Mapping[str, Any]) -> Record:
        return record(object, row, self.settings.base_url, self.settings.hub_key_field)

    def fetch(self, object: str, ids: Sequence[str]) -> Sequence[Record]:
        """All fields of these records, also of those in the recycle bin."""
        name = self._sobject(object)
        wanted = [id18(id) for id in ids]
        readable = list(dict.fromkeys(id for id in wanted if is_id(id)))
        found = {item.id: item for item in self._complete(object, name, "Id", readable)}
        return [found.get(id) or gone(object, id) for id in wanted]

    def find(self, object: str, changes: Sequence[Change]) -> Sequence[Record | None]:
        """By our key in `hub_key_field`. A record that a person deleted since is still found."""
        name = self._sobject(object)
        field = self.settings.hub_key_field
        if field is None:
            raise UnsupportedError(f"{self.connection} has no hub_key_field to find creates by.")
        keys = list(dict.fromkeys(change.key for change in changes))
        found: dict[str, Record] = {}
        for item in self._complete(object, name, field, keys):
            key = str(item.data.get(field)).casefold()  # SOQL compares text without regard to case
            if key not in found or found[key].deleted:
                found[key] = item
        return [found.get(change.key.casefold()) for change in changes]

    def _complete(self, object: str, name: str, key: str, values: Sequence[str]) -> list[Record]:
        """Records whose `key` is one of `values`, with all their fields. Wide objects and long
        lists are read in as many queries as addresses can hold.
        """
        if not values:
            return []
        longest = max(len(quote(quoted(value))) + 3 for value in values)
        count = max(1, min(200, URL_BUDGET // 2 // longest))
        found: list[Record] = []
        for start in range(0, len(values), count):
            where = f"{key} IN {quoted_list(values[start : start + count])}"
            found += self._described(name, partial(self._wide, object, where))
        return found

    def _wide(self, object: str, where: str, description: Mapping[str, Any]) -> list[Record]:
        name = SOBJECTS[object]
        groups: list[list[str]] = [[]]
        for column in selection(description, None, self.settings.hub_key_field):
            if sum(len(c) + 4 for c in groups[-1]) + len(column) > URL_BUDGET // 2:
                groups.append(["Id"])
            groups[-1].append(column)
        merged: dict[str, dict[str, Any]] = {}
        for group in groups:
            for row in self._query(name, select(group, name, where)):
                _join(merged.setdefault(str(row["Id"]), {}), row)
        return [self._record(object, row) for row in merged.values() if "SystemModstamp" in row]

    def _page(self, object: str, name: str, fields: Collection[str], where: str) -> list[Record]:
        def read(description: Mapping[str, Any]) -> list[dict[str, Any]]:
            columns = selection(description, fields, self.settings.hub_key_field)
            size = self.settings.page_size
            return self._query(name, select(columns, name, where, "SystemModstamp, Id", size))

        return [self._record(object, row) for row in self._described(name, read)]

    def _with_winners(
        self, object: str, name: str, fields: Collection[str], records: list[Record]
    ) -> list[Record]:
        """The same records; before those that were merged into others come these, which know whom
        they took in.
        """
        losers: dict[str, list[str]] = {}
        for item in records:
            winner = item.data.get("MasterRecordId")
            if item.deleted and isinstance(winner, str) and is_id(winner):
                losers.setdefault(id18(winner), []).append(item.id)
        wanted = list(losers)
        winners: dict[str, Record] = {}
        size = min(MERGED, self.settings.page_size)
        for start in range(0, len(wanted), size):
            where = f"Id IN {quoted_list(wanted[start : start + size])}"
            for item in self._page(object, name, fields, where):
                winners[item.id] = replace(item, former=tuple(losers[item.id]))
        return [*winners.values(), *(item for item in records if item.id not in winners)]

    def _described(self, name: str, read: Callable[[Mapping[str, Any]], T]) -> T:
        """Read with the object's description, and with a new one if a field was removed or
        hidden since.
        """
        try:
            return read(self.client.describe(name))
        except UnknownField:
            self.client.forget(name)
            return read(self.client.describe(name))

    def _query(self, name: str, soql: str) -> list[dict[str, Any]]:
        return self.client.query(soql, deleted=name != "User")

    # ------------------------------------------------------------------------------------ sink

    def push(self, changes: Sequence[Change]) -> Sequence[Result]:
        if not changes:
            return []
        object = changes[0].object
        name = self._sobject(object)
        spec = self.objects[object]
        for change in changes:
            if change.object != object or change.op not in spec.push:
                raise UnsupportedError(f"Salesforce cannot {change.op} {change.object} here.")
        if len(changes) > spec.batch:
            raise UnsupportedError(f"{len(changes)} changes; Salesforce takes {spec.batch}.")
        return Batch(
            client=self.client,
            name=name,
            changes=changes,
            hub_key=self.settings.hub_key_field,
            known=lambda creates: self.find(object, creates),
            read=lambda ids: self.fetch(object, ids),
        ).run()

    # -------------------------------------------------------------------------------- receiver

    def verify(self, delivery: Delivery) -> str | None:
        """Outbound messages carry no signature: the proof is the token in the address, which the
        receiver has checked. What is left is whether it comes from the right org.

        A message that is no XML, or declares a DTD, passes unless `organization_id` is set, and
        fails in `parse`.
        """
        try:
            message = messages.read_message(delivery.body)
        except PayloadError as error:
            if self.settings.organization_id and error.place == messages.DTD:
                raise SignatureError(str(error), messages.DTD) from None
            if self.settings.organization_id:
                raise SignatureError("The message does not name the organisation.") from None
            return None
        wanted = self.settings.organization_id
        if wanted and message.organization != id18(wanted):
            raise SignatureError("The message comes from another Salesforce organisation.")
        return message.delivery_id

    @classmethod
    def proved_by(cls, settings: Mapping[str, Json]) -> Sequence[str]:
        return ("token",)

    def sign(self, delivery: Delivery, *, id: str = "") -> Delivery:
        """Salesforce cannot: the token in the address is all that it brings."""
        delivery = with_default(delivery, "content-type", "text/xml; charset=utf-8")
        delivery = with_default(delivery, "soapaction", '""')
        return sign_address(delivery, self.settings.webhook.token)

    def acknowledge(self, delivery: Delivery) -> Reply | None:
        """Without this very answer Salesforce sends the message again for 24 hours."""
        if delivery.method.upper() != "POST":
            return None
        return Reply(200, messages.ACK, {"content-type": "text/xml; charset=utf-8"})

    def parse(self, delivery: Delivery) -> Sequence[Parsed]:
        """Which records to read. Messages of objects we do not carry are ignored."""
        message = messages.read_message(delivery.body)
        ours = {name: object for object, name in SOBJECTS.items() if SPECS[object].webhook}
        named: dict[str, dict[str, None]] = {}
        for notification in message.notifications:
            if object := ours.get(notification.sobject):
                named.setdefault(object, {})[notification.record] = None
        return [Fetch(object, list(ids)) for object, ids in named.items()]

    def _sobject(self, object: str) -> str:
        self.spec(object)
        return SOBJECTS[object]


def _join(row: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Fields of one record that were read apart; a parent's may be in both."""
    for name, value in more.items():
        held = row.get(name)
        if isinstance(held, dict) and isinstance(value, dict):
            held.update(value)
        else:
            row[name] = value
