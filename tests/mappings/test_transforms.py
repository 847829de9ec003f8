"""What each named transform makes of a value, and what it gives back."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.source import Place
from mappings.spec import UNSET, TransformUse
from mappings.transforms import (
    TRANSFORMS,
    Fault,
    ParamError,
    Scope,
    Transform,
    bind,
    register,
)
from mappings.transforms.times import TimeError, moment_text, read_time

SCOPE = Scope(None, "desk", {"CurrencyIsoCode": "EUR", "empty": None}, "Europe/Zurich")


def use(name: str, argument: Any = UNSET, **params: Any) -> TransformUse:
    return TransformUse(name, params, argument, Place("t.yaml"))


def inward(name: str, value: Any, argument: Any = UNSET, **params: Any) -> Any:
    return bind(use(name, argument, **params)).inward(value, SCOPE)


def outward(name: str, value: Any, argument: Any = UNSET, **params: Any) -> Any:
    step = bind(use(name, argument, **params)).outward
    assert step is not None
    return step(value, SCOPE)


@pytest.mark.parametrize(
    ("form", "moment"),
    [
        ("2026-03-01T10:00:00Z", "2026-03-01T10:00:00Z"),
        ("2026-03-01T10:00:00.000Z", "2026-03-01T10:00:00Z"),
        ("2026-03-01T10:00:00.1234567Z", "2026-03-01T10:00:00.123456Z"),
        ("2026-03-01T10:00:00.000+0000", "2026-03-01T10:00:00Z"),
        ("2026-03-01T10:00:00+01:00", "2026-03-01T09:00:00Z"),
        ("2026-03-01T10:00:00-05", "2026-03-01T15:00:00Z"),
        ("2026-03-01 10:00:00", "2026-03-01T10:00:00Z"),
        ("2026-03-01 10:00", "2026-03-01T10:00:00Z"),
        (1772359200, "2026-03-01T10:00:00Z"),
        ("1772359200", "2026-03-01T10:00:00Z"),
        (1772359200000, "2026-03-01T10:00:00Z"),
        ("1772359200000", "2026-03-01T10:00:00Z"),
        (46082.416666666664, "2026-03-01T10:00:00Z"),
    ],
)
def test_every_time_form_of_the_vendors_is_read(form: Any, moment: str) -> None:
    assert inward("datetime", form) == moment


@pytest.mark.parametrize(
    ("value", "params", "day"),
    [
        ("2026-03-01", {}, "2026-03-01"),
        (46082, {}, "2026-03-01"),
        ("2026-03-01T23:30:00-08:00", {}, "2026-03-01"),
        ("2026-03-01T23:30:00-08:00", {"zone": "Europe/Zurich"}, "2026-03-02"),
        (1772323200000, {"format": "epoch_ms"}, "2026-03-01"),
        ("01.03.2026", {"format": "%d.%m.%Y"}, "2026-03-01"),
        ("", {}, None),
    ],
)
def test_a_date_is_the_day_the_vendor_wrote(
    value: Any, params: dict[str, Any], day: str | None
) -> None:
    assert inward("date", value, **params) == day


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("2026-02-30", "does not exist|not a moment|date that exists"),
        ("next week", "not a date"),
        (True, "not a date"),
        (float("nan"), "not a date"),
        (10**40, "not a date"),
        ("2026-W09-1", "not a date"),
        ("0000-00-00", "exist"),
        ("2026-02-30T10:00:00Z", "exist"),
    ],
)
def test_what_is_no_date_is_named(value: Any, said: str) -> None:
    for name in ("date", "datetime"):
        with pytest.raises(Fault, match=said):
            inward(name, value)


def test_a_date_never_becomes_a_moment() -> None:
    """Neither way, unless the mapping says which time of day is meant."""
    with pytest.raises(Fault, match="as: date"):
        inward("datetime", "2026-03-01")
    with pytest.raises(Fault, match="time: '17:00'"):
        outward("datetime", {"date": "2026-03-01"})
    written = outward("datetime", {"date": "2026-07-01"}, time="17:00", zone="Europe/Zurich")
    assert written == "2026-07-01T15:00:00Z"


def test_a_date_only_tool_gets_the_day_of_the_workspace() -> None:
    assert outward("date", {"at": "2026-03-01T23:30:00Z"}) == "2026-03-02"
    assert outward("date", {"at": "2026-03-01T23:30:00Z"}, zone="UTC") == "2026-03-01"


@pytest.mark.parametrize(
    ("form", "written"),
    [
        ("iso", "2026-07-01T15:00:00Z"),
        ("iso_offset", "2026-07-01T15:00:00.000+0000"),
        ("sql", "2026-07-01 15:00:00"),
        ("epoch", 1782918000),
        ("epoch_ms", 1782918000000),
        ("excel", 46204.625),
        ("%d.%m.%Y %H:%M", "01.07.2026 15:00"),
    ],
)
def test_a_moment_is_written_in_the_form_it_is_read(form: str, written: Any) -> None:
    assert outward("datetime", {"at": "2026-07-01T15:00:00Z"}, form) == written
    assert inward("datetime", written, form) == "2026-07-01T15:00:00Z"


@given(
    st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1)),
    st.sampled_from(["Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "UTC"]),
    st.sampled_from(["iso", "iso_offset", "epoch_ms"]),
)
def test_a_moment_survives_the_way_out_and_back(when: datetime, zone: str, form: str) -> None:
    """Across every change of summer time, in forms that carry their offset."""
    text = moment_text(when.replace(microsecond=0, tzinfo=UTC))
    written = outward("datetime", {"at": text}, format=form, zone=zone)
    assert inward("datetime", written, format=form, zone=zone) == text


@given(st.dates())
def test_a_date_survives_the_way_out_and_back(day: Any) -> None:
    for form in ("iso", "epoch_ms"):
        written = outward("date", {"date": day.isoformat()}, form)
        assert inward("date", written, form) == day.isoformat()


@given(st.text(max_size=30) | st.floats() | st.integers() | st.none() | st.booleans())
def test_any_value_is_a_time_or_a_named_error(value: Any) -> None:
    try:
        found = read_time(value)
    except TimeError:
        return
    assert found.year >= 1


@pytest.mark.parametrize(
    ("value", "argument", "expected"),
    [
        (15000.0, UNSET, {"value": "15000.00", "currency": None}),
        (0.1, UNSET, {"value": "0.10", "currency": None}),
        (0.125, UNSET, {"value": "0.125", "currency": None}),
        (-5, UNSET, {"value": "-5.00", "currency": None}),
        (10**29, UNSET, {"value": "1" + "0" * 29 + ".00", "currency": None}),
        ("12000.5", "CHF", {"value": "12000.50", "currency": "CHF"}),
        ("CHF 12'000.50", UNSET, {"value": "12000.50", "currency": "CHF"}),
        ("€12.5", UNSET, {"value": "12.50", "currency": "EUR"}),
        (7, "$.CurrencyIsoCode", {"value": "7.00", "currency": "EUR"}),
        (7, "$.empty", {"value": "7.00", "currency": None}),
        ("", UNSET, None),
    ],
)
def test_amounts_are_decimals_without_float_noise(
    value: Any, argument: Any, expected: dict[str, Any] | None
) -> None:
    assert inward("money", value, argument) == expected


@given(st.decimals(-(10**12), 10**12, places=2))
def test_an_amount_comes_back_as_the_same_number(amount: Decimal) -> None:
    money = inward("money", float(amount))
    back = outward("money", money)
    assert Decimal(str(back)) == Decimal(str(float(amount)))


@pytest.mark.parametrize("value", [True, "twelve", "1,234", [1], {"x": 1}, float("inf"), 10**400])
def test_what_is_no_amount_is_named(value: Any) -> None:
    with pytest.raises(Fault):
        inward("money", value)


@pytest.mark.parametrize("value", ["1.250 CHF", "CHF 1.250", "€ 12.500", "$125.000", "-1.250 CHF"])
def test_three_digits_behind_a_dot_beside_a_currency_may_be_thousands(value: str) -> None:
    with pytest.raises(Fault, match="may mean two numbers; say which sign") as caught:
        inward("money", value)
    assert value in str(caught.value)
    assert inward("money", value, mark=".")["value"].lstrip("-").endswith("0")
    assert inward("money", value, mark=",")["value"].endswith("0.00")


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        ("0.125 CHF", "0.125"),
        ("1250.500 CHF", "1250.500"),
        ("12.50 CHF", "12.50"),
        ("1'250.500 CHF", "1250.500"),
        ("1.250", "1.250"),
        (1.25, "1.25"),
        ("12.500,00 EUR", "12500.00"),
        ("EUR 1,250.50", "1250.50"),
    ],
)
def test_an_amount_with_one_meaning_needs_no_mark(value: Any, amount: str) -> None:
    assert inward("money", value)["value"] == amount


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("12.500,25", 12500.25),
        ("12,500.25", 12500.25),
        ("1.234.567,5", 1234567.5),
        ("1'250,5", 1250.5),
        ("-1 250,125", -1250.125),
    ],
)
def test_the_sign_after_the_thousands_separates_decimals(value: str, number: float) -> None:
    assert inward("number", value) == number
    assert float(inward("decimal", value)) == number
    assert float(inward("money", value)["value"]) == number


@pytest.mark.parametrize("value", ["1,250", "1,250,000", "12.50,000", "1.250,00.0", "1.2.3,4", ","])
def test_a_comma_that_is_not_clear_stays_refused(value: str) -> None:
    for name in ("number", "decimal", "money"):
        with pytest.raises(Fault):
            inward(name, value)


@given(
    st.decimals(-(10**12), 10**12, places=3),
    st.sampled_from(["amount_currency", "currency_amount"]),
    st.sampled_from(["de", "de-CH", "fr", "sv", "en"]),
    st.sampled_from(["EUR", "CHF"]),
)
def test_an_amount_written_with_its_currency_comes_back_with_it(
    amount: Decimal, form: str, locale: str, currency: str
) -> None:
    params = {"write": form, "locale": locale, "currency": "USD"}
    text = outward("money", {"value": str(amount), "currency": currency}, **params)
    money = inward("money", text, **params)
    assert (Decimal(money["value"]), money["currency"]) == (amount, currency)


@pytest.mark.parametrize("params", [{"currency": "CHF"}, {"currency": "CHF", "write": "text"}])
def test_an_amount_in_another_currency_is_not_written_as_a_bare_number(
    params: dict[str, str],
) -> None:
    """It would read back as that many francs."""
    with pytest.raises(Fault, match=r"in EUR, .* means CHF; with write: amount_currency"):
        outward("money", {"value": "12.50", "currency": "EUR"}, **params)
    assert outward("money", {"value": "12.50", "currency": None}, currency="CHF") == 12.5


def test_a_currency_is_compared_and_written_as_a_code() -> None:
    assert outward("money", {"value": "12.50", "currency": "EUR"}, currency="eur") == 12.5
    written = {"write": "amount_currency", "mark": "."}
    assert outward("money", {"value": "12.50", "currency": "eur"}, **written) == "12.50 EUR"
    with pytest.raises(Fault, match="'EURO' is not a code of three letters"):
        outward("money", {"value": "12.50", "currency": "Euro"}, **written)


def test_the_currency_is_written_beside_an_amount_only_with_known_signs() -> None:
    with pytest.raises(ParamError) as caught:
        bind(use("money", write="amount_currency"))
    assert caught.value.hint == "Add locale: de, or mark: ',' or '.'."


def test_three_decimals_as_plain_text_are_decimals() -> None:
    """So do the tools send them that write decimals as text."""
    assert inward("number", "1.250") == 1.25
    assert inward("decimal", "1.250") == "1.250"


@pytest.mark.parametrize(
    ("name", "value", "params", "expected"),
    [
        ("text", 15.0, {}, "15"),
        ("text", 1e-7, {}, "0.0000001"),
        ("text", "x", {}, "x"),
        ("lower", "OPEN", {}, "open"),
        ("upper", ["a", "b"], {}, ["A", "B"]),
        ("strip", "  a ", {}, "a"),
        ("email", "Dana Meier <Dana@Acme.test>", {}, "dana@acme.test"),
        ("integer", "1'200", {}, 1200),
        ("integer", 3.0, {}, 3),
        ("number", "1.250,5", {"mark": ","}, 1250.5),
        ("number", "1,250.5", {"mark": "."}, 1250.5),
        ("decimal", 0.1, {}, "0.1"),
        ("decimal", "1e3", {}, "1000"),
        ("decimal", 12000.0, {}, "12000"),
        ("decimal", "12.50", {}, "12.50"),
        ("boolean", "Yes", {}, True),
        ("boolean", 0, {}, False),
        ("boolean", "fertig", {"yes": "fertig", "no": "offen"}, True),
        ("boolean", "", {}, None),
        ("regex", "Amount: 12.5 CHF", {"pattern": "Amount: ([0-9.]+)"}, "12.5"),
        ("regex", "none here", {"pattern": "[0-9]+"}, None),
        ("regex", "a-b", {"pattern": "-", "replace": " "}, "a b"),
        ("join", ["a", None, "b", 3], {"separator": "; "}, "a; b; 3"),
        ("split", "a, b,,c ", {}, ["a", "b", "c"]),
        ("labels", [{"name": "bug"}, {"id": 1}, {"name": "bug"}], {}, ["bug"]),
        ("labels", "bug, urgent", {}, ["bug", "urgent"]),
        ("labels", ["b", "a"], {}, ["b", "a"]),
    ],
)
def test_transforms_inward(name: str, value: Any, params: dict[str, Any], expected: Any) -> None:
    result = inward(name, value, **params)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("name", "value", "params", "expected"),
    [
        ("decimal", "12.50", {}, 12.5),
        ("decimal", "12000", {}, 12000),
        ("decimal", "0.12345678901234567890", {}, "0.12345678901234567890"),
        ("boolean", True, {"yes": ["done"], "no": ["open"]}, "done"),
        ("boolean", False, {}, False),
        ("join", "a, b", {}, ["a", "b"]),
        ("split", ["a", "b"], {}, "a, b"),
        ("money", {"value": "12.50", "currency": "CHF"}, {}, 12.5),
        ("money", {"value": "12.50", "currency": "CHF"}, {"write": "text"}, "12.50"),
        (
            "money",
            {"value": "-12500.00", "currency": "EUR"},
            {"write": "amount_currency", "locale": "de", "currency": "CHF"},
            "-12.500,00 EUR",
        ),
        (
            "money",
            {"value": "1.125", "currency": None},
            {"write": "currency_amount", "mark": ".", "currency": "CHF"},
            "CHF 1.125",
        ),
        (
            "money",
            {"value": "5.00", "currency": None},
            {"write": "amount_currency", "mark": ".", "currency": "$.CurrencyIsoCode"},
            "5.00",
        ),
        ("date", {"date": "2026-03-01"}, {"format": "excel"}, 46082),
    ],
)
def test_transforms_outward(name: str, value: Any, params: dict[str, Any], expected: Any) -> None:
    result = outward(name, value, **params)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("text", {"a": 1}),
        ("text", True),
        ("email", "nobody"),
        ("integer", 1.5),
        ("boolean", "maybe"),
        pytest.param("regex", 10**10_000, id="long number"),
        ("labels", 3),
        ("decimal", "1" * 80),
    ],
)
def test_a_value_of_the_wrong_kind_is_a_fault(name: str, value: Any) -> None:
    with pytest.raises(Fault):
        inward(name, value, "x" if name == "regex" else UNSET)


@pytest.mark.parametrize(
    ("used", "said", "hint"),
    [
        (use("dat"), "no transform 'dat'", "Did you mean 'date'"),
        (use("date", formt="iso"), "no parameter 'formt'", "Did you mean 'format'"),
        (use("date", "dd.mm.yyyy"), "cannot be 'dd.mm.yyyy'", "pattern such as"),
        (use("date", zone="Europe/Zürich"), "no time zone", ""),
        (use("regex"), "needs 'pattern'", ""),
        (use("regex", "(?=x)"), "not a pattern", "RE2"),
        (use("regex", pattern="(a)", group=2), "1 groups, not 2", ""),
        (use("lower", 3), "takes no parameter", ""),
        (use("money", "$.a["), "not a path", ""),
        (use("number", mark=";"), "cannot be ';'", "Write one of"),
        (use("datetime", time="5pm"), "time of day", "17:00"),
    ],
)
def test_a_wrong_use_is_refused_with_a_remedy(used: TransformUse, said: str, hint: str) -> None:
    with pytest.raises(ParamError, match=said) as caught:
        bind(used)
    assert hint in caught.value.hint


def test_a_number_that_became_text_on_the_way_is_written_as_a_number() -> None:
    """A person's id, after `as: [integer, party]`."""
    assert outward("integer", "3791") == 3791
    assert outward("number", "1.5") == 1.5
    with pytest.raises(Fault, match="'dana' is not a number"):
        outward("integer", "dana")


def test_a_pattern_cannot_stall() -> None:
    """RE2 is linear: the classical trap answers at once."""
    assert inward("regex", "a" * 5000 + "!", "^(a+)+$") is None


def test_a_name_is_taken_only_once() -> None:
    with pytest.raises(ValueError, match="already a transform 'date'"):
        register(Transform("date", "", TRANSFORMS["text"].build))
