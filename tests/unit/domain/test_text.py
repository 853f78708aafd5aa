"""Hexadecimal and checksummed addresses."""

import pytest
from web3 import Web3

from domain.text import address_text, hex_text, parse_address, parse_hex
from tests.vectors.world import STATION_KEY

EIP_55 = [
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
    "0xde709f2102306220921060314715629080e2fb77",
    "0x27b1fdb04752bbc536007a920d24acb045561c26",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
]


@pytest.mark.parametrize("text", EIP_55)
def test_address_has_the_checksum_of_eip_55(text: str) -> None:
    address = bytes.fromhex(text[2:])
    assert address_text(address) == text
    assert parse_address(text) == address


def test_address_agrees_with_web3() -> None:
    assert address_text(STATION_KEY.address) == Web3.to_checksum_address(STATION_KEY.address)


@pytest.mark.parametrize("case", [str.lower, str.upper])
def test_address_without_a_checksum_is_taken_as_it_is(case: type[str]) -> None:
    text = "0x" + case(EIP_55[4][2:])
    assert address_text(parse_address(text)) == EIP_55[4]


def test_address_with_a_wrong_checksum_is_refused() -> None:
    with pytest.raises(ValueError, match="checksum"):
        parse_address(EIP_55[4].replace("A", "a", 1))


@pytest.mark.parametrize(
    "text",
    ["", "0x", EIP_55[0][2:], EIP_55[0][:-1], EIP_55[0] + "0", "0X" + EIP_55[0][2:], EIP_55[0][:-1] + "g"],
)
def test_text_that_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="hexadecimal"):
        parse_address(text)


@pytest.mark.parametrize("text", ["0x0", "0x012", "0x 1", "0x1_", "0x٠١", "0x01\n", " 0x01", "0b01"])
def test_text_that_is_no_hexadecimal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="hexadecimal"):
        parse_hex(text, 1)


def test_hexadecimal_is_read_back() -> None:
    assert hex_text(b"\x00\xab") == "0x00ab"
    assert parse_hex("0x00aB", 2) == b"\x00\xab"
    assert parse_hex("0x", 0) == b""
