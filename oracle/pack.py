"""A modelled traction battery for a recorded session: the recordings name neither vehicle nor charge.

Which pack, its charge at arrival, its health and the outside temperature follow from a hash of the session's
id, so the same session always has the same battery. Everything here is MODELLED.

Model: 90 % of the metered energy reaches the pack, and the same share comes back; a cell shows 3.40 V when
empty and 4.15 V when full, on a straight line; the pack warms by 1 °C for 2.5 kWh, up to 12 °C.
"""

import hashlib
from dataclasses import dataclass

from domain.units import BasisPoints, DeciCelsius, EnergyWh
from oracle.acn import ReplaySession

FLOOR_BP = BasisPoints(4_000)
"""A driver keeps at least 40 % when selling energy."""

_FULL_BP = 9_800
_EMPTIEST_ARRIVAL_BP = 500
_FULLEST_ARRIVAL_BP = 7_000
_EMPTY_CELL_MV, _CELL_RISE_MV = 3_400, 750


@dataclass(frozen=True, slots=True, kw_only=True)
class PackModel:
    """A pack on the road: energy and cells in series as its maker publishes them (2018/2019 model years)."""

    name: str
    capacity_wh: EnergyWh
    cells_in_series: int


PACKS = (
    PackModel(name="Nissan LEAF 40 kWh", capacity_wh=EnergyWh(40_000), cells_in_series=96),
    PackModel(name="Chevrolet Bolt EV 60 kWh", capacity_wh=EnergyWh(60_000), cells_in_series=96),
    PackModel(name="Tesla Model 3 Long Range 75 kWh", capacity_wh=EnergyWh(75_000), cells_in_series=96),
    PackModel(name="Tesla Model S 100D 100 kWh", capacity_wh=EnergyWh(100_000), cells_in_series=96),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery:
    """One vehicle's battery as it arrives."""

    model: PackModel
    arrival_bp: BasisPoints
    health_bp: BasisPoints
    outside_deci_c: DeciCelsius

    def charge_bp(self, import_wh: int, export_wh: int) -> BasisPoints:
        """State of charge after so much was metered in and out, within 0 and 100 %."""
        gained = import_wh * 9_000 // self.model.capacity_wh
        given = -(-export_wh * 100_000 // (9 * self.model.capacity_wh))
        return BasisPoints(max(0, min(10_000, self.arrival_bp + gained - given)))

    def spare_wh(self, import_wh: int) -> EnergyWh:
        """What can be metered out after so much was metered in, down to the floor."""
        above_bp = self.charge_bp(import_wh, 0) - FLOOR_BP
        return EnergyWh(max(0, above_bp * self.model.capacity_wh * 9 // 100_000))

    def temperature_deci_c(self, moved_wh: int) -> DeciCelsius:
        return DeciCelsius(self.outside_deci_c + min(120, moved_wh // 250))

    def millivolt(self, charge_bp: int) -> int:
        return self.model.cells_in_series * (_EMPTY_CELL_MV + _CELL_RISE_MV * charge_bp // 10_000)

    def milliampere(self, power_w: int, millivolt: int) -> int:
        """Pack current for a metered power: 90 % of it in, 10/9 of it out."""
        pack_w = power_w * 9 // 10 if power_w > 0 else -(-power_w * 10 // 9)
        return pack_w * 1_000_000 // millivolt


def battery_of(session: ReplaySession) -> Battery:
    """The battery that this session is modelled with; what was delivered fits into it."""
    digest = hashlib.sha256(session.session_id.encode()).digest()
    fitting = [p for p in PACKS if _gain_bp(p, session) <= _FULL_BP - _EMPTIEST_ARRIVAL_BP] or [PACKS[-1]]
    model = fitting[digest[0] % len(fitting)]
    fullest = max(_EMPTIEST_ARRIVAL_BP, min(_FULLEST_ARRIVAL_BP, _FULL_BP - _gain_bp(model, session)))
    room = fullest - _EMPTIEST_ARRIVAL_BP + 1
    return Battery(
        model=model,
        arrival_bp=BasisPoints(_EMPTIEST_ARRIVAL_BP + int.from_bytes(digest[1:5], "big") % room),
        health_bp=BasisPoints(8_800 + int.from_bytes(digest[5:9], "big") % 1_100),
        outside_deci_c=DeciCelsius(180 + digest[9] % 100),
    )


def _gain_bp(model: PackModel, session: ReplaySession) -> int:
    return session.delivered_wh * 9_000 // model.capacity_wh
