"""Matched pairs: an arm and a control that are to cost the same, so that a difference is not one of size."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from swarmformer.contracts import Strict
from swarmformer.errors import SpecError
from swarmformer.records import Flops, Matched, Parameters


class MatchedSpec(Strict):
    """A pair as the grid file asks for it."""

    arm: str = Field(description="an arm of the grid")
    control: str = Field(description="the arm that it is to cost as much as")
    quantity: Literal["parameters", "flops", "seconds"] = Field(
        "parameters",
        description="parameters (without the embedding table, which would hide any difference), FLOPs (of a forward "
        "pass at `seq_len`), or seconds (of training; known after the runs only, so the report checks them)",
    )
    tolerance: float = Field(0.02, gt=0, description="how far the arm may be from the control, as a share of it")

    def check(self, prices: dict[str, tuple[Parameters, Flops]]) -> Matched:
        """The pair as plan.json has it, with the ratio found.

        Raises:
            SpecError: an arm that the grid does not have, or a ratio beyond the tolerance.
        """
        for name in (self.arm, self.control):
            if name not in prices:
                raise SpecError(f"{name!r} is not one of the arms")
        ratio = None if self.quantity == "seconds" else self._of(prices[self.arm]) / self._of(prices[self.control])
        if ratio is not None and abs(ratio - 1) > self.tolerance:
            raise SpecError(
                f"{self.arm!r} has {ratio:.3f} times the {self.quantity} of {self.control!r}, beyond the tolerance of "
                f"{self.tolerance:g}: change a width of one of them (patches of an arm: model, data, train)"
            )
        return Matched(**self.model_dump(), ratio=ratio)

    def _of(self, price: tuple[Parameters, Flops]) -> int:
        parameters, flops = price
        return parameters.without_embedding if self.quantity == "parameters" else flops.forward
