"""Sends what the spool holds, in an order in which the backend can accept it.

A device's messages go out in the order they were made, authorisations before everything that leans on them.
A device whose message is refused is halted: its later ones would be refused too. The others go on.
Statements of a suspended station are held and sent again; its readings go on.
"""

import json
import logging
from collections.abc import Sequence

from domain.wire import bms_from_json, meter_from_json
from oracle.client import MAX_BATCH, BackendClient
from oracle.errors import BackendRefused
from oracle.spool import Message, Spool

WINDOW = 4_000
SUSPENDED = "station-is-suspended"
_log = logging.getLogger(__name__)


class Outbox:
    """Keeps, sends and acknowledges messages; knows which devices cannot go on."""

    def __init__(self, spool: Spool, client: BackendClient) -> None:
        self._spool = spool
        self._client = client
        self.halted: dict[int, str] = {}
        self.held: dict[int, str] = {}

    def halt(self, device: int, who: str, reason: str) -> None:
        """Nothing more is made or sent for this device until the next start."""
        if device not in self.halted:
            self.halted[device] = f"{who}: {reason}"
            _log.error("%s: %s; it is halted", who, reason)

    def flush(self) -> None:
        """Commits, and sends everything that was not acknowledged. BackendUnavailable leaves the rest for later."""
        self.held.clear()
        after_id = 0
        while window := self._spool.unsent(after_id, WINDOW):
            after_id = window[-1].id
            self._send(window)

    def _send(self, window: Sequence[Message]) -> None:
        for message in window:
            if message.kind == "authorisation":
                self._send_single(message)
        readings: list[Message] = []
        statements: list[Message] = []
        stated: set[int] = set()
        for message in window:
            if message.kind == "statement":
                statements.append(message)
                stated.add(message.device)
            elif message.kind != "authorisation":
                # A station's next reading follows its statement, so the statement has to go first.
                if message.device in stated or len(readings) == MAX_BATCH:
                    self._send_group(readings, statements)
                    readings, statements, stated = [], [], set()
                readings.append(message)
        self._send_group(readings, statements)

    def _send_group(self, readings: Sequence[Message], statements: Sequence[Message]) -> None:
        self._send_readings([message for message in readings if message.device not in self.halted])
        for statement in statements:
            self._send_single(statement)

    def _send_single(self, message: Message) -> None:
        if message.device in self.halted or (message.kind == "statement" and message.device in self.held):
            return
        post = self._client.post_statement if message.kind == "statement" else self._client.post_authorisation
        try:
            post(message.body)
        except BackendRefused as refused:
            if refused.problem == SUSPENDED:
                self.held[message.device] = f"{_who(message)}: statement {message.sequence} waits: {refused.detail}"
                _log.warning("%s", self.held[message.device])
                return
            self.halt(message.device, _who(message), f"{message.kind} {message.sequence} was refused: {refused.detail}")
        else:
            self._spool.mark_sent([message.id])

    def _send_readings(self, readings: Sequence[Message]) -> None:
        if not readings:
            return
        lists = {kind: [m for m in readings if m.kind == kind] for kind in ("meter", "bms")}
        refusals = self._client.post_readings(
            meter=[meter_from_json(json.loads(m.body)) for m in lists["meter"]],
            bms=[bms_from_json(json.loads(m.body)) for m in lists["bms"]],
        )
        refused_ids = set()
        for refusal in sorted(refusals, key=lambda r: r.index):
            message = lists[refusal.kind][refusal.index]
            refused_ids.add(message.id)
            self.halt(message.device, _who(message), f"reading {message.sequence} was refused: {refusal.detail}")
        self._spool.mark_sent(m.id for m in readings if m.id not in refused_ids)


def _who(message: Message) -> str:
    return f"{'station' if message.kind in ('meter', 'statement') else 'account'} {message.device}"
