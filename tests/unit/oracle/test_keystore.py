"""Keys at rest and in use."""

import pickle
import stat
from pathlib import Path

import pytest

from domain.signing import HALF_CURVE_ORDER, recover
from oracle import keystore
from oracle.errors import KeystoreInvalid, PassphraseMissing, WrongPassphrase

PASSPHRASE = "correct horse"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.mark.parametrize("kdf", ["scrypt", "pbkdf2"])
def test_keys_open_with_their_passphrase(folder: Path, kdf: keystore.Kdf) -> None:
    made = keystore.create(folder, ["a", "b"], PASSPHRASE, iterations=2, kdf=kdf)
    opened = keystore.open_keystore(folder, PASSPHRASE)
    assert set(opened) == set(made.values())
    assert keystore.list_keys(folder) == made
    assert all(signer.address == address for address, signer in opened.items())


def test_a_wrong_passphrase_is_named_as_such(folder: Path) -> None:
    keystore.create(folder, ["a"], PASSPHRASE, iterations=2)
    with pytest.raises(WrongPassphrase, match=r"a\.json: the passphrase does not open"):
        keystore.open_keystore(folder, PASSPHRASE + "!")


def test_only_the_owner_can_read_keys(folder: Path) -> None:
    folder.mkdir(mode=0o755)
    keystore.create(folder, ["a"], PASSPHRASE, iterations=2)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()] == [0o600]


def test_a_key_that_others_can_read_is_not_opened(folder: Path) -> None:
    keystore.create(folder, ["a"], PASSPHRASE, iterations=2)
    (folder / "a.json").chmod(0o644)
    with pytest.raises(KeystoreInvalid, match="others can read it"):
        keystore.open_keystore(folder, PASSPHRASE)


def test_a_signer_shows_and_gives_away_no_key(folder: Path) -> None:
    secret = b"\x11" * 32
    signer = keystore.KeySigner(secret)
    shown = repr(signer) + str(signer) + f"{signer}"
    assert secret.hex() not in shown
    assert repr(signer) == f"KeySigner(0x{signer.address.hex()})"
    with pytest.raises(TypeError, match="does not leave"):
        pickle.dumps(signer)


def test_signatures_have_low_s_and_recover_to_the_address() -> None:
    signer = keystore.KeySigner(b"\x22" * 32)
    for number in range(200):
        digest = number.to_bytes(32, "big")
        signature = signer.sign(digest)
        assert int.from_bytes(signature[32:64], "big") <= HALF_CURVE_ORDER
        assert signature[64] in (27, 28)
        assert recover(digest, signature) == signer.address
        assert signer.sign(digest) == signature


def test_a_key_is_never_overwritten(folder: Path) -> None:
    before = keystore.create(folder, ["a"], PASSPHRASE, iterations=2)
    with pytest.raises(KeystoreInvalid, match="never overwritten"):
        keystore.create(folder, ["b", "a"], PASSPHRASE, iterations=2)
    assert keystore.list_keys(folder) == before


@pytest.mark.parametrize("name", ["../a", "a/b", "", ".hidden", "a b", "x" * 101])
def test_names_that_are_no_file_names_are_refused(folder: Path, name: str) -> None:
    with pytest.raises(KeystoreInvalid, match="no name for a key"):
        keystore.create(folder, [name], PASSPHRASE, iterations=2)


@pytest.mark.parametrize("rounds", [0, 1, 3, -4])
def test_work_that_fits_no_derivation_is_refused(folder: Path, rounds: int) -> None:
    with pytest.raises(KeystoreInvalid, match="iterations do not fit"):
        keystore.create(folder, ["a"], PASSPHRASE, iterations=rounds)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"address": "00"}', '{"address": "%s"}' % ("0" * 40)])
def test_a_file_that_is_no_keystore_is_named(folder: Path, content: str) -> None:
    folder.mkdir()
    (folder / "a.json").write_text(content)
    (folder / "a.json").chmod(0o600)
    with pytest.raises(KeystoreInvalid, match=r"a\.json"):
        keystore.open_keystore(folder, PASSPHRASE)


def test_a_file_with_anothers_address_is_refused(folder: Path) -> None:
    keystore.create(folder, ["a"], PASSPHRASE, iterations=2)
    file = folder / "a.json"
    file.write_text(file.read_text().replace('"address": "', '"address": "0x').replace("0x", "", 1))
    address = keystore.list_keys(folder)["a"].hex()
    content = file.read_text().lower().replace(address, "00" * 20)
    file.write_text(content)
    with pytest.raises(KeystoreInvalid, match="another key than the address"):
        keystore.open_keystore(folder, PASSPHRASE)


def test_an_empty_folder_says_how_to_make_keys(folder: Path) -> None:
    with pytest.raises(KeystoreInvalid, match="keys create"):
        keystore.open_keystore(folder, PASSPHRASE)
    folder.mkdir()
    with pytest.raises(KeystoreInvalid, match="keys create"):
        keystore.open_keystore(folder, PASSPHRASE)


def test_the_passphrase_comes_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "passphrase"
    file.write_text("from file\nsecond line\n")
    monkeypatch.setenv(keystore.PASSPHRASE_VARIABLE, "from environment")
    assert keystore.read_passphrase(file) == "from file"
    assert keystore.read_passphrase(None) == "from environment"
    monkeypatch.delenv(keystore.PASSPHRASE_VARIABLE)
    with pytest.raises(PassphraseMissing, match="--passphrase-file"):
        keystore.read_passphrase(None)
    file.write_text("\n")
    with pytest.raises(PassphraseMissing, match="empty"):
        keystore.read_passphrase(file)
