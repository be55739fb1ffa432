"""What models can tell of the order of tokens, against a text read backwards."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import swarmformer
from swarmformer.contracts import tells_order
from swarmformer.variants import list_variants, load_factors

SMALL = {"vocab_size": 40, "d_model": 16, "cluster_size": 4, "seq_len": 32}
NAMES = [*list_variants(), *(f"base+{factor}" for factor in load_factors()), "base+routing+neighbours"]
BLIND, SEES = 1e-12, 1e-9
HELD = "base+gumbel"
"""Could see order, but its choice is held to the chunks so tightly that weights this large do not show it."""
LENGTHS = {"base+hierarchical": 24}
"""A tree over six clusters is not its own mirror image, over eight it is."""


OPTIONS: dict[str, dict[str, Any]] = {
    "transformer, causal": {"causal": True, "embedding": "token"}, "cnn, words alone": {"widths": [1]},
    "cnn, words and pairs": {"widths": [1, 2]}, "ngrams, words alone": {"channel": {"orders": 1}},
    "base+ngrams, words alone": {"channel": {"orders": 1}},
}  # fmt: skip
"""Options that decide it."""


@pytest.mark.parametrize("name", [*NAMES, *OPTIONS])
def test_a_model_says_whether_a_text_and_its_mirror_image_are_one_to_it(name: str) -> None:
    torch.manual_seed(0)
    model = swarmformer.build_model(name.split(",")[0], dims=SMALL, **OPTIONS.get(name, {})).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
        ids = torch.randint(40, (3, LENGTHS.get(name, 32)))
        gap = float((model(ids) - model(ids.flip(1))).abs().max())
    assert gap > SEES if tells_order(model) and name != HELD else gap < BLIND, gap


def test_positions_windows_and_peers_see_order_and_the_base_does_not() -> None:
    blind = ("original", "base", "base+layer_norm+pyramid", "bag_of_embeddings", "base+uniform_window")
    seeing = ("base+positions", "base+windowed", "base+shift_positions", "transformer", "cnn")
    seen = {name: tells_order(swarmformer.build_model(name, dims=SMALL)) for name in (*blind, *seeing)}
    assert seen == {**dict.fromkeys(blind, False), **dict.fromkeys(seeing, True)}
