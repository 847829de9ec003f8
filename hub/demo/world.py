"""The world of a story: vendor sandboxes on loopback, a throw-away workspace, and the
environment that joins them.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from connectors.email.sandbox import EmailSandbox
from connectors.github.sandbox import GithubSandbox
from connectors.salesforce.sandbox import SalesforceSandbox
from connectors.spreadsheet.sandbox import SpreadsheetSandbox

STORIES = ("onboarding",)
ADMIN_TOKEN = "demo-admin-token-for-this-machine-only"  # noqa: S105 - the demo listens on loopback


def story_files(story: str) -> Path:
    """The workspace of a story: from the checkout, or where the installation put it."""
    here = Path(__file__).resolve().parents[2] / "examples" / story
    installed = Path(sysconfig.get_path("data")) / "share" / "process-hub" / "examples" / story
    for folder in (here, installed):
        if (folder / "hub.yaml").exists():
            return folder
    raise FileNotFoundError(f"The files of the story '{story}' are not installed.")


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


@dataclass(slots=True)
class Tools:
    """The vendors of the story."""

    crm: SalesforceSandbox
    github: GithubSandbox
    mail: EmailSandbox
    tracker: SpreadsheetSandbox


class World:
    """Starts everything but the hub. Use as a context manager; leaves nothing behind."""

    def __init__(self, story: str, port: int = 0, extra: Mapping[str, str] | None = None) -> None:
        self.story = story
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._extra = dict(extra or {})

    def __enter__(self) -> World:
        self.home = Path(tempfile.mkdtemp(prefix="hub-demo-"))
        self.workspace = self.home / "workspace"
        shutil.copytree(story_files(self.story), self.workspace)
        self.tools = Tools(
            SalesforceSandbox(),
            GithubSandbox(),
            EmailSandbox(),
            SpreadsheetSandbox(self.home / "tracker"),
        )
        for sandbox in (self.tools.crm, self.tools.github, self.tools.mail, self.tools.tracker):
            sandbox.start()
        self.env = {**os.environ, **self._environment(), **self._extra}
        self.tools.github.webhook_url = f"{self.url}/webhooks/github"
        token = self.env["ONBOARDING_CRM_HOOK_TOKEN"]
        self.tools.crm.webhook_url = f"{self.url}/webhooks/crm/{token}"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for sandbox in (self.tools.crm, self.tools.github, self.tools.mail, self.tools.tracker):
            sandbox.webhook_url = None
            sandbox.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def _environment(self) -> dict[str, str]:
        tools = self.tools
        secrets = {**tools.crm.env(), **tools.github.env(), **tools.mail.env()}

        def secret(reference: str) -> str:
            return secrets[reference.removeprefix("env:")]

        crm, github = tools.crm.connection(), tools.github.connection()
        mail, tracker = tools.mail.connection(), tools.tracker.connection()
        return {
            "ONBOARDING_CRM_URL": crm["base_url"],
            "ONBOARDING_CRM_ID": secret(crm["auth"]["client_id"]),
            "ONBOARDING_CRM_SECRET": secret(crm["auth"]["client_secret"]),
            "ONBOARDING_CRM_HOOK_TOKEN": secret(crm["webhook"]["token"]),
            "ONBOARDING_GITHUB_URL": github["base_url"],
            "ONBOARDING_GITHUB_TOKEN": secret(github["auth"]["token"]),
            "ONBOARDING_GITHUB_HOOK": secret(github["webhook"]["secret"]),
            "ONBOARDING_TRACKER": tracker["path"],
            "ONBOARDING_SMTP_PORT": str(mail["smtp"]["port"]),
            "ONBOARDING_IMAP_PORT": str(mail["imap"]["port"]),
            "ONBOARDING_MAIL_PASSWORD": secret(mail["smtp"]["password"]),
            "HUB_WORKSPACE": str(self.workspace),
            "HUB_ADMIN_TOKEN": ADMIN_TOKEN,
            "HUB_PUBLIC_URL": self.url,
        }

    def command(self, *arguments: str) -> list[str]:
        """A `hub` command line for this world."""
        return [sys.executable, "-m", "hub", *arguments]
