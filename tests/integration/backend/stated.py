"""Statements of stations whose drivers can pay, and what became of them."""

from tests.integration.backend.site import Api, Meter, Site, new_driver, new_meter


def batches(at: Site) -> int:
    return int(at.reader().view("SessionSettlement", "batchCount"))


def stated(api: Api) -> Meter:
    """A station with an accepted statement of a driver who can pay."""
    driver, meter = new_driver(api), new_meter(api)
    session = driver.authorise(api, meter.station)
    meter.charge(session)
    meter.state(session)
    return meter


def state_of(api: Api, meter: Meter, sequence: int = 1) -> str:
    return str(api.get(f"/v1/statements/{meter.station}-{sequence}")["state"])
