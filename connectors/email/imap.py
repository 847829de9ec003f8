"""One conversation with a mailbox: what is new by UID, what lies in Sent, filing a copy there."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any

import imapclient
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError, LoginError

from connectors.email.config import ImapConfig, check_security, tls_context
from connectors.sdk import AuthError, ConfigError, TransientError

GROUP_BYTES = 10_000_000
"""How much is fetched with one command, so that a page of large mails fits in memory."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """One message of a mailbox. With `error`, `raw` holds at most its headers."""

    uid: int
    raw: bytes
    received_at: datetime | None
    error: str = ""


class Mailbox:
    """A logged-in connection. `with Mailbox(config) as mailbox: mailbox.open("INBOX")`.

    Raises AuthError, ConfigError, or TransientError where the server or the network fails.
    """

    def __init__(self, config: ImapConfig) -> None:
        self.config = config
        self.where = f"{config.host}:{config.port}"

    def __enter__(self) -> Mailbox:
        config = self.config
        check_security(config, "imap")
        secure = config.security == "tls"
        try:
            self.client: Any = imapclient.IMAPClient(
                config.host,
                config.port,
                ssl=secure,
                ssl_context=tls_context(config, "imap") if secure else None,
                timeout=config.timeout,
            )
        except ssl.SSLError as error:
            reason = getattr(error, "verify_message", "") or error.reason or "no TLS"
            raise ConfigError(
                f"No secure connection to {self.where}: {reason}. Check imap.host and imap.port "
                f"(993 is tls); for a company's own authority set imap.ca_file."
            ) from None
        except (OSError, IMAPClientError) as error:
            raise self._failed(error) from None
        self.client.normalise_times = False  # keep the zone of INTERNALDATE
        try:
            self.client.login(config.username, config.password.get_secret_value())
        except LoginError as error:
            self._hang_up()
            if "UNAVAILABLE" in str(error).upper():
                raise self._failed(error) from None
            raise AuthError(
                f"{self.where} does not accept the password of {config.username}. Renew it (Gmail "
                f"and Microsoft 365 want an app password) and store it again."
            ) from None
        except (OSError, IMAPClientError) as error:
            self._hang_up()
            raise self._failed(error) from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.client.logout()
        except (OSError, IMAPClientError):
            self._hang_up()

    def _hang_up(self) -> None:
        try:
            self.client.shutdown()
        except (OSError, IMAPClientError):
            return

    def _failed(self, error: Exception) -> TransientError:
        return TransientError(
            f"The mailbox at {self.where} cannot be used now "
            f"({(str(error) or type(error).__name__)[:200]}). If this stays, check imap.host and "
            f"imap.port."
        )

    def open(self, folder: str) -> tuple[int, int]:
        """Select a folder for reading; (UIDVALIDITY, UIDNEXT or 0 if the server does not tell)."""
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
        return int(answer[b"UIDVALIDITY"]), int(answer.get(b"UIDNEXT", 0))

    def _folders(self) -> list[str]:
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

    def carrying(self, message_id: str, key_header: str, key: str) -> list[int]:
        """UIDs in the open folder of what was sent under this key, whatever id the server gave."""
        return self._search(["OR", "HEADER", "Message-ID", message_id, "HEADER", key_header, key])

    def _search(self, criteria: list[Any]) -> list[int]:
        try:
            return sorted(self.client.search(criteria))
        except (OSError, IMAPClientError) as error:
            raise self._failed(error) from None

    def read(self, uids: Sequence[int]) -> Iterator[Arrived]:
        """These messages of the open folder, in order; what was removed meanwhile is left out."""
        try:
            facts = self.client.fetch(uids, [b"INTERNALDATE", b"RFC822.SIZE"])
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
                yield Arrived(uid, raw, facts[uid].get(b"INTERNALDATE"))

    def _headers(self, uid: int, facts: Any, error: str) -> Iterator[Arrived]:
        raw: Any = b""
        try:
            found = self.client.fetch([uid], [b"BODY.PEEK[HEADER]"])
            raw = found[uid].get(b"BODY[HEADER]") if uid in found else b""
        except IMAPClientAbortError as problem:
            raise self._failed(problem) from None
        except IMAPClientError:
            raw = b""
        except OSError as problem:
            raise self._failed(problem) from None
        received_at = facts[uid].get(b"INTERNALDATE")
        yield Arrived(uid, raw if isinstance(raw, bytes) else b"", received_at, error)

    def file(self, folder: str, raw: bytes) -> None:
        """Append a copy of a sent message, marked as read."""
        try:
            self.client.append(folder, raw, flags=(b"\\Seen",))
        except (OSError, IMAPClientError) as error:
            raise self._failed(error) from None
