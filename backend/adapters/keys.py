"""A key from one keystore file, for commands that sign on behalf of their user."""

from dataclasses import dataclass, field
from pathlib import Path

import coincurve
from eth_account.signers.local import LocalAccount

from backend.adapters.chain.writer import open_keystore
from domain.text import parse_address


@dataclass(frozen=True, slots=True)
class FileKey:
    """The key in a keystore file; it signs digests, and transactions by its `account`. Never shows the key."""

    account: LocalAccount = field(repr=False)

    @property
    def address(self) -> bytes:
        return parse_address(self.account.address)

    def sign(self, digest: bytes) -> bytes:
        """65 bytes r ‖ s ‖ v over a 32-byte digest; low s, v is 27 or 28."""
        signature = coincurve.PrivateKey(bytes(self.account.key)).sign_recoverable(digest, hasher=None)
        return signature[:64] + bytes([27 + signature[64]])


def file_key(keystore: Path, passphrase_file: Path) -> FileKey:
    """Malformed, without the key or the passphrase, if the file cannot be opened. The oracle's keys are such files."""
    return FileKey(open_keystore(keystore, passphrase_file))
