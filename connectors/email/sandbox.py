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
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any, ClassVar, TypeVar

from aiosmtpd.smtp import SMTP
from pymap.backend.dict.mailbox import MailboxData
from pymap.parsing.message import AppendMessage
from pymap.parsing.specials import FetchRequirement
from pymap.parsing.specials.flag import Seen

from connectors.email.sandbox_imap import PASSWORD, Accounts, Mailboxes
from connectors.email.sandbox_mail import MORNING
from connectors.email.sandbox_oauth import CLIENT, CLIENT_SECRET, FIRST_REFRESH, TokenServer
from connectors.email.sandbox_smtp import Submissions
from connectors.sdk.faults import Faults
from connectors.sdk.sandbox import Drill, Inapplicable, Sandbox

T = TypeVar("T")
PASSWORD_ENV = "HUB_SANDBOX_MAIL_PASSWORD"
SIZE_LIMIT = 30_000_000
_ONLY_HTTP = frozenset(
    ("retry_after", "redirect", "repeat", "hollow", "flaky", "per_minute", "lag", "silent")
)


_WORDLESS = frozenset((500, 501, 502, 503, 504))
"""Of HTTP they say that the server is in trouble, of SMTP that the command is wrong."""


class MailFaults(Faults):
    """Refuses what cannot happen to mail, so that no test believes it did."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "status" and value and self.on == "write" and _WORDLESS & set(value):
            raise Inapplicable("a mail server that answers 5xx has refused for good")
        if value and name in _ONLY_HTTP:
            raise Inapplicable(f"there is no such thing as {name} in SMTP and IMAP")
        super().__setattr__(name, value)


class EmailSandbox(Sandbox):
    """Submission and mailboxes for every address; the hub's is `hub@hub.test`. With `oauth` it
    takes tokens only.

    Faults of writes are done to the hub's messages: `status` answers the next ones with these codes
    (at RCPT; 401 refuses logins, of reads too), `cut_after_effect` delivers and hangs up without an
    answer, `cut_before_effect` hangs up without delivering, `slow` delivers and never comes to the
    end of its answer, `body` answers something unreadable, `read_only` refuses. Faults of reads are
    done to new IMAP connections. The others are HTTP's own; asking for one raises Inapplicable.
    Mail to an address in `unreachable` comes back as a delivery report.
    """

    name: ClassVar[str] = "email"
    address: ClassVar[str] = "hub@hub.test"

    def __init__(self, *, oauth: bool = False, tls: ssl.SSLContext | None = None) -> None:
        """`tls`: submission insists on STARTTLS and the mailboxes are inside TLS from the start."""
        super().__init__()
        self.faults = MailFaults()
        self.oauth = oauth
        self._tls = tls
        self.tokens = TokenServer(self.address)
        self.unreachable: set[str] = set()
        self.files_sent = True
        """Whether the server files sent mail itself, as `sent_by_server` says."""

    # ------------------------------------------------------------------------------------------
    # running

    def start(self, port: int = 0) -> None:
        """Listen on 127.0.0.1: submission on `port`, IMAP on the next one, with
        `oauth` tokens on the one after (0: free ones)."""
        # aiosmtpd warns about its own use of its own property at every login
        logging.getLogger("mail.log").setLevel(logging.ERROR)
        # and pymap tells its log every password
        logging.getLogger("pymap").setLevel(logging.INFO)
        smtp = _listen(port)
        imap = _listen(port + 1 if port else 0)
        tokens = _listen(port + 2 if port else 0) if self.oauth else None
        self.smtp_port: int = smtp.getsockname()[1]
        self.imap_port: int = imap.getsockname()[1]
        self.token_port: int = tokens.getsockname()[1] if tokens else 0
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda loop, context: None)  # a client that hung up
        ready = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(smtp, imap, tokens, ready), name="sandbox-email", daemon=True
        )
        self._thread.start()
        if not ready.wait(10):
            raise RuntimeError(f"The email sandbox did not start on port {self.smtp_port}.")

    def _run(self, *given: Any) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve(*given))
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    async def _serve(
        self,
        smtp: socket.socket,
        imap: socket.socket,
        tokens: socket.socket | None,
        ready: threading.Event,
    ) -> None:
        self._stopping = asyncio.Event()
        self._config = Accounts.made()
        self._config.refused = self._refused
        self._config.tokens = self.tokens.owner if self.oauth else None

        hooks = Submissions(self)

        def submission() -> SMTP:
            self.faults.requests.append("SMTP connection")
            return SMTP(
                hooks,
                hostname="mail.hub.test",
                ident="sandbox",
                enable_SMTPUTF8=True,
                data_size_limit=SIZE_LIMIT,
                auth_require_tls=self._tls is not None,
                require_starttls=self._tls is not None,
                tls_context=self._tls,
                authenticator=hooks.authenticate,
                auth_exclude_mechanism=["PLAIN", "LOGIN"] if self.oauth else ["XOAUTH2"],
                loop=self._loop,
            )

        servers = [
            await self._loop.create_server(submission, sock=smtp),
            await asyncio.start_server(
                Mailboxes(self._config, lambda: self.faults),
                sock=imap,
                limit=SIZE_LIMIT,
                ssl=self._tls,
            ),
        ]
        if tokens:
            servers.append(await asyncio.start_server(self.tokens, sock=tokens))
        ready.set()
        await self._stopping.wait()
        for server in servers:
            server.close()
        rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        await asyncio.sleep(0)  # let the transports close their sockets

    def _refused(self, on: str) -> bool:
        """Whether the fault 401 is done to this login."""
        faults = self.faults
        if faults.on not in (on, "any") or faults.status[:1] != [401]:
            return False
        faults.status.pop(0)
        return True

    def stop(self) -> None:
        """Close both servers; the mail is gone."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(timeout=10)

    def connection(self) -> dict[str, Any]:
        """The hub's account."""
        account = {"username": self.address}
        if not self.oauth:
            account["password"] = f"env:{PASSWORD_ENV}"
        server = {"host": "127.0.0.1", **account}
        block: dict[str, Any] = {
            "connector": "email",
            "from_address": f"Process Hub <{self.address}>",
            "smtp": {
                **server,
                "port": self.smtp_port,
                "security": "starttls" if self._tls else "none",
            },
            "imap": {
                **server,
                "port": self.imap_port,
                "security": "tls" if self._tls else "none",
                "mailbox": "INBOX",
                "sent": "Sent",
            },
            "sent_by_server": True,
            "plus_addresses": True,
        }
        if self.oauth:
            block["auth"] = {
                "token_url": f"http://127.0.0.1:{self.token_port}/token",
                "client_id": CLIENT,
                "client_secret": f"env:{PASSWORD_ENV}_CLIENT",
                "refresh_token": f"env:{PASSWORD_ENV}_REFRESH",
            }
        return block

    def env(self) -> dict[str, str]:
        if self.oauth:
            return {
                f"{PASSWORD_ENV}_CLIENT": CLIENT_SECRET,
                f"{PASSWORD_ENV}_REFRESH": FIRST_REFRESH,
            }
        return {PASSWORD_ENV: PASSWORD}

    def drill(self) -> Drill:
        from connectors.email.drill import EmailDrill

        return EmailDrill(self)

    def populate(self) -> None:
        """A few mails, as they come in on a morning."""
        for sender, subject, text in MORNING:
            self.send(sender, self.address, subject, text)

    def expire_token(self) -> None:
        """Every access token ends; the refresh token is good."""
        self.tokens.expire()

    @property
    def tokens_granted(self) -> int:
        """How often somebody fetched a token."""
        return self.tokens.granted

    # ------------------------------------------------------------------------------------------
    # the mailboxes

    async def append(
        self,
        address: str,
        folder: str,
        raw: bytes,
        *,
        seen: bool = False,
        at: datetime | None = None,
    ) -> None:
        box = await self._folder(address, folder)
        flags = frozenset({Seen} if seen else ())
        await box.append(AppendMessage(raw, at or datetime.now(UTC), flags), recent=True)

    async def _folder(self, address: str, folder: str) -> MailboxData:
        # what follows a plus is the reader's to make up: it all comes to one mailbox
        name, _, domain = address.lower().partition("@")
        account = f"{name.partition('+')[0]}@{domain}"
        return await (await self._config.account(account)).get_mailbox(folder)

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

    def deliver(self, address: str, raw: bytes, *, at: datetime | None = None) -> None:
        """Put a mail into an inbox exactly as it is, as another server's delivery would."""
        self._call(self.append(address, "INBOX", raw, at=at))

    def move_away_and_back(self, address: str, message_id: str) -> None:
        """A person drags a mail into another folder, and back: it has another UID now."""
        self._call(self._take(address, message_id, back=True))

    def discard(self, address: str, message_id: str) -> None:
        """A person deletes a mail of their inbox for good."""
        self._call(self._take(address, message_id, back=False))

    async def _take(self, address: str, message_id: str, *, back: bool) -> None:
        box = await self._folder(address, "INBOX")
        for message in [one async for one in box.messages()]:
            raw = bytes(await message.load_content(FetchRequirement.CONTENT))
            if BytesParser().parsebytes(raw, headersonly=True)["Message-ID"] == message_id:
                await box.delete([message.uid])
                if back:
                    kept = AppendMessage(raw, message.internal_date, frozenset())
                    await box.append(kept)
                return
        raise KeyError(message_id)

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
