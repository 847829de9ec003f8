"""Forms from JSON Schema, and what was typed as answers."""

from __future__ import annotations

from typing import Any

import pytest

from hub.participants import forms
from hub.process.answers import check_form

FORM: dict[str, Any] = {
    "type": "object",
    "required": ["name", "agreed", "address"],
    "properties": {
        "name": {"type": "string", "title": "Your name", "description": "As on the contract."},
        "email": {"type": "string", "format": "email"},
        "seats": {"type": "integer", "minimum": 1, "maximum": 500, "default": 5},
        "rate": {"type": ["number", "null"]},
        "agreed": {"type": "boolean"},
        "level": {"enum": [1, 2, "more"]},
        "colours": {"type": "array", "items": {"enum": ["red", "blue"]}},
        "hosts": {"type": "array", "items": {"type": "string"}},
        "code": {"type": "string", "pattern": "^[A-Z]+$"},
        "address": {
            "type": "object",
            "title": "Address",
            "required": ["city"],
            "properties": {
                "city": {"type": "string"},
                "since": {"type": "string", "format": "date"},
            },
        },
    },
}  # fmt: skip


def test_every_type_becomes_the_input_that_fits_it() -> None:
    kinds = {".".join(field.path): field.kind for field in forms.fields(FORM)}
    assert kinds == {
        "name": "text",
        "email": "email",
        "seats": "number",
        "rate": "number",
        "agreed": "yesno",
        "level": "select",
        "colours": "checks",
        "hosts": "lines",
        "code": "text",
        "address.city": "text",
        "address.since": "date",
    }


def test_a_field_carries_its_words_its_default_and_what_a_browser_can_check() -> None:
    named = {field.path[-1]: field for field in forms.fields(FORM)}
    assert (named["name"].label, named["name"].help) == ("Your name", "As on the contract.")
    assert named["name"].required
    assert not named["email"].required
    assert named["seats"].value == "5"
    assert dict(named["seats"].attributes) == {"step": "1", "min": "1", "max": "500"}
    assert dict(named["code"].attributes)["pattern"] == ".*(?:^[A-Z]+$).*"
    assert named["city"].group == "Address"


def test_a_field_called_like_an_input_of_the_page_gets_a_name_of_its_own() -> None:
    names = {field.path[-1]: field.name for field in forms.fields(FORM)}
    assert (names["code"], names["name"]) == ("answer.code", "name")


def test_answers_have_the_types_of_the_schema() -> None:
    typed = {
        "name": [" Ines "],
        "email": [""],
        "seats": ["1'200"],
        "rate": ["2.5"],
        "agreed": ["false"],
        "level": ["2"],
        "colours": ["red", "blue"],
        "hosts": ["a.test\r\n\r\n b.test "],
        "answer.code": ["AB"],
        "code": ["123456"],
        "address.city": ["Bern"],
    }
    assert forms.answers(FORM, typed) == {
        "name": "Ines",
        "seats": 1200,
        "rate": 2.5,
        "agreed": False,
        "level": 2,
        "colours": ["red", "blue"],
        "hosts": ["a.test", "b.test"],
        "code": "AB",
        "address": {"city": "Bern"},
    }


@pytest.mark.parametrize("text", ["abc", "nan", "inf", "1e999", "1,5"])
def test_what_is_no_number_stays_text_and_is_refused_in_words(text: str) -> None:
    given = forms.answers(FORM, {"rate": [text]})
    assert given == {"rate": text}
    assert "rate" in check_form(FORM, given)


def test_errors_stand_at_their_fields_with_what_was_typed() -> None:
    typed = {"name": [""], "email": ["nobody"], "seats": ["0"], "agreed": ["true"],
             "address.since": ["soon"]}  # fmt: skip
    errors = check_form(FORM, forms.answers(FORM, typed))
    found = {".".join(f.path): f for f in forms.fields(FORM, typed, errors)}
    assert {name: field.error for name, field in found.items() if field.error} == {
        "name": "Please fill this in.",
        "email": "Write an e-mail address, such as name@example.com.",
        "seats": "Write 1 or more.",
        "address.city": "Please fill this in.",
        "address.since": "Write a date as year-month-day, such as 2026-03-01.",
    }
    assert found["email"].value == "nobody"


def test_given_answers_are_shown_with_the_labels_of_their_form() -> None:
    given = {"seats": 3, "name": "Ines", "old_field": 1}
    assert forms.shown(FORM, given) == [("Your name", "Ines"), ("Seats", 3), ("Old field", 1)]
    assert forms.shown(FORM, "not an object") == []


def test_no_form_has_no_fields_and_no_answers() -> None:
    assert forms.fields(None) == []
    assert forms.answers(None, {"x": ["1"]}) == {}
