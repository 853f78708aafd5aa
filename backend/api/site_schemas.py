"""JSON schemas of the answers about sites and schedules, with an example of each, and what goes out."""

from backend.api.schemas import (
    HASH,
    PRICE,
    SIGNATURE,
    U24,
    U40,
    UNSIGNED,
    array,
    choice,
    integer,
    joined,
    maybe,
    record,
    text,
)
from backend.application.scheduling import set_point_views
from backend.application.site_records import (
    MAX_POWER_W,
    Commander,
    LimitCommand,
    NeedRecord,
    PlannedStay,
    ScheduleRecord,
    SiteRecord,
)
from backend.application.sites import limit_view
from domain.need import SignedNeed
from domain.text import hex_text
from domain.wire import Json, need_to_json

NAME = text("^[a-z0-9][a-z0-9-]{0,31}$")
POWER = integer(-MAX_POWER_W, MAX_POWER_W)
MEAN_POWER = integer(-(1 << 40), 1 << 40)
LINE = integer(0, 2)
_HASH, _SIGNATURE = "0x" + "ab" * 32, "0x" + "cd" * 64 + "1b"

SITE_STATION = record(station=U24, lines=array(LINE), least_power_w=UNSIGNED, most_power_w=maybe(UNSIGNED))
SITE_CIRCUIT = record(limit_w=UNSIGNED, stations=array(U24))
SITE = record(
    site=NAME,
    zone=text(),
    stations=array(SITE_STATION),
    import_limit_w=maybe(UNSIGNED),
    export_limit_w=maybe(UNSIGNED),
    line_limit_w=maybe(array(UNSIGNED)),
    circuits=array(SITE_CIRCUIT),
    peak_target_w=maybe(UNSIGNED),
    demand_micro_per_kw=UNSIGNED,
    market_zone=maybe(integer(0, 65_535)),
    sun_station=maybe(U24),
    safe_power_w=UNSIGNED,
    changed_at=U40,
)
LIMIT = record(
    site=NAME,
    number=UNSIGNED,
    by=choice(*Commander),
    import_limit_w=UNSIGNED,
    **{"from": U40},
    to=U40,
    taken_at=U40,
    ended_at=maybe(U40),
)
SET_POINT = record(station=U24, session=maybe(HASH), power_w=POWER, valid_until=U40)
SET_POINTS = record(
    site=NAME,
    time=U40,
    reason=text(),
    limit_w=maybe(UNSIGNED),
    safe_power_w=UNSIGNED,
    set_points=array(SET_POINT),
)
COMMANDED = joined(SET_POINTS, limit=LIMIT)
PLANNED_STAY = record(
    station=U24, session=HASH, account=U24, need_wh=UNSIGNED, departure=U40, power_w=array(MEAN_POWER)
)
SCHEDULE = record(
    site=NAME,
    time=U40,
    reason=text(),
    how=text(),
    aims=record(peak_target_w=maybe(UNSIGNED), demand_micro_per_kw=UNSIGNED, peak_w=UNSIGNED),
    slots=array(U40),
    limit_w=maybe(array(UNSIGNED)),
    load_w=array(MEAN_POWER),
    price_micro_per_kwh=array(PRICE),
    stays=array(PLANNED_STAY),
    problems=array(text()),
)
NEED = record(session=HASH, energy_wh=U40, departure=U40, time=U40, signature=SIGNATURE, taken_at=U40)

NEED_SENT: Json = {
    "session": _HASH,
    "energy_wh": 18_000,
    "departure": 1561993200,
    "time": 1561968000,
    "signature": _SIGNATURE,
}
NEED_EXAMPLE: Json = NEED_SENT | {"taken_at": 1561968001}
SITE_EXAMPLE: Json = {
    "site": "pasadena",
    "zone": "America/Los_Angeles",
    "stations": [{"station": 7, "lines": [0, 1], "least_power_w": 1_380, "most_power_w": 6_600}],
    "import_limit_w": 150_000,
    "export_limit_w": 50_000,
    "line_limit_w": [50_000, 50_000, 50_000],
    "circuits": [{"limit_w": 40_000, "stations": [7]}],
    "peak_target_w": 100_000,
    "demand_micro_per_kw": 15_510_000,
    "market_zone": 1,
    "sun_station": 9,
    "safe_power_w": 1_380,
    "changed_at": 1561968000,
}
LIMIT_EXAMPLE: Json = {
    "site": "pasadena",
    "number": 12,
    "by": "grid-operator",
    "import_limit_w": 40_000,
    "from": 1561971600,
    "to": 1561978800,
    "taken_at": 1561971590,
    "ended_at": 1561975200,
}
SET_POINTS_EXAMPLE: Json = {
    "site": "pasadena",
    "time": 1561971600,
    "reason": "slot",
    "limit_w": 150_000,
    "safe_power_w": 1_380,
    "set_points": [{"station": 7, "session": _HASH, "power_w": 6_600, "valid_until": 1561972560}],
}
COMMANDED_EXAMPLE: Json = SET_POINTS_EXAMPLE | {"limit": LIMIT_EXAMPLE}
SCHEDULE_EXAMPLE: Json = {
    "site": "pasadena",
    "time": 1561971600,
    "reason": "session",
    "how": "optimum",
    "aims": {"peak_target_w": 100_000, "demand_micro_per_kw": 15_510_000, "peak_w": 88_120},
    "slots": [1561971600, 1561972500, 1561973400],
    "limit_w": [150_000, 150_000],
    "load_w": [6_600, 0],
    "price_micro_per_kwh": [92_500, 266_680],
    "stays": [
        {
            "station": 7,
            "session": _HASH,
            "account": 12,
            "need_wh": 1_650,
            "departure": 1561993200,
            "power_w": [6_600, 0],
        }
    ],
    "problems": [],
}
EVENTS_EXAMPLE = (
    'retry: 2000\n\nid: 7\nevent: set-points\ndata: {"site":"pasadena","time":1561971600,"set_points":[]}\n\n'
)


def site_view(record_: SiteRecord) -> Json:
    terms = record_.terms
    return {
        "site": terms.name,
        "zone": terms.zone,
        "stations": [
            {
                "station": one.station,
                "lines": list(one.lines),
                "least_power_w": one.least_power_w,
                "most_power_w": one.most_power_w,
            }
            for one in terms.stations
        ],
        "import_limit_w": terms.import_limit_w,
        "export_limit_w": terms.export_limit_w,
        "line_limit_w": None if terms.line_limit_w is None else list(terms.line_limit_w),
        "circuits": [{"limit_w": one.limit_w, "stations": list(one.stations)} for one in terms.circuits],
        "peak_target_w": terms.peak_target_w,
        "demand_micro_per_kw": terms.demand_micro_per_kw,
        "market_zone": terms.market_zone,
        "sun_station": terms.sun_station,
        "safe_power_w": terms.safe_power_w,
        "changed_at": record_.changed_at_s,
    }


def commanded(site: SiteRecord, command: LimitCommand, plan: ScheduleRecord) -> Json:
    """A limit that was taken or ended, with the set-points that follow."""
    return set_point_views(site, plan) | {"limit": limit_view(site.terms.name, command)}


def schedule_view(site: SiteRecord, plan: ScheduleRecord) -> Json:
    return {
        "site": site.terms.name,
        "time": plan.made_at_s,
        "reason": plan.reason,
        "how": plan.how,
        "aims": {
            "peak_target_w": site.terms.peak_target_w,
            "demand_micro_per_kw": site.terms.demand_micro_per_kw,
            "peak_w": plan.peak_w,
        },
        "slots": list(plan.edges_s),
        "limit_w": None if plan.limit_w is None else list(plan.limit_w),
        "load_w": list(plan.load_w),
        "price_micro_per_kwh": list(plan.price_micro_per_kwh),
        "stays": [_stay(one) for one in plan.stays],
        "problems": list(plan.problems),
    }


def need_view(record_: NeedRecord) -> Json:
    return need_to_json(SignedNeed(record_.need, record_.signature)) | {"taken_at": record_.taken_at_s}


def _stay(one: PlannedStay) -> Json:
    return {
        "station": one.station,
        "session": hex_text(one.session),
        "account": one.account,
        "need_wh": one.need_wh,
        "departure": one.departure_s,
        "power_w": list(one.power_w),
    }
