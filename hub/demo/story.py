"""What every story is made of: acts in their order, and how they look at the hub and at the tools.

An act is what one person does in their own tool, and what the hub makes of it. Acts look before
they do, so that a story survives any restart of the hub in the middle of one.
"""

from __future__ import annotations

import random
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import httpx

from hub.demo.client import Client, StoryFailed, person_token, wait_for

if TYPE_CHECKING:
    from hub.demo.world import World

Json = Any
_LINK = re.compile(r"https?://\S+/p/(\S+)")
_CODE = re.compile(r"code: (\d{6})")


@dataclass(slots=True)
class Done:
    """One thing that happened: which act, who did it, where, and what the hub did in answer."""

    act: str
    who: str
    where: str
    what: str
    then: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Customer:
    """The outsider of a story, and what is at stake with them."""

    name: str
    contact: str
    amount: int
    vat_id: str


@dataclass
class Story(ABC):
    """A story being played. `tell` hears of each act as it is done."""

    world: World
    customer: Customer
    tell: Callable[[Done], None] = lambda done: None
    done: list[Done] = field(default_factory=list)
    case: str = ""
    _began: float = 0.0

    BEGINS: ClassVar[str]
    """What is started on this machine, in words."""
    ACTS: ClassVar[tuple[str, ...]]
    """The names of its acts, which are methods, in their order; `settled` ends every story."""
    STAGED: ClassVar[tuple[tuple[str, str], ...]]
    """For who wants to look: up to which act it is played with a customer each, and what is told of
    that one then."""
    SIGNS_IN: ClassVar[str]
    """Whose page to look at: a key in people.yaml."""

    def __post_init__(self) -> None:
        self.admin = Client(self.world)
        self.tools = self.world.tools

    @staticmethod
    @abstractmethod
    def tools_in(home: Path) -> SimpleNamespace:
        """The sandboxes of its tools, by the names of their connections."""

    @staticmethod
    @abstractmethod
    def environment(tools: SimpleNamespace) -> Mapping[str, str]:
        """The variables that its hub.yaml names."""

    @staticmethod
    def posts(tools: SimpleNamespace, url: str) -> None:
        """Tell the tools where to post: `url` is the address before a connection's name."""
        for name, sandbox in vars(tools).items():
            sandbox.webhook_url = f"{url}/{name}"

    @abstractmethod
    def held(self) -> Json:
        """What the tools hold now, for the report."""

    @staticmethod
    def places(tools: SimpleNamespace) -> Mapping[str, str]:
        """Where there is something to look at and to do, beside the dashboard."""
        return {}

    # ------------------------------------------------------------------------------ telling

    def note(self, act: str, who: str, where: str, what: str, then: str) -> None:
        """Tell what an act did."""
        now = time.monotonic()
        done = Done(act, who, where, what, then, round(now - self._began, 2))
        self.done.append(done)
        self.tell(done)
        self._began = now

    def close(self) -> None:
        """Give back the story's connection to the hub."""
        self.admin.close()

    def play(self, until: str = "settled") -> None:
        """All acts in order, up to and including `until`. Raises StoryFailed."""
        self._began = time.monotonic()
        for act in self.ACTS:
            getattr(self, act)()
            if act == until:
                return

    def settled(self) -> None:
        """Everything that was to go out has gone out."""
        wait_for(
            "every push is sent",
            lambda: not self.admin.items("/api/v1/pushes", status="pending"),
        )

    def acts(self) -> list[Json]:
        return [asdict(one) for one in self.done]

    # ------------------------------------------------------------------------------ looking

    def case_called(self, title: str) -> Json:
        """The case of this title, as soon as there is one; it becomes the story's."""
        case = wait_for(
            f"the case '{title}' starts",
            lambda: next(
                (c for c in self.admin.items("/api/v1/cases", q=title) if c["title"] == title), None
            ),
        )
        self.case = case["id"]
        return case

    def steps(self, case: str = "") -> dict[str, Json]:
        """The newest run of each step of the case."""
        found: dict[str, Json] = {}
        for step in self.admin.get(f"/api/v1/cases/{case or self.case}")["steps"]:
            if step["run"] >= found.get(step["key"], {"run": 0})["run"]:
                found[step["key"]] = step
        return found

    def reached(self, key: str, *status: str, run: int = 1) -> Json:
        """The newest run of a step where it has one of these statuses, and is this run or later."""
        step = self.steps()[key]
        return step if step["status"] in status and step["run"] >= run else None

    def issue(self, title: str) -> Json:
        """The newest issue in GitHub of this title."""
        found = [one for one in self.tools.github.issues() if one["title"] == title]
        return max(found, key=lambda one: one["number"], default=None)

    def mail(self, address: str, subject: str) -> Any:
        """The first mail at an address whose subject holds this."""
        for mail in self.tools.mail.inbox(address):
            if subject in str(mail["Subject"]):
                return mail
        return None

    # -------------------------------------------------------------------------------- doing

    def decide(self, person: str, key: str, outcome: str, comment: str = "", run: int = 1) -> None:
        """Somebody of ours gives their voice, on the evidence that they are shown; waits until it
        is taken.
        """
        client = Client(self.world, person_token(self.world, person))
        wait_for(
            f"step '{key}' is asked", lambda: self.reached(key, "active", "completed", run=run)
        )

        def taken() -> bool:
            step = self.steps()[key]
            if step["status"] == "completed":
                return True
            decision = client.get(f"/api/v1/decisions/{step['decision']}")
            answer = client.request(
                "POST",
                f"/api/v1/decisions/{decision['id']}",
                json={
                    "outcome": outcome,
                    "comment": comment,
                    "evidence_hash": decision["evidence_hash"],
                },
            )
            if answer.status_code not in (200, 409):
                raise StoryFailed(f"The decision was refused: {answer.text[:300]}")
            return answer.status_code == 200

        try:
            wait_for(f"the voice of {person} is taken", taken)
        finally:
            client.close()


def link_and_code(mail: Any) -> tuple[str, str]:
    """The personal page and the code that stand in a mail. Raises StoryFailed."""
    text = mail.get_body(("plain",)).get_content()
    link, code = _LINK.search(text), _CODE.search(text)
    if not link or not code:
        raise StoryFailed(f"The mail '{mail['Subject']}' has no link or no code.")
    return f"/p/{link[1]}", code[1]


def customers(seed: int) -> list[Customer]:
    """Whose onboardings are played: the same for the same seed."""
    chosen = random.Random(seed)  # noqa: S311 - names for a demo, not secrets
    names = ["Globex", "Initech", "Umbra", "Hooli", "Vandelay", "Stark Tools", "Wonka Foods"]
    chosen.shuffle(names)
    return [
        Customer(
            name,
            f"ann@{name.lower().replace(' ', '-')}.test",
            chosen.randrange(60, 200) * 1000,
            f"CHE{chosen.randrange(10**8, 10**9)}",
        )
        for name in names
    ]


def answers(url: str) -> bool:
    """Whether the hub at this address is ready."""
    try:
        return httpx.get(f"{url}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False
