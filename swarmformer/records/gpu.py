"""``gpu.json`` of ``experiments.benchmark gpu``: passes of the published sizes on a GPU."""

from __future__ import annotations

from typing import Any, Literal

from .base import Count, Natural, NotNegative, Positive, Record
from .benchmark import LeastTime, Timing
from .costs import MachineLimits, Measurement


class GpuCase(Record):
    """A pass over ``batch`` texts of ``length`` tokens: operation by operation, compiled, or replayed as a CUDA graph.

    computes_in: fp32, tf32 (fp32 whose products may round to it) or bf16.
    """

    variant: str
    mode: str
    computes_in: str
    way: Literal["eager", "compiled", "captured"]
    batch: Natural
    length: Natural

    @property
    def name(self) -> str:
        return f"{self.variant}, {self.mode}, {self.computes_in}, {self.way}"


class GpuPass(GpuCase, Timing, LeastTime):
    """As measured, beside what its authors state of it, in seconds and bytes.

    compile_s: seconds until the pass was compiled or captured, which the median leaves out. peak_bytes: of torch's
    allocator; 0 on a device that is no GPU. epoch_s: what an epoch of such steps comes to.
    """

    compile_s: NotNegative | None
    epoch_s: Positive | None
    peak_bytes: Count
    stated_s: Positive | None
    stated_bytes: Positive


class UntimedPass(GpuCase):
    """A pass that was asked for and is not there."""

    reason: str


class Gpu(Record):
    """The device, with its driver and libraries, and what its products and convolutions in fp32 may run in."""

    type: str
    name: str
    memory_bytes: Natural | None = None
    compute_capability: str | None = None
    driver: str | None = None
    cuda: str | None = None
    cudnn: Natural | None = None
    matmul_precision: str
    convolution_precision: str | None = None


class GpuBenchmark(Measurement):
    """``limits`` by what is computed in."""

    machine: dict[str, Any]
    device: str
    gpu: Gpu
    limits: dict[str, MachineLimits]
    rows: tuple[GpuPass, ...]
    missing: tuple[UntimedPass, ...]
