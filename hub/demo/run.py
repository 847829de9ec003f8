"""Plays a story: to its end and out (`--headless`), or up to a point where there is something to
look at and to do.
"""

from __future__ import annotations

import json
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Any

from rich.console import Console

from hub.demo import report
from hub.demo.client import StoryFailed, sign_in, wait_for
from hub.demo.story import Done, answers, customers
from hub.demo.supervise import Supervisor
from hub.demo.world import World

Json = Any


def _end_kindly() -> None:
    """Let a `kill` end the demo as Ctrl-C does, so that nothing stays behind."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


def headless(story: str, port: int, seed: int, *, as_json: bool) -> int:
    """Play to the end, print what happened, and say 0, or 1 if any act failed."""
    _end_kindly()
    console = Console(stderr=as_json)
    with World(story, port) as world:
        found = play(world, seed, lambda done: _tell(console, done))
        if as_json:
            sys.stdout.write(json.dumps(found, indent=2, default=str) + "\n")
        else:
            report.show(found, console)
    return 0 if found["ok"] else 1


def play(
    world: World,
    seed: int,
    tell: Callable[[Done], None] = lambda done: None,
    meanwhile: Callable[[Supervisor], None] = lambda supervisor: None,
    parts: Mapping[str, Sequence[str]] | None = None,
) -> Json:
    """Start a hub in this world, play the story with the first customer, and report.

    `meanwhile` gets the supervisor once the hub is up: a test kills processes through it. `parts`
    are the processes that make up the hub, by name; `hub up` if not given.
    """
    supervisor = Supervisor(world.env, world.home / "hub.log")
    began = time.monotonic()
    story = world.plot(world, customers(seed)[0], tell)
    error = None
    try:
        supervisor.start(**(parts or {"hub": world.command("up", "--port", str(world.port))}))
        wait_for("the hub answers", lambda: answers(world.url) or supervisor.failed, 60)
        meanwhile(supervisor)
        story.play()
    except (StoryFailed, OSError) as failure:
        error = f"{failure}\n{supervisor.tail()}"
    try:
        return report.gather(story, time.monotonic() - began, error)
    except StoryFailed as failure:
        return report.failed(story, time.monotonic() - began, error or str(failure))
    finally:
        story.close()
        supervisor.stop()


def interactive(story: str, port: int, seed: int) -> int:
    """Play a story with several customers, one to its end and others up to where somebody is waited
    for; then stay.
    """
    _end_kindly()
    console = Console()
    wanted = port or 8080
    with World(story, wanted if _free(wanted) else 0) as world:
        supervisor = Supervisor(world.env, world.home / "hub.log")
        try:
            console.print(f"Starting {world.plot.BEGINS} on this machine, and a hub between them …")
            supervisor.start(hub=world.command("up", "--port", str(world.port)))
            wait_for("the hub answers", lambda: answers(world.url) or supervisor.failed, 60)
            for customer, (until, words) in zip(customers(seed), world.plot.STAGED, strict=False):
                story_of = world.plot(world, customer, lambda done: _tell(console, done))
                try:
                    story_of.play(until)
                finally:
                    story_of.close()
                console.print(f"[bold]{customer.name} {words}[/]")
        except StoryFailed as failure:
            console.print(f"[bold red]The story failed:[/] {failure}\n{supervisor.tail()}")
            supervisor.stop()
            return 1
        _stay(world, supervisor, console)
    return 0


def _free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def _stay(world: World, supervisor: Supervisor, console: Console) -> None:
    def say(text: str) -> None:
        console.print(text, soft_wrap=True, highlight=False)

    say(f"\nlistening on {world.url}")
    name = world.plot.SIGNS_IN
    say(f"sign in as {name.title()}, who is waited for (once): {sign_in(world, name)}")
    for what, where in world.plot.places(world.tools).items():
        say(f"{what}: {where}")
    say("Press Ctrl-C to end. Nothing of this stays on the machine.")
    try:
        while supervisor.failed is None:
            time.sleep(0.5)
    except KeyboardInterrupt:
        pass
    finally:
        supervisor.stop()


def _tell(console: Console, done: Done) -> None:
    console.print(
        f"[dim]{done.seconds:5.1f} s[/]  [bold]{done.who}[/] ({done.where}) {done.what}"
        f"\n         → {done.then}",
        highlight=False,
    )
