"""``costs.json`` of ``experiments.benchmark``, and what the files of all commands that measure cost have in common."""

from __future__ import annotations

from typing import Any

from .base import Count, Natural, NotNegative, Positive, Record, RunKey
from .costs import Gap, MachineLimits, Measurement
from .plan import Parameters


class Timing(Record):
    """Seconds of the timed calls of one arm, of which there were ``repeats``: their median and percentiles.

    load_average: of the machine, over a minute, when the calls began and when they ended.
    """

    median_s: Positive
    p20_s: Positive
    p80_s: Positive
    p90_s: Positive
    p95_s: Positive
    repeats: Natural
    load_average: tuple[NotNegative, NotNegative]


class LeastTime(Record):
    """What a median is held against, as in ``Latency``: operations (multiply-adds × 2) and bytes of a call on the whole
    batch, rates a second."""

    flops: Count
    computed_flops: Count
    least_bytes: Count
    limit_flops_per_s: Positive
    limit_bytes_per_s: Positive
    least_s: NotNegative
    share_of_limit: NotNegative
    share_of_least: NotNegative


class MeasuredRow(Timing, LeastTime):
    """Calls of a variant on ``batch`` texts of ``length`` tokens; ``seq_len_raised_from``: its own, where that was
    shorter. ``Latency`` reads these rows too.

    Bytes: ``peak_bytes`` of a whole fresh process, ``growth_bytes`` beyond what it held once the model was built (on a
    GPU, what torch's allocator held there), by ``method``; ``call_s``: seconds of its last call, with cold caches.
    ``device_…``: of torch's allocator on a GPU. None where memory was not measured.
    """

    run_key: RunKey
    variant: str
    mode: str
    precision: str
    threads: Natural
    batch: Natural
    length: Natural
    seq_len_raised_from: Natural | None = None
    parameters: Parameters
    peak_bytes: Count | None = None
    growth_bytes: Count | None = None
    method: str | None = None
    call_s: Positive | None = None
    device_allocated_bytes: Count | None = None
    device_reserved_bytes: Count | None = None


class MissingRow(Gap):
    """A variant at a length in tokens that is not there; of a benchmark also the other things that rows differ in."""

    mode: str | None = None
    length: Natural
    batch: Natural | None = None
    precision: str | None = None


class LimitsOf(MachineLimits):
    """The machine's limits with so many threads, for rows of the precision ``measured_for``."""

    threads: Natural
    measured_for: str


class MeasuredCosts(Measurement):
    """``limits``: the highest of ``limits_by``, where those of each number of threads and precision stand."""

    machine: dict[str, Any]
    device: str
    threads: Natural
    limits: MachineLimits
    limits_by: tuple[LimitsOf, ...]
    missing: tuple[MissingRow, ...]


class BenchmarkRow(MeasuredRow):
    """``compile_s``: seconds that torch.compile took, which the median leaves out.

    Of real texts: whether they were ``tokenised`` within the time, by how many ``tokenizer_threads``; how many
    ``texts`` and tokens they are, ``measured_s`` seconds in all, where MLPerf asks for ``mlperf_least_s`` at least.
    """

    texts_per_s: Positive
    compile_s: NotNegative | None = None
    tokenised: bool = False
    tokenizer_threads: Natural | None = None
    texts: Natural | None = None
    real_tokens: Count | None = None
    padded_tokens: Count | None = None
    measured_s: Positive | None = None
    mlperf_least_s: Natural | None = None


class BenchmarkCosts(MeasuredCosts):
    """Every variant at every shape, or on real texts, by precision and number of threads."""

    rows: tuple[BenchmarkRow, ...]
