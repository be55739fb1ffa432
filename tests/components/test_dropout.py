"""Every dropout at p = 1, one by one where another hides it: what it falls on is gone, in training alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from swarmformer import registry
from swarmformer.testing import Case
from swarmformer.testing.drive import USUAL, apply, inputs
from tests.helpers import assert_close

OPTIONS = {(f"{entry.slot}.{entry.name}", option.name)
           for entry in registry.list_components() for option in entry.options if "dropout" in option.name}  # fmt: skip


@dataclass(frozen=True)
class Dropped:
    """``left`` says what is left with ``option`` at 1 of a component and its input; the dropouts of the parts ``off``
    are taken out, for they would hide others."""

    component: str
    left: Callable[[Any, Tensor], Tensor]
    off: tuple[str, ...] = ()
    option: str = "dropout"
    more: dict[str, Any] = field(default_factory=dict)

    def build(self, p: float) -> Any:
        slot, name = self.component.split(".")
        return Case(registry.get(slot, name), slot, self.more).build(**{self.option: p})

    def __str__(self) -> str:
        return " ".join([self.component, self.option, *self.more, *(f"-{name}" for name in self.off)])


def nothing(component: Any, x: Tensor) -> Tensor:
    return torch.zeros(())


def itself(component: Any, x: Tensor) -> Tensor:
    return x


def of_out(component: Any, x: Tensor) -> Tensor:
    return component.out.bias


def of_classifier(component: Any, x: Tensor) -> Tensor:
    return component.classifier.bias


def _step_to_bias(component: Any, x: Tensor) -> Tensor:
    u = component.mlp[-1].bias.expand_as(x)
    return x + component.gate(x, u) * (u - x)


def _latents_alone(component: Any, x: Tensor) -> Tensor:
    h = component.latent_MD + component.gather.out.bias
    return component.spread(x, h.expand(len(x), -1, -1))


def _without_hidden(component: Any, x: Tensor) -> Tensor:
    component.out.weight.zero_()
    return apply("feedback", component, x, None)


def _classified(component: Any, x_BND: Tensor) -> Tensor:
    return component.classifier(component.pooling(x_BND, None))


def _layers_add(added: Callable[[Any], Any]) -> Callable[[Any, Tensor], Tensor]:
    def left(component: Any, ids: Tensor) -> Tensor:
        x = component.embedding(ids) + sum(added(layer) for layer in component.layers)
        return _classified(component, component.final_norm(x))

    return left


def _normed(component: Any, ids: Tensor) -> Tensor:
    x = component.embedding(ids)
    for layer in component.layers:
        x = layer.norm2(layer.norm1(x + layer.attn.output_transform.bias))
    return _classified(component, x)


WINDOWED = ({"mlp": 2.0}, {"mlp": 2.0, "uniform": True})
EMBEDDING = ("embedding.dropout",)
DROPPED = [
    Dropped("embedding.token", nothing),
    Dropped("embedding.token_position", nothing),
    Dropped("local.depthwise_conv", itself),
    Dropped("local.rolling_shift", nothing),
    Dropped("local.rolling_shift", _step_to_bias, off=("dropout",), more={"T_local": 1}),
    *(Dropped("local.windowed_attention", itself, more=more) for more in WINDOWED),
    *(Dropped("local.windowed_attention", lambda part, x: x + part.out.bias + part.mlp[-1].bias,
              off=("out_dropout",), more=more) for more in WINDOWED),
    Dropped("cluster.attention", nothing, more={"out_proj": True}),
    Dropped("cluster.attention", of_out, off=("out_dropout",), more={"out_proj": True}),
    Dropped("cluster.hierarchical", itself),
    Dropped("cluster.latent", nothing),
    Dropped("cluster.latent", lambda part, x: part.spread.out.bias, off=("out_dropout",)),
    Dropped("cluster.latent", _latents_alone, off=("out_dropout", "spread")),
    Dropped("cluster.linformer", nothing),
    Dropped("cluster.linformer", of_out, off=("out_dropout",)),
    Dropped("feedback.gated_linear", itself),
    Dropped("feedback.gated_mlp", _without_hidden),
    Dropped("channel.ngrams", lambda part, ids: part.bias_C, more={"buckets": 32}),
    Dropped("model.bag_of_embeddings", of_classifier),
    Dropped("model.cnn", of_classifier),
    Dropped("model.deep_averaging", lambda part, ids: part.classifier[-1].bias),
    Dropped("model.deep_averaging", lambda part, ids: part.classifier[3:](torch.zeros(part.dims.d_model)),
            off=("classifier.5", "classifier.8")),
    Dropped("model.deep_averaging", lambda part, ids: part.classifier(torch.zeros(part.dims.d_model)),
            option="word_dropout"),
    *(Dropped(f"model.{name}", of_classifier, option="final_dropout") for name in ("lumenspark", "swarmformer",
                                                                                     "transformer")),
    *(Dropped("model.lumenspark", _normed, off=EMBEDDING, more=more) for more in ({}, {"causal": True})),
    Dropped("model.transformer", _layers_add(lambda layer: 0.0), off=EMBEDDING),
    Dropped("model.transformer", _layers_add(lambda layer: layer.out.bias + layer.feedforward[-1].bias),
            off=(*EMBEDDING, *(f"layers.{i}.dropout" for i in range(3)))),
]  # fmt: skip


def test_every_component_with_dropout_is_here() -> None:
    assert {(case.component, case.option) for case in DROPPED} == OPTIONS


@torch.no_grad()
@pytest.mark.parametrize("case", DROPPED, ids=str)
def test_what_is_dropped_is_gone_in_training_alone(case: Dropped) -> None:
    slot = case.component.split(".")[0]
    component, x = case.build(1.0), inputs(slot, 2, USUAL)
    whole = apply(slot, case.build(0.0), x, None)
    assert torch.equal(apply(slot, component, x, None), whole), "evaluation drops nothing"
    for part in map(component.get_submodule, case.off):
        setattr(part, "p" if isinstance(part, nn.Dropout) else "dropout", 0.0)
    trained = apply(slot, component.train(), x, None)
    left = case.left(component.eval(), x).expand_as(whole)
    assert (left - whole).abs().max() > 0.01, "it would be seen"
    assert_close("what is left", left, trained, atol=1e-6)
