"""How the conformance kit makes things happen in the sandbox's workspace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from connectors.sdk import Change, Delivery, Record
from connectors.sdk.records import Json
from connectors.sdk.sandbox import Drill, Inapplicable
from connectors.slack.blocks import content
from connectors.slack.records import MESSAGE, metadata
from connectors.slack.sandbox_state import APP, BOT, BOT_USER

if TYPE_CHECKING:
    from connectors.slack.sandbox import SlackSandbox

PAGE = 20
"""Messages in one answer, as the sandbox's connection asks for them: pages come early."""

BUTTONS: list[Json] = [
    {"text": "Approve", "choice": "approve", "token": "tok-1", "style": "primary"},
    {"text": "Reject", "choice": "reject", "token": "tok-1", "style": "danger"},
]


class SlackDrill(Drill):
    """People who write, edit and delete, and who come and go."""

    page = PAGE

    def __init__(self, sandbox: SlackSandbox) -> None:
        self.sandbox = sandbox
        self._count = 0

    def seed(self, object: str, count: int, *, at: datetime | None = None) -> Sequence[str]:
        moment = at.timestamp() if at else None
        ids = []
        with self.sandbox.lock:
            for _ in range(count):
                self._count += 1
                if object == MESSAGE:
                    ids.append(self.sandbox.say(f"Note {self._count}", at=moment))
                    continue
                name, email = f"Person {self._count}", f"person{self._count}@acme.test"
                row = self.sandbox.state.add_user(name, email, at=moment)
                self.sandbox.state.change_user(row["id"]) if at is None else None
                ids.append(row["id"])
        return ids

    def edit(self, object: str, id: str) -> None:
        self._count += 1
        if object == MESSAGE:
            self.sandbox.edit(id, f"Note, edited {self._count}")
        else:
            with self.sandbox.lock:
                self.sandbox.state.change_user(id, real_name=f"Person, renamed {self._count}")

    def remove(self, object: str, id: str) -> None:
        if object == MESSAGE:
            self.sandbox.remove(id)
        else:
            with self.sandbox.lock:
                self.sandbox.state.change_user(id, deleted=True)

    def held(self, object: str) -> Mapping[str, Mapping[str, Json]]:
        with self.sandbox.lock:
            if object == MESSAGE:
                rows = self.sandbox.state.all_messages()
                return {f"{channel.id}:{row['ts']}": dict(row) for channel, row in rows}
            users = self.sandbox.state.users
            return {id: dict(row) for id, row in users.items() if not row["deleted"]}

    # what the hub would write -------------------------------------------------------------------

    def creation(self, object: str, key: str) -> Change:
        if object != MESSAGE:
            raise Inapplicable("people are made by Slack's administrators")
        self._count += 1
        email = ("ada@acme.test", "ben@acme.test", "cleo@acme.test")[self._count % 3]
        fields: dict[str, Any] = {
            "to": [email],
            "subject": f"Approve order {self._count}?",
            "text": "The margin is *8 %*, below the usual 12 %.\nDue tomorrow & urgent.",
            "buttons": BUTTONS,
        }
        return Change("create", MESSAGE, key, fields, created_at=datetime.now(UTC))

    def changeable(self, object: str) -> str:
        """Slack lets an app change its own messages only."""
        if object != MESSAGE:
            return super().changeable(object)
        self._count += 1
        with self.sandbox.lock:
            channel = self.sandbox.state.channels[self.sandbox.ops]
            _, blocks = content({"text": f"Approve {self._count}?", "buttons": BUTTONS}, {})
            row = self.sandbox.state.post(
                channel,
                BOT_USER,
                f"Approve {self._count}?",
                bot_id=BOT,
                app_id=APP,
                blocks=blocks,
                metadata=metadata(f"hub-{self._count}"),
            )
            return f"{channel.id}:{row['ts']}"

    def alteration(self, record: Record, key: str) -> Change:
        """A decision: the buttons go, and who decided takes their place."""
        if record.object != MESSAGE:
            raise Inapplicable("people are changed by Slack's administrators")
        self._count += 1
        return Change(
            "update",
            MESSAGE,
            key,
            {"buttons": [], "decided": f"Approved by Ada Berg, {self._count}"},
            id=record.id,
            address=record.address,
            base=record.data,
            created_at=datetime.now(UTC),
        )

    def collide(self, record: Record, key: str) -> Change:
        raise Inapplicable("an app changes its own messages only, and nobody else changes those")

    def refusal(self, object: str, key: str) -> Change:
        if object != MESSAGE:
            raise Inapplicable("people are not written")
        fields = {"channel": self.sandbox.archived, "text": "Is anybody here?"}
        return Change("create", MESSAGE, key, fields, created_at=datetime.now(UTC))

    # webhooks -----------------------------------------------------------------------------------

    def deliveries(self) -> Sequence[Delivery]:
        return [
            self.sandbox.delivery(sent.body, form=sent.kind == "interactive", retry=sent.retry)
            for sent in self.sandbox.sent
        ]

    def sign(self, body: bytes, *, at: datetime, secret: str | None = None) -> Delivery:
        if secret is None:
            return self.sandbox.delivery(body, at=at)
        return self.sandbox.delivery(body, at=at, secret=secret)

    def handshakes(self) -> Sequence[Delivery]:
        return [self.sandbox.delivery(self.sandbox.verify_url().body)]

    # time and trouble ---------------------------------------------------------------------------

    def expire_cursor(self) -> None:
        raise Inapplicable("a cursor of ours holds times, none of Slack's cursors")

    def expire_token(self) -> None:
        raise Inapplicable("the sandbox's app does not rotate its tokens; its tests do")

    def expire_subscription(self, id: str) -> None:
        raise Inapplicable("the address for events is entered in the app's settings")

    def subscriptions(self) -> Mapping[str, str]:
        raise Inapplicable("the address for events is entered in the app's settings")

    def hidden_failure(self) -> None:
        self.sandbox.failing = True

    def clock(self, ahead: float) -> None:
        self.sandbox.state.ahead = ahead
