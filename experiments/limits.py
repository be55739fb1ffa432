"""What a start of a cell may take before it is ended: ``limits:`` of a grid file, flags of its commands.

Imports no torch.
"""

from __future__ import annotations

import argparse

from pydantic import BaseModel, ConfigDict, Field


class StartLimits(BaseModel):
    """Of one start of a cell; null is no limit. What ends here is FAILED with its cause and keeps its checkpoint."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    minutes: float | None = Field(None, gt=0, description="that one start of a cell may take")
    memory_gb: float | None = Field(
        None, gt=0, description="gigabytes (10⁹ bytes) of memory that its processes may hold (resident)"
    )
    silent_minutes: float | None = Field(
        60.0, gt=0, description="without a step, a validation, a checkpoint or a line of its log; then it hangs"
    )

    def times(self, cells: int) -> StartLimits:
        """For one process with so many cells: what a cell may take, of each of them."""
        each = {"minutes": self.minutes, "memory_gb": self.memory_gb}
        return self.model_copy(update={name: value and cells * value for name, value in each.items()})

    def words(self) -> list[str]:
        """Flags for the process of a cell."""
        given = {name: getattr(self, name) for name in type(self).model_fields}
        return [f"{_flag(name)}={value!r}" for name, value in given.items() if value is not None]

    @classmethod
    def add_flags(cls, parser: argparse.ArgumentParser) -> None:
        """``--minutes``, ``--memory-gb`` and ``--silent-minutes``."""
        for name, field in cls.model_fields.items():
            about = f"{field.description}; over limits.{name} of the grid file"
            parser.add_argument(_flag(name), type=_positive, metavar="N", help=about.replace("%", "%%"))

    @classmethod
    def given(cls, options: argparse.Namespace) -> dict[str, float]:
        """Those that a command line says."""
        said = {name: getattr(options, name) for name in cls.model_fields}
        return {name: value for name, value in said.items() if value is not None}

    @classmethod
    def of(cls, options: argparse.Namespace) -> StartLimits:
        """Of the command line of a cell, where nothing is said nothing is limited."""
        return cls(**{name: getattr(options, name) for name in cls.model_fields})


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above zero")
    return value
