"""What a picture is: data from the evidence, and a drawing from that data alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import matplotlib
import pandas as pd
from matplotlib.figure import Figure
from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import ReportError
from ..evidence import Evidence
from ..style import RC
from .layout import settle


class Options(BaseModel):
    """What every picture can be told in its definition file."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    grids: list[str] | None = None
    """Grids to draw; all that have something to show where it is not given."""


OptionsT = TypeVar("OptionsT", bound=Options)


@dataclass(frozen=True)
class Picture(Generic[OptionsT]):
    """A kind of picture: the type of its options, what it reads, and how it draws that."""

    options: type[OptionsT]
    read: Callable[[Evidence, OptionsT], pd.DataFrame]
    paint: Callable[[pd.DataFrame, str], Figure]

    def data(self, evidence: Evidence, options: Mapping[str, Any]) -> pd.DataFrame:
        """All that is drawn, one row per mark; empty where the evidence has nothing to show.

        Raises ReportError for an option that is not there, or a value that does not fit.
        """
        try:
            known = self.options.model_validate(dict(options))
        except ValidationError as error:
            raise ReportError(f"options of a picture: {error}") from error
        frame = self.read(evidence, known)
        # A column of None alone would be one of objects, which cannot be drawn; read from CSV it is NaN too.
        empty = [column for column in frame if frame[column].isna().all()]
        return frame.astype(dict.fromkeys(empty, float))

    def draw(self, frame: pd.DataFrame, title: str) -> Figure:
        """Draw ``frame`` as ``data`` gave it, also when read again from CSV. Raises ValueError where it is empty."""
        if frame.empty:
            raise ValueError(f"{title}: nothing to draw")
        with matplotlib.rc_context(RC):
            figure = self.paint(frame, title)
            settle(figure)  # here, under this look
        return figure
