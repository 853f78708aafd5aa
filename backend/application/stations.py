"""Stations: registering them, and what is known of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from backend.application.idempotency import Once
from backend.application.operations import Operations
from backend.application.ports import Store
from backend.application.records import StationRecord
from domain.errors import Malformed, OutOfRange, UnknownStation
from domain.units import StationId

STATIONS_PER_CALL = 100
MAX_STATIONS = 500
MAX_RATED_POWER_W = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class Stations:
    """The use cases around stations."""

    store: Store
    operations: Operations

    def get(self, station: int) -> StationRecord:
        """UnknownStation if there is none."""
        with self.store.read() as unit:
            record = unit.stations.find(station)
        if record is None:
            raise UnknownStation(station)
        return record

    def register(
        self, signers: Sequence[bytes], *, rated_power_w: int, bidirectional: bool, once: Once | None = None
    ) -> list[StationId]:
        """Registers one station for each key under the operator's account; their numbers."""
        if not 1 <= len(signers) <= MAX_STATIONS:
            raise OutOfRange("number of stations", len(signers), 1, MAX_STATIONS)
        if not 1 <= rated_power_w <= MAX_RATED_POWER_W:
            raise OutOfRange("rated_power_w", rated_power_w, 1, MAX_RATED_POWER_W)
        if len(set(signers)) < len(signers):
            raise Malformed("two stations have the same key; each needs its own")
        calls = [
            self.operations.transactions.call(
                "StationRegistry",
                "registerStations",
                signers[at : at + STATIONS_PER_CALL],
                rated_power_w,
                bidirectional,
            )
            for at in range(0, len(signers), STATIONS_PER_CALL)
        ]
        events = self.operations.run(calls, "stations", once)
        return [StationId(event.args["station"]) for event in events if event.name == "StationRegistered"]
