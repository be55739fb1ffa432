"""Checkpoints, and the states that they can hold."""

from __future__ import annotations

import collections
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from swarmformer.errors import SpecError
from swarmformer.training import checkpoint as ckpt
from swarmformer.training.state_tensors import joined_state, split_state

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
    plain, tensors = split_state(state)
    again = joined_state(json.loads(json.dumps(plain)), tensors)
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
        split_state({"state": state})


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
