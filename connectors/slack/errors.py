"""What Slack's error codes mean for the hub. Slack answers most errors with HTTP 200 and
`{"ok": false, "error": CODE}`.

https://docs.slack.dev/reference/methods/chat.postMessage and the other methods' pages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from connectors.sdk import (
    AuthError,
    ConnectorError,
    NotFoundError,
    RateLimitError,
    RejectedError,
    TransientError,
)
from connectors.sdk.http import DEFAULT_WAIT, retry_after

AUTH: Mapping[str, str] = {
    "invalid_auth": "Copy the bot token anew from OAuth & Permissions to `auth.token`.",
    "not_authed": "Put the bot token under `auth.token`.",
    "account_inactive": "The app or its workspace was switched off: install the app again.",
    "token_revoked": "The token was revoked: install the app again and copy its token.",
    "token_expired": "The app rotates its tokens: write client_id, client_secret and "
    "refresh_token under `auth` instead of token.",
    "not_allowed_token_type": "Use the bot token (xoxb-…), not a user or app token.",
    "invalid_refresh_token": "Install the app again and put its refresh token under `auth`.",
    "no_permission": "Invite the app into the channel, or give it the permission.",
    "access_denied": "An administrator must allow the app to do this.",
    "accesslimited": "The workspace allows requests only from certain networks.",
    "org_login_required": "The workspace is being moved to an organisation: try again later.",
    "team_access_not_granted": "Install the app in this workspace.",
    "ekm_access_denied": "The administrators have suspended posting.",
    "enterprise_is_restricted": "The method cannot be called from an Enterprise: install the app "
    "in a workspace.",
}
"""The connection rests until a person has done this."""

MISSING = frozenset(
    {"message_not_found", "thread_not_found", "users_not_found", "user_not_found", "no_such_user"}
)

LATER = frozenset(
    {
        "fatal_error",
        "internal_error",
        "request_timeout",
        "service_unavailable",
        "team_added_to_org",
    }
)
"""Slack says of the first two that part of the work may have been done."""

SLOWER = frozenset({"ratelimited", "rate_limited"})

REFUSED: Mapping[str, tuple[str, str]] = {
    "channel_not_found": ("channel", "there is no such channel, or the app is not in it"),
    "not_in_channel": ("channel", "the app is not in it: write /invite and the app's name there"),
    "is_archived": ("channel", "the channel is archived"),
    "restricted_action": ("channel", "a setting of the workspace keeps the app from posting there"),
    "restricted_action_read_only_channel": ("channel", "nobody may post there"),
    "restricted_action_thread_only_channel": ("channel", "only replies are allowed there"),
    "restricted_action_non_threadable_channel": ("in_reply_to", "no threads are allowed there"),
    "restricted_action_thread_locked": ("in_reply_to", "the thread is locked"),
    "cannot_reply_to_message": ("in_reply_to", "this message cannot be replied to"),
    "invalid_thread_ts": ("in_reply_to", "this is no message that could be replied to"),
    "cannot_dm_bot": ("to", "is a bot, which takes no direct messages from an app"),
    "user_disabled": ("to", "this person's account is deactivated"),
    "user_not_visible": ("to", "the app may not see this person"),
    "messages_tab_disabled": (
        "to",
        "switch on the Messages Tab under App Home in the app's settings",
    ),
    "msg_too_long": ("text", "is too long"),
    "msg_blocks_too_long": ("text", "is too long with everything that belongs to it"),
    "no_text": ("text", "is empty"),
    "invalid_blocks": ("text", "Slack does not take the blocks that it becomes"),
    "invalid_blocks_format": ("text", "Slack does not take the blocks that it becomes"),
    "cant_update_message": ("*", "only messages that this app wrote can be changed"),
    "cant_delete_message": ("*", "only messages that this app wrote can be deleted"),
    "edit_window_closed": ("*", "the workspace no longer allows changing this message"),
    "compliance_exports_prevent_deletion": ("*", "a compliance rule forbids deleting messages"),
    "message_limit_exceeded": ("*", "the workspace has used up its messages"),
}
"""The field that is wrong and why; `*` where it is none in particular."""

ENDED = frozenset({"token_expired", "invalid_auth"})


class TokenError(AuthError):
    """The token itself is not good (any more); another one might be."""


PLACES = frozenset({"channel_not_found", "not_in_channel"})


class PlaceError(RejectedError):
    """The channel is not there, or not for us."""


_CODE = re.compile(r"[a-z][a-z0-9_]{1,80}")
_SCOPES = re.compile(r"[a-z0-9_.:,\- ]{1,400}")


def code_of(answer: Mapping[str, Any]) -> str:
    """The code of a failed answer, `unknown` where it is not one."""
    code = answer.get("error")
    return code if isinstance(code, str) and _CODE.fullmatch(code) else "unknown"


def error_of(method: str, answer: Mapping[str, Any], headers: Mapping[str, str]) -> ConnectorError:
    """The error for an answer that is not `ok`. Codes that are not known are refusals: they speak
    of what was sent, and come anew every year.
    """
    code = code_of(answer)
    if code == "missing_scope":
        needed = str(answer.get("needed", ""))
        scope = needed if _SCOPES.fullmatch(needed) else "that the method needs"
        return AuthError(
            f"Slack: the app lacks the scope {scope} for {method}. Add it under OAuth & "
            "Permissions, and install the app again."
        )
    if code in AUTH:
        told = f"Slack refuses {method} ({code}). {AUTH[code]}"
        return TokenError(told) if code in ENDED else AuthError(told)
    if code in SLOWER:
        wait = retry_after(headers)
        return RateLimitError(
            f"Slack asks us to slow down with {method}.", DEFAULT_WAIT if wait is None else wait
        )
    if code in LATER:
        return TransientError(f"Slack could not finish {method} ({code}).", retry_after(headers))
    if code in MISSING:
        return NotFoundError(f"Slack does not know what {method} was asked about ({code}).")
    field, why = REFUSED.get(code, ("*", f"Slack says {code}"))
    told = f"{field}: {why}" if field != "*" else why
    kind = PlaceError if code in PLACES else RejectedError
    return kind(f"Slack refused {method} ({code}). {told}.", {field: f"{why} ({code})"})
