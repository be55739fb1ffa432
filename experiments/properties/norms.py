"""Why normalisation stalls the gated local step: ``python -m experiments.properties.norms --out FOLDER``.

Trains a narrow base with norms in different places and writes, every so many steps, how far apart tokens and texts are
and what gradient reaches the embedding, to ``norms.json``. On ``digits`` some minutes on one core; on
reviews with ``--set data.task=imdb data.task.limit=3600 model.dims.seq_len=128``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from swarmformer.assembly import assemble
from swarmformer.cli.command import command_parser, exit_status
from swarmformer.contracts import Model
from swarmformer.cost.timing import torch_threads
from swarmformer.data.batching import Batch
from swarmformer.environment import code_revision
from swarmformer.records import Norms, NormsReading, save
from swarmformer.spec import RunSpec
from swarmformer.training.stage_run import stage_runs
from swarmformer.training.step import TrainingStep
from swarmformer.variants import resolve_run

from ..data import load_data
from ..store import read_updates

BLOCKS = ("local", "cluster", "feedback", "final")
PLACES: dict[str, tuple[str, tuple[str, ...]]] = {
    "none": ("base", ()),
    "final": ("base+layer_norm", ("final",)),
    "local, final": ("base+layer_norm", ("local", "final")),
    "cluster, feedback, final": ("base+layer_norm", ("cluster", "feedback", "final")),
    "all": ("base+layer_norm", BLOCKS),
    "all, one step": ("base+layer_norm+shift_once", BLOCKS),
    "all, closed gate": ("base+layer_norm+shift_closed", BLOCKS),
    "none, residual": ("base+shift_residual", ()),
    "all, residual": ("base+layer_norm_residual", BLOCKS),
}
"""Words → variant, and the blocks whose inputs are normalised; "final" is the norm after the last layer. One local step
instead of three, and gates that start closed, keep more of a token than the published step does and change nothing
else: if it stalls because nothing is left of a token, they stall less."""
SETTING = {
    "model": {"dims": {"d_model": 48, "seq_len": 64}},
    "data": {"task": "digits"},
    "train": {"lr": 4.0e-3, "batch_size": 32, "precision": "fp32"},
}


def readings(places: str, patch: Mapping[str, Any], steps: int, every: int) -> Iterator[NormsReading]:
    """Of one placement, before the first step and after every ``every``."""
    variant, normalised = PLACES[places]
    spec = resolve_run(variant, [(SETTING, "experiments.properties.norms"), (dict(patch), "command line")], seed=0)
    model, step, batches = _made_ready(spec, normalised)
    for number, batch in zip(range(steps + 1), batches, strict=False):
        if number % every == 0:
            yield NormsReading(places=places, step=number, **_read(model, batch))
        step(batch)


def _made_ready(spec: RunSpec, normalised: Sequence[str]) -> tuple[Model, TrainingStep, Iterator[Batch]]:
    torch.manual_seed(spec.seed)
    model, device = assemble(spec.model), torch.device("cpu")
    for layer in model.layers:  # type: ignore[union-attr]
        for block in set(BLOCKS[:-1]) - set(normalised):
            setattr(layer, f"{block}_norm", nn.Identity())
    if "final" not in normalised:
        model.final_norm = nn.Identity()
    (run,) = stage_runs(spec, load_data(spec), model, device)
    optimiser = run.ingredients.optimiser.build([model, run.ingredients.objective], device)
    batches = chain.from_iterable(run.augmented(epoch, 0) for epoch in count())
    return model.train(), TrainingStep(model, run.ingredients.objective, optimiser, run.train), batches


def _read(model: Model, batch: Batch) -> dict[str, float]:
    seen: dict[str, Tensor] = {}
    last, pooling = model.layers[-1], model.pooling  # type: ignore[index]
    hooks = [
        last.register_forward_hook(lambda _m, _i, out: seen.update(x=out[0].detach())),  # type: ignore[operator, union-attr]
        pooling.register_forward_hook(lambda _m, _i, out: seen.update(pooled=out.detach())),  # type: ignore[union-attr]
    ]
    model.eval()
    loss = nn.functional.cross_entropy(model.detailed(batch.ids_BN, batch.mask_BN).logits_BK, batch.labels_M)
    (gradient,) = torch.autograd.grad(loss, [model.embedding.embed.weight])  # type: ignore[union-attr, arg-type, list-item]
    model.train()
    for hook in hooks:
        hook.remove()
    tokens = [_spread(x_ND[mask_N]) for x_ND, mask_N in zip(seen["x"], batch.mask_BN, strict=True)]
    return {"loss": loss.item(), "tokens": sum(tokens) / len(tokens), "texts": _spread(seen["pooled"]),
            "embedding": gradient.norm().item()}  # fmt: skip


def _spread(x_ND: Tensor) -> float:
    """Standard deviation over rows, root mean square over features, over the root mean square of all."""
    return float((x_ND - x_ND.mean(dim=0)).square().mean().sqrt() / x_ND.square().mean().sqrt().clamp(min=1e-12))


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 1 or 130 with a message where it was refused or stopped."""
    parser = command_parser("properties.norms", __doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--every", type=int, default=25)
    parser.add_argument("--places", nargs="+", choices=list(PLACES), default=list(PLACES))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE")

    def run() -> None:
        options = parser.parse_args(arguments)
        patch, rows = read_updates(options.set), list[NormsReading]()
        options.out.mkdir(parents=True, exist_ok=True)
        command, revision = tuple(arguments or sys.argv[1:]), code_revision()
        with torch_threads(options.threads):
            for places in options.places:
                for reading in readings(places, patch, options.steps, options.every):
                    rows.append(reading)
                    print(", ".join(f"{key} {value}" for key, value in reading), flush=True)
                found = Norms(command=command, code_revision=revision, rows=tuple(rows))
                save(options.out / "norms.json", found)

    return exit_status(run, "stopped; what was measured of whole placements is written")


if __name__ == "__main__":
    sys.exit(main())
