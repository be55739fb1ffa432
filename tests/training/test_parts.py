"""Optimiser groups, learning rate, metrics, checkpoints and the journal, each by itself."""

from __future__ import annotations

import collections
import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import swarmformer
from swarmformer.errors import SpecError, TrainingDivergedError
from swarmformer.training import checkpoint as ckpt
from swarmformer.training.evaluate import classification_metrics
from swarmformer.training.journal import Journal, check_finite
from swarmformer.training.optimisers.adamw import AdamW

CPU = torch.device("cpu")
METRICS = {"accuracy": 0.5, "precision": 0.5, "recall": 0.5, "f1": 0.5, "loss": 0.7, "n": 4}


# Optimiser.


def test_norms_biases_gates_and_vectors_are_not_decayed() -> None:
    model = swarmformer.build_model("base+windowed+layer_norm+tied_qkv+positions", dims={"vocab_size": 9, "d_model": 8})
    optimiser = AdamW(weight_decay=0.3, beta1=0.8, beta2=0.9).build([model], CPU)
    names = {id(p): name for name, p in model.named_parameters()}
    decay = {names[id(p)]: group["weight_decay"] for group in optimiser.param_groups for p in group["params"]}
    assert decay.keys() == set(names.values()), "every parameter is in one group"
    assert sum(len(group["params"]) for group in optimiser.param_groups) == len(decay)
    matrices = {"embedding.embed.weight", "embedding.position_ND", "classifier.weight"}
    for layer in range(3):
        parts = ("local.qkv.weight", "local.out.weight", "cluster.projections.shared.weight", "feedback.linear.weight")
        matrices |= {f"layers.{layer}.{part}" for part in parts}
    assert {name for name, value in decay.items() if value} == matrices
    assert {value for value in decay.values()} == {0.0, 0.3}
    assert optimiser.param_groups[0]["betas"] == (0.8, 0.9)


def test_embedding_and_trunk_have_rates_and_decays_of_their_own() -> None:
    """Against two optimisers of torch, one for each, over a few steps."""
    options: dict[str, Any] = {"lr": 0.05, "weight_decay": 0.4, "schedule": "linear", "warmup": 0.5}
    ours, theirs = (swarmformer.build_model("base+positions", dims={"vocab_size": 9, "d_model": 8}) for _ in range(2))
    theirs.load_state_dict(ours.state_dict())
    optimiser = AdamW(**options, embedding_lr_factor=10.0, embedding_decay_factor=0.25)
    built = optimiser.build([ours], CPU)
    spared = theirs.undecayed()
    parts = [
        torch.optim.AdamW(
            [p for name, p in theirs.named_parameters() if name.startswith("embedding.") == inside
             and (name in spared) == vector], weight_decay=0.0 if vector else decay,
        )
        for inside, decay in ((True, 0.1), (False, 0.4)) for vector in ((False,) if inside else (False, True))
    ]  # fmt: skip
    for step in range(6):
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            a.grad = torch.randn_like(a)
            b.grad = a.grad.clone()
        optimiser.before_step(built, step, 6)
        rate = [0.05 / 3, 0.1 / 3, 0.05, 0.05, 0.1 / 3, 0.05 / 3][step]
        for part, factor in zip(parts, (10, 1, 1), strict=True):
            part.param_groups[0]["lr"] = rate * factor
            part.step()
        built.step()
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6), name
    assert optimiser.learning_rate(2, 6) == pytest.approx(0.05), "the rate of the trunk is what is written down"


def test_all_parameters_alike_as_the_published_script_has_them() -> None:
    model = swarmformer.build_model("base", dims={"vocab_size": 9, "d_model": 8})
    groups = AdamW(weight_decay=0.3, decay_vectors=True).build([model], CPU).param_groups
    assert {group["weight_decay"] for group in groups if group["params"]} == {0.3}


@pytest.mark.parametrize(("warmup", "total"), [(0.0, 10), (0.06, 50), (0.25, 40), (0.9, 10), (0.5, 1)])
def test_learning_rate_in_closed_form(warmup: float, total: int) -> None:
    options: dict[str, float] = {"lr": 0.2, "warmup": warmup, "min_lr": 0.1}
    rise = math.ceil(warmup * total)
    rates = [AdamW(**options).learning_rate(step, total) for step in range(total)]
    assert rates[:rise] == pytest.approx([0.2 * (step + 1) / rise for step in range(rise)])
    fall = [0.02 + 0.18 * math.cos(math.pi / 2 * k / (total - rise)) ** 2 for k in range(total - rise)]
    assert rates[rise:] == pytest.approx(fall)
    line = [AdamW(**options, schedule="linear").learning_rate(step, total) for step in range(total)]
    assert line[rise:] == pytest.approx([0.2 - 0.18 * k / (total - rise) for k in range(total - rise)])
    flat = [AdamW(**options, schedule="constant").learning_rate(step, total) for step in range(total)]
    assert flat == pytest.approx(rates[:rise] + [0.2] * (total - rise))


# Metrics.


def test_metrics_of_two_classes_by_hand() -> None:
    """Guesses 1 1 1 0 0 for labels 1 1 0 0 1: of three called positive two are, of three positives two are found."""
    logits = torch.tensor([[0, 1], [0, 2], [0, 3], [1, 0], [4, 0]]).float()
    metrics = classification_metrics(logits, torch.tensor([1, 1, 0, 0, 1]))
    loss = sum(math.log(1 + math.exp(m)) for m in (-1, -2, 3, -1, 4)) / 5
    expected = {"accuracy": 3 / 5, "precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "loss": loss, "n": 5}
    assert metrics == pytest.approx(expected, rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 4).flatmap(
        lambda K: st.tuples(st.just(K), st.lists(st.tuples(*[st.integers(0, K - 1)] * 2), min_size=1, max_size=30))
    )
)
def test_metrics_by_counting(drawn: tuple[int, list[tuple[int, int]]]) -> None:
    """Class 1 for two classes, the plain mean over all classes for more; 0 where a rate has no denominator."""
    K, pairs = drawn
    logits = torch.eye(K)[[guess for guess, _ in pairs]]
    metrics = classification_metrics(logits, torch.tensor([truth for _, truth in pairs]))
    rates = []
    for k in [1] if K == 2 else range(K):
        hits = sum(guess == truth == k for guess, truth in pairs)
        called, real = sum(g == k for g, _ in pairs), sum(t == k for _, t in pairs)
        rates.append((hits / called if called else 0, hits / real if real else 0, 2 * hits / (called + real or 1)))
    means = [sum(column) / len(rates) for column in zip(*rates, strict=True)]
    assert [metrics["precision"], metrics["recall"], metrics["f1"]] == pytest.approx(means)
    assert metrics["accuracy"] == pytest.approx(sum(g == t for g, t in pairs) / len(pairs))


# Checkpoints.

RUN = ckpt.CheckpointIdentity("key", 1, "data")


@pytest.mark.parametrize("other", [("other", 1, "data"), ("key", 2, "data"), ("key", 1, "other data")])
def test_a_checkpoint_of_another_run_seed_or_data_is_refused(tmp_path: Path, other: tuple[str, int, str]) -> None:
    ckpt.save_checkpoint(tmp_path / "c", RUN, {"a": torch.ones(1)}, ckpt.TrainingState())
    with pytest.raises(SpecError, match=r"belongs to .*; move it away to start this run anew"):
        ckpt.load_checkpoint(tmp_path / "c", ckpt.CheckpointIdentity(*other))


def test_checkpoint_round_trip_with_tensors_that_share_memory(tmp_path: Path) -> None:
    base = torch.arange(6.0)
    tensors = {"a": base[:3], "b": base[2:], "c": base.reshape(2, 3).T, "n": torch.tensor(3)}
    tensors["r"] = torch.get_rng_state()
    progress = ckpt.TrainingState(2, 3, 4, 5.5, 1, {"accuracy": 0.1 + 0.2}, [{"accuracy": 1 / 3}])
    ckpt.save_checkpoint(tmp_path / "c", RUN, tensors, progress)
    loaded, again = ckpt.load_checkpoint(tmp_path / "c", RUN)
    assert again == progress
    assert all(torch.equal(loaded[n], t) and loaded[n].dtype == t.dtype for n, t in tensors.items())


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff" * 100], ids=["empty", "short", "long"])
def test_an_unreadable_checkpoint_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(content)
    with pytest.raises(SpecError, match=r"checkpoint\.safetensors: cannot be read .* move it away"):
        ckpt.load_checkpoint(path, RUN)
    assert path.read_bytes() == content


def test_a_truncated_checkpoint_and_one_of_another_format_are_refused(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "c"
    ckpt.save_checkpoint(path, RUN, {"a": torch.ones(9)}, ckpt.TrainingState())
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    with pytest.raises(SpecError, match="cannot be read"):
        ckpt.load_checkpoint(path, RUN)
    path.write_bytes(whole)
    former, later = ckpt.FORMAT, f"{ckpt.FORMAT}0"
    monkeypatch.setattr(ckpt, "FORMAT", later)
    with pytest.raises(SpecError, match=f"belongs to format {former}, not to format {later}; move it away"):
        ckpt.load_checkpoint(path, RUN)


class Slow(NamedTuple):
    weights: torch.Tensor


def test_a_state_of_any_mapping_comes_back() -> None:
    """As optimisers of others keep it: torch's own ``load_state_dict`` makes a dict of each as well."""
    one, two = torch.ones(2), torch.zeros(3)
    default = collections.defaultdict(list, {"rows": [one, 2, None, "word"]})
    state = {"state": {0: collections.OrderedDict(slow=two, size=torch.Size((3,)))}, "groups": [default, (1.5, True)]}
    plain, tensors = ckpt.split_state(state)
    again = ckpt.joined_state(json.loads(json.dumps(plain)), tensors)
    assert again == {"state": {0: {"slow": two, "size": (3,)}}, "groups": [{"rows": [one, 2, None, "word"]},
                                                                          (1.5, True)]}  # fmt: skip
    assert again["state"][0]["slow"] is two and again["groups"][0]["rows"][0] is one


@pytest.mark.parametrize(
    "state", [{0: Slow(torch.ones(1))}, {0: {1, 2}}, {"a": object()}, {(0, 1): 2},
              {"a/b": torch.ones(1), "a": {"b": torch.ones(1)}}],
    ids=["named tuple", "set", "object", "key", "path"],
)  # fmt: skip
def test_a_state_that_would_not_come_back_is_refused_when_it_is_saved(state: dict[Any, Any]) -> None:
    with pytest.raises(SpecError, match=r"state.* no checkpoint can"):
        ckpt.split_state({"state": state})


# Journal.


def test_journal_rewinds_to_steps_and_epochs(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "curve.jsonl")
    journal.rewind(0, 0)
    for step in (5, 10):
        journal.append("train", step=step, loss=0.5, norm=1.0, lr=0.1, **{"0/temperature": 0.7})
        journal.append("validation", step=step, epoch=step // 5, **METRICS)
    whole = (tmp_path / "curve.jsonl").read_text()
    with (tmp_path / "curve.jsonl").open("a") as stream:
        stream.write('{"kind": "train", "st')
    journal.rewind(10, 2)
    assert (tmp_path / "curve.jsonl").read_text() == whole
    journal.rewind(10, 1)
    assert [(e["kind"], e["step"]) for e in map(json.loads, (tmp_path / "curve.jsonl").read_text().splitlines())] == [
        ("train", 5), ("validation", 5), ("train", 10),
    ]  # fmt: skip
    journal.rewind(0, 0)
    assert (tmp_path / "curve.jsonl").read_text() == ""


def test_a_journal_keeps_what_its_checkpoint_knows_or_says_that_it_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "curve.jsonl"
    journal = Journal(path)
    for step in (5, 10):
        journal.append("train", step=step, loss=0.5, norm=1.0, lr=0.1)
    mark, whole = journal.mark(), path.read_bytes()
    journal.append("train", step=15, loss=0.5, norm=1.0, lr=0.1)
    journal.append("test", step=10, epoch=1, **METRICS)
    again = Journal(path)
    again.rewind(10, 1, mark)
    assert path.read_bytes().startswith(whole) and path.read_bytes().count(b"\n") == 3
    assert [line["step"] for line in again.tests] == [10], "a reading that no checkpoint knows of counts too"
    for damaged in (whole[:40] + bytes([whole[40] ^ 1]) + whole[41:], whole[:-1], b""):
        path.write_bytes(damaged)
        with pytest.raises(SpecError, match=r"curve\.jsonl: not what was written before the checkpoint"):
            Journal(path).rewind(10, 1, mark)


def test_every_flipped_bit_of_a_checkpoint_is_found_or_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "c"
    tensors = {"a": torch.arange(6.0).reshape(2, 3), "h": torch.ones(3, dtype=torch.bfloat16), "n": torch.tensor(7)}
    ckpt.save_checkpoint(path, RUN, tensors, ckpt.TrainingState(step=4, optimiser={"lr": 0.1}, curve=(5, "abc")))
    whole, (_, told), found = path.read_bytes(), ckpt.load_checkpoint(path, RUN), 0
    for bit in range(0, 8 * len(whole), 19):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            loaded, progress = ckpt.load_checkpoint(path, RUN)
        except SpecError as error:
            assert "c: " in str(error) and "move it away" in str(error)
            found += 1
            continue
        assert progress == told and all(torch.equal(loaded[name], tensor) for name, tensor in tensors.items())
    assert found > 0.9 * 8 * len(whole) / 19


def test_a_journal_without_a_file_writes_nothing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    journal = Journal(None)
    journal.append("train", step=1, loss=0.5, norm=1.0, lr=0.1)
    journal.rewind(0, 0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("losses", "norms", "step", "what"),
    [
        ([1.0, math.nan, math.nan], [1.0, math.nan, math.nan], 8, "loss became nan"),
        ([1.0, 1.0, 1.0], [1.0, 1.0, math.inf], 9, "gradient norm became inf"),
        ([math.inf, 1.0, 1.0], [0.0, math.nan, 1.0], 7, "loss became inf"),
    ],
)
def test_the_first_step_that_is_not_finite(losses, norms, step: int, what: str) -> None:
    with pytest.raises(TrainingDivergedError, match=f"{what} at step {step}") as error:
        check_finite(7, losses, norms, torch.nn.Identity())
    assert error.value.step == step
    check_finite(7, [1.0, 0.0], [0.0, 1e30], torch.nn.Identity())
