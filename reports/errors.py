"""What stops a report, or one file of it."""

from __future__ import annotations

from pathlib import Path


class ReportError(Exception):
    """The report as a whole cannot be made; the message says what to do next."""


class UnreadableFileError(Exception):
    """One file cannot be used. It is listed with its path and reason; the report goes on without it."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason
