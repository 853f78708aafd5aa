"""Signed things as JSON: exactly the published fields, in exactly the published types."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from domain.errors import AuthorisationRefused, Malformed, OutOfRange
from domain.evidence import parse_json
from domain.wire import (
    authorisation_from_json,
    authorisation_to_json,
    bms_from_json,
    bms_to_json,
    meter_from_json,
    meter_to_json,
    statement_from_json,
    statement_to_json,
)
from tests.unit.domain.bms import BMS, signed_bms
from tests.vectors.world import (
    ALICE,
    START_S,
    STATION_KEY,
    authorisation,
    busy_statement,
    first_reading,
    signed_reading,
)


@dataclass(frozen=True)
class Form:
    """One kind of signed thing: an example, its JSON, and both ways between them."""

    example: Any
    to_json: Callable[[Any], dict[str, Any]]
    from_json: Callable[[object], Any]

    def json(self) -> dict[str, Any]:
        return self.to_json(self.example)


FORMS = {
    "meter": Form(signed_reading(first_reading()), meter_to_json, meter_from_json),
    "bms": Form(signed_bms(BMS), bms_to_json, bms_from_json),
    "authorisation": Form(authorisation(ALICE), authorisation_to_json, authorisation_from_json),
    "statement": Form(busy_statement(), statement_to_json, statement_from_json),
}
FIELDS = [(name, key) for name, form in FORMS.items() for key in form.json()]
NUMBERS = [(name, key) for name, key in FIELDS if type(FORMS[name].json()[key]) is int]
HEX = [(name, key) for name, key in FIELDS if isinstance(FORMS[name].json()[key], str)]


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_signed_thing_is_read_back_through_text(form: Form) -> None:
    assert form.from_json(parse_json(json.dumps(form.json()).encode())) == form.example


def test_meter_reading_has_the_published_form() -> None:
    assert meter_to_json(FORMS["meter"].example) == {
        "station": 1,
        "sequence": 1,
        "time": START_S,
        "import_wh": 1_000_000,
        "export_wh": 5_000,
        "power_w": 0,
        "session": "0x" + "00" * 32,
        "signature": "0x" + FORMS["meter"].example.signature.hex(),
    }


def test_forms_have_exactly_the_published_fields() -> None:
    assert {name: sorted(form.json()) for name, form in FORMS.items()} == {
        "meter": ["export_wh", "import_wh", "power_w", "sequence", "session", "signature", "station", "time"],
        "bms": [
            "account",
            "pack_milliampere",
            "pack_millivolt",
            "sequence",
            "session",
            "signature",
            "state_of_charge_bp",
            "state_of_health_bp",
            "temperature_deci_c",
            "time",
        ],
        "authorisation": [
            "account",
            "discharge_allowed",
            "expiry",
            "max_cost_micro",
            "max_energy_wh",
            "max_price_micro_per_kwh",
            "nonce",
            "not_before",
            "signature",
            "station",
        ],
        "statement": [
            "duration_s",
            "export_wh",
            "import_wh",
            "rows",
            "sequence",
            "signature",
            "start",
            "station",
            "tariff_base",
            "telemetry_root",
        ],
    }
    rows = FORMS["statement"].json()["rows"]
    assert sorted(rows[0]) == ["account", "duration_s", "energy_wh", "start_offset_s", "tariff_offset"]


@pytest.mark.parametrize(("name", "key"), FIELDS)
def test_missing_field_is_malformed(name: str, key: str) -> None:
    value = FORMS[name].json()
    del value[key]
    with pytest.raises(Malformed, match=key):
        FORMS[name].from_json(value)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_unknown_field_is_malformed_and_not_echoed(form: Form) -> None:
    with pytest.raises(Malformed) as refused:
        form.from_json(form.json() | {"zz-secret": 1})
    assert "zz-secret" not in str(refused.value)


@pytest.mark.parametrize(("name", "key"), NUMBERS)
@pytest.mark.parametrize(
    "value", ["1", 1.0, 1.5, float("nan"), float("inf"), True, False, None, [], {}, "0x1"], ids=repr
)
def test_number_that_is_no_integer_is_malformed(name: str, key: str, value: object) -> None:
    with pytest.raises(Malformed, match=key):
        FORMS[name].from_json(FORMS[name].json() | {key: value})


@pytest.mark.parametrize(("name", "key"), NUMBERS)
@pytest.mark.parametrize(
    "value", [1 << 96, -(1 << 96), 10**5_000, -(10**5_000)], ids=["2^96", "-2^96", "huge", "-huge"]
)
def test_number_that_fits_no_field_is_out_of_range(name: str, key: str, value: int) -> None:
    with pytest.raises(OutOfRange) as refused:
        FORMS[name].from_json(FORMS[name].json() | {key: value})
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(("name", "key"), HEX)
@pytest.mark.parametrize(
    "change",
    [
        str.upper,
        lambda text: text[:-1] + "F",
        lambda text: text[2:],
        lambda text: "0X" + text[2:],
        lambda text: text[:-2],
        lambda text: text[:-1],
        lambda text: text + "00",
        lambda text: text[:-1] + "g",
        lambda text: text[:-1] + "١",
        lambda text: " " + text[1:],
        lambda text: text[:-1] + "\n",
        lambda _: "",
        lambda _: None,
        lambda _: 0,
        lambda text: [text],
        lambda text: text.encode(),
    ],
    ids=[
        "upper case",
        "one digit in upper case",
        "no 0x",
        "0X",
        "a byte short",
        "half a byte short",
        "a byte long",
        "no digit",
        "an Arabic digit",
        "a space",
        "a line end",
        "empty",
        "null",
        "a number",
        "a list",
        "bytes",
    ],
)
def test_hexadecimal_in_another_form_is_malformed(name: str, key: str, change: Callable[[str], object]) -> None:
    with pytest.raises(Malformed, match=key):
        FORMS[name].from_json(FORMS[name].json() | {key: change(FORMS[name].json()[key])})


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
@pytest.mark.parametrize("value", [None, True, 1, 1.5, "text", [], [{}], {}, {"format": 1}], ids=repr)
def test_what_is_no_such_object_is_malformed(form: Form, value: object) -> None:
    with pytest.raises(Malformed):
        form.from_json(value)


@pytest.mark.parametrize("value", [0, 1, "true", None, []], ids=repr)
def test_flag_that_is_no_boolean_is_malformed(value: object) -> None:
    form = FORMS["authorisation"]
    with pytest.raises(Malformed, match="discharge_allowed"):
        form.from_json(form.json() | {"discharge_allowed": value})


@pytest.mark.parametrize("rows", [None, {}, "rows", 1, [1], [[]], [{}], [{"account": 1}]], ids=repr)
def test_rows_that_are_no_list_of_rows_are_malformed(rows: object) -> None:
    form = FORMS["statement"]
    with pytest.raises(Malformed):
        form.from_json(form.json() | {"rows": rows})


@pytest.mark.parametrize("value", [-1, 1 << 32, True, 1.0, "1"], ids=repr)
def test_row_with_a_bad_number_is_malformed(value: object) -> None:
    form = FORMS["statement"]
    rows = form.json()["rows"]
    with pytest.raises(Malformed):
        form.from_json(form.json() | {"rows": [rows[0] | {"energy_wh": value}]})


def test_authorisation_that_ends_before_it_starts_is_refused() -> None:
    form = FORMS["authorisation"]
    with pytest.raises(AuthorisationRefused):
        form.from_json(form.json() | {"expiry": START_S, "not_before": START_S})


def test_refusals_do_not_show_keys_or_signatures() -> None:
    form = FORMS["meter"]
    signature = STATION_KEY.sign(bytes(32)).hex().upper()
    with pytest.raises(Malformed) as refused:
        form.from_json(form.json() | {"signature": signature})
    assert signature not in str(refused.value)
