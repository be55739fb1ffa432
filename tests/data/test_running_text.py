"""Documents as a run of tokens, and the windows in which each is predicted."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from swarmformer.data.running_text import boundary_id, running_tokens, windows
from swarmformer.data.task import RawSplit
from swarmformer.data.tokenizer import load_tokenizer, train_bpe
from swarmformer.errors import DataError, SpecError
from swarmformer.rehearsal import check_task
from swarmformer.variants import resolve_run


def documents(*texts: str) -> RawSplit:
    return RawSplit(texts, np.full(len(texts), -1), [f"test/{n}" for n in range(len(texts))])


@pytest.mark.parametrize(("tokens", "seq_len", "stride"), [
    (2, 8, 0), (9, 8, 0), (10, 8, 0), (17, 8, 0), (50, 8, 0), (50, 8, 8), (50, 8, 3), (50, 8, 1), (7, 8, 2), (18, 8, 5),
])  # fmt: skip
def test_every_token_is_predicted_once_from_those_before_it(tokens: int, seq_len: int, stride: int) -> None:
    run = np.arange(100, 100 + tokens, dtype=np.int32)
    ids, offsets, labels, questions = windows(run, seq_len, stride)
    assert labels.tolist() == run[1:].tolist()
    for row, (start, end) in enumerate(itertools.pairwise(offsets)):
        window = ids[start:end]
        assert 0 < len(window) <= seq_len and np.array_equal(window, np.arange(window[0], window[0] + len(window)))
        mine = slice(questions.offsets[row], questions.offsets[row + 1])
        assert np.array_equal(labels[mine], window[questions.positions[mine]] + 1), "what follows the place asked at"
        if stride and row:
            assert questions.positions[mine].min() >= seq_len - stride, "with a past of at least that length"


@pytest.mark.parametrize("stride", [-1, 9])
def test_a_stride_that_leaves_tokens_out_is_refused(stride: int) -> None:
    with pytest.raises(DataError, match=r"from 0 .* to the 8 tokens"):
        windows(np.arange(40, dtype=np.int32), 8, stride)
    task = {"name": "language_model", "stride": 64}
    spec = resolve_run("transformer_lm", [({"data": {"task": task, "tokenizer": "bytes"},
                                            "model": {"dims": {"seq_len": 32}}}, "test")])  # fmt: skip
    with pytest.raises(SpecError, match="stride 64 is longer than a window of 32 tokens"):
        check_task(spec)


def test_documents_stand_between_boundaries_and_come_back() -> None:
    tokenizer = load_tokenizer("bytes")
    tokens = running_tokens(documents("a [SEP] é\n", "", "b"), "bytes")
    ends = np.flatnonzero(tokens == boundary_id(tokenizer))
    assert ends[0] == 0 and ends[-1] == len(tokens) - 1 and len(ends) == 4
    parts = [tokenizer.decode(tokens[a + 1 : b].tolist()) for a, b in itertools.pairwise(ends)]
    assert parts == ["a [SEP] é\n", "", "b"], "what looks like a special token is text"


def test_bpe_gives_the_text_back_and_is_trained_alike_each_time(tmp_path: Path) -> None:
    text = "the cat [EOS] sat, the cat  [PAD]\tsat; été 👍\n" * 20
    hashes = {train_bpe([text], 275, tmp_path / f"{n}.json") for n in range(2)}
    assert len(hashes) == 1
    tokens = running_tokens(documents(text), str(tmp_path / "0.json"))
    tokenizer = load_tokenizer(str(tmp_path / "0.json"))
    assert tokenizer.decode(tokens[1:-1].tolist(), skip_special_tokens=False) == text
    assert len(tokens) < len(text.encode()) and (tokens == boundary_id(tokenizer)).sum() == 2
    with pytest.raises(DataError, match="258; ask for another number"):
        train_bpe(["ab"], 300, tmp_path / "few.json")


def test_a_tokenizer_that_loses_text_is_refused(vocabulary: Path) -> None:
    with pytest.raises(DataError, match=r"does not give test/0 back as it was .* set data\.tokenizer: bytes"):
        running_tokens(documents("Good film"), "bert")
