"""A reading of a battery management system, signed by its vehicle."""

from domain.reading import NO_SESSION, BmsReading, SignedBmsReading
from domain.units import AccountId, BasisPoints, DeciCelsius
from tests.vectors.world import ACCOUNT_DOMAIN, ALICE, DRIVER_KEYS, START_S

BMS = BmsReading(
    account=ALICE,
    sequence=1,
    time_s=START_S,
    state_of_charge_bp=BasisPoints(5_000),
    state_of_health_bp=BasisPoints(9_800),
    temperature_deci_c=DeciCelsius(-105),
    pack_millivolt=400_000,
    pack_milliampere=-32_000,
    session=NO_SESSION,
)


def signed_bms(reading: BmsReading, account: AccountId = ALICE) -> SignedBmsReading:
    return SignedBmsReading(reading, DRIVER_KEYS[account].sign(ACCOUNT_DOMAIN.digest(reading.struct_hash())))
