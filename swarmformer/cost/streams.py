"""Models on real texts, as MLPerf Inference measures them: single-stream and offline, scaled down.

Single-stream: one text after another, each as soon as the one before is answered; the figure is the 90th
percentile of the seconds per text. Offline: all texts at hand at once; the figure is texts per second.
MLPerf asks for at least 600 s of either, and of offline for 24,576 samples or the whole data set (MLCommons,
inference_rules.adoc, section Scenarios). We measure less, and every row says how much. Its 90th percentile is
an early-stopping estimate, somewhat higher than the plain percentile of few queries that is given here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from swarmformer.contracts import Model
from swarmformer.cost.limits import Work, forward_work
from swarmformer.cost.probe import cast, check_output
from swarmformer.cost.rounds import Samples, time_arms, time_queries
from swarmformer.cost.texts import TextSample
from swarmformer.data.batching import Batches
from swarmformer.data.encoded import Split
from swarmformer.modes import Precision, autocast
from swarmformer.training.evaluate import predict

Scenario = Literal["single_stream", "offline"]
MLPERF_SECONDS = 600
MIN_QUERIES = 10
"""At least so many texts are sent one by one, whatever the budget: fewer have no 90th percentile."""


@dataclass(frozen=True, eq=False)
class StreamArm:
    """A model on a sample of texts; ``lengths`` are what batches are padded to, rising.

    A model that honours masks gets a single text as long as it is; another one padded to the last length.
    With ``tokenise`` every call starts from the text, else from its ids.
    """

    model: Model
    sample: TextSample
    lengths: tuple[int, ...]
    batch_size: int = 256
    tokenise: bool = False

    def query(self, row: int, *, device: torch.device, precision: Precision) -> Tensor:
        """Answer one text; a row beyond the last begins anew."""
        row %= len(self.sample.raw)
        ids = self.sample.encoded_text(row) if self.tokenise else self.sample.split.example(row)
        width = len(ids) if self.model.honours_mask else self.lengths[-1]
        ids_1N = torch.full((1, width), self.sample.pad_id, dtype=torch.int64)
        ids_1N[0, : len(ids)] = torch.from_numpy(ids)
        mask_1N = torch.arange(width)[None] < len(ids)
        with torch.inference_mode(), autocast(device, precision):
            return self.model(ids_1N.to(device), mask_1N.to(device)).float().cpu()

    def all_texts(self, *, device: torch.device, precision: Precision) -> Tensor:
        """Answer all texts in batches of rising length."""
        split = self.sample.encoded() if self.tokenise else self.sample.split
        # bf16 weights need no autocast, and predict knows nothing else.
        return predict(self.model, self.batches(split), device, "bf16" if precision == "bf16" else "fp32")

    def batches(self, split: Split) -> Batches:
        return Batches(split, batch_size=self.batch_size, lengths=self.lengths, pad_id=self.sample.pad_id, seed=None)

    def works(self) -> list[Work]:
        """The least work of each text: its real tokens alone."""
        split = self.sample.split
        rows = [torch.from_numpy(split.example(row).astype(np.int64))[None] for row in range(len(split))]
        return [forward_work(self.model, ids_1N, self.model.flops(*ids_1N.shape)) for ids_1N in rows]


def measure_stream(
    arms: Mapping[str, StreamArm],
    scenario: Scenario,
    *,
    device: torch.device,
    precision: Precision = "fp32",
    budget_s: float = 20.0,
    seed: int = 0,
) -> dict[str, Samples]:
    """Time all arms side by side on their texts, with torch's present number of threads.

    A sample is the seconds of one text (single-stream), or of one pass over all texts (offline). Logits are on
    the CPU at the end of every call.

    Raises:
        OutputError: an arm whose logits are not finite or have the wrong shape.
    """
    for arm in arms.values():
        cast(arm.model.to(device), precision).eval()
    options: dict[str, Any] = {"device": device, "precision": precision}
    check = partial(_check, arms, scenario)
    if scenario == "offline":
        passes: dict[str, Callable[[], Tensor]] = {
            name: partial(arm.all_texts, **options) for name, arm in arms.items()
        }
        return time_arms(passes, device=device, budget_s=budget_s, seed=seed, check=check)
    queries = {name: partial(arm.query, **options) for name, arm in arms.items()}
    most = max(MIN_QUERIES, *(len(arm.sample.raw) for arm in arms.values()))
    return time_queries(
        queries, device=device, budget_s=budget_s, min_queries=MIN_QUERIES, max_queries=most, seed=seed, check=check
    )


def _check(arms: Mapping[str, StreamArm], scenario: Scenario, name: str, logits: Tensor) -> None:
    """A row for every label of the sample; or the row, or rows at tokens, of its first text."""
    model, split = arms[name].model, arms[name].sample.split
    first = (1, int(split.lengths[0])) if model.per_token else (1,)
    rows = (len(split.labels),) if scenario == "offline" else first
    check_output(f"{name} ({scenario})", logits, (*rows, model.dims.num_classes))


def stream_work(arm: StreamArm, scenario: Scenario, samples: Samples) -> Work:
    """What belongs to the median sample: all texts, or the median of those that were timed."""
    works = arm.works()
    if scenario == "offline":
        weights = works[0].least_bytes  # read once for all texts at least
        return Work(sum(work.flops for work in works), weights)
    timed = [works[row % len(works)] for row in range(samples.n)]
    flops = np.median([work.flops for work in timed])
    return Work(int(flops), int(np.median([work.least_bytes for work in timed])))


def stream_columns(arm: StreamArm, scenario: Scenario, samples: Samples) -> dict[str, Any]:
    """What a row says beside its percentiles: how much was measured, and how much that is of MLPerf's least."""
    texts = len(arm.sample.raw)
    tokens = arm.batches(arm.sample.split).tokens()
    return {
        "texts": texts if scenario == "offline" else min(texts, samples.n),
        "real_tokens": tokens.real,
        "padded_tokens": tokens.padded,
        "texts_per_s": (texts if scenario == "offline" else 1) / samples.p50,
        "measured_s": sum(samples.seconds),
        "mlperf_least_s": MLPERF_SECONDS,
    }
