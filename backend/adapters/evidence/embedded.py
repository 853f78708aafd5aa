"""Evidence in a folder: each blob in a file named by its CID."""

import os
import tempfile
from pathlib import Path

from domain.cid import cid_of, parse_cid
from domain.errors import EvidenceAltered, EvidenceMissing


class EmbeddedEvidence:
    """A content-addressed folder: `<root>/<last two characters of the CID>/<CID>`.

    A name is checked before it comes near the file system, and a blob's CID is computed anew at each read.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True)

    def put(self, data: bytes) -> str:
        """Keeps a blob durably; its CID. An altered blob of that name is replaced."""
        cid = cid_of(data)
        target = self._path(cid)
        if target.exists() and target.read_bytes() == data:
            return cid
        if not target.parent.exists():
            target.parent.mkdir(exist_ok=True)
            _sync_folder(self._root)
        _write(target, data)
        return cid

    def get(self, cid: str) -> bytes:
        """The blob; InvalidCid, EvidenceMissing or EvidenceAltered."""
        parse_cid(cid)
        try:
            data = self._path(cid).read_bytes()
        except FileNotFoundError:
            raise EvidenceMissing(cid) from None
        found = cid_of(data)
        if found != cid:
            raise EvidenceAltered(cid, found)
        return data

    def has(self, cid: str) -> bool:
        """Whether there is a blob of this name; InvalidCid."""
        parse_cid(cid)
        return self._path(cid).is_file()

    def _path(self, cid: str) -> Path:
        return self._root / cid[-2:] / cid


def _write(target: Path, data: bytes) -> None:
    """Writes a file as a whole or not at all: aside, to the disk, then under its name."""
    descriptor, partial = tempfile.mkstemp(dir=target.parent, prefix=".partial-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(partial).replace(target)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
