"""All use cases, ready for an edge such as REST."""

from dataclasses import dataclass

from backend.application.accounts import Accounts
from backend.application.auctions import Auctions
from backend.application.evidence import Evidence
from backend.application.feed import Feed
from backend.application.idempotency import Keys
from backend.application.intake import Intake
from backend.application.lists import Lists
from backend.application.market_lists import MarketLists
from backend.application.needs import Needs
from backend.application.network import Network
from backend.application.orders import Orders
from backend.application.readings import Readings
from backend.application.scheduling import Scheduling
from backend.application.sessions import Sessions
from backend.application.settlements import Settlements
from backend.application.statements import Statements
from backend.application.stations import Stations
from backend.application.status import Status
from backend.application.tariffs import Tariffs
from backend.application.ways import Ways


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """One of each use case, over the same store and chain."""

    accounts: Accounts
    stations: Stations
    tariffs: Tariffs
    sessions: Sessions
    readings: Readings
    intake: Intake
    statements: Statements
    settlements: Settlements
    evidence: Evidence
    network: Network
    lists: Lists
    ways: Ways
    keys: Keys
    status: Status
    orders: Orders
    auctions: Auctions
    market: MarketLists
    feed: Feed
    needs: Needs
    scheduling: Scheduling
