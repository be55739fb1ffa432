"""Whatever goes wrong while seeds that are trained together are ended, all are ended and the first cause is told."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from swarmformer.errors import InterruptedRunError
from swarmformer.training.loop import Trainer
from swarmformer.training.seat import Seat
from swarmformer.training.together import Together
from tests.training.runs import CPU, DATA, StopError, stop_at
from tests.training.toys import level, toy_run

SEEDS = range(4)
LEVEL = level(DATA)


def test_a_cleanup_that_fails_hides_neither_the_cause_nor_the_others_from_their_end() -> None:
    ended = []

    def work(number: int, seat: Seat) -> None:
        try:
            Trainer(toy_run("base", number), LEVEL, CPU, on_step=stop_at(3 if number == 1 else 99), seat=seat).run()
        finally:
            ended.append(number)
            if number in (0, 2):
                raise OSError(f"no space left for seed {number}")

    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with pytest.raises(StopError) as caught:
        Together[None](CPU).run([partial(work, number) for number in SEEDS])
    assert sorted(ended) == [*SEEDS]
    assert caught.value.__notes__ == [
        f"While run {number} of those trained together was ended: OSError: no space left for seed {number}"
        for number in (0, 2)
    ]
    assert torch.equal(torch.rand(3), expected)


def test_an_interruption_that_a_run_answers_with_another_is_none_to_tell_of() -> None:
    class OtherError(InterruptedRunError):
        pass

    def work(number: int, seat: Seat) -> None:
        try:
            Trainer(toy_run("base", number), LEVEL, CPU, on_step=stop_at(3 if number == 1 else 99), seat=seat).run()
        except InterruptedRunError:
            raise OtherError from None

    with pytest.raises(StopError) as caught:
        Together[None](CPU).run([partial(work, number) for number in SEEDS])
    assert not hasattr(caught.value, "__notes__")
