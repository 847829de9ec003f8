"""Checks of the faults vendors show: each must end in the error that says what to do about it."""

from __future__ import annotations

import socket
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from connectors.sdk.conformance.kit import (
    Stage,
    attempt,
    check,
    creates,
    error_of,
    in_threads,
    must,
    pulls,
)
from connectors.sdk.conformance.pushing import creation, one_effect, settle
from connectors.sdk.connector import Tier
from connectors.sdk.errors import (
    AuthError,
    ConnectorError,
    RateLimitError,
    TransientError,
)
from connectors.sdk.records import Outcome, Result


def reading(stage: Stage, **settings: Any) -> Any:
    """A connector that has signed in and looked around, with something to read."""
    stage.drill.seed(stage.object, 1)
    connector = stage.connector(**settings)
    connector.check()
    stage.fields(connector)
    stage.sandbox.faults.on = "read"
    return connector


def read(stage: Stage, connector: Any) -> ConnectorError | None:
    return error_of(lambda: list(connector.pull(stage.object, {}, ())))


def write(stage: Stage, connector: Any, key: str) -> tuple[ConnectorError | None, list[Result]]:
    change = creation(stage, key)
    stage.sandbox.faults.on = "write"
    error, results = attempt(connector.push, [change])
    return error, list(results or ())


@check(
    "slows-down-when-asked",
    Tier.GOLD,
    "Whoever goes on after a 429 is locked out; Retry-After comes as seconds, as a date, or not.",
    pulls,
    once=True,
)
def slows_down_when_asked(stage: Stage) -> None:
    faults = stage.sandbox.faults
    connector = reading(stage)
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    for asked, low, high in (("7", 6, 8), (later, 25, 45), (None, 1, 86_400)):
        faults.status, faults.retry_after = [429], asked
        error = read(stage, connector)
        must(isinstance(error, RateLimitError), f"429 gives {type(error).__name__}: {error}")
        wait = getattr(error, "retry_after", 0)
        must(low <= wait <= high, f"Asked for {asked!r}, it waits {wait} s.")
    faults.status, faults.retry_after = [503], "9"
    error = read(stage, connector)
    must(isinstance(error, TransientError), f"503 gives {type(error).__name__}: {error}")
    must(error.retry_after is not None, "503 with Retry-After gives no time to wait.")  # type: ignore[union-attr]


@check(
    "puts-off-writes-when-asked",
    Tier.GOLD,
    "A write that was refused for its rate must be sent later, once.",
    creates,
    once=True,
)
def puts_off_writes_when_asked(stage: Stage) -> None:
    faults = stage.sandbox.faults
    connector = stage.connector()
    stage.fields(connector)  # it has signed in by now
    before = len(stage.sandbox.ledger)
    faults.on, faults.status, faults.retry_after = "write", [429, 429], "7"
    error, results = write(stage, connector, "kit-20")
    waits = [one.retry_after for one in results if one.outcome is Outcome.RETRY]
    must(
        isinstance(error, RateLimitError) or len(waits) == 1,
        f"429 gives {error or results}",
    )
    wait = error.retry_after if isinstance(error, RateLimitError) else waits[0]
    must(wait is not None and 6 <= wait <= 8, f"Asked to wait 7 s, it waits {wait}.")
    must(len(stage.sandbox.ledger) == before, "The sandbox did what it should have refused.")


@check(
    "outlasts-server-errors",
    Tier.GOLD,
    "A vendor's bad hour is not our mistake: try again, and do not claim what nobody knows.",
    pulls,
    once=True,
)
def outlasts_server_errors(stage: Stage) -> None:
    faults = stage.sandbox.faults
    connector = reading(stage)
    for status in (500, 502, 503, 504):
        faults.status = [status]
        error = read(stage, connector)
        must(isinstance(error, TransientError), f"{status} gives {type(error).__name__}: {error}")
    must(read(stage, connector) is None, "After it passed, it still fails.")


@check(
    "does-not-trust-failed-writes",
    Tier.GOLD,
    "A 502 may hide an effect: it is neither done nor refused.",
    creates,
    once=True,
)
def does_not_trust_failed_writes(stage: Stage) -> None:
    faults = stage.sandbox.faults
    connector = stage.connector()
    stage.fields(connector)  # it has signed in by now
    for number, status in enumerate((500, 502, 504)):
        faults.on, faults.status = "write", [status]
        error, results = write(stage, connector, f"kit-2{number}")
        faults.status = []
        outcomes = {one.outcome for one in results}
        must(
            isinstance(error, TransientError) or outcomes <= {Outcome.UNKNOWN, Outcome.RETRY},
            f"{status} gives {error or results}",
        )


@check(
    "ends-at-the-deadline",
    Tier.GOLD,
    "An answer that comes a byte a second would hold a worker for hours.",
    pulls,
    once=True,
)
def ends_at_the_deadline(stage: Stage) -> None:
    faults = stage.sandbox.faults
    connector = reading(stage, deadline=0.7)
    faults.slow = 1
    began = time.monotonic()
    error = read(stage, connector)
    took = time.monotonic() - began
    must(isinstance(error, TransientError), f"A dripping answer gives {type(error).__name__}")
    must(took < 6, f"With a deadline of 0.7 s it took {took:.1f} s.")


@check(
    "names-spoilt-answers",
    Tier.GOLD,
    "A sign-in page instead of JSON, half an answer, a text instead of a list: an error a person "
    "understands, and the cursor where it was.",
    pulls,
    once=True,
)
def names_spoilt_answers(stage: Stage) -> None:
    faults = stage.sandbox.faults
    connector = reading(stage)
    for how in ("html", "truncated", "surprise", "nested", "empty"):
        faults.body = [how] * 3
        error = read(stage, connector)
        must(error is not None, f"An answer that is {how} goes unnoticed.")
        must(len(str(error)) < 1000, f"The error repeats the answer ({how}).")
        must("Please sign in" not in str(error), "The error repeats the answer.")
    faults.body = []
    must(read(stage, connector) is None, "After it passed, it still fails.")


@check(
    "does-not-trust-spoilt-answers",
    Tier.GOLD,
    "A write whose answer cannot be read has had its effect.",
    creates,
    once=True,
)
def does_not_trust_spoilt_answers(stage: Stage) -> None:
    faults = stage.sandbox.faults
    connector = stage.connector()
    stage.fields(connector)  # it has signed in by now
    for how in ("html", "truncated", "surprise"):
        before = list(stage.drill.held(stage.object))
        change = creation(stage, f"kit-3{how}")
        faults.on, faults.body = "write", [how]
        error, results = attempt(connector.push, [change])
        faults.body = []
        must(error is None, f"An answer that is {how} raises {type(error).__name__}: {error}")
        must(results[0].outcome is not Outcome.REJECTED, f"{how} counts as refused.")
        must(
            stage.spec.keyed or results[0].outcome in (Outcome.UNKNOWN, Outcome.OK),
            f"{how} ends as {results[0].outcome}, and would be done twice.",
        )
        settle(stage, change, results[0])
        one_effect(stage, before, f"After an answer that is {how}")


@check(
    "reads-errors-in-answers",
    Tier.GOLD,
    "Some vendors say 200 and put the failure into the body; taken for an empty list, it hides "
    "every record.",
    pulls,
    once=True,
)
def reads_errors_in_answers(stage: Stage) -> None:
    connector = reading(stage)
    stage.drill.hidden_failure()
    error = read(stage, connector)
    must(error is not None, "A failure in the body of an answer goes unnoticed.")
    must(read(stage, connector) is None, "After it passed, it still fails.")


@check(
    "follows-no-redirects",
    Tier.GOLD,
    "A redirect would carry our credentials to whoever it names.",
    pulls,
    once=True,
)
def follows_no_redirects(stage: Stage) -> None:
    faults = stage.sandbox.faults
    connector = reading(stage)
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        stranger.settimeout(0.05)
        faults.redirect = f"http://127.0.0.1:{stranger.getsockname()[1]}/"
        error = read(stage, connector)
        faults.redirect = None
        try:
            stranger.accept()[0].close()
        except TimeoutError:
            called = False
        else:
            called = True
    must(not called, "It went where the redirect pointed.")
    must(error is not None, "A redirect goes unnoticed.")
    must(
        not isinstance(error, TransientError),
        f"A redirect gives {type(error).__name__}, and is tried for ever.",
    )


@check(
    "notices-dead-credentials",
    Tier.GOLD,
    "Credentials that stop working pause the connection; tried on, they lock the account.",
    pulls,
    once=True,
)
def notices_dead_credentials(stage: Stage) -> None:
    faults = stage.sandbox.faults
    connector = reading(stage)
    faults.on, faults.status = "any", [401] * 20
    asked = len(faults.requests)
    error = read(stage, connector)
    must(isinstance(error, AuthError), f"401 gives {type(error).__name__}: {error}")
    must(len(faults.requests) - asked <= 6, "It tries dead credentials again and again.")
    if creates(stage.cls, stage.spec):
        error, results = write(stage, connector, "kit-40")
        must(isinstance(error, AuthError), f"401 on a write gives {error or results}")


@check(
    "renews-tokens",
    Tier.GOLD,
    "Access tokens end in mid-run; nobody should notice.",
    pulls,
    once=True,
)
def renews_tokens(stage: Stage) -> None:
    connector = reading(stage)
    stage.drill.expire_token()
    error = read(stage, connector)
    must(error is None, f"After its token ended: {type(error).__name__}: {error}")


@check(
    "renews-tokens-once",
    Tier.GOLD,
    "A refresh token that rotates may be used once: of many threads one must renew.",
    pulls,
    once=True,
)
def renews_tokens_once(stage: Stage) -> None:
    sandbox = stage.http
    connector = reading(stage)
    stage.drill.expire_token()
    before = len(sandbox.faults.requests)
    in_threads(6, lambda: read(stage, connector))
    signed_in = [
        one
        for one in sandbox.faults.requests[before:]
        if sandbox.kind(*one.split("?")[0].split(" ", 1)) == "sign-in"
    ]
    must(len(signed_in) == 1, f"Six threads renewed {len(signed_in)} times.")
