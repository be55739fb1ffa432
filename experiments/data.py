"""The data of a run: its task, encoded as the run asks. What is here can change a result: see ``RESULT_SOURCES``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from swarmformer.assembly import trains_on_unlabelled
from swarmformer.data.encoded import EncodedData
from swarmformer.data.encoding import load_encoded, texts_key
from swarmformer.data.out_of_domain import load_out_of_domain
from swarmformer.data.unlabelled import load_unlabelled
from swarmformer.errors import DataError
from swarmformer.spec import DataSpec, RunSpec
from swarmformer.variants import make_augmentations, make_out_of_domain, make_task


def load_data(spec: RunSpec) -> EncodedData:
    """The encoded task of a run, from the cache where it is there.

    Raises:
        DataError: missing or malformed data, or other data than the run was planned for.
    """
    task, options = make_task(spec.data), _encoding(spec)
    data = load_encoded(task, augment=make_augmentations(spec.data), **options, **spec.data.draw(spec.seed))
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


def with_out_of_domain(data: EncodedData, spec: RunSpec) -> EncodedData:
    """The same with the test splits of the other tasks that the run is asked about.

    Raises:
        DataError: one of them is missing or malformed.
    """
    others = make_out_of_domain(spec.data)
    return replace(data, out_of_domain=load_out_of_domain(make_task(spec.data), others, **_encoding(spec)))


def keys_of_others(data: DataSpec) -> dict[str, str]:
    """Of the texts of the other tasks that runs are asked about, by what each is called."""
    return {name: texts_key(other, data.tokenizer) for name, other in make_out_of_domain(data).items()}


def _encoding(spec: RunSpec) -> dict[str, Any]:
    data = spec.data
    return {
        "tokenizer": data.tokenizer, "seq_len": spec.model.dims.seq_len, "cut": data.cut, "cut_share": data.cut_share,
    }  # fmt: skip
