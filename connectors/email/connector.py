"""Mail as a connector: a push of `message` sends it, a pull reads what arrived.

SMTP has no idempotency key. The Message-ID is made of the change's key, so that a message whose
fate is unknown can be looked up in Sent before anyone thinks of sending it again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import ClassVar

from connectors.email.config import EmailConfig, ImapConfig, check_security
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
from connectors.email.smtp import Submission
from connectors.sdk import (
    AuthError,
    Change,
    ConfigError,
    Connector,
    Field,
    ObjectSpec,
    Outcome,
    Page,
    Record,
    RejectedError,
    Result,
    Sink,
    Source,
    TransientError,
    UnsupportedError,
)
from connectors.sdk.records import Cursor

__all__ = ["EmailConfig", "EmailConnector"]

PAGE = 50
MESSAGE = "message"

_FIELDS = (
    Field("message_id", "text", "Message-ID", writable=False),
    Field("from", "user", "From", writable=False),
    Field("from_name", "text", "Sender's name", writable=False),
    Field("to", "list", "To", required=True),
    Field("cc", "list", "Cc"),
    Field("subject", "text", "Subject"),
    Field("text", "text", "Text"),
    Field("html", "text", "HTML (only when sending)"),
    Field("reply", "text", "Text without quotes and signature", writable=False),
    Field("in_reply_to", "text", "Message-ID of the mail it answers"),
    Field("references", "list", "Message-IDs of the thread"),
    Field("reply_to", "list", "Where answers go (only when sending)"),
    Field("headers", "object", "Further headers (only when sending)"),
    Field("date", "datetime", "Date the sender claims", writable=False),
    Field("received_at", "datetime", "When the server received it", writable=False),
    Field("auto_submitted", "boolean", "Sent by a machine", writable=False),
    Field("bounce", "object", "What a delivery report says", writable=False),
    Field("attachments", "list", "Attachments: name, type, size", writable=False),
    Field("mailbox", "text", "Folder", writable=False),
    Field("uid", "number", "UID in the folder", writable=False),
    Field("own", "boolean", "Our own message, come back", writable=False),
)


class EmailConnector(Connector, Source, Sink):
    """One mail account: a submission server, and the mailbox that answers come to."""

    name: ClassVar[str] = "email"
    names_people_by_email = True
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
    sandbox: ClassVar[str] = "connectors.email.sandbox:EmailSandbox"
    settings: EmailConfig

    # ------------------------------------------------------------------------------------------
    # the account

    def _address(self) -> str:
        try:
            return address_of(self.settings.from_address).addr_spec
        except ValueError as error:
            raise ConfigError(f"from_address: {error}.") from None

    def _submission(self) -> Submission:
        return Submission(self.settings.smtp, self._address().rpartition("@")[2])

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
                with Mailbox(imap) as mailbox:
                    mailbox.open(imap.mailbox)
                    mailbox.sent_folder()
        except TransientError as error:
            raise ConfigError(str(error)) from None

    # ------------------------------------------------------------------------------------------
    # reading

    def discover(self, object: str) -> Sequence[Field]:
        """A message has the same fields in every account."""
        _known(object)
        return _FIELDS

    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        """New mail by UID. A new UIDVALIDITY means the server renumbered: all is read again, and
        records that are already known are recognised by their id.
        """
        _known(object)
        imap = self._imap()
        with Mailbox(imap) as mailbox:
            validity, following = mailbox.open(imap.mailbox)
            known = cursor.get("uidvalidity") == validity
            last = int(cursor.get("uid", 0)) if known else 0
            if known and following and last + 1 >= following:
                return
            found = mailbox.after(last)
            for start in range(0, len(found), PAGE):
                uids = found[start : start + PAGE]
                found_now = mailbox.read(uids)
                records = [self._record(mail, imap.mailbox, validity) for mail in found_now]
                yield Page(records, {"uidvalidity": validity, "uid": uids[-1]})
            if not found and not known:
                yield Page([], {"uidvalidity": validity, "uid": max(0, following - 1)})

    def _record(self, mail: Arrived, folder: str, validity: int) -> Record:
        id, data = read_message(
            mail.raw,
            own_address=self._address(),
            received_at=mail.received_at,
            error=mail.error,
        )
        if mail.error and not data["message_id"]:
            id = f"imap:{validity}:{mail.uid}"
        data |= {"mailbox": folder, "uid": mail.uid}
        return Record(
            MESSAGE,
            id,
            data,
            address={"mailbox": folder, "uidvalidity": validity, "uid": mail.uid},
            updated_at=mail.received_at and mail.received_at.astimezone(UTC),
            actor=data["from"],
        )

    def find(self, object: str, changes: Sequence[Change]) -> Sequence[Record | None]:
        """The sent messages that carry these keys; None only where that proves they were not sent.

        Raises UnsupportedError where it cannot be settled: without a mailbox, or if the server does
        not file copies itself and there is none.
        """
        _known(object)
        imap = self._imap()
        result: list[Record | None] = []
        with Mailbox(imap) as mailbox:
            folder = mailbox.sent_folder()
            validity, _ = mailbox.open(folder)
            for change in changes:
                message_id = message_id_of(change.key, self.settings.from_address)
                uids = mailbox.carrying(message_id, KEY_HEADER, safe_key(change.key))
                found = mailbox.read(uids[:10]) if uids else ()
                copies = [self._record(mail, folder, validity) for mail in found]
                mine = next(
                    (copy for copy in copies if copy.id == message_id or copy.data.get("own")),
                    None,
                )
                if mine is None and not self.settings.sent_by_server:
                    raise UnsupportedError(
                        f"Whether {message_id} was sent cannot be settled: there is no copy in "
                        f"'{folder}', but the connection may have been cut before it was filed."
                    )
                result.append(mine)
        return result

    # ------------------------------------------------------------------------------------------
    # sending

    def push(self, changes: Sequence[Change]) -> Sequence[Result]:
        """Send messages, one result each, over one connection as long as it holds."""
        results: list[Result | None] = [None] * len(changes)
        ready: dict[int, Composed] = {}
        self._address()
        for at, change in enumerate(changes):
            _known(change.object)
            if change.op != "create":
                raise UnsupportedError("A sent message cannot be changed or taken back.")
            try:
                ready[at] = compose(
                    change.key, self.settings.from_address, change.fields, datetime.now(UTC)
                )
            except RejectedError as error:
                results[at] = Result(
                    Outcome.REJECTED, message=str(error), field_errors=error.field_errors
                )
        if ready:
            self._send(ready, results)
        return [
            result or Result(Outcome.RETRY, message="The connection closed before its turn.")
            for result in results
        ]

    def _send(self, ready: dict[int, Composed], results: list[Result | None]) -> None:
        sent: list[int] = []
        try:
            with self._submission() as submission:
                for at, message in ready.items():
                    results[at] = result = submission.send(message)
                    if result.outcome is Outcome.OK:
                        results[at] = replace(result, record=self._sent(message))
                        sent.append(at)
                    if not submission.is_open:
                        break
        except TransientError as error:  # only opening raises: nothing was sent
            for at in ready:
                results[at] = Result(Outcome.RETRY, message=str(error))
        if sent and not self.settings.sent_by_server and self.settings.imap:
            self._file([ready[at] for at in sent])

    def _sent(self, message: Composed) -> Record:
        id, data = read_message(message.raw, own_address=self._address())
        return Record(MESSAGE, id, data, actor=data["from"])

    def _file(self, messages: Sequence[Composed]) -> None:
        """Copies for Sent. A failure changes nothing about what was sent, so it is not raised."""
        try:
            with Mailbox(self._imap()) as mailbox:
                folder = mailbox.sent_folder()
                for message in messages:
                    mailbox.file(folder, message.raw)
        except (TransientError, AuthError, ConfigError):
            return


def _known(object: str) -> None:
    if object != MESSAGE:
        raise UnsupportedError(f"The email connector has no object '{object}', only 'message'.")
