from __future__ import annotations

import pytest
import torch
from torch import nn

from swarmformer import records
from swarmformer.cost import machine, report
from swarmformer.cost.limits import LimitError
from swarmformer.cost.machine import Limits
from swarmformer.cost.report import measure_costs

RATE = 1e9


@pytest.fixture
def known_machine(monkeypatch, clock):
    """Limits that are known; only fake models move the clock."""
    found = iter([Limits(RATE / 2, 2e9, (1, 1, 1), "none"), Limits(RATE, 1e9, (1, 1, 1), "none")])
    monkeypatch.setattr(report, "measure_limits", lambda *arguments, **options: next(found))
    return clock


def arm(fake_model, clock, seconds: float, flops: int):
    return fake_model(on_call=lambda ids, mask: clock.advance(seconds), flops=flops)


def test_document(known_machine, fake_model, cpu, monkeypatch):
    arms = {
        "k1": ("base", arm(fake_model, known_machine, 0.020, 10**6)),
        "k2": ("swap", arm(fake_model, known_machine, 0.040, 10**7)),
    }
    before = torch.get_num_threads()
    monkeypatch.setattr("psutil.getloadavg", lambda: (3.25, 1.0, 0.5))
    document = measure_costs(arms, length=16, device=cpu, threads=before + 1, budget_s=5.0)
    assert document.threads == before + 1
    assert document.device.endswith(f"({before + 1} threads)")
    assert document.limits == records.MachineLimits(
        matmul_flops_per_s=RATE, copy_bytes_per_s=2e9, best_product=(1, 1, 1), precision="none"
    )
    assert [(row.run_key, row.variant, row.batch) for row in document.rows] == [
        ("k1", "base", 1),
        ("k2", "swap", 1),
        ("k1", "base", 32),
        ("k2", "swap", 32),
    ]
    row = document.rows[3].model_dump(exclude_unset=True)
    assert row.pop("repeats") > 10
    assert row.pop("load_average") == (3.25, 3.25), "a machine that was busy can be told"
    assert row == pytest.approx(
        {"run_key": "k2", "variant": "swap", "mode": "forward", "batch": 32, "length": 16}
        | dict.fromkeys(("median_s", "p20_s", "p80_s", "p90_s", "p95_s"), 0.040)
        | {"flops": 10**7, "computed_flops": 10**7, "limit_flops_per_s": RATE, "least_s": 0.010}
        | {"least_bytes": 32 * 16 * 8 + 4 * (8 * 8 + 8) + 4 * 32 * 3, "limit_bytes_per_s": 2e9}
        | {"share_of_limit": 0.25, "share_of_least": 0.25}
    )
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(("share", "raises"), [(1.04, False), (1.06, True)])
def test_share_above_the_limit_is_an_error(share, raises, known_machine, fake_model, cpu):
    arms = {"k": ("swap", arm(fake_model, known_machine, 0.020, round(share * 0.020 * RATE)))}
    if raises:
        with pytest.raises(LimitError, match=r"swap \(forward, batch 1, length 8\).*1\.06 times.*breaks physics"):
            measure_costs(arms, length=8, batches=[1], device=cpu, threads=1, budget_s=1.0)
    else:
        row = measure_costs(arms, length=8, batches=[1], device=cpu, threads=1, budget_s=1.0).rows[0]
        assert row.share_of_limit == pytest.approx(share)


def test_budget_covers_the_whole_pass(known_machine, fake_model, cpu):
    arms = {key: ("v", arm(fake_model, known_machine, 0.1, 1)) for key in "abc"}
    measure_costs(arms, length=8, device=cpu, threads=1, budget_s=20.0)
    assert 15.0 < known_machine.s <= 20.0


def test_real_models_on_this_machine(dims, wrap, monkeypatch, cpu):
    """Real clock, real products: a plain MLP stays under the limit, an absurd formula does not."""
    monkeypatch.setitem(machine.COPY_BYTES, "cpu", 2**20)

    class Mean(nn.Module):
        def __init__(self):
            super().__init__()
            self.mlp = nn.Sequential(nn.Linear(8, 256), nn.ReLU(), nn.Linear(256, 3))

        def forward(self, x_BND):
            return self.mlp(x_BND).mean(1)

    model = wrap(dims, Mean())
    B, N = 8, 64
    model.flops = lambda B, N: 2 * B * N * (8 * 256 + 256 * 3)
    row = measure_costs({"k": ("mlp", model)}, length=N, batches=[B], device=cpu, threads=1, budget_s=2.0).rows[0]
    assert 0 < row.p20_s <= row.median_s <= row.p80_s <= row.p95_s
    assert 0 < row.share_of_limit <= 1.05
    model.flops = lambda B, N: 10**13 * B * N
    with pytest.raises(LimitError, match="mlp"):
        measure_costs({"k": ("mlp", model)}, length=N, batches=[B], device=cpu, threads=1, budget_s=1.0)


def test_products_of_the_models(dims, wrap):
    models = [wrap(dims, nn.Sequential(nn.Linear(8, 32), nn.Linear(32, 3))), wrap(dims, nn.Linear(8, 32))]
    assert report.model_products(models, [64, 16, 64]) == [(16, 8, 32), (16, 32, 3), (64, 8, 32), (64, 32, 3)]


def test_products_of_pieces_and_no_larger_ones_than_needed(dims, wrap):
    found = report.model_products([wrap(dims, nn.Linear(8, 32))], [1024, 10**6])
    assert [M for M, _, _ in found] == [512, 1024, 2048, 8192, report.MOST_ROWS]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda(wrap, dims):
    model = wrap(dims, nn.Sequential(nn.Linear(8, 2048), nn.Linear(2048, 2048), nn.Flatten(), nn.Linear(64 * 2048, 3)))
    model.flops = lambda B, N: 2 * B * N * (8 * 2048 + 2048**2 + 2048 * 3)
    device = torch.device("cuda", 0)
    document = measure_costs({"k": ("mlp", model)}, length=64, device=device, threads=1, budget_s=20.0)
    assert document.machine["device"]["name"] == document.device
    assert all(0 < row.share_of_limit <= 1.05 for row in document.rows)
