"""The sandbox behaves like Salesforce where our connector would not notice if it did not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

import connectors.salesforce
from connectors.salesforce import sandbox_messages
from connectors.salesforce.config import SalesforceConfig
from connectors.salesforce.connector import SalesforceConnector
from connectors.salesforce.messages import ACK, Message, read_message
from connectors.salesforce.sandbox import SalesforceSandbox
from connectors.salesforce.sandbox_soql import SoqlError, parse
from connectors.salesforce.soql import select
from connectors.sdk import Change
from mappings.check import check_mapping
from mappings.compiler import compile_mapping
from mappings.language import load_mapping

OPEN: list[SalesforceConnector] = []


class Inbox:
    """A receiver that answers the next messages with these bodies, then acknowledges."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.answers: list[tuple[int, bytes]] = []
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                inbox.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                status, answer = inbox.answers.pop(0) if inbox.answers else (200, ACK)
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:
                return None

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/webhooks/crm/token"

    @property
    def messages(self) -> list[Message]:
        return [read_message(body) for body in self.bodies]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    server = Inbox()
    yield server
    server.close()


@pytest.fixture
def org() -> Iterator[SalesforceSandbox]:
    with SalesforceSandbox() as sandbox:
        assert isinstance(sandbox, SalesforceSandbox)
        yield sandbox
        while OPEN:
            OPEN.pop().close()


def connect(org: SalesforceSandbox) -> SalesforceConnector:
    """From the configuration that the sandbox itself hands out."""
    env, block = org.env(), org.connection()
    assert block.pop("connector") == "salesforce"

    def resolve(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: resolve(item) for key, item in value.items()}
        return env[value.removeprefix("env:")] if str(value).startswith("env:") else value

    OPEN.append(SalesforceConnector("crm", SalesforceConfig.model_validate(resolve(block))))
    return OPEN[-1]


def test_the_published_configuration_works_and_its_token_is_long_enough(
    org: SalesforceSandbox,
) -> None:
    crm = connect(org)
    crm.check()
    token = crm.settings.webhook.token
    assert token is not None
    assert len(token.get_secret_value()) >= 24


def test_changes_by_people_and_by_the_api_are_announced(
    org: SalesforceSandbox, inbox: Inbox
) -> None:
    org.webhook_url = inbox.url
    id = org.create_opportunity("Deal")
    assert org.announcer.wait_idle()
    change = Change("update", "opportunity", key="k", fields={"StageName": "Closed Won"}, id=id)
    connect(org).push([change, change])
    assert org.announcer.wait_idle()
    named = [(n.sobject, n.record) for m in inbox.messages for n in m.notifications]
    assert named == [("Opportunity", id)] * 2, "a save that changes nothing is not announced"
    assert b"Closed Won" in inbox.bodies[-1]


@pytest.mark.parametrize("answer", [(503, b""), (200, b'{"status":"accepted"}'), (401, ACK)])
def test_a_message_is_sent_again_until_it_is_acknowledged(
    org: SalesforceSandbox,
    inbox: Inbox,
    answer: tuple[int, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A 200 without the SOAP answer is no acknowledgement; the notification keeps its id."""
    monkeypatch.setattr(sandbox_messages, "FIRST_PAUSE", 0.01)
    inbox.answers = [answer, answer]
    org.webhook_url = inbox.url
    org.create_task("Call Ann")
    assert org.announcer.wait_idle()
    assert len(inbox.bodies) == 3
    assert len({message.delivery_id for message in inbox.messages}) == 1
    assert [acknowledged for _, acknowledged in org.announcer.attempts] == [False, False, True]


def test_a_message_may_come_twice(org: SalesforceSandbox, inbox: Inbox) -> None:
    org.announcer.duplicates = 1
    org.webhook_url = inbox.url
    org.create_opportunity("Deal")
    assert org.announcer.wait_idle()
    assert len(inbox.bodies) == 2
    assert inbox.bodies[0] == inbox.bodies[1]


def test_links_lead_to_a_page_that_shows_the_record(org: SalesforceSandbox) -> None:
    id = org.create_opportunity("<b>Deal</b>")
    [record] = connect(org).fetch("opportunity", [id])
    assert record.url is not None
    page = requests.get(record.url, timeout=10)
    assert page.status_code == 200
    assert "&lt;b&gt;Deal&lt;/b&gt;" in page.text
    assert requests.get(f"{org.url}/lightning/r/Task/{id}/view", timeout=10).status_code == 404
    org.populate()
    first = requests.get(org.url, timeout=10).text
    assert f"/lightning/r/Opportunity/{id}/view" in first
    assert "Invoice shows the wrong address" in first


@pytest.mark.parametrize(
    "name", ["opportunity.yaml", "task.yaml", "case.yaml", "contact.yaml", "user.yaml"]
)
def test_the_default_mappings_have_no_finding_and_read_only_fields_the_org_has(
    org: SalesforceSandbox, name: str
) -> None:
    file = Path(connectors.salesforce.__file__).parent / "mappings" / name
    spec, findings = load_mapping(name, file.read_text(encoding="utf-8"))
    assert spec is not None
    assert spec.object is not None
    assert [*findings, *check_mapping(spec)] == []
    known = {field.name for field in connect(org).discover(spec.object)}
    assert compile_mapping(spec).source_fields <= known


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("Amount > 10", ["b", "c"]),
        ("Amount >= 10 AND Name != 'C'", ["a", "b"]),
        ("(Name = 'a' OR Name = 'B') AND NOT Amount = 20", ["a"]),
        ("Name IN ('a','c')", ["a", "c"]),
        ("Name NOT IN ('a','c') AND Amount != null", ["b"]),
        ("Name LIKE '_' AND Amount < 30", ["a", "b"]),
        ("Owner.Email = 'dana@acme.test'", ["b"]),
        ("Contact_Email__c = null AND IsWon = true", ["c"]),
        ("SystemModstamp >= 2020-01-01T00:00:00Z AND CloseDate = '2026-12-31'", ["a", "b", "c"]),
        ("Name = 'it\\'s'", []),
    ],
)
def test_queries_mean_what_they_mean_at_salesforce(where: str, names: list[str]) -> None:
    org = SalesforceSandbox()
    org.create_opportunity("a", amount=10)
    org.create_opportunity("b", amount=20, owner="dana@acme.test")
    org.create_opportunity("c", amount=30, stage="Closed Won")
    soql = select(["Name"], "Opportunity", where, "Amount")
    assert [row["Name"] for row in org.org.select(soql, deleted=False)] == names


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT Id FROM Opportunity WHERE Name = 'a' OR Name = 'b' AND Id = null", "MALFORMED"),
        ("SELECT Id FROM Opportunity WHERE Name = 'it's'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Opportunity LIMIT x", "MALFORMED_QUERY"),
        ("SELECT Nothing FROM Opportunity", "INVALID_FIELD"),
        ("SELECT Account.Nothing FROM Opportunity", "INVALID_FIELD"),
        ("SELECT Id, Id FROM Opportunity", "INVALID_FIELD"),
        ("SELECT Id FROM Opportunity WHERE SystemModstamp > '2026-01-01'", "INVALID_FIELD"),
        ("SELECT Id FROM Nothing", "INVALID_TYPE"),
    ],
)
def test_queries_salesforce_refuses_are_refused(soql: str, code: str) -> None:
    with pytest.raises(SoqlError) as error:
        SalesforceSandbox().org.select(soql, deleted=False)
    assert error.value.code.startswith(code)


def test_a_query_keeps_its_order_and_limit() -> None:
    query = parse("select Id from Task order by CreatedDate desc, Id limit 5")
    assert query.order == (("CreatedDate", True), ("Id", False))
    assert query.limit == 5
