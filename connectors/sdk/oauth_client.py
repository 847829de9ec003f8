"""authlib's OAuth client, made strict. Imported by who signs in: it takes longer to load than all
else a connection needs.
"""

from __future__ import annotations

import warnings
from typing import Any

import httpx
from authlib.common.security import generate_token

from connectors.sdk.errors import PayloadError
from connectors.sdk.json_bodies import decode_json

with warnings.catch_warnings():
    # authlib announces its next HTTP client; we keep httpx until respx sees the other one
    import authlib.deprecate  # noqa: F401 - it sets a filter of its own, which ours has to come after

    warnings.filterwarnings("ignore", message=".*httpx2.*")
    from authlib.integrations.base_client import OAuthError
    from authlib.integrations.httpx_client import OAuth2Client

__all__ = ["Client", "OAuthError", "generate_token", "unnamed"]


def unnamed(client: OAuth2Client, method: str, uri: str, headers: Any, body: Any) -> Any:
    """No client at all: the signed statement says who asks."""
    return uri, headers, body


class Client(OAuth2Client):
    """authlib's client; it reads answers as strictly as the rest of us."""

    def parse_response_token(self, resp: httpx.Response) -> dict[str, Any]:
        if resp.status_code >= 500 or resp.status_code in (408, 429):
            resp.raise_for_status()
        answer = decode_json(resp.content, "the answer with a token")
        if not isinstance(answer, dict):
            raise PayloadError("There is no token in the answer.")
        if error := answer.get("error"):
            raise OAuthError(error=error if isinstance(error, str) else "an unknown error")
        return answer
