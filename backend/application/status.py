"""How the platform stands: what came in, what waits, and what somebody should look at."""

from dataclasses import dataclass

from backend.application.errors import ChainUnavailable, EvidenceUnavailable
from backend.application.market_ports import AuctionChain
from backend.application.market_standing import MarketStanding, Waits, market_standing
from backend.application.ports import ChainView, Clock, EvidenceStore, Store
from backend.application.records import Counts, StatementState
from backend.application.settlements import BatchPolicy
from domain.cid import cid_of
from domain.units import UnixSeconds

BLOCKS_BEHIND = 20
"""So many unread blocks more than the confirmations are usual while a burst of batches is mined."""
LATE_S = 120
"""So much later than the batch policy says a statement may leave."""
_SAMPLE_CID = cid_of(b"")
"""To ask a store whether it answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The platform at `time_s`. `block` is the chain's head, None if the chain does not answer.

    `market` is None as long as the chain never said how long auctions and positions may wait.
    """

    time_s: UnixSeconds
    chain_id: int
    block: int | None
    evidence_answers: bool
    counts: Counts
    market: MarketStanding | None
    attention: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Looks at everything once."""

    store: Store
    chain: ChainView
    house: AuctionChain
    evidence: EvidenceStore
    clock: Clock
    market_clock: Clock
    policy: BatchPolicy
    chain_id: int
    confirmations: int

    def standing(self) -> Standing:
        """How it stands now. What does not answer is named, and no error."""
        now_s = self.clock.now_s()
        with self.store.read() as unit:
            counts = unit.counts.all(now_s)
        market = self._market()
        block, answers = self._head(), self._evidence_answers()
        return Standing(
            time_s=now_s,
            chain_id=self.chain_id,
            block=block,
            evidence_answers=answers,
            counts=counts,
            market=market,
            attention=(*self._attention(now_s, counts, block, answers), *(market.attention if market else ())),
        )

    def _market(self) -> MarketStanding | None:
        with self.store.read() as unit:
            if not unit.zones.all():
                return MarketStanding(time_s=self.market_clock.now_s())
        try:
            waits = Waits(settle_within_s=self.house.settle_within_s(), close_after_s=self.house.close_after_s())
        except ChainUnavailable:
            return None
        with self.store.read() as unit:
            return market_standing(unit, self.market_clock, waits)

    def _head(self) -> int | None:
        try:
            return self.chain.head()
        except ChainUnavailable:
            return None

    def _evidence_answers(self) -> bool:
        try:
            self.evidence.has(_SAMPLE_CID)
        except (EvidenceUnavailable, OSError):
            return False
        return True

    def _attention(self, now_s: int, counts: Counts, block: int | None, answers: bool) -> list[str]:
        found = []
        if block is None:
            found.append("the chain does not answer; nothing is settled until it does")
        elif (behind := block - counts.indexed_block) > BLOCKS_BEHIND + self.confirmations:
            found.append(f"{behind} blocks of the chain are not read yet")
        if not answers:
            found.append("the evidence store does not answer; statements are refused until it does")
        if counts.paused:
            found.append("governance has paused settlement")
        if counts.stations_suspended:
            found.append(f"{counts.stations_suspended} stations are suspended; their statements wait")
        if refused := counts.statements.get(StatementState.REFUSED, 0):
            found.append(f"{refused} statements were refused by the contracts; see /v1/statements?state=refused")
        waited_s = 0 if counts.oldest_waiting_s is None else now_s - counts.oldest_waiting_s
        if waited_s > self.policy.age_s + LATE_S:
            found.append(f"a statement waits for its batch since {waited_s} s")
        return found
