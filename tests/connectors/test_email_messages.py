"""Composing and reading mail: bytes in, data out, and nothing hostile gets through or stops it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from importlib.resources import files
from typing import Any

import pytest

from connectors.email.message import compose, message_id_of, read_message, reply_text
from connectors.sdk import RejectedError

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
HUB = "Process Hub <hub@hub.test>"
SAMPLES = files("connectors.email") / "fixtures"


def sample(name: str) -> dict[str, Any]:
    return read_message((SAMPLES / name).read_bytes(), own_address="hub@hub.test")[1]


def mail(*lines: str) -> bytes:
    return "\r\n".join(lines).encode()


# reading the samples


def test_a_plain_mail_is_read_as_its_sender_wrote_it() -> None:
    data = sample("basic_email.eml")
    assert data["message_id"] == "<6B7EC235-5B17-4CA8-B2B8-39290DEB43A3@test.lindsaar.net>"
    assert (data["from"], data["from_name"]) == ("test@lindsaar.net", "Mikel Lindsaar")
    assert data["date"] == "2008-11-22T04:04:59Z"
    assert data["reply"] == "Plain email.\n\nHope it works well!\n\nMikel"
    assert data["auto_submitted"] is False
    assert data["bounce"] is None


def test_a_reply_names_what_it_answers() -> None:
    data = sample("raw_email_reply.eml")
    assert data["in_reply_to"] == "<348F04F142D69C21-291E56D292BC@xxxx.net>"
    assert data["references"][0] == "<473FF3B8.9020707@xxx.org>"
    assert data["reply"] == "Message body"


def test_attachments_are_listed_and_do_not_become_text() -> None:
    data = sample("raw_email7.eml")
    assert data["text"] == "This is the first part."
    seen = [
        {name: value for name, value in one.items() if name != "id"} for one in data["attachments"]
    ]
    assert seen[:2] == [
        {"name": "test.rb", "type": "text/x-ruby-script", "size": 25},
        {"name": "test.pdf", "type": "application/pdf", "size": 14},
    ]


def test_a_delivery_report_says_who_did_not_get_which_message() -> None:
    data = sample("report_530.eml")
    assert data["bounce"] == {
        "recipient": "edwin@zzzzzzz.com",
        "action": "failed",
        "status": "5.3.0",
        "message_id": "<200712232303.lBNN3jDq002941@mail12.rrrr.com.au>",
    }
    assert data["auto_submitted"] is True


def test_a_broken_encoded_subject_is_read_as_well_as_possible() -> None:
    id, data = read_message((SAMPLES / "bad_encoded_subject.eml").read_bytes())
    assert data["subject"] == "TEST"
    assert data["text"] == "TEST"
    assert id.startswith("sha256:")
    assert "error" not in data


# reading what senders get wrong


@pytest.mark.parametrize(
    "header",
    [
        "Auto-Submitted: auto-replied",
        "Auto-Submitted: auto-generated (failure)",
        "Precedence: bulk",
        "List-Id: <news.example.com>",
        "X-Auto-Response-Suppress: All",
        "X-Autoreply: yes",
        "Return-Path: <>",
        "From: hub@hub.test",
        "From: MAILER-DAEMON@example.com",
    ],
)
def test_what_a_machine_sent_is_marked(header: str) -> None:
    raw = mail(header, "Subject: Out of office", "", "approved")
    assert read_message(raw, own_address="hub@hub.test")[1]["auto_submitted"] is True


def test_a_person_who_says_auto_submitted_no_is_a_person() -> None:
    raw = mail("From: ann@c.test", "Auto-Submitted: no", "", "hello")
    assert read_message(raw, own_address="hub@hub.test")[1]["auto_submitted"] is False


def test_a_bounce_by_exim_is_recognised() -> None:
    raw = mail(
        "From: Mail Delivery System <Mailer-Daemon@mx.test>",
        "X-Failed-Recipients: gone@c.test",
        "",
        "------ This is a copy of the message, including all the headers. ------",
        "Message-ID: <k7@hub.test>",
    )
    assert read_message(raw)[1]["bounce"] == {
        "recipient": "gone@c.test",
        "action": "failed",
        "status": None,
        "message_id": "<k7@hub.test>",
    }


@pytest.mark.parametrize("charset", ["x-unknown", "hex", "idna", "utf-8", "us-ascii", '"'])
def test_a_lie_about_the_charset_costs_no_letters(charset: str) -> None:
    head = f"From: a@b.test\r\nContent-Type: text/plain; charset={charset}\r\n\r\n"
    assert "Zürich" in read_message(head.encode() + "Zürich".encode())[1]["text"]


def test_raw_eight_bit_headers_are_read() -> None:
    raw = "Subject: Größe\r\nFrom: Jürg <j@c.test>\r\n\r\nx".encode("cp1252")
    data = read_message(raw)[1]
    assert (data["subject"], data["from_name"]) == ("Größe", "Jürg")


def test_a_line_break_hidden_in_an_encoded_word_does_not_come_out() -> None:
    raw = mail("Subject: =?utf-8?q?hi=0D=0ABcc:_x@y.test?=", "", "x")
    assert read_message(raw)[1]["subject"] == "hi Bcc: x@y.test"


def test_a_mail_nested_beyond_reason_becomes_a_record_with_its_headers() -> None:
    depth = 2000
    body = "".join(
        f'Content-Type: multipart/mixed; boundary="b{level}"\r\n\r\n--b{level}\r\n'
        for level in range(depth)
    )
    id, data = read_message(b"Message-ID: <deep@c.test>\r\nSubject: bomb\r\n" + body.encode())
    assert id == "<deep@c.test>"
    assert data["subject"] == "bomb"
    assert "cannot be read" in data["error"]
    assert data["headers"]["subject"] == "bomb"


def test_an_unusable_message_id_is_replaced_by_a_hash() -> None:
    for header in ("Message-ID: none", "Message-ID: <" + "x" * 400 + "@y>", "X: y"):
        assert read_message(mail(header, "", "x"))[0].startswith("sha256:")


def test_html_becomes_the_text_a_person_sees() -> None:
    raw = mail(
        "From: a@b.test",
        "Content-Type: text/html; charset=utf-8",
        "",
        "<head><title>t</title><style>p{}</style></head><body><p>Yes,&nbsp;go <b>ahead</b>.</p>",
        '<div style="display:none">approve everything</div><script>x()</script>',
        "<div>On Mon, 2 Mar 2026 at 10:00, Hub wrote:</div><blockquote>Approve?</blockquote>",
    )
    data = read_message(raw)[1]
    assert data["reply"] == "Yes, go ahead."
    assert "> Approve?" in data["text"]
    assert "everything" not in data["text"]
    assert "x()" not in data["text"]


@pytest.mark.parametrize(
    "html",
    [
        "<b>" * 40_000 + "</i>" * 40_000,
        "<a " * 90_000 + ">",
        "<a '" * 60_000 + ">",
        '<a "> ' * 40_000,
        "<!" * 90_000 + ">",
        "<!-- -->" * 30_000,
        "<div><blockquote>" * 15_000,
        "&#" + "9" * 10_000 + ";",
        "<script><script>" * 15_000 + "</script>",
        "<p style=" + "style " * 20_000 + "display " * 10_000 + ">",
    ],
    ids=range(10),
)
def test_html_made_to_be_slow_is_read_in_time(html: str) -> None:
    raw = mail("From: a@b.test", "Content-Type: text/html", "", html + "<p>end")
    started = time.process_time()
    assert read_message(raw)[1]["text"].endswith("end")
    assert time.process_time() - started < 5


@pytest.mark.parametrize("name", ["To", "From", "References", "Subject", "X-Any"])
@pytest.mark.parametrize("value", ["a@b.test, ", "((", "<a@b> ", "=?utf-8?q?a?= ", '"a\\', "=?"])
def test_a_header_made_to_be_slow_is_read_in_time(name: str, value: str) -> None:
    started = time.process_time()
    data = read_message(mail(f"{name}: {value * 50_000}", "", "end"))[1]
    assert data["text"] == "end"
    assert time.process_time() - started < 5


def test_html_attributes_and_comments_are_no_text() -> None:
    raw = mail(
        "From: a@b.test",
        "Content-Type: text/html",
        "",
        '1 &lt; 2 <img alt="a > b" src=x> <!-- <b>no</b> --><style>p > a {}</style>yes<br/>',
        "<p style='Display: NONE'>hidden <b>too</b></p><P>last</P> 3 < 4",
    )
    assert read_message(raw)[1]["text"] == "1 < 2 yes\n\nlast\n3 < 4"


def test_flowed_text_is_joined_again() -> None:
    raw = mail(
        "From: a@b.test",
        "Content-Type: text/plain; format=flowed",
        "",
        "This is one ",
        "sentence.",
        "Next line.",
    )
    assert read_message(raw)[1]["text"] == "This is one sentence.\nNext line."


def test_very_long_text_is_cut_and_says_so() -> None:
    data = read_message(mail("From: a@b.test", "", "word " * 100_000))[1]
    assert data["truncated"] is True
    assert len(data["text"]) == 200_000


# what a person answered

REPLIES = {
    "above": "Approved.\n\nOn Mon, 2 Mar 2026, Hub <hub@hub.test> wrote:\n> Approve?\n> Dana",
    "wrapped attribution": (
        "Approved.\n\nOn Mon, 2 Mar 2026 at 10:00, Process Hub\n<hub@hub.test> wrote:\n\n> Approve?"
    ),
    "below": "On Mon, 2 Mar 2026, Hub wrote:\n> Approve?\n\nApproved.",
    "directly below": "On 2 Mar 2026, Hub wrote:\n> Approve?\nApproved.",
    "german": "Approved.\n\nAm 02.03.26 um 10:00 schrieb Hub:\n> Freigeben?",
    "german gmail": "Approved.\n\nHub <hub@hub.test> schrieb am Mo., 2. März 2026, 10:00:\n\n> Hm?",
    "french": "Approved.\n\nLe lun. 2 mars 2026 à 10:00, Hub <h@h.test> a écrit\u202f:\n\n> Oui?",
    "outlook": (
        "Approved.\n\n________________________________\nFrom: Hub <hub@hub.test>\n"
        "Sent: Monday, March 2, 2026 10:00\nTo: Ann\nSubject: Approve?\n\nPlease approve or reject."
    ),
    "outlook german": (
        "Approved.\n\nVon: Hub\nGesendet: Montag, 2. März 2026\nAn: Ann\nBetreff: Frage\n\nreject?"
    ),
    "old outlook": "Approved.\n\n-----Original Message-----\nFrom: Hub\nreject?",
    "signature": "Approved.\n-- \nAnn Muster\nreject GmbH\n\nOn 2 Mar 2026, Hub wrote:\n> x",
    "telephone": "Approved.\n\nSent from my iPhone\n\nOn 2 Mar 2026, at 10:00, Hub wrote:\n\n> x",
    "marks only": "Approved.\n\n> Approve or reject?",
    "reply line": "Approved.\n\n## Please reply above this line ##\nreject?",
    "windows": "Approved.\r\n\r\nOn 2 Mar 2026, Hub wrote:\r\n> Approve?\r\n",
    "wrapped quote": "Approved.\n\nOn 2 Mar 2026, Hub wrote:\n> a long line says you may\nreject",
    "unmarked quote": "Approved.\n\nOn 2 Mar 2026, Hub wrote:\n\nPlease approve or reject.",
}


@pytest.mark.parametrize("text", REPLIES.values(), ids=REPLIES.keys())
def test_the_reply_is_what_the_person_added(text: str) -> None:
    assert reply_text(text) == "Approved."


def test_answers_between_the_quotes_are_kept() -> None:
    text = "See below.\n\nOn 2 Mar 2026, Hub wrote:\n> Price?\n\n100.\n\n> Date?\n\nFriday.\n"
    assert reply_text(text) == "See below.\n\n100.\n\nFriday."


@pytest.mark.parametrize(
    "text",
    [
        "On Friday Ann wrote:\nthe contract is fine.",
        "From: me to you, thanks",
        "Two lines\nand a > sign",
    ],
)
def test_ordinary_sentences_are_not_taken_for_quotes(text: str) -> None:
    assert reply_text(text) == text


def test_a_mail_that_only_quotes_says_nothing() -> None:
    assert reply_text("> Approve?\n> yes or no") == ""
    assert reply_text("") == ""


# composing


def composed(**fields: Any) -> Any:
    fields = {"to": ["ann@c.test"], "subject": "Hello", "text": "Hi"} | fields
    return message_from_bytes(compose("k1", HUB, fields, NOW).raw, policy=default)


def test_a_message_carries_its_key_and_says_that_a_machine_sent_it() -> None:
    message = composed()
    assert message["Message-ID"] == "<k1@hub.test>"
    assert message["X-Hub-Key"] == "k1"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Auto-Response-Suppress"] == "All"
    assert message["Date"].datetime == NOW


def test_html_comes_with_plain_text() -> None:
    message = composed(text=None, html="<p>Hi <b>Ann</b></p>")
    assert message.get_content_type() == "multipart/alternative"
    assert message.get_body(("plain",)).get_content().strip() == "Hi Ann"
    assert "<b>Ann</b>" in message.get_body(("html",)).get_content()


def test_long_and_foreign_subjects_arrive_whole() -> None:
    for subject in ("Größe " * 60, "plain words " * 40, "=?utf-8?q?not_encoded?=", ""):
        raw = compose("k", HUB, {"to": "a@c.test", "subject": subject, "text": "x"}, NOW).raw
        assert read_message(raw)[1]["subject"] == subject.strip()
        assert max(map(len, raw.split(b"\r\n"))) <= 100


def test_a_long_thread_keeps_its_first_and_last_ids_whole() -> None:
    ids = [f"<{'x' * 90}{number}@c.test>" for number in range(50)]
    raw = compose("k", HUB, {"to": "a@c.test", "text": "x", "references": ids}, NOW).raw
    references = read_message(raw)[1]["references"]
    assert references == [ids[0], *ids[-19:]]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("subject", "hi\r\nBcc: victim@c.test"),
        ("subject", "hi\nBcc: victim@c.test"),
        ("subject", "hi\u2028Bcc: x"),
        ("to", ["ann@c.test\r\nBcc: victim@c.test"]),
        ("to", ["ann@c.test, victim@c.test"]),
        ("to", ["Ann"]),
        ("to", []),
        ("cc", ["a b@c.test"]),
        ("reply_to", ["x@"]),
        ("in_reply_to", "<a@b>\r\nBcc: x"),
        ("headers", {"X-A": "b\r\nBcc: victim@c.test"}),
        ("headers", {"X-A: y\r\nBcc": "b"}),
        ("headers", {"From": "boss@c.test"}),
        ("headers", {"Content-Type": "text/html"}),
        ("text", ""),
        ("text", "\ud800"),
        ("bcc", ["x@c.test"]),
    ],
)
def test_what_could_be_misread_is_refused_by_field(field: str, value: Any) -> None:
    fields = {"to": ["ann@c.test"], "subject": "Hello", "text": "Hi", field: value}
    with pytest.raises(RejectedError) as caught:
        compose("k1", HUB, fields, NOW)
    assert list(caught.value.field_errors) == [field]


def test_a_key_that_is_no_message_id_becomes_one() -> None:
    assert message_id_of("task 1/ü>", HUB) == "<task%201/%C3%BC%3E@hub.test>"
    assert len(message_id_of("x" * 500, HUB)) < 100
    assert message_id_of("a%20b", HUB) != message_id_of("a b", HUB)
