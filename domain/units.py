"""Units of measure and money. Integers only; the unit is in every name.

| unit             | type               | scale                        |
|------------------|--------------------|------------------------------|
| energy           | `EnergyWh`         | watt-hours                   |
| power            | `PowerW`           | watts                        |
| price            | `PriceMicroPerKwh` | micro-euro per kWh, signed   |
| money            | `MoneyMicro`       | micro-euro (6 decimals)      |
| time             | `UnixSeconds`      | seconds since 1970-01-01 UTC |
| state of charge  | `BasisPoints`      | 1/100 of a percent           |
| temperature      | `DeciCelsius`      | tenths of a degree           |
"""

from typing import NewType

EnergyWh = NewType("EnergyWh", int)
PowerW = NewType("PowerW", int)
PriceMicroPerKwh = NewType("PriceMicroPerKwh", int)
MoneyMicro = NewType("MoneyMicro", int)
UnixSeconds = NewType("UnixSeconds", int)
BasisPoints = NewType("BasisPoints", int)
DeciCelsius = NewType("DeciCelsius", int)

AccountId = NewType("AccountId", int)
StationId = NewType("StationId", int)
TariffId = NewType("TariffId", int)

WH_PER_KWH = 1000
MICRO_PER_EURO = 1_000_000
SECONDS_PER_HOUR = 3600
MARKET_INTERVAL_S = 900

HOUSE_ACCOUNT = AccountId(1)
"""Stands in for energy that nobody is billed for."""
DUST_ACCOUNT = AccountId(2)
"""Receives what rounding leaves over."""


def cost_ceil(energy_wh: EnergyWh, price: PriceMicroPerKwh) -> MoneyMicro:
    """What a buyer owes for `energy_wh`, in micro-euro, rounded up (rulebook 5).

    >>> cost_ceil(EnergyWh(1), PriceMicroPerKwh(300_001))
    301
    >>> cost_ceil(EnergyWh(1), PriceMicroPerKwh(-300_001))
    -300
    """
    return MoneyMicro(-(-energy_wh * price // WH_PER_KWH))


def cost_floor(energy_wh: EnergyWh, price: PriceMicroPerKwh) -> MoneyMicro:
    """What a seller receives for `energy_wh`, in micro-euro, rounded down (rulebook 5).

    >>> cost_floor(EnergyWh(1), PriceMicroPerKwh(300_001))
    300
    >>> cost_floor(EnergyWh(1), PriceMicroPerKwh(-300_001))
    -301
    """
    return MoneyMicro(energy_wh * price // WH_PER_KWH)


def energy_limit_wh(power_w: PowerW, duration_s: int) -> EnergyWh:
    """The most that `power_w` can move in `duration_s`, in Wh, rounded up, plus 1 Wh.

    The additional Wh is the resolution of the register: both ends of the difference are truncated.
    """
    return EnergyWh(-(-power_w * duration_s // SECONDS_PER_HOUR) + 1)


def interval_of(time_s: UnixSeconds) -> int:
    """Number of the market interval (900 s) that starts at or contains `time_s`."""
    return time_s // MARKET_INTERVAL_S
