"""What happens at a GitHub, and the deliveries it sends of it: late, doubled and out of order."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.github.sandbox import GithubSandbox, Sent
from connectors.sdk.faults import Asgi

ACTIVE = 40
"""Issues that people work on at a time: what is said of one is spread over many deliveries."""
PEOPLE = ("dmeier", "lkim", "octocat")
WORDS = ("ops", "vip", "later", "bug", "question")
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class ForgetfulGithub(GithubSandbox):
    """A GitHub whose lists are empty, so that a pull never finds what a webhook has lost. Single
    issues and comments can be read as ever. Its clock stands still unless told otherwise.
    """

    def __init__(self) -> None:
        super().__init__()
        self.at = START
        self.clock = lambda: self.at
        self.hooks.recording = True

    def app(self) -> Asgi:
        real = super().app()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http" and scope["path"].endswith(("/issues", "/issues/comments")):
                start = {"type": "http.response.start", "status": 200}
                await send({**start, "headers": [(b"content-type", b"application/json")]})
                await send({"type": "http.response.body", "body": b"[]"})
                return
            await real(scope, receive, send)

        return app


@dataclass(slots=True)
class Issue:
    number: int
    edits: int
    comments: list[int]
    closed: bool = False


class Life:
    """People who open, edit, discuss, close, reopen and delete issues. Every step takes a second,
    as GitHub's versions do: of two changes in one nobody could tell which was the later.
    """

    def __init__(self, github: ForgetfulGithub, seed: int) -> None:
        self.github = github
        self.chance = random.Random(seed)
        self.working: list[Issue] = []
        self.steps = 0

    def live(self, deliveries: int) -> None:
        """Go on until GitHub has so many things to tell, or just over."""
        while len(self.github.sent) < deliveries:
            self.step()

    def step(self) -> None:
        chance, github = self.chance, self.github
        self.steps += 1
        github.at += timedelta(seconds=1)
        if len(self.working) < ACTIVE:
            number = github.open_issue(
                f"Issue {self.steps}", "What has to be done, in words. " * 5,
                by=chance.choice(PEOPLE), labels=chance.sample(WORDS, chance.randrange(3)),
            )  # fmt: skip
            self.working.append(Issue(number, chance.randrange(1, 7), []))
            return
        issue = chance.choice(self.working)
        if issue.edits == 0:
            self.working.remove(issue)
            if chance.random() < 0.1:
                github.delete_issue(issue.number, by=chance.choice(PEOPLE))
            elif not issue.closed:
                github.close_issue(issue.number, by=chance.choice(PEOPLE))
            return
        issue.edits -= 1
        self._edit(issue, chance.choice(PEOPLE))

    def _edit(self, issue: Issue, by: str) -> None:
        chance, github, number = self.chance, self.github, issue.number
        what = chance.randrange(8)
        if what == 0:
            github.edit_issue(number, by, title=f"Issue {number}, edit {self.steps}")
        elif what == 1:
            github.edit_issue(number, by, body=f"As of step {self.steps}.")
        elif what == 2:
            github.label(number, *chance.sample(WORDS, chance.randrange(4)), by=by)
        elif what == 3:
            issue.closed = not issue.closed
            github.edit_issue(number, by, state="closed" if issue.closed else "open")
        elif what in (4, 5) or not issue.comments:
            issue.comments.append(github.comment(number, f"Said in step {self.steps}.", by))
        elif what == 6:
            github.edit_comment(chance.choice(issue.comments), f"Meant in step {self.steps}.", by)
        else:
            gone = issue.comments.pop(chance.randrange(len(issue.comments)))
            github.delete_comment(gone, by)


def as_delivered(sent: Sequence[Sent], seed: int) -> list[Sent]:
    """The order in which deliveries set out. A quarter overtakes its neighbours, some come far too
    late, and one in twenty comes up to four times.
    """
    chance = random.Random(seed + 1)
    due: list[tuple[float, int, Sent]] = []
    for at, one in enumerate(sent):
        luck, when = chance.random(), float(at)
        if luck < 0.05:
            when += chance.uniform(0, len(sent))
        elif luck < 0.30:
            when += chance.uniform(0, 60)
        due.append((when, at, one))
        if chance.random() < 0.05:
            due += [(when + chance.uniform(0, 300), at, one) for _ in range(chance.randint(1, 3))]
    return [one for _, _, one in sorted(due, key=lambda each: each[:2])]


def told_of(sent: Sequence[Sent]) -> tuple[set[str], set[str]]:
    """The ids of the issues and of the comments that these deliveries speak of."""
    issues, comments = set(), set()
    for one in sent:
        payload = json.loads(one.body)
        issues.add(str(payload["issue"]["id"]))
        if "comment" in payload:
            comments.add(str(payload["comment"]["id"]))
    return issues, comments
