"""The ground of the conformance kit: what a check is, the stage it plays on, and how they are run.

Every check gets a stage of its own (a fresh sandbox and fresh connectors), so that none can spoil
another, and runs once for every object that it concerns. It says what must be true in its name,
why in its reason, and raises `Failed` with what it saw instead.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

from connectors.sdk.connector import Connector, Receiver, Sink, Source, Subscriber, Tier
from connectors.sdk.errors import ConnectorError
from connectors.sdk.host import Host
from connectors.sdk.records import Cursor, ObjectSpec, Record
from connectors.sdk.sandbox import Drill, HttpSandbox, Inapplicable, Sandbox

PAGES = 1000
"""Pages of one pull after which it counts as endless."""
Verdict = Literal["passed", "failed", "waived", "not applicable"]


class Failed(AssertionError):
    """A check saw something that must not be; the message says what."""


class Stage:
    """One vendor with nothing in it, and connectors to it. Close it when the check is over."""

    def __init__(self, cls: type[Connector], object: str) -> None:
        self.cls = cls
        self.object = object
        self._closing = ExitStack()
        self.sandbox = load_sandbox(cls)
        self.sandbox.start()
        self._closing.callback(self._stop)
        self._running = True
        self.drill: Drill = self.sandbox.drill()
        self.host = Host()
        self._usual: Connector | None = None
        self._fields: frozenset[str] | None = None

    def _stop(self) -> None:
        if self._running:
            self._running = False
            self.sandbox.stop()

    def stop(self) -> None:
        """The vendor goes away; its address stays."""
        self._stop()

    def close(self) -> None:
        self._closing.close()

    @property
    def spec(self) -> ObjectSpec:
        spec: ObjectSpec = self.connector().objects[self.object]
        return spec

    def connector(
        self, *, env: Mapping[str, str] | None = None, fresh: bool = False, **settings: Any
    ) -> Any:
        """A connector to this vendor; the same one each time unless something differs."""
        usual = not (env or fresh or settings)
        if usual and self._usual is not None:
            return self._usual
        block = {key: part for key, part in self.sandbox.connection().items() if key != "connector"}
        resolved = resolve({**block, **settings}, {**self.sandbox.env(), **(env or {})})
        made = self.cls("kit", self.cls.config.model_validate(resolved), self.host)
        self._closing.callback(made.close)
        if usual:
            self._usual = made
        return made

    @property
    def http(self) -> HttpSandbox:
        """The sandbox where it speaks HTTP. Raises Inapplicable elsewhere."""
        if not isinstance(self.sandbox, HttpSandbox):
            raise Inapplicable("the vendor does not speak HTTP")
        return self.sandbox

    def fields(self, connector: Any) -> frozenset[str]:
        """Every field there is, so that what is pulled can be compared. Asked for once."""
        if self._fields is None:
            self._fields = frozenset(one.name for one in connector.discover(self.object))
        return self._fields

    def pages(self, connector: Any, cursor: Cursor) -> Iterator[tuple[list[Record], Cursor]]:
        """The pages of a pull, each cursor as it comes back from a database."""
        pull = connector.pull(self.object, cursor, self.fields(connector))
        for number, page in enumerate(pull):
            if number > PAGES:
                raise Failed(f"The pull of {self.object} has no end: {PAGES} pages and more.")
            yield [one for one in page.records if one.object == self.object], stored(page.cursor)

    def pull(
        self, connector: Any | None = None, cursor: Cursor | None = None
    ) -> tuple[list[Record], Cursor]:
        """All records of a pull, and where it ended."""
        found: list[Record] = []
        end: Cursor = cursor or {}
        for records, reached in self.pages(connector or self.connector(), end):
            found += records
            end = reached
        return found, end

    def one(self) -> Record:
        """A new record that may be changed, as pulled."""
        id = self.drill.changeable(self.object)
        for record in self.pull(self.connector(fresh=True))[0]:
            if record.id == id:
                return record
        raise Failed(f"The {self.object} {id} that was just made is not pulled.")


def stored(cursor: Cursor) -> Cursor:
    """A cursor after a round trip through the database."""
    try:
        text = json.dumps(cursor)
    except (TypeError, ValueError):
        raise Failed(f"The cursor is not JSON: {cursor!r:.200}") from None
    back: Cursor = json.loads(text)
    return back


def load_sandbox(cls: type[Connector]) -> Sandbox:
    """The sandbox that a connector names, not started."""
    module, _, name = cls.sandbox.partition(":")
    made = getattr(import_module(module), name)()
    if not isinstance(made, Sandbox):
        raise TypeError(f"{cls.sandbox} is not a Sandbox.")
    return made


def resolve(value: Any, env: Mapping[str, str]) -> Any:
    """A configuration with `env:NAME` replaced by what the sandbox says."""
    if isinstance(value, Mapping):
        return {key: resolve(part, env) for key, part in value.items()}
    if isinstance(value, list):
        return [resolve(part, env) for part in value]
    if isinstance(value, str) and value.startswith("env:"):
        return env[value[4:]]
    return value


# ------------------------------------------------------------------------------------- the checks


@dataclass(frozen=True, slots=True)
class Check:
    """One thing a connector must keep. `concerns` chooses the objects it is played with."""

    name: str
    tier: Tier
    why: str
    play: Callable[[Stage], None]
    concerns: Callable[[type[Connector], ObjectSpec], bool]
    once: bool


CHECKS: dict[str, Check] = {}


def check(
    name: str,
    tier: Tier,
    why: str,
    concerns: Callable[[type[Connector], ObjectSpec], bool] = lambda cls, spec: True,
    *,
    once: bool = False,
) -> Callable[[Callable[[Stage], None]], Callable[[Stage], None]]:
    """Add a check to the kit. `once`: with the first object that it concerns, not with each."""

    def add(play: Callable[[Stage], None]) -> Callable[[Stage], None]:
        if name in CHECKS:
            raise ValueError(f"Two checks are called {name}.")
        CHECKS[name] = Check(name, tier, why, play, concerns, once)
        return play

    return add


def pulls(cls: type[Connector], spec: ObjectSpec) -> bool:
    return spec.pull and issubclass(cls, Source)


def creates(cls: type[Connector], spec: ObjectSpec) -> bool:
    return "create" in spec.push and issubclass(cls, Sink)


def updates(cls: type[Connector], spec: ObjectSpec) -> bool:
    return "update" in spec.push and pulls(cls, spec) and issubclass(cls, Sink)


def receives(cls: type[Connector], spec: ObjectSpec) -> bool:
    return spec.webhook and issubclass(cls, Receiver)


def subscribes(cls: type[Connector], spec: ObjectSpec) -> bool:
    return issubclass(cls, Subscriber)


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one check: `detail` says what was seen, or why it does not apply."""

    check: Check
    verdict: Verdict
    detail: str = ""
    objects: Sequence[str] = ()


def objects_of(cls: type[Connector]) -> Mapping[str, ObjectSpec]:
    """The objects that the sandbox's own connection offers."""
    sandbox = load_sandbox(cls)
    try:
        block = sandbox.connection()
    except (AttributeError, RuntimeError):
        # what depends on a port stands only once it listens
        sandbox.start()
        try:
            block = sandbox.connection()
        finally:
            sandbox.stop()
    return cls.offers({key: part for key, part in block.items() if key != "connector"})


def run(check: Check, cls: type[Connector]) -> Finding:
    """Play one check with every object it concerns."""
    concerned = [name for name, spec in objects_of(cls).items() if check.concerns(cls, spec)]
    if check.once:
        concerned = concerned[:1]
    if not concerned:
        return Finding(check, "not applicable", "nothing it declares needs it")
    reasons, played, failures = [], [], []
    for name in concerned:
        try:
            with closing(Stage(cls, name)) as stage:
                check.play(stage)
        except Inapplicable as reason:
            reasons.append(str(reason))
        except Failed as failure:
            failures.append(f"{name}: {failure}")
        except Exception as error:
            place = " (raised by the connector)" if isinstance(error, ConnectorError) else ""
            failures.append(f"{name}: {type(error).__name__}{place}: {error}")
        else:
            played.append(name)
    if failures:
        detail = " | ".join(failures)
        if check.name in cls.waived:
            return Finding(check, "waived", cls.waived[check.name], concerned)
        return Finding(check, "failed", detail, concerned)
    if check.name in cls.waived and played:
        return Finding(
            check, "failed", f"waived although it passes: take {check.name} out of `waived`."
        )
    if not played:
        return Finding(check, "not applicable", "; ".join(dict.fromkeys(reasons)))
    return Finding(check, "passed", "", played)


@dataclass(frozen=True, slots=True)
class Scorecard:
    """What a connector keeps, check by check, and the tier that this makes."""

    cls: type[Connector]
    findings: Sequence[Finding] = field(default_factory=tuple)

    @property
    def tier(self) -> Tier:
        """The highest tier none of whose checks, nor of those below, failed or is waived."""
        missed = [one.check.tier for one in self.findings if one.verdict in ("failed", "waived")]
        return Tier(min(missed) - 1) if missed else Tier.GOLD

    @property
    def failed(self) -> Sequence[Finding]:
        return [one for one in self.findings if one.verdict == "failed"]


def certify(
    cls: type[Connector],
    checks: Sequence[Check] | None = None,
    progress: Callable[[Finding], None] | None = None,
) -> Scorecard:
    """Run the whole kit, or some checks of it."""
    findings = []
    for one in checks if checks is not None else list(CHECKS.values()):
        findings.append(run(one, cls))
        if progress:
            progress(findings[-1])
    return Scorecard(cls, findings)


# ------------------------------------------------------------------------------------ small helps


def must(condition: object, otherwise: str) -> None:
    """Raise Failed with what was seen instead."""
    if not condition:
        raise Failed(otherwise)


def attempt(act: Callable[..., object], *given: Any) -> tuple[ConnectorError | None, Any]:
    """The sdk error that an act raises, or what it gives; any other error is a failure."""
    try:
        return None, act(*given)
    except ConnectorError as error:
        return error, None
    except (Inapplicable, Failed):
        raise
    except Exception as error:
        raise Failed(
            f"{type(error).__name__} got out; only the errors of the sdk may: {error}"
        ) from error


def error_of(act: Callable[..., object], *given: Any) -> ConnectorError | None:
    """The sdk error that an act raises, None if it raises nothing."""
    return attempt(act, *given)[0]


def in_threads(count: int, act: Callable[[], object]) -> list[BaseException]:
    """What went wrong when this many threads do the same at once."""
    wrong: list[BaseException] = []
    gate = threading.Barrier(count)

    def work() -> None:
        gate.wait()
        try:
            act()
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return wrong
