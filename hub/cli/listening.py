"""`hub listen`: what comes to a connection's address, as it comes, check by check; refused requests
too. It reads the database, so it works beside a running hub.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli.following import watching
from hub.cli.moments import span_of
from hub.cli.output import example, fail, note, plain, print_json_line, safe_text
from hub.cli.session import ACTOR, having, opened

if TYPE_CHECKING:
    from hub.hub import Hub
    from hub.live import Snapshot

app = typer.Typer()
PATIENCE = 20.0
"""Seconds after which we say that a delivery still waits to be processed."""
SHOWN = 5
"""Requests to no connection that are shown at a time."""
CAPTURE = timedelta(seconds=60)
"""How long capture outlasts us if we are torn away; renewed while we listen."""


@app.command(
    rich_help_panel="Look and act",
    epilog=example(
        "hub listen github",
        "hub listen github --for 10m --json",
        "hub listen github --serve --port 8080",
        "hub listen crm --capture",
    ),
)
def listen(
    connection: Annotated[str, typer.Argument(metavar="CONNECTION", help="As hub.yaml has it.")],
    capture: Annotated[
        bool,
        typer.Option(
            "--capture", help="Have deliveries stored and not processed meanwhile, as samples."
        ),
    ] = False,
    serve: Annotated[
        bool, typer.Option("--serve", help="Take deliveries here, where no hub is running.")
    ] = False,
    port: Annotated[
        int, typer.Option(help="With --serve: where; 0 picks a free one.", min=0, max=65535)
    ] = 8080,
    last: Annotated[
        int, typer.Option(help="Begin with so many that are there already.", min=0, max=100)
    ] = 0,
    lasting: Annotated[
        str | None, typer.Option("--for", metavar="TIME", help="End after 30s, 10m or 2h.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Print what comes to a connection's address, with the verdict of each check, until Ctrl-C.

    A refused request shows which check it failed and what to do; its body is not kept, and secrets
    are never shown. It works beside a running hub; where none runs, --serve takes deliveries.
    """
    from hub.flow.lacking import open_ones

    seconds = span_of("--for", lasting).total_seconds() if lasting else None
    with opened() as hub, watching(seconds) as watch:
        with hub.database.read() as tx:
            trouble = open_ones(tx, [connection]).get(connection)
        if trouble and not json:  # before our own environment is asked: it may be another one
            note(f"The running hub says: {trouble}")
        settings = having(hub, connection).connector(connection).settings.webhook
        _can_receive(hub, connection)
        with _intake(hub, port, serve=serve) as address:
            if not json:
                _greet(connection, address, settings)
            with _capturing(hub, connection, wanted=capture) as renew:
                listener = Listener(hub, connection, json=json, last=last, processed=not serve)
                while True:
                    listener.look()
                    sys.stdout.flush()
                    if not watch.wait():
                        break
                    renew()
                listener.end()
        if capture and not json:
            _say_captured(connection, listener.count)


def _can_receive(hub: Hub, connection: str) -> None:
    from connectors.sdk import Receiver

    connector = having(hub, connection).connector(connection)
    if not isinstance(connector, Receiver):
        fail(
            f"{connector.title} sends no webhooks, so there is nothing to listen to; it is pulled:"
            f" hub pull {connection}"
        )


@contextmanager
def _intake(hub: Hub, port: int, *, serve: bool) -> Iterator[str]:
    """How senders reach the hub that runs, or our own intake. Stops where there is neither."""
    from hub import heartbeat

    running = heartbeat.address(hub)
    if running is not None:
        if serve:
            fail("a hub is running and takes deliveries; leave --serve away.", 2)
        yield hub.settings.public_url or running
        return
    if not serve:
        fail(
            "no hub is running here, so nothing can come. Start one in another terminal with: hub"
            " up; or take deliveries right here with: --serve"
        )
    from hub import serve as serving
    from hub.intake.alone import taking_deliveries

    sock = serving.listen("127.0.0.1", port)
    address = hub.settings.public_url or serving.address_of(sock)
    lock = nullcontext() if hub.settings.scaled else serving.alone(hub.settings.home)
    with lock, taking_deliveries(hub, sock, address):
        yield address


def _greet(connection: str, address: str, webhook: Any) -> None:
    path = f"{address}/webhooks/{connection}" + ("/TOKEN" if webhook.token else "")
    number = len(webhook.secret)
    proof = "without any proof (unsigned: true)" if webhook.unsigned else (
        f"signed with one of {number} secrets" if number > 1 else
        "signed with its secret" if number else
        "with the token in the address" if webhook.token else "that prove themselves otherwise"
    )  # fmt: skip
    note(f"Listening to {connection}: {path} takes deliveries {proof}. Ctrl-C ends.")
    if address.startswith(("http://127.", "http://localhost", "http://[::1]")):
        note(
            "A vendor cannot reach this address: it is of this machine alone. Put a tunnel or a"
            " proxy before it and set HUB_PUBLIC_URL, or test with: hub sign"
            f" {connection} FILE --send"
        )


@contextmanager
def _capturing(hub: Hub, connection: str, *, wanted: bool) -> Iterator[Callable[[], None]]:
    """Capture while we listen; call what is yielded now and then, so that it goes on."""
    if not wanted:
        yield lambda: None
        return
    from hub.flow.connections import capture

    def begin() -> None:
        with hub.unit() as unit, unit.acting(ACTOR):
            capture(unit, connection, CAPTURE)

    begin()
    begun = time.monotonic()

    def renew() -> None:
        nonlocal begun
        if time.monotonic() - begun > CAPTURE.total_seconds() / 3:
            from hub.store import running

            with hub.database.write() as tx:
                running.set_capture(tx, connection, CAPTURE)
            begun = time.monotonic()

    note("Capturing: from about a second from now on, deliveries are stored and not processed.")
    try:
        yield renew
    finally:
        with hub.unit() as unit, unit.acting(ACTOR):
            capture(unit, connection, None)


def _say_captured(connection: str, count: int) -> None:
    note(f"Capture has ended; {count} came. Look at them, build a mapping, then process them:")
    note(f"  hub deliveries --connection {connection} --status captured")
    note("  hub deliveries show ID --raw > samples/record.json")
    note("  hub preview MAPPING --delivery ID")
    note(f"  hub deliveries replay --connection {connection} --status captured")


class Listener:
    """Looks for what is new and prints it."""

    def __init__(
        self, hub: Hub, connection: str, *, json: bool, last: int, processed: bool
    ) -> None:
        from hub.store import notices
        from hub.store.delivered import Follower

        self.hub, self.connection, self.json = hub, connection, json
        self.processed = processed
        self.count = 0
        self._waiting: dict[str, float] = {}
        with hub.database.read() as tx:
            self._follower = Follower(tx, connection, last)
            before = notices.of(tx, connection, limit=last + 1)
            self._notice = (
                before[last]["position"] if len(before) > last
                else 0 if last else notices.newest(tx)
            )  # fmt: skip
            self._unknown = _unknown(tx)
            self._stranger = notices.newest(tx)
        self._refused = 0

    def look(self) -> None:
        """Print what has come since the last look."""
        from hub.store import delivered, notices

        with self.hub.database.read() as tx:
            rows = self._follower.look(tx)
            refused = notices.of(tx, self.connection, after=self._notice, limit=200)
            waiting = delivered.whole(tx, list(self._waiting))
            unknown = _unknown(tx)
            strangers = notices.of(tx, "", after=self._stranger, limit=200)
        if refused:
            self._notice = refused[-1]["position"]
        if strangers:
            self._stranger = strangers[-1]["position"]
        together: list[Any] = [*rows, *refused]
        for one in sorted(together, key=_came):
            if "body" in one:
                self._delivery(one)
            else:
                self._noticed(one)
        for row in waiting.values():
            self._watch(row)
        if unknown > self._unknown:
            self._elsewhere(unknown - self._unknown, strangers)
            self._unknown = unknown

    def end(self) -> None:
        """Say what is still open."""
        if self._waiting and not self.json and self.processed:
            note(f"{len(self._waiting)} still wait to be processed; see hub deliveries.")
        if not self.json:
            many = "1 delivery" if self.count == 1 else f"{self.count} deliveries"
            note(f"Seen: {many}, and {self._refused or 'no'} refused.")

    # ------------------------------------------------------------------------------- printing

    def _delivery(self, row: Any) -> None:
        from hub.flow.judged_again import checks, said

        self.count += 1
        snapshot = self.hub.live.current()
        found = checks(snapshot, row)
        records, unreadable = said(snapshot, row)
        spoken = _spoken(snapshot, records, unreadable)
        if row["status"] == "captured":
            spoken = f"{spoken}; captured, and not processed until it is replayed"
        elif self.processed:
            self._waiting[row["id"]] = time.monotonic()
        if self.json:
            what = "replayed" if row["replay_of"] else "accepted"
            self._line(what, row, checks=dict(found), parsed=spoken)
            return
        event = _event_of(row["headers"])
        named = f"{row['id']}{f'  {event}' if event else ''}"
        if row["replay_of"]:
            self._head(_came(row), "replayed", f"{named}  a copy of {row['replay_of']}")
        else:
            self._head(row["received_at"], "accepted", named)
        for name, verdict in [*found, ("parsed", spoken)]:
            self._check(name, verdict)

    def _noticed(self, row: Mapping[str, Any]) -> None:
        from hub import refusals

        if row["outcome"] != "refused":
            what = {
                "duplicate": "known already"
                + (f" as {row['reason']}" if row["reason"] else "")
                + ": answered 200 and not stored again",
                "handshake": "a handshake, answered as the vendor wants it",
            }[row["outcome"]]
            if self.json:
                self._line(row["outcome"], row)
            else:
                self._head(row["at"], row["outcome"], f"{row['method']} {row['path']}  {what}")
            return
        self._refused += 1
        what_to_do = refusals.remedy(self.connection, row)
        if self.json:
            self._line("refused", row, remedy=what_to_do)
            return
        origin = f"from {row['remote']}" if row["remote"] else ""
        size = f"{row['size']:,} bytes" if row["size"] is not None else ""
        self._head(row["at"], "REFUSED", "  ".join(filter(None, (row["code"], origin, size))))
        for name in refusals.PASSED.get(row["part"], ()):
            self._check(name, "ok")
        self._check(row["part"], f"FAILED: {row['reason'] or row['code'].replace('_', ' ')}")
        brought = ", ".join(row["headers"])
        if brought:
            self._check("headers", brought)
        if what_to_do:
            self._check("what to do", what_to_do)

    def _watch(self, row: Any) -> None:
        """Tell what became of a delivery, once that is settled."""
        from hub.flow.judged_again import fate
        from hub.store import delivered, inbox

        id = row["id"]
        patience = time.monotonic() - self._waiting[id] > PATIENCE
        if row["status"] == "accepted" and not patience:
            return
        with self.hub.database.read() as tx:
            became = fate(tx, self.hub.live.current(), inbox.delivery(tx, id))
            events = delivered.events_because_of(tx, id, row["received_at"])
        open_ = row["status"] == "accepted" or became.open
        if open_ and not patience:
            return
        del self._waiting[id]
        outcome = "still waits to be processed; is a worker running?" if open_ else row["status"]
        if self.json:
            self._line("outcome", row, became=became.records, exceptions=became.exceptions,
                       events=events)  # fmt: skip
            return
        bare = sorted({one["object"] for one in became.records if one["status"] == "unmapped"})
        why = f": {row['error']}" if row["error"] else ""
        if bare:
            taken = any(one["status"] != "unmapped" for one in became.records)
            why = f"  no mapping for {', '.join(bare)}: nothing {'of it ' if taken else ''}came in"
            outcome = outcome if taken else "not brought in"
        self._head(None, outcome, f"{id}{why}")
        for one in became.records:
            if one["status"] == "unmapped":
                continue
            entity = f" → {one['entity']}" if one["entity"] else ""
            wrong = f": {one['error']}" if one["error"] else ""
            what = f"{one['object']} {one['external_id']}{entity}  {one['status']}{wrong}"
            self._check("record", what)
        for event in events:
            self._check("event", f"{event['type']} {event['subject'] or ''}")
        for trouble in became.exceptions:
            self._check("exception", f"{trouble['id']} {trouble['title']}")

    def _elsewhere(self, number: int, seen: Sequence[Mapping[str, Any]]) -> None:
        """Requests to names that there are none of; a stranger writes them, so few are shown."""
        shown = [{"at": one["at"], "path": one["path"][:80]} for one in seen[-SHOWN:]]
        if self.json:
            print_json_line(plain({"what": "unknown_address", "count": number, "asked": shown}))
            return
        for one in shown:
            self._head(one["at"], "unknown", f"{one['path']}  names no connection")
        many = "A request" if number == 1 else f"{number} requests"
        note(
            f"{many} came to an address under /webhooks/ that names no connection which takes"
            f" deliveries. If it should have been this one: the address is /webhooks/"
            f"{self.connection}"
        )

    def _line(self, what: str, row: Mapping[str, Any], **more: Any) -> None:
        hidden = ("body", "body_hash", "position", "dedupe", "lane", "fence", "claims",
                  "lease_until", "next_attempt_at")  # fmt: skip
        shown = {name: value for name, value in row.items() if name not in hidden}
        print_json_line(plain({"what": what, **shown, **more}))

    def _head(self, at: Any, what: str, said: str) -> None:
        moment = f"{at.astimezone():%H:%M:%S}" if at is not None else " " * 8
        typer.echo(safe_text(f"{moment}  {_coloured(what)}  {said}"))

    def _check(self, name: str, verdict: str) -> None:
        typer.echo(safe_text(f"          {name.ljust(12)}{verdict}"))


def _came(row: Mapping[str, Any]) -> datetime:
    """When a delivery or a notice came; a replay comes when it is made."""
    from hub.ids import born

    if row.get("replay_of"):
        return born(row["id"])
    moment: datetime = row["received_at"] if "received_at" in row else row["at"]
    return moment


def _unknown(tx: Any) -> int:
    from hub.store import notices

    return sum(one.count for one in notices.counts(tx, ""))


def _event_of(headers: Mapping[str, str]) -> str:
    """The vendor's word for what happened, where a header has it."""
    return next((value for name, value in headers.items() if name.endswith("-event")), "")


def _spoken(snapshot: Snapshot, records: list[Any], unreadable: str) -> str:
    from hub.flow.judged_again import unmapped

    if unreadable:
        return f"NOT READABLE: {unreadable}"
    if not records:
        return "nothing to bring in: an event that the connector knows and ignores"
    words = {"state": "", "fetch": " (to be read)", "pull": " (to be pulled)", "answer": ""}
    shown = [
        f"{one.object} {one.external_id}".strip() + words.get(one.kind, "") for one in records[:5]
    ]
    more = f" and {len(records) - 5} more" if len(records) > 5 else ""
    bare = {
        one.object for one in records if unmapped(snapshot, one.connection, one.object, one.kind)
    }
    bare_words = f"; NOT MAPPED, so not brought in: {', '.join(sorted(bare))}" if bare else ""
    return f"{', '.join(shown)}{more}{bare_words}"


def _coloured(what: str) -> str:
    import os

    if not sys.stdout.isatty() or "NO_COLOR" in os.environ:
        return what
    bad = what in ("REFUSED", "quarantined")
    return typer.style(what, fg=typer.colors.RED if bad else typer.colors.GREEN)
