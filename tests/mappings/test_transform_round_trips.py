"""What goes in and out again is the same, in every notation; what is lost is said."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.source import Place
from mappings.spec import UNSET, TransformUse
from mappings.transforms import Bound, Fault, ParamError, Scope, bind

SCOPE = Scope(None, "desk")
LOCALES = ("en", "de", "de-CH", "de-AT", "fr", "fr-CH", "fr_CA", "pt-BR", "es-MX", "sv-SE", "ja")


def bound(name: str, argument: Any = UNSET, **params: Any) -> Bound:
    return bind(TransformUse(name, params, argument, Place("t.yaml")))


def back(step: Bound, value: Any) -> Any:
    assert step.outward is not None
    return step.outward(value, SCOPE)


def there_and_back(step: Bound, ours: Any) -> Any:
    return step.inward(back(step, ours), SCOPE)


# --------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize("locale", LOCALES)
@given(number=st.decimals(-(10**12), 10**12, places=3))
def test_a_decimal_survives_every_way_of_writing_it(locale: str, number: Decimal) -> None:
    text = format(number, "f").rstrip("0").rstrip(".")
    text = "0" if text in ("-0", "") else text
    step = bound("decimal", locale=locale, write="text")
    assert Decimal(there_and_back(step, text)) == Decimal(text)


@pytest.mark.parametrize(
    ("locale", "written"),
    [
        ("de-CH", "-1\u2019234\u2019567.5"),
        ("de", "-1.234.567,5"),
        ("en-GB", "-1,234,567.5"),
        ("fr", "-1\u202f234\u202f567,5"),
        ("cs", "-1\u00a0234\u00a0567,5"),
    ],
)
def test_a_number_is_written_as_people_there_write_it(locale: str, written: str) -> None:
    assert back(bound("number", locale=locale, write="text"), -1234567.5) == written


@pytest.mark.parametrize(
    ("given", "params", "meaning"),
    [
        ("(1,234.50)", {"mark": "."}, 1234.5 * -1),
        ("1234-", {}, -1234),
        ("\u22125", {}, -5),
        ("12,34,567", {"mark": "."}, 1234567),
        ("75 %", {"percent": "whole"}, 75),
        ("7,5%", {"percent": "fraction", "mark": ","}, 0.075),
        (0.75, {"percent": "fraction"}, 0.75),
        ("  1 234 ", {}, 1234),
    ],
)
def test_accountants_and_percents_are_read(given: Any, params: Any, meaning: Any) -> None:
    assert bound("number", **params).inward(given, SCOPE) == meaning


@pytest.mark.parametrize(
    ("given", "params", "said"),
    [
        ("1.5", {"mark": ","}, "not a number with ',' before its decimals"),
        ("1'23", {}, "not a number"),
        ("1.2.3", {}, "not a number"),
        ("1,234", {}, "may mean two numbers"),
        ("75 %", {}, "say percent: whole or percent: fraction"),
        ("()", {}, "not a number"),
        ("1 2", {}, "not a number"),
    ],
)
def test_a_number_that_might_be_another_is_refused(given: Any, params: Any, said: str) -> None:
    """Reading 1.5 as 15 because of a wrong locale is the drift that nobody notices."""
    for name in ("number", "decimal", "integer", "money"):
        if "percent" in said and name == "money":
            continue
        with pytest.raises(Fault, match=said):
            bound(name, **params).inward(given, SCOPE)


@given(st.floats(-1, 1).map(lambda share: round(share, 6)))
def test_a_share_survives_as_percent(share: float) -> None:
    step = bound("number", percent="fraction", write="text")
    assert there_and_back(step, share) == share


# ------------------------------------------------------------------------------- durations


@given(
    st.integers(0, 10**9),
    st.sampled_from(["number", "iso", "words", "clock"]),
    st.sampled_from(["seconds", "minutes", "hours", "days"]),
    st.sampled_from([{}, {"hours_per_day": 8, "days_per_week": 5}]),
)
def test_a_duration_survives_every_form(
    seconds: int, form: str, unit: str, working: dict[str, int]
) -> None:
    if form == "number":
        seconds = seconds // 86400 * 86400  # a third of an hour is no JSON number
        working = {}
    step = bound("duration", write=form, unit=unit, **working)
    assert there_and_back(step, seconds) == seconds


@pytest.mark.parametrize(
    ("given", "params", "seconds"),
    [
        (3600, {}, 3600),
        ("90", {"unit": "minutes"}, 5400),
        (1.5, {"unit": "hours"}, 5400),
        ("PT1H30M", {}, 5400),
        ("P1DT12H", {"hours_per_day": 8}, 129600),
        ("P2W", {}, 1209600),
        ("-PT30S", {}, -30),
        ("1w 2d 3h", {"hours_per_day": 8, "days_per_week": 5}, (40 + 16 + 3) * 3600),
        ("1d", {"hours_per_day": 8}, 28800),
        ("1d", {}, 86400),
        ("2 hours, 5 minutes", {}, 7500),
        ("1.5h", {}, 5400),
        ("1:30", {}, 5400),
        ("0:00:01.5", {}, 1.5),
        ("", {}, None),
    ],
)
def test_durations_inward(given: Any, params: Any, seconds: Any) -> None:
    assert bound("duration", **params).inward(given, SCOPE) == seconds


@pytest.mark.parametrize("wrong", ["P", "PT", "P1Y", "P2M", "3 moons", "soon", "1h and more", True])
def test_what_is_no_duration_is_named(wrong: Any) -> None:
    with pytest.raises(Fault, match=r"duration|no fixed length|unit of time|expected text"):
        bound("duration").inward(wrong, SCOPE)


# ----------------------------------------------------------------------------- words, people


@given(
    st.dictionaries(
        st.text("abcXYZ ", min_size=1).map(str.strip).filter(bool),
        st.text("pqr", min_size=1),
        min_size=1,
    )
)
def test_a_table_that_is_one_to_one_goes_both_ways(table: dict[str, str]) -> None:
    one_to_one = {key: f"{value}-{place}" for place, (key, value) in enumerate(table.items())}
    step = bound("lookup", table=one_to_one)
    for theirs, ours in one_to_one.items():
        assert step.inward(theirs, SCOPE) == ours
        assert back(step, ours) == theirs


def test_a_word_that_is_in_no_table_is_an_exception_unless_told() -> None:
    table = {"CH": "CHF", "FL": "CHF"}
    with pytest.raises(Fault, match="'DE' is not in the table"):
        bound("lookup", table=table).inward("DE", SCOPE)
    assert bound("lookup", table=table, otherwise="keep").inward("DE", SCOPE) == "DE"
    assert bound("lookup", table=table, otherwise="EUR").inward("DE", SCOPE) == "EUR"
    with pytest.raises(Fault, match="'CHF' may be CH, FL; choose one under back"):
        back(bound("lookup", table=table), "CHF")
    with pytest.raises(Fault, match="'EUR' has no word in the table"):
        back(bound("lookup", table=table, otherwise="EUR"), "EUR")
    with pytest.raises(ParamError, match="set of keys"):
        bound("lookup", table=["CH"])
    assert bound("lookup", table={"1": "one", "true": "yes"}).inward([1, True, 1.0], SCOPE) == [
        "one",
        "yes",
        "one",
    ]


@pytest.mark.parametrize("region", ["CH", "DE", "US", "GB", "FR", "JP", "BR"])
@pytest.mark.parametrize("form", ["e164", "international", "national"])
def test_a_phone_number_survives_every_form(region: str, form: str) -> None:
    number = phonenumbers.example_number(region)
    assert number is not None
    ours = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    assert there_and_back(bound("phone", region=region, write=form), ours) == ours
    assert there_and_back(bound("phone", region="US", write=form), ours) == ours


def test_phone_numbers() -> None:
    assert bound("phone", "CH").inward("+41 44 668 18 00 ext. 12", SCOPE) == "+41446681800;ext=12"
    assert there_and_back(bound("phone"), "+41446681800;ext=12") == "+41446681800;ext=12"
    with pytest.raises(Fault, match="say of which country with region: CH"):
        bound("phone").inward("044 668 18 00", SCOPE)
    with pytest.raises(Fault, match="'call me' is not a phone number"):
        bound("phone", "CH").inward("call me", SCOPE)
    with pytest.raises(ParamError, match="no region 'XX'"):
        bound("phone", "XX")


@pytest.mark.parametrize(
    "wrong", ["javascript:alert(1)", "ftp://a.b", "http://", "a b.c", "https://[::1"]
)
def test_an_address_that_is_no_page_is_refused(wrong: str) -> None:
    with pytest.raises(Fault, match="not the address of a page"):
        bound("url").inward(wrong, SCOPE)


def test_an_address_with_a_port_is_a_host_and_not_a_scheme() -> None:
    assert bound("url").inward("acme.test:8080/a", SCOPE) == "https://acme.test:8080/a"


# ------------------------------------------------------------------------------- text, lists


@given(st.text(max_size=40), st.integers(2, 30))
def test_a_cut_text_is_never_longer_than_it_may_be(text: str, length: int) -> None:
    step = bound("truncate", length)
    written = back(step, text)
    assert len(written) <= length
    assert step.inward(text, SCOPE) == text
    if len(text) <= length:
        assert written == text


@given(st.lists(st.text("abc", min_size=1, max_size=5), min_size=1, max_size=6))
def test_words_survive_being_joined_and_split(words: list[str]) -> None:
    for separator in (",", ";", " ", "; ", "|"):
        split = bound("split", separator)
        assert there_and_back(split, words) == words
        joined = bound("join", separator).inward(words, SCOPE)
        assert there_and_back(bound("join", separator), joined) == joined


@given(st.lists(st.integers(-3, 3) | st.booleans() | st.text("ab", max_size=2)))
def test_unique_keeps_the_first_of_each_kind_and_sort_loses_none(values: list[Any]) -> None:
    found = bound("unique").inward(values, SCOPE)
    signs = [(item.__class__, item) for item in values]
    assert [(item.__class__, item) for item in found] == list(dict.fromkeys(signs))
    texts = [item for item in values if item.__class__ is str]
    assert bound("sort").inward(texts, SCOPE) == sorted(texts)


def test_a_replacement_that_names_no_group_is_refused_before_it_runs() -> None:
    with pytest.raises(ParamError, match="'replace' names group 2, and the pattern has 1"):
        bound("regex", pattern="(a)", replace="\\2")
