"""The mailboxes of the sandbox: pymap with accounts that exist as soon as somebody needs them."""

from __future__ import annotations

import asyncio
import ssl
from argparse import Namespace
from collections.abc import Callable, Sequence
from typing import Any

from proxyprotocol.sock import SocketInfo
from pymap.backend.dict import Config, Identity, Login
from pymap.backend.dict.filter import FilterSet
from pymap.backend.dict.mailbox import MailboxSet
from pymap.exceptions import InvalidAuth
from pymap.imap import IMAPServer
from pymap.user import UserMetadata
from pysasl import SASLAuth
from pysasl.creds.external import ExternalCredentials
from pysasl.identity import ClearIdentity

from connectors.sdk.faults import DRIP, Faults

PASSWORD = "sandbox-mail"  # noqa: S105 - published on purpose


class Accounts(Config):
    """pymap's settings without its look-ups in the network."""

    greeting = b"sandbox ready"
    tokens: Callable[[str], str | None] | None = None
    """Whose address a token stands for; None: only passwords are taken."""
    refused: Callable[[str], bool] = staticmethod(lambda on: False)
    """Whether this login (`read`) is to be refused as a fault."""

    @classmethod
    def made(cls) -> Accounts:
        args = Namespace(passlib_cfg=None, proxy_protocol=None)
        made = cls(
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
        made.apply_context()
        return made

    @property
    def tls_auth(self) -> SASLAuth:
        return SASLAuth.named([b"XOAUTH2"] if self.tokens else [b"PLAIN", b"LOGIN"])

    @property
    def initial_capability(self) -> Sequence[bytes]:
        return [b"LITERAL+", b"ID"]

    async def account(self, address: str) -> MailboxSet:
        """The mailboxes of an address, made if it has none yet."""
        if address not in self.set_cache:
            folders = MailboxSet()
            self.set_cache[address] = (folders, FilterSet())
            await folders.add_mailbox("Sent")
            await folders.add_mailbox("Archive")
        return self.set_cache[address][0]


class _Login(Login):
    """Lets every address in with the sandbox's password, or with a token that stands for it."""

    def __init__(self, config: Accounts) -> None:
        super().__init__(config)
        self.accounts = config

    async def authenticate(self, credentials: Any) -> Identity:
        if self.accounts.refused("read"):
            raise InvalidAuth()
        if isinstance(credentials, ExternalCredentials):
            address = credentials.authzid.lower()
            tokens = self.accounts.tokens
            if tokens is None or tokens(credentials._token or "") != address:
                raise InvalidAuth()
        else:
            known = ClearIdentity(credentials.authcid, PASSWORD)
            address = credentials.authcid.lower()
            if self.accounts.tokens or "@" not in address or not credentials.verify(known):
                raise InvalidAuth()
        self.users_dict.setdefault(address, UserMetadata(self.config, address))
        await self.accounts.account(address)
        return Identity(address, self, None, frozenset())

    async def authorize(self, authenticated: Any, authzid: str) -> Identity:
        if authzid.lower() != authenticated.name:
            raise InvalidAuth()
        return Identity(authenticated.name, self, None, frozenset())


class Mailboxes:
    """Serves one connection after the other, and does wrong what the faults ask for."""

    def __init__(self, accounts: Accounts, faults: Callable[[], Faults]) -> None:
        self._serve = IMAPServer(_Login(accounts), accounts)
        self._faults = faults

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        faults = self._faults()
        faults.requests.append("IMAP connection")
        try:
            if faults.on in ("read", "any") and await self._spoil(faults, writer):
                return
            await self._serve(reader, writer, SocketInfo.get(writer, None, unique_id=b"sandbox"))
        finally:
            writer.close()

    async def _spoil(self, faults: Faults, writer: asyncio.StreamWriter) -> bool:
        if faults.status[:1] == [401]:  # at the login
            return False
        if faults.status:
            writer.write(b"* BYE [UNAVAILABLE] refused on purpose (%d)\r\n" % faults.status.pop(0))
        elif faults.body:
            faults.body.pop(0)
            writer.write(b"<!doctype html><title>Sign in</title><p>Please sign in to continue.\r\n")
        elif faults.cut_before_effect:
            faults.cut_before_effect -= 1
        elif faults.slow:
            faults.slow -= 1
            while not writer.is_closing():
                writer.write(b"*")
                await asyncio.sleep(DRIP)
        else:
            return False
        return True
