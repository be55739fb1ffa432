"""Models go to disk and come back; what cannot be loaded says why, soon."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import swarmformer
from swarmformer import hub
from swarmformer.errors import SpecError
from tests.helpers import places_asked
from tests.reference import ReferenceSwarmFormer

DIMS = {"vocab_size": 50, "d_model": 16, "cluster_size": 4, "seq_len": 32, "num_classes": 3}
VARIANTS = ("original", "base", "base+windowed+multi_head+layer_norm+tied_qkv+positions", "bag_of_embeddings")
IDS = torch.randint(50, (2, 16), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("variant", VARIANTS)
def test_save_and_load(variant: str, tmp_path: Path) -> None:
    model = swarmformer.build_model(variant, dims=DIMS)
    hub.save_model(model, tmp_path / "new" / "folder")
    for source in (tmp_path / "new" / "folder", str(tmp_path / "new" / "folder" / "model.safetensors")):
        loaded = hub.load_model(source)
        assert loaded.spec == model.spec and not loaded.training
        with torch.no_grad():
            assert torch.equal(loaded(IDS), model.eval()(IDS))
    assert {path.name for path in (tmp_path / "new" / "folder").iterdir()} == {"model.safetensors", "config.json"}


@pytest.mark.parametrize("as_file", [True, False])
@pytest.mark.parametrize("config", [None, {"architectures": ["other"], "d_model": 128}, ["a list"]], ids=str)
def test_published_layout(tmp_path: Path, config: object, as_file: bool) -> None:
    """Weights with published names, with a foreign config.json or none."""
    oracle = ReferenceSwarmFormer(50, 128, cluster_size=8).eval()
    save_file(oracle.state_dict(), tmp_path / "model.safetensors")
    if config is not None:
        (tmp_path / "config.json").write_text(json.dumps(config))
    model = hub.load_model(tmp_path / "model.safetensors" if as_file else tmp_path)
    with torch.no_grad():
        assert torch.allclose(model(IDS), oracle(IDS), atol=1e-5)


def test_published_weights_of_other_sizes_need_a_variant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    oracle = ReferenceSwarmFormer(50, 24, layers=3, classes=4, cluster_size=4).eval()
    save_file(oracle.state_dict(), tmp_path / "model.safetensors")
    with pytest.raises(SpecError, match=r"no published model has width 24: copy the config\.json"):
        hub.load_model(tmp_path)
    model = hub.load_model(tmp_path, variant="original_base")
    assert (model.dims.num_layers, model.dims.num_classes, model.dims.vocab_size) == (3, 4, 50)
    with torch.no_grad():
        assert torch.allclose(model(IDS), oracle(IDS), atol=1e-5)


def test_a_variant_for_weights_with_their_own_config_is_refused(tmp_path: Path) -> None:
    hub.save_model(swarmformer.build_model("base", dims=DIMS), tmp_path)
    with pytest.raises(SpecError, match=r"has its own config\.json; leave out variant='base'"):
        hub.load_model(tmp_path, variant="base")


HEADER = b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a readable safetensors file: its header is cut short"),
        (b"\xff" * 64, "not a readable safetensors file: its header is cut short"),
        (b"\x02\0\0\0\0\0\0\0[]", "not a readable safetensors file"),
        (b"\x80\x04pickle", "is a pickle, which can run any code"),
        (b"PK\x03\x04" + b"\0" * 64, "is a pickle, which can run any code"),
        (len(HEADER).to_bytes(8, "little") + HEADER + b"\0" * 7, "is cut short: 69 bytes, its header speaks of 70"),
        (len(HEADER).to_bytes(8, "little") + HEADER + b"\0" * 9, "has something behind its end"),
    ],
    ids=["empty", "noise", "list", "pickle", "zip", "short", "long"],
)
def test_corrupt_weights(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(SpecError, match=rf"model\.safetensors: {words}"):
        hub.load_model(tmp_path)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("{", r"config\.json: not JSON"),
        ("[" * 100_000, r"config\.json: not JSON"),
        ('{"swarmformer": 3, "model": {}}', r"config\.json: format 3, this version reads 2; a newer version wrote it"),
        ('{"swarmformer": 3, "checksum": "made in a way of its own"}', "format 3, this .*; a newer version wrote it"),
        ('{"swarmformer": 1, "model": {}}', r"config\.json: format 1, this version reads 2; save the model again"),
        ('{"swarmformer": 2}', r"config\.json: model: Field required"),
        ('{"swarmformer": 2, "model": {"name": "swarmfomer"}, "classes": [], "files": {}}',
         r"config\.json: model\.name: unknown model"),
    ],
)
def test_a_damaged_config(tmp_path: Path, config: str, words: str) -> None:
    hub.save_model(swarmformer.build_model("base", dims=DIMS), tmp_path)
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(SpecError, match=words):
        hub.load_model(tmp_path)


def test_weights_that_do_not_fit_their_config(tmp_path: Path) -> None:
    hub.save_model(swarmformer.build_model("base", dims=DIMS), tmp_path)
    other = swarmformer.build_model("base", dims={**DIMS, "d_model": 8})
    save_file(dict(other.state_dict()), tmp_path / "model.safetensors")
    with pytest.raises(SpecError, match=r"do not fit swarmformer: size mismatch for embedding.*and \d+ more"):
        hub.load_model(tmp_path)


def test_a_folder_without_weights(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"no model\.safetensors in this folder"):
        hub.load_model(tmp_path)


@pytest.mark.parametrize("missing", ["embedding.embed.weight", "classifier.weight"])
def test_published_weights_without_a_table_or_classifier(missing: str) -> None:
    state = dict(ReferenceSwarmFormer(50, 128).state_dict())
    del state[missing]
    with pytest.raises(SpecError, match=f"published weights lack '{missing}'"):
        hub.from_published(state)


@pytest.mark.parametrize("source", ["nobody/no-such-model", "./no/such/folder", "no such name"])
def test_an_unknown_hub_id_fails_clearly_and_asks_nobody(source: str, tmp_path: Path, monkeypatch) -> None:
    """Where the hub is switched off; the switch is read by huggingface_hub when it is imported."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    asked = places_asked(monkeypatch)
    with pytest.raises(SpecError, match="is no local folder or file, and cannot be had from the hub"):
        hub.load_model(source)
    assert asked == []


def test_the_hub_gives_a_published_repository_or_one_of_ours(tmp_path: Path, monkeypatch) -> None:
    """A stand-in for the hub that hands out files of a folder, as its cache does."""
    import huggingface_hub

    def download(repository: str, **options: object) -> str:
        return str(tmp_path / repository)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    (tmp_path / "them" / "theirs").mkdir(parents=True)
    save_file(ReferenceSwarmFormer(50, 128).state_dict(), tmp_path / "them" / "theirs" / "model.safetensors")
    assert hub.load_model("them/theirs").dims.d_model == 128
    hub.save_model(swarmformer.build_model("base", dims=DIMS), tmp_path / "us" / "ours")
    assert hub.load_model("us/ours").dims.d_model == 16


def test_a_model_of_ours_without_its_config_names_the_file(tmp_path: Path) -> None:
    hub.save_model(swarmformer.build_model("base", dims=DIMS), tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(SpecError, match=r"a model of ours needs the config\.json that was saved beside it"):
        hub.load_model(tmp_path)
