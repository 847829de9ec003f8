"""A mail server on loopback: submission by aiosmtpd, mailboxes by pymap, both in one thread.

Every address has a mailbox, made when the first mail comes or somebody logs in; all share one
password. Accepting a mail files the sender's copy in Sent and delivers it in one step.
"""

from __future__ import annotations

import asyncio
import email.policy
import email.utils
import logging
import smtplib
import socket
import ssl
import threading
import time
from argparse import Namespace
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any, ClassVar, TypeVar

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from proxyprotocol.sock import SocketInfo
from pymap.backend.dict import Config, Identity, Login
from pymap.backend.dict.filter import FilterSet
from pymap.backend.dict.mailbox import MailboxData, MailboxSet
from pymap.exceptions import InvalidAuth
from pymap.imap import IMAPServer
from pymap.parsing.message import AppendMessage
from pymap.parsing.specials import FetchRequirement
from pymap.parsing.specials.flag import Seen
from pymap.user import UserMetadata
from pysasl.identity import ClearIdentity

from connectors.sdk.sandbox import Effect, Sandbox

T = TypeVar("T")
PASSWORD = "sandbox-mail"
PASSWORD_ENV = "HUB_SANDBOX_MAIL_PASSWORD"
SIZE_LIMIT = 30_000_000


class _Config(Config):
    """pymap's settings without its look-ups in the network."""

    greeting = b"sandbox ready"

    @property
    def initial_capability(self) -> Sequence[bytes]:
        return [b"LITERAL+", b"ID"]

    async def account(self, address: str) -> MailboxSet:
        """The mailboxes of an address, made if it has none yet."""
        if address not in self.set_cache:
            folders = MailboxSet()
            self.set_cache[address] = (folders, FilterSet())
            await folders.add_mailbox("Sent")
        return self.set_cache[address][0]


class _Login(Login):
    """Lets every address in with the sandbox's password."""

    def __init__(self, config: _Config) -> None:
        super().__init__(config)
        self.accounts = config

    async def authenticate(self, credentials: Any) -> Identity:
        known = ClearIdentity(credentials.authcid, PASSWORD)
        if "@" not in credentials.authcid or not credentials.verify(known):
            raise InvalidAuth()
        address = credentials.authcid.lower()
        self.users_dict.setdefault(address, UserMetadata(self.config, address))
        await self.accounts.account(address)
        return Identity(address, self, None, frozenset())

    async def authorize(self, authenticated: Any, authzid: str) -> Identity:
        if authzid.lower() != authenticated.name:
            raise InvalidAuth()
        return Identity(authenticated.name, self, None, frozenset())


class EmailSandbox(Sandbox):
    """Submission and mailboxes for every address; the hub's is `hub@hub.test`.

    `faults.status` answers the hub's next messages with these codes (at RCPT),
    `faults.cut_after_effect` delivers and hangs up without an answer, `cut_before_effect` hangs up
    without delivering. Mail to an address in `unreachable` comes back as a delivery report.
    """

    name: ClassVar[str] = "email"
    address: ClassVar[str] = "hub@hub.test"

    def __init__(self) -> None:
        super().__init__()
        self.cut_before_effect = 0
        self.unreachable: set[str] = set()
        self.files_sent = True
        """Whether the server files sent mail itself, as `sent_by_server` says."""

    # ------------------------------------------------------------------------------------------
    # running

    def start(self, port: int = 0) -> None:
        """Listen on 127.0.0.1: submission on `port`, IMAP on the next one (0: two free ones)."""
        # aiosmtpd warns about its own use of its own property at every login
        logging.getLogger("mail.log").setLevel(logging.ERROR)
        smtp = _listen(port)
        imap = _listen(port + 1 if port else 0)
        self.smtp_port: int = smtp.getsockname()[1]
        self.imap_port: int = imap.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda loop, context: None)  # a client that hung up
        ready = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(smtp, imap, ready), name="sandbox-email", daemon=True
        )
        self._thread.start()
        if not ready.wait(10):
            raise RuntimeError(f"The email sandbox did not start on port {self.smtp_port}.")

    def _run(self, smtp: socket.socket, imap: socket.socket, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve(smtp, imap, ready))
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    async def _serve(
        self, smtp: socket.socket, imap: socket.socket, ready: threading.Event
    ) -> None:
        self._stopping = asyncio.Event()
        args = Namespace(passlib_cfg=None, proxy_protocol=None)
        self._config = _Config(
            args,
            host=None,
            port=0,
            demo_data=False,
            demo_user="",
            demo_password="",
            tls_enabled=False,
            reject_dnsbl=False,
            invalid_user_sleep=0.0,
            ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER),
        )
        self._config.apply_context()
        serve_imap = IMAPServer(_Login(self._config), self._config)

        async def on_imap(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await serve_imap(reader, writer, SocketInfo.get(writer, None, unique_id=b"sandbox"))
            finally:
                writer.close()

        def submission() -> SMTP:
            return SMTP(
                self,
                hostname="mail.hub.test",
                ident="sandbox",
                enable_SMTPUTF8=True,
                data_size_limit=SIZE_LIMIT,
                auth_require_tls=False,
                authenticator=self._authenticate,
                loop=self._loop,
            )

        servers = [
            await self._loop.create_server(submission, sock=smtp),
            await asyncio.start_server(on_imap, sock=imap, limit=SIZE_LIMIT),
        ]
        ready.set()
        await self._stopping.wait()
        for server in servers:
            server.close()
        rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        await asyncio.sleep(0)  # let the transports close their sockets

    def stop(self) -> None:
        """Close both servers; the mail is gone."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(timeout=10)

    def connection(self) -> dict[str, Any]:
        """The hub's account."""
        account = {"username": self.address, "password": f"env:{PASSWORD_ENV}", "security": "none"}
        server = {"host": "127.0.0.1", **account}
        return {
            "connector": "email",
            "from_address": f"Process Hub <{self.address}>",
            "smtp": {**server, "port": self.smtp_port},
            "imap": {**server, "port": self.imap_port, "mailbox": "INBOX", "sent": "Sent"},
            "sent_by_server": True,
        }

    def env(self) -> dict[str, str]:
        return {PASSWORD_ENV: PASSWORD}

    # ------------------------------------------------------------------------------------------
    # submission (the names of the hooks are aiosmtpd's)

    def _authenticate(
        self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any
    ) -> AuthResult:
        if not isinstance(data, LoginPassword) or data.password != PASSWORD.encode():
            return AuthResult(success=False, handled=False)
        session.account = data.login.decode().lower()
        return AuthResult(success=True)

    async def handle_MAIL(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if not session.authenticated:
            return "530 5.7.0 Authentication required"
        if (address or "").lower() != session.account:
            return "553 5.7.1 You may not send as somebody else"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if session.account == self.address and self.faults.status:
            code = self.faults.status.pop(0)
            return f"{code} {'4.2.0 Try again later' if code < 500 else '5.1.1 User unknown'}"
        if "@" not in address:
            return "553 5.1.3 No such address"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        from_hub = session.account == self.address
        if from_hub and self.cut_before_effect:
            self.cut_before_effect -= 1
            server.transport.abort()
            return "421 4.3.0 Going away"
        # a client that hangs up now must not leave a mail half delivered
        await asyncio.shield(
            self._accept(session.account, list(envelope.rcpt_tos), bytes(envelope.content))
        )
        if from_hub and self.faults.cut_after_effect:
            self.faults.cut_after_effect -= 1
            server.transport.abort()
        return "250 2.0.0 Queued"

    async def _accept(self, account: str, recipients: Sequence[str], raw: bytes) -> None:
        message = BytesParser(policy=email.policy.compat32).parsebytes(raw)
        message_id = str(message["Message-ID"] or "")
        if account == self.address:
            to = tuple(recipients)
            fields = {"to": to, "subject": str(message["Subject"] or "")}
            with self.lock:
                self.ledger.append(Effect("create", "message", message_id, fields, message_id))
        if self.files_sent:
            await self._append(account, "Sent", raw, seen=True)
        for recipient in recipients:
            if recipient.lower() in self.unreachable:
                await self._append(account, "INBOX", _report(account, recipient, raw))
            else:
                trace = f"Return-Path: <{account}>\r\nDelivered-To: {recipient}\r\n".encode()
                await self._append(recipient, "INBOX", trace + raw)

    async def _append(self, address: str, folder: str, raw: bytes, *, seen: bool = False) -> None:
        box = await self._folder(address, folder)
        flags = frozenset({Seen} if seen else ())
        await box.append(AppendMessage(raw, datetime.now(UTC), flags), recent=True)

    async def _folder(self, address: str, folder: str) -> MailboxData:
        return await (await self._config.account(address.lower())).get_mailbox(folder)

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    # ------------------------------------------------------------------------------------------
    # what people do and see

    def inbox(self, address: str) -> list[EmailMessage]:
        """What arrived at an address, oldest first."""
        return self._call(self._read(address, "INBOX"))

    def sent(self, address: str) -> list[EmailMessage]:
        """What lies in the Sent folder of an address."""
        return self._call(self._read(address, "Sent"))

    async def _read(self, address: str, folder: str) -> list[EmailMessage]:
        return [
            BytesParser(EmailMessage, policy=email.policy.default).parsebytes(raw)
            for _, raw in await self._raw(address, folder)
        ]

    async def _raw(self, address: str, folder: str) -> list[tuple[datetime, bytes]]:
        box = await self._folder(address, folder)
        return [
            (message.internal_date, bytes(await message.load_content(FetchRequirement.CONTENT)))
            async for message in box.messages()
        ]

    def wait_for(
        self, address: str, predicate: Callable[[EmailMessage], bool], timeout: float = 10
    ) -> EmailMessage:
        """The first mail at an address that fits, as soon as it is there; TimeoutError if none."""
        deadline = time.monotonic() + timeout
        while True:
            mails = self.inbox(address)
            for mail in mails:
                if predicate(mail):
                    return mail
            if time.monotonic() > deadline:
                subjects = [str(mail["Subject"]) for mail in mails]
                raise TimeoutError(f"No such mail at {address} in {timeout} s; it has {subjects}.")
            time.sleep(0.02)

    def send(
        self,
        from_: str,
        to: str,
        subject: str,
        text: str,
        in_reply_to: EmailMessage | str | None = None,
        *,
        html: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> str:
        """A person writes, or answers a mail, from their own account by SMTP; the Message-ID."""
        message = EmailMessage()
        address = email.utils.parseaddr(from_)[1]
        message["From"], message["To"], message["Subject"] = from_, to, subject
        message["Date"] = email.utils.localtime()
        message["Message-ID"] = email.utils.make_msgid(domain=address.rpartition("@")[2])
        if in_reply_to is not None:
            parent = in_reply_to
            thread = ""
            if isinstance(parent, EmailMessage):
                thread, parent = str(parent["References"] or ""), str(parent["Message-ID"])
            message["In-Reply-To"] = parent
            message["References"] = f"{thread} {parent}".strip()
        for name, value in (headers or {}).items():
            message[name] = value
        message.set_content(text)
        if html is not None:
            message.add_alternative(html, subtype="html")
        with smtplib.SMTP("127.0.0.1", self.smtp_port, "person.test", timeout=10) as smtp:
            smtp.login(address, PASSWORD)
            smtp.send_message(message, from_addr=address)
        return str(message["Message-ID"])

    def deliver(self, address: str, raw: bytes) -> None:
        """Put a mail into an inbox exactly as it is, as another server's delivery would."""
        self._call(self._append(address, "INBOX", raw))

    def renumber(self, address: str) -> None:
        """Give the mailboxes of an address a new UIDVALIDITY, as a restore from backup does."""
        self._call(self._renumber(address))

    async def _renumber(self, address: str) -> None:
        held = {folder: await self._raw(address, folder) for folder in ("INBOX", "Sent")}
        del self._config.set_cache[address.lower()]
        for folder, mails in held.items():
            box = await self._folder(address, folder)
            for when, raw in mails:
                await box.append(AppendMessage(raw, when, frozenset()))


def _listen(port: int) -> socket.socket:
    listener = socket.create_server(("127.0.0.1", port))
    # asyncio recognises TCP by a number that create_server leaves out, and answers 40 ms late
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _report(account: str, recipient: str, raw: bytes) -> bytes:
    """A delivery status notification (RFC 3464) about a mail to a recipient who is not there."""
    headers = raw.partition(b"\r\n\r\n")[0]
    host = "mail.hub.test"
    boundary = "=_report"
    lines = (
        f"Return-Path: <>\nFrom: Mail Delivery System <MAILER-DAEMON@{host}>\nTo: {account}\n"
        f"Subject: Undelivered Mail Returned to Sender\nDate: {email.utils.formatdate()}\n"
        f"Message-ID: {email.utils.make_msgid(domain=host)}\nAuto-Submitted: auto-replied\n"
        f"MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status;\n"
        f' boundary="{boundary}"\n\n--{boundary}\nContent-Type: text/plain\n\n'
        f"Your message to <{recipient}> could not be delivered: user unknown.\n\n"
        f"--{boundary}\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; {host}\n\n"
        f"Final-Recipient: rfc822; {recipient}\nAction: failed\nStatus: 5.1.1\n"
        f"Diagnostic-Code: smtp; 550 5.1.1 User unknown\n\n"
        f"--{boundary}\nContent-Type: text/rfc822-headers\n\n"
    )
    end = f"\n\n--{boundary}--\n"
    return lines.replace("\n", "\r\n").encode() + headers + end.replace("\n", "\r\n").encode()
