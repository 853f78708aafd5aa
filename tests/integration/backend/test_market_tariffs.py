"""Market tariffs over REST: published like others, ahead and without overlap, and listed by their direction."""

from typing import Any

import pytest

from tests.integration.backend.refusals import refused
from tests.integration.backend.site import Api, interval_start

DAY_S = 86_400


def price(direction: str, valid_from: int, valid_to: int) -> dict[str, Any]:
    return {
        "direction": direction,
        "price_micro_per_kwh": 400_003,
        "valid_from": valid_from,
        "valid_to": valid_to,
    }


def test_market_tariffs_are_published_ahead_and_listed_by_direction(api: Api) -> None:
    start = interval_start() + 30 * DAY_S
    wanted = [price(direction, start, start + DAY_S) for direction in ("market_charge", "market_discharge")]

    charge, discharge = api.operate("/v1/tariffs", {"tariffs": wanted})["tariffs"]

    for number, body in ((charge, wanted[0]), (discharge, wanted[1])):
        [found] = api.get("/v1/tariffs", direction=body["direction"], valid_at=start)["items"]
        assert found["tariff"] == number
        assert {name: found[name] for name in body} == body
    ordinary = api.get("/v1/tariffs", direction="charge", limit=500)["items"]
    assert charge not in [one["tariff"] for one in ordinary]


@pytest.mark.parametrize("direction", ["market_charge", "market_discharge"])
def test_market_tariffs_that_overlap_or_are_late_are_refused(api: Api, direction: str) -> None:
    start = interval_start() + 60 * DAY_S
    api.operate("/v1/tariffs", {"tariffs": [price(direction, start, start + DAY_S)]})
    for valid_from, name in ((start + DAY_S - 1, "Overlaps"), (start - 90 * DAY_S, "NotAhead")):
        body = {"tariffs": [price(direction, valid_from, start + 2 * DAY_S)]}
        answer = api.operator_http.post("/v1/tariffs", json=body)
        assert refused(answer, 409, "transaction-refused")["name"] == name
