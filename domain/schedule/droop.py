"""Connected vehicles hold the grid's frequency: they give back when it is low and charge when it is high.

A simulated service. Power follows the deviation from 50 Hz in a straight line beyond a dead band, up to the whole
offer, as droop control does (10 mHz and 200 mHz: Regulation (EU) 2017/1485, Annex V, for Continental Europe). What a
vehicle can do ends at its powers, its floor and its capacity. What is paid is in docs/reference/grid-services.md.

Frequencies are mHz, so that all is whole numbers. Energy counts in watt-seconds inside, in Wh rounded down in results.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from domain.bidding.stay import WHOLE_BP, Battery
from domain.errors import Malformed
from domain.units import SECONDS_PER_HOUR, EnergyWh, MoneyMicro, PowerW, PriceMicroPerKwh

NOMINAL_MHZ = 50_000
W_PER_KW = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Droop:
    """The line: nothing up to `dead_band_mhz` off, the whole offer from `full_mhz` on."""

    dead_band_mhz: int = 10
    full_mhz: int = 200

    def __post_init__(self) -> None:
        if not 0 <= self.dead_band_mhz < self.full_mhz:
            raise Malformed("a droop answers in full farther from 50 Hz than its dead band reaches")

    def share_bp(self, frequency_mhz: int) -> int:
        """Of the offer, of 10,000: positive charges (frequency too high), negative gives back.

        >>> droop = Droop()
        >>> [droop.share_bp(mhz) for mhz in (50_000, 50_010, 50_105, 49_800, 49_500)]
        [0, 0, 5000, -10000, -10000]
        """
        off = frequency_mhz - NOMINAL_MHZ
        beyond = max(0, min(abs(off), self.full_mhz) - self.dead_band_mhz)
        share = beyond * WHOLE_BP // (self.full_mhz - self.dead_band_mhz)
        return share if off > 0 else -share


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A vehicle's offer: it answers with up to `power_w` both ways. `stored_wh` of the battery is at the start."""

    session: str
    power_w: PowerW
    battery: Battery

    def __post_init__(self) -> None:
        if self.power_w < 0:
            raise Malformed(f"session {self.session}: an offer is never negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a vehicle did: its mean power of each step, what it charged and gave back, and for how long it was able to.

    `able_s` are the seconds in which it could have answered in full both ways.
    """

    session: str
    power_w: tuple[int, ...]
    charged_wh: EnergyWh
    given_wh: EnergyWh
    stored_wh: EnergyWh
    able_s: int


def respond(offers: Iterable[Offer], frequency_mhz: Iterable[int], step_s: int, droop: Droop) -> list[Answer]:
    """The answers to a series of mean frequencies, one for each step of `step_s`."""
    if step_s <= 0:
        raise Malformed(f"a step lasts longer than {step_s} s")
    shares = [droop.share_bp(mhz) for mhz in frequency_mhz]
    return [_answer(offer, shares, step_s) for offer in offers]


def _answer(offer: Offer, shares_bp: list[int], step_s: int) -> Answer:
    pack, able_s, charged, given = offer.battery, 0, 0, 0
    unit = SECONDS_PER_HOUR * WHOLE_BP  # parts of a watt-second: efficiencies are exact
    stored, top = pack.stored_wh * unit, pack.capacity_wh * unit
    floor = min(pack.floor_wh, pack.stored_wh) * unit
    powers = []
    for share in shares_bp:
        can_take = (top - stored) // (pack.efficiency_bp * step_s)
        can_give = (stored - floor) // (WHOLE_BP * step_s)
        able_s += step_s if min(can_take, can_give) >= offer.power_w else 0
        asked = abs(share) * offer.power_w // WHOLE_BP
        power = min(asked, can_take) if share > 0 else -min(asked, can_give)
        stored += power * step_s * (pack.efficiency_bp if power > 0 else WHOLE_BP)
        charged += max(0, power) * step_s
        given += max(0, -power) * step_s
        powers.append(power)
    return Answer(
        session=offer.session,
        power_w=tuple(powers),
        charged_wh=EnergyWh(charged // SECONDS_PER_HOUR),
        given_wh=EnergyWh(given // SECONDS_PER_HOUR),
        stored_wh=EnergyWh(stored // unit),
        able_s=able_s,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceTariff:
    """The published rule: so much for each kW held ready for an hour, and for each kWh given back."""

    ready_micro_per_kw_hour: PriceMicroPerKwh
    given_micro_per_kwh: PriceMicroPerKwh

    def pay(self, offer: Offer, answer: Answer) -> MoneyMicro:
        """What the service pays the vehicle's account, rounded down."""
        ready = offer.power_w * answer.able_s * self.ready_micro_per_kw_hour // (W_PER_KW * SECONDS_PER_HOUR)
        return MoneyMicro(ready + answer.given_wh * self.given_micro_per_kwh // W_PER_KW)
