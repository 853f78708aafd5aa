"""A folder of encrypted keys: one file a key, in the Web3 Secret Storage format, version 3.

The folder has mode 0700, its files 0600; files that others can read are not opened. The passphrase comes
from a file or from the environment, never from the command line, where every process could read it.

`iterations` is the work of the key derivation: scrypt's N (a power of two), or the rounds of PBKDF2.
The default takes about a second a key. A demonstration with a hundred keys passes a low number: that
protects against nobody who holds the files.
"""

import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NoReturn

import coincurve
from eth_account import Account

from domain.keccak import keccak
from domain.text import parse_hex
from oracle.errors import KeystoreInvalid, PassphraseMissing, WrongPassphrase

Kdf = Literal["scrypt", "pbkdf2"]

DEFAULT_ITERATIONS: dict[Kdf, int] = {"scrypt": 1 << 17, "pbkdf2": 600_000}
PASSPHRASE_VARIABLE = "WATTLEDGER_PASSPHRASE"  # noqa: S105 (the variable's name)

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
_SUFFIX = ".json"


class KeySigner:
    """Holds one private key and signs with it. Never shows, copies or pickles it."""

    __slots__ = ("_address", "_key")

    def __init__(self, secret: bytes) -> None:
        self._key = coincurve.PrivateKey(secret)
        self._address = keccak(self._key.public_key.format(compressed=False)[1:])[12:]

    @property
    def address(self) -> bytes:
        return self._address

    def sign(self, digest: bytes) -> bytes:
        """65 bytes r ‖ s ‖ v over a 32-byte digest; deterministic (RFC 6979), low s, v is 27 or 28."""
        signature = self._key.sign_recoverable(digest, hasher=None)
        return signature[:64] + bytes([27 + signature[64]])

    def __repr__(self) -> str:
        return f"KeySigner(0x{self._address.hex()})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signer's key does not leave its process")


def create(
    folder: Path,
    names: Sequence[str],
    passphrase: str,
    *,
    iterations: int | None = None,
    kdf: Kdf = "scrypt",
) -> dict[str, bytes]:
    """Makes a key for each name and writes it encrypted; the new keys' addresses by name.

    KeystoreInvalid if a name is taken or no file name, or `iterations` does not fit the derivation; then
    nothing is written.
    """
    rounds = DEFAULT_ITERATIONS[kdf] if iterations is None else iterations
    if rounds <= 1 or (kdf == "scrypt" and rounds & (rounds - 1)):
        raise KeystoreInvalid(f"{rounds} iterations do not fit {kdf}: scrypt takes a power of two, both at least 2")
    if not passphrase:
        raise PassphraseMissing("an empty passphrase protects nothing")
    _check_names(folder, names)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    return {name: _write_key(folder / f"{name}{_SUFFIX}", passphrase, kdf, rounds) for name in names}


def numbered(prefix: str, count: int) -> list[str]:
    """Names for `count` keys: prefix-001, prefix-002 and so on."""
    width = max(3, len(str(count)))
    return [f"{prefix}-{number:0{width}}" for number in range(1, count + 1)]


def list_keys(folder: Path) -> dict[str, bytes]:
    """Name and address of each key in the folder, without opening any."""
    return {path.stem: _address_in(_read(path), path) for path in _files(folder)}


def open_keystore(folder: Path, passphrase: str) -> dict[bytes, KeySigner]:
    """A signer for each key in the folder, by address. WrongPassphrase if one does not open."""
    signers = (_open_key(path, passphrase) for path in _files(folder))
    return {signer.address: signer for signer in signers}


def read_passphrase(file: Path | None) -> str:
    """The passphrase: the file's first line, or else the environment's WATTLEDGER_PASSPHRASE."""
    if file is None:
        passphrase = os.environ.get(PASSPHRASE_VARIABLE, "")
        if not passphrase:
            raise PassphraseMissing(f"give --passphrase-file, or set {PASSPHRASE_VARIABLE}")
        return passphrase
    try:
        passphrase = file.read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise PassphraseMissing(f"{file} cannot be read as text") from error
    if not passphrase:
        raise PassphraseMissing(f"the first line of {file} is empty; it must be the passphrase")
    return passphrase


def _check_names(folder: Path, names: Sequence[str]) -> None:
    if len(set(names)) != len(names):
        raise KeystoreInvalid("two keys would have the same name")
    for name in names:
        if not _NAME.fullmatch(name):
            raise KeystoreInvalid(f"{name!r} is no name for a key: letters, digits, '.', '_' and '-', at most 100")
        if (folder / f"{name}{_SUFFIX}").exists():
            raise KeystoreInvalid(f"{folder / name}{_SUFFIX} exists; a key is never overwritten")


def _write_key(path: Path, passphrase: str, kdf: Kdf, rounds: int) -> bytes:
    """Writes beside, then renames, so that no half-written key bears a key's name."""
    secret = coincurve.PrivateKey().secret
    encrypted = Account.encrypt(secret, passphrase, kdf=kdf, iterations=rounds)
    beside = path.with_suffix(".new")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        os.fchmod(file.fileno(), 0o600)
        json.dump(encrypted, file)
        file.flush()
        os.fsync(file.fileno())
    beside.rename(path)
    return KeySigner(secret).address


def _files(folder: Path) -> Iterable[Path]:
    if not folder.is_dir():
        raise KeystoreInvalid(f"{folder} is no folder; make it with: wattledger-oracle keys create")
    files = sorted(folder.glob(f"*{_SUFFIX}"))
    if not files:
        raise KeystoreInvalid(f"{folder} holds no key; make some with: wattledger-oracle keys create")
    return files


def _read(path: Path) -> dict[str, object]:
    try:
        value = json.loads(path.read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        raise KeystoreInvalid(f"{path} is not a readable keystore file") from error
    if not isinstance(value, dict):
        raise KeystoreInvalid(f"{path} is not a keystore file")
    return value


def _address_in(value: dict[str, object], path: Path) -> bytes:
    try:
        return parse_hex("0x" + str(value["address"]).removeprefix("0x"), 20)
    except (KeyError, ValueError) as error:
        raise KeystoreInvalid(f"{path} names no address") from error


def _open_key(path: Path, passphrase: str) -> KeySigner:
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise KeystoreInvalid(f"{path} has mode {mode:04o}: others can read it; run: chmod 600 {path}")
    value = _read(path)
    address = _address_in(value, path)
    try:
        secret = bytes(Account.decrypt(value, passphrase))
    except ValueError as error:
        if "MAC mismatch" in str(error):
            raise WrongPassphrase(path) from None
        raise KeystoreInvalid(f"{path} is not a keystore of version 3") from None
    except (KeyError, TypeError, NotImplementedError):
        raise KeystoreInvalid(f"{path} is not a keystore of version 3") from None
    signer = KeySigner(secret)
    if signer.address != address:
        raise KeystoreInvalid(f"{path} holds another key than the address it names")
    return signer
