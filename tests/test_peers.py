"""The models that SwarmFormer is compared with: against torch's own layers, loops, and what they must be blind to."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import swarmformer
from swarmformer.cost.operations import counted_flops
from swarmformer.errors import SpecError
from tests.components.cases import prefix_mask
from tests.helpers import assert_close

D, V, K = 16, 50, 3
SIZES = {"vocab_size": V, "d_model": D, "cluster_size": 4, "seq_len": 32, "num_classes": K}
PEERS = ("transformer", "lumenspark", "deep_averaging", "cnn")
IDS = torch.randint(V, (4, 11), generator=torch.Generator().manual_seed(0))
LENGTHS = [11, 6, 1, 3]
MASK = prefix_mask(LENGTHS, 11)


def build(variant: str, **overrides: Any) -> Any:
    """A small model in eval mode, its parameters moved away from tame initial values."""
    torch.manual_seed(0)
    model = swarmformer.build_model(variant, dims=SIZES, **overrides).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


def torchs_encoder(model: Any, heads: int, hidden: int) -> nn.TransformerEncoder:
    """torch's pre-norm encoder with the weights of ours."""
    layer = nn.TransformerEncoderLayer(
        D, heads, hidden, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )
    encoder = nn.TransformerEncoder(layer, len(model.layers), norm=nn.LayerNorm(D), enable_nested_tensor=False).eval()
    for theirs, ours in zip(encoder.layers, model.layers, strict=True):
        pairs = {
            theirs.self_attn.out_proj: ours.out,
            theirs.linear1: ours.feedforward[0],
            theirs.linear2: ours.feedforward[3],
            theirs.norm1: ours.attention_norm.norm,
            theirs.norm2: ours.feedforward_norm.norm,
        }
        for module, source in pairs.items():
            module.load_state_dict(source.state_dict())
        theirs.self_attn.in_proj_weight.data.copy_(ours.qkv.weight)
        theirs.self_attn.in_proj_bias.data.copy_(ours.qkv.bias)
    encoder.norm.load_state_dict(model.final_norm.norm.state_dict())
    return encoder


@pytest.mark.parametrize(("heads", "feedforward"), [(1, 1), (4, 4)])
def test_transformer_is_torchs_pre_norm_encoder(heads: int, feedforward: int) -> None:
    model = build("transformer", heads=heads, feedforward=feedforward, pooling="tokens")
    encoder = torchs_encoder(model, heads, feedforward * D)
    with torch.no_grad():
        states = encoder(model.embedding(IDS), src_key_padding_mask=~MASK)
        assert_close("with mask", model.classifier(states)[MASK], model(IDS, MASK)[MASK], atol=1e-5)
        assert_close("without", model.classifier(encoder(model.embedding(IDS))), model(IDS), atol=1e-5)


class Share(nn.Module):
    """In place of a dropout: leaves this share of every value, so that a place that is missing or doubled shows."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        return x * self.share


def test_transformer_in_training_drops_where_torchs_does() -> None:
    plain: dict[str, Any] = {"embedding": "token", "pooling": "tokens", "final_dropout": 0.0}
    model = build("transformer", heads=2, feedforward=2, dropout=0.4, **plain).train()
    encoder = torchs_encoder(model, 2, 2 * D).train()
    for theirs, ours in zip(encoder.layers, model.layers, strict=True):
        assert (ours.feedforward[2].p, ours.dropout.p, ours.weight_dropout) == (0.4, 0.4, 0.4)
        theirs.dropout, ours.feedforward[2] = Share(0.5), Share(0.5)
        theirs.dropout1, theirs.dropout2, ours.dropout = Share(0.3), Share(0.3), Share(0.3)
        ours.weight_dropout = 0.0
    expected = model.classifier(encoder(model.embedding(IDS)))
    assert_close("on sums and inside", expected, model(IDS), atol=1e-5)
    for theirs, ours in zip(encoder.layers, model.layers, strict=True):
        theirs.self_attn.dropout = ours.weight_dropout = 1.0
    without = model.classifier(encoder(model.embedding(IDS)))
    assert (without - expected).abs().max() > 0.1
    assert_close("without attention", without, model(IDS), atol=1e-5)


def averaged_by_hand(model: Any, ids: Tensor) -> Tensor:
    state = torch.stack([model.embedding.embed.weight[i] for i in ids]).sum(0) / len(ids)
    layers = [module for module in model.classifier if isinstance(module, nn.Linear)]
    for layer in layers[:-1]:
        state = (layer.weight @ state + layer.bias).clamp(min=0)
    return layers[-1].weight @ state + layers[-1].bias


@pytest.mark.parametrize("num_layers", [1, 3])
def test_deep_averaging_by_hand(num_layers: int) -> None:
    model = build("deep_averaging", **{"dims.num_layers": num_layers})
    with torch.no_grad():
        expected = torch.stack([averaged_by_hand(model, IDS[b, :n]) for b, n in enumerate(LENGTHS)])
        assert_close("logits", expected, model(IDS, MASK), atol=1e-5)
    assert sum(isinstance(module, nn.Linear) for module in model.classifier) == num_layers + 1


def seen_by_the_classifier(model: Any, ids: Tensor, mask: Tensor | None) -> Tensor:
    """What reaches the hidden layers."""
    seen: list[Tensor] = []
    handle = model.classifier.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        model(ids, mask)
    handle.remove()
    return seen[0]


@pytest.mark.parametrize("masked", [True, False])
def test_words_are_left_out_in_training_only(masked: bool) -> None:
    """Each of 12 positions has its own axis: the mean shows which words took part."""
    model = build("deep_averaging", word_dropout=0.3, **{"embedding.dropout": 0.0})
    with torch.no_grad():
        model.embedding.embed.weight.copy_(torch.eye(V, D))
    ids = torch.arange(12).expand(4000, -1)
    mask = prefix_mask([9] * 4000, 12) if masked else None
    length = 9 if masked else 12
    assert_close("eval", torch.full((length,), 1 / length), seen_by_the_classifier(model, ids, mask)[0, :length], 1e-6)
    mean = seen_by_the_classifier(model.train(), ids, mask)
    kept = mean > 0
    assert kept[:, :length].float().mean(0) == pytest.approx([0.7] * length, abs=0.04)
    assert not kept[:, length:].any(), "pads never take part"
    assert_close("means", torch.ones(4000), mean.sum(1), atol=1e-5)


def test_a_text_that_loses_all_its_words_is_like_an_empty_one() -> None:
    model = build("deep_averaging", word_dropout=1.0, dropout=0.0).train()
    with torch.no_grad():
        assert_close("logits", model(IDS, torch.zeros_like(MASK)), model(IDS, MASK), atol=0.0)


def convolved_by_hand(model: Any, ids: Tensor) -> Tensor:
    """Windows one at a time over the text between zeros."""
    strongest = []
    for convolution in model.convolutions:
        width = convolution.width
        beside = torch.zeros(width - 1, D)
        text = torch.cat([beside, model.embedding.embed.weight[ids], beside])
        windows = [text[start : start + width] for start in range(len(ids) + width - 1)]
        responses = [torch.einsum("wd,fdw->f", window, convolution.conv.weight) for window in windows]
        strongest.append((torch.stack(responses) + convolution.conv.bias).clamp(min=0).max(dim=0).values)
    return model.classifier(torch.cat(strongest))


@pytest.mark.parametrize("widths", [[3, 4, 5], [1], [2, 2, 20]])
def test_cnn_by_hand_and_on_texts_shorter_than_a_filter(widths: list[int]) -> None:
    model = build("cnn", widths=widths, filters=7)
    with torch.no_grad():
        expected = torch.stack([convolved_by_hand(model, IDS[b, :n]) for b, n in enumerate(LENGTHS)])
        assert_close("logits", expected, model(IDS, MASK), atol=1e-5)
        assert_close("alone", convolved_by_hand(model, IDS[0])[None], model(IDS[:1]), atol=1e-5)


OPTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("transformer", {"heads": 2, "feedforward": 3, "pooling": "tokens"}),
    ("lumenspark", {"k": 5, "rank": 3}),
    ("lumenspark", {"shared_kv": False, "pooling": "tokens"}),
    ("lumenspark", {"single_kv_head": False, "shared_kv": False}),
    ("lumenspark", {"causal": True, "k": 7}),
    ("lumenspark", {"causal": True, "single_kv_head": False, "shared_kv": False}),
    ("deep_averaging", {"dims.num_layers": 4}),
    ("cnn", {"widths": [1, 6], "filters": 5}),
)


@pytest.mark.parametrize("N", [1, 2, 5, 32])
@pytest.mark.parametrize(("variant", "overrides"), [*((peer, {}) for peer in PEERS), *OPTIONS], ids=str)
def test_flops_in_closed_form_equal_the_counted_ones(variant: str, overrides: dict[str, Any], N: int) -> None:
    model = build(variant, **overrides)
    for B in (1, 3):
        assert model.flops(B, N) == counted_flops(model, B, N)


@pytest.mark.parametrize("variant", PEERS)
def test_peers_start_from_the_token_vectors_of_base(variant: str) -> None:
    def tokens(name: str, seed: int) -> Tensor:
        torch.manual_seed(seed)
        return swarmformer.build_model(name, dims=SIZES).state_dict()["embedding.embed.weight"]

    assert torch.equal(tokens("base", 3), tokens(variant, 3))
    assert not torch.equal(tokens(variant, 3), tokens(variant, 4))


@pytest.mark.parametrize("variant", ["base", "bag_of_embeddings", *PEERS])
def test_every_model_with_token_vectors_takes_their_start(variant: str) -> None:
    model = swarmformer.build_model(variant, dims=SIZES, embedding={"init_std": 0.1})
    assert model.embedding.embed.weight.std().item() == pytest.approx(0.1, rel=0.2)


def test_the_published_start_of_lumenspark_is_not_overruled_in_silence() -> None:
    with pytest.raises(SpecError, match=r"starts its tables at 0\.02"):
        swarmformer.build_model("lumenspark_published", dims=SIZES, embedding={"init_std": 0.1})


@pytest.mark.parametrize("variant", ["transformer", "lumenspark"])
def test_answers_at_tokens(variant: str) -> None:
    model = build(variant, pooling="tokens")
    assert model.per_token and not build(variant).per_token
    with torch.no_grad():
        logits = model(IDS, MASK)
        assert logits.shape == (4, 11, K)
        for row, length in enumerate(LENGTHS):
            assert_close("alone", model(IDS[row : row + 1, :length])[0], logits[row, :length], atol=1e-5)


def changed_by_order(model: Any) -> float:
    with torch.no_grad():
        return float((model.double()(IDS) - model(IDS.sort(dim=1).values)).abs().max())


@pytest.mark.parametrize("variant", ["deep_averaging", "transformer"])
def test_without_positions_order_makes_no_difference(variant: str) -> None:
    assert changed_by_order(build(variant, embedding="token")) < 1e-12


@pytest.mark.parametrize("position", ["learned", "sinusoidal"])
def test_positions_and_filters_see_the_order(position: str) -> None:
    assert changed_by_order(build("transformer", embedding={"position": position})) > 1e-6
    assert changed_by_order(build("cnn")) > 1e-6


@pytest.mark.parametrize(
    ("variant", "overrides", "words"),
    [
        ("transformer", {"heads": 3}, r"overrides: model\.heads: .*heads = 3 does not divide d_model = 16"),
        ("transformer", {"feedforward": 0}, r"overrides: model\.feedforward: .*greater than or equal to 1"),
        ("lumenspark", {"heads": 5}, r"overrides: model\.heads: .*heads = 5 does not divide d_model = 16"),
        ("lumenspark", {"k": 0}, r"overrides: model\.k: .*greater than or equal to 1"),
        ("lumenspark_published", {"causal": True}, r"overrides: model\.causal: the published model is not causal"),
        ("cnn", {"widths": []}, r"overrides: model\.widths: .*at least 1 item"),
        ("cnn", {"widths": [3, 0]}, r"overrides: model\.widths\.1: .*greater than or equal to 1"),
        ("deep_averaging", {"word_dropout": 1.2}, r"overrides: model\.word_dropout: .*less than or equal to 1"),
        ("deep_averaging", {"pooling": "tokens"}, r"overrides: model\.pooling: unknown"),
    ],
)
def test_values_that_do_not_fit_name_the_key(variant: str, overrides: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        swarmformer.build_model(variant, dims=SIZES, **overrides)
