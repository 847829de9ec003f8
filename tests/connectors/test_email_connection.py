"""How mail is reached: in time, in the right place, inside TLS, with tokens, while listening."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from connectors.email.connector import EmailConfig, EmailConnector
from connectors.email.sandbox import EmailSandbox
from connectors.sdk import (
    AuthError,
    Change,
    ConfigError,
    Host,
    NotFoundError,
    Outcome,
    Record,
    TransientError,
    UnsupportedError,
)
from connectors.sdk.sandbox import Inapplicable

HUB = "hub@hub.test"
ANN = "ann@customer.test"


@pytest.fixture
def sandbox() -> Iterator[EmailSandbox]:
    with EmailSandbox() as running:
        yield running


def connect(sandbox: EmailSandbox, host: Host | None = None, **changes: Any) -> EmailConnector:
    """As the hub builds it. `smtp__port=1` changes a nested key."""

    def resolved(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: resolved(part) for key, part in value.items()}
        return sandbox.env().get(str(value).removeprefix("env:"), value)

    block = resolved(sandbox.connection())
    block.pop("connector")
    for name, value in changes.items():
        place, _, key = name.rpartition("__")
        (block[place] if place else block)[key] = value
    return EmailConnector("mail", EmailConfig.model_validate(block), host)


def create(key: str = "k1", **fields: Any) -> Change:
    return Change(
        "create", "message", key, {"to": [ANN], "subject": "Hello", "text": "Hi"} | fields
    )


def pull(connector: EmailConnector, cursor: Any = None) -> tuple[list[Record], Any]:
    records: list[Record] = []
    for page in connector.pull("message", cursor or {}, ("flags",)):
        records += page.records
        cursor = page.cursor
    return records, cursor


# in time, and in the right place


def test_a_server_that_answers_a_byte_at_a_time_ends_at_the_deadline(sandbox: EmailSandbox) -> None:
    connector = connect(sandbox, deadline=0.4)
    sandbox.faults.on, sandbox.faults.slow = "read", 1
    began = time.monotonic()
    with pytest.raises(TransientError, match=r"deadline|timed out"):
        pull(connector)
    sandbox.faults.on, sandbox.faults.slow = "write", 1
    (result,) = connector.push([create()])
    assert result.outcome is Outcome.UNKNOWN
    assert time.monotonic() - began < 5
    assert connector.find("message", [create()])[0] is not None


@pytest.mark.parametrize("key", ["smtp", "imap"])
def test_a_name_that_leads_inside_is_not_connected_to(
    sandbox: EmailSandbox, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Any] = []
    inside = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 25))]
    place: dict[str, Any] = {f"{key}__host": "mail.customer.test", f"{key}__security": "tls"}
    connector = connect(sandbox, **place)
    real = socket.socket.connect

    def noted(self: socket.socket, address: Any) -> None:
        tried.append(address[0])
        real(self, address)

    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: inside)
    monkeypatch.setattr(socket.socket, "connect", noted)
    with pytest.raises(ConfigError, match=r"networks: \[169\.254\.169\.254\]"):
        connector.check()
    assert "169.254.169.254" not in tried


@pytest.mark.parametrize("fault", ["status", "body", "cut_before_effect"])
def test_a_mailbox_in_trouble_is_tried_again(sandbox: EmailSandbox, fault: str) -> None:
    sandbox.send(ANN, HUB, "One", "1")
    connector = connect(sandbox)
    sandbox.faults.on = "read"
    setattr(sandbox.faults, fault, {"status": [503], "body": ["html"]}.get(fault, 1))
    with pytest.raises(TransientError, match=r"imap\.host") as raised:
        pull(connector)
    assert "Please sign in" not in str(raised.value)
    assert len(pull(connector)[0]) == 1


def test_faults_that_mail_does_not_know_are_refused(sandbox: EmailSandbox) -> None:
    with pytest.raises(Inapplicable, match="redirect"):
        sandbox.faults.redirect = "http://127.0.0.1:1/"


# inside TLS


@pytest.fixture
def authority(tmp_path: Path) -> tuple[ssl.SSLContext, str]:
    """A server's context with a certificate for this machine, and the file that vouches for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sandbox")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    certificate, private = tmp_path / "ca.pem", tmp_path / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, private)
    return context, str(certificate)


def test_mail_goes_and_comes_inside_tls(authority: tuple[ssl.SSLContext, str]) -> None:
    context, ca_file = authority
    with EmailSandbox(tls=context) as sandbox:
        connector = connect(sandbox, smtp__ca_file=ca_file, imap__ca_file=ca_file)
        connector.check()
        assert connector.push([create(to=HUB)])[0].outcome is Outcome.OK
        (record,), cursor = pull(connector)
        assert record.id == "<k1@hub.test>"
        arrived = threading.Timer(0.2, sandbox.deliver, [HUB, b"Message-ID: <a@c.test>\r\n\r\nx"])
        arrived.start()
        assert connector.wait("message", cursor, 10)
        arrived.join()


def test_a_certificate_that_nobody_vouches_for_is_refused(
    authority: tuple[ssl.SSLContext, str],
) -> None:
    context, ca_file = authority
    with EmailSandbox(tls=context) as sandbox:
        with pytest.raises(ConfigError, match=r"smtp\.ca_file"):
            connect(sandbox).push([create()])
        with pytest.raises(ConfigError, match=r"imap\.ca_file"):
            pull(connect(sandbox, smtp__ca_file=ca_file))
        assert sandbox.ledger == []


# with tokens


@pytest.fixture
def tokens() -> Iterator[EmailSandbox]:
    with EmailSandbox(oauth=True) as running:
        yield running


def test_tokens_replace_passwords_and_are_renewed_unnoticed(tokens: EmailSandbox) -> None:
    connector = connect(tokens)
    connector.check()
    assert tokens.tokens_granted == 1
    tokens.expire_token()
    assert connector.push([create(to=HUB)])[0].outcome is Outcome.OK
    assert tokens.tokens_granted == 2
    tokens.expire_token()
    assert len(pull(connector)[0]) == 1
    assert tokens.tokens_granted == 3


def test_an_account_whose_agreement_has_ended_says_so(tokens: EmailSandbox) -> None:
    with pytest.raises(AuthError, match=r"invalid_grant.*refresh token under `auth`"):
        connect(tokens, auth__refresh_token="old").check()
    host = Host()  # the refresh token rotates, so these have to share what they know
    with pytest.raises(AuthError, match=r"accepts no token for boss@hub\.test"):
        connect(tokens, host, smtp__username="boss@hub.test").check()
    with pytest.raises(AuthError, match="Allow IMAP for the account"):
        connect(tokens, host, imap__username="boss@hub.test").check()


def test_a_server_without_tokens_is_named(sandbox: EmailSandbox, tokens: EmailSandbox) -> None:
    host = Host()
    for key, port in (("smtp", sandbox.smtp_port), ("imap", sandbox.imap_port)):
        with pytest.raises(ConfigError, match=rf"XOAUTH2.*set {key}\.password"):
            connect(tokens, host, **{f"{key}__port": port}).check()


# listening


def test_mail_that_arrives_ends_the_wait_at_once(sandbox: EmailSandbox) -> None:
    connector = connect(sandbox)
    assert connector.wait("message", {}, 10)  # never pulled: there is something to do
    _, cursor = pull(connector)
    assert not connector.wait("message", cursor, 0.05)
    arrived = threading.Timer(0.2, sandbox.send, [ANN, HUB, "Now", "!"])
    arrived.start()
    began = time.monotonic()
    assert connector.wait("message", cursor, 20)
    assert time.monotonic() - began < 5
    arrived.join()
    # what came between a pull and the wait is not slept through
    assert connector.wait("message", cursor, 20)
    _, cursor = pull(connector, cursor)
    assert not connector.wait("message", cursor, 0.05)


def test_closing_the_connector_ends_the_wait(sandbox: EmailSandbox) -> None:
    connector = connect(sandbox)
    _, cursor = pull(connector)
    closing = threading.Timer(0.2, connector.close)
    closing.start()
    began = time.monotonic()
    assert connector.wait("message", cursor, 20) is False
    assert time.monotonic() - began < 5
    closing.join()
    assert connector.wait("message", cursor, 20) is False


# what becomes of attachments, and of mails without a name of their own


def test_an_attachment_can_be_read(sandbox: EmailSandbox) -> None:
    body = (
        b"Message-ID: <doc@c.test>\r\nFrom: ann@customer.test\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\nSee below.\r\n--b\r\n'
        b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
        b'Content-Disposition: attachment; filename="a.pdf"\r\n\r\nJVBERg==\r\n--b--\r\n'
    )
    sandbox.deliver(HUB, body)
    connector = connect(sandbox)
    (record,), _ = pull(connector)
    (listed,) = record.data["attachments"]
    assert (listed["id"], listed["size"]) == ("<doc@c.test>#1", 4)
    assert connector.read("message", listed["id"]) == b"%PDF"
    for wrong in ("<doc@c.test>#2", "<gone@c.test>#1", "sha256:00#1", "nonsense"):
        with pytest.raises(NotFoundError):
            connector.read("message", wrong)


def test_mails_of_a_program_that_gives_all_the_same_name_stay_apart(sandbox: EmailSandbox) -> None:
    def mail(day: int, trace: str = "") -> bytes:
        date = f"Mon, {day:02} Mar 2026 09:00:00 +0000"
        return f"{trace}Message-ID: <x@c.test>\r\nFrom: a@c.test\r\nDate: {date}\r\n\r\n.".encode()

    sandbox.deliver(HUB, mail(1))
    sandbox.deliver(HUB, mail(1, "Received: by another way\r\n"))
    connector = connect(sandbox)
    records, cursor = pull(connector)
    assert [record.id for record in records] == ["<x@c.test>"] * 2
    sandbox.deliver(HUB, mail(2))
    sandbox.deliver(HUB, mail(3))
    later, cursor = pull(connector, cursor)
    assert len({record.id for record in (*records, *later)}) == 3
    sandbox.renumber(HUB)
    again, _ = pull(connector, cursor)
    assert [record.id for record in again] == [record.id for record in (*records, *later)]


def test_nothing_is_doubled_when_a_mailbox_is_renumbered(sandbox: EmailSandbox) -> None:
    sandbox.deliver(HUB, b"Subject: no id\r\n\r\nx")
    sandbox.deliver(HUB, b"Subject: no id and large\r\n\r\n" + b"x" * 5000)
    sandbox.send(ANN, HUB, "Ordinary", "1")
    connector = connect(sandbox, imap__max_size=2000)
    before, cursor = pull(connector)
    sandbox.renumber(HUB)
    sandbox.send(ANN, HUB, "New", "2")
    after, _ = pull(connector, cursor)
    assert [record.id for record in after[:3]] == [record.id for record in before]
    assert len(after) == 4


def test_readers_are_told_where_to_turn_mail_off(sandbox: EmailSandbox) -> None:
    connector = connect(sandbox, unsubscribe="https://hub.test/off")
    connector.push([create("a"), create("b", headers={"List-Unsubscribe": "<mailto:x@hub.test>"})])
    first, second = sandbox.inbox(ANN)
    assert first["List-Unsubscribe"] == "<https://hub.test/off>"
    assert first["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert second.get_all("List-Unsubscribe") == ["<mailto:x@hub.test>"]
    assert second["List-Unsubscribe-Post"] is None


def test_a_newsletter_is_no_answer_of_a_person(sandbox: EmailSandbox) -> None:
    sandbox.send(ANN, HUB, "News", "!", headers={"List-Unsubscribe": "<mailto:off@c.test>"})
    (record,), _ = pull(connect(sandbox))
    assert record.data["auto_submitted"] is True
    assert record.data["list_unsubscribe"] == ["mailto:off@c.test"]


# a server that counts changes (pymap does not), reduced to what is asked of it


class Counting:
    """One mailbox with two mails, with CONDSTORE (RFC 7162) and, on demand, IDLE."""

    def __init__(self, idle: Sequence[bytes] = ()) -> None:
        self.idle = idle
        """What it says to IDLE, packet by packet."""
        self.modseq = {1: 10, 2: 12}
        self.flags = {1: "", 2: "\\Seen"}
        self.commands: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as wire:
                wire.write(b"* OK ready\r\n")
                wire.flush()
                for line in wire:
                    tag, _, command = line.decode().strip().partition(" ")
                    self.commands.append(command)
                    if command == "IDLE":
                        for packet in self.idle:
                            wire.write(packet)
                            wire.flush()
                            time.sleep(0.05)  # nothing says when a packet has been read
                        wire.readline()
                    for answer in (*self._answer(command), f"{tag} OK done"):
                        wire.write(answer.encode() + b"\r\n")
                    wire.flush()

    def _answer(self, command: str) -> list[str]:
        if command == "CAPABILITY":
            return ["* CAPABILITY IMAP4rev1 CONDSTORE" + (" IDLE" if self.idle else "")]
        if command.startswith("EXAMINE"):
            highest = max(self.modseq.values())
            return [
                "* 2 EXISTS",
                "* OK [UIDVALIDITY 7] ok",
                "* OK [UIDNEXT 3] ok",
                f"* OK [HIGHESTMODSEQ {highest}] ok",
            ]
        if command.startswith("UID SEARCH MODSEQ"):
            since = int(command.rpartition(" ")[2])
            found = " ".join(str(uid) for uid, at in self.modseq.items() if at >= since)
            return [f"* SEARCH {found} (MODSEQ {max(self.modseq.values())})"]
        if command.startswith("UID SEARCH"):
            return ["* SEARCH 1 2"]
        if command.startswith("UID FETCH"):
            uids = [int(uid) for uid in command.split(" ")[2].split(",")]
            return [self._mail(uid, "BODY" in command) for uid in uids]
        return []

    def _mail(self, uid: int, body: bool) -> str:
        if not body:
            when = '"01-Mar-2026 10:00:00 +0000"'
            flags = self.flags[uid]
            return f"* {uid} FETCH (UID {uid} INTERNALDATE {when} RFC822.SIZE 30 FLAGS ({flags}))"
        raw = f"Message-ID: <{uid}@c.test>\r\n\r\nx"
        return f"* {uid} FETCH (UID {uid} BODY[] {{{len(raw)}}}\r\n{raw})"


def test_a_changed_flag_is_seen_where_the_server_counts_changes(sandbox: EmailSandbox) -> None:
    server = Counting()
    try:
        connector = connect(sandbox, imap__port=server.port)
        records, cursor = pull(connector)
        assert [record.data["flags"] for record in records] == [[], ["seen"]]
        assert cursor["modseq"] == 12
        assert pull(connector, cursor) == ([], cursor)
        with pytest.raises(UnsupportedError, match="IDLE"):
            connector.wait("message", cursor, 5)
        server.flags[1], server.modseq[1] = "\\Flagged \\Answered", 15
        assert connector.wait("message", cursor, 5)
        records, after = pull(connector, cursor)
        assert [(record.id, record.data["flags"]) for record in records] == [
            ("<1@c.test>", ["answered", "flagged"])
        ]
        assert pull(connector, after) == ([], after)
        # a mapping that does not read flags does not pay for them
        server.commands.clear()
        assert [page.records for page in connector.pull("message", cursor, ("text",))] == [[]]
        assert not any("MODSEQ" in command for command in server.commands)
    finally:
        server.close()


@pytest.mark.parametrize(
    "packets",
    [
        pytest.param([b"+ idling\r\n* 3 EXISTS\r\n"], id="with-the-permission-to-wait"),
        pytest.param([b"* 3 EXISTS\r\n+ idling\r\n"], id="before-the-permission-to-wait"),
        pytest.param([b"+ idling\r\n", b"* 3 FETCH ", b"(FLAGS ())\r\n"], id="in-two-parts"),
        pytest.param([b"+ idling\r\n", b"* OK here\r\n", b"* 3 EXISTS\r\n"], id="after-chatter"),
    ],
)
def test_news_is_not_slept_through_however_it_comes(
    sandbox: EmailSandbox, packets: Sequence[bytes]
) -> None:
    server = Counting(packets)
    try:
        connector = connect(sandbox, imap__port=server.port)
        _, cursor = pull(connector)
        began = time.monotonic()
        assert connector.wait("message", cursor, 20)
        assert time.monotonic() - began < 5
    finally:
        server.close()
