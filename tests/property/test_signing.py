"""Digests are those of `eth_account`, for every value that a field holds."""

from typing import Any

from eth_account.messages import encode_typed_data
from eth_hash.auto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.reading import BmsReading, MeterReading
from domain.session import SessionAuthorisation
from domain.signing import HALF_CURVE_ORDER, SigningDomain, compact, expanded, recover, word
from domain.statement import IntervalStatement
from domain.text import address_text
from tests.property.strategies import AUTHORISATIONS, BMS_READINGS, METER_READINGS, SIGNATURES, STATEMENTS, unsigned
from tests.vectors.world import STATION_KEY

DOMAINS = st.builds(SigningDomain, unsigned(256), st.binary(min_size=20, max_size=20))


def reference_digest(domain: SigningDomain, name: str, fields: list[tuple[str, str, Any]]) -> bytes:
    """The digest as eth_account makes it; `fields` are Solidity type, name and value."""
    signable = encode_typed_data(
        domain_data={
            "name": "Wattledger",
            "version": "1",
            "chainId": domain.chain_id,
            "verifyingContract": address_text(domain.contract),
        },
        message_types={name: [{"name": field, "type": kind} for kind, field, _ in fields]},
        message_data={field: value for _, field, value in fields},
    )
    return keccak(b"\x19" + signable.version + signable.header + signable.body)


@settings(max_examples=60, deadline=None)
@given(DOMAINS, METER_READINGS)
def test_digest_of_a_meter_reading_is_that_of_eth_account(domain: SigningDomain, reading: MeterReading) -> None:
    fields = [
        ("uint24", "station", reading.station),
        ("uint32", "sequence", reading.sequence),
        ("uint40", "time", reading.time_s),
        ("uint40", "importWh", reading.import_wh),
        ("uint40", "exportWh", reading.export_wh),
        ("int32", "powerW", reading.power_w),
        ("bytes32", "session", reading.session),
    ]
    assert domain.digest(reading.struct_hash()) == reference_digest(domain, "MeterReading", fields)


@settings(max_examples=60, deadline=None)
@given(DOMAINS, BMS_READINGS)
def test_digest_of_a_bms_reading_is_that_of_eth_account(domain: SigningDomain, reading: BmsReading) -> None:
    fields = [
        ("uint24", "account", reading.account),
        ("uint32", "sequence", reading.sequence),
        ("uint40", "time", reading.time_s),
        ("uint16", "stateOfChargeBp", reading.state_of_charge_bp),
        ("uint16", "stateOfHealthBp", reading.state_of_health_bp),
        ("int16", "temperatureDeciC", reading.temperature_deci_c),
        ("uint32", "packMillivolt", reading.pack_millivolt),
        ("int32", "packMilliampere", reading.pack_milliampere),
        ("bytes32", "session", reading.session),
    ]
    assert domain.digest(reading.struct_hash()) == reference_digest(domain, "BmsReading", fields)


@settings(max_examples=60, deadline=None)
@given(DOMAINS, AUTHORISATIONS)
def test_digest_of_an_authorisation_is_that_of_eth_account(domain: SigningDomain, limits: SessionAuthorisation) -> None:
    fields = [
        ("uint24", "account", limits.account),
        ("uint24", "station", limits.station),
        ("uint40", "maxEnergyWh", limits.max_energy_wh),
        ("int32", "maxPriceMicroPerKwh", limits.max_price_micro_per_kwh),
        ("uint96", "maxCostMicro", limits.max_cost_micro),
        ("bool", "dischargeAllowed", limits.discharge_allowed),
        ("uint40", "notBefore", limits.not_before_s),
        ("uint40", "expiry", limits.expiry_s),
        ("uint64", "nonce", limits.nonce),
    ]
    assert limits.session_id(domain) == reference_digest(domain, "SessionAuthorisation", fields)


@settings(max_examples=60, deadline=None)
@given(DOMAINS, STATEMENTS)
def test_digest_of_a_statement_is_that_of_eth_account(domain: SigningDomain, statement: IntervalStatement) -> None:
    fields = [
        ("uint24", "station", statement.station),
        ("uint24", "sequence", statement.sequence),
        ("uint40", "startTime", statement.start_s),
        ("uint24", "durationS", statement.duration_s),
        ("uint40", "importWh", statement.import_wh),
        ("uint40", "exportWh", statement.export_wh),
        ("uint24", "tariffBase", statement.tariff_base),
        ("bytes32", "telemetryRoot", statement.telemetry_root),
        ("bytes", "rows", statement.packed_rows()),
    ]
    assert domain.digest(statement.struct_hash()) == reference_digest(domain, "IntervalStatement", fields)


@given(st.binary(min_size=32, max_size=32))
def test_key_signs_with_a_low_s_and_is_recovered(digest: bytes) -> None:
    signature = STATION_KEY.sign(digest)
    assert int.from_bytes(signature[32:64], "big") <= HALF_CURVE_ORDER
    assert recover(digest, signature) == STATION_KEY.address


@given(SIGNATURES)
def test_signature_is_read_back_from_its_compact_form(signature: bytes) -> None:
    assert expanded(compact(signature)) == signature


@given(st.integers(-(1 << 255), (1 << 256) - 1))
def test_word_is_the_integer_modulo_two_to_the_256(value: int) -> None:
    assert int.from_bytes(word(value), "big") == value % (1 << 256)
