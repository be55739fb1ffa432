"""What a leak does to the figures of a language model: trained on tokens that nothing predicts.

Tokens are drawn evenly and apart from each other, so that no model that sees the past alone can have a perplexity below
their number. ``python -m experiments.properties.next_token --out FOLDER`` writes next_token.json: for each model the
perplexity of fresh texts, over all places but the last, whose answer stands in the text, and at the last, whose does
not.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

import swarmformer
from swarmformer.cli.command import command_parser, exit_status
from swarmformer.contracts import Model
from swarmformer.cost.timing import torch_threads
from swarmformer.environment import code_revision
from swarmformer.records import save_json

VARIANTS = ("lumenspark_published", "lumenspark_lm", "transformer_lm")
TOKENS, LENGTH, TEXTS, TESTED = 16, 16, 64, 1000
RATE = 3e-3


def row(variant: str, steps: int) -> dict[str, Any]:
    """Train for ``steps`` batches of fresh texts and measure on fresh texts; the same numbers for every variant."""
    torch.manual_seed(0)
    draws, model = torch.Generator().manual_seed(1), _model(variant)
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.0)
    for _ in range(steps):
        _losses(model, TEXTS, draws).mean().backward()
        optimiser.step()
        optimiser.zero_grad()
    with torch.no_grad():
        losses_N = _losses(model.eval(), TESTED, draws).mean(dim=0)
    earlier, last = (float(part.mean().exp()) for part in (losses_N[:-1], losses_N[-1]))
    return {"variant": variant, "steps": steps, "tokens": TOKENS, "length": LENGTH, "earlier": earlier, "last": last}


def _model(variant: str) -> Model:
    mixtures = {"k": LENGTH} if variant.startswith("lumenspark") else {}
    dims = {"vocab_size": TOKENS, "num_classes": TOKENS, "d_model": 64, "num_layers": 2, "seq_len": LENGTH}
    plain: dict[str, Any] = {"pooling": "tokens", "embedding": {"dropout": 0.0}, "dropout": 0.0}
    return swarmformer.build_model(variant, dims=dims, **plain, **mixtures).train()


def _losses(model: Model, texts: int, draws: torch.Generator) -> Tensor:
    """Negative log-likelihood of each next token, [texts, LENGTH]."""
    ids_BN = torch.randint(TOKENS, (texts, LENGTH + 1), generator=draws)
    return F.cross_entropy(model(ids_BN[:, :-1]).mT, ids_BN[:, 1:], reduction="none")


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 1 or 130 with a message where it was refused or stopped."""
    parser = command_parser("properties.next_token", __doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--variants", nargs="+", default=VARIANTS)
    parser.add_argument("--threads", type=int, default=1)

    def run() -> None:
        options = parser.parse_args(arguments)
        rows = list[dict[str, Any]]()
        with torch_threads(options.threads):
            for variant in options.variants:
                rows.append(row(variant, options.steps))
                print(", ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
        options.out.mkdir(parents=True, exist_ok=True)
        made = {"command": list(arguments or sys.argv[1:]), "code_revision": code_revision(), "rows": rows}
        save_json(options.out / "next_token.json", made)

    return exit_status(run, "stopped; nothing was written")


if __name__ == "__main__":
    sys.exit(main())
