"""Descriptions of APIs in each of their dialects, and what is found against them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from connectors.sdk.faults import Exchange
from connectors.sdk.sandbox import Asgi, Faults, HttpSandbox
from connectors.sdk.specs import Description

TASK = {
    "type": "object",
    "required": ["title"],
    "properties": {
        "title": {"type": "string", "nullable": True},
        "hours": {"type": "integer"},
        "owner": {"$ref": "#/components/schemas/Person"},
    },
}
PERSON = {
    "allOf": [
        {"type": "object", "properties": {"name": {"type": "string"}}},
        {"type": "object", "properties": {"mail": {"type": "string"}}},
    ]
}
OPENAPI = {
    "openapi": "3.0.3",
    "servers": [{"url": "https://api.acme.test/v2"}],
    "security": [{"token": []}],
    "components": {
        "schemas": {"Task": TASK, "Person": PERSON},
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        "parameters": {
            "Page": {"name": "page", "in": "query", "required": True, "schema": {"type": "integer"}}
        },
    },
    "paths": {
        "/tasks": {
            "parameters": [{"$ref": "#/components/parameters/Page"}],
            "get": {
                "parameters": [
                    {
                        "name": "state",
                        "in": "query",
                        "deprecated": True,
                        "schema": {"type": "array", "items": {"enum": ["open", "done"]}},
                    }
                ],
                "responses": {
                    "200": {
                        "description": "",
                        "content": {
                            "application/json": {
                                "schema": {
                                    "type": "array",
                                    "items": {"$ref": "#/components/schemas/Task"},
                                }
                            }
                        },
                    }
                },
            },
        },
        "/tasks/{id}": {
            "put": {
                "parameters": [
                    {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}
                ],
                "requestBody": {
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/Task"}}
                    }
                },
                "responses": {"204": {"description": "", "content": {"application/json": {}}}},
            },
            "delete": {"responses": {"204": {"description": ""}}},
        },
        "/tasks/latest": {"put": {"responses": {"200": {"description": ""}}}},
    },
}
SWAGGER = {
    "swagger": "2.0",
    "basePath": "/v2",
    "definitions": {"Task": {k: v for k, v in TASK.items() if k != "properties"}},
    "paths": {
        "/tasks": {
            "post": {
                "consumes": ["application/x-www-form-urlencoded"],
                "parameters": [
                    {"name": "title", "in": "formData", "type": "string", "required": True},
                    {"name": "hours", "in": "formData", "type": "integer"},
                    {"name": "fields", "in": "query", "type": "string"},
                ],
                "responses": {"200": {"description": "", "schema": {"$ref": "#/definitions/Task"}}},
            }
        }
    },
}
DISCOVERY = {
    "kind": "discovery#restDescription",
    "servicePath": "",
    "parameters": {"fields": {"location": "query", "type": "string"}},
    "schemas": {
        "Task": {
            "id": "Task",
            "type": "object",
            "properties": {"id": {"type": "string"}, "value": {"type": "any"}},
        }
    },
    "resources": {
        "tasks": {
            "methods": {
                "add": {
                    "flatPath": "v2/tasks/{id}:add",
                    "httpMethod": "POST",
                    "parameters": {
                        "id": {"location": "path", "required": True, "type": "string"},
                        "as": {"location": "query", "repeated": True, "enum": ["a", "b"]},
                    },
                    "request": {"$ref": "Task"},
                    "response": {"$ref": "Task"},
                }
            }
        }
    },
}


def exchange(
    place: str,
    body: Any = b"",
    status: int = 204,
    answer: Any = b"",
    kind: str = "application/json",
) -> Exchange:
    method, _, address = place.partition(" ")
    path, _, query = address.partition("?")
    sent, answered = (
        one if isinstance(one, bytes) else json.dumps(one).encode() for one in (body, answer)
    )
    told = {"content-type": kind}
    json_kind = {"content-type": "application/json; charset=utf-8"}
    return Exchange(method, path, query, told, sent, status, json_kind, answered)


def found(document: Mapping[str, Any], one: Exchange) -> list[str]:
    return Description(document).findings([one])


GOOD = [
    exchange("PUT /v2/tasks/7", {"title": None, "owner": {"name": "A", "mail": "a@b"}}),
    exchange("GET /v2/tasks?page=2&state=open&state=done", b"", 200, [{"title": "x", "hours": 2}]),
    exchange("PUT /v2/tasks/%37", {"title": "x"}),
    exchange("PUT /v2/tasks/latest", b"", 200),
    exchange("DELETE /v2/tasks/7", b"", 404, {"message": "gone"}),
    exchange("PUT /v2/tasks/7", {"title": 5}, 422, {"message": "refused here too"}),
]


@pytest.mark.parametrize("one", GOOD, ids=str)
def test_what_is_described_is_no_finding(one: Exchange) -> None:
    assert found(OPENAPI, one) == []


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (exchange("GET /v2/people"), "GET /v2/people: no such path"),
        (exchange("GET /tasks?page=1"), "GET /tasks: no such path"),
        (exchange("POST /v2/tasks"), "POST /v2/tasks: no such method"),
        (
            exchange("GET /v2/tasks?page=1&sort=age", b"", 200, []),
            "GET /v2/tasks: query sort: no such parameter",
        ),
        (
            exchange("GET /v2/tasks?page=one", b"", 200, []),
            "GET /v2/tasks: request page: Failed to cast value to integer type: one",
        ),
        (
            exchange("GET /v2/tasks?page=1&state=lost", b"", 200, []),
            "GET /v2/tasks: request .state[]: 'lost' is not one of ['open', 'done']",
        ),
        (
            exchange("GET /v2/tasks", b"", 200, []),
            "GET /v2/tasks: request page: Missing required query parameter: page",
        ),
        (
            exchange("GET /v2/tasks?page=1&page=2", b"", 200, []),
            "GET /v2/tasks: query page: given more than once",
        ),
        (
            exchange("PUT /v2/tasks/seven", {"title": "x"}),
            "PUT /v2/tasks/{id}: request id: Failed to cast value to integer type: seven",
        ),
        (
            exchange("PUT /v2/tasks/7", {"hours": 1}),
            "PUT /v2/tasks/{id}: request : 'title' is a required property",
        ),
        (
            exchange("PUT /v2/tasks/7", {"title": "x", "hours": "two"}),
            "PUT /v2/tasks/{id}: request .hours: 'two' is not of type 'integer'",
        ),
        (
            exchange("PUT /v2/tasks/7", {"title": "x", "colour": "red"}),
            "PUT /v2/tasks/{id}: request .colour: no such property",
        ),
        (
            exchange("PUT /v2/tasks/7", {"title": "x", "owner": {"name": "A", "age": 7}}),
            "PUT /v2/tasks/{id}: request .owner.age: no such property",
        ),
        (
            exchange("DELETE /v2/tasks/7", {"title": "x"}),
            "DELETE /v2/tasks/{id}: request body: takes none",
        ),
        (
            exchange("DELETE /v2/tasks/7", b"", 202),
            "DELETE /v2/tasks/{id}: answer 202: no such status",
        ),
        (
            exchange("GET /v2/tasks?page=1", b"", 200, [{"title": "x"}, {"title": 5}]),
            "GET /v2/tasks: answer 200 [].title: 5 is not of type 'string', 'null'",
        ),
        (
            exchange("GET /v2/tasks?page=1", b"", 200, [{"title": "x", "etag": "1"}]),
            "GET /v2/tasks: answer 200 [].etag: no such property",
        ),
    ],
)
def test_each_drift_is_a_finding(one: Exchange, told: str) -> None:
    assert found(OPENAPI, one) == [told]


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"title=x&hours=2", []),
        (
            b"title=x&hours=two",
            ["POST /v2/tasks: request : Failed to cast value to integer type: two"],
        ),
        (b"hours=2", ["POST /v2/tasks: request : 'title' is a required property"]),
        (b"title=x&colour=red", ["POST /v2/tasks: request body colour: no such parameter"]),
    ],
)
def test_a_form_of_swagger_2_is_read(body: bytes, told: list[str]) -> None:
    one = exchange("POST /v2/tasks?fields=all", body, 200, {"title": "x", "more": 1}, FORM)
    assert found(SWAGGER, one) == told


@pytest.mark.parametrize(
    ("place", "body", "told"),
    [
        ("?as=a&as=b&fields=id", {"id": "1", "value": [1]}, []),
        ("?as=c", {}, ["request .as[]: 'c' is not one of ['a', 'b']"]),
        ("?to=a", {}, ["query to: no such parameter"]),
        ("", {"id": 1}, ["request .id: 1 is not of type 'string'"]),
        ("", {"ids": "1"}, ["request .ids: no such property"]),
    ],
)
def test_googles_discovery_format_is_read(place: str, body: Any, told: list[str]) -> None:
    one = exchange(f"POST /v2/tasks/A1:B2:add{place}", body, 200, {"id": "1"})
    assert found(DISCOVERY, one) == [f"POST /v2/tasks/{{id}}:add: {reason}" for reason in told]


def test_what_is_allowed_with_a_reason_is_no_finding() -> None:
    description = Description(OPENAPI)
    gone = exchange("GET /v2/people")
    allowed = {r"GET /v2/people: no such": "newer than the description"}
    assert description.findings([gone], allowed) == []
    assert description.findings([], allowed) == ["Allowed and not needed: GET /v2/people: no such"]


def test_a_long_value_is_cut_in_a_finding() -> None:
    [told] = found(OPENAPI, exchange("PUT /v2/tasks/7", {"title": "x", "hours": "two" * 100}))
    assert len(told) < 160


def test_a_description_is_read_from_json_and_yaml(tmp_path: Path) -> None:
    for name, text in (("a.json", json.dumps(OPENAPI)), ("a.yaml", yaml.safe_dump(OPENAPI))):
        (tmp_path / name).write_text(text)
        description = Description.read(tmp_path / name)
        assert description.findings(GOOD) == []
    with pytest.raises(ValueError, match="no OpenAPI"):
        Description({"openapi": "4.0"})
    elsewhere = {"$ref": "other.yaml#/Task"}
    body = {"content": {"application/json": {"schema": elsewhere}}}
    split = {"/tasks": {"put": {"requestBody": body, "responses": {}}}}
    with pytest.raises(ValueError, match=r"nothing at other.yaml#/Task"):
        Description({"openapi": "3.0.3", "paths": split})


class Echo(HttpSandbox):
    name = "echo"

    def connection(self) -> dict[str, Any]:
        return {}

    def app(self) -> Asgi:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            body = (await receive())["body"]
            headers = [(b"Content-Type", b"text/plain")]
            await send({"type": "http.response.start", "status": 201, "headers": headers})
            await send({"type": "http.response.body", "body": b"had " + body})

        return app


def test_a_sandbox_keeps_the_latest_exchanges_whole() -> None:
    with Echo() as echo, httpx.Client(base_url=echo.url, trust_env=False) as client:
        client.post("/none", content=b"0")
        echo.faults = Faults(keep=2, body=["html"], status=[503])
        for number in range(4):
            client.post(f"/at%2F{number}?a=%20b", content=b"%d" % number, headers={"X-One": "1"})
        assert len(echo.faults.requests) == 4
        first, last = echo.faults.exchanges
    assert (first.path, first.answer) == ("/at%2F2", b"had 2")
    assert (last.method, last.path, last.query) == ("POST", "/at%2F3", "a=%20b")
    assert (last.body, last.status, last.answer) == (b"3", 201, b"had 3")
    assert last.headers["x-one"] == "1"
    assert last.answer_headers["content-type"] == "text/plain"


def test_a_kept_answer_is_the_one_before_a_fault_spoiled_it() -> None:
    with Echo() as echo, httpx.Client(base_url=echo.url, trust_env=False) as client:
        echo.faults = Faults(keep=9, body=["html"], status=[503])
        assert client.post("/a", content=b"0").status_code == 503
        assert b"html" in client.post("/a", content=b"1").content
        [kept] = echo.faults.exchanges
    assert kept.answer == b"had 1"
