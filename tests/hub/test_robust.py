"""Folders that are damaged, changed, hostile or of another version: one clear error, and no code run."""

from __future__ import annotations

import hashlib
import json
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from swarmformer import cli, hub
from swarmformer.errors import SpecError
from swarmformer.hub.config import read_json
from tests.hub.models import CLASSES, complete_model
from tests.reference import ReferenceSwarmFormer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    hub.save(complete_model(), tmp_path / "model")
    return tmp_path / "model"


def change(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    config = json.loads((folder / "config.json").read_text())
    edit(config)
    config.pop("checksum", None)  # as its message says
    (folder / "config.json").write_text(json.dumps(config))


def test_everything_comes_back(folder: Path) -> None:
    before, after = complete_model(), hub.read(folder)
    assert {path.name for path in folder.iterdir()} == {"model.safetensors", "config.json", "tokenizer.json",
                                                        "README.md"}  # fmt: skip
    assert (after.classes, after.task, after.card) == (CLASSES, before.task, before.card)
    assert after.text is not None and before.text is not None
    assert (after.text.cut, after.text.lengths, after.text.pad_id) == (before.text.cut, before.text.lengths, 0)
    assert after.text.tokenizer.to_str() == before.text.tokenizer.to_str()
    ids = torch.randint(15, (3, 9))
    with torch.no_grad():
        assert torch.equal(after.model(ids), before.model(ids))


def test_a_flipped_bit_of_a_configuration_is_found_or_changes_nothing(folder: Path) -> None:
    path = folder / "config.json"
    whole, told = path.read_bytes(), read_json(path)
    for bit in range(0, 8 * len(whole), 29):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            found = read_json(path)
        except SpecError as error:
            assert "config.json: not" in str(error)
        else:
            assert found is not None and told is not None and {key: found[key] for key in told} == told


def test_loading_draws_no_random_number(folder: Path) -> None:
    state = torch.random.get_rng_state()
    hub.read(folder)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_key_that_a_later_version_adds_is_passed_over(folder: Path) -> None:
    change(folder, lambda config: config.update(added_later=[1, 2]))
    assert hub.read(folder).classes == CLASSES


@pytest.mark.parametrize(
    ("key", "value"),
    [("num_layers", 10**6), ("num_layers", 2**40), ("d_model", 2**40), ("vocab_size", 2**40), ("seq_len", 2**40),
     ("cluster_size", 2**40), ("vocab_size", 2**62),
     ("num_layers", 1024), ("d_model", 2**20), ("seq_len", 2**28), ("vocab_size", 2**30)],
)  # fmt: skip
def test_sizes_beyond_the_weights_take_neither_memory_nor_time(folder: Path, key: str, value: int) -> None:
    def edit(config: dict[str, Any]) -> None:
        config["model"]["dims"][key] = value

    change(folder, edit)
    started = time.process_time()
    with pytest.raises(SpecError, match=r"does not fit the|do not fit|sizes that no model can have|less than or eq"):
        hub.read(folder)
    assert time.process_time() - started < 2


def test_texts_padded_beyond_all_measure_are_refused(folder: Path) -> None:
    change(folder, lambda config: config["text"].update(lengths=[2**40]))
    with pytest.raises(SpecError, match=r"config\.json: text\.lengths\.0: Input should be less than or equal to"):
        hub.read(folder)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"seq_len": 64, "lengths": [8, 64]}, r"text\.lengths \[8, 64\], for a model of 32 tokens"),
     ({"lengths": [32, 8]}, r"text\.lengths \[32, 8\] do not rise"),
     ({"lengths": [32, 32]}, r"text\.lengths \[32, 32\] do not rise"),
     ({"pad_id": 5000}, r"text\.pad_id 5000, for a model that knows 15 tokens")],
)  # fmt: skip
def test_texts_are_read_as_the_model_takes_them(folder: Path, changes: dict[str, Any], words: str) -> None:
    change(folder, lambda config: config["text"].update(changes))
    with pytest.raises(SpecError, match=rf"config\.json: {words}; write what stood there before"):
        hub.read(folder)


def test_named_code_is_not_imported_unless_it_is_trusted(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = "from swarmformer import registry\n\n\nclass Norm(registry.get('norm', 'none')):\n    pass\n"
    (tmp_path / "hostile.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    change(folder, lambda config: config["model"].update(norm={"name": "hostile:Norm"}))
    with pytest.raises(SpecError, match=r"names code of its own \(hostile:Norm\).*trust_code=True"):
        hub.read(folder)
    assert "hostile" not in sys.modules
    asked = ["predict", str(folder), "a good film"]
    assert cli.main(asked) == 1 and "hostile" not in sys.modules
    said = capsys.readouterr().err
    assert "names code of its own (hostile:Norm)" in said and "--trust-code" in said
    assert hub.read(folder, trust_code=True).classes == CLASSES
    sys.modules.pop("hostile")
    assert cli.main([*asked, "--trust-code"]) == 0 and "hostile" in sys.modules
    sys.modules.pop("hostile")


def test_weights_that_are_no_numbers(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    state["classifier.bias"][1] = torch.nan
    save_file(state, folder / "model.safetensors")
    change(folder, lambda config: config["files"].update({"model.safetensors": sha(folder / "model.safetensors")}))
    with pytest.raises(SpecError, match=r"classifier\.bias is not finite"):
        hub.read(folder)


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_changed_byte_is_found(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[-2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(SpecError, match=rf"{name}: not what was written"):
        hub.read(folder)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pkl"])
def test_a_pickle_in_the_place_of_weights_is_not_opened(folder: Path, name: str) -> None:
    (folder / "model.safetensors").rename(folder / name)
    with pytest.raises(SpecError, match=rf"{name}: is a pickle, which can run any code.*safetensors"):
        hub.read(folder)


def test_a_missing_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    with pytest.raises(SpecError, match=r"tokenizer\.json: missing; copy or download the whole folder"):
        hub.read(folder)


@pytest.mark.parametrize("classes", [["bad", "good"], ["bad", "bad", "good"]])
def test_classes_must_be_as_many_as_the_model_has(folder: Path, classes: list[str]) -> None:
    change(folder, lambda config: config.update(classes=classes))
    with pytest.raises(SpecError, match="classes: 2 different names for 3"):
        hub.read(folder)


# Published weights with a config.json of the authors' kind.


def published(folder: Path, config: dict[str, Any] | None, **sizes: Any) -> ReferenceSwarmFormer:
    torch.manual_seed(1)
    oracle = ReferenceSwarmFormer(15, 24, **sizes).eval()
    folder.mkdir()
    save_file(oracle.state_dict(), folder / "model.safetensors")
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    return oracle


SIZES = {"vocab_size": 15, "d_model": 24, "seq_len": 12, "cluster_size": 6, "num_layers": 2, "T_local": 2}


def test_published_sizes_are_read_from_their_config(tmp_path: Path) -> None:
    oracle = published(tmp_path / "theirs", {**SIZES, "architectures": ["x"]}, cluster_size=6, T_local=2)
    complete = hub.read(tmp_path / "theirs")
    assert (complete.model.dims.seq_len, complete.model.dims.cluster_size) == (12, 6)
    assert complete.text is not None and complete.text.lengths == (12,)
    assert complete.classes == ("0", "1")
    ids = torch.randint(15, (2, 12))
    with torch.no_grad():
        assert torch.allclose(complete.model(ids), oracle(ids), atol=1e-5)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"d_model": 128}, "says d_model 128, but the weights have 24"),
     ({"num_layers": 3}, "says num_layers 3, but the weights have 2"),
     ({"vocab_size": 30522}, "says vocab_size 30522, but the weights have 15"),
     ({"T_local": "three"}, "T_local: expected a whole number above 0, got 'three'"),
     ({"seq_len": True}, "seq_len: expected a whole number above 0, got True"),
     ({"cluster_size": 2**40}, "cluster_size: Input should be less than or equal to")],
)  # fmt: skip
def test_a_published_config_that_contradicts_the_weights(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    published(tmp_path / "theirs", {**SIZES, **change}, cluster_size=6, T_local=2)
    with pytest.raises(SpecError, match=words):
        hub.read(tmp_path / "theirs")


def test_names_of_classes_as_transformers_writes_them(tmp_path: Path) -> None:
    named = {"id2label": {"0": "NEGATIVE", "1": "POSITIVE"}}
    published(tmp_path / "theirs", {**SIZES, **named}, cluster_size=6, T_local=2)
    assert hub.read(tmp_path / "theirs").classes == ("NEGATIVE", "POSITIVE")


# The hub that is not there.


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", "https://no-such-host.invalid", "https://slow.invalid"])
def test_an_unreachable_hub_is_asked_once_and_its_client_not_at_all(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client alone tries again and again, for half a minute."""
    import huggingface_hub
    import huggingface_hub.constants as constants

    connect, download, ended = socket.create_connection, huggingface_hub.snapshot_download, threading.Event()
    asked, downloads = list[tuple[str, int]](), list[bool]()

    def once(place: tuple[str, int], timeout: float) -> socket.socket:
        asked.append(place)
        if "slow" in endpoint:  # a name server that does not answer
            ended.wait(60)
            raise OSError("no answer")
        return connect(place, timeout=timeout)

    def told(repository: str, **options: Any) -> str:
        downloads.append(options["local_files_only"])
        return download(repository, **options)

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(socket, "create_connection", once)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", told)
    for name in ("HF_HUB_ETAG_TIMEOUT", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SpecError, match=rf"{endpoint} does not answer.*hf download nobody/nothing"):
        hub.load_model("nobody/nothing")
    ended.set()
    assert len(asked) == 1 and downloads == [True], "only what lies here already is looked at"
