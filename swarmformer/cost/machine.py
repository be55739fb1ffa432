"""The machine's limits, measured: the best rate of matrix products and of copying memory.

They are what a latency is judged by: no model computes faster than its best matrix product.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor

from swarmformer import records
from swarmformer.cost.timing import no_garbage_collection, now_s, seconds
from swarmformer.environment import matmul_precision
from swarmformer.errors import SpecError

Name = TypeVar("Name")
Product = tuple[int, int, int]
"""M, K, N of an (M, K) @ (K, N) matrix product."""

SHAPES: dict[str, tuple[Product, ...]] = {
    "cpu": ((1024, 1024, 1024), (2048, 2048, 2048), (512, 512, 512), (4096, 512, 512), (8192, 256, 1024)),
    "cuda": ((8192, 8192, 8192), (4096, 4096, 4096), (2048, 2048, 2048), (65536, 512, 512), (65536, 512, 2048)),
}
"""Square and tall products, tried beside the shapes of the models at hand; the first in any case."""

COPY_BYTES = {"cpu": 256 * 2**20, "cuda": 2**30}
"""Several times the last-level cache, so that memory is measured and not the cache."""

LEAST_COPIED = 2**20
"""Bytes moved by the smallest copy that is timed: below it a call costs more than the copy."""

MIN_TIMED_S = 2e-3
"""Short calls are timed in rows this long, so that starting and waiting do not count."""


@dataclass(frozen=True)
class Limits:
    """Best rates seen, in operations (multiply-adds × 2) and bytes (read + written) per second.

    ``best_product`` reached the rate, in ``precision``: ``bf16``, or what fp32 products may run in (see
    ``environment.matmul_precision``). ``copy_bytes_per_s`` is that of memory; ``cached`` has the rates of
    smaller copies by the bytes they move, which stay in the caches.
    """

    matmul_flops_per_s: float
    copy_bytes_per_s: float
    best_product: Product
    precision: str
    cached: Mapping[int, float] = field(default_factory=dict)

    def copy_rate(self, moved: int) -> float:
        """The best rate of any copy that moves at least so many bytes."""
        return max([self.copy_bytes_per_s, *(rate for size, rate in self.cached.items() if size >= moved)])

    def record(self) -> records.MachineLimits:
        """As files have them: of the best copies only that of memory."""
        return records.MachineLimits(
            matmul_flops_per_s=self.matmul_flops_per_s,
            copy_bytes_per_s=self.copy_bytes_per_s,
            best_product=self.best_product,
            precision=self.precision,
        )

    def raised_by(self, other: Limits) -> Limits:
        """The higher of each rate: a limit is the best ever seen, whenever that was."""
        matmul = max(self, other, key=lambda limits: limits.matmul_flops_per_s)
        copy = max(self.copy_bytes_per_s, other.copy_bytes_per_s)
        sizes = sorted({*self.cached, *other.cached})
        cached = {size: max(self.cached.get(size, 0.0), other.cached.get(size, 0.0)) for size in sizes}
        return Limits(matmul.matmul_flops_per_s, copy, matmul.best_product, matmul.precision, cached)


def measure_limits(
    device: torch.device,
    shapes: Iterable[Product] = (),
    budget_s: float = 4.0,
    *,
    dtype: torch.dtype = torch.float32,
    moved: Iterable[int] = (),
) -> Limits:
    """Measure with torch's present number of threads and precision settings.

    Args:
        shapes: M, K, N of further products to try, such as those of the models at hand.
        budget_s: stop after so many seconds; the first product and one copy are measured in any case.
        dtype: of the products' operands.
        moved: bytes that the models at hand move at least; copies of such sizes are timed as well.

    Raises:
        SpecError: a size below one.
    """
    first, *others = dict.fromkeys((*SHAPES[device.type], *shapes))
    products = (first, *sorted(others, key=math.prod))  # short ones first: as many as possible get their turn
    wrong = [product for product in products if len(product) != 3 or min(product) < 1]
    if wrong:
        raise SpecError(f"a matrix product needs three sizes (M, K, N) of at least one, got {wrong[0]}")
    start = now_s()
    with no_garbage_collection(), torch.inference_mode():
        copies = _copy_rates(device, moved, deadline=start + budget_s / 4)
        best_product, matmul_rate = _best_product(products, device, dtype, deadline=start + budget_s)
    precision = matmul_precision(device) if dtype == torch.float32 else str(dtype).removeprefix("torch.")
    memory = copies.pop(2 * COPY_BYTES[device.type])
    return Limits(matmul_rate, memory, best_product, precision, copies)


def _best_product(
    products: Sequence[Product], device: torch.device, dtype: torch.dtype, deadline: float
) -> tuple[Product, float]:
    def operand(size: Callable[[Product], int]) -> Tensor:
        return torch.randn(max(map(size, products)), device=device).to(dtype)

    # All products work in the same three buffers: together they would not fit everywhere.
    left, right, out = operand(lambda p: p[0] * p[1]), operand(lambda p: p[1] * p[2]), operand(lambda p: p[0] * p[2])
    calls = {product: _product(product, left, right, out) for product in products}
    least = _least_seconds(calls, device, deadline)
    rates = {product: 2 * math.prod(product) / taken for product, taken in least.items()}
    best = max(rates, key=lambda product: rates[product])
    return best, rates[best]


def _product(product: Product, left: Tensor, right: Tensor, out: Tensor) -> Callable[[], object]:
    M, K, N = product
    left_MK, right_KN, out_MN = left[: M * K].view(M, K), right[: K * N].view(K, N), out[: M * N].view(M, N)
    return lambda: torch.mm(left_MK, right_KN, out=out_MN)


def _copy_rates(device: torch.device, moved: Iterable[int], deadline: float) -> dict[int, float]:
    """Rate by bytes moved: what is asked for, up to the next power of two, and memory."""
    largest = COPY_BYTES[device.type]
    source = torch.ones(largest, dtype=torch.uint8, device=device)
    target = torch.zeros_like(source)
    rounded = {max(LEAST_COPIED, 2 ** math.ceil(math.log2(size))) for size in moved}
    sizes = [2 * largest, *sorted(size for size in rounded if size < 2 * largest)]
    calls = {size: _copy(source[: size // 2], target[: size // 2]) for size in sizes}
    return {size: size / taken for size, taken in _least_seconds(calls, device, deadline).items()}


def _copy(source: Tensor, target: Tensor) -> Callable[[], object]:
    return lambda: target.copy_(source)


def _least_seconds(
    calls: Mapping[Name, Callable[[], object]], device: torch.device, deadline: float
) -> dict[Name, float]:
    """Shortest time of each call, in turns until the deadline; at least one call is timed."""
    rows: dict[Name, int] = {}
    least: dict[Name, float] = {}
    while True:
        for name, call in calls.items():
            if name not in rows:
                rows[name] = _row_length(call, device)
            taken = seconds(call, device, rows[name])
            least[name] = min(taken, least.get(name, taken))
            if now_s() >= deadline:
                return least


def _row_length(call: Callable[[], object], device: torch.device) -> int:
    call()  # the first call chooses kernels and touches memory
    return max(1, math.ceil(MIN_TIMED_S / max(seconds(call, device), 1e-9)))
