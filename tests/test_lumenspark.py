"""Lumenspark against its published package (PyPI 0.1.4) for the same weights, and what of it is mended by default."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from torch import Tensor, nn

import swarmformer
from swarmformer.errors import SpecError
from swarmformer.generation import TextGenerator
from swarmformer.models.lumenspark_layers import LinformerAttention, LowRankLinear, RMSNorm
from tests.components.cases import prefix_mask
from tests.helpers import assert_close

D, HEADS, LENGTH, MIXTURES, VOCABULARY = 24, 4, 20, 7, 40
IDS = torch.randint(VOCABULARY, (3, 13), generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def package() -> Any:
    pytest.importorskip("lumenspark", reason="the published package is a test dependency: pip install '.[dev]'")
    from lumenspark import lumenspark

    return lumenspark


def shaken(module: Any) -> Any:
    """Parameters moved away from tame initial values."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return module.eval()


def with_weights_of(theirs: nn.Module, ours: nn.Module) -> Any:
    """Our layers in eval mode; names agree, so the weights go over as they are."""
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return ours.eval()


def attention(**options: Any) -> LinformerAttention:
    usual = {"k": MIXTURES, "heads": HEADS, "rank": 32, "shared_kv": True, "single_kv_head": True}
    return LinformerAttention(D, LENGTH, **{**usual, "causal": False, "dropout": 0.0, **options})


# The layers of the package.


def test_low_rank_linear(package: Any) -> None:
    theirs = shaken(package.LowRankLinear(D, 10, rank=3))
    x = torch.randn(2, 5, D)
    assert_close("out", theirs(x), with_weights_of(theirs, LowRankLinear(D, 10, 3))(x), atol=1e-5)


def test_rms_norm_and_where_its_eps_stands(package: Any) -> None:
    theirs = shaken(package.RMSNorm(D))
    ours = with_weights_of(theirs, RMSNorm(D))
    for scale in (100.0, 1.0, 1e-5, 0.0):
        x = torch.randn(4, D) * scale
        assert_close(f"at {scale}", theirs(x), ours(x), atol=1e-5)
    tiny = torch.randn(4, D) * 1e-5
    usual = nn.functional.rms_norm(tiny, (D,), ours.scale, eps=ours.eps)
    assert (usual - ours(tiny)).abs().max() > 0.1, "eps beside the mean square, not beside its root, is another norm"


@pytest.mark.parametrize("N", [1, 9, LENGTH])
@pytest.mark.parametrize("single_kv_head", [True, False])
@pytest.mark.parametrize("shared_kv", [True, False])
def test_attention(package: Any, shared_kv: bool, single_kv_head: bool, N: int) -> None:
    options = {"shared_kv": shared_kv, "single_kv_head": single_kv_head}
    theirs = shaken(package.LumensparkSelfAttention(D, LENGTH, MIXTURES, HEADS, dropout=0.0, **options))
    ours = with_weights_of(theirs, attention(**options))
    x = torch.randn(3, N, D, generator=torch.Generator().manual_seed(2))
    assert_close("out", theirs(x), ours(x), atol=1e-5)


# The whole model.


def published_model(package: Any, **sizes: int) -> Any:
    class Model(package.LumensparkModel):
        # transformers 5 expects a model's constructor to set this; the package is older.
        all_tied_weights_keys: ClassVar[dict[str, str]] = {}

    torch.manual_seed(0)
    return Model(package.LumensparkConfig(**sizes)).eval()


def our_model(**options: Any) -> Any:
    """A language model of the published variant: logits over the vocabulary at every token."""
    dims = {"d_model": D, "num_layers": 2, "seq_len": LENGTH, "vocab_size": VOCABULARY, "num_classes": VOCABULARY}
    torch.manual_seed(0)
    return swarmformer.build_model(
        "lumenspark_published", **{"dims": dims, "pooling": "tokens", "heads": HEADS, "k": MIXTURES, **options}
    ).eval()


OUR_NAMES = {
    "token_embedding.weight": "embedding.embed.weight",
    "position_embedding.weight": "embedding.position_ND",
    "fc_out.weight": "classifier.weight",
    "fc_out.bias": "classifier.bias",
}


def renamed(theirs: nn.Module) -> dict[str, Any]:
    """Parameters by our names; neither model has any other state."""
    return {OUR_NAMES.get(name, name): parameter for name, parameter in theirs.named_parameters()}


@pytest.mark.parametrize("k", [MIXTURES, 2 * LENGTH])
def test_next_token_logits(package: Any, k: int) -> None:
    sizes = {"seq_length": LENGTH, "vocab_size": VOCABULARY, "embed_dim": D, "depth": 2, "heads": HEADS}
    theirs = shaken(published_model(package, **sizes, k=k))
    ours = our_model(k=k)
    ours.load_state_dict(renamed(theirs), strict=True)
    with torch.no_grad():
        expected = theirs(IDS)["logits"]
        assert_close("logits", expected, ours(IDS), atol=1e-5)
        mask = prefix_mask([13, 4, 9], 13)
        assert_close("pads are tokens", expected[mask], ours(IDS, mask)[mask], atol=1e-5)


def test_gradients_of_the_next_token_loss(package: Any) -> None:
    sizes = {"seq_length": LENGTH, "vocab_size": VOCABULARY, "embed_dim": D, "depth": 2, "heads": HEADS}
    theirs = shaken(published_model(package, **sizes, k=MIXTURES, dropout=0.0))
    ours = our_model()
    ours.load_state_dict(renamed(theirs), strict=True)
    for logits in (theirs(IDS)["logits"], ours(IDS)):
        nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), IDS[:, 1:].flatten()).backward()
    expected = renamed(theirs)
    for name, parameter in ours.named_parameters():
        assert_close(name, expected[name].grad, parameter.grad, atol=1e-5)


def test_the_published_variant_has_the_defaults_of_the_package(package: Any) -> None:
    """Shapes of all parameters, the logits of the untouched weights, and the weights' spread at the start."""
    theirs = published_model(package)
    published = swarmformer.load_variant("lumenspark_published").model_spec()
    config = theirs.config
    assert published.options["dropout"] == config.dropout == published.slots["embedding"].options["dropout"]
    sizes = {"vocab_size": config.vocab_size, "num_classes": config.vocab_size}
    torch.manual_seed(0)
    ours = swarmformer.build_model("lumenspark_published", dims=sizes, pooling="tokens").eval()
    expected = renamed(theirs)
    assert ours.state_dict().keys() == expected.keys()
    for name, parameter in ours.named_parameters():
        assert parameter.std().item() == pytest.approx(expected[name].std().item(), rel=0.05), name
    ours.load_state_dict(expected, strict=True)
    with torch.no_grad():
        assert_close("logits", theirs(IDS)["logits"], ours(IDS), atol=1e-5)


# What the package does wrong, and what is right by default.


def effect_of_the_last_token(model: Any) -> Tensor:
    """By how much each position's logits change with the last token, [N]."""
    other = IDS.clone()
    other[:, -1] = (other[:, -1] + 1) % VOCABULARY
    with torch.no_grad():
        return (model(IDS) - model(other)).abs().amax(dim=(0, 2))


def test_next_token_logits_as_published_know_the_token_they_predict() -> None:
    effect = effect_of_the_last_token(shaken(our_model(published=True)))
    assert (effect[:-1] > 1e-3).all(), "every earlier position sees the last token"


def test_the_leak_is_in_the_package_too(package: Any) -> None:
    sizes = {"seq_length": LENGTH, "vocab_size": VOCABULARY, "embed_dim": D, "depth": 2, "heads": HEADS}
    theirs = shaken(published_model(package, **sizes, k=MIXTURES))
    assert (effect_of_the_last_token(lambda ids: theirs(ids)["logits"])[:-1] > 1e-3).all()


@pytest.mark.parametrize("single_kv_head", [True, False])
@pytest.mark.parametrize("shared_kv", [True, False])
def test_a_causal_model_does_not_leak(shared_kv: bool, single_kv_head: bool) -> None:
    options = {"shared_kv": shared_kv, "single_kv_head": single_kv_head}
    effect = effect_of_the_last_token(shaken(our_model(published=False, causal=True, **options)))
    assert (effect[:-1] == 0).all() and effect[-1] > 1e-3


@pytest.mark.parametrize("single_kv_head", [True, False])
@pytest.mark.parametrize("shared_kv", [True, False])
def test_causal_attention_is_attention_to_what_there_is_so_far(shared_kv: bool, single_kv_head: bool) -> None:
    options = {"shared_kv": shared_kv, "single_kv_head": single_kv_head}
    plain = shaken(attention(**options))
    causal = with_weights_of(plain, attention(**options, causal=True))
    x, mask = torch.randn(3, 13, D), torch.rand(3, 13) > 0.3
    with torch.no_grad():
        out = causal(x, mask)
        for i in range(13):
            assert_close(f"token {i}", plain(x[:, : i + 1], mask[:, : i + 1])[:, i], out[:, i], atol=1e-5)


def test_pads_are_in_no_mixture() -> None:
    """One text at a time, mixtures of its real tokens written out."""
    module, x = shaken(attention()), torch.randn(3, 13, D)
    mask = torch.tensor([[1] * 13, [1, 0, 1, 1, 0, 1, 0, 0, 0, 1, 1, 0, 0], [0] * 13]).bool()
    with torch.no_grad():
        out = module(x, mask)
        for b in range(3):
            real = mask[b].nonzero().flatten().tolist()
            keys = module.key_transform(x[b])
            mixtures = sum((torch.outer(module.key_proj[n], keys[n]) for n in real), torch.zeros(MIXTURES, D // HEADS))
            queries = module.query_transform(x[b]).split(D // HEADS, dim=-1)
            heads = [(q @ mixtures.T / (D // HEADS) ** 0.5).softmax(-1) @ mixtures for q in queries]
            assert_close(f"text {b}", module.output_transform(torch.cat(heads, dim=-1)), out[b], atol=1e-5)


def test_pads_change_the_published_model_alone() -> None:
    text, mask = IDS[:1, :6], prefix_mask([6], 13)
    for published in (True, False):
        model = shaken(our_model(published=published, pooling="mean"))
        with torch.no_grad():
            gap = (model(text) - model(IDS[:1], mask)).abs().max()
        assert gap > 1e-3 if published else gap < 1e-5
        assert model.honours_mask is not published


def test_too_long_a_text_is_refused() -> None:
    model = our_model(embedding="token")
    with pytest.raises(ValueError, match=r"21 tokens, but it was built for seq_len = 20"):
        model(torch.zeros(1, LENGTH + 1, dtype=torch.long))


# Published weights, as the package's own save_pretrained leaves them.

WORDS = {f"w{index}": index for index in range(VOCABULARY - 1)} | {"<|endoftext|>": VOCABULARY - 1}


@pytest.fixture(scope="module")
def published(package: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A small model of the package and its folder, with a tokenizer that, as GPT-2's, has no pad."""
    sizes = {"seq_length": LENGTH, "vocab_size": VOCABULARY, "embed_dim": D, "depth": 2, "heads": 2, "k": MIXTURES}
    theirs, folder = shaken(published_model(package, **sizes)), tmp_path_factory.mktemp("published")
    save_file(theirs.state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(theirs.config.to_dict()))
    tokenizer = Tokenizer(WordLevel(WORDS, "w0"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.save(str(folder / "tokenizer.json"))
    return theirs, folder


def test_published_weights_are_loaded_with_their_sizes(published: tuple[Any, Path]) -> None:
    theirs, folder = published
    ours = swarmformer.load(folder)
    assert isinstance(ours, TextGenerator)
    options = ours.model.spec.options
    assert (options["heads"], options["k"], options["rank"]) == (2, MIXTURES, 32) and options["published"]
    with torch.no_grad():
        assert_close("logits", theirs(IDS)["logits"], ours.model(IDS), atol=1e-5)


def test_greedy_text_is_the_packages(published: tuple[Any, Path]) -> None:
    theirs, folder = published
    given = torch.tensor([[3, 1, 4]])
    options = {"temperature": 1.0, "repetition_penalty": 1.0, "do_sample": False}
    theirs.config.eos_token_id = None  # transformers 5 gives it none
    expected = theirs.generate(given, max_length=LENGTH, **options)[0].tolist()
    assert WORDS["<|endoftext|>"] not in expected, "where ours would end"
    told = swarmformer.load(folder).generate("w3 w1 w4", max_length=LENGTH, temperature=0)
    assert told.replace("w4", "w4 ", 1).split() == [f"w{index}" for index in expected]


def test_published_weights_that_contradict_their_config_are_refused(
    published: tuple[Any, Path], tmp_path: Path
) -> None:
    _, folder = published
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    for name, value, words in (("depth", 3, "says depth 3, but the weights have 2"), ("k", 99, "says k 99"),
                               ("heads", "four", "says heads 'four', but the weights have 2")):  # fmt: skip
        config = {**json.loads((folder / "config.json").read_text()), name: value}
        (tmp_path / "config.json").write_text(json.dumps(config))
        with pytest.raises(SpecError, match=words):
            swarmformer.load(tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(SpecError, match=r"no tokenizer\.json beside it"):
        swarmformer.load(tmp_path)
