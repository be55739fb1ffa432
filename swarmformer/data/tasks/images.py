"""Your own pictures, or those of a data set on the hub: pixels, one after another, are the tokens."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from swarmformer.data.classes import some_of
from swarmformer.data.sources import check_limit, limit_options, limited_splits
from swarmformer.data.task import Predictor, RawSplit, Task
from swarmformer.data.tasks.images_look import Look
from swarmformer.data.tasks.images_sources import HubSplit, Source, source_of
from swarmformer.data.tasks.pixels import Linear
from swarmformer.errors import DataError, SpecError
from swarmformer.registry import register

STEPS = 200
"""Of the linear classifiers: on tens of thousands of pictures more take longer than a small model's training."""


@register("task", "images")
class Images(Task):
    """Pictures with labels: a folder with a folder for each class, a .parquet file, or a data set of the hub.

    A picture is one token a pixel, as in the Long Range Arena (Tay et al. 2021, section 2.2.4), row by row, so
    ``model.dims.seq_len`` is size². There are no vectors for whole patches, because what a model embeds are ids; but
    with ``patch`` its squares of pixels come one after another, and clusters of patch² tokens are the patches.

    Args:
        train, validation, test: folders or .parquet files; ``~`` and ``$SWARMFORMER_DATA/…`` are understood. The
            data's identity is the content, not the path. With ``hub`` the names of its splits. Without
            ``validation``, ``data.validation_fraction`` of train is cut off for it.
        hub: name of a data set of the hub, ``uoft-cs/cifar10``; needs ``revision``, the hash of a commit.
        image, label: names of the columns of parquet files and data sets.
        classes: names of the classes, in the order of the numbers in ``label``; else those that the source names, or
            those found in train. A data set of the hub needs them.
        size: pictures are scaled to size × size pixels whatever their shape; 0 if all are squares of one size already.
        colour: three channels, one token for each colour there is; else grey (ITU-R 601 luma).
        levels: of grey, at most 256, or of each of the three channels, at most 16; 0 for 256 and for 8, which is 512
            colours (Chen et al. 2020 have as many).
        patch: 0 to read pixels row by row; p to read squares of p × p pixels one after another.
        limit: 0 for everything, else so many pictures of every split, drawn with a fixed seed.
        whole_test: the limit is not for test, which stays whole.
    """

    of_places = True
    without_bags = "the task's own baselines weigh pixels, as a bag and in place"

    def __init__(
        self,
        *,
        train: str = "",
        validation: str = "",
        test: str = "",
        hub: str = "",
        revision: str = "",
        image: str = "image",
        label: str = "label",
        classes: tuple[str, ...] = (),
        size: Annotated[int, Field(ge=0)] = 0,
        colour: bool = False,
        levels: int = 0,
        patch: int = 0,
        limit: int = 0,
        whole_test: bool = False,
    ) -> None:
        check_limit("images", limit)
        self.look = Look(size, colour, levels, patch)
        self.named = {"train": train, "validation": validation, "test": test}
        self.hub, self.revision, self.columns, self.given = hub, revision, (image, label), tuple(classes)
        self.limit, self.whole_test = limit, whole_test
        self.vocabulary = self.look.vocabulary
        if hub and not (revision and classes):
            raise SpecError("task images: hub needs revision (the hash of a commit: what a name stands for may change) "
                            "and classes (their names, in order)")  # fmt: skip
        if len(set(self.given)) < len(self.given) or len(self.given) == 1:
            raise SpecError("task images: classes must be at least two different names")

    @cached_property
    def split_sources(self) -> dict[str, Source]:
        """Where each split comes from.

        Raises:
            DataError: train or test is not named, or is not there.
        """
        if self.hub:
            named = {name: split or ("" if name == "validation" else name) for name, split in self.named.items()}
            return {name: HubSplit(self.hub, self.revision, split, self.columns)
                    for name, split in named.items() if split}  # fmt: skip
        for split in ("train", "test"):
            if not self.named[split]:
                raise DataError(f"task images: data.task.{split} must name a folder that has a folder for each class, "
                                "or a .parquet file; or data.task.hub a data set of the hub")  # fmt: skip
        return {split: source_of(split, name, self.columns) for split, name in self.named.items() if name}

    @cached_property
    def classes(self) -> tuple[str, ...]:  # type: ignore[override]
        """The names of the classes, index = class.

        Raises:
            DataError: as ``split_sources``; or there are fewer than two.
        """
        found = self.given or self.split_sources["train"].classes()
        if len(found) < 2:
            raise DataError(f"task images: {self.split_sources['train']} has {len(found)} classes; 2 at least")
        return found

    @cached_property
    def num_classes(self) -> int:  # type: ignore[override]
        return len(self.classes)

    def identity(self) -> dict[str, Any]:
        """How pictures are read, and the hashes of all files or the hub's revision."""
        read = {**self.look.identity(), "classes": list(self.classes), **limit_options(self.limit, self.whole_test)}
        return {**read, "sources": {split: source.identity() for split, source in self.split_sources.items()}}

    def load(self) -> dict[str, RawSplit]:
        splits = {name: self._split(name, source) for name, source in self.split_sources.items()}
        if not self.look.size:
            _check_sizes([pair for split in splits.values() for pair in zip(split.texts, split.ids, strict=True)])
        return limited_splits(splits, self.limit, self.whole_test)

    def _split(self, name: str, source: Source) -> RawSplit:
        texts, labels, ids = list[str](), list[int](), list[str]()
        for own, place, label, picture in source.pictures():
            texts.append(self.look.text(picture, place))
            labels.append(self._class(label, place))
            ids.append(f"{name}/{own}")
        return RawSplit(texts, np.array(labels, dtype=np.int64), ids)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {label: index for index, label in enumerate(self.classes)}

    def _class(self, label: str | int, place: str) -> int:
        """A number is that of a class, a text its name."""
        index = self._index.get(label) if isinstance(label, str) else label
        if index is None or index not in range(len(self.classes)):
            raise DataError(f"{place}: label {label!r} is none of the {len(self.classes)} classes: "
                            f"{some_of(self.classes)}")  # fmt: skip
        return index

    def trivial_predictors(self, train: RawSplit) -> dict[str, Predictor]:
        """What colours tell without their places, and what pixels tell in place, each to a linear classifier."""
        return {
            f"bag of pixels (logistic regression on counts, at most {STEPS} steps)":
                Linear(self.look.counts, train, STEPS),
            f"logistic regression on pixels in place (at most {STEPS} steps)": Linear(self.look.in_place, train, STEPS),
        }  # fmt: skip


def _check_sizes(pictures: list[tuple[str, str]]) -> None:
    """Text and id of each; of all splits, since a model has one length."""
    sizes = [(text.count(" ") + 1, own) for text, own in pictures]
    other = next((found for found in sizes if found[0] != sizes[0][0]), None)
    if other is not None:
        raise DataError(f"task images: {sizes[0][1]} has {sizes[0][0]} pixels, {other[1]} {other[0]}: say how large "
                        "all of them shall be, data.task.size")  # fmt: skip
