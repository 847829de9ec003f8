"""Participants' links: good for one step and one person, with a code that only the mail carries.

The secret of a link is derived from its id and the hub's key, so that the message in the outbox
holds a placeholder and no secret; `fill`
puts the real ones in at the moment of sending. Seeing the page takes the link; answering takes the
code as well.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import timedelta

from hub.ids import new_id
from hub.store import access
from hub.unit import Unit

LIFETIME = timedelta(days=30)
_PLACEHOLDER = re.compile(r"\{\{hub:(link|code|home|tag):([a-z0-9_./-]*)\}\}")


def _derive(key: bytes, purpose: str, id: str) -> bytes:
    return hmac.new(key, f"{purpose}\n{id}".encode(), hashlib.sha256).digest()


def secret_of(key: bytes, id: str) -> str:
    """The secret part of a link's address."""
    return f"{id}.{_derive(key, 'participant', id).hex()[:40]}"


def code_of(key: bytes, id: str) -> str:
    """The six digits that go with a link."""
    return f"{int.from_bytes(_derive(key, 'code', id)[:8]) % 1_000_000:06d}"


def tag_of(key: bytes, id: str) -> str:
    """What the signed address for replies carries behind its plus: the link's id and its proof."""
    return f"{id}.{_derive(key, 'tag', id).hex()[:20]}"


def id_of_tag(key: bytes, tag: str) -> str | None:
    """The link whose signed address this is part of; None where the proof is not ours."""
    id = tag.partition(".")[0]
    right = hmac.compare_digest(tag_of(key, id).encode(), tag.lower().encode(errors="replace"))
    return id if right else None


def button_of(key: bytes, id: str) -> str:
    """What a button with this token carries."""
    return f"{id}.{_derive(key, 'button', id).hex()[:40]}"


def button(unit: Unit, party: str, what: str, message: str) -> str:
    """Make the token of buttons on a message, named by its key; its id, for `button_of`."""
    id = new_id("btn")
    access.make_token(
        unit.tx,
        "button",
        what,
        "participant",
        unit.now,
        party=party,
        subject=message,
        lifetime=LIFETIME,
        secret=button_of(unit.key, id),
        id=id,
    )
    return id


def invite(unit: Unit, party: str, step: str, name: str) -> str:
    """Make a link to a step for a party; its id, for `link` and `code`."""
    id = new_id("inv")
    access.make_token(
        unit.tx,
        "participant",
        name,
        "participant",
        unit.now,
        party=party,
        subject=step,
        code=code_of(unit.key, id),
        lifetime=LIFETIME,
        secret=secret_of(unit.key, id),
        id=id,
    )
    return id


def link(id: str) -> str:
    """What to write where the address of a link belongs."""
    return f"{{{{hub:link:{id}}}}}"


def code(id: str) -> str:
    """What to write where the code of a link belongs."""
    return f"{{{{hub:code:{id}}}}}"


def tag(id: str) -> str:
    """What to write where the tag of the address for replies belongs."""
    return f"{{{{hub:tag:{id}}}}}"


def page(path: str) -> str:
    """What to write where the address of a page of the dashboard belongs."""
    return f"{{{{hub:home:{path}}}}}"


def fill(text: str, key: bytes, public_url: str) -> str:
    """The text with every placeholder replaced. Done at the last moment, in memory."""

    def real(match: re.Match[str]) -> str:
        kind, what = match[1], match[2]
        if kind == "link":
            return f"{public_url}/p/{secret_of(key, what)}"
        if kind == "code":
            return code_of(key, what)
        if kind == "tag":
            return tag_of(key, what)
        return f"{public_url}/{what}"

    return _PLACEHOLDER.sub(real, text)
