"""A folder for ``tensorboard --logdir``: one event file a run, the same bytes for the same run.

Curves are scalars by optimiser step; options and status are sessions of the HPARAMS table, in which seeds of one
configuration are a group; status and origin are texts. ``result/…`` is there for completed runs alone.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_STRING
from tensorboard.plugins.hparams import metadata as hparams_metadata
from tensorboard.plugins.hparams.api_pb2 import Status as Session
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.plugins.text.metadata import create_summary_metadata
from tensorboard.summary.writer.record_writer import RecordWriter

from swarmformer.records import write_bytes_atomically

from ..status import Status
from .runs import Run

FILE = "events.out.tfevents.0.swarmformer"
VERSION = "brain.Event:2"
"""Of the format; the first event of every file."""
SESSIONS = {
    Status.COMPLETED: Session.STATUS_SUCCESS, Status.FAILED: Session.STATUS_FAILURE,
    Status.UNREADABLE: Session.STATUS_FAILURE, Status.RUNNING: Session.STATUS_RUNNING,
}  # fmt: skip


def export(run: Run, out: Path) -> bool:
    """Write a run's file unless it is there as it should be; whether it was written."""
    path = out / run.grid / run.place / FILE
    buffer = io.BytesIO()
    writer = RecordWriter(buffer)
    writer.write(Event(wall_time=run.started_s, file_version=VERSION).SerializeToString())
    for step, summary in _summaries(run):
        writer.write(Event(wall_time=run.started_s, step=step, summary=summary).SerializeToString())
    if path.exists() and path.read_bytes() == buffer.getvalue():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes_atomically(path, buffer.getvalue())
    return True


def _summaries(run: Run) -> Iterator[tuple[int, Summary]]:
    """What is known from the start comes first, so that the file of a run that goes on begins as it did before."""
    if run.options:
        options = {**{name: run.facts[name] for name in ("arm", "run_key")}, **run.options}
        del options["seed"]  # the sessions of a group differ by it alone
        group = f"{'trial ' if run.facts['is_trial'] == 'true' else ''}{run.facts['run_key']}"
        yield 0, hparams_pb(options, trial_id=group, start_time_secs=run.started_s)
    for step, values in run.curve:
        yield step, _scalars(values)
    last = run.curve[-1][0] if run.curve else 0
    yield last, _text("status", f"**{run.facts['status']}** {run.facts.get('cause', '')}".strip())
    yield last, _text("run", "\n".join(f"- {name}: `{value}`" for name, value in run.facts.items()))
    if run.results:
        yield last, _scalars({f"result/{name}": value for name, value in run.results.items()})
    yield last, _end(run)


def _scalars(values: Mapping[str, float]) -> Summary:
    return Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])


def _text(tag: str, words: str) -> Summary:
    tensor = TensorProto(dtype=DT_STRING, string_val=[words.encode()],
                         tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)]))  # fmt: skip
    return Summary(value=[Summary.Value(tag=tag, metadata=create_summary_metadata(tag, ""), tensor=tensor)])


def _end(run: Run) -> Summary:
    status = SESSIONS.get(run.status, Session.STATUS_UNKNOWN)
    end = SessionEndInfo(status=status, end_time_secs=run.started_s + run.seconds)
    metadata = hparams_metadata.create_summary_metadata(HParamsPluginData(session_end_info=end))
    value = Summary.Value(
        tag=hparams_metadata.SESSION_END_INFO_TAG, metadata=metadata, tensor=hparams_metadata.NULL_TENSOR
    )
    return Summary(value=[value])
