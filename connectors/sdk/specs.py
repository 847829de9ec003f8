"""Hold what a connector sends, and what its sandbox answers, against the vendor's own description
of its API, so that the two cannot drift from the truth together.

    sandbox.faults.keep = 1000
    ...  # let the connector do everything it can
    description = Description.read(Path("openapi.json"))
    assert description.findings(sandbox.faults.exchanges, allowed) == []

Reads what `connectors.sdk.dialects` does and lets openapi-core (the extra `test`) judge. Stricter
than descriptions mean to be: an object that names its properties has no others, unless it says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import yaml

from connectors.sdk.dialects import CLOSED, JSON, METHODS, one_dialect
from connectors.sdk.faults import Exchange
from connectors.sdk.records import Json

FORM = "application/x-www-form-urlencoded"
SINGLE = ("boolean", "integer", "number", "string")
LONG = 60
"""Characters of a value that a finding shows."""


class Description:
    """One vendor's API, as its description says."""

    def __init__(self, document: Mapping[str, Json]) -> None:
        """`document` is the parsed description. Raises ValueError for what is none."""
        self._said = one_dialect(document)
        self._operations = sorted(
            (Operation(self._said, path, method) for path, method in _operations(self._said)),
            key=lambda one: -one.plain,
        )

    @classmethod
    def read(cls, file: Path) -> Description:
        """The description in a JSON or YAML file."""
        text = file.read_bytes()
        if file.suffix == ".json":
            return cls(json.loads(text))
        # megabytes of YAML take half a minute without the loader that is written in C
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        return cls(yaml.load(text, Loader=loader))  # noqa: S506 - a safe loader, either way

    def findings(
        self, exchanges: Iterable[Exchange], allowed: Mapping[str, str] | None = None
    ) -> list[str]:
        """What the description knows nothing of, or differently, each once: "POST /path: why".

        `allowed` are regular expressions that a finding may begin with, each with its reason: what
        a description is too old for, or gets wrong. One that nothing needs is a finding too.
        """
        unused = dict(allowed or {})
        found: dict[str, None] = {}
        for one in exchanges:
            for finding in self.judge(one):
                excuses = [pattern for pattern in allowed or () if re.match(pattern, finding)]
                for pattern in excuses:
                    unused.pop(pattern, None)
                if not excuses:
                    found[finding] = None
        return [*found, *(f"Allowed and not needed: {pattern}" for pattern in unused)]

    def judge(self, exchange: Exchange) -> Iterator[str]:
        """The findings of one exchange."""
        operation = self.operation(exchange)
        if operation is None:
            what = "method" if self._at(exchange) else "path"
            yield f"{exchange.method} {exchange.path}: no such {what}"
            return
        for reason in operation.judge(exchange):
            yield f"{exchange.method} {operation.pattern}: {reason}"

    def operation(self, exchange: Exchange) -> Operation | None:
        """What is asked for here, None for what is not described."""
        method = exchange.method.lower()
        return next((one for one in self._at(exchange) if one.method == method), None)

    def _at(self, exchange: Exchange) -> list[Operation]:
        return [one for one in self._operations if one.path.fullmatch(exchange.path)]


class Operation:
    """One method of one path."""

    def __init__(self, document: Mapping[str, Json], pattern: str, method: str) -> None:
        self.pattern = pattern
        self.method = method
        literal = re.split(r"\{[^{}]+\}", pattern)
        self.plain = len("".join(literal))
        """Characters of the path that are no variables: the more, the better it fits."""
        self.path = re.compile("([^/]+)".join(re.escape(part) for part in literal))
        self._names = re.findall(r"\{([^{}]+)\}", pattern)
        self._document = document
        self._said = document["paths"][pattern][method]

    @cached_property
    def _core(self) -> Any:
        from openapi_core import Config, OpenAPI

        # only this operation: openapi-core walks through all paths for every request
        small = {
            **self._document,
            "servers": [{"url": "https://vendor.test"}],
            "paths": {self.pattern: {self.method: self._said}},
        }
        return OpenAPI.from_dict(small, config=Config(spec_validator_cls=None))  # type: ignore[arg-type]

    def judge(self, exchange: Exchange) -> Iterator[str]:
        """What is wrong with the request, then with the answer, of an exchange with this path."""
        from openapi_core.testing import MockRequest, MockResponse

        query = parse_qsl(exchange.query, keep_blank_values=True)
        request = MockRequest(
            "https://vendor.test",
            self.method,
            exchange.path,
            path_pattern=self.pattern,
            args=query,  # type: ignore[arg-type] # a name may come more than once
            view_args=self._variables(exchange.path),
            headers=dict(exchange.headers),
            data=exchange.body or None,
            content_type=exchange.headers.get("content-type", JSON),
        )
        # what the vendor refuses too is no drift
        if exchange.status not in (400, 422):
            yield from self._odd_in_query([name for name, _ in query])
            yield from self._unknown_in_body(exchange)
            yield from _reasons("request", self._core.iter_request_errors(request))
        if not self._answers(exchange.status):
            if exchange.status < 400:
                yield f"answer {exchange.status}: no such status"
            return
        response = MockResponse(
            exchange.answer,
            exchange.status,
            headers=dict(exchange.answer_headers),
            content_type=exchange.answer_headers.get("content-type", ""),
        )
        errors = self._core.iter_response_errors(request, response)
        yield from _reasons(f"answer {exchange.status}", errors)

    def _variables(self, path: str) -> dict[str, str]:
        found = self.path.fullmatch(path)
        return dict(zip(self._names, map(unquote, found.groups() if found else ()), strict=True))

    def _odd_in_query(self, names: list[str]) -> Iterator[str]:
        known = {one["name"]: one for one in self._said["parameters"] if one["in"] == "query"}
        for name in sorted(set(names)):
            if name not in known:
                yield f"query {name}: no such parameter"
            # openapi-core reads one of them
            elif names.count(name) > 1 and known[name].get("schema", {}).get("type") in SINGLE:
                yield f"query {name}: given more than once"

    def _unknown_in_body(self, exchange: Exchange) -> Iterator[str]:
        content = self._said.get("requestBody", {}).get("content", {})
        if exchange.body and not content:
            yield "request body: takes none"
        elif FORM in content and exchange.headers.get("content-type", "").startswith(FORM):
            # openapi-core reads the described names only
            known = content[FORM].get("schema", {}).get("properties", {})
            for name in sorted(set(dict(parse_qsl(exchange.body.decode()))) - set(known)):
                yield f"request body {name}: no such parameter"

    def _answers(self, status: int) -> bool:
        told = {str(one).upper() for one in self._said["responses"]}
        return bool(told & {str(status), f"{status // 100}XX", "DEFAULT"})


def _reasons(where: str, errors: Iterable[Exception]) -> Iterator[str]:
    from jsonschema.exceptions import best_match

    for error in errors:
        cause = error.__cause__ or error
        reasons = getattr(cause, "schema_errors", None)
        # a parameter's place stands in the error around it
        name = getattr(error, "name", "")
        places = [tuple(one.absolute_path) for one in reasons or ()]
        for reason in reasons or ():
            deepest = best_match([reason]) or reason
            parts = (name, *deepest.absolute_path)
            place = "".join(
                "[]" if isinstance(part, int) else f".{part}" for part in parts if part != ""
            )
            if deepest.validator in ("additionalProperties", CLOSED):
                at = tuple(deepest.absolute_path)
                for surplus in re.findall(r"'([^']+)'", deepest.message.partition("(")[2]):
                    # what is wrong itself may count as unknown too
                    if not any(one[: len(at) + 1] == (*at, surplus) for one in places):
                        yield f"{where} {place}.{surplus}: no such property"
                continue
            value = repr(deepest.instance)
            shown = value if len(value) < LONG else f"{value[:LONG]}…"
            yield f"{where} {place}: {deepest.message.replace(value, shown)}"
        if not reasons:
            yield f"{where} {name}: {cause}"


def _operations(document: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    for path, item in document["paths"].items():
        yield from ((path, method) for method in METHODS if method in item)
