"""Whoever types --help finds out what a command does, with an example; wrong use ends with 2."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import Result

from hub.cli import app

Run = Callable[..., Result]


def every_command(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command and group."""
    yield words
    for name, below in getattr(command, "commands", {}).items():
        yield from every_command(below, (*words, name))


COMMANDS = list(every_command(typer.main.get_command(app)))

CONTRACT = (
    "init check apply revisions rollback up web worker scheduler migrate pull preview test explain"
    " plan"
    " tasks cases exceptions deliveries pushes connector sandbox token export audit doctor secret"
)


def test_every_command_of_the_contract_is_there() -> None:
    assert set(CONTRACT.split()) <= {words[0] for words in COMMANDS if words}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_says_what_it_does_and_shows_an_example(words: tuple[str, ...], run: Run) -> None:
    """The example is one that begins with this very command."""
    shown = " ".join(run(*words, "--help").stdout.split())
    begins = " ".join(("hub", *words))
    assert "Example" in shown
    assert begins in shown.split("Example")[-1]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_examples_can_be_typed(words: tuple[str, ...]) -> None:
    """Each is understood to its last option, so that copying it works."""
    command: Any = typer.main.get_command(app)
    for word in words:
        command = command.commands[word]
    typed = [part for part in re.split("&&|\n", command.epilog) if " hub " in f" {part}"]
    assert typed
    for part in typed:
        line = shlex.split(re.split("[<|>]", part)[0])
        understand(typer.main.get_command(app), line[line.index("hub") + 1 :])


def understand(command: Any, words: list[str]) -> None:
    """Parse a command line without running it."""
    context = command.make_context("hub", list(words))
    if hasattr(command, "commands"):
        words = [*context._protected_args, *context.args]
        _, below, rest = command.resolve_command(context, words)
        understand(below, rest)


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        ("tasks", "nonsense"),
        ("tasks", "--nonsense"),
        ("tasks", "show"),
        ("tasks", "--status", "finished"),
        ("rollback", "zero"),
        ("up", "--port", "99999"),
        ("token", "create", "--role", "king", "--name", "x"),
        ("preview", "github-issue"),
    ],
    ids=" ".join,
)
def test_wrong_use_ends_with_two(words: tuple[str, ...], run: Run) -> None:
    """And says so on standard error, with nothing on standard output."""
    result = run(*words, code=2)
    assert result.stderr
    assert not result.stdout


def test_a_mistyped_command_is_met_with_the_right_one(run: Run) -> None:
    assert "'tasks'" in run("taks", code=2).stderr


def test_version_is_said(run: Run) -> None:
    assert run("--version").stdout.startswith("hub 0.")


def test_help_needs_nothing_heavy(tmp_path: Path) -> None:
    """Help must answer at once: what takes long to import waits until a command needs it."""
    heavy = ("sqlalchemy", "fastapi", "pydantic", "lark", "dramatiq", "httpx", "yaml")
    code = (
        "import sys\nfrom hub.cli import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr.strip() == "[]"


def test_python_m_hub_is_hub() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hub", "--version"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.startswith("hub 0.")
