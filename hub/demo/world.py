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
from pathlib import Path
from types import TracebackType

from hub.demo.client import ADMIN_TOKEN
from hub.demo.stories import STORIES


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


class World:
    """Starts everything but the hub. Use as a context manager; leaves nothing behind."""

    def __init__(self, story: str, port: int = 0, extra: Mapping[str, str] | None = None) -> None:
        self.story = story
        self.plot = STORIES[story]
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._extra = dict(extra or {})

    def __enter__(self) -> World:
        self.home = Path(tempfile.mkdtemp(prefix="hub-demo-"))
        self.workspace = self.home / "workspace"
        shutil.copytree(story_files(self.story), self.workspace)
        self.tools = self.plot.tools_in(self.home)
        for sandbox in vars(self.tools).values():
            sandbox.start()
        self.env = {
            **os.environ,
            **self.plot.environment(self.tools),
            "HUB_WORKSPACE": str(self.workspace),
            "HUB_ADMIN_TOKEN": ADMIN_TOKEN,
            "HUB_PUBLIC_URL": self.url,
            **self._extra,
        }
        self.plot.posts(self.tools, f"{self.url}/webhooks")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for sandbox in vars(self.tools).values():
            sandbox.webhook_url = None
            sandbox.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def command(self, *arguments: str) -> list[str]:
        """A `hub` command line for this world."""
        return [sys.executable, "-m", "hub", *arguments]
