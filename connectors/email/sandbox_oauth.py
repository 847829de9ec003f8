"""Where the sandbox hands out tokens, as Google and Microsoft do: refresh tokens that rotate,
access tokens that end.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from urllib.parse import parse_qs

CLIENT = "hub-mail-client"
CLIENT_SECRET = "sandbox-mail-client-secret"  # noqa: S105 - published on purpose
FIRST_REFRESH = "sandbox-mail-refresh-1"


class TokenServer:
    """Answers `POST /token` of one client for one account."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.granted = 0
        self._access: set[str] = set()
        self._refresh = FIRST_REFRESH

    def owner(self, token: str) -> str | None:
        """Whose token this is, if it is good."""
        return self.address if token in self._access else None

    def expire(self) -> None:
        """Every access token ends."""
        self._access.clear()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = int(head.partition("content-length:")[2].split("\r\n")[0] or 0)
            form = parse_qs((await reader.readexactly(length)).decode())
            status, answer = self._answer({name: values[0] for name, values in form.items()})
            body = json.dumps(answer).encode()
            writer.write(
                f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n"
                f"content-length: {len(body)}\r\n\r\n".encode()
                + body
            )
            await writer.drain()
        except (asyncio.IncompleteReadError, ValueError, ConnectionError):
            return
        finally:
            writer.close()

    def _answer(self, form: dict[str, str]) -> tuple[str, dict[str, object]]:
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT, CLIENT_SECRET):
            return "401 Unauthorized", {"error": "invalid_client"}
        if form.get("grant_type") != "refresh_token":
            return "400 Bad Request", {"error": "unsupported_grant_type"}
        if form.get("refresh_token") != self._refresh:
            return "400 Bad Request", {"error": "invalid_grant"}
        self.granted += 1
        token = secrets.token_urlsafe(24)
        self._access.add(token)
        self._refresh = f"sandbox-mail-refresh-{self.granted + 1}"
        return "200 OK", {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": 3600,
            "refresh_token": self._refresh,
        }
