"""Costs without a closed form: counted, equal to the closed forms of the built-ins, kept, and refused in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import swarmformer
from swarmformer.assembly import assemble_without_weights
from swarmformer.contracts import Dims, Feedback, Local, Router
from swarmformer.cost import counted
from swarmformer.cost.epoch import epoch_flops
from swarmformer.data.batching import Batches
from swarmformer.errors import ComponentError
from swarmformer.testing import DIMS, Case, check_component
from swarmformer.variants import list_variants, load_variant
from tests.components.cases import cases

SIZES = {"local": [(2, 13)], "cluster": [(2, 7)], "pooling": [(3, 12)], "embedding": [(2, 9)], "feedback": [(2, 13, 4)]}
ROUTING = ("broadcast_flops", "broadcast_training_flops")


@pytest.mark.parametrize("case", cases(*SIZES), ids=str)
def test_built_ins_count_as_their_closed_forms(case: Case) -> None:
    """The counter runs without memory for weights; the kit counts with them."""
    component = case.build()
    for sizes in SIZES[case.slot] if component.honours_mask else [(2, 12, 3)[: len(SIZES[case.slot][0])]]:
        for what in ("flops", "training_flops"):
            assert counted.count(component, what, sizes) == getattr(component, what)(*sizes), what
    if case.slot == "feedback":
        assert counted.count(component, "broadcast_width", (1, 2, 1)) == component.broadcast_width


@pytest.mark.parametrize("case", cases("router"), ids=str)
def test_routers_count_as_their_closed_forms(case: Case) -> None:
    router = case.build()
    for what in ("flops", "training_flops"):
        assert counted.count(router, what, (2, 12, 4)) == getattr(router, what)(2, 12, 4), what
    for what in ROUTING:
        assert counted.count(router, what, (2, 12, 4, 5)) == getattr(router, what)(2, 12, 4, 5), what


class Newcomer(Local):
    """Nothing but what it computes."""

    def __init__(self, dims: Dims, *, wide: int = 2) -> None:
        super().__init__()
        D = dims.d_model
        self.up, self.down = nn.Linear(D, wide * D), nn.Linear(wide * D, D)

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor:
        return x_BND + self.down(self.up(x_BND if norm is None else norm(x_BND)).relu())


def closed(B: int, N: int, wide: int = 2) -> int:
    return 2 * B * N * 2 * wide * DIMS.d_model**2


def test_a_component_needs_no_flops() -> None:
    assert check_component(Newcomer).ok
    small, wide = Newcomer(DIMS), Newcomer(DIMS, wide=5)
    assert small.flops(2, 7) == closed(2, 7) and wide.flops(2, 7) == closed(2, 7, wide=5)
    assert small.training_flops(3, 4) == 3 * closed(3, 4)
    small.up.requires_grad_(False)
    assert small.training_flops(3, 4) == 3 * closed(3, 4) - closed(3, 4) // 2, "frozen weights want no gradient"
    assert (small.flops_source, Case(Newcomer, "local").build().flops_source) == ("counted", "counted")


def test_a_model_is_the_sum_of_what_is_stated_and_what_is_counted() -> None:
    spec = load_variant("base", [({"model": {"local": f"{__name__}:Newcomer"}}, "test")]).model_spec()
    model, base = assemble_without_weights(spec), assemble_without_weights(load_variant("base").model_spec())
    local = 3 * 2 * 2 * 256 * 4 * spec.dims.d_model**2
    assert model.flops_by_slot(2, 256)["local"] == local
    assert model.flops(2, 256) - local == base.flops(2, 256) - base.flops_by_slot(2, 256)["local"]
    assert (base.flops_source, model.flops_source) == ("closed form", "closed form, counted for local")


def test_a_count_is_kept_and_leaves_everything_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    component = Newcomer(DIMS)
    before = {name: tensor.clone() for name, tensor in component.state_dict().items()}
    random, expected = torch.get_rng_state(), component.flops(1, 11)
    assert component.training and torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(before[name], tensor) for name, tensor in component.state_dict().items())
    monkeypatch.setattr(counted, "_without_memory", lambda component: pytest.fail("counted again"))
    assert Newcomer(DIMS).flops(1, 11) == expected


class Running(Newcomer):
    """Adds the mean so far."""

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor:
        places_BN = torch.ones(x_BND.shape[:2], dtype=torch.int64).cumsum(dim=1)
        return super().forward(x_BND) + x_BND.cumsum(dim=1) / places_BN.unsqueeze(-1)


class Stating(Running):
    """The same in closed form."""

    def flops(self, B: int, N: int) -> int:
        return closed(B, N)


class Counting(Newcomer):
    """Takes only whole numbers along the text, and transforms it, which is counted."""

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor:
        places_BN = torch.ones(x_BND.shape[:2], dtype=torch.int64).cumsum(dim=1)
        return super().forward(x_BND) + torch.fft.fft(x_BND, dim=1).real / places_BN.unsqueeze(-1)


@torch.library.custom_op("swarmformer_tests::scan", mutates_args=())
def scan(x_BND: Tensor) -> Tensor:
    """A kernel of somebody's own."""
    return x_BND.cumsum(dim=1)


@scan.register_fake
def _(x_BND: Tensor) -> Tensor:
    return torch.empty_like(x_BND)


class OwnKernel(Newcomer):
    """Scans in one call."""

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor:
        return super().forward(scan(x_BND))


@pytest.mark.parametrize(
    ("cls", "words"), [(Running, "and not cumsum; nothing is wrong with it, but judge its cost by latency"),
                       (OwnKernel, "swarmformer_tests::scan"), (Stating, ""), (Counting, ""), (Newcomer, "")],
)  # fmt: skip
def test_what_is_left_out_of_a_count_is_named(cls: type[Local], words: str) -> None:
    spec = load_variant("base", [({"model": {"local": f"{__name__}:{cls.__name__}"}}, "test")]).model_spec()
    remarks = counted.remarks_of(assemble_without_weights(spec))
    assert len(remarks) == bool(words) and words in " ".join(remarks)


def test_nothing_is_left_out_of_what_is_shipped() -> None:
    for variant in list_variants():
        assert not counted.remarks_of(assemble_without_weights(load_variant(variant).model_spec()))


class Peeking(Newcomer):
    """Its shapes depend on values."""

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor:
        return self.down(self.up(x_BND)) if x_BND.sum().item() > 0 else x_BND


def test_what_depends_on_values_is_told_what_to_write() -> None:
    with pytest.raises(ComponentError, match=r"Peeking: flops is counted .* cannot run there .*Write flops\(self, …\)"):
        Peeking(DIMS).flops(1, 4)


class Plain(Newcomer):
    """Keeps a tensor that does not move with it."""

    def __init__(self, dims: Dims) -> None:
        super().__init__(dims)
        self.scale = torch.ones(dims.d_model)

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor:
        return super().forward(x_BND * self.scale)


class InPlace(Newcomer):
    """Writes into what it is given."""

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor:
        x_BND[:, 0] = 0
        return super().forward(x_BND)


@pytest.mark.parametrize(("cls", "remedy"), [(Plain, "register it as a buffer"), (InPlace, "work on a copy")])
def test_what_no_closed_form_mends_is_told_otherwise(cls: type[Local], remedy: str) -> None:
    with pytest.raises(ComponentError, match=remedy) as told:
        cls(DIMS).training_flops(1, 4)
    assert "Write training_flops" not in str(told.value)


class Twice(Feedback):
    """Sends its clusters twice over."""

    def __init__(self, dims: Dims) -> None:
        super().__init__()
        self.out = nn.Linear(3 * dims.d_model, dims.d_model)

    def forward(self, x_BND: Tensor, c_BCD: Tensor, assignment: Any, norm: nn.Module | None = None) -> Tensor:
        sent = assignment.broadcast(torch.cat([c_BCD, c_BCD.tanh()], dim=-1))
        return self.out(torch.cat([x_BND if norm is None else norm(x_BND), sent], dim=-1))


def test_what_a_feedback_sends_is_counted() -> None:
    assert Twice(DIMS).broadcast_width == 2 * DIMS.d_model
    assert Twice(DIMS).flops(2, 8, 2) == 2 * 2 * 8 * 3 * DIMS.d_model**2


def test_counted_models_have_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the lengths at which it is counted a linear cost is exact."""
    from tests.training.toys import split

    spec = load_variant("base").model_spec()
    dims = spec.dims.model_copy(update={"seq_len": 100})
    stated = assemble_without_weights(spec.model_copy(update={"dims": dims}))
    monkeypatch.setattr(type(stated), "flops_source", property(lambda self: "counted"))
    lengths: set[int] = set()
    count: Callable[[int, int], int] = stated.embedding.flops  # type: ignore[assignment, operator]
    monkeypatch.setattr(type(stated), "flops", lambda self, B, n: lengths.add(n) or 10 * B * n + count(B, n))
    monkeypatch.setattr(type(stated), "training_flops", lambda self, B, n: 30 * B * n)
    batches = Batches(split("train", 40, 1, longest=90), batch_size=8, lengths=(100,), pad_id=0, seed=None)
    epoch = epoch_flops(stated, batches)
    assert epoch.forward.real == 10 * int(batches.sizes.sum()) and epoch.training.padded == 30 * 40 * 100
    assert lengths <= {1, 32, 64, 96, 100}


def test_routers_and_models_need_none_either() -> None:
    class Rows(Router):
        """Chunks whose tokens are projected first."""

        def __init__(self, dims: Dims) -> None:
            super().__init__()
            self.project = nn.Linear(dims.d_model, dims.d_model)

        def forward(self, x_BND: Tensor, mask_BN: Tensor | None, cluster_size: int) -> Any:
            return counted.Copies(x_BND.shape[1], -(-self.project(x_BND).shape[1] // cluster_size))

    assert Rows(DIMS).flops(2, 8, 4) == 2 * 2 * 8 * DIMS.d_model**2
    assert Rows(DIMS).broadcast_flops(2, 8, 4, 5) == Rows(DIMS).broadcast_training_flops(2, 8, 4, 5) == 0
    model = swarmformer.build_model("cnn", dims={"d_model": 8, "vocab_size": 20})
    assert counted.count(model, "flops", (2, 9)) == model.flops(2, 9)
    assert counted.count(model, "training_flops", (2, 9)) == model.training_flops(2, 9)
