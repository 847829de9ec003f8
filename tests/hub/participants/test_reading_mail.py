"""What counts as an answer in a mail, and what is only said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.participants import reading_mail

OPTIONS = ["approved", "rejected", "changes_requested"]
FORM = {
    "type": "object",
    "required": ["vat_id"],
    "properties": {
        "vat_id": {"type": "string", "title": "VAT number"},
        "employees": {"type": "integer"},
    },
}


@pytest.mark.parametrize(
    "text",
    [
        "approved 123456",
        "123456\napproved",
        "Approved.\n\nCode: 123456",
        "Hello Dana,\n\n*APPROVED*\n123456\n\nBest, Ann",
        "code 123456 approved",
    ],
)
def test_an_option_alone_with_its_code_decides(text: str) -> None:
    said = reading_mail.decision(text, OPTIONS)
    assert (said.option, said.code, said.unclear) == ("approved", "123456", None)


@pytest.mark.parametrize(
    "text",
    [
        "I think it should be approved 123456",
        "not approved 123456",
        "approved? 123456 I am not sure",
        "approve 123456",
        "we approved the other one\n123456",
        "un-approved 123456",
    ],
)
def test_a_sentence_about_an_option_does_not(text: str) -> None:
    assert reading_mail.decision(text, OPTIONS).option is None


def test_two_options_are_none_and_the_sender_is_told() -> None:
    said = reading_mail.decision("approved\nrejected\n123456", OPTIONS)
    assert said.option is None
    assert said.unclear == "It names 2 options; write one of them."
    assert reading_mail.decision("approved\n123456\n654321", OPTIONS).unclear is not None


def test_options_may_be_written_as_people_read_them() -> None:
    assert reading_mail.decision("Changes requested 123456", OPTIONS).option == "changes_requested"


@pytest.mark.parametrize("digits", ["1234567", "12345", "CH123456"])
def test_a_code_has_six_digits(digits: str) -> None:
    code = reading_mail.decision(f"approved\n{digits}", OPTIONS).code
    assert code == ("123456" if digits.startswith("CH") else None)


def test_fields_are_answered_a_line_each_by_title_or_name() -> None:
    said = reading_mail.task("Hello!\nVAT number: CH123\nEmployees = 12\nBye", FORM)
    assert said.values == {"vat_id": ["CH123"], "employees": ["12"]}
    assert reading_mail.task("vat_id: CH1", FORM).values == {"vat_id": ["CH1"]}


def test_a_field_that_is_answered_twice_and_not_alike_is_asked_for_again() -> None:
    assert reading_mail.task("VAT number: 1\nVAT number: 2", FORM).unclear is not None
    assert reading_mail.task("VAT number: 1\nvat_id: 1", FORM).values == {"vat_id": ["1"]}


def test_a_mail_without_any_field_is_a_comment() -> None:
    assert reading_mail.task("What do you mean by that?\nNote: I am away", FORM).values == {}


@pytest.mark.parametrize(("text", "done"), [
    ("Done", True), ("done.\n\nBest, Ann", True), ("It is done!", True),
    ("not done", False), ("When will it be done?", False), ("I will be\ndone soon", False),
    ("", False),
])  # fmt: skip
def test_done_stands_first_and_alone(text: str, done: bool) -> None:
    assert reading_mail.task(text, None).done is done


@given(st.text(max_size=400))
def test_no_text_breaks_the_reading(text: str) -> None:
    said = reading_mail.decision(text, OPTIONS)
    assert said.option in (None, *OPTIONS)
    reading_mail.task(text, FORM)
    reading_mail.task(text, None)
