"""Rows of ``experiments.benchmark`` on real texts: single-stream and offline, with and without tokenisation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, get_args

import torch

from experiments.benchmark_settings import Settings
from experiments.measured import CostArm, Timed
from swarmformer.assembly import rehearse
from swarmformer.cost.floor import Work
from swarmformer.cost.parameters import count_parameters
from swarmformer.cost.precision import Precision
from swarmformer.cost.streams import Scenario, StreamArm, measure_stream, stream_columns, stream_work
from swarmformer.cost.texts import TextSample, sample_texts, tokenizer_threads
from swarmformer.interfaces import Model
from swarmformer.spec import RunSpec
from swarmformer.variants import resolve_run

SCENARIOS: tuple[Scenario, ...] = get_args(Scenario)


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
        """Without weights: what the ceilings are tried with."""
        return [_arm(name, spec).build_without_weights() for name, spec in self.specs.items()]

    def groups(self, precision: Precision, threads: int) -> Iterator[Callable[[float], list[Timed]]]:
        for scenario in self.scenarios:
            for tokenise in (False, True):
                yield self._group(scenario, tokenise, precision, threads)

    def _group(
        self, scenario: Scenario, tokenise: bool, precision: Precision, threads: int
    ) -> Callable[[float], list[Timed]]:
        def group(budget_s: float) -> list[Timed]:
            arms = {name: self._stream_arm(name, spec) for name, spec in self.specs.items()}
            with tokenizer_threads(threads) as used:
                samples = measure_stream(
                    arms,
                    scenario,
                    tokenise=tokenise,
                    device=self.device,
                    precision=precision,
                    budget_s=budget_s,
                    seed=self.settings.seed,
                )
            columns = {"mode": scenario, "tokenised": tokenise, "tokenizer_threads": used if tokenise else None}
            return [self._timed(name, arms[name], scenario, columns, samples[name]) for name in arms]

        return group

    def _timed(self, name: str, arm: StreamArm, scenario: Scenario, columns: dict[str, Any], samples: Any) -> Timed:
        work: Work = stream_work(arm, scenario, samples)
        known = _arm(name, self.specs[name]).columns()
        batch = 1 if scenario == "single_stream" else arm.batch_size
        more = {"batch": batch, "parameters": count_parameters(arm.model), **stream_columns(arm, scenario, samples)}
        return Timed(f"{name} ({scenario})", {**known, **columns, **more}, samples, work)

    def _stream_arm(self, name: str, spec: RunSpec) -> StreamArm:
        model = _arm(name, spec).build()
        sample = self.sample(name)
        return StreamArm(model, sample, spec.padded_lengths, spec.train.eval_batch_size)

    def _sample(self, name: str) -> TextSample:
        spec = self.specs[name]
        length, settings = spec.model.dims.seq_len, self.settings
        return sample_texts(spec.data, seq_len=length, texts=settings.texts, seed=settings.seed)


def _arm(name: str, spec: RunSpec) -> CostArm:
    return CostArm(name, spec.model.dims.seq_len, spec.model, None)
