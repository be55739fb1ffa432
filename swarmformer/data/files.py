"""Hashes that make up the identity of data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from swarmformer.errors import DataError
from swarmformer.records.base import digest_of, sha256_of


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        return sha256_of(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


def json_hash(value: Any) -> str:
    """SHA-256 of a JSON value, independent of the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return digest_of(text.encode())
