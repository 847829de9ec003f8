"""The hub as the people of a story reach it: over HTTP only, patient while it restarts."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

if TYPE_CHECKING:
    from hub.demo.world import World

ADMIN_TOKEN = "demo-admin-token-for-this-machine-only"  # noqa: S105 - the demo listens on loopback
T = TypeVar("T")
Json = Any


class StoryFailed(Exception):
    """Something that the story waited for did not happen."""


class Client:
    """One caller of the API, with retries where the hub is not there for a moment."""

    def __init__(self, world: World, token: str = ADMIN_TOKEN) -> None:
        self.world = world
        self._http = httpx.Client(
            base_url=world.url, headers={"Authorization": f"Bearer {token}"}, timeout=20
        )

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A request that is tried again until the hub answers, at most a minute."""
        deadline = time.monotonic() + 60
        while True:
            try:
                answer = self._http.request(method, path, **options)
                if answer.status_code != 503:
                    return answer
            except httpx.TransportError as error:
                if time.monotonic() > deadline:
                    raise StoryFailed(
                        f"The hub does not answer {method} {path}: {error}"
                    ) from error
            time.sleep(0.1)

    def get(self, path: str, **query: str) -> Json:
        """The JSON of a GET."""
        answer = self.request("GET", path, params=query)
        if answer.status_code != 200:
            raise StoryFailed(f"GET {path} answered {answer.status_code}: {answer.text[:300]}")
        return answer.json()

    def items(self, path: str, **query: str) -> list[Json]:
        """The items of a listing."""
        found: list[Json] = self.get(path, **query)["items"]
        return found

    def close(self) -> None:
        self._http.close()


def person_token(world: World, person: str) -> str:
    """A token bound to a person, made as an administrator would make it."""
    made = _hub(world, "token", "create", "--role", "member", "--name", f"demo {person}",
                "--person", person, "--json")  # fmt: skip
    token: str = json.loads(made)["token"]
    return token


def sign_in(world: World, person: str) -> str:
    """A one-time link that signs a person in."""
    found = re.search(r"https?://\S+", _hub(world, "sign-in", "--person", person))
    if found is None:
        raise StoryFailed("hub sign-in printed no link.")
    return found[0]


def _hub(world: World, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - our own command line
        world.command(*arguments),
        env=world.env,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode:
        raise StoryFailed(f"hub {' '.join(arguments)} failed: {done.stderr[-500:]}")
    return done.stdout


def wait_for(what: str, look: Callable[[], T | None], seconds: float = 90.0) -> T:
    """The first truthy value that `look` gives. Raises StoryFailed that says what was waited
    for.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise StoryFailed(f"Waited {seconds:.0f} s for this and it did not happen: {what}.")
        time.sleep(0.05)
