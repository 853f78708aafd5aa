"""Keccak-256 as Ethereum uses it: padded as before FIPS 202, so not `hashlib.sha3_256`."""

import sha3


def keccak(data: bytes) -> bytes:
    """The 32-byte digest of `data`.

    >>> keccak(b"").hex()
    'c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470'
    """
    digest: bytes = sha3.keccak_256(data).digest()
    return digest
