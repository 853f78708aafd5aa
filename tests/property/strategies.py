"""What hypothesis draws: signed things with every value their fields hold, series of readings, batches."""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from domain.metering import Basis
from domain.reading import NO_SESSION, BmsReading, MeterReading
from domain.session import Session, SessionAuthorisation
from domain.signing import HALF_CURVE_ORDER
from domain.statement import IntervalStatement, Row, SignedStatement
from domain.units import MARKET_INTERVAL_S, energy_limit_wh
from tests.vectors.world import ALICE, BOB, RATED_POWER_W, START_S, Limits, Step, basis, by_id, session


def unsigned(bits: int) -> st.SearchStrategy[Any]:
    """An unsigned integer of so many bits; its extremes come often."""
    top = (1 << bits) - 1
    return st.sampled_from([0, 1, top - 1, top]) | st.integers(0, top)


def signed(bits: int) -> st.SearchStrategy[Any]:
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    return st.sampled_from([low, -1, 0, 1, high]) | st.integers(low, high)


WORDS = st.binary(min_size=32, max_size=32)
SIGNATURES = st.builds(
    lambda r, s, v: r + s.to_bytes(32, "big") + bytes([v]),
    WORDS,
    st.integers(0, HALF_CURVE_ORDER),
    st.sampled_from([27, 28]),
)

METER_READINGS = st.builds(
    MeterReading,
    station=unsigned(24),
    sequence=unsigned(32),
    time_s=unsigned(40),
    import_wh=unsigned(40),
    export_wh=unsigned(40),
    power_w=signed(32),
    session=WORDS,
)
BMS_READINGS = st.builds(
    BmsReading,
    account=unsigned(24),
    sequence=unsigned(32),
    time_s=unsigned(40),
    state_of_charge_bp=st.integers(0, 10_000),
    state_of_health_bp=st.integers(0, 10_000),
    temperature_deci_c=signed(16),
    pack_millivolt=unsigned(32),
    pack_milliampere=signed(32),
    session=WORDS,
)


def _authorisation(first_s: int, seconds: int, **fields: Any) -> SessionAuthorisation:
    return SessionAuthorisation(not_before_s=first_s, expiry_s=first_s + seconds, **fields)  # type: ignore[arg-type]


AUTHORISATIONS = st.builds(
    _authorisation,
    unsigned(39),
    st.integers(1, (1 << 39) - 1),
    account=unsigned(24),
    station=unsigned(24),
    max_energy_wh=unsigned(40),
    max_price_micro_per_kwh=signed(32),
    max_cost_micro=unsigned(96),
    discharge_allowed=st.booleans(),
    nonce=unsigned(64),
)
ROWS = st.builds(
    Row,
    account=unsigned(24),
    energy_wh=unsigned(32),
    start_offset_s=unsigned(24),
    duration_s=unsigned(16),
    tariff_offset=unsigned(8),
)
STATEMENTS = st.builds(
    IntervalStatement,
    station=unsigned(24),
    sequence=unsigned(24),
    start_s=unsigned(40),
    duration_s=unsigned(24),
    import_wh=unsigned(40),
    export_wh=unsigned(40),
    tariff_base=unsigned(24),
    telemetry_root=WORDS,
    rows=st.lists(ROWS, max_size=6).map(tuple),
)
SIGNED_STATEMENTS = st.builds(SignedStatement, STATEMENTS, SIGNATURES)

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


# --- series of readings ------------------------------------------------------------------------

SESSIONS: tuple[Session, ...] = (
    session(ALICE),
    session(ALICE, Limits(nonce=2)),
    session(BOB, Limits(discharge_allowed=False)),
)
ONE_WAY = SESSIONS[2].session_id


@st.composite
def quiet_step(draw: Callable[[st.SearchStrategy[Any]], Any], at_s: int) -> Step:
    """A time in which nothing moves: it may cross intervals."""
    return Step(draw(st.integers(1, 5_000)), session_id=draw(st.sampled_from([NO_SESSION, ONE_WAY])))


@st.composite
def moving_step(draw: Callable[[st.SearchStrategy[Any]], Any], at_s: int) -> Step:
    """Energy within one interval, up to the rated power; often it ends at the interval's edge."""
    to_edge_s = MARKET_INTERVAL_S - at_s % MARKET_INTERVAL_S
    duration_s = draw(st.just(to_edge_s) | st.integers(1, to_edge_s))
    limit_wh = energy_limit_wh(RATED_POWER_W, duration_s)
    session_id = draw(st.sampled_from([NO_SESSION, *(s.session_id for s in SESSIONS)]))
    exported_wh = 0 if session_id == ONE_WAY else draw(st.just(0) | st.integers(0, limit_wh))
    imported_wh = draw(st.just(limit_wh - exported_wh) | st.integers(0, limit_wh - exported_wh))
    return Step(duration_s, imported_wh, exported_wh, session_id)


@st.composite
def steps(draw: Callable[[st.SearchStrategy[Any]], Any]) -> list[Step]:
    """A station's first reading, then up to 12 more: sessions in any order, energy in both directions."""
    found = [Step(draw(st.integers(0, 2_000)))]
    at_s = START_S + found[0].duration_s
    for _ in range(draw(st.integers(0, 12))):
        step = draw(quiet_step(at_s) if draw(st.integers(0, 4)) == 0 else moving_step(at_s))
        found.append(step)
        at_s += step.duration_s
    return found


def basis_of(found: list[Step]) -> Basis:
    return basis(found, by_id(*SESSIONS))
