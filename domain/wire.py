"""Signed things as JSON objects: the one form used over REST and in evidence blobs.

Reading is strict: exactly the expected keys, integers that are integers (no booleans, no floats),
lower-case 0x hexadecimal of the right length. Everything else is Malformed.
"""

from collections.abc import Mapping
from typing import Any

from domain.auction.order import Order, SignedOrder
from domain.errors import Malformed
from domain.need import ChargingNeed, SignedNeed
from domain.reading import BmsReading, MeterReading, SignedBmsReading, SignedMeterReading
from domain.session import SessionAuthorisation, SignedAuthorisation
from domain.signing import SIGNATURE_BYTES
from domain.statement import IntervalStatement, Row, SignedStatement
from domain.station import MeterReplacement
from domain.text import hex_text, parse_hex

Json = dict[str, Any]

_HASH_BYTES = 32
_METER = {
    "station": "station",
    "sequence": "sequence",
    "time": "time_s",
    "import_wh": "import_wh",
    "export_wh": "export_wh",
    "power_w": "power_w",
}
_BMS = {
    "account": "account",
    "sequence": "sequence",
    "time": "time_s",
    "state_of_charge_bp": "state_of_charge_bp",
    "state_of_health_bp": "state_of_health_bp",
    "temperature_deci_c": "temperature_deci_c",
    "pack_millivolt": "pack_millivolt",
    "pack_milliampere": "pack_milliampere",
}
_AUTHORISATION = {
    "account": "account",
    "station": "station",
    "max_energy_wh": "max_energy_wh",
    "max_price_micro_per_kwh": "max_price_micro_per_kwh",
    "max_cost_micro": "max_cost_micro",
    "not_before": "not_before_s",
    "expiry": "expiry_s",
    "nonce": "nonce",
}
_ORDER = {
    "account": "account",
    "zone": "zone",
    "interval": "interval_s",
    "quantity_wh": "quantity_wh",
    "limit_micro_per_kwh": "limit_micro_per_kwh",
    "expiry": "expiry_s",
    "nonce": "nonce",
}
_NEED = {"energy_wh": "energy_wh", "departure": "departure_s", "time": "time_s"}
_STATEMENT = {
    "station": "station",
    "sequence": "sequence",
    "start": "start_s",
    "duration_s": "duration_s",
    "import_wh": "import_wh",
    "export_wh": "export_wh",
    "tariff_base": "tariff_base",
}
_ROW = {
    "account": "account",
    "energy_wh": "energy_wh",
    "start_offset_s": "start_offset_s",
    "duration_s": "duration_s",
    "tariff_offset": "tariff_offset",
}

_REPLACEMENT = {
    "station": "station",
    "sequence": "sequence",
    "time": "time_s",
    "closing_import_wh": "closing_import_wh",
    "closing_export_wh": "closing_export_wh",
    "opening_import_wh": "opening_import_wh",
    "opening_export_wh": "opening_export_wh",
}


def meter_to_json(signed: SignedMeterReading) -> Json:
    return _numbers_of(_METER, signed.reading) | {
        "session": hex_text(signed.reading.session),
        "signature": hex_text(signed.signature),
    }


def meter_from_json(value: object) -> SignedMeterReading:
    fields = _object(value, {*_METER, "session", "signature"}, "meter reading")
    reading = MeterReading(**_integers(_METER, fields), session=_bytes(fields, "session", _HASH_BYTES))
    return SignedMeterReading(reading, _bytes(fields, "signature", SIGNATURE_BYTES))


def bms_to_json(signed: SignedBmsReading) -> Json:
    return _numbers_of(_BMS, signed.reading) | {
        "session": hex_text(signed.reading.session),
        "signature": hex_text(signed.signature),
    }


def bms_from_json(value: object) -> SignedBmsReading:
    fields = _object(value, {*_BMS, "session", "signature"}, "BMS reading")
    reading = BmsReading(**_integers(_BMS, fields), session=_bytes(fields, "session", _HASH_BYTES))
    return SignedBmsReading(reading, _bytes(fields, "signature", SIGNATURE_BYTES))


def authorisation_to_json(signed: SignedAuthorisation) -> Json:
    return _numbers_of(_AUTHORISATION, signed.authorisation) | {
        "discharge_allowed": signed.authorisation.discharge_allowed,
        "signature": hex_text(signed.signature),
    }


def authorisation_from_json(value: object) -> SignedAuthorisation:
    fields = _object(value, {*_AUTHORISATION, "discharge_allowed", "signature"}, "authorisation")
    allowed = fields["discharge_allowed"]
    if not isinstance(allowed, bool):
        raise Malformed("discharge_allowed must be true or false")
    authorisation = SessionAuthorisation(**_integers(_AUTHORISATION, fields), discharge_allowed=allowed)
    return SignedAuthorisation(authorisation, _bytes(fields, "signature", SIGNATURE_BYTES))


def order_to_json(signed: SignedOrder) -> Json:
    return _numbers_of(_ORDER, signed.order) | {
        "sell": signed.order.sell,
        "signature": hex_text(signed.signature),
    }


def order_from_json(value: object) -> SignedOrder:
    fields = _object(value, {*_ORDER, "sell", "signature"}, "order")
    sell = fields["sell"]
    if not isinstance(sell, bool):
        raise Malformed("sell must be true or false")
    return SignedOrder(Order(**_integers(_ORDER, fields), sell=sell), _bytes(fields, "signature", SIGNATURE_BYTES))


def need_to_json(signed: SignedNeed) -> Json:
    return _numbers_of(_NEED, signed.need) | {
        "session": hex_text(signed.need.session),
        "signature": hex_text(signed.signature),
    }


def need_from_json(value: object) -> SignedNeed:
    fields = _object(value, {*_NEED, "session", "signature"}, "charging need")
    need = ChargingNeed(**_integers(_NEED, fields), session=_bytes(fields, "session", _HASH_BYTES))
    return SignedNeed(need, _bytes(fields, "signature", SIGNATURE_BYTES))


def statement_to_json(signed: SignedStatement) -> Json:
    statement = signed.statement
    return _numbers_of(_STATEMENT, statement) | {
        "telemetry_root": hex_text(statement.telemetry_root),
        "rows": [_numbers_of(_ROW, row) for row in statement.rows],
        "signature": hex_text(signed.signature),
    }


def statement_from_json(value: object) -> SignedStatement:
    fields = _object(value, {*_STATEMENT, "telemetry_root", "rows", "signature"}, "statement")
    rows = fields["rows"]
    if not isinstance(rows, list):
        raise Malformed("rows must be a list")
    statement = IntervalStatement(
        **_integers(_STATEMENT, fields),
        telemetry_root=_bytes(fields, "telemetry_root", _HASH_BYTES),
        rows=tuple(Row(**_integers(_ROW, _object(row, {*_ROW}, "row"))) for row in rows),
    )
    return SignedStatement(statement, _bytes(fields, "signature", SIGNATURE_BYTES))


def replacement_to_json(replacement: MeterReplacement) -> Json:
    return _numbers_of(_REPLACEMENT, replacement)


def replacement_from_json(value: object) -> MeterReplacement:
    return MeterReplacement(**_integers(_REPLACEMENT, _object(value, {*_REPLACEMENT}, "meter replacement")))


def _numbers_of(names: Mapping[str, str], value: object) -> Json:
    return {key: getattr(value, attribute) for key, attribute in names.items()}


def _object(value: object, keys: set[str], what: str) -> Json:
    if not isinstance(value, dict):
        raise Malformed(f"a {what} is a JSON object")
    if value.keys() != keys:
        missing, unknown = keys - value.keys(), value.keys() - keys
        shown = ", ".join(sorted(missing)) or f"{len(unknown)} unknown"
        raise Malformed(f"a {what} has exactly the fields {', '.join(sorted(keys))}; {shown} missing or not known")
    return value


def _integers(names: Mapping[str, str], fields: Json) -> dict[str, Any]:
    out = {}
    for key, attribute in names.items():
        number = fields[key]
        if type(number) is not int:
            raise Malformed(f"{key} must be an integer")
        out[attribute] = number
    return out


def _bytes(fields: Json, key: str, length: int) -> bytes:
    text = fields[key]
    try:
        if not isinstance(text, str) or text != text.lower():
            raise ValueError("not lower-case text")
        return parse_hex(text, length)
    except ValueError:
        raise Malformed(f"{key} must be 0x and {2 * length} lower-case hexadecimal digits") from None
