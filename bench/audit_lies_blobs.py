"""Tamperings with readings, authorisations, statements and blobs."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bench.audit_liar import Json, Liar, Planted, Stated, resigned
from bench.audit_stations import driver_key, sign
from domain.audit import FindingCode as Code
from domain.cid import raw_cid
from domain.compression import compress
from domain.evidence import Manifest, unpack
from domain.session import SignedAuthorisation
from domain.signing import CURVE_ORDER
from domain.units import PowerW
from domain.wire import bms_from_json, bms_to_json

Kind = Callable[[Liar], Planted]
SIMPLE = (1, 4)
"""Stations of which nothing was disputed, capped or replaced but at the record's end."""


def _reading(code: Code, change: Callable[[Liar, Json], None], *, root: bool = True) -> Kind:
    """A kind that alters one reading, which is then named."""

    def plant(liar: Liar) -> Planted:
        stated = liar.statement()
        index = stated.reading(first=0, last=0)
        found = stated.edit(lambda value: change(liar, value["readings"][index]))
        roots = ((Code.TELEMETRY_ROOT, stated.place),) if root else ()
        return Planted(((code, stated.at(index)), *roots, *found), (stated.place,))

    return plant


def _number(liar: Liar, reading: Json) -> None:
    name = liar.rng.choice(["import_wh", "export_wh", "power_w", "time"])
    reading[name] += liar.rng.randint(1, 1_000)


def _session(liar: Liar, reading: Json) -> None:
    reading["session"] = "0x" + liar.rng.randbytes(32).hex()


def _signature(liar: Liar, reading: Json) -> None:
    data = bytearray.fromhex(reading["signature"][2:])
    data[liar.rng.randrange(64)] ^= 1 << liar.rng.randrange(8)
    reading["signature"] = "0x" + data.hex()


def _twin(_: Liar, reading: Json) -> None:
    data = bytes.fromhex(reading["signature"][2:])
    s = CURVE_ORDER - int.from_bytes(data[32:64], "big")
    reading["signature"] = "0x" + (data[:32] + s.to_bytes(32, "big") + bytes([55 - data[64]])).hex()


def _parity(_: Liar, reading: Json) -> None:
    data = bytes.fromhex(reading["signature"][2:])
    reading["signature"] = "0x" + (data[:64] + bytes([55 - data[64]])).hex()


def _version(liar: Liar, reading: Json) -> None:
    data = bytes.fromhex(reading["signature"][2:])
    reading["signature"] = "0x" + (data[:64] + bytes([liar.rng.choice([0, 1, 26, 29, 255])])).hex()


def _another_key(liar: Liar) -> Planted:
    stated = liar.statement()
    index = stated.reading(first=0, last=0)
    other = stated.station % 4 + 1
    forged = resigned(liar, stated.evidence.readings[index].reading, other)

    def change(value: Json) -> None:
        value["readings"][index]["signature"] = "0x" + forged.signature.hex()

    found = stated.edit(change)
    return Planted(((Code.READING_SIGNATURE, stated.at(index)), *found), (stated.place,))


def _order(liar: Liar) -> Planted:
    stated = liar.statement(first=False)
    index = stated.reading()

    def change(value: Json) -> None:
        readings = value["readings"]
        readings[index], readings[index + 1] = readings[index + 1], readings[index]

    return Planted(((Code.READING_SWAPPED, stated.place), *stated.edit(change)), (stated.place,))


def _dropped(liar: Liar) -> Planted:
    stated = liar.statement()
    index = stated.reading()
    found = stated.edit(lambda value: value["readings"].pop(index))
    return Planted(((Code.READING_SWAPPED, stated.place), (Code.TELEMETRY_ROOT, stated.place), *found), (stated.place,))


def _last_dropped(liar: Liar) -> Planted:
    stated = liar.statement()
    found = stated.edit(lambda value: value["readings"].pop())
    return Planted(((Code.TELEMETRY_ROOT, stated.place), *found), (stated.place,))


def _added(liar: Liar) -> Planted:
    stated = liar.statement()
    index = stated.reading()
    found = stated.edit(lambda value: value["readings"].insert(index, value["readings"][index]))
    return Planted(((Code.READING_SWAPPED, stated.place), *found), (stated.place,))


def _emptied(liar: Liar) -> Planted:
    stated = liar.statement()
    found = stated.edit(lambda value: value["readings"].clear())
    return Planted(((Code.ROWS_MISMATCH, stated.place), (Code.TELEMETRY_ROOT, stated.place), *found), (stated.place,))


def _stranger(liar: Liar) -> Planted:
    stated = liar.statement()
    other = Stated(liar, stated.settled, (stated.index + 1) % 4)
    index = stated.reading(first=0, last=0)
    stranger: Json = {}
    liar_copy = replace(liar, record=liar.record.copied())
    Stated(liar_copy, other.settled, other.index).edit(lambda value: stranger.update(value["readings"][index]))
    found = stated.edit(lambda value: value["readings"].__setitem__(index, stranger))
    return Planted(((Code.READING_SWAPPED, stated.place), *found), (stated.place,))


def _resigned(liar: Liar) -> Planted:
    """The station signs a reading anew, but not the statement."""
    stated = liar.statement()
    index = stated.reading(first=0, last=0)
    reading = stated.evidence.readings[index].reading
    forged = stated.resign(replace(reading, power_w=PowerW(reading.power_w + 1)))

    def change(value: Json) -> None:
        value["readings"][index]["power_w"] += 1
        value["readings"][index]["signature"] = "0x" + forged.signature.hex()

    return Planted(((Code.TELEMETRY_ROOT, stated.place), *stated.edit(change)), (stated.place,))


def _leap(liar: Liar) -> Planted:
    """The station signs a time that goes back, and a statement over it."""
    stated = liar.statement(SIMPLE, first=False)
    index = stated.reading(first=2)
    readings = list(stated.evidence.readings)
    before = readings[index - 1].reading
    readings[index] = stated.resign(replace(readings[index].reading, time_s=before.time_s))
    stated.restate(readings=readings)
    return Planted(((Code.READING_IMPLAUSIBLE, stated.at(index)),), (stated.place,))


# --- authorisations ------------------------------------------------------------------------------


def _authorisation(liar: Liar) -> Planted:
    stated = liar.statement()
    index = liar.rng.randrange(len(stated.evidence.authorisations))
    account = stated.evidence.authorisations[index].authorisation.account
    name = liar.rng.choice(["max_energy_wh", "max_price_micro_per_kwh", "max_cost_micro", "expiry", "nonce"])

    def change(value: Json) -> None:
        value["authorisations"][index][name] += 1

    where = f"{stated.place}, authorisation of account {account}"
    return Planted(((Code.AUTHORISATION_SIGNATURE, where), *stated.edit(change)), (stated.place,))


def _authorisation_signature(liar: Liar) -> Planted:
    stated = liar.statement()
    index = liar.rng.randrange(len(stated.evidence.authorisations))
    account = stated.evidence.authorisations[index].authorisation.account
    change = liar.rng.choice([_signature, _twin, _parity, _version])
    found = stated.edit(lambda value: change(liar, value["authorisations"][index]))
    where = f"{stated.place}, authorisation of account {account}"
    return Planted(((Code.AUTHORISATION_SIGNATURE, where), *found), (stated.place,))


def _authorisation_dropped(liar: Liar) -> Planted:
    stated = liar.statement()
    index = liar.rng.randrange(len(stated.evidence.authorisations))
    found = stated.edit(lambda value: value["authorisations"].pop(index))
    return Planted(((Code.ROWS_MISMATCH, stated.place), *found), (stated.place,))


def _over_limit(liar: Liar) -> Planted:
    """The driver allowed less; station and operator settle all the same."""
    stated = liar.statement(SIMPLE)
    domain = liar.record.deployed.account_domain
    used = {one.reading.session for one in stated.evidence.readings}
    old = liar.rng.choice([a for a in stated.evidence.authorisations if a.authorisation.session_id(domain) in used])
    limits = old.authorisation
    name, value = liar.rng.choice(
        [
            *(("max_energy_wh", 1), ("max_price_micro_per_kwh", 1), ("max_cost_micro", 1)),
            *(("expiry_s", limits.not_before_s + 1), ("station", stated.station % 4 + 1)),
        ]
    )
    change: dict[str, Any] = {name: value}
    less = replace(limits, nonce=10_000, **change)
    session = less.session_id(domain)
    signed = SignedAuthorisation(less, sign(driver_key(less.account), session))
    readings = [
        stated.resign(replace(one.reading, session=session))
        if one.reading.session == limits.session_id(domain)
        else one
        for one in stated.evidence.readings
    ]
    stated.restate(readings=readings, authorisations=[*stated.evidence.authorisations, signed])
    return Planted(((Code.LIMIT_EXCEEDED, f"{stated.place}, session 0x{session.hex()}"),), (stated.place,))


# --- vehicles ------------------------------------------------------------------------------------


def _vehicle(code: Code, change: Callable[[Liar, list[Json], int], object]) -> Kind:
    """A kind that alters one reading of a vehicle's blob, which is then named."""

    def plant(liar: Liar) -> Planted:
        settled = liar.batch()
        (account, first, last), cid = liar.rng.choice(
            [(key, cid) for key, cid in settled.manifest.vehicles.items() if key[2] - key[1] >= 3]
        )
        index = liar.rng.randrange(1, last - first)
        found = liar.edit(settled, cid, lambda value: change(liar, value["readings"], index))
        who = f"vehicle of account {account}"
        sequence = first + index + (code == Code.READING_SEQUENCE)
        return Planted(((code, f"{who}, reading {sequence}"), *found), (who,))

    return plant


def _bms_number(liar: Liar, readings: list[Json], index: int) -> None:
    name = liar.rng.choice(["state_of_charge_bp", "temperature_deci_c", "pack_millivolt", "pack_milliampere", "time"])
    readings[index][name] += 1


def _bms_time(liar: Liar, readings: list[Json], index: int) -> None:
    """The vehicle signs a time that goes back."""
    signed = bms_from_json(readings[index])
    reading = replace(signed.reading, time_s=bms_from_json(readings[index - 1]).reading.time_s)
    digest = liar.record.deployed.account_domain.digest(reading.struct_hash())
    readings[index] = bms_to_json(replace(signed, reading=reading, signature=sign(driver_key(reading.account), digest)))


def _bms_account(_: Liar, readings: list[Json], index: int) -> None:
    readings[index]["account"] += 1


# --- blobs ---------------------------------------------------------------------------------------


def _byte(liar: Liar) -> Planted:
    settled = liar.batch()
    cids = [*settled.manifest.statements.values(), *settled.manifest.vehicles.values()]
    cid = liar.rng.choice(cids)
    data = bytearray(liar.record.blobs[cid])
    data[liar.rng.randrange(len(data))] ^= 1 << liar.rng.randrange(8)
    liar.record.blobs[cid] = bytes(data)
    return Planted(((Code.EVIDENCE_ALTERED, f"blob {cid}"),), _of(settled.manifest, cid))


def _missing(liar: Liar) -> Planted:
    settled = liar.batch()
    cid = liar.rng.choice([*settled.manifest.statements.values(), *settled.manifest.vehicles.values()])
    del liar.record.blobs[cid]
    return Planted(((Code.EVIDENCE_MISSING, f"blob {cid}"),), _of(settled.manifest, cid))


def _malformed(liar: Liar) -> Planted:
    settled = liar.batch()
    cid = liar.rng.choice([*settled.manifest.statements.values(), *settled.manifest.vehicles.values()])
    blob = liar.record.blobs[cid]
    data = unpack(blob)
    inside = [data.replace(b",", b", ", 1), data[:-1], b"{}", data.replace(b'"time":', b'"time":0', 1)]
    wrong = liar.rng.choice([*map(compress, inside), data, blob[:-1], blob + b"\n"])
    around = _of(settled.manifest, cid)
    found = liar.place(settled, cid, wrong)
    return Planted(((Code.EVIDENCE_MALFORMED, around[0]), *found), around)


def _unrelated(liar: Liar) -> Planted:
    stated = liar.statement()
    other = Stated(liar, stated.settled, (stated.index + 1) % 4)
    found = liar.place(stated.settled, stated.cid, liar.record.blobs[other.cid])
    return Planted(((Code.EVIDENCE_UNRELATED, stated.where), *found), (stated.place,))


def _other_vehicle(liar: Liar) -> Planted:
    settled = liar.batch()
    (_, wanted), (_, given) = liar.rng.sample(sorted(settled.manifest.vehicles.items()), 2)
    around = _of(settled.manifest, wanted)
    found = liar.place(settled, wanted, liar.record.blobs[given])
    return Planted(((Code.EVIDENCE_UNRELATED, around[0]), *found), around)


def _unlisted(liar: Liar) -> Planted:
    """The manifest leaves a statement's blob out."""
    stated = liar.statement()
    listed = dict(stated.settled.manifest.statements)
    del listed[stated.station, stated.sequence]
    liar.commit(stated.settled, Manifest(statements=listed, vehicles=stated.settled.manifest.vehicles))
    return Planted(((Code.EVIDENCE_MISSING, stated.where),), (stated.place,))


def _vehicle_unlisted(liar: Liar) -> Planted:
    """The manifest leaves a vehicle's blob out: its next one does not go on where the last one stopped."""
    settled = liar.batch(liar.rng.choice([1, 2]))
    following = liar.batch(settled.number + 1).manifest.vehicles
    accounts = {account for account, _, _ in following}
    key = liar.rng.choice([key for key in settled.manifest.vehicles if key[0] in accounts])
    listed = {place: cid for place, cid in settled.manifest.vehicles.items() if place != key}
    liar.commit(settled, Manifest(statements=settled.manifest.statements, vehicles=listed))
    who = f"vehicle of account {key[0]}"
    return Planted(((Code.READING_SEQUENCE, who),), (who,))


def _other_manifest(liar: Liar) -> Planted:
    settled, other = (liar.batch(number) for number in liar.rng.sample([1, 2, 3], 2))
    liar.record.blobs[_manifest(settled.batch.evidence)] = liar.record.blobs[_manifest(other.batch.evidence)]
    where = f"batch {settled.number}, "
    return Planted(
        ((Code.EVIDENCE_ALTERED, f"{where}manifest"), (Code.EVIDENCE_MISSING, f"{where}station")),
        (where, "vehicle of account"),
    )


def _manifest_malformed(liar: Liar) -> Planted:
    settled = liar.batch()
    data = unpack(liar.record.blobs[_manifest(settled.batch.evidence)])
    inside = [data + b"\n", b"[]", data.replace(b"station", b"stations", 1)]
    liar.commit(settled, liar.rng.choice([*map(compress, inside), data]))
    where = f"batch {settled.number}, manifest"
    return Planted(((Code.EVIDENCE_MALFORMED, where),), (where, "vehicle of account"))


def _manifest_missing(liar: Liar) -> Planted:
    settled = liar.batch()
    del liar.record.blobs[_manifest(settled.batch.evidence)]
    where = f"batch {settled.number}, manifest"
    return Planted(((Code.EVIDENCE_MISSING, where),), (where, "vehicle of account"))


def _manifest(evidence: bytes) -> str:
    return raw_cid(evidence)


def _of(manifest: Manifest, cid: str) -> tuple[str, ...]:
    """Where findings about a blob and what follows from it are."""
    for (station, sequence), found in manifest.statements.items():
        if found == cid:
            return (f"station {station} statement {sequence}",)
    return tuple(
        f"vehicle of account {account}" for (account, _, _), found in manifest.vehicles.items() if found == cid
    )


BLOB_KINDS: dict[str, Kind] = {
    "reading: a number": _reading(Code.READING_SIGNATURE, _number),
    "reading: its session": _reading(Code.READING_SIGNATURE, _session),
    "reading: its signature": _reading(Code.READING_SIGNATURE, _signature),
    "reading: the high-s twin": _reading(Code.READING_SIGNATURE, _twin),
    "reading: the other v": _reading(Code.READING_SIGNATURE, _parity),
    "reading: a v that is none": _reading(Code.READING_SIGNATURE, _version),
    "reading: another key": _another_key,
    "reading: the order": _order,
    "reading: dropped": _dropped,
    "reading: the last dropped": _last_dropped,
    "reading: one twice": _added,
    "readings: none at all": _emptied,
    "reading: of another station": _stranger,
    "reading: signed anew": _resigned,
    "reading: time does not go on": _leap,
    "authorisation: a number": _authorisation,
    "authorisation: its signature": _authorisation_signature,
    "authorisation: dropped": _authorisation_dropped,
    "authorisation: over its limit": _over_limit,
    "vehicle: a number": _vehicle(Code.READING_SIGNATURE, _bms_number),
    "vehicle: a signature": _vehicle(Code.READING_SIGNATURE, lambda liar, r, i: _signature(liar, r[i])),
    "vehicle: the high-s twin": _vehicle(Code.READING_SIGNATURE, lambda liar, r, i: _twin(liar, r[i])),
    "vehicle: another account": _vehicle(Code.READING_SWAPPED, _bms_account),
    "vehicle: dropped": _vehicle(Code.READING_SEQUENCE, lambda _, r, i: r.pop(i)),
    "vehicle: time does not go on": _vehicle(Code.READING_IMPLAUSIBLE, _bms_time),
    "blob: a byte": _byte,
    "blob: missing": _missing,
    "blob: malformed": _malformed,
    "blob: of another statement": _unrelated,
    "blob: of another vehicle": _other_vehicle,
    "manifest: a statement left out": _unlisted,
    "manifest: a vehicle left out": _vehicle_unlisted,
    "manifest: of another batch": _other_manifest,
    "manifest: malformed": _manifest_malformed,
    "manifest: missing": _manifest_missing,
}
