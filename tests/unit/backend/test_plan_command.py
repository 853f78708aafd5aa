"""`wattledger plan`: plans a session file, compares, and says of wrong files which line is wrong and what to do."""

import csv
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from backend.cli.main import app
from backend.cli.plan_result import write_schedule
from domain.schedule.check import check
from domain.schedule.plan import Schedule
from scripts.anvil import ROOT

HEADER = "session,arrival,departure,energy_kwh"
MORNING = "2019-07-10T08:00:00-07:00,2019-07-10T12:00:00-07:00"
ACN = ROOT / "data" / "acn_jpl_2019-07-08_2019-07-21.csv"
ACN_DAY_LINES = 40


LIMITED = "session,arrival,departure,energy_kwh,station,lines,least_power"


class Planned:
    """One run of the command in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.status, self.text = folder, -1, ""

    def file(self, *lines: str, header: str = HEADER, name: str = "sessions.csv") -> Path:
        path = self.folder / name
        path.write_text("\n".join([header, *lines]) + "\n")
        return path

    def run(self, file: Path, *words: str | Path) -> "Planned":
        out = self.folder / "plan.csv"
        done = CliRunner().invoke(app, ["plan", str(file), "--out", str(out), *map(str, words)])
        # Tables and messages are as wide as the terminal is said to be: their words may be on several lines.
        self.status, self.text = done.exit_code, " ".join(done.output.split())
        return self

    @property
    def lines(self) -> list[dict[str, str]]:
        with (self.folder / "plan.csv").open() as file:
            return list(csv.DictReader(file))

    def energy_wh(self, session: str) -> int:
        return sum(int(line["energy_wh"]) for line in self.lines if line["session"] == session)


@pytest.fixture
def plan(tmp_path: Path) -> Planned:
    return Planned(tmp_path)


def flat(plan: Planned, *prices: str) -> Path:
    """A price file by hours from 15:00 UTC on (08:00 in California)."""
    lines = [f"2019-07-10T{15 + hour}:00:00Z,{price}" for hour, price in enumerate(prices)]
    return plan.file(*lines, header="time,price", name="prices.csv")


# --- what is planned ---------------------------------------------------------------------------


def test_vehicle_charges_when_energy_is_cheapest(plan: Planned) -> None:
    plan.run(plan.file(f"a,{MORNING},6.6"), "--price-file", flat(plan, "0.4", "0.3", "-0.1", "0.5"))

    assert plan.status == 0, plan.text
    drawn = [(line["slot_start"], line["energy_wh"], line["power_w"]) for line in plan.lines if line["power_w"] != "0"]
    assert drawn == [(f"2019-07-10T17:{minute}:00+00:00", "1650", "6600") for minute in ("00", "15", "30", "45")]


def test_every_slot_of_a_stay_has_a_line_with_power_while_the_vehicle_is_there(plan: Planned) -> None:
    plan.run(plan.file("a,2019-07-10T08:10:00-07:00,2019-07-10T08:40:00-07:00,3.3"), "--zone", "America/Los_Angeles")

    found = [(line["slot_start"], int(line["power_w"]), int(line["energy_wh"])) for line in plan.lines]
    assert found == [
        ("2019-07-10T08:00:00-07:00", 6600, 550),
        ("2019-07-10T08:15:00-07:00", 6600, 1650),
        ("2019-07-10T08:30:00-07:00", 6600, 1100),
    ]


def test_recorded_day_is_planned_below_the_peak_of_charging_at_once(plan: Planned) -> None:
    recorded = ACN.read_text().splitlines()
    file = plan.file(*recorded[1:ACN_DAY_LINES], header=recorded[0])
    plan.run(file, "--demand-charge", "15.51", "--compare", "llf,edf")

    assert plan.status == 0, plan.text
    assert "America/Los_Angeles" in plan.text
    assert "100.00%" in plan.text
    assert (
        plan.text.index("uncontrolled") < plan.text.index("llf") < plan.text.index("edf") < plan.text.index("planned")
    )
    assert (plan.folder / "plan.png").read_bytes().startswith(b"\x89PNG")
    delivered = {row["session_id"]: float(row["delivered_energy (kWh)"]) for row in csv.DictReader(file.open())}
    for session, kwh in delivered.items():
        assert plan.energy_wh(session) == pytest.approx(kwh * 1000, abs=1)


def test_site_limit_holds_in_every_slot(plan: Planned) -> None:
    plan.run(plan.file(f"a,{MORNING},12", f"b,{MORNING},12"), "--import-limit", "7")

    assert plan.status == 0, plan.text
    by_slot: dict[str, int] = {}
    for line in plan.lines:
        by_slot[line["slot_start"]] = by_slot.get(line["slot_start"], 0) + int(line["energy_wh"])
    assert max(by_slot.values()) <= 1750
    assert plan.energy_wh("a") + plan.energy_wh("b") == 24_000


def test_own_plants_are_used_first_and_count_as_renewable(plan: Planned) -> None:
    sun = plan.file("2019-07-10T17:00:00Z,6.6", "2019-07-10T18:00:00Z,0", header="time,power_kw", name="pv.csv")
    plan.run(plan.file(f"a,{MORNING},6.6"), "--pv-file", sun, "--tou", "00:00=0.3")

    assert plan.status == 0, plan.text
    assert "does not cover all slots" in plan.text
    assert "renewable share" in plan.text
    assert {line["slot_start"][11:13] for line in plan.lines if line["power_w"] != "0"} == {"17"}


def test_vehicle_sells_back_what_it_buys_cheaper(plan: Planned) -> None:
    words = (
        "--v2g",
        "6.6",
        "--wear",
        "0.01",
        "--feed-in",
        "0.0",
        "--price-file",
        flat(plan, "0.1", "0.1", "0.9", "0.1"),
    )
    plan.run(plan.file(f"a,{MORNING},3.3", f"b,{MORNING},20"), *words)

    assert plan.status == 0, plan.text
    assert "sold back" in plan.text
    assert any(int(line["power_w"]) < 0 for line in plan.lines if line["session"] == "a")


def test_plan_in_weeks_meets_every_need(plan: Planned, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.cli.plan.AT_ONCE_PAIRS", 10)
    stays = [
        f"s{day},2019-07-{day:02}T20:00:00-07:00,2019-07-{day + 1:02}T06:00:00-07:00,{day}.123" for day in range(1, 29)
    ]
    plan.run(plan.file(*stays), "--slot", "60", "--demand-charge", "10")

    assert plan.status == 0, plan.text
    assert "planned in 4 parts" in plan.text
    assert [plan.energy_wh(f"s{day}") for day in range(1, 29)] == [day * 1000 + 123 for day in range(1, 29)]


# --- conductors, circuits, least power ---------------------------------------------------------


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[Schedule]:
    """Schedules that were written, none of which breaks anything."""
    written: list[Schedule] = []

    def write(schedule: Schedule, out: Path, zone: ZoneInfo) -> int:
        assert [str(one) for one in check(schedule)] == []
        written.append(schedule)
        return write_schedule(schedule, out, zone)

    monkeypatch.setattr("backend.cli.plan.write_schedule", write)
    return written


def most_w(plan: Planned, *sessions: str) -> int:
    """The most that these sessions are planned to draw together in a slot."""
    by_slot: dict[str, int] = {}
    for line in plan.lines:
        if line["session"] in sessions:
            by_slot[line["slot_start"]] = by_slot.get(line["slot_start"], 0) + int(line["power_w"])
    return max(by_slot.values())


def test_conductors_limit_sessions_that_draw_from_them(plan: Planned, checked: list[Schedule]) -> None:
    stays = (f"a,{MORNING},9,,0,", f"b,{MORNING},9,,0,", f"c,{MORNING},9,,1 2,", f"d,{MORNING},9,,,")
    plan.run(plan.file(*stays, header=LIMITED), "--line-limit", "6,40,40", "--demand-charge", "1")

    assert plan.status == 0, plan.text
    assert most_w(plan, "a", "b") <= 6_000
    assert [plan.energy_wh(session) >= 8_990 for session in "ab"].count(True) >= 1
    assert plan.energy_wh("c") >= 8_999
    assert [vehicle.lines for vehicle in checked[0].problem.vehicles] == [(0,), (0,), (1, 2), (0, 1, 2)]


def test_circuits_limit_sessions_at_their_stations(plan: Planned, checked: list[Schedule]) -> None:
    stays = (f"a,{MORNING},9,A1,,", f"b,{MORNING},9,A2,,", f"c,{MORNING},9,B1,,", f"d,{MORNING},9,,,")
    words = ("--circuit", "5=A*", "--circuit", "3 = A2, B1", "--tou", "00:00=0.3,11:00=0.1")
    plan.run(plan.file(*stays, header=LIMITED), *words, "--zone", "America/Los_Angeles")

    assert plan.status == 0, plan.text
    assert most_w(plan, "a", "b") <= 5_000
    assert most_w(plan, "b", "c") <= 3_000
    assert most_w(plan, "a") == 5_000
    assert most_w(plan, "d") == 6_600
    assert checked[0].problem.site.circuits_w == (5_000, 3_000)


@pytest.mark.parametrize(
    ("words", "column", "least_w"),
    [
        (("--least-power", "6A"), "", 4_140),
        (("--least-power", "6 a", "--lines", "1"), "", 1_380),
        (("--least-power", "7.5A", "--lines", "0 2", "--volts", "120"), "", 1_800),
        (("--least-power", "1500W"), "", 1_500),
        (("--least-power", "1.5kW"), "6A", 4_140),
        (("--volts", "100"), "6A", 1_800),
        ((), "900W", 900),
    ],
)
def test_least_power_is_kept_or_nothing_flows(
    plan: Planned, checked: list[Schedule], words: tuple[str, ...], column: str, least_w: int
) -> None:
    stays = (f"a,{MORNING},5.1,,,{column}", f"b,{MORNING},7.3,,,{column}")
    plan.run(plan.file(*stays, header=LIMITED), "--demand-charge", "10", *words)

    assert plan.status == 0, plan.text
    assert {int(vehicle.least_power_w) for vehicle in checked[0].problem.vehicles} == {least_w}
    powers = {int(line["power_w"]) for line in plan.lines} - {0}
    assert min(powers) >= least_w - 4
    assert plan.energy_wh("a") + plan.energy_wh("b") == 12_400


def test_vehicle_that_charges_with_less_than_the_least_power_has_its_own_alone(
    plan: Planned, checked: list[Schedule]
) -> None:
    plan.run(plan.file(f"a,{MORNING},5.1"), "--demand-charge", "10", "--least-power", "6A", "--power", "3")

    assert {int(line["power_w"]) for line in plan.lines} == {0, 3_000}
    assert plan.energy_wh("a") == 5_100 // 750 * 750
    assert len(checked) == 1


def test_need_below_what_the_least_power_brings_is_told(plan: Planned) -> None:
    plan.run(plan.file(f"a,{MORNING},0.2", f"b,{MORNING},5"), "--least-power", "6A")

    assert plan.status == 0, plan.text
    assert "the site's limits or the least power do not let more through" in plan.text
    assert "session a gets 0.0% of 0.200 kWh" in plan.text
    assert plan.energy_wh("b") == 5_000


def test_recorded_days_are_planned_under_all_limits(
    plan: Planned, checked: list[Schedule], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.cli.plan.AT_ONCE_PAIRS", 5_000)
    words = ("--demand-charge", "15.51", "--least-power", "6A", "--lines", "0 1", "--line-limit", "60,60,60")
    plan.run(ACN, *words, "--circuit", "30=AG-1F*", "--circuit", "10=AG-1F01,AG-1F02", "--compare", "llf")

    assert plan.status == 0, plan.text
    assert "planned in 2 parts" in plan.text
    problem = checked[0].problem
    assert {vehicle.circuits_bp for vehicle in problem.vehicles} == {(10_000, 10_000), (10_000, 0), (0, 0)}
    assert checked[0].charged_wh.sum() > 0.99 * sum(vehicle.need_wh for vehicle in problem.vehicles)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--least-power", "6"), "--least-power '6' is no least power; write 6A, 1380W or 1.38kW"),
        (("--least-power", "-6A"), "is no least power"),
        (("--least-power", "nanA"), "is no least power"),
        (("--least-power", "5.9A"), "vehicles draw 6 to 80 A, or nothing"),
        (("--least-power", "81A"), "vehicles draw 6 to 80 A, or nothing"),
        (("--least-power", "0W"), "lets nothing flow"),
        (("--lines", "3"), "--lines '3' names no conductors"),
        (("--lines", "0 0"), "names no conductors"),
        (("--lines", ""), "names no conductors"),
        (("--line-limit", "20"), "'20' is not three powers in kW"),
        (("--line-limit", "20,20,nan"), "is not three powers in kW"),
        (("--line-limit", "20,20,0"), "lets nothing flow"),
        (("--line-limit", "1,20,20", "--least-power", "6A"), "conductor 0 lets 3000 W of it through"),
        (("--circuit", "A1"), "is no power in kW with stations; write 40=A1,A2"),
        (("--circuit", "40="), "is no power in kW with stations"),
        (("--circuit", "40=A1,"), "is no power in kW with stations"),
        (("--circuit", "nan=A1"), "is no power in kW with stations"),
        (("--circuit", "0=A1"), "lets nothing flow"),
        (("--circuit", "40=C*"), "no session is at a station 'C*'; there are A1, A2"),
        (("--circuit", "40=A1,a1"), "no session is at a station 'a1'"),
        (("--circuit", "40=A*") * 51, "is there 51 times; a site has at most 50 circuits"),
        (("--circuit", "4=A1", "--least-power", "6A"), "circuit 1 lets 4000 W of it through: it could never charge"),
        (("--import-limit", "4", "--least-power", "6A"), "the site's connection lets 4000 W of it through"),
    ],
)
def test_limit_that_cannot_be_is_explained(plan: Planned, words: tuple[str, ...], why: str) -> None:
    plan.run(plan.file(f"a,{MORNING},3,A1,,", f"b,{MORNING},3,A2,,", header=LIMITED), *words)

    assert plan.status == 2
    assert why in plan.text


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        (",4,", "line 2: lines '4' names no conductors"),
        (",0;1,", "names no conductors"),
        (",,6", "line 2: least_power '6' is no least power"),
        (",,3A", "line 2: least_power 3A: vehicles draw 6 to 80 A"),
    ],
)
def test_line_with_a_limit_that_cannot_be_is_named(plan: Planned, fields: str, why: str) -> None:
    plan.run(plan.file(f"a,{MORNING},3{',' + fields}", header=LIMITED))

    assert plan.status == 2
    assert why in plan.text


def test_circuit_needs_a_file_that_names_stations(plan: Planned) -> None:
    plan.run(plan.file(f"a,{MORNING},3"), "--circuit", "40=A1")

    assert plan.status == 2
    assert "--circuit needs stations: the session file has no column" in plan.text


# --- days on which clocks change ---------------------------------------------------------------


def test_longer_day_has_its_hour_twice(plan: Planned) -> None:
    stay = "a,2019-11-02T23:00:00-07:00,2019-11-03T04:00:00-08:00,3"
    plan.run(plan.file(stay), "--zone", "America/Los_Angeles", "--slot", "60")

    starts = [line["slot_start"] for line in plan.lines]
    assert starts[2:4] == ["2019-11-03T01:00:00-07:00", "2019-11-03T01:00:00-08:00"]
    assert len(starts) == 6


def test_shorter_day_is_planned_by_the_clock_on_the_wall(plan: Planned) -> None:
    stay = "a,2019-03-10T00:30:00,2019-03-10T04:30:00,6.6"
    plan.run(plan.file(stay), "--zone", "America/Los_Angeles", "--tou", "00:00=0.3,03:00=0.1", "--slot", "30")

    drawn = [line["slot_start"] for line in plan.lines if line["power_w"] != "0"]
    assert drawn == ["2019-03-10T03:00:00-07:00", "2019-03-10T03:30:00-07:00"]


@pytest.mark.parametrize(
    ("time", "happens"), [("2019-11-03T01:30:00", "happens twice"), ("2019-03-10T02:30:00", "happens never")]
)
def test_local_time_that_a_clock_change_leaves_open_is_refused(plan: Planned, time: str, happens: str) -> None:
    plan.run(plan.file(f"a,{time},2019-11-04T00:00:00,3"), "--zone", "America/Los_Angeles")

    assert plan.status == 2
    assert f"line 2: arrival {time} {happens} in America/Los_Angeles" in plan.text
    assert "write its UTC offset" in plan.text


# --- what cannot be planned --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("b,2019-07-10T12:00:00Z,2019-07-10T11:00:00Z,3", "line 3: session b departs at 2019-07-10T11:00:00Z"),
        ("b,2019-07-10T12:00:00Z,2019-07-10T12:00:00Z,3", "not after its arrival"),
        ("b,2019-07-10T12:00:00Z,2019-10-10T12:00:00Z,3", "stays for more than 60 days"),
        ("b,yesterday,2019-07-10T12:00:00Z,3", "arrival 'yesterday' is no ISO 8601 time"),
        ("b,,2019-07-10T12:00:00Z,3", "arrival is empty"),
        ("b,1969-07-10T12:00:00Z,2019-07-10T12:00:00Z,3", "lies before 1970"),
        ("b,2019-07-10T12:00:00Z,2019-07-10T15:00:00Z,nan", "energy_kwh 'nan' is no plain number"),
        ("b,2019-07-10T12:00:00Z,2019-07-10T15:00:00Z,", "energy_kwh is missing"),
        ("b,2019-07-10T12:00:00Z,2019-07-10T15:00:00Z,-3", "energy_kwh '-3' is negative"),
        ("b,2019-07-10T12:00:00Z,2019-07-10T15:00:00Z,1e99", "is no plain number"),
        (f"a,{MORNING},3", "session a is in line 2 already"),
        (f",{MORNING},3", "the session has no name"),
        (f"b,{MORNING}", "another number of fields than the header's 4"),
    ],
)
def test_line_that_cannot_be_true_is_named(plan: Planned, line: str, why: str) -> None:
    plan.run(plan.file(f"a,{MORNING},3", line))

    assert plan.status == 2
    assert why in plan.text
    assert not (plan.folder / "plan.csv").exists()


def test_wrong_lines_are_left_out_if_asked_and_named(plan: Planned) -> None:
    plan.run(plan.file(f"a,{MORNING},3", f"a,{MORNING},4", "b,x,y,1"), "--skip-wrong")

    assert plan.status == 0
    assert "2 sessions are left out" in plan.text
    assert "line 3: session a is in line 2 already" in plan.text
    assert plan.energy_wh("a") == 3_000


def test_need_above_what_the_stay_allows_is_told_and_met_as_far_as_possible(plan: Planned) -> None:
    plan.run(plan.file(f"a,{MORNING},30"))

    assert plan.status == 0
    assert "line 2: session a needs 30.000 kWh, its stay allows 26.400 kWh at 6.6 kW" in plan.text
    assert plan.text.index("its stay allows") < plan.text.index("What it comes to")
    assert plan.energy_wh("a") == 26_400


def test_site_that_cannot_meet_all_needs_is_told_and_planned_as_far_as_possible(plan: Planned) -> None:
    plan.run(plan.file(f"a,{MORNING},20", f"b,{MORNING},20"), "--import-limit", "5")

    assert plan.status == 0
    assert "sessions get less than their stays allow: the site's limits do not let more through" in plan.text
    assert plan.energy_wh("a") + plan.energy_wh("b") == 20_000


@pytest.mark.parametrize("option", ["--import-limit", "--export-limit", "--peak-target", "--power"])
@pytest.mark.parametrize(
    ("value", "why"), [("0", "lets nothing flow"), ("-3", "lets nothing flow"), ("nan", "no power")]
)
def test_limit_that_lets_nothing_through_is_refused(plan: Planned, option: str, value: str, why: str) -> None:
    plan.run(plan.file(f"a,{MORNING},3"), option, value)

    assert plan.status == 2
    assert why in plan.text


@pytest.mark.parametrize(
    ("prices", "why"),
    [
        (("0.1", "nan", "0.1", "0.1"), "line 3: price 'nan' is no plain number"),
        (("0.1", "-inf", "0.1", "0.1"), "line 3: price '-inf' is no plain number"),
        (("0.1", "", "0.1", "0.1"), "line 3: price is missing; write a number"),
        (("0.1", "99999", "0.1", "0.1"), "line 3: price 99999 is beyond 1000"),
        (("0.1", "0.1", "0.1"), "no price for 2019-07-10T18:00:00+00:00"),
        (("0.1",), "fewer than two times"),
    ],
)
def test_price_that_is_none_is_named(plan: Planned, prices: tuple[str, ...], why: str) -> None:
    plan.run(plan.file(f"a,{MORNING},3"), "--price-file", flat(plan, *prices))

    assert plan.status == 2
    assert why in plan.text


def test_gap_in_a_price_file_is_named(plan: Planned) -> None:
    lines = [f"2019-07-10T{hour}:00:00Z,0.1" for hour in (13, 14, 15, 18, 19, 20)]
    plan.run(plan.file(f"a,{MORNING},3"), "--price-file", plan.file(*lines, header="time,price", name="p.csv"))

    assert plan.status == 2
    assert "line 5: price is missing from 2019-07-10T16:00:00+00:00 to 2019-07-10T18:00:00+00:00" in plan.text


def test_prices_that_go_back_in_time_are_refused(plan: Planned) -> None:
    lines = ["2019-07-10T15:00:00Z,0.1", "2019-07-10T14:00:00Z,0.1"]
    plan.run(plan.file(f"a,{MORNING},3"), "--price-file", plan.file(*lines, header="time,price", name="p.csv"))

    assert plan.status == 2
    assert "sort by time" in plan.text


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("", "the file is empty"),
        ("session,arrival", "missing columns: departure, energy_kwh"),
        (HEADER + ",arrival", "the columns arrival are there twice"),
        (HEADER, "there is no session to plan"),
    ],
)
def test_file_without_sessions_is_refused(plan: Planned, header: str, why: str) -> None:
    path = plan.folder / "sessions.csv"
    path.write_text(header)
    plan.run(path)

    assert plan.status == 2
    assert why in plan.text


def test_file_that_is_not_there_is_refused(plan: Planned) -> None:
    assert "cannot be read" in plan.run(plan.folder / "none.csv").text


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--zone", "Mars/Olympus"), "'Mars/Olympus' is no time zone"),
        (("--slot", "7"), "--slot is one of"),
        (("--tou", "08:00=0.1"), "begin at 00:00"),
        (("--tou", "00:00=cheap"), "'00:00=cheap' is no time and price"),
        (("--compare", "magic"), "--compare knows no 'magic'"),
        (("--need", "wanted"), "--need is delivered or requested"),
        (("--feed-in", "9"), "must not earn more than"),
    ],
)
def test_option_that_cannot_be_is_explained(plan: Planned, words: tuple[str, ...], why: str) -> None:
    plan.run(plan.file(f"a,{MORNING},3"), *words)

    assert plan.status == 2
    assert why in plan.text
