"""Who may come in: API tokens, dashboard sessions, one-time sign-in links, participants' links; and
sealed secrets.

A token is shown once and stored as a hash; the row says what it is good for, for whom and how long.
"""

from __future__ import annotations

import base64
import hashlib
import secrets as random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from hub.ids import new_id
from hub.store import dialect
from hub.store.tables import secrets, tokens

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

Row = dict[str, Any]
MAX_FAILURES = 10
"""Wrong codes after which a participant's link is dead."""


def digest(secret: str) -> str:
    """What is stored of a token: it has too much entropy to need a slow hash."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def make_token(
    tx: Connection,
    kind: str,
    name: str,
    role: str,
    now: datetime,
    *,
    party: str | None = None,
    subject: str | None = None,
    code: str | None = None,
    lifetime: timedelta | None = None,
    secret: str | None = None,
    id: str | None = None,
) -> tuple[str, str]:
    """Make a token; its id and, for the only time, its secret."""
    secret = secret or f"hub_{random.token_urlsafe(32)}"
    id = id or new_id("tok")
    tx.execute(
        sa.insert(tokens).values(
            id=id,
            kind=kind,
            hash=digest(secret),
            name=name[:100],
            role=role,
            party=party,
            subject=subject,
            code_hash=digest(f"{id}{code}") if code else None,
            created_at=now,
            expires_at=now + lifetime if lifetime else None,
        )
    )
    return id, secret


def token(tx: Connection, secret: str, kind: str, now: datetime) -> RowMapping | None:
    """The live token with this secret, or None: unknown, expired and exhausted ones look alike."""
    return (
        tx.execute(
            sa.select(tokens).where(
                tokens.c.hash == digest(secret),
                tokens.c.kind == kind,
                tokens.c.failures < MAX_FAILURES,
                sa.or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > now),
            )
        )
        .mappings()
        .first()
    )


def code_matches(row: RowMapping, code: str) -> bool:
    """Whether this is the code that went out with the link."""
    return bool(row["code_hash"]) and random.compare_digest(
        digest(f"{row['id']}{code.strip()}"), row["code_hash"]
    )


def try_code(tx: Connection, row: RowMapping, code: str) -> bool:
    """Whether this is the code that went out with the link. A wrong one is counted, and none is
    looked at once there were too many: however many are tried at the same time.
    """
    counted = tx.execute(
        sa.update(tokens)
        .where(tokens.c.id == row["id"], tokens.c.failures < MAX_FAILURES)
        .values(failures=tokens.c.failures + 1)
    ).rowcount
    if not counted or not code_matches(row, code):
        return False
    tx.execute(
        sa.update(tokens).where(tokens.c.id == row["id"]).values(failures=tokens.c.failures - 1)
    )
    return True


def use_once(tx: Connection, id: str, now: datetime) -> bool:
    """Mark a one-time token used. False: somebody was faster."""
    return bool(
        tx.execute(
            sa.update(tokens)
            .where(tokens.c.id == id, tokens.c.used_at.is_(None))
            .values(used_at=now)
        ).rowcount
    )


def revoke(tx: Connection, id: str) -> bool:
    return bool(tx.execute(sa.delete(tokens).where(tokens.c.id == id)).rowcount)


def end_links(tx: Connection, subject: str, but: str, now: datetime) -> int:
    """End the participants' links to a step that all but this party have; how many those were."""
    return tx.execute(
        sa.update(tokens)
        .where(
            tokens.c.subject == subject,
            tokens.c.kind == "participant",
            tokens.c.party != but,
            sa.or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > now),
        )
        .values(expires_at=now)
    ).rowcount


def list_tokens(tx: Connection, kind: str = "api") -> Sequence[RowMapping]:
    """Tokens without anything secret."""
    columns = [column for column in tokens.c if "hash" not in column.name]
    return (
        tx.execute(sa.select(*columns).where(tokens.c.kind == kind).order_by(tokens.c.created_at))
        .mappings()
        .all()
    )


# ----------------------------------------------------------------------------------------- secrets


class WrongKey(RuntimeError):
    """A stored secret cannot be read with this HUB_SECRET_KEY."""


def _fernet(key: bytes) -> Fernet:
    from cryptography.fernet import Fernet  # for those who keep secrets here

    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"secrets\n" + key).digest()))


def seal(key: bytes, value: str) -> str:
    """Encrypt a text with the hub's secret key."""
    return _fernet(key).encrypt(value.encode()).decode()


def unseal(key: bytes, sealed: str, what: str) -> str:
    """The text that was sealed. Raises WrongKey, which names `what` it is."""
    from cryptography.fernet import InvalidToken

    try:
        return _fernet(key).decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise WrongKey(
            f"{what} does not open with this HUB_SECRET_KEY. Start with the key it was stored with."
        ) from None


def put_secret(tx: Connection, key: bytes, name: str, value: str, now: datetime) -> None:
    """Store or replace a secret, encrypted."""
    dialect.upsert(
        tx,
        secrets,
        {"name": name, "sealed": seal(key, value), "changed_at": now},
        ["name"],
        ["sealed", "changed_at"],
    )


def get_secret(tx: Connection, key: bytes, name: str) -> str | None:
    """A stored secret. Raises WrongKey."""
    sealed = tx.scalar(sa.select(secrets.c.sealed).where(secrets.c.name == name))
    return None if sealed is None else unseal(key, sealed, f"The stored secret '{name}'")


def secret_names(tx: Connection) -> list[str]:
    return list(tx.scalars(sa.select(secrets.c.name).order_by(secrets.c.name)))
