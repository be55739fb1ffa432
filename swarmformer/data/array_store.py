"""Folders of arrays with a manifest: whole or not there, checked when read, mapped into memory."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from swarmformer.errors import DataError
from swarmformer.records import folder_written_whole

MANIFEST = "manifest.json"
BLOCK = 1 << 22


def write_arrays(folder: Path, arrays: Mapping[str, np.ndarray], manifest: Mapping[str, Any]) -> None:
    """Write ``<name>.npy`` files and the manifest; ``folder`` is whole or not there.

    Raises:
        DataError: it cannot be written; nothing is left of it.
    """
    try:
        with folder_written_whole(folder) as new:
            for name, array in arrays.items():
                np.save(new / f"{name}.npy", array, allow_pickle=False)
            checksums = {name: _checksum(new / f"{name}.npy") for name in arrays}
            content = {**manifest, "arrays": checksums}
            (new / MANIFEST).write_text(json.dumps({**content, "checksum": _text_checksum(content)}, indent=1))
    except OSError as error:
        raise DataError(f"{folder} cannot be written: {error}; make room, or set another folder "
                        "(SWARMFORMER_CACHE)") from error  # fmt: skip


def read_arrays(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return memory-mapped, read-only arrays by name, and the manifest.

    Raises:
        DataError: anything but what ``write_arrays`` left there; names the folder to delete.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        if manifest.pop("checksum") != _text_checksum(manifest):
            raise ValueError(f"{MANIFEST} is not the file that was written")
        checksums = manifest["arrays"]
        arrays = {name: _read_array(folder / f"{name}.npy", checksums[name]) for name in checksums}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"cached data in {folder} is damaged ({type(error).__name__}: {error}). "
            "Delete this folder and start again; it will be made anew."
        ) from error
    return arrays, manifest


def _read_array(path: Path, checksum: int) -> np.ndarray:
    if _checksum(path) != checksum:
        raise ValueError(f"{path.name} is not the file that was written")
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _text_checksum(content: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(content, sort_keys=True).encode())


def _checksum(path: Path) -> int:
    """CRC-32 of a file: finds damage, at the speed of the disk."""
    total = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            total = zlib.crc32(block, total)
    return total
