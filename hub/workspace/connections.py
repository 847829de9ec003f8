"""Connections as hub.yaml configures them: checked against the connector's own model before
anything is resolved, and turned into settings when they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog
from pydantic import ValidationError

from connectors.sdk import Connector, ObjectSpec, Receiver, Subscriber
from connectors.sdk.config import ConnectionConfig
from connectors.sdk.errors import ConfigError
from hub.reading import Reader, descend, plain, unknown
from hub.workspace.secrets import (
    REFERENCE,
    described,
    model_at,
    put,
    references,
    written_secrets,
)
from mappings.source import Finding, Map, Place, did_you_mean

log = structlog.get_logger("hub.workspace")

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_STAND_IN = "stand-in-for-a-reference"

Resolve = Callable[[str], str | None]
"""`env:NAME` or `secret:NAME` to its value; None if there is none."""


@dataclass(frozen=True, slots=True)
class ConnectionSpec:
    """One configured account. `raw` is what hub.yaml says beside `connector`, unresolved."""

    name: str
    connector: str
    raw: Map
    place: Place

    def offers(self, connector: type[Connector]) -> Mapping[str, ObjectSpec]:
        """The objects that this connection has: its connector's, or those it is configured with."""
        try:
            return connector.offers(plain(self.raw))
        except Exception as error:  # findings say what is wrong with the configuration
            log.debug(
                "a connection's objects are unknown",
                connection=self.name,
                error=type(error).__name__,
            )
            return connector.objects

    def settings(self, connector: type[Connector], resolve: Resolve) -> ConnectionConfig:
        """The connector's configuration with its references resolved. Of several webhook secrets
        those that are missing are left out, so that a rotation loses no delivery; see `lacking`.

        Raises ConfigError that names every variable that is missing and the place that wants it.
        """
        missing = []
        several = self.raw["webhook"]["secret"] if self.lacking(resolve) else None

        def filled(value: Any, place: Place) -> Any:
            if isinstance(value, Map):
                return {key: filled(item, value.at(key)) for key, item in value.items()}
            if isinstance(value, list):
                return [
                    filled(item, descend(value, [index], place))
                    for index, item in enumerate(value)
                    if value is not several or _resolves(item, resolve)
                ]
            if isinstance(value, str) and REFERENCE.fullmatch(value):
                found = resolve(value)
                if not found:
                    missing.append((value, place))
                return found
            return value

        values = filled(self.raw, self.place)
        if missing:
            raise ConfigError(" ".join(_missing(text, place) for text, place in missing))
        try:
            return connector.config.model_validate(values)
        except ValidationError as error:
            # the error's own text would show the values, secrets among them
            parts = [
                f"{descend(self.raw, found['loc'], self.place)} "
                f"{'.'.join(map(str, found['loc']))}: {found['msg']}."
                for found in error.errors(include_input=False, include_url=False)
            ]
            raise ConfigError(f"connection '{self.name}': {' '.join(parts)}") from None

    def lacking(self, resolve: Resolve) -> list[str]:
        """Which of several webhook secrets are not there, while others are: a sentence for each
        with what to do. Deliveries are judged by the others.
        """
        webhook = self.raw.get("webhook")
        secrets = webhook.get("secret") if isinstance(webhook, Map) else None
        if not isinstance(secrets, list):
            return []
        out = [
            _missing(item, descend(secrets, [index], self.place))
            for index, item in enumerate(secrets)
            if not _resolves(item, resolve)
        ]
        return out if len(out) < len(secrets) else []


def _resolves(value: Any, resolve: Resolve) -> bool:
    reference = isinstance(value, str) and REFERENCE.fullmatch(value)
    return not reference or bool(resolve(str(value)))


def _missing(reference: str, place: Place) -> str:
    kind, name = reference.split(":", 1)
    if kind == "env":
        return (
            f"{place} the environment variable {name} is not set. Set it and start the hub anew, or"
            f" write secret:{name}, which needs no restart."
        )
    return f"{place} there is no secret {name}. Store it with: hub secret set {name}"


def load_connections(
    reader: Reader,
    document: Map,
    connectors: Mapping[str, type[Connector]],
    env: Mapping[str, str] | None,
) -> dict[str, ConnectionSpec]:
    """The connections of hub.yaml. `env` None: whether variables are set is not looked at."""
    found: dict[str, ConnectionSpec] = {}
    section = reader.mapping(document, "connections")
    for name in section or ():
        if section is None:
            break
        body = reader.mapping(section, name)
        if body is None:
            if section[name] is None:
                reader.error(section.key_at(name), f"'{name}' says nothing.", "Add a connector.")
            continue
        if name == "hub" or not _NAME.fullmatch(name):
            reader.error(
                section.key_at(name),
                f"'{name}' cannot be a connection's name.",
                "Use small letters, digits and dashes; it stands in addresses. 'hub' is us.",
            )
        reader.required(body, "connector", "a connection")
        connector = reader.text(body, "connector")
        if connector is None:
            continue
        raw = Map(body.place)
        for key, value in body.items():
            if key != "connector":
                raw[key] = value
        raw.key_places, raw.value_places = body.key_places, body.value_places
        spec = ConnectionSpec(name, connector, raw, section.key_at(name))
        found[name] = spec
        if connector in connectors:
            _check(reader, spec, connectors[connector], env)
        else:
            reader.error(body.at("connector"), *unknown(connector, "connector", connectors))
    return found


def _check(
    reader: Reader,
    spec: ConnectionSpec,
    connector: type[Connector],
    env: Mapping[str, str] | None,
) -> None:
    pointers = list(references(reader, spec.raw, ()))
    shown: set[int] = set()
    for path in written_secrets(connector.config, spec.raw, ()):
        place = descend(spec.raw, path, spec.place)
        if path not in [pointer for pointer, _ in pointers]:
            shown.add(place.line)
            reader.findings.append(
                Finding(
                    place,
                    f"'{path[-1] if isinstance(path[-1], str) else path[-2]}' is a secret and must "
                    "not stand in a file.",
                    "Write env:NAME, or secret:NAME and store it with: hub secret set NAME",
                )
            )
    unknown_value = set()
    values = plain(spec.raw)
    for path, reference in pointers:
        name = reference.removeprefix("env:")
        known = (env or {}).get(name) if reference.startswith("env:") else None
        if known:
            put(values, path, known)
            continue
        unknown_value.add(path)
        put(values, path, _STAND_IN)
        if reference.startswith("env:") and env is not None:
            several = path[:-1] == ("webhook", "secret")
            reader.warn(
                descend(spec.raw, path, spec.place),
                f"the environment variable {name} is not set.",
                "Set it before the hub starts."
                + (" A hub without it judges deliveries by the other secrets." if several else ""),
            )
    try:
        connector.config.model_validate(values)
    except ValidationError as error:
        for problem in error.errors(include_input=False, include_url=False):
            location = problem["loc"]
            misplaced = problem["type"] == "extra_forbidden"
            judged = any(location[: len(path)] == path for path in unknown_value)
            if not misplaced and (judged or _STAND_IN in problem["msg"]):
                continue  # a stand-in was judged, not the value
            _explain(reader, spec, connector, location, problem["type"], problem["msg"])
    _check_objects(reader, spec, connector)
    _check_proof(reader, spec, connector)
    # a finding is stored and shown; the line of a secret must not go with it
    reader.findings[:] = [
        replace(found, excerpt="") if found.place.line in shown else found
        for found in reader.findings
    ]


def _explain(
    reader: Reader,
    spec: ConnectionSpec,
    connector: type[Connector],
    location: tuple[Any, ...],
    kind: str,
    message: str,
) -> None:
    """One of pydantic's complaints as a finding at its key."""
    named = [part for part in location if isinstance(part, str)]
    parent = descend(spec.raw, location[:-1], spec.place)
    if kind == "extra_forbidden":
        holder: Any = spec.raw
        for part in location[:-1]:
            holder = holder[part]
        model = model_at(connector.config, location[:-1])
        reader.error(
            holder.key_at(location[-1]) if isinstance(holder, Map) else parent,
            f"{_a(connector.name)} connection has no '{'.'.join(str(part) for part in location)}'.",
            did_you_mean(str(location[-1]), sorted(model.model_fields)) if model else "",
        )
    elif kind == "missing":
        name = ".".join(str(part) for part in location)
        reader.error(
            parent if len(location) > 1 else spec.place,
            f"{_a(connector.name)} connection needs '{name}'.",
            described(connector.config, location),
        )
    else:
        reader.error(
            descend(spec.raw, location, spec.place),
            f"'{named[-1] if named else spec.name}': "
            f"{_WORDS.get(kind) or message.removeprefix('Value error, ').rstrip('.')}.",
            described(connector.config, location),
        )


_WORDS = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "dict_type": "must be a mapping",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "list_type": "must be a list",
    "mapping_type": "must be a mapping",
    "model_type": "must be a mapping",
    "string_pattern_mismatch": "is not written as it has to be",
    "string_type": "must be text",
    "tuple_type": "must be a list",
}
"""Pydantic's complaints in the words of somebody who writes YAML."""


def _a(name: str) -> str:
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _check_objects(reader: Reader, spec: ConnectionSpec, connector: type[Connector]) -> None:
    pull = spec.raw.get("pull")
    if not isinstance(pull, Map):
        return
    offered = spec.offers(connector)
    pullable = [name for name, each in offered.items() if each.pull]
    for name, place in Reader(reader.file).texts(pull, "objects"):
        if name in pullable:
            continue
        if name in offered:
            reader.error(place, f"'{name}' cannot be pulled from {connector.name}.")
        else:
            reader.error(place, *unknown(name, f"{connector.name} object", pullable))


def _check_proof(reader: Reader, spec: ConnectionSpec, connector: type[Connector]) -> None:
    """Whoever takes in webhooks must be able to tell a genuine one, or say that it need not."""
    receives = any(each.webhook for each in spec.offers(connector).values())
    if not issubclass(connector, Receiver) or not receives:
        return
    webhook = spec.raw.get("webhook")
    said = webhook if isinstance(webhook, Map) else Map(spec.place)
    if said.get("receive") is False:
        return  # it only pulls: its address is not served
    if said.get("subscribe") is True:
        if issubclass(connector, Subscriber):
            return  # the secret is handed over when it is registered
        reader.error(
            said.at("subscribe"),
            f"{connector.name} cannot have its webhooks registered by the hub.",
            f"Leave it out, and register {{HUB_PUBLIC_URL}}/webhooks/{spec.name} at the vendor.",
        )
    place = spec.raw.at("webhook") if "webhook" in spec.raw else spec.place
    if said.get("unsigned") is True:
        reader.warn(
            said.at("unsigned"),
            f"'{spec.name}' takes deliveries from anybody, without any proof (unsigned: true).",
            "Fine on a test bench. Elsewhere set a secret or a token.",
        )
        return
    proofs = connector.proved_by(plain(spec.raw))
    if not proofs or any(said.get(name) for name in proofs):
        return
    variable = f"env:{spec.name.upper().replace('-', '_')}_HOOK"
    given = next((name for name in ("secret", "token") if said.get(name)), None)
    if given:
        reader.error(
            said.at(given),
            f"'{spec.name}' takes in webhooks but could not tell a genuine one: "
            f"{connector.name} does not prove them by `{given}` here.",
            f"Write webhook: {{{proofs[0]}: {variable}}}.",
        )
        return
    ways = [f"webhook: {{{name}: {variable}}}" for name in proofs]
    reader.error(
        place,
        f"'{spec.name}' takes in webhooks but could not tell a genuine one.",
        f"Add {' or, for senders that cannot sign, '.join(ways)}. Where it only pulls, write "
        "webhook: {receive: false}; knowing the risk, unsigned: true.",
    )
