from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from swarmformer.data import sources
from swarmformer.data.predictors import compute_predictors
from swarmformer.data.tasks import images_sources
from swarmformer.data.tasks.images import Images
from swarmformer.errors import DataError, SpecError
from tests.helpers import assert_loads_soundly

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(256, size=(12, 8, 8, 3), dtype=np.uint8)
CLASSES = ("cat", "dog", "été")


def encoded(pixels: np.ndarray, form: str = "PNG") -> bytes:
    held = io.BytesIO()
    Image.fromarray(pixels).save(held, form)
    return held.getvalue()


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, str]:
    """Six pictures each of train and test, two of a class."""
    for split, first in (("train", 0), ("test", 6)):
        for row in range(6):
            path = tmp_path / split / CLASSES[row % 3] / f"{row}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded(PIXELS[first + row]))
    return {split: str(tmp_path / split) for split in ("train", "test")}


def test_the_kit_passes_it(folders: dict[str, str]) -> None:
    assert_loads_soundly(Images, **folders)


def parquet(path: Path, images: list[Any], labels: list[Any], names: tuple[str, ...] = (), image: str = "image") -> str:
    table = pyarrow.table({image: images, "label": labels})
    if names:
        note = '{"info": {"features": {"label": {"names": ["' + '", "'.join(names) + '"]}}}}'
        table = table.replace_schema_metadata({"huggingface": note})
    pyarrow.parquet.write_table(table, path)
    return str(path)


def tokens(split: Any) -> np.ndarray:
    return np.array([[int(token) for token in text.split(" ")] for text in split.texts])


def luma(pixels: np.ndarray) -> np.ndarray:
    """Grey by ITU-R 601."""
    return (pixels @ np.array([0.299, 0.587, 0.114])).reshape(len(pixels), -1)


def test_a_folder_for_each_class_gives_grey_pixels_row_by_row(folders: dict[str, str]) -> None:
    task = Images(**folders)
    splits = task.load()
    assert task.classes == CLASSES and task.num_classes == 3 and len(task.vocabulary) == 257
    assert splits["test"].ids[0] == "test/cat/0.png" and splits["test"].labels.tolist() == [0, 0, 1, 1, 2, 2]
    order = [6 + row for label in range(3) for row in (label, label + 3)]
    assert np.abs(tokens(splits["test"]) - luma(PIXELS[order])).max() <= 1


def test_a_parquet_file_of_the_hub_gives_the_same(folders: dict[str, str], tmp_path: Path) -> None:
    files = {}
    for split, first in (("train", 0), ("test", 6)):
        images = [{"bytes": encoded(PIXELS[first + row]), "path": None} for row in range(6)]
        files[split] = parquet(tmp_path / f"{split}.parquet", images, [0, 1, 2] * 2, CLASSES, image="img")
    task, other = Images(**files, image="img"), Images(**folders)
    assert task.classes == other.classes
    one, two = (sorted(zip(t.load()["test"].texts, t.load()["test"].labels, strict=True)) for t in (task, other))
    assert one == two
    renamed = parquet(tmp_path / "n.parquet", [encoded(pixels) for pixels in PIXELS[:3]], ["b", "a", "b"])
    named = Images(train=renamed, test=renamed)
    assert named.classes == ("a", "b") and named.load()["train"].labels.tolist() == [1, 0, 1]


def test_colours_are_levels_of_three_channels(folders: dict[str, str]) -> None:
    task = Images(**folders, colour=True)
    red, green, blue = np.moveaxis(PIXELS[6].astype(int) // 32, -1, 0)
    assert (tokens(task.load()["test"])[0] == (64 * red + 8 * green + blue).ravel()).all()
    assert len(task.vocabulary) == 513
    placed = task.look.in_place(task.load()["test"])[0]
    assert np.allclose(placed, np.concatenate([red.ravel(), green.ravel(), blue.ravel()]) / 7)


def test_pictures_of_two_splits_have_one_size(folders: dict[str, str], tmp_path: Path) -> None:
    for label in CLASSES:
        (tmp_path / "large" / label).mkdir(parents=True)
        (tmp_path / "large" / label / "0.png").write_bytes(encoded(np.tile(PIXELS[0], (2, 2, 1))))
    larger = {**folders, "test": str(tmp_path / "large")}
    with pytest.raises(DataError, match=r"train/cat/0.png has 64 pixels, test/cat/0.png 256.*data.task.size"):
        Images(**larger).load()
    assert tokens(Images(**larger, size=4).load()["test"]).shape == (3, 16)


def test_size_levels_and_patches(folders: dict[str, str]) -> None:
    coarse = tokens(Images(**folders, levels=4).load()["test"])
    fine = tokens(Images(**folders).load()["test"])
    assert (coarse == fine // 64).all()
    halved = tokens(Images(**folders, size=4).load()["test"])
    assert halved.shape == (6, 16) and np.abs(halved.mean(axis=1) - fine.mean(axis=1)).max() < 8
    patched = tokens(Images(**folders, patch=4).load()["test"])
    assert (patched[:, :16] == fine.reshape(6, 8, 8)[:, :4, :4].reshape(6, 16)).all()
    assert (np.sort(patched) == np.sort(fine)).all()


def test_the_identity_is_the_content_and_how_it_is_seen(folders: dict[str, str], tmp_path: Path) -> None:
    first = Images(**folders).identity()
    assert first == Images(**folders, levels=256).identity() != Images(**folders, patch=4).identity()
    (tmp_path / "train" / ".DS_Store").write_text("x")
    assert Images(**folders).identity() == first
    Path(folders["test"], "dog", "1.png").write_bytes(encoded(PIXELS[0]))
    assert Images(**folders).identity() != first


def test_transparent_turned_and_paletted_pictures_look_as_they_are_seen(tmp_path: Path) -> None:
    seen = {}
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    clear = Image.merge("LA", (Image.fromarray(grey), Image.new("L", (8, 8), 0)))
    turned, exif = Image.fromarray(np.rot90(grey)), Image.Exif()
    exif[0x0112] = 6  # turn by 90° clockwise to see it
    for name, picture, more in (
        ("clear", clear, {}), ("turned", turned, {"exif": exif}), ("palette", Image.fromarray(grey).convert("P"), {})
    ):  # fmt: skip
        path = tmp_path / name / "a" / "x.png"
        path.parent.mkdir(parents=True)
        picture.save(path, **more)
        (tmp_path / name / "b").mkdir()
        picture.save(tmp_path / name / "b" / "x.png", **more)
        seen[name] = tokens(Images(train=str(tmp_path / name), test=str(tmp_path / name)).load()["test"])[0]
    assert (seen["clear"] == 255).all() and (seen["palette"] == grey.ravel()).all()
    assert (seen["turned"] == grey.ravel()).all()


def test_floors_weigh_pixels_in_place_and_as_a_bag(folders: dict[str, str]) -> None:
    rows = compute_predictors(Images(**{**folders, "test": folders["train"]}), validation_fraction=0.4, split_seed=0)
    names = [row["name"] for row in rows]
    assert len(names) == 3 and names[1].startswith("bag of pixels") and "in place" in names[2]


FAULTS = [
    ("train/cat/0.png", b"no picture", "cat/0.png cannot be read as a picture.*Replace it or take it out"),
    ("train/cat/0.png", encoded(PIXELS[0])[:60], "cannot be read as a picture"),
    ("train/cat/0.png", encoded(PIXELS[0, :4]), "8 × 4 pixels are no square.*data.task.size"),
    ("train/cat/0.png", encoded(PIXELS[0, :4, :4]), "cat/0.png has 16 pixels, train/cat/3.png 64.*data.task.size"),
    ("test/cow/0.png", encoded(PIXELS[0]), "label 'cow' is none of the 3 classes: cat, dog, été"),
    ("train/cat/0.png", encoded((PIXELS[0, :, :, 0]).astype(np.uint16) * 256), "more than 8 bits"),
]


@pytest.mark.parametrize(("place", "content", "words"), FAULTS)
def test_bad_pictures_are_named(
    folders: dict[str, str], tmp_path: Path, place: str, content: bytes, words: str
) -> None:
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_bytes(content)
    with pytest.raises(DataError, match=words):
        Images(**folders).load()


def test_missing_and_malformed_sources_say_what_to_do(folders: dict[str, str], tmp_path: Path) -> None:
    flat = parquet(tmp_path / "flat.parquet", ["x.png", "y.png"], [0, 1])
    none = parquet(tmp_path / "none.parquet", [encoded(PIXELS[0])] * 2, [0, None])
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "loose.png").write_bytes(encoded(PIXELS[0]))
    for options, words in (
        ({}, "data.task.train must name a folder"),
        ({"train": "nowhere", "test": "nowhere"}, "train: nowhere is neither a folder nor a .parquet file"),
        ({"train": str(tmp_path / "empty")}, "one folder for each class; it has loose.png"),
        ({"train": flat, "test": flat}, "row 0: image holds no encoded picture"),
        ({"train": none, "test": none, "classes": ("a", "b")}, "row 1: label None"),
        ({"train": flat, "test": flat, "image": "img"}, "has no column img"),
    ):
        with pytest.raises(DataError, match=words):
            Images(**{**folders, **options} if options else {}).load()
    for options, words in (
        ({"hub": "a/b"}, "hub needs revision .* and classes"),
        ({"classes": ("a", "a")}, "at least two different names"),
        ({"levels": 257}, "levels must be 2 to 256 of grey"),
        ({"levels": 17, "colour": True}, "levels must be 2 to 16 of each channel"),
        ({"size": 6, "patch": 4}, "divide the side, 6; got 4"),
    ):
        with pytest.raises(SpecError, match=words):
            Images(**options)


def test_a_data_set_of_the_hub_is_read_by_split(monkeypatch: pytest.MonkeyPatch) -> None:
    class Table(list[dict[str, Any]]):
        column_names = ["img", "label"]

    asked: list[Any] = []

    def stand_in(name: str, revision: str, splits: tuple[str, ...], files: str) -> list[Table]:
        asked.append((name, revision, *splits))
        return [Table({"img": Image.fromarray(PIXELS[row]), "label": row % 2} for row in range(4))]

    monkeypatch.setattr(images_sources, "from_hub", stand_in)
    task = Images(hub="uoft-cs/cifar10", revision="0b27", image="img", classes=("airplane", "automobile"))
    splits = task.load()
    assert asked == [("uoft-cs/cifar10", "0b27", "train"), ("uoft-cs/cifar10", "0b27", "test")]
    assert splits["train"].labels.tolist() == [0, 1, 0, 1] and splits["test"].ids[3] == "test/3"
    assert np.abs(tokens(splits["train"]) - luma(PIXELS[:4])).max() <= 1
    assert "0b27" in str(task.identity()) and sources.from_hub is not stand_in
