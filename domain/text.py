"""Bytes as people read and write them: 0x-prefixed hexadecimal, checksummed addresses (EIP-55)."""

import re

from domain.keccak import keccak

_HEX = re.compile(r"0x[0-9a-fA-F]*")


def hex_text(data: bytes) -> str:
    """`data` in lower-case hexadecimal with 0x before it."""
    return "0x" + data.hex()


def parse_hex(text: str, length: int) -> bytes:
    """The `length` bytes that `text` (0x and hexadecimal digits) stands for; ValueError otherwise."""
    if len(text) != 2 + 2 * length or not _HEX.fullmatch(text):
        raise ValueError(f"not 0x and {2 * length} hexadecimal digits")
    return bytes.fromhex(text[2:])


def address_text(address: bytes) -> str:
    """The checksummed form of a 20-byte address (EIP-55)."""
    digits = address.hex()
    mask = keccak(digits.encode()).hex()
    return "0x" + "".join(c.upper() if m in "89abcdef" else c for c, m in zip(digits, mask[:40], strict=True))


def parse_address(text: str) -> bytes:
    """The 20 bytes of an address; ValueError if it is malformed or its checksum is wrong.

    All-lower and all-upper digits carry no checksum and are taken as they are (EIP-55).
    """
    address = parse_hex(text, 20)
    digits = text[2:]
    if digits not in (digits.lower(), digits.upper()) and text != address_text(address):
        raise ValueError("address has a wrong checksum")
    return address
