"""Rows of ``experiments.benchmark`` on real texts: single-stream and offline, with and without tokenisation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from typing import Any, get_args

import torch
from pydantic import Field

from swarmformer.contracts import AtLeastOne, Model, Strict
from swarmformer.cost.passes import Mode
from swarmformer.cost.rounds import Samples
from swarmformer.cost.streams import Scenario, StreamArm, measure_stream, stream_columns, stream_work
from swarmformer.cost.texts import TextSample, sample_texts, tokenizer_threads
from swarmformer.modes import Precision
from swarmformer.rehearsal import rehearse
from swarmformer.spec import RunSpec
from swarmformer.variants import resolve_run

from ..measure.measured import CostArm, Timed

SCENARIOS: tuple[Scenario, ...] = get_args(Scenario)


class Settings(Strict):
    """The keys of ``experiments.benchmark`` that are no section, lists as lists."""

    variants: list[str] = Field(["original_small", "base", "base+windowed", "enhanced"], min_length=1)
    lengths: list[AtLeastOne] = Field([256], min_length=1)
    batches: list[AtLeastOne] = Field([1, 32], min_length=1)
    threads: list[AtLeastOne] = Field([1], min_length=1)
    precision: list[Precision] = Field(["fp32"], min_length=1)
    modes: list[Mode | Scenario] = Field(["forward"], min_length=1)
    texts: AtLeastOne = 256
    budget_s: float = Field(60.0, gt=0)
    memory: bool = True
    compile: bool = False
    device: str = "auto"
    runs: str = "runs/benchmark"
    name: str = "benchmark"
    seed: int = Field(0, ge=0)


class StreamRows:
    """The groups of a benchmark that read real texts, each model at its own maximum length.

    Raises:
        SpecError: no task is set, or a variant does not fit it.
    """

    def __init__(self, settings: Settings, patch: Mapping[str, Any], device: torch.device) -> None:
        self.settings, self.device = settings, device
        self.scenarios = [mode for mode in settings.modes if mode in SCENARIOS]
        self.specs: dict[str, RunSpec] = {}
        for name in settings.variants if self.scenarios else []:
            self.specs[name] = resolve_run(name, [(patch, "command line")])
            rehearse(self.specs[name])
        self.sample = cache(self._sample)

    def models(self) -> list[Model]:
        """Without weights: what the limits are tried with."""
        return [_arm(name, spec).build_without_weights() for name, spec in self.specs.items()]

    def groups(self, precision: Precision, threads: int) -> Iterator[Callable[[float], list[Timed]]]:
        """One for each scenario: all variants, with and without tokenisation, side by side."""
        for scenario in self.scenarios:
            yield partial(self._group, scenario, precision, threads)

    def _group(self, scenario: Scenario, precision: Precision, threads: int, budget_s: float) -> list[Timed]:
        arms = {(name, arm.tokenise): arm for name, arm in self._arms()}
        places = {key: f"{key[0]} + tokenising" if key[1] else key[0] for key in arms}
        with tokenizer_threads(threads) as used:
            samples = measure_stream(
                {places[key]: arm for key, arm in arms.items()},
                scenario,
                device=self.device,
                precision=precision,
                budget_s=budget_s,
                seed=self.settings.seed,
            )
        return [self._timed(key[0], arm, scenario, used, samples[places[key]]) for key, arm in arms.items()]

    def _arms(self) -> Iterator[tuple[str, StreamArm]]:
        """Both arms of a variant share its model."""
        for name, spec in self.specs.items():
            model, sample = _arm(name, spec).build(), self.sample(name)
            for tokenise in (False, True):
                yield name, StreamArm(model, sample, spec.padded_lengths, spec.train.eval_batch_size, tokenise)

    def _timed(self, name: str, arm: StreamArm, scenario: Scenario, threads: int, samples: Samples) -> Timed:
        columns = {
            **_arm(name, self.specs[name]).columns(),
            "mode": scenario,
            "tokenised": arm.tokenise,
            "tokenizer_threads": threads if arm.tokenise else None,
            "batch": 1 if scenario == "single_stream" else arm.batch_size,
            **stream_columns(arm, scenario, samples),
        }
        return Timed(f"{name} ({scenario})", columns, samples, stream_work(arm, scenario, samples))

    def _sample(self, name: str) -> TextSample:
        spec = self.specs[name]
        length, settings = spec.model.dims.seq_len, self.settings
        return sample_texts(spec.data, seq_len=length, texts=settings.texts, seed=settings.seed)


def _arm(name: str, spec: RunSpec) -> CostArm:
    return CostArm(name, spec.model.dims.seq_len, spec.model, None)
