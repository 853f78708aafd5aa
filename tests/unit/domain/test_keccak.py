"""Our Keccak against another implementation of it."""

from eth_hash.backends.pycryptodome import keccak256
from hypothesis import given
from hypothesis import strategies as st

from domain.keccak import keccak


@given(st.binary(max_size=1000))
def test_digest_is_that_of_another_implementation(data: bytes) -> None:
    assert keccak(data) == keccak256(data)


def test_digest_of_nothing_is_the_published_one() -> None:
    assert keccak(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
