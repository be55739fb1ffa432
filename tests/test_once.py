"""Work that many share is done once, within a ``with`` and nowhere else."""

from __future__ import annotations

import pytest

from swarmformer.once import kept_by, once


def test_work_is_done_once_for_each_key_within() -> None:
    done: list[int] = []

    @kept_by(lambda number: number % 10)
    def work(number: int) -> list[int]:
        done.append(number)
        return [number]

    assert work(3) is not work(3) and done == [3, 3]
    with once():
        assert work(3) is work(13) and work(4) == [4]
        with once():
            assert work(3) == [3]
        assert work(3) == [3]
    assert done == [3, 3, 3, 4]
    with once():
        work(3)
    assert done == [3, 3, 3, 4, 3], "nothing is kept beyond it"


def test_an_error_is_not_kept_and_ends_it() -> None:
    done: list[str] = []

    @kept_by(lambda word: word)
    def work(word: str) -> None:
        done.append(word)
        raise ValueError(word)

    with pytest.raises(ValueError, match="a"), once():
        with pytest.raises(ValueError, match="a"):
            work("a")
        work("a")
    assert done == ["a", "a"]
