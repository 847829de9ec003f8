"""Mail as a connector: a push of `message` sends it, a pull reads what arrived.

SMTP has no idempotency key. The Message-ID is made of the change's key, so that a message whose
fate is unknown can be looked up in Sent before anyone thinks of sending it again.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import ClassVar, Self

from connectors.email.config import EmailConfig, ImapConfig, OAuthConfig, check_security
from connectors.email.fields import FIELDS
from connectors.email.imap import Arrived, Mailbox
from connectors.email.message import (
    KEY_HEADER,
    Composed,
    address_of,
    compose,
    message_id_of,
    read_message,
    safe_key,
)
from connectors.email.reading import attachment, origin_of
from connectors.email.session import Access
from connectors.email.smtp import Submission
from connectors.sdk import (
    AuthError,
    AuthorizationCode,
    Change,
    ClientCredentials,
    ConfigError,
    Connector,
    Field,
    NotFoundError,
    NotSentError,
    OAuth2,
    ObjectSpec,
    Outcome,
    Page,
    Record,
    RefreshToken,
    Result,
    Sink,
    Source,
    Tier,
    TransientError,
    UnsupportedError,
    Watcher,
)
from connectors.sdk.auth import Grant
from connectors.sdk.network import Destinations
from connectors.sdk.paging import digest
from connectors.sdk.pushing import push_each
from connectors.sdk.records import Cursor

__all__ = ["EmailConfig", "EmailConnector"]

PAGE = 50
RECENT = 300
"""How many Message-IDs a cursor remembers, to tell mails apart that bear the same."""
MESSAGE = "message"


class EmailConnector(Connector, Source, Watcher, Sink):
    """One mail account: a submission server, and the mailbox that answers come to."""

    name: ClassVar[str] = "email"
    names_people_by_email = True
    reaches_people_by = "email"
    title: ClassVar[str] = "E-mail"
    config = EmailConfig
    objects: ClassVar[dict[str, ObjectSpec]] = {
        MESSAGE: ObjectSpec(
            title="Message",
            pull=True,
            push=frozenset({"create"}),
            find=True,
            conclusive=True,
            batch=20,
        )
    }
    tier = Tier.GOLD
    sandbox: ClassVar[str] = "connectors.email.sandbox:EmailSandbox"
    settings: EmailConfig

    # ------------------------------------------------------------------------------------------
    # the account

    def setup(self) -> None:
        """Who signs in, and where to."""
        settings = self.settings
        self._access = Access(
            settings.deadline,
            Destinations(settings.networks),
            self._tokens(settings.auth) if settings.auth else None,
        )
        self._listening: set[Mailbox] = set()
        self._closed = False
        self._lock = threading.Lock()

    def _tokens(self, auth: OAuthConfig) -> OAuth2:
        grant: Grant
        if auth.authorize_url:
            # Google hands out a refresh token only if it is asked in these words
            extra = {"access_type": "offline", "prompt": "consent"}
            grant = AuthorizationCode(auth.authorize_url, auth.scope, extra)
        elif auth.refresh_token:
            grant = RefreshToken(auth.refresh_token)
        else:
            grant = ClientCredentials(auth.scope)
        return self.oauth2(
            auth.token_url,
            auth.client_id,
            grant,
            client_secret=auth.client_secret,
            client_auth="client_secret_post" if auth.client_secret else None,
        )

    def _address(self) -> str:
        try:
            return address_of(self.settings.from_address).addr_spec
        except ValueError as error:
            raise ConfigError(f"from_address: {error}.") from None

    def _submission(self) -> Submission:
        domain = self._address().rpartition("@")[2]
        return Submission(self.settings.smtp, domain, self._access)

    def _imap(self) -> ImapConfig:
        if self.settings.imap is None:
            raise UnsupportedError(
                f"The connection '{self.connection}' has no imap: it can send mail, not read it."
            )
        return self.settings.imap

    def check(self) -> None:
        """Log in to both servers and look for the folders."""
        self._address()
        imap = self.settings.imap
        check_security(self.settings.smtp, "smtp")
        if imap:
            check_security(imap, "imap")
        try:
            with self._submission():
                pass
            if imap:
                with Mailbox(imap, self._access) as mailbox:
                    mailbox.open(imap.mailbox)
                    mailbox.sent_folder()
        except TransientError as error:
            raise ConfigError(str(error)) from None

    def close(self) -> None:
        """End what listens, too."""
        with self._lock:
            self._closed = True
            for mailbox in self._listening:
                mailbox.interrupt()
        super().close()

    # ------------------------------------------------------------------------------------------
    # reading

    def discover(self, object: str) -> Sequence[Field]:
        """A message has the same fields in every account."""
        self.spec(object)
        return FIELDS

    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        """New mail by UID, and where a mapping reads `flags` and the server counts changes
        (CONDSTORE), mail whose flags changed. A new UIDVALIDITY means the server renumbered: all is
        read again, and records that are already known are recognised by their id.
        """
        self.spec(object)
        imap = self._imap()
        with Mailbox(imap, self._access) as mailbox:
            now = mailbox.open(imap.mailbox)
            known = cursor.get("uidvalidity") == now.uidvalidity
            last = _count(cursor, "uid") if known else 0
            modseq = _count(cursor, "modseq") if known else 0
            stored = cursor.get("recent")
            recent: dict[str, str] = dict(stored) if known and isinstance(stored, dict) else {}
            touched: list[int] = []
            if modseq and now.modseq > modseq and "flags" in fields:
                touched = [uid for uid in mailbox.touched(modseq) if uid <= last]
            nothing = known and now.uidnext and last + 1 >= now.uidnext
            found = touched + ([] if nothing else mailbox.after(last))
            here = {"uidvalidity": now.uidvalidity}
            for start in range(0, len(found), PAGE):
                uids = found[start : start + PAGE]
                records = [
                    self._record(mail, imap.mailbox, now.uidvalidity, recent)
                    for mail in mailbox.read(uids)
                ]
                last = max(last, uids[-1])
                recent = dict(list(recent.items())[-RECENT:])
                kept = {"modseq": modseq} if modseq else {}
                yield Page(records, {**here, "uid": last, "recent": recent, **kept})
            # beyond what was there when the folder was opened nothing is known
            end = {**here, "uid": max(last, now.uidnext - 1), "recent": recent}
            if now.modseq:
                end["modseq"] = now.modseq
            if end != dict(cursor) and (not found or end["uid"] != last or now.modseq != modseq):
                yield Page([], end)

    def _record(
        self, mail: Arrived, folder: str, validity: int, recent: dict[str, str] | None = None
    ) -> Record:
        """`recent`: where the last mails with each Message-ID came from; it is kept up to date."""
        id, data = read_message(
            mail.raw,
            own_address=self._address(),
            received_at=mail.received_at,
            error=mail.error,
        )
        if mail.error and not data["message_id"]:
            # its headers and size are the same when the server renumbers; without any, its place is
            content = hashlib.sha256(b"%d\n" % mail.size + mail.raw).hexdigest()
            id = f"sha256:{content}" if mail.raw else f"imap:{validity}:{mail.uid}"
        elif recent is not None and id == data["message_id"]:
            name, origin = digest(id), origin_of(mail.raw)
            first = recent.pop(name, origin)
            recent[name] = first
            if first != origin:  # a careless program gives all of its mails one Message-ID
                id = "sha256:" + hashlib.sha256(mail.raw).hexdigest()
        data |= {"mailbox": folder, "uid": mail.uid, "flags": list(mail.flags)}
        return Record(
            MESSAGE,
            id,
            data,
            address={"mailbox": folder, "uidvalidity": validity, "uid": mail.uid},
            updated_at=mail.received_at and mail.received_at.astimezone(UTC),
            actor=data["from"],
        )

    def wait(self, object: str, cursor: Cursor, timeout: float) -> bool:
        """Listens to the folder (IDLE)."""
        self.spec(object)
        imap = self._imap()
        with Mailbox(imap, self._access) as mailbox:
            now = mailbox.open(imap.mailbox)
            if (
                cursor.get("uidvalidity") != now.uidvalidity
                or _count(cursor, "uid") + 1 < now.uidnext
                or ("modseq" in cursor and _count(cursor, "modseq") < now.modseq)
            ):
                return True
            with self._lock:
                if self._closed:
                    return False
                self._listening.add(mailbox)
            try:
                return mailbox.listen(timeout)
            except TransientError:
                if self._closed:
                    return False
                raise
            finally:
                with self._lock:
                    self._listening.discard(mailbox)

    def find(self, object: str, changes: Sequence[Change]) -> Sequence[Record | None]:
        """The sent messages that carry these keys; None only where that proves they were not sent.

        Raises UnsupportedError where it cannot be settled: without a mailbox, or if the server does
        not file copies itself and there is none.
        """
        self.spec(object)
        imap = self._imap()
        result: list[Record | None] = []
        with Mailbox(imap, self._access) as mailbox:
            folder = mailbox.sent_folder()
            validity = mailbox.open(folder).uidvalidity
            for change in changes:
                message_id = message_id_of(change.key, self.settings.from_address)
                uids = mailbox.carrying(message_id, KEY_HEADER, safe_key(change.key))
                found = mailbox.read(uids[:10]) if uids else ()
                copies = [self._record(mail, folder, validity) for mail in found]
                mine = next((one for one in copies if _carries(one, message_id, change.key)), None)
                if mine is None and not self.settings.sent_by_server:
                    raise UnsupportedError(
                        f"Whether {message_id} was sent cannot be settled: there is no copy in "
                        f"'{folder}', but the connection may have been cut before it was filed."
                    )
                result.append(mine)
        return result

    def read(self, object: str, id: str) -> bytes:
        """An attachment's bytes; `id` is what `attachments` of a message says."""
        self.spec(object)
        imap = self._imap()
        message, _, number = id.rpartition("#")
        if not message.startswith("<") or not number.isdigit():
            raise NotFoundError(
                f"There is no attachment {id[:100]}; of a mail without a Message-ID none can be "
                f"found again."
            )
        with Mailbox(imap, self._access) as mailbox:
            mailbox.open(imap.mailbox)
            for mail in mailbox.read(mailbox.named(message)[:10]):
                found = None if mail.error else attachment(mail.raw, int(number))
                if found is not None:
                    return found
        raise NotFoundError(f"{message} or its attachment {number} is not in '{imap.mailbox}'.")

    # ------------------------------------------------------------------------------------------
    # sending

    def push(self, changes: Sequence[Change]) -> Sequence[Result]:
        """Send messages, one result each, over one connection as long as it holds."""
        self._address()
        for change in changes:
            if change.op not in self.spec(change.object).push:
                raise UnsupportedError("A sent message cannot be changed or taken back.")
        sent: list[Composed] = []
        with _Outgoing(self._submission) as outgoing:

            def send(change: Change) -> Result:
                message = compose(
                    change.key,
                    self.settings.from_address,
                    change.fields,
                    datetime.now(UTC),
                    self.settings.unsubscribe,
                    self.settings.plus_addresses,
                )
                result = outgoing.submission().send(message)
                if result.outcome is not Outcome.OK:
                    return result
                sent.append(message)
                return replace(result, record=self._sent(message))

            results = push_each(changes, send)
        if sent and not self.settings.sent_by_server and self.settings.imap:
            self._file(sent)
        return results

    def _sent(self, message: Composed) -> Record:
        id, data = read_message(message.raw, own_address=self._address())
        return Record(MESSAGE, id, data, actor=data["from"])

    def _file(self, messages: Sequence[Composed]) -> None:
        """Copies for Sent. A failure changes nothing about what was sent, so it is not raised."""
        try:
            with Mailbox(self._imap(), self._access) as mailbox:
                folder = mailbox.sent_folder()
                for message in messages:
                    mailbox.file(folder, message.raw)
        except (TransientError, AuthError, ConfigError):
            return


class _Outgoing:
    """The one connection of a batch, made when the first message is ready."""

    def __init__(self, make: Callable[[], Submission]) -> None:
        self._make = make
        self._open: Submission | None = None
        self._failed: NotSentError | None = None
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def submission(self) -> Submission:
        """Raises AuthError, ConfigError, or NotSentError: once lost, it stays so for the batch."""
        if self._open is None:
            try:
                self._open = self._closing.enter_context(self._make())
            except NotSentError as error:
                self._failed = error
        if self._failed:
            raise self._failed
        assert self._open is not None  # noqa: S101 - made above
        if not self._open.is_open:
            raise NotSentError("The connection closed before the turn of this message.")
        return self._open


def _count(cursor: Cursor, name: str) -> int:
    """A number of a cursor; 0 where it has none, or was written by something else."""
    value = cursor.get(name)
    return value if isinstance(value, int) else 0


def _carries(copy: Record, message_id: str, key: str) -> bool:
    # servers search headers for parts of words: another key may contain this one
    return copy.id == message_id or copy.data.get("key") == safe_key(key)
