"""Checks of what a connector says about itself and of how it treats credentials."""

from __future__ import annotations

import io
import logging
import re
import socket
import traceback
from collections.abc import Iterator, Mapping
from typing import Any
from unittest import mock

from pydantic import BaseModel

from connectors.sdk.conformance.kit import (
    Stage,
    check,
    creates,
    error_of,
    must,
    pulls,
)
from connectors.sdk.connector import Receiver, Sink, Source, Tier
from connectors.sdk.errors import AuthError, ConfigError, UnsupportedError
from connectors.sdk.sandbox import Inapplicable


@check(
    "declares-what-it-is",
    Tier.BRONZE,
    "The hub acts on what a connector declares; a promise without a method fails in production.",
)
def declares_what_it_is(stage: Stage) -> None:
    cls, spec, name = stage.cls, stage.spec, stage.object
    must(re.fullmatch(r"[a-z][a-z0-9_]*", cls.name), f"The name {cls.name!r} is no plain word.")
    must(re.fullmatch(r"[a-z][a-z0-9_]*", name), f"The object {name!r} is no plain word.")
    must(cls.title and spec.title, "A title is missing; people read it.")
    must(spec.batch >= 1, f"batch is {spec.batch}.")
    for told, role, method in (
        (spec.pull, Source, "pull"),
        (bool(spec.push), Sink, "push"),
        (spec.webhook, Receiver, "parse"),
    ):
        must(
            not told or issubclass(cls, role),
            f"{name} declares {method}; {role.__name__} is no base.",
        )
    for told, method in ((spec.fetch, "fetch"), (spec.find, "find")):
        own = getattr(cls, method, None) not in (None, getattr(Source, method))
        must(not told or own, f"{name} declares {method}, which the class does not implement.")
    must(
        spec.parent is None or spec.parent in stage.connector().objects,
        f"{name} belongs to {spec.parent}, which is no object.",
    )
    must(
        not spec.conclusive or spec.find,
        f"{name} is conclusive about a find that it does not have.",
    )
    must(
        "create" not in spec.push or spec.find or spec.keyed,
        f"A lost create of {name} can be neither found (find) nor repeated (keyed).",
    )


@check(
    "documents-its-settings",
    Tier.BRONZE,
    "Ops people configure from the descriptions; secrets must be marked so that none is printed.",
    once=True,
)
def documents_its_settings(stage: Stage) -> None:
    for key, info in _keys(stage.cls.config):
        must(info.description, f"The setting `{key}` has no description.")
        secret = re.search(r"(^|[._])(secret|password|token|private_key|api_key)$", key)
        if secret and "str" in str(info.annotation).lower():
            must("Secret" in str(info.annotation), f"The setting `{key}` is no SecretStr.")


def _keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, info in model.model_fields.items():
        yield f"{prefix}{name}", info
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from _keys(info.annotation, f"{prefix}{name}.")


@check(
    "builds-without-asking",
    Tier.BRONZE,
    "Connectors are built while a vendor is down, and by commands that must not reach out.",
    once=True,
)
def builds_without_asking(stage: Stage) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a socket was opened")

    before = len(stage.sandbox.faults.requests)
    with (
        mock.patch.object(socket.socket, "connect", refuse),
        mock.patch.object(socket, "getaddrinfo", refuse),
    ):
        stage.connector(fresh=True)
    must(len(stage.sandbox.faults.requests) == before, "The vendor was asked while it was built.")


@check(
    "accepts-good-credentials", Tier.BRONZE, "check() is what people press after typing.", once=True
)
def accepts_good_credentials(stage: Stage) -> None:
    stage.connector().check()


@check(
    "refuses-bad-credentials",
    Tier.BRONZE,
    "Wrong credentials must pause the connection and say what to renew, not look like a bad day.",
    once=True,
)
def refuses_bad_credentials(stage: Stage) -> None:
    block = stage.sandbox.connection()
    names = sorted({*_names({key: part for key, part in block.items() if key != "webhook"})})
    if not names:
        raise Inapplicable("it signs in nowhere")
    for name in names:
        wrong = "wrong-" + stage.sandbox.env()[name][::-1][:40].replace("\n", "")
        error = error_of(stage.connector(env={name: wrong}).check)
        must(
            isinstance(error, AuthError | ConfigError),
            f"With a wrong {name} check() gives {type(error).__name__}: {error}",
        )
        must(len(str(error)) > 20, f"The error says too little: {error}")
        must(wrong not in str(error), "The error repeats the secret.")


def _names(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [name for part in value.values() for name in _names(part)]
    if isinstance(value, list):
        return [name for part in value for name in _names(part)]
    return [value[4:]] if isinstance(value, str) and value.startswith("env:") else []


@check(
    "keeps-secrets-to-itself",
    Tier.BRONZE,
    "Errors and logs are stored and shown; a secret in them is a secret lost.",
    once=True,
)
def keeps_secrets_to_itself(stage: Stage) -> None:
    heard = io.StringIO()
    handler = logging.StreamHandler(heard)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        connector = stage.connector(fresh=True, deadline=5)
        told = [repr(connector), repr(connector.settings), str(vars(connector))]
        faults = stage.sandbox.faults
        for status, spoilt in ([], 0), ([500] * 9, 0), ([401] * 9, 0), ([], 9):
            faults.on, faults.status, faults.body = "any", status, ["html"] * spoilt
            for act in _acts(stage, connector):
                try:
                    act()
                except Exception as error:
                    told.append("".join(traceback.format_exception(error)))
            faults.status, faults.body = [], []
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    for name, value in stage.sandbox.env().items():
        if len(value) < 8:
            continue
        must(value not in heard.getvalue(), f"The log shows {name}.")
        must(not any(value in text for text in told), f"An error or repr shows {name}.")


def _acts(stage: Stage, connector: Any) -> Iterator[Any]:
    yield connector.check
    if isinstance(connector, Source) and stage.spec.pull:
        yield lambda: list(connector.pull(stage.object, {}, ()))
    if isinstance(connector, Sink) and "create" in stage.spec.push:
        yield lambda: connector.push([stage.drill.creation(stage.object, "kit-canary")])
    if isinstance(connector, Receiver) and stage.spec.webhook:
        from datetime import UTC, datetime

        yield lambda: connector.verify(
            stage.drill.sign(b"{}", at=datetime.now(UTC), secret="x" * 24)
        )


@check(
    "stays-in-bounds",
    Tier.BRONZE,
    "An address in a configuration must not lead to the metadata service of the cloud we run in.",
    once=True,
)
def stays_in_bounds(stage: Stage) -> None:
    if stage.sandbox.connection().get("base_url") is None:
        raise Inapplicable("it takes no base_url")
    inside = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 80))]
    tried: list[Any] = []
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        tried.append(address)
        real(self, ("127.0.0.1", 9))

    connector = stage.connector(base_url="https://metadata.hub.test", deadline=5)
    with (
        mock.patch.object(socket, "getaddrinfo", return_value=inside),
        mock.patch.object(socket.socket, "connect", connect),
    ):
        error = error_of(connector.check)
    must(not tried, f"It connected to {tried[:1]}, where a private service may be.")
    must(isinstance(error, ConfigError), f"It gives {type(error).__name__}: {error}")


@check(
    "discovers-fields",
    Tier.BRONZE,
    "Mappings are checked against discover(), and the studio offers what it lists.",
    lambda cls, spec: issubclass(cls, Source) and (spec.pull or bool(spec.push)),
)
def discovers_fields(stage: Stage) -> None:
    fields = stage.connector().discover(stage.object)
    names = [one.name for one in fields]
    must(names, "It discovers no field.")
    must(len(set(names)) == len(names), f"It discovers a field twice: {sorted(names)}")
    if "create" not in stage.spec.push:
        return
    writable = {one.name for one in fields if one.writable}
    unknown = set(stage.drill.creation(stage.object, "kit-1").fields) - writable
    must(not unknown, f"It can write {sorted(unknown)}, but does not discover them as writable.")


@check(
    "knows-its-objects",
    Tier.BRONZE,
    "A mapping for a misspelt object must end in a clear error.",
    pulls,
    once=True,
)
def knows_its_objects(stage: Stage) -> None:
    error = error_of(lambda: list(stage.connector().pull("no_such_object", {}, ())))
    must(isinstance(error, UnsupportedError), f"It gives {type(error).__name__}: {error}")


@check(
    "reads-without-writing",
    Tier.BRONZE,
    "`hub preview`, `hub check --live` and every pull promise to change nothing.",
    lambda cls, spec: pulls(cls, spec) or creates(cls, spec),
)
def reads_without_writing(stage: Stage) -> None:
    if stage.spec.pull:
        stage.drill.seed(stage.object, 3)
    faults = stage.sandbox.faults
    faults.read_only, before = True, len(stage.sandbox.ledger)
    connector = stage.connector()
    connector.check()
    connector.discover(stage.object)
    if stage.spec.pull:
        records, _ = stage.pull(connector)
        if stage.spec.fetch:
            connector.fetch(stage.object, [one.id for one in records])
    must(not faults.forbidden, f"It writes while reading: {faults.forbidden[:3]}")
    must(len(stage.sandbox.ledger) == before, "It writes while reading.")
