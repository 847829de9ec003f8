"""What the environment says: where the workspace, the database and the broker are, and the key
to the secrets.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

MIN_TOKEN = 24


class SettingsError(ValueError):
    """A variable is missing or wrong; the message names it and says what to write."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How this process runs. `redis_url` None: embedded, everything in one process."""

    workspace: Path
    database_url: str
    redis_url: str | None
    secret_key: bytes = field(repr=False)
    admin_token: str | None = field(default=None, repr=False)
    public_url: str | None = None
    log: str = "text"
    strict: bool = False

    @property
    def scaled(self) -> bool:
        return self.redis_url is not None

    @property
    def home(self) -> Path:
        """The folder for what the hub itself keeps beside a workspace."""
        return self.workspace / ".hub"


def from_environment(
    env: Mapping[str, str] | None = None, *, workspace: str | Path | None = None
) -> Settings:
    """The settings of this process. Creates `.hub/secret.key` when embedded and no key is given.
    Raises SettingsError.
    """
    env = os.environ if env is None else env
    folder = Path(workspace or env.get("HUB_WORKSPACE") or ".").resolve()
    home = folder / ".hub"
    redis_url = env.get("HUB_REDIS_URL") or None
    if redis_url and urlsplit(redis_url).scheme not in ("redis", "rediss", "unix"):
        raise SettingsError("HUB_REDIS_URL must look like redis://host:6379/0.")
    database_url = env.get("HUB_DATABASE_URL") or f"sqlite:///{home / 'hub.db'}"
    if urlsplit(database_url).scheme.split("+")[0] not in ("sqlite", "postgresql", "postgres"):
        raise SettingsError(
            "HUB_DATABASE_URL must look like sqlite:///path/hub.db or postgresql://user@host/name."
        )
    if redis_url and database_url.startswith("sqlite"):
        raise SettingsError(
            "HUB_DATABASE_URL is a SQLite file, but HUB_REDIS_URL asks for several processes."
            " Give a postgresql:// URL, or unset HUB_REDIS_URL."
        )
    admin = env.get("HUB_ADMIN_TOKEN") or None
    if admin and len(admin.encode()) < MIN_TOKEN:
        raise SettingsError(f"HUB_ADMIN_TOKEN must have at least {MIN_TOKEN} bytes.")
    log = env.get("HUB_LOG") or "text"
    if log not in ("text", "json"):
        raise SettingsError("HUB_LOG must be text or json.")
    public = env.get("HUB_PUBLIC_URL") or None
    if public and urlsplit(public).scheme not in ("http", "https"):
        raise SettingsError("HUB_PUBLIC_URL must start with https:// (or http:// for a trial).")
    return Settings(
        workspace=folder,
        database_url=database_url,
        redis_url=redis_url,
        secret_key=_secret_key(env, home, scaled=redis_url is not None),
        admin_token=admin,
        public_url=public.rstrip("/") if public else None,
        log=log,
        strict=env.get("HUB_STRICT") == "1",
    )


def _secret_key(env: Mapping[str, str], home: Path, *, scaled: bool) -> bytes:
    given = env.get("HUB_SECRET_KEY")
    if given is not None:
        if len(given.encode()) < MIN_TOKEN:
            raise SettingsError(
                f"HUB_SECRET_KEY must have at least {MIN_TOKEN} bytes; make one with:"
                ' python3 -c "import secrets; print(secrets.token_urlsafe(32))"'
            )
        return given.encode()
    if scaled:
        raise SettingsError("HUB_SECRET_KEY is required when HUB_REDIS_URL is set.")
    file = home / "secret.key"
    if not file.exists():
        home.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return file.read_bytes().strip()  # another process was faster
        with os.fdopen(descriptor, "w") as handle:
            handle.write(secrets.token_urlsafe(32))
    key = file.read_bytes().strip()
    if len(key) < MIN_TOKEN:
        raise SettingsError(f"{file} is damaged; restore it, or set HUB_SECRET_KEY.")
    return key
