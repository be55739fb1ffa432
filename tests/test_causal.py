"""Causal models: no token knows a later one, and going on from a cache is computing it all."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import swarmformer
from tests.components.cases import prefix_mask
from tests.helpers import assert_close

V, LENGTH = 40, 24
DIMS = {"vocab_size": V, "num_classes": V, "d_model": 24, "num_layers": 2, "seq_len": LENGTH}
IDS = torch.randint(V, (3, LENGTH), generator=torch.Generator().manual_seed(0))
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "transformer": ("transformer_lm", {}),
    "transformer, no positions, RMS norm": ("transformer_lm", {"embedding": "token", "norm": "rms_norm", "heads": 2}),
    **{
        f"lumenspark, shared_kv {shared}, single_kv_head {single}": (
            "lumenspark_lm", {"k": 7, "shared_kv": shared, "single_kv_head": single},
        )
        for shared in (True, False) for single in (True, False)
    },
}  # fmt: skip


def build(name: str) -> Any:
    """In eval mode, its parameters moved away from tame initial values."""
    variant, options = MODELS[name]
    torch.manual_seed(0)
    model = swarmformer.build_model(variant, dims=DIMS, **options).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


@pytest.mark.parametrize("name", MODELS)
def test_changing_a_later_token_never_changes_an_earlier_logit(name: str) -> None:
    model = build(name)
    with torch.no_grad():
        before = model(IDS)
        for place in range(1, LENGTH):
            other = IDS.clone()
            other[:, place] = (other[:, place] + 1) % V
            change = (model(other) - before).abs().amax(dim=(0, 2))
            assert (change[:place] == 0).all(), f"token {place} is known before it"
            assert change[place] > 1e-4, "and it does change what follows it"


@pytest.mark.parametrize("name", MODELS)
def test_gradients_of_a_loss_reach_no_later_token(name: str) -> None:
    model = build(name)
    seen: list[torch.Tensor] = []
    model.embedding.register_forward_hook(lambda module, given, out: seen.append(out.retain_grad() or out))
    model(IDS)[:, 9].square().sum().backward()
    grad = seen[0].grad
    assert grad is not None and (grad[:, 10:] == 0).all() and (grad[:, :10] != 0).any(dim=-1).all()


@pytest.mark.parametrize("name", MODELS)
def test_what_is_computed_from_a_cache_is_what_is_computed_anew(name: str) -> None:
    model = build(name)
    with torch.no_grad():
        expected = model(IDS)
        for steps in (range(1, LENGTH + 1), (7, 8, 20, LENGTH), (LENGTH,)):
            cache = model.new_cache()
            parts = [model.continued(IDS[:, :end], cache) for end in steps]
            assert cache.length == LENGTH
            assert_close(f"in {len(parts)} parts", expected, torch.cat(parts, dim=1), atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_pads_behind_a_text_do_not_touch_it(name: str) -> None:
    model, lengths = build(name), [LENGTH, 5, 1]
    with torch.no_grad():
        logits = model(IDS, prefix_mask(lengths, LENGTH))
        for row, length in enumerate(lengths):
            assert_close("alone", model(IDS[row : row + 1, :length])[0], logits[row, :length], atol=1e-5)


def test_models_that_see_everything_have_no_cache() -> None:
    for variant in ("transformer", "lumenspark", "lumenspark_published"):
        model = swarmformer.build_model(variant, dims=DIMS, pooling="tokens")
        assert not model.causal and model.new_cache() is None
        assert model.foresees == (variant == "lumenspark_published")


def test_the_transformer_is_torchs_with_a_causal_mask() -> None:
    model = build("transformer")
    layer = torch.nn.TransformerEncoderLayer(24, 4, 96, 0.0, "gelu", batch_first=True, norm_first=True)
    encoder = torch.nn.TransformerEncoder(layer, 2, torch.nn.LayerNorm(24), enable_nested_tensor=False).eval()
    for theirs, ours in zip(encoder.layers, model.layers, strict=True):
        theirs.self_attn.in_proj_weight.data.copy_(ours.qkv.weight)
        theirs.self_attn.in_proj_bias.data.copy_(ours.qkv.bias)
        for module, source in ((theirs.self_attn.out_proj, ours.out), (theirs.linear1, ours.feedforward[0]),
                               (theirs.linear2, ours.feedforward[3]), (theirs.norm1, ours.attention_norm.norm),
                               (theirs.norm2, ours.feedforward_norm.norm)):  # fmt: skip
            module.load_state_dict(source.state_dict())
    encoder.norm.load_state_dict(model.final_norm.norm.state_dict())  # type: ignore[union-attr]
    later = torch.nn.Transformer.generate_square_subsequent_mask(LENGTH)
    with torch.no_grad():
        expected = model.classifier(encoder(model.embedding(IDS), mask=later, is_causal=True))
        assert_close("logits", expected, model(IDS), atol=1e-5)
