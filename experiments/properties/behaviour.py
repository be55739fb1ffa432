"""What changes a model's logits: the order of the text, the feedback's gate, a later token, pads.

Weights are random and moved away from their tame initial values; what is blind is so for any weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

import swarmformer
from swarmformer.contracts import Model
from swarmformer.ops.switch import use_fast
from swarmformer.records.properties import Gates, Leak, OrderChange, PadChange

PUBLISHED = ("original_base", "original_small")
CONTRASTS = ("base", "base+windowed", "base+positions", "base+shift_positions")
TEXTS = 4
PRECISIONS = (torch.float64, torch.float32)


def order_rows(variant: str, dtype: torch.dtype) -> list[OrderChange]:
    """Largest change of a logit where texts of full length are reversed, rotated or shuffled.

    ``shuffle`` draws an order at random: what a change of order does where the model can see it.
    """
    model = shaken(variant).to(dtype)
    length, size = model.dims.seq_len, model.dims.cluster_size
    ids_BN = random_ids(model, TEXTS, length)
    others = {
        "reversal": ids_BN.flip(1),
        "rotation by a cluster": ids_BN.roll(size, dims=1),
        "shuffle": ids_BN[:, torch.randperm(length, generator=torch.Generator().manual_seed(1))],
    }
    with torch.inference_mode():
        logits_BK = model(ids_BN)
        largest = {change: float((model(other_BN) - logits_BK).abs().max()) for change, other_BN in others.items()}
    precision = str(dtype).removeprefix("torch.")
    return [
        OrderChange(
            variant=variant, precision=precision, length=length, texts=TEXTS, change=change, difference=difference
        )
        for change, difference in largest.items()
    ]


def gate_row(variant: str) -> Gates:
    """The feedback's gates: parameters, mean opening, and what holding them open changes."""
    model = shaken(variant)
    gates: list[nn.Module] = [layer.feedback.gate for layer in model.layers]  # type: ignore[union-attr, operator]
    ids_BN = random_ids(model, TEXTS, model.dims.seq_len)
    openings: list[float] = []
    # Hooks see a gate that is called as a module, as the plain path does.
    with torch.inference_mode(), use_fast(False):
        watching = [
            gate.register_forward_hook(lambda _m, _i, out: openings.append(out.mean().item())) for gate in gates
        ]
        logits_BK = model(ids_BN)
        for hook in watching:
            hook.remove()
        for gate in gates:
            gate.register_forward_hook(_held_open)
        difference = float((model(ids_BN) - logits_BK).abs().max())
    parameters = sum(parameter.numel() for gate in gates for parameter in gate.parameters())
    mean = sum(openings) / len(openings)
    return Gates(variant=variant, parameters=parameters, mean_opening=mean, difference_held_open=difference)


def _held_open(_module: nn.Module, _inputs: Any, out: Tensor) -> Tensor:
    return torch.ones_like(out)


LANGUAGE_MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "lumenspark_published": ("lumenspark_published", {"pooling": "tokens"}),
    "lumenspark, causal": ("lumenspark_published", {"pooling": "tokens", "published": False, "causal": True}),
    "lumenspark, pads masked": ("lumenspark_published", {"pooling": "tokens", "published": False}),
}
"""Name → variant and what is changed in it. Weights start as the variant starts them."""
REAL, PADDED = 64, 128
SMALL_VOCABULARY = 1000
"""Logits over the package's 50,257 tokens only take longer; what leaks, leaks before the last layer."""


def leak_row(name: str) -> Leak:
    """How far the logits of the earlier positions, and of the last, change with the last token."""
    model = _language_model(name)
    ids_BN = random_ids(model, TEXTS, REAL)
    other_BN = ids_BN.clone()
    other_BN[:, -1] = (other_BN[:, -1] + 1) % model.dims.vocab_size
    with torch.inference_mode():
        change_N = (model(ids_BN) - model(other_BN)).abs().flatten(1).view(TEXTS, REAL, -1).amax(dim=(0, 2))
    earlier_N = change_N[:-1]
    return Leak(
        variant=name, length=REAL, precision="float64", least_earlier=float(earlier_N.min()),
        largest_earlier=float(earlier_N.max()), last=float(change_N[-1]), earlier_changed=int((earlier_N > 0).sum()),
    )  # fmt: skip


def pad_row(name: str) -> PadChange:
    """How far the logits of real tokens change where pads follow them and the mask says so."""
    model = _language_model(name)
    ids_BN = random_ids(model, TEXTS, PADDED)
    mask_BN = torch.arange(PADDED).expand(TEXTS, PADDED) < REAL
    with torch.inference_mode():
        alone = model(ids_BN[:, :REAL]).view(TEXTS, REAL, -1)
        padded = model(ids_BN, mask_BN).view(TEXTS, -1, alone.shape[-1])[:, :REAL]
    difference = float((alone - padded).abs().max())
    return PadChange(variant=name, real=REAL, padded=PADDED, precision="float64", difference=difference)


def _language_model(name: str) -> Model:
    variant, options = LANGUAGE_MODELS[name]
    torch.manual_seed(0)
    dims = {"vocab_size": SMALL_VOCABULARY, "num_classes": SMALL_VOCABULARY}
    return swarmformer.build_model(variant, dims=dims, **options).double().eval()


def shaken(variant: str) -> Model:
    """A model in eval mode with parameters moved by a tenth of a standard normal."""
    torch.manual_seed(0)
    model = swarmformer.build_model(variant).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def random_ids(model: Model, texts: int, length: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(model.dims.vocab_size, (texts, length), generator=generator)


MEASUREMENTS: dict[str, Callable[[], list[Any]]] = {
    "order": lambda: [row for name in (*PUBLISHED, *CONTRASTS) for d in PRECISIONS for row in order_rows(name, d)],
    "gates": lambda: [gate_row(name) for name in PUBLISHED],
    "leaks": lambda: [leak_row(name) for name in LANGUAGE_MODELS],
    "pads": lambda: [pad_row(name) for name in LANGUAGE_MODELS],
}
"""Key of ``properties.json`` → its rows."""
