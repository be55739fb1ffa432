"""The figures of a GPU: ``swarmformer bench gpu``, further keys as ``name=value``.

Keys: runs, name (the folder is runs/name; by default the next free one), device (auto: the first GPU), budget_s
(seconds to time all of it; limits and compiling come on top), ways (a list of eager, compiled and captured, which is
replayed as a CUDA graph; by default all; each compiled pass takes its compiler up to a minute), computes_in (a list of
fp32, tf32 and bf16; by default all). Without a GPU it says so and measures nothing.

For each published size, on random tokens of its full length: the forward pass of a batch of 256 and the training step
of its batch, synchronised, in fp32, TF32 and bf16, and what an epoch of IMDb's 22,500 training texts makes of that; the
peak of torch's memory; and the share of the ceiling, which is the measured rate of matrix products in that precision.
Beside the forward pass stands what its authors state.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field

from swarmformer.contracts import Strict
from swarmformer.cost.latency import measure_latency
from swarmformer.cost.limits import LimitError
from swarmformer.cost.machine import Limits
from swarmformer.cost.passes import Mode, Way
from swarmformer.cost.probe import OutputError
from swarmformer.cost.report import limits_for, model_products
from swarmformer.cost.timing import now_s
from swarmformer.environment import describe_device, describe_machine, device_name, resolve_device
from swarmformer.errors import CaptureError, SpecError
from swarmformer.modes import Precision
from swarmformer.records import GPU, Gpu, GpuBenchmark, GpuPass, MissingRow, UntimedPass, load, save
from swarmformer.training.fast import cannot_compile, products_in_tf32
from swarmformer.training.faults import ran_out_of_memory
from swarmformer.variants import load_variant

from ..progress import print_tables
from ..settings import check_keys, defaults_of
from ..store import Config, make_experiment, run_command_line
from .command import begin, free_name, new_folder, sacred_words
from .measured import CostArm, Timed, arm_at

EPOCH_TEXTS = 22_500
"""IMDb's training texts without the tenth that is validation."""
LIMITS_S = 4.0
"""To measure each ceiling."""


ComputesIn = Literal["fp32", "tf32", "bf16"]
COMPUTES_IN: tuple[ComputesIn, ...] = ("fp32", "tf32", "bf16")
WAYS: tuple[Way, ...] = ("eager", "compiled", "captured")


class Settings(Strict):
    runs: str = "runs/gpu"
    name: str = ""
    device: str = "auto"
    budget_s: float = Field(120.0, gt=0)
    ways: list[Way] = Field(list(WAYS), min_length=1)
    computes_in: list[ComputesIn] = Field(list(COMPUTES_IN), min_length=1)


@dataclass(frozen=True)
class Size:
    """A published size: its length, texts of a forward pass and of a training step, and what its authors state: seconds
    of the first and memory."""

    variant: str
    length: int
    forward: int
    training: int
    stated_s: float
    stated_bytes: float


SIZES = (
    Size("original_base", 768, 256, 48, 4.83e-3, 9.13e9),
    Size("original_small", 256, 256, 96, 3.67e-3, 8e9),
)


@dataclass(frozen=True)
class Case:
    """A pass of a size, and what it computes in; ``tf32``: fp32 that may round to it."""

    size: Size
    mode: Mode
    computes_in: ComputesIn
    way: Way

    @property
    def batch(self) -> int:
        return self.size.forward if self.mode == "forward" else self.size.training

    @property
    def tf32(self) -> bool:
        return self.computes_in == "tf32"

    @property
    def precision(self) -> Precision:
        return "bf16" if self.computes_in == "bf16" else "fp32"


def cases(sizes: Sequence[Size], settings: Settings) -> Iterator[Case]:
    """All that is measured, in the order of the table."""
    for size in sizes:
        for mode in ("forward", "training"):
            for word in settings.computes_in:
                for way in settings.ways:
                    yield Case(size, mode, word, way)  # type: ignore[arg-type]


def measure(
    settings: Settings, sizes: Sequence[Size], device: torch.device, patch: Mapping[str, Any], begun: Mapping[str, Any]
) -> GpuBenchmark:
    """Rows of the table, the ceilings by what is computed in, and what is missing with its reason.

    begun: the fields of ``Measurement``.
    """
    gpu = Gpu(**describe_device(device))
    arms = {size: _arm(size, patch) for size in sizes}
    limits: dict[str, Limits] = {}
    timed, untimed = _time(list(cases(sizes, settings)), arms, limits, device, settings.budget_s)
    for word, case in {case.computes_in: case for case, _ in timed}.items():  # a clock may have risen meanwhile
        limits[word] = limits[word].raised_by(_limits(arms, case, device))
    rows, impossible = _judged(timed, limits)
    return GpuBenchmark(
        **begun,
        machine=describe_machine(),
        device=device_name(device),
        gpu=gpu,
        limits={word: found.record() for word, found in limits.items()},
        rows=tuple(rows),
        missing=(*untimed, *impossible),
    )


def _time(
    todo: Sequence[Case], arms: Mapping[Size, CostArm], limits: dict[str, Limits], device: torch.device,
    budget_s: float,
) -> tuple[list[tuple[Case, Timed]], list[UntimedPass]]:
    """What could be timed in so many seconds, and what could not; fills ``limits``, whose seconds come on top."""
    timed, missing = list[tuple[Case, Timed]](), list[UntimedPass]()
    end = now_s() + budget_s
    for done, case in enumerate(todo):
        if case.computes_in not in limits:
            started = now_s()
            limits[case.computes_in] = _limits(arms, case, device)
            end += now_s() - started
        try:
            share_s = max(0.0, end - now_s()) / (len(todo) - done)
            timed.append((case, _timed(case, arms[case.size], device, share_s)))
        except Exception as error:
            if not _costs_a_row(error):
                raise
            missing.append(_gap(case, error))
    return timed, missing


def _judged(
    timed: Sequence[tuple[Case, Timed]], limits: Mapping[str, Limits]
) -> tuple[list[GpuPass], list[UntimedPass]]:
    """Rows of the table, and what was faster than the machine."""
    rows, impossible = list[GpuPass](), list[UntimedPass]()
    for case, row in timed:
        try:
            rows.append(row.judged(GpuPass, limits[case.computes_in]))
        except LimitError as error:
            impossible.append(_gap(case, error))
    return rows, impossible


def _costs_a_row(error: Exception) -> bool:
    """And not the table: memory that ends, a compiler that is missing, a pass that cannot be recorded or is wrong."""
    return isinstance(error, OutputError | CaptureError) or ran_out_of_memory(error) or cannot_compile(error)


def _gap(case: Case, error: Exception) -> UntimedPass:
    first = next(iter(str(error).strip().splitlines()), "no word")
    return UntimedPass(**_named(case), reason=f"{type(error).__name__}: {first}")


def _arm(size: Size, patch: Mapping[str, Any]) -> CostArm:
    found = arm_at(load_variant(size.variant, [(patch, "command line")]), size.length)
    if isinstance(found, MissingRow):
        raise SpecError(f"{size.variant} at {size.length} tokens: {found.reason}")
    return found


def _limits(arms: Mapping[Size, CostArm], case: Case, device: torch.device) -> Limits:
    """Of the machine, for what a case computes in."""
    models = [arm.build_without_weights() for arm in arms.values()]
    works = [arm.work(size.training, "forward", device) for size, arm in arms.items()]
    rows = [size.length * texts for size in arms for texts in (size.forward, size.training)]
    with products_in_tf32(device, case.tf32):
        return limits_for(works, model_products(models, rows), device, case.precision, LIMITS_S)


def _named(case: Case) -> dict[str, Any]:
    return {"variant": case.size.variant, "mode": case.mode, "computes_in": case.computes_in,
            "way": case.way, "batch": case.batch, "length": case.size.length}  # fmt: skip


def _timed(case: Case, arm: CostArm, device: torch.device, budget_s: float) -> Timed:
    cuda, model, held = device.type == "cuda", arm.build(), 0
    if cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        held = torch.cuda.memory_allocated(device)  # work space of the streams that earlier rows recorded graphs on
    with products_in_tf32(device, case.tf32):
        [found] = measure_latency(
            {case.size.variant: model}, batches=[case.batch], length=case.size.length, device=device,
            threads=torch.get_num_threads(), precision=case.precision, mode=case.mode, way=case.way,
            budget_s=budget_s,
        )  # fmt: skip
    forward = case.mode == "forward"
    columns = {
        **_named(case), "compile_s": found.compile_s,
        "epoch_s": None if forward else -(-EPOCH_TEXTS // case.batch) * found.samples.p50,
        "peak_bytes": torch.cuda.max_memory_allocated(device) - held if cuda else 0,
        "stated_s": case.size.stated_s if forward else None, "stated_bytes": case.size.stated_bytes,
    }  # fmt: skip
    place = f"{case.size.variant} ({case.mode}, {case.computes_in}, batch {case.batch})"
    return Timed(place, columns, found.samples, arm.work(case.batch, case.mode, device))


HEAD = ("size", "pass", "texts", "in", "way", "median, ms", "p20", "p80", "stated, ms", "reached", "peak, GB",
        "stated, GB", "epoch, s", "of ceiling")  # fmt: skip


def cells(row: GpuPass) -> tuple[str, ...]:
    """A row as the table shows it."""
    ms = [f"{1e3 * seconds:.2f}" for seconds in (row.median_s, row.p20_s, row.p80_s)]
    stated = row.stated_s
    reached = "" if stated is None else "yes" if row.median_s <= stated else "no"
    return (
        row.variant, row.mode, f"{row.batch} × {row.length}", row.computes_in,
        row.way, *ms, "" if stated is None else f"{1e3 * stated:.2f}", reached,
        f"{row.peak_bytes / 1e9:.2f}" if row.peak_bytes else "", f"{row.stated_bytes / 1e9:.2f}",
        "" if row.epoch_s is None else f"{row.epoch_s:.1f}", f"{100 * row.share_of_limit:.0f} %",
    )  # fmt: skip


def resolve(config: Config) -> Config:
    settings = check_keys(config, Settings)
    if resolve_device(settings.device).type != "cuda":
        words = "bench gpu needs a CUDA device, and torch finds none here: see nvidia-smi; bench quick is for CPUs"
        raise SpecError(words)
    name = settings.name or free_name(settings.runs, "gpu")
    return {**settings.model_dump(), "name": name, "folder": str(new_folder(settings.runs, name))}


def main(_config: Config) -> None:
    settings = Settings(**{key: _config[key] for key in Settings.model_fields})
    folder, device = Path(_config["folder"]), resolve_device(settings.device)
    begun = begin(folder, settings.model_dump(), device)
    save(folder / GPU, measure(settings, SIZES, device, {}, begun))
    show(folder / GPU)


def show(path: Path) -> None:
    """Print the table of a file."""
    found = load(path, GpuBenchmark)
    rates = ", ".join(f"{word} {limits.matmul_flops_per_s / 1e12:.1f}" for word, limits in found.limits.items())
    gaps = [f"missing: {gap.name}: {gap.reason}" for gap in found.missing]
    lines = [f"{found.device}; ceilings, TFLOP/s: {rates}", *gaps, str(path)]
    print_tables([(HEAD, [cells(row) for row in found.rows])], lines)


def run_gpu(words: Sequence[str]) -> None:
    """What follows ``gpu`` on the command line."""
    run_command_line(make_experiment("gpu", defaults_of(Settings), resolve, main), sacred_words(words))
