"""Tamperings with statements, batches, events, balances and claims."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bench.audit_liar import Liar, Planted, Stated
from domain.audit import FindingCode as Code
from domain.audit.claims import Claims
from domain.batch import encode_batch
from domain.chain import Call, View
from domain.statement import Row
from domain.text import address_text
from domain.units import AccountId, EnergyWh

Kind = Callable[[Liar], Planted]
LAST = 4
"""A station whose statements nobody disputed, capped or replaced the meter of."""
STRANGER = b"\x99" * 20
MONEY = ("account ", "escrow")


# --- statements ----------------------------------------------------------------------------------


def _restated(code: Code, change: Callable[[Stated], dict[str, Any]], suffix: str = "") -> Kind:
    """A kind in which a station signs a statement that does not fit, and it is settled all the same."""

    def plant(liar: Liar) -> Planted:
        stated = Stated(liar, liar.batch(3), LAST - 1)
        stated.restate(**change(stated))
        around = (f"station {LAST} statement", f"station {LAST} (", "batch 3", *MONEY)
        where = f"batch 3, station {LAST} statement"
        return Planted(((code, where + suffix),), around)

    return plant


def _tariff(stated: Stated) -> dict[str, Any]:
    rows = list(stated.signed.statement.rows)
    rows[0] = replace(rows[0], tariff_offset=rows[0].tariff_offset + 1)
    return {"rows": tuple(rows)}


def _register(stated: Stated) -> dict[str, Any]:
    return {"import_wh": EnergyWh(stated.signed.statement.import_wh + stated.liar.rng.randint(1, 99))}


def _hidden_row(stated: Stated) -> dict[str, Any]:
    return {"rows": stated.signed.statement.rows[1:]}


def _other_account(stated: Stated) -> dict[str, Any]:
    rows = list(stated.signed.statement.rows)
    at = stated.liar.rng.randrange(len(rows))
    rows[at] = replace(rows[at], account=AccountId(6))
    return {"rows": tuple(rows)}


def _row_swapped(liar: Liar) -> Planted:
    """A row's account is another one in the data of the transaction: the station did not sign that."""
    stated = liar.statement((LAST,))
    rows = list(stated.signed.statement.rows)
    rows[0] = Row(**{name: getattr(rows[0], name) for name in Row.__slots__} | {"account": 1 + rows[0].account})
    statements = list(stated.settled.batch.statements)
    statements[stated.index] = replace(stated.signed, statement=replace(stated.signed.statement, rows=tuple(rows)))
    data = encode_batch(replace(stated.settled.batch, statements=tuple(statements)))
    liar.call(liar.record.log[stated.settled.at].tx, data)
    around = (f"batch {stated.settled.number}", *MONEY)
    return Planted(((Code.STATEMENT_SIGNATURE, stated.where),), around)


def _statement_signature(liar: Liar) -> Planted:
    stated = liar.statement()
    data = bytearray(stated.signed.signature)
    data[liar.rng.randrange(32)] ^= 1 << liar.rng.randrange(8)
    statements = list(stated.settled.batch.statements)
    statements[stated.index] = replace(stated.signed, signature=bytes(data))
    liar.call(
        liar.record.log[stated.settled.at].tx, encode_batch(replace(stated.settled.batch, statements=tuple(statements)))
    )
    return Planted(((Code.STATEMENT_SIGNATURE, stated.where), (Code.EVIDENCE_UNRELATED, stated.where)), (stated.place,))


# --- batches and what their events tell ----------------------------------------------------------


def _batch_event(code: Code, around: tuple[str, ...] = (), **change: Callable[[Liar, Any], Any]) -> Kind:
    def plant(liar: Liar) -> Planted:
        settled = liar.batch()
        args = liar.record.log[settled.at].args
        liar.alter(settled.at, **{name: make(liar, args[name]) for name, make in change.items()})
        return Planted(((code, f"batch {settled.number}"),), (f"batch {settled.number}", *around))

    return plant


def _more(liar: Liar, value: int) -> int:
    return value + liar.rng.randint(1, 1_000_000)


def _flipped(liar: Liar, value: bytes) -> bytes:
    at = liar.rng.randrange(len(value))
    return value[:at] + bytes([value[at] ^ 1 << liar.rng.randrange(8)]) + value[at + 1 :]


def _word(liar: Liar, words: list[int]) -> list[int]:
    at = liar.rng.randrange(len(words))
    return [*words[:at], words[at] ^ 1 << liar.rng.randrange(256), *words[at + 1 :]]


def _batch_number(liar: Liar) -> Planted:
    settled = liar.batch()
    liar.alter(settled.at, batch=settled.number + 10)
    around = (f"batch {settled.number}", "DebtRecorded", "statement 1 row", *MONEY)
    return Planted(((Code.BATCH_NUMBER, f"batch {settled.number + 10}"),), around)


def _hidden_batch(liar: Liar) -> Planted:
    """A node keeps the last batch to itself."""
    settled = liar.batch(3)
    del liar.record.log[settled.at]
    around = ("station ", "RowSetAside", "DebtRecorded", "after batch 2", "debt ", *MONEY)
    expected = ((Code.BATCH_CHAIN, "after batch 2"), (Code.STATION_STATE, f"station {LAST} ("))
    return Planted(expected, around)


def _hidden_between(liar: Liar) -> Planted:
    """A node keeps a batch to itself that others follow."""
    settled = liar.batch(liar.rng.choice([1, 2]))
    del liar.record.log[settled.at]
    where = f"batch {settled.number + 1}"
    return Planted(
        (
            (Code.BATCH_NUMBER, where),
            (Code.STATEMENT_SEQUENCE, f"{where}, station {LAST}"),
            (Code.BATCH_CHAIN, "after batch 2"),
        ),
        ("",),
    )


def _behind(liar: Liar) -> Planted:
    settled = liar.batch(3)
    tx = liar.record.log[settled.at].tx
    call = liar.record.calls[tx]
    liar.record.calls[tx] = liar.rng.choice(
        [Call(to=STRANGER, data=call.data), Call(to=call.to, data=b"\x01\x02\x03\x04" + call.data[4:])]
    )
    return Planted(((Code.BATCH_HIDDEN, "batch 3"),), ("batch 3", "station ", "RowSetAside", "debt ", *MONEY))


def _batch_malformed(liar: Liar) -> Planted:
    settled = liar.batch(3)
    data = encode_batch(settled.batch)
    wrong = liar.rng.choice([data[:-1], data + b"\0", b"\x02" + data[1:], data[:3] + b"\xff" + data[4:], b""])
    liar.call(liar.record.log[settled.at].tx, wrong)
    return Planted(((Code.BATCH_MALFORMED, "batch 3"),), ("batch 3", "station ", "RowSetAside", "debt ", *MONEY))


def _head(liar: Liar) -> Planted:
    view = View("SessionSettlement", "head")
    liar.answer(view, liar.record.answers[view] ^ 1 << liar.rng.randrange(200))
    return Planted(((Code.BATCH_CHAIN, "after batch 3"),), ("after batch 3",))


# --- events --------------------------------------------------------------------------------------


def _event(name: str, code: Code, where: str, change: Callable[[Any], dict[str, Any]], *around: str) -> Kind:
    """A kind that alters any event of this name. `where` and `around` may name its arguments and its {block}."""

    def plant(liar: Liar) -> Planted:
        at = liar.event(name)
        before = liar.alter(at, **change(liar.record.log[at].args))
        places = [text.format(block=before.block, **before.args) for text in (where, *around)]
        return Planted(((code, places[0]),), tuple(places))

    return plant


def _dropped_event(name: str, code: Code, where: str, *around: str) -> Kind:
    def plant(liar: Liar) -> Planted:
        at = liar.event(name)
        event = liar.record.log.pop(at)
        places = [text.format(block=event.block, **event.args) for text in (where, *around)]
        return Planted(((code, places[0]),), tuple(places))

    return plant


def _around_batch(
    contract: str, begin: tuple[str, dict[str, Any]], end: tuple[str, dict[str, Any]] | None, code: Code
) -> Kind:
    """A kind that puts an event before the last batch, and its end behind it."""

    def plant(liar: Liar) -> Planted:
        at = liar.batch(3).at
        start = next(i for i, event in enumerate(liar.record.log) if event.tx == liar.record.log[at].tx)
        if end is not None:
            liar.insert(at + 1, contract, end[0], **end[1])
        liar.insert(start, contract, begin[0], **begin[1])
        return Planted(((code, "batch 3"),), ("batch 3", "DebtRecorded"))

    return plant


def _suspended(liar: Liar) -> Planted:
    at = liar.batch(3).at
    start = next(i for i, event in enumerate(liar.record.log) if event.tx == liar.record.log[at].tx)
    station = liar.rng.randint(1, 4)
    args = {"station": station, "byGovernance": liar.rng.random() < 0.5, "by": 1}
    liar.insert(at + 1, "StationRegistry", "StationReactivated", **args)
    liar.insert(start, "StationRegistry", "StationSuspended", **args)
    where = f"batch 3, station {station} "
    return Planted(((Code.SETTLED_WHILE_SUSPENDED, where),), (where,))


def _frozen(liar: Liar) -> Planted:
    at = liar.event("Withdrawn")
    event = liar.record.log[at]
    until_s = liar.record.time_of(event.block) + 3_600
    liar.insert(at, "Escrow", "WithdrawalsFrozen", by=3, until=until_s)
    return Planted(
        ((Code.GUARD_PASSED, f"block {event.block}, Withdrawn"),),
        (f"block {event.block}, Withdrawn", "escrow, frozen until"),
    )


def _foreign(liar: Liar) -> Planted:
    at = liar.event("Paused")
    now_s = liar.record.time_of(liar.record.log[at].block)
    gate, delay_s = liar.rng.choice(["Escrow", "StationRegistry"]), 7 * 86_400
    liar.insert(at, gate, "ModuleProposed", module=STRANGER, activeFrom=now_s + delay_s)
    return Planted(((Code.MODULE_FOREIGN, f"{gate} at"), (Code.MODULE_STATE, f"{gate}, module")), ())


def _timelock(liar: Liar) -> Planted:
    at = liar.event("Paused")
    block = liar.record.log[at].block
    liar.insert(at, "Escrow", "ModuleProposed", module=STRANGER, activeFrom=liar.record.time_of(block) + 1)
    return Planted(
        ((Code.MODULE_TIMELOCK, f"block {block}, Escrow"),), (f"block {block}, Escrow", "Escrow at", "Escrow, module")
    )


def _inactive(liar: Liar) -> Planted:
    at = liar.batch(3).at
    start = next(i for i, event in enumerate(liar.record.log) if event.tx == liar.record.log[at].tx)
    liar.insert(start, "StationRegistry", "ModuleRemoved", module=liar.record.deployed.settlement)
    return Planted(((Code.MODULE_INACTIVE, "batch 3"), (Code.MODULE_STATE, "StationRegistry, module")), ())


def _set_aside_elsewhere(liar: Liar) -> Planted:
    at = liar.event("Paused")
    block = liar.record.log[at].block
    args = {"station": 1, "batch": 1, "payer": 6, "sequence": 1, "row": 0, "owedMicro": liar.rng.randint(1, 999)}
    liar.insert(at, "SessionSettlement", "RowSetAside", **args)
    return Planted(((Code.SET_ASIDE_MISMATCH, f"block {block}, RowSetAside"),), (f"block {block}, RowSetAside",))


def _used_price(liar: Liar) -> Planted:
    at = liar.event("TariffPublished", tariff=0)
    liar.alter(at, priceMicroPerKwh=liar.record.log[at].args["priceMicroPerKwh"] * 2)
    around = ("batch ", "station ", *MONEY, "Released", "RowReversed", "debt ")
    return Planted(((Code.AMOUNT_MISMATCH, "batch 1"), (Code.TARIFF_STATE, "tariff 0 (")), around)


def _vehicle_key(liar: Liar) -> Planted:
    """A node gives a driver's account another vehicle key."""
    account = liar.rng.choice(sorted(key[0] for key in liar.batch(1).manifest.vehicles))
    liar.alter(liar.event("AccountOpened", account=account), driverKey=STRANGER)
    expected = (
        (Code.READING_SIGNATURE, f"vehicle of account {account}"),
        (Code.AUTHORISATION_SIGNATURE, f"authorisation of account {account}"),
        (Code.ACCOUNT_STATE, f"account {account}, vehicle key"),
    )
    return Planted(expected, (" statement ",))


def _cap(liar: Liar) -> Planted:
    """A node says that a cap is still there."""
    at = liar.event("DailyCapSet", capMicro=0)
    event = liar.alter(at, capMicro=10**12)
    where = f"account {event.args['account']}, daily cap"
    return Planted(((Code.GUARD_STATE, where),), (where,))


def _waiting(liar: Liar) -> Planted:
    """A node says that the last request may be paid out earlier."""
    at = max(at for at, event in enumerate(liar.record.log) if event.name == "WithdrawalRequested")
    event = liar.alter(at, availableAt=liar.record.log[at].args["availableAt"] - 60)
    where = f"account {event.args['account']}, withdrawal"
    return Planted(((Code.GUARD_STATE, where),), (where,))


# --- the chain's state ---------------------------------------------------------------------------


def _balance(liar: Liar) -> Planted:
    names = {"freeOf": "free", "withdrawalOf": "waiting to be withdrawn", "lockedOf": "locked", "debtsOf": "owed"}
    function = liar.rng.choice(sorted(names))
    asked = (view for view in liar.record.answers if view.function == function)
    view = liar.rng.choice(sorted(asked, key=lambda view: str(view.args)))
    more, answer = liar.rng.randint(1, 10**6), liar.record.answers[view]
    liar.answer(view, answer + more if isinstance(answer, int) else (answer[0] + more, *answer[1:]))
    where = f"account {view.args[0]}, {names[function]}"
    return Planted(((Code.BALANCE_MISMATCH, where),), (where, f"account {view.args[0]}, withdrawal"))


def _short(liar: Liar) -> Planted:
    view = View("SettlementToken", "balanceOf", (address_text(liar.record.deployed.escrow),))
    liar.answer(view, liar.record.answers[view] - liar.rng.randint(1, 10**6))
    return Planted(((Code.ESCROW_SHORT, "escrow"),), ("escrow",))


def _station(liar: Liar) -> Planted:
    station = liar.rng.randint(1, 4)
    view = View("StationRegistry", "stationOf", (station,))
    state = liar.record.answers[view]
    name = liar.rng.choice(["importWh", "exportWh", "sequence", "suspendedByOperator", "signer"])
    other = {"suspendedByOperator": True, "signer": address_text(STRANGER)}
    liar.answer(
        view, state._replace(**{name: other.get(name, getattr(state, name, 0) + 1 if name not in other else 0)})
    )
    where = f"station {station} ("
    return Planted(((Code.STATION_STATE, where),), (where,))


# --- claims --------------------------------------------------------------------------------------


def _claim(code: Code, change: Callable[[Liar, Claims], tuple[Claims, str]]) -> Kind:
    def plant(liar: Liar) -> Planted:
        honest = liar.record.claims
        assert honest is not None
        liar.record.claims, where = change(liar, honest)
        return Planted(((code, where),), (where,))

    return plant


def _claimed_amount(liar: Liar, claims: Claims) -> tuple[Claims, str]:
    amounts = list(claims.amounts)
    at = liar.rng.randrange(len(amounts))
    name = liar.rng.choice(["payer", "payee", "owed_micro", "received_micro"])
    one = amounts[at]
    amounts[at] = replace(one, **{name: getattr(one, name) + 1})
    return replace(claims, amounts=amounts), f"claim: station {one.station} statement {one.sequence} row {one.row}"


def _claimed_nothing(liar: Liar, claims: Claims) -> tuple[Claims, str]:
    amounts = list(claims.amounts)
    one = amounts.pop(liar.rng.randrange(len(amounts)))
    return replace(claims, amounts=amounts), f"claim: station {one.station} statement {one.sequence} row {one.row}"


def _claimed_more(liar: Liar, claims: Claims) -> tuple[Claims, str]:
    amounts = list(claims.amounts)
    one = replace(liar.rng.choice(amounts), row=200)
    return (
        replace(claims, amounts=[*amounts, one]),
        f"claim: station {one.station} statement {one.sequence} row {one.row}",
    )


def _claimed_balance(liar: Liar, claims: Claims) -> tuple[Claims, str]:
    account = liar.rng.choice(sorted(claims.balances))
    return (
        replace(claims, balances={**claims.balances, account: claims.balances[account] + 1}),
        f"claim: balance of account {account}",
    )


def _claimed_station(liar: Liar, claims: Claims) -> tuple[Claims, str]:
    station = liar.rng.choice(sorted(claims.stations))
    import_wh, export_wh, sequence = claims.stations[station]
    return (
        replace(claims, stations={**claims.stations, station: (import_wh, export_wh + 1, sequence)}),
        f"claim: station {station}",
    )


def _one_more(*names: str) -> Callable[[Any], dict[str, Any]]:
    return lambda args: {name: args[name] + 1 for name in names}


CHAIN_KINDS: dict[str, Kind] = {
    "statement: another tariff": _restated(Code.TARIFF_INVALID, _tariff),
    "statement: a register": _restated(Code.REGISTER_MISMATCH, _register),
    "statement: a row hidden": _restated(Code.REGISTER_MISMATCH, _hidden_row),
    "statement: accounts swapped": _restated(Code.ROWS_MISMATCH, _other_account),
    "statement: its number": _restated(
        Code.STATEMENT_SEQUENCE, lambda s: {"sequence": s.sequence + s.liar.rng.randint(1, 9)}
    ),
    "statement: its start": _restated(
        Code.STATEMENT_TIME, lambda s: {"start_s": s.signed.statement.start_s - s.liar.rng.randint(1, 99)}
    ),
    "statement: no reading at all": _restated(Code.ROWS_MISMATCH, lambda _: {"readings": ()}),
    "row: its account, unsigned": _row_swapped,
    "statement: its signature": _statement_signature,
    "batch: what it paid": _batch_event(Code.AMOUNT_MISMATCH, paidMicro=_more),
    "batch: its dust": _batch_event(Code.AMOUNT_MISMATCH, dustMicro=_more),
    "batch: its rows": _batch_event(Code.AMOUNT_MISMATCH, rows=_more),
    "batch: its evidence": _batch_event(Code.EVENT_MISMATCH, evidence=_flipped),
    "batch: its statements": _batch_event(Code.EVENT_MISMATCH, statements=_word),
    "batch: its digest": _batch_event(Code.BATCH_DIGEST, ("after batch 3",), digest=_flipped),
    "batch: its number": _batch_number,
    "batch: the last one hidden": _hidden_batch,
    "batch: one before others hidden": _hidden_between,
    "batch: behind another contract": _behind,
    "batch: malformed": _batch_malformed,
    "chain: its head": _head,
    "chain: settled while paused": _around_batch(
        "Escrow", ("Paused", {"by": 3}), ("Unpaused", {"by": 3}), Code.SETTLED_WHILE_PAUSED
    ),
    "chain: settled while suspended": _suspended,
    "chain: paid out while frozen": _frozen,
    "chain: a foreign module": _foreign,
    "chain: a module too soon": _timelock,
    "chain: settled by no module": _inactive,
    "chain: a row set aside by no batch": _set_aside_elsewhere,
    "event: a row set aside, dropped": _dropped_event(
        "RowSetAside", Code.SET_ASIDE_MISMATCH, "batch {batch} (batch, station"
    ),
    "event: what was set aside": _event(
        "RowSetAside", Code.SET_ASIDE_MISMATCH, "batch {batch} (batch, station", _one_more("owedMicro")
    ),
    "event: a debt": _event(
        *("DebtRecorded", Code.DEBT_MISMATCH, "batch {batch} (batch", _one_more("owedMicro")),
        *("account {debtor}",),
    ),
    "event: a debt collected": _event(
        *("DebtCollected", Code.DEBT_COLLECTION, "debt {number} of account {debtor}", _one_more("owedMicro")),
        *("account {debtor},", "account 2,"),
    ),
    "event: a deposit": _event(
        *("Deposited", Code.BALANCE_MISMATCH, "account {account}, free", _one_more("amountMicro")),
        *("escrow",),
    ),
    "event: a deposit dropped": _dropped_event(
        *("Deposited", Code.BALANCE_MISMATCH, "account {account}, free", "account {account}", "account 2,"),
        *("batch ", "station ", "account 4,", "Locked", "Released"),
    ),
    "event: a withdrawal": _event(
        *("Withdrawn", Code.BALANCE_MISMATCH, "account {account}, waiting", _one_more("amountMicro")),
        *("account {account}, withdrawal",),
    ),
    "event: a new meter": _event(
        *("MeterReplaced", Code.METER_REPLACEMENT, "meter of station {station}", _one_more("closingImportWh")),
        *("station {station} ",),
    ),
    "event: what the old meter moved": _event(
        *(
            "MeterReplaced",
            Code.UNBILLED_ENERGY,
            "station {station} statement 4, reading",
            _one_more("closingImportWh"),
        ),
        *("meter of station {station}",),
    ),
    "event: a station's key": _event(
        *("StationRegistered", Code.STATEMENT_SIGNATURE, "batch 1, station {station} statement 1"),
        *(lambda _: {"signer": STRANGER}, "station {station} "),
    ),
    "event: a station's register": _event(
        *("StationRegistered", Code.REGISTER_MISMATCH, "batch 1, station {station} statement 1"),
        *(_one_more("importWh"), "station {station} statement 1"),
    ),
    "event: a station's rated power": _event(
        *("StationRegistered", Code.READING_IMPLAUSIBLE, "station {station} statement 1, reading"),
        *(lambda _: {"ratedPowerW": 100}, "station {station} "),
    ),
    "event: who disputes whose row": _event(
        *("RowDisputed", Code.DISPUTE_MISMATCH, "block {block}, RowDisputed", _one_more("payer")),
    ),
    "event: a bond": _event(
        "RowDisputed", Code.BOND_MISMATCH, "block {block}, Locked", _one_more("bondMicro"), "Released"
    ),
    "event: a dispute dropped": _dropped_event(
        *("RowDisputed", Code.BOND_MISMATCH, "block {block}, Locked"),
        *("station {station} statement {sequence} row {row}", "Released", *MONEY),
    ),
    "event: an answer to a dispute": _event(
        *("RowJustified", Code.DISPUTE_MISMATCH, "block {block}, RowJustified", _one_more("row"), "Released"),
        *("dispute of station {station} statement {sequence} ",),
    ),
    "event: a reversal": _event(
        "RowReversed", Code.REVERSAL_MISMATCH, "block {block}, RowReversed", _one_more("owedMicro")
    ),
    "event: a bond released": _event(
        *("Released", Code.BOND_MISMATCH, "block {block}, Released", _one_more("amountMicro")),
        *("account ", "Released"),
    ),
    "event: a price": _event(
        *("TariffPublished", Code.TARIFF_STATE, "tariff {tariff} (", _one_more("priceMicroPerKwh")),
        *("batch ", "station ", *MONEY, "Released", "RowReversed", "debt "),
    ),
    "event: a price that was used": _used_price,
    "event: whose a price is": _event(
        *("TariffPublished", Code.TARIFF_STATE, "tariff {tariff} (", _one_more("payee")),
        *("batch ", "station ", *MONEY, "Released", "RowReversed", "debt "),
    ),
    "event: how long a price is valid": _event(
        *("TariffPublished", Code.TARIFF_STATE, "tariff {tariff} (", lambda a: {"validTo": a["validTo"] - 7_000}),
        *("batch ", "station "),
    ),
    "event: a vehicle key": _vehicle_key,
    "event: an account's owner": _event(
        *("AccountOpened", Code.ACCOUNT_STATE, "account {account}, owner", lambda _: {"owner": STRANGER}),
    ),
    "event: an account's end": _dropped_event("AccountClosed", Code.ACCOUNT_STATE, "account {account}, open"),
    "event: a pause that goes on": _dropped_event(
        *("Unpaused", Code.GUARD_STATE, "escrow, paused", "Locked", "Released", "DebtCollected"),
    ),
    "event: a cap that goes on": _cap,
    "event: a waiting time": _waiting,
    "event: a gate's delay": _event(
        *("ModulesSealed", Code.MODULE_STATE, ", delay s", lambda a: {"moduleDelay": a["moduleDelay"] + 1}),
    ),
    "event: when a row was set aside": _event(
        *("RowSetAside", Code.SET_ASIDE_MISMATCH, "batch {batch} (batch, station", _one_more("batch")),
    ),
    "state: a balance": _balance,
    "state: the escrow": _short,
    "state: a station": _station,
    "claim: an amount": _claim(Code.CLAIM_AMOUNT, _claimed_amount),
    "claim: a row left out": _claim(Code.CLAIM_MISSING, _claimed_nothing),
    "claim: a row too many": _claim(Code.CLAIM_UNPROVEN, _claimed_more),
    "claim: a balance": _claim(Code.CLAIM_BALANCE, _claimed_balance),
    "claim: a station": _claim(Code.CLAIM_STATION, _claimed_station),
}
