"""Checks who signed the orders of a book, and enters what they get into positions."""

from collections.abc import Callable

from domain.auction.book import CHUNK_LINES, LINE_BYTES, Line, decode_line, decode_lines
from domain.auction.order import NONCES, Order, Proof, decode_proofs
from domain.auction.zone import GATE_S
from domain.audit.findings import FindingCode, Tally
from domain.audit.ledger import Books
from domain.audit.market_calls import SettleCall
from domain.audit.market_state import BookBook, Forced, MarketState
from domain.audit.report import Deployed, Report
from domain.errors import BadSignature, Malformed
from domain.signing import SigningDomain, expanded, recover
from domain.text import address_text, hex_text
from domain.units import UnixSeconds


class Orders:
    """The orders of books, chunk by chunk."""

    def __init__(
        self, deployed: Deployed, books: Books, state: Callable[[], MarketState], tally: Tally, report: Report
    ) -> None:
        self._books, self._state, self._tally, self._report = books, state, tally, report
        self._domain = SigningDomain(deployed.station_domain.chain_id, deployed.auctions)

    def check(self, call: SettleCall, book: BookBook, key: tuple[int, int], where: str) -> None:
        """Checks who signed each order, when it expires, and that its nonce was free."""
        lines = decode_lines(call.lines)
        forced = self._state().forced.get(key, Forced()) if call.chunk == 0 else Forced()
        if list(call.forced_nonces) != forced.nonces:
            expected, found = str(forced.nonces), str(list(call.forced_nonces))
            self._report(FindingCode.FORCED_MISMATCH, f"{where} (nonces)", expected, found)
        for line, nonce in zip((line for line in lines if line.forced), call.forced_nonces, strict=False):
            self._use_nonce(key, line, nonce)
        signed = [(number, line) for number, line in enumerate(lines) if not line.forced]
        try:
            proofs = decode_proofs(call.proofs)
            if len(proofs) != len(signed):
                raise Malformed(f"{len(proofs)} proofs")
        except Malformed as error:
            self._report(FindingCode.ORDER_SIGNATURE, where, f"proofs of {len(signed)} orders", str(error))
            return
        for (number, line), proof in zip(signed, proofs, strict=True):
            place = f"{where}, line {call.chunk * CHUNK_LINES + number}"
            self._check_order(line, proof, book, key, place)
        self._tally.orders += len(lines)

    def _check_order(self, line: Line, proof: Proof, book: BookBook, key: tuple[int, int], where: str) -> None:
        zone, interval_s = key
        gate_s = interval_s - GATE_S
        if proof.expiry_s < gate_s:
            self._report(
                FindingCode.ORDER_EXPIRED, where, f"an order that holds at {gate_s}", f"up to {proof.expiry_s}"
            )
        if proof.nonce >= NONCES or self._state().position(*key, line.account).nonces >> proof.nonce & 1:
            self._report(FindingCode.ORDER_NONCE, where, "a nonce that is free", f"nonce {proof.nonce}")
        self._use_nonce(key, line, proof.nonce)
        try:
            order = Order(
                account=line.account,
                zone=zone,
                interval_s=UnixSeconds(interval_s),
                sell=line.sell,
                quantity_wh=line.quantity_wh,
                limit_micro_per_kwh=line.limit_micro_per_kwh,
                expiry_s=UnixSeconds(proof.expiry_s),
                nonce=proof.nonce,
            )
        except Malformed as error:
            self._report(FindingCode.BOOK_MISMATCH, where, "an order", str(error))
            return
        order_hash = order.order_hash(self._domain)
        if order_hash <= book.last_hash:
            expected, found = f"a hash above {hex_text(book.last_hash)}", hex_text(order_hash)
            self._report(FindingCode.ORDER_SEQUENCE, where, expected, found)
        book.last_hash = order_hash
        keys = self._books.driver_keys(line.account, gate_s)
        try:
            signer = recover(order_hash, expanded(proof.signature))
        except BadSignature as error:
            self._report(FindingCode.ORDER_SIGNATURE, where, _keys_text(line.account, keys), str(error))
            return
        if signer not in keys:
            self._report(FindingCode.ORDER_SIGNATURE, where, _keys_text(line.account, keys), address_text(signer))

    def _use_nonce(self, key: tuple[int, int], line: Line, nonce: int) -> None:
        self._state().positions[*key, line.account] = self._state().position(*key, line.account).without(nonce)

    def enter(self, book: BookBook, key: tuple[int, int], numbers: range, where: str) -> None:
        """Adds what lines of the book get to the positions of their accounts."""
        fills = book.fills or []
        body = b"".join(book.chunks)
        for number in numbers:
            line, wh = decode_line(body[number * LINE_BYTES : (number + 1) * LINE_BYTES]), fills[number]
            if not wh:
                continue
            position = self._state().position(*key, line.account).filled(sell=line.sell, energy_wh=wh)
            self._state().positions[*key, line.account] = position
            if not line.forced and position.bought_wh and position.sold_wh:
                expected = "an account that buys or sells"
                self._report(FindingCode.CLEARING_MISMATCH, f"{where}, account {line.account}", expected, "both")


def _keys_text(account: int, keys: list[bytes]) -> str:
    return f"a key of account {account}: {', '.join(map(address_text, keys)) or 'it had none'}"
