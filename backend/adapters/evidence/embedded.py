"""Evidence in a folder: each blob in a file named by its CID."""

import os
import tempfile
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from domain.car import Archive
from domain.cid import cid_of, parse_cid
from domain.errors import EvidenceAltered, EvidenceMissing
from domain.unixfs import MAX_BLOB_BYTES, file_of

PARALLEL = 8


class EmbeddedEvidence:
    """A content-addressed folder: `<root>/<last two characters of the CID>/<CID>`.

    A name is checked before it comes near the file system, and a blob's CID is computed anew at each read.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True)

    def put(self, data: bytes) -> str:
        """Keeps a blob durably; its CID. An altered blob of that name is replaced."""
        [cid] = self.put_many([data])
        return cid

    def put_many(self, blobs: Sequence[bytes]) -> list[str]:
        """Keeps blobs durably; their CIDs in order. Files are flushed side by side, and each folder once."""
        cids = [cid_of(data) for data in blobs]
        new = {self._path(cid): data for cid, data in zip(cids, blobs, strict=True)}
        new = {path: data for path, data in new.items() if not (path.exists() and path.read_bytes() == data)}
        folders = list(dict.fromkeys(path.parent for path in new))
        if not all(folder.exists() for folder in folders):
            for folder in folders:
                folder.mkdir(exist_ok=True)
            _sync_folder(self._root)
        _side_by_side(_write, new, new.values())
        _side_by_side(_sync_folder, folders)
        return cids

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

    def cids(self) -> list[str]:
        """The names of all blobs, in order."""
        return sorted(path.name for path in self._root.glob("??/b*"))

    def take(self, archive: Archive) -> None:
        """Keeps all blobs of an archive; EvidenceAltered if one has not the content that its name says."""
        for root in archive.roots:
            data = file_of(root, archive.block, limit_bytes=MAX_BLOB_BYTES)
            found = cid_of(data)
            if found != root:
                raise EvidenceAltered(root, found)
            self.put(data)

    def release(self, cids: Sequence[str]) -> None:
        """Deletes blobs."""
        for cid in cids:
            parse_cid(cid)
            self._path(cid).unlink(missing_ok=True)

    def collect(self) -> int:
        """Removes nothing: what was released is gone already."""
        return 0

    def _path(self, cid: str) -> Path:
        return self._root / cid[-2:] / cid


def _side_by_side(act: Callable[..., None], *values: Collection[Any]) -> None:
    """Acts on each; the disk takes many flushes in the time of one."""
    count = len(values[0])
    if count <= 1:
        for arguments in zip(*values, strict=True):
            act(*arguments)
        return
    with ThreadPoolExecutor(min(PARALLEL, count)) as pool:
        for _ in pool.map(act, *values):
            pass


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


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
