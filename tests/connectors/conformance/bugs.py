"""One connector for each check, with one bug seeded: it must fail that check and no other."""

from __future__ import annotations

import hmac
import json
import logging
import socket
import threading
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import httpx

from connectors.sdk import (
    AuthError,
    Bearer,
    Change,
    ConfigError,
    Connector,
    ConnectorError,
    Delivery,
    Field,
    HttpClient,
    HttpResponse,
    NotFoundError,
    ObjectSpec,
    Outcome,
    Page,
    Parsed,
    PayloadError,
    RateLimitError,
    Record,
    RejectedError,
    Reply,
    Result,
    Subscription,
    TransientError,
)
from connectors.sdk.host import Token
from connectors.sdk.network import Destinations
from connectors.sdk.paging import Listed, Mark, follow, walk
from connectors.sdk.records import Cursor, Json
from connectors.sdk.signatures import check_fresh, check_hmac
from hub_acme.connector import (
    BASE_URL,
    LATE,
    AcmeConfig,
    _earlier,
    _id,
    _record,
    _updated,
)
from tests.connectors.conformance.vendor import (
    TICKETS,
    Sound,
    SoundOAuth,
    SoundWithComments,
)

BUGS: dict[str, type[Connector]] = {}


def bug(check: str) -> Callable[[type[Connector]], type[Connector]]:
    """This connector fails that check."""

    def add(cls: type[Connector]) -> type[Connector]:
        assert check not in BUGS
        BUGS[check] = cls
        return cls

    return add


def ticket(**changes: Any) -> dict[str, ObjectSpec]:
    return {"ticket": replace(TICKETS["ticket"], **changes)}


# ------------------------------------------------------------------------------------------ basics


@bug("declares-what-it-is")
class ProvesWithoutLooking(Sound):
    objects: ClassVar[dict[str, ObjectSpec]] = ticket(find=False, conclusive=True)


class SecretiveConfig(AcmeConfig):
    colour: str = "blue"


@bug("documents-its-settings")
class KeepsASettingToItself(Sound):
    config = SecretiveConfig


@bug("builds-without-asking")
class AsksWhileItIsBuilt(Sound):
    def setup(self) -> None:
        super().setup()
        with suppress(ConnectorError):
            self.api.request("GET", "/me")


@bug("accepts-good-credentials")
class DislikesNewAccounts(Sound):
    def check(self) -> None:
        if not self._get("/tickets")["tickets"]:
            raise ConfigError("This account shows us no tickets at all.")


@bug("refuses-bad-credentials")
class HopesCredentialsGetBetter(Sound):
    def check(self) -> None:
        try:
            super().check()
        except AuthError as error:
            raise TransientError(str(error)) from None


@bug("keeps-secrets-to-itself")
class TalksInTheLog(Sound):
    def check(self) -> None:
        token = self.settings.auth.token.get_secret_value()
        logging.getLogger("acme").debug("signing in with %s", token)
        super().check()


class Anywhere(Destinations):
    def addresses(self, host: str, port: int, timeout: float | None = None) -> list[str]:
        return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port)]


@bug("stays-in-bounds")
class GoesAnywhere(Sound):
    def setup(self) -> None:
        self.api = HttpClient(
            self.settings.base_url or BASE_URL,
            title=self.title,
            auth=Bearer(self.settings.auth.token),
            deadline=self.settings.deadline,
            destinations=Anywhere(),
        )
        self._closing.callback(self.api.close)


@bug("discovers-fields")
class CallsEveryFieldReadOnly(Sound):
    def discover(self, object: str) -> Sequence[Field]:
        return [replace(one, writable=False) for one in super().discover(object)]


@bug("knows-its-objects")
class FindsNothingInWhatItDoesNotKnow(Sound):
    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        if object in self.objects:
            yield from super().pull(object, cursor, fields)


@bug("reads-without-writing")
class LeavesATrace(Sound):
    def check(self) -> None:
        super().check()
        self.api.request("POST", "/seen")


# ----------------------------------------------------------------------------------------- pulling


class Altered(Sound):
    """Changes each record that is pulled."""

    def altered(self, record: Record) -> Record:
        raise NotImplementedError

    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        for page in super().pull(object, cursor, fields):
            yield Page([self.altered(one) for one in page.records], page.cursor)


@bug("pulls-everything")
class ForgetsTheZone(Altered):
    def altered(self, record: Record) -> Record:
        naive = record.updated_at.replace(tzinfo=None) if record.updated_at else None
        return replace(record, updated_at=naive)


@bug("pulls-oldest-first")
class TurnsPagesAround(Sound):
    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        for page in super().pull(object, cursor, fields):
            yield Page(page.records[::-1], page.cursor)


@bug("keeps-cursors-small")
class KeepsADiary(Sound):
    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        for page in super().pull(object, cursor, fields):
            yield Page(page.records, {**page.cursor, "diary": "dear diary " * 6000})


@bug("resumes-anywhere")
class NotesOnlyTheEnd(Sound):
    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        held: Page | None = None
        for page in super().pull(object, cursor, fields):
            if held is not None:
                yield Page(held.records, cursor)
            held = page
        if held is not None:
            yield held


@bug("sees-changes")
class TrustsItsOwnClockLater(Sound):
    """The first pull takes the vendor's times, every later one ours, an hour ahead."""

    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        delivered = False
        for page in super().pull(object, cursor, fields):
            delivered = delivered or bool(page.records)
            yield page
        if cursor and delivered:
            yield Page([], {"since": _stamp(datetime.now(UTC) + timedelta(hours=1)), "seen": {}})


@bug("comes-to-rest")
class FidgetsWithNothingToDo(Sound):
    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        fresh = False
        for page in super().pull(object, cursor, fields):
            fresh = fresh or bool(page.records)
            yield page
        for _ in range(120 if cursor and not fresh else 0):
            self._get("/me")


class OwnWalk(Sound):
    """Reads with the SDK's walk over a question of its own."""

    def ask(self, object: str, since: str, next: Json) -> Listed:
        params: dict[str, str | int] = {"updated_since": since} if since else {}
        if next is not None:
            params["after"] = str(next)
        answer = self._get(f"/{object}s", params)
        return Listed(self._rows(answer, f"{object}s"), answer.get("next"))

    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        self.spec(object)
        for rows, mark in walk(
            lambda since, next: self.ask(object, since, next),
            Mark.of(cursor),
            id=_id,
            stamp=_updated,
            back=_earlier,
            place="the list",
            drifts=False,
        ):
            yield Page([_record(object, row) for row in rows], mark.stored())


@bug("survives-equal-times")
class TakesEqualTimesForTheSame(OwnWalk):
    def ask(self, object: str, since: str, next: Json) -> Listed:
        page = super().ask(object, since, next)
        return Listed(list({row["updated_at"]: row for row in page.rows}.values()), page.next)


@bug("survives-moving-pages")
class PagesByOffset(Sound):
    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        self.spec(object)
        since = cursor["since"] if set(cursor) == {"since", "last"} else ""

        def ask(next: Json) -> Listed:
            start = int(next or 0)
            answer = self._get("/tickets", {"offset": start, "updated_since": since})
            rows, following = self._rows(answer, "tickets"), start + 20
            return Listed(rows, following if following < answer["total"] else None)

        for page in follow(ask, "the list", counted=True):
            known = (since, cursor.get("last"))
            if rows := [row for row in page.rows if (row["updated_at"], row["id"]) != known]:
                last = rows[-1]
                records = [_record(object, row) for row in rows]
                yield Page(records, {"since": last["updated_at"], "last": last["id"]})


@bug("fetches-records")
class FetchesHalf(Sound):
    def fetch(self, object: str, ids: Sequence[str]) -> Sequence[Record]:
        return [
            replace(one, data={name: one.data[name] for name in one.data if name != "text"})
            for one in super().fetch(object, ids)
        ]


@bug("names-parents")
class NamesParentsByAddress(SoundWithComments):
    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        for page in super().pull(object, cursor, fields):
            records = [
                replace(one, parent=f"https://acme.example/tickets/{one.parent}")
                if one.parent
                else one
                for one in page.records
            ]
            yield Page(records, page.cursor)


@bug("reads-page-by-page")
class ReadsEverythingFirst(Sound):
    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        yield from list(super().pull(object, cursor, fields))


class Trusting(Sound):
    """Follows links as long as there are any."""

    stops_when_empty = False

    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        self.spec(object)
        after: Json = cursor.get("after")
        while True:
            answer = self._get(f"/{object}s", {"after": after} if after else {})
            rows = self._rows(answer, f"{object}s")
            if not rows and self.stops_when_empty:
                return
            if rows:
                after = f"{rows[-1]['updated_at']}|{rows[-1]['id']}"
                yield Page([_record(object, row) for row in rows], {"after": after})
            if answer.get("next") is None:
                return
            after = answer["next"]


@bug("ends-at-circles")
class FollowsEveryLink(Trusting):
    pass


@bug("survives-hollow-pages")
class StopsAtTheFirstEmptyPage(OwnWalk):
    def ask(self, object: str, since: str, next: Json) -> Listed:
        page = super().ask(object, since, next)
        return page if page.rows else Listed([], None)


@bug("survives-clock-skew")
class TakesOurTime(Sound):
    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        for page in super().pull(object, cursor, fields):
            ours = _stamp(datetime.now(UTC) + LATE - timedelta(seconds=20))
            since = max(str(page.cursor["since"]), ours) if page.records else page.cursor["since"]
            yield Page(page.records, {**page.cursor, "since": since})


@bug("survives-lag")
class BeginsNow(Sound):
    """Until something was seen, the mark is our clock."""

    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        seen = bool(cursor.get("seen"))
        for page in super().pull(object, cursor, fields):
            seen = seen or bool(page.records)
            yield page
        if not seen:
            yield Page([], {"since": _stamp(datetime.now(UTC) + LATE), "seen": {}})


@bug("survives-lost-cursors")
class BelievesTokensLast(Sound):
    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        if isinstance(cursor.get("epoch"), int):
            self._get("/tickets", {"epoch": cursor["epoch"], "limit": 1})
        for page in super().pull(object, cursor, fields):
            epoch = cursor.get("epoch") or self._get("/tickets", {"limit": 1})["epoch"]
            yield Page(page.records, {**page.cursor, "epoch": epoch})


@bug("follows-moves")
class KeepsTheOldAddress(Altered):
    def altered(self, record: Record) -> Record:
        return replace(record, address={"desk": "main"})


@bug("shows-deletions")
class NeverSeesThemGo(Altered):
    objects: ClassVar[dict[str, ObjectSpec]] = ticket(deletes="swept")

    def altered(self, record: Record) -> Record:
        return replace(record, deleted=False)


@bug("forgets-deletions")
class ListsTheDeadAtFirst(Sound):
    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        for page in super().pull(object, cursor, fields):
            if cursor:
                yield page
                continue
            alive = [replace(one, deleted=False) for one in page.records]
            yield replace(page, records=alive)


@bug("works-in-threads")
class OneAtATime(Sound):
    def setup(self) -> None:
        super().setup()
        self._busy = False

    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        if self._busy:
            raise TransientError("Somebody else is reading.")
        self._busy = True
        try:
            yield from super().pull(object, cursor, fields)
        finally:
            self._busy = False


# ----------------------------------------------------------------------------------------- pushing


class Retold(Sound):
    """Changes what is said of each write."""

    def retold(self, change: Change, result: Result) -> Result:
        raise NotImplementedError

    def push(self, changes: Sequence[Change]) -> Sequence[Result]:
        results = super().push(changes)
        return [self.retold(*pair) for pair in zip(changes, results, strict=True)]


@bug("creates")
class NamesAnotherKind(Retold):
    def retold(self, change: Change, result: Result) -> Result:
        if change.op != "create" or result.record is None:
            return result
        return replace(result, record=replace(result.record, object="record"))


@bug("updates")
class WritesEverythingBack(Sound):
    def push(self, changes: Sequence[Change]) -> Sequence[Result]:
        writable = ("subject", "text", "owner", "due_on")
        return super().push(
            [
                replace(
                    one, fields={**{name: one.base.get(name) for name in writable}, **one.fields}
                )
                if one.op == "update" and one.base
                else one
                for one in changes
            ]
        )


@bug("shows-what-the-vendor-holds")
class MakesUpTheVersion(Retold):
    def retold(self, change: Change, result: Result) -> Result:
        done = result.record is not None and change.op == "update"
        if not done or any(result.record.data[name] != it for name, it in change.fields.items()):  # type: ignore[union-attr]
            return result
        assert result.record is not None
        return replace(result, record=replace(result.record, version=_stamp(datetime.now(UTC))))


@bug("tells-silent-refusals")
class ShowsWhatItMeant(Retold):
    def retold(self, change: Change, result: Result) -> Result:
        if change.op != "update" or result.record is None:
            return result
        data = {**result.record.data, **change.fields}
        return replace(result, record=replace(result.record, data=data))


@bug("repeats-without-doubling")
class SaysNothingTheSecondTime(Sound):
    def _result(self, object: str, part: Any) -> Result:
        result = super()._result(object, part)
        known = part.get("status") == 200 and (result.record and result.record.key)
        return Result(Outcome.OK) if known and self._creating else result

    _creating = False

    def push(self, changes: Sequence[Change]) -> Sequence[Result]:
        self._creating = changes[0].op == "create"
        return [
            replace(one, outcome=Outcome.UNKNOWN)
            if one.outcome is Outcome.RETRY and "reached" not in one.message
            else one
            for one in super().push(changes)
        ]


@bug("finds-only-its-own")
class FindsByBeginning(Sound):
    def find(self, object: str, changes: Sequence[Change]) -> Sequence[Record | None]:
        exact = super().find(object, changes)
        everything = [one for page in self.pull(object, {}, ()) for one in page.records]
        return [
            found
            or next((one for one in everything if (one.key or "").startswith(change.key)), None)
            for found, change in zip(exact, changes, strict=True)
        ]


@bug("updates-again-without-harm")
class CallsItAConflict(Sound):
    def push(self, changes: Sequence[Change]) -> Sequence[Result]:
        if changes[0].op == "update":
            (held,) = self.fetch(changes[0].object, [changes[0].id or ""])
            if all(held.data.get(name) == value for name, value in changes[0].fields.items()):
                return [Result(Outcome.CONFLICT, held, "Somebody was faster.")]
        return super().push(changes)


def _cut(result: Result) -> bool:
    return "disconnected without" in result.message


@bug("admits-lost-answers")
class TriesAgainByItself(Sound):
    def push(self, changes: Sequence[Change]) -> Sequence[Result]:
        results = super().push(changes)
        if any(_cut(one) for one in results):
            return super().push([replace(one, key=f"{one.key}-again") for one in changes])
        return results


@bug("knows-what-was-not-sent")
class HopesForTheBest(Retold):
    def retold(self, change: Change, result: Result) -> Result:
        return Result(Outcome.OK) if _cut(result) else result


@bug("waits-for-a-dead-vendor")
class DoubtsWhatNeverLeft(Retold):
    def retold(self, change: Change, result: Result) -> Result:
        unsent = "cannot be reached" in result.message
        return replace(result, outcome=Outcome.UNKNOWN) if unsent else result


@bug("tells-refusals")
class SaysJustNo(Retold):
    def retold(self, change: Change, result: Result) -> Result:
        return replace(result, message="") if result.outcome is Outcome.REJECTED else result


@bug("notices-missing-records")
class CallsGoneRefused(Retold):
    def retold(self, change: Change, result: Result) -> Result:
        gone = result.outcome is Outcome.MISSING and change.op == "update"
        return replace(result, outcome=Outcome.REJECTED) if gone else result


@bug("deletes")
class MindsDeletingTwice(Retold):
    def retold(self, change: Change, result: Result) -> Result:
        gone = result.outcome is Outcome.MISSING and change.op == "delete"
        return replace(result, outcome=Outcome.REJECTED) if gone else result


@bug("fills-a-batch")
class OneByOne(Sound):
    def push(self, changes: Sequence[Change]) -> Sequence[Result]:
        return [result for one in changes for result in super(OneByOne, self).push([one])]


@bug("tells-parts-of-a-batch-apart")
class SortsTheBadLast(Sound):
    def push(self, changes: Sequence[Change]) -> Sequence[Result]:
        return sorted(super().push(changes), key=lambda one: one.outcome is Outcome.REJECTED)


@bug("keeps-the-order")
class FindsInTheVendorsOrder(Sound):
    def find(self, object: str, changes: Sequence[Change]) -> Sequence[Record | None]:
        found = [one for one in super().find(object, changes) if one is not None]
        found.sort(key=lambda one: one.version or "")
        return [*found, *[None] * (len(changes) - len(found))]


@bug("does-not-overclaim-find")
class SearchesWhereItLags(Sound):
    objects: ClassVar[dict[str, ObjectSpec]] = ticket(conclusive=True)

    def find(self, object: str, changes: Sequence[Change]) -> Sequence[Record | None]:
        listed = {one.key: one for page in self.pull(object, {}, ()) for one in page.records}
        return [listed.get(change.key) for change in changes]


# ----------------------------------------------------------------------------------------- trouble


class Explained(Sound):
    """Reads failed answers in its own way."""

    def explain(self, response: HttpResponse) -> ConnectorError | None:
        raise NotImplementedError

    def setup(self) -> None:
        self.api = self.http(
            self.settings.base_url or BASE_URL,
            auth=Bearer(self.settings.auth.token),
            explain=self.explain,
        )


@bug("slows-down-when-asked")
class WaitsAMinuteToRead(Explained):
    def explain(self, response: HttpResponse) -> ConnectorError | None:
        slow = response.status == 429 and response.method == "GET"
        return RateLimitError("Acme Desk asks us to slow down.", 60) if slow else None


@bug("puts-off-writes-when-asked")
class WaitsAMinuteToWrite(Explained):
    def explain(self, response: HttpResponse) -> ConnectorError | None:
        slow = response.status == 429 and response.method == "POST"
        return RateLimitError("Acme Desk asks us to slow down.", 60) if slow else None


@bug("outlasts-server-errors")
class TakesServerErrorsPersonally(Explained):
    def explain(self, response: HttpResponse) -> ConnectorError | None:
        bad = response.status in (500, 502) and response.method == "GET"
        return RejectedError("Acme Desk refused to answer.") if bad else None


@bug("does-not-trust-failed-writes")
class TakesServerErrorsForRefusals(Sound):
    def push(self, changes: Sequence[Change]) -> Sequence[Result]:
        return [
            replace(one, outcome=Outcome.REJECTED) if " answered 50" in one.message else one
            for one in super().push(changes)
        ]


@bug("ends-at-the-deadline")
class HasAllTheTimeInTheWorld(Sound):
    def setup(self) -> None:
        super().setup()
        self.api.deadline = 9.0


@bug("names-spoilt-answers")
class TakesPagesForNothing(Sound):
    def _get(self, path: str, params: Mapping[str, str | int] | None = None) -> Any:
        try:
            return super()._get(path, params)
        except PayloadError:
            return {"tickets": [], "comments": [], "next": None}


@bug("does-not-trust-spoilt-answers")
class TakesPagesForRefusals(Retold):
    def retold(self, change: Change, result: Result) -> Result:
        spoilt = "JSON" in result.message or "without a list" in result.message
        return replace(result, outcome=Outcome.REJECTED) if spoilt else result


@bug("follows-no-redirects")
class FollowsTheRedirect(Explained):
    def explain(self, response: HttpResponse) -> ConnectorError | None:
        if response.status == 302:
            with suppress(httpx.HTTPError):
                httpx.get(response.headers["location"], timeout=0.3, trust_env=False)
        return None


@bug("notices-dead-credentials")
class TriesDeadCredentialsAgain(Explained):
    def explain(self, response: HttpResponse) -> ConnectorError | None:
        dead = response.status == 401 and response.path == "/tickets"
        return TransientError("Acme Desk does not let us in right now.") if dead else None


@bug("renews-tokens")
class DropsTheRequestThatRenewed(SoundOAuth):
    def setup(self) -> None:
        super().setup()
        renewing = self.signing_in.auth_flow

        def auth_flow(request: httpx.Request) -> Any:
            steps = renewing(request)
            response = yield next(steps)
            with suppress(StopIteration):
                steps.send(response)  # the token is new, the request is not sent again

        self.signing_in.auth_flow = auth_flow  # type: ignore[method-assign]


@bug("renews-tokens-once")
class EverybodyRenews(SoundOAuth):
    """Whoever hears 401 asks for a token of its own, without looking what others did."""

    def setup(self) -> None:
        super().setup()
        signing_in, renewed = self.signing_in, self.signing_in.renew
        together = threading.Barrier(6)

        def renew(stale: Token | None) -> Token:
            if stale is None:
                return renewed(stale)
            with suppress(threading.BrokenBarrierError):
                together.wait(3)
            token = signing_in._next(None)
            self.host.vault.save(self.connection, token)
            return token

        signing_in.renew = renew  # type: ignore[method-assign]


# ---------------------------------------------------------------------------------------- webhooks


class Misread(Sound):
    """Makes something else of each delivery."""

    def misread(self, record: Record) -> Sequence[Parsed]:
        raise NotImplementedError

    def parse(self, delivery: Delivery) -> Sequence[Parsed]:
        return [
            other
            for one in super().parse(delivery)
            for other in (self.misread(one) if isinstance(one, Record) else [one])
        ]


@bug("understands-webhooks")
class NamesOtherRecords(Misread):
    def misread(self, record: Record) -> Sequence[Parsed]:
        return [replace(record, id=f"ticket-{record.id}")]


@bug("tells-deletions")
class OverlooksDeletions(Misread):
    def misread(self, record: Record) -> Sequence[Parsed]:
        return [] if record.deleted else [record]

    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        for page in super().pull(object, cursor, fields):
            yield Page([one for one in page.records if not one.deleted], page.cursor)


@bug("refuses-forgeries")
class StumblesOverOddHeaders(Sound):
    def verify(self, delivery: Delivery) -> str | None:
        hmac.compare_digest(delivery.headers.get("x-acme-signature", ""), "a" * 64)
        return super().verify(delivery)


class OwnVerify(Sound):
    """Verifies by parts that the bugs below replace."""

    def secrets(self) -> list[Any]:
        return list(self.settings.webhook.secret)

    def signed(self, delivery: Delivery) -> bytes:
        return delivery.body

    def fresh(self, delivery: Delivery) -> None:
        check_fresh(delivery.headers.get("x-acme-timestamp", ""), delivery.received_at)

    def verify(self, delivery: Delivery) -> str | None:
        signature = delivery.headers.get("x-acme-signature", "")
        stamp = delivery.headers.get("x-acme-timestamp", "")
        base = stamp.encode() + b"." + self.signed(delivery)
        check_hmac(base, self.secrets(), [signature] if signature else [])
        self.fresh(delivery)
        return delivery.headers.get("x-acme-delivery")


@bug("verifies-the-very-bytes")
class DropsForeignLetters(OwnVerify):
    def signed(self, delivery: Delivery) -> bytes:
        return delivery.body.decode("ascii", "ignore").encode()


@bug("takes-several-secrets")
class KnowsOneSecret(OwnVerify):
    def secrets(self) -> list[Any]:
        return super().secrets()[:1]


@bug("needs-a-secret")
class LetsEverybodyIn(OwnVerify):
    def verify(self, delivery: Delivery) -> str | None:
        if not any(secret.get_secret_value() for secret in self.secrets()):
            return delivery.headers.get("x-acme-delivery")
        return super().verify(delivery)


@bug("minds-the-time")
class HasNoClock(OwnVerify):
    def fresh(self, delivery: Delivery) -> None:
        return None


@bug("judges-by-arrival")
class JudgesByNow(OwnVerify):
    def fresh(self, delivery: Delivery) -> None:
        check_fresh(delivery.headers.get("x-acme-timestamp", ""), datetime.now(UTC))


@bug("survives-junk")
class TrustsEveryBody(Sound):
    def parse(self, delivery: Delivery) -> Sequence[Parsed]:
        json.loads(delivery.body)
        return super().parse(delivery)


@bug("reads-the-same-twice")
class AsksWhileItReads(Sound):
    def parse(self, delivery: Delivery) -> Sequence[Parsed]:
        self._get("/me")
        return super().parse(delivery)


@bug("names-deliveries")
class NamesAllTheSame(Sound):
    def verify(self, delivery: Delivery) -> str | None:
        super().verify(delivery)
        return self.connection


@bug("answers-handshakes")
class ShakesNoHands(Sound):
    def handshake(self, delivery: Delivery) -> Reply | None:
        return None


@bug("subscribes-once")
class SubscribesAgainAndAgain(Sound):
    def subscribe(self, url: str) -> Subscription:
        return super().subscribe(f"{url}?{uuid.uuid4().hex}")


@bug("renews-subscriptions")
class KeepsTryingToRenew(Sound):
    def renew(self, subscription: Subscription) -> Subscription:
        try:
            return super().renew(subscription)
        except NotFoundError as error:
            raise TransientError(str(error)) from None


# ---------------------------------------------------------------------------------------- mappings


@bug("keeps-its-examples")
class BreaksItsPromise(Sound):
    __module__ = "tests.connectors.conformance.wrong_example.connector"


@bug("maps-what-it-pulls")
class ReadsTextAsANumber(Sound):
    __module__ = "tests.connectors.conformance.wrong_field.connector"


@bug("maps-there-and-back")
class WritesElsewhere(Sound):
    __module__ = "tests.connectors.conformance.wrong_way.connector"


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
