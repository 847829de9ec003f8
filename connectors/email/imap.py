"""One conversation with a mailbox: what is new by UID, what lies in Sent, filing a copy there."""

from __future__ import annotations

import imaplib
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, cast

import imapclient
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError, LoginError

from connectors.email.config import ImapConfig, check_security
from connectors.email.session import Access, Wire, tls_reason, xoauth2
from connectors.sdk import AuthError, ConfigError, TransientError, UnsupportedError

IDLE_LIMIT = 28 * 60
"""Seconds after which IDLE must be asked for again: servers end it at 30 minutes."""
GROUP_BYTES = 4_000_000
"""How much is fetched with one command, so that a page of large mails fits in memory."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """One message of a mailbox. With `error`, `raw` holds at most its headers."""

    uid: int
    raw: bytes
    received_at: datetime | None
    error: str = ""
    flags: Sequence[str] = ()
    size: int = 0


class _Imap(imaplib.IMAP4):
    """imaplib over a socket of ours."""

    def __init__(self, wire: Wire, host: str) -> None:
        self._wire = wire
        super().__init__(host)

    def _create_socket(self, timeout: float | None) -> Wire:
        return self._wire


class _Client(imapclient.IMAPClient):  # type: ignore[misc] # it has no types
    def __init__(self, wire: Wire, host: str) -> None:
        self._wire = wire
        super().__init__(host, ssl=False)

    def _create_IMAP4(self) -> _Imap:
        return _Imap(self._wire, self.host)


@dataclass(frozen=True, slots=True)
class Opened:
    """A folder as it was when it was selected. 0 is what the server does not tell."""

    uidvalidity: int
    uidnext: int = 0
    modseq: int = 0
    """HIGHESTMODSEQ: grows with every change, of flags too (CONDSTORE, RFC 7162)."""


class Mailbox:
    """A logged-in connection. `with Mailbox(config) as mailbox: mailbox.open("INBOX")`.

    Raises AuthError, ConfigError, or TransientError where the server or the network fails.
    """

    def __init__(self, config: ImapConfig, access: Access | None = None) -> None:
        self.config = config
        self.access = access or Access()
        self.where = f"{config.host}:{config.port}"

    def __enter__(self) -> Mailbox:
        config = self.config
        check_security(config, "imap")
        try:
            self.wire = self.access.connect(config, "imap", tls=config.security == "tls")
        except ssl.SSLError as error:
            raise ConfigError(
                f"No secure connection to {self.where}: {tls_reason(error)}. Check imap.host and "
                f"imap.port (993 is tls); for a company's own authority set imap.ca_file."
            ) from None
        except OSError as error:
            raise self._failed(error) from None
        try:
            self.client: Any = _Client(self.wire, config.host)
        except (OSError, IMAPClientError) as error:
            self.wire.close()
            raise self._failed(error) from None
        self.client.normalise_times = False  # keep the zone of INTERNALDATE
        try:
            self._login()
        except (OSError, IMAPClientError) as error:
            self._hang_up()
            raise self._failed(error) from None
        except BaseException:
            self._hang_up()
            raise
        return self

    def _login(self) -> None:
        config = self.config
        if self.access.oauth:
            if not self.client.has_capability("AUTH=XOAUTH2"):
                raise ConfigError(
                    f"{self.where} offers no sign-in by token (XOAUTH2). Leave auth out, and set "
                    f"imap.password."
                )
            if not self.access.sign_in(self._with_token):
                raise AuthError(
                    f"{self.where} accepts no token for {config.username}. Allow IMAP for the "
                    f"account, and check auth.scope."
                )
            return
        try:
            self.client.login(config.username, config.password.get_secret_value())
        except LoginError as error:
            if _is_trouble(error):
                raise
            raise AuthError(
                f"{self.where} does not accept the password of {config.username}. Renew it (Gmail "
                f"and Microsoft 365 want an app password, or auth) and store it again."
            ) from None

    def _with_token(self, token: str) -> bool:
        """Whether the server lets this token in."""
        said = [xoauth2(self.config.username, token).encode()]
        try:
            # a refusal comes as a question first, which is answered with nothing
            self.client.sasl_login("XOAUTH2", lambda challenge: said.pop() if said else b"")
        except LoginError as error:
            if _is_trouble(error):
                raise
            return False
        return True

    def _hurry(self) -> None:
        """The next exchange has the whole deadline."""
        self.wire.until = self.access.until()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._hurry()
            self.client.logout()
        except (OSError, IMAPClientError):
            self._hang_up()

    def _hang_up(self) -> None:
        try:
            self.client.shutdown()
        except (OSError, IMAPClientError):
            return

    def interrupt(self) -> None:
        """End a `listen` in another thread."""
        try:
            self.wire.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def _failed(self, error: Exception) -> TransientError:
        said = str(error) or type(error).__name__
        if "unexpected response" in said.lower() or said.startswith("b'"):
            said = "what answers there does not speak IMAP"
        return TransientError(
            f"The mailbox at {self.where} cannot be used now ({said[:200]}). If this stays, check "
            f"imap.host and imap.port."
        )

    def open(self, folder: str) -> Opened:
        """Select a folder for reading."""
        self._hurry()
        try:
            answer = self.client.select_folder(folder, readonly=True)
        except IMAPClientAbortError as error:
            raise self._failed(error) from None
        except IMAPClientError:
            raise ConfigError(
                f"There is no folder '{folder}' in the mailbox of {self.config.username} at "
                f"{self.where}; it has: {', '.join(self._folders())}. Change imap.mailbox."
            ) from None
        except OSError as error:
            raise self._failed(error) from None
        return Opened(
            int(answer[b"UIDVALIDITY"]),
            int(answer.get(b"UIDNEXT", 0)),
            int(answer.get(b"HIGHESTMODSEQ", 0)) if self._condstore else 0,
        )

    @property
    def _condstore(self) -> bool:
        return bool(self.client.has_capability("CONDSTORE"))

    def _folders(self) -> list[str]:
        self._hurry()
        try:
            return sorted(str(name) for _, _, name in self.client.list_folders())[:40]
        except (OSError, IMAPClientError) as error:
            raise self._failed(error) from None

    def sent_folder(self) -> str:
        """Where sent mail lies: as configured, else as the server marks it."""
        names = self._folders()
        wanted = self.config.sent
        if wanted is not None and wanted in names:
            return wanted
        self._hurry()
        try:
            found = self.client.find_special_folder(b"\\Sent")
        except (OSError, IMAPClientError) as error:
            raise self._failed(error) from None
        if found:
            return str(found)
        raise ConfigError(
            f"There is no folder '{wanted or 'Sent'}' in the mailbox of {self.config.username}; it "
            f"has: {', '.join(names)}. Set imap.sent to the folder of sent mail."
        )

    def after(self, uid: int) -> list[int]:
        """UIDs above `uid` in the open folder, lowest first."""
        criteria: list[Any] = ["UID", f"{uid + 1}:*"]
        if self.config.since:
            criteria += ["SINCE", self.config.since]
        # n:* always names the last message, even when its UID is below n
        return [found for found in self._search(criteria) if found > uid]

    def touched(self, modseq: int) -> list[int]:
        """UIDs of mail that changed (its flags did) since this HIGHESTMODSEQ, lowest first."""
        return self._search(["MODSEQ", str(modseq + 1)])

    def named(self, message_id: str) -> list[int]:
        """UIDs in the open folder of mail with this Message-ID."""
        return self._search(["HEADER", "Message-ID", message_id])

    def carrying(self, message_id: str, key_header: str, key: str) -> list[int]:
        """UIDs in the open folder of what was sent under this key, whatever id the server gave."""
        return self._search(["OR", "HEADER", "Message-ID", message_id, "HEADER", key_header, key])

    def _search(self, criteria: list[Any]) -> list[int]:
        self._hurry()
        try:
            return sorted(self.client.search(criteria))
        except (OSError, IMAPClientError) as error:
            raise self._failed(error) from None

    def read(self, uids: Sequence[int]) -> Iterator[Arrived]:
        """These messages of the open folder, in order; what was removed meanwhile is left out."""
        self._hurry()
        try:
            facts = self.client.fetch(uids, [b"INTERNALDATE", b"RFC822.SIZE", b"FLAGS"])
        except (OSError, IMAPClientError) as error:
            raise self._failed(error) from None
        group: list[int] = []
        weight = 0
        for uid in (uid for uid in uids if uid in facts):
            size = facts[uid].get(b"RFC822.SIZE", 0)
            if group and weight + size > GROUP_BYTES:
                yield from self._bodies(group, facts)
                group, weight = [], 0
            if size > self.config.max_size:
                yield from self._bodies(group, facts)
                group, weight = [], 0
                limit = self.config.max_size
                reason = f"The message is too large to read ({size} bytes, the limit is {limit})."
                yield from self._headers(uid, facts, reason)
            else:
                group.append(uid)
                weight += size
        yield from self._bodies(group, facts)

    def _bodies(self, uids: Sequence[int], facts: Any) -> Iterator[Arrived]:
        if not uids:
            return
        self._hurry()
        try:
            found = self.client.fetch(uids, [b"BODY.PEEK[]"])
        except (OSError, IMAPClientAbortError) as error:
            raise self._failed(error) from None
        except IMAPClientError:
            # one message the server itself cannot produce: the others shall arrive
            if len(uids) > 1:
                for uid in uids:
                    yield from self._bodies([uid], facts)
            else:
                yield from self._headers(uids[0], facts, "The server cannot hand out the message.")
            return
        for uid in uids:
            raw = found[uid].get(b"BODY[]") if uid in found else None
            if isinstance(raw, bytes):
                yield _arrived(uid, raw, facts[uid])

    def _headers(self, uid: int, facts: Any, error: str) -> Iterator[Arrived]:
        raw: Any = b""
        self._hurry()
        try:
            found = self.client.fetch([uid], [b"BODY.PEEK[HEADER]"])
            raw = found[uid].get(b"BODY[HEADER]") if uid in found else b""
        except IMAPClientAbortError as problem:
            raise self._failed(problem) from None
        except IMAPClientError:
            raw = b""
        except OSError as problem:
            raise self._failed(problem) from None
        yield _arrived(uid, raw if isinstance(raw, bytes) else b"", facts[uid], error)

    def file(self, folder: str, raw: bytes) -> None:
        """Append a copy of a sent message, marked as read."""
        self._hurry()
        try:
            self.client.append(folder, raw, flags=(b"\\Seen",))
        except (OSError, IMAPClientError) as error:
            raise self._failed(error) from None

    def listen(self, timeout: float) -> bool:
        """Wait until the server tells of something in the open folder (IDLE, RFC 2177); False after
        `timeout` seconds. Raises UnsupportedError where the server does not tell.
        """
        if not self.client.has_capability("IDLE"):
            raise UnsupportedError(f"{self.where} does not tell when mail arrives (IDLE).")
        until = time.monotonic() + min(timeout, IDLE_LIMIT)
        while True:
            try:
                told = self._idle(until)
            except (OSError, IMAPClientError) as error:
                raise self._failed(error) from None
            if any(_matters(entry) for entry in told):
                return True
            if time.monotonic() >= until:
                return False

    def _idle(self, until: float) -> Sequence[Any]:
        # imapclient's own check reads without waiting and loses the first half of a line that comes
        # in two parts. Here it only waits; what came is read together with the answer to DONE.
        self._hurry()
        try:
            self.client.idle()
        except IMAPClientError as error:
            if "IDLE response" not in str(error):
                raise
            # it told something before it let us wait, and imapclient has lost its place
            self.interrupt()
            return [(b"EXISTS",)]
        self.wire.until = None  # waiting has its own end
        self.wire.arrives(until - time.monotonic())
        self._hurry()
        _, told = self.client.idle_done()
        return cast(Sequence[Any], told)


def _is_trouble(error: LoginError) -> bool:
    # imapclient calls every failure during a login a refusal, a lost connection too
    lost = isinstance(error.__context__, IMAPClientAbortError)
    return lost or "UNAVAILABLE" in str(error).upper()


def _matters(entry: Any) -> bool:
    # "OK Still here" keeps the line alive and says nothing
    return isinstance(entry, tuple) and any(
        word in entry for word in (b"EXISTS", b"RECENT", b"EXPUNGE", b"FETCH", b"VANISHED")
    )


def _arrived(uid: int, raw: bytes, facts: Any, error: str = "") -> Arrived:
    flags = sorted(
        flag.decode("ascii", "replace").lstrip("\\").lower()
        for flag in facts.get(b"FLAGS", ())
        if isinstance(flag, bytes) and flag != b"\\Recent"
    )
    size = int(facts.get(b"RFC822.SIZE", 0))
    return Arrived(uid, raw, facts.get(b"INTERNALDATE"), error, flags, size)
