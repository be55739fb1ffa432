"""The data of a run: its task, encoded as the run asks. What is here can change a result: see ``RESULT_SOURCES``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from swarmformer.assembly import trains_on_unlabelled
from swarmformer.data.encoded import EncodedData
from swarmformer.data.encoding import load_encoded
from swarmformer.data.out_of_domain import load_out_of_domain
from swarmformer.data.unlabelled import load_unlabelled
from swarmformer.errors import DataError
from swarmformer.spec import RunSpec
from swarmformer.variants import make_augmentations, make_out_of_domain, make_task


def load_data(spec: RunSpec) -> EncodedData:
    """The encoded task of a run, from the cache where it is there.

    Raises:
        DataError: missing or malformed data, or other data than the run was planned for.
    """
    task = make_task(spec.data)
    options: dict[str, Any] = {
        "tokenizer": spec.data.tokenizer, "seq_len": spec.model.dims.seq_len,
        "cut": spec.data.cut, "cut_share": spec.data.cut_share,
    }  # fmt: skip
    data = load_encoded(task, augment=make_augmentations(spec.data), **options, **spec.data.draw(spec.seed))
    data = replace(data, out_of_domain=load_out_of_domain(task, make_out_of_domain(spec.data), **options))
    if any(trains_on_unlabelled(stage) for stage in spec.train.stages):
        data = replace(data, unlabelled=load_unlabelled(task, **options))
    for size in ("num_classes", "vocab_size"):
        planned, found = getattr(spec.model.dims, size), getattr(data, size)
        if planned != found:
            raise DataError(
                f"{size} of task {spec.data.task.name!r} is {found}, but the run was planned with {planned}: the data "
                "changed in between; plan it anew"
            )
    return data
