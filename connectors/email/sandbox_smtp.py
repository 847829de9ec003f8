"""What the sandbox does with what is submitted (the names of the hooks are aiosmtpd's)."""

from __future__ import annotations

import asyncio
import base64
import email.policy
from collections.abc import Sequence
from email.parser import BytesParser
from typing import TYPE_CHECKING, Any

from aiosmtpd.smtp import AuthResult, LoginPassword

from connectors.email.sandbox_imap import PASSWORD
from connectors.email.sandbox_mail import report
from connectors.sdk.faults import DRIP
from connectors.sdk.sandbox import Effect

if TYPE_CHECKING:
    from connectors.email.sandbox import EmailSandbox


class Submissions:
    """Signs in, refuses, accepts and delivers."""

    def __init__(self, sandbox: EmailSandbox) -> None:
        self._sandbox = sandbox

    def authenticate(
        self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any
    ) -> AuthResult:
        wrong = not isinstance(data, LoginPassword) or data.password != PASSWORD.encode()
        if wrong or self._sandbox._refused("write"):
            return AuthResult(success=False, handled=False)
        session.account = data.login.decode().lower()
        return AuthResult(success=True)

    async def auth_XOAUTH2(self, server: Any, args: list[str]) -> AuthResult:
        """https://developers.google.com/gmail/imap/xoauth2-protocol"""
        try:
            said = base64.b64decode(args[1]).decode()
            user, bearer = said.removesuffix("\x01\x01").split("\x01")
            address = user.removeprefix("user=").lower()
            token = bearer.removeprefix("auth=Bearer ")
        except (IndexError, ValueError):
            return AuthResult(success=False, handled=False)
        if self._sandbox.tokens.owner(token) != address:
            # the reason comes as a question, and an empty answer is awaited
            await server.challenge_auth('{"status":"401","schemes":"bearer"}')
            return AuthResult(success=False, handled=False)
        server.session.account = address
        return AuthResult(success=True)

    async def handle_MAIL(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if not session.authenticated:
            return "530 5.7.0 Authentication required"
        if (address or "").lower() != session.account:
            return "553 5.7.1 You may not send as somebody else"
        if self._sandbox.faults.read_only:
            self._sandbox.faults.forbidden.append(f"MAIL FROM:<{address}>")
            return "550 5.7.1 Refused on purpose"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if self._meant(session) and self._sandbox.faults.status:
            code = self._sandbox.faults.status.pop(0)
            return f"{code} {'4.2.0 Try again later' if code < 500 else '5.1.1 User unknown'}"
        if "@" not in address:
            return "553 5.1.3 No such address"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        meant = self._meant(session)
        if meant and self._sandbox.faults.cut_before_effect:
            self._sandbox.faults.cut_before_effect -= 1
            server.transport.abort()
            return "421 4.3.0 Going away"
        # a client that hangs up now must not leave a mail half delivered
        await asyncio.shield(
            self._accept(session.account, list(envelope.rcpt_tos), bytes(envelope.content))
        )
        if meant and self._sandbox.faults.cut_after_effect:
            self._sandbox.faults.cut_after_effect -= 1
            server.transport.abort()
        elif meant and self._sandbox.faults.slow:
            self._sandbox.faults.slow -= 1
            while not server.transport.is_closing():
                server.transport.write(b"2")
                await asyncio.sleep(DRIP)
        elif meant and self._sandbox.faults.body:
            self._sandbox.faults.body.pop(0)
            server.transport.write(b"<!doctype html>\r\n")
            server.transport.close()
        return "250 2.0.0 Queued"

    def _meant(self, session: Any) -> bool:
        return session.account == self._sandbox.address and self._sandbox.faults.on != "read"

    async def _accept(self, account: str, recipients: Sequence[str], raw: bytes) -> None:
        message = BytesParser(policy=email.policy.compat32).parsebytes(raw)
        message_id = str(message["Message-ID"] or "")
        if account == self._sandbox.address:
            to = tuple(recipients)
            fields = {"to": to, "subject": str(message["Subject"] or "")}
            with self._sandbox.lock:
                self._sandbox.ledger.append(
                    Effect("create", "message", message_id, fields, message_id)
                )
        if self._sandbox.files_sent:
            await self._sandbox.append(account, "Sent", raw, seen=True)
        for recipient in recipients:
            if recipient.lower() in self._sandbox.unreachable:
                await self._sandbox.append(account, "INBOX", report(account, recipient, raw))
            else:
                trace = f"Return-Path: <{account}>\r\nDelivered-To: {recipient}\r\n".encode()
                await self._sandbox.append(recipient, "INBOX", trace + raw)
