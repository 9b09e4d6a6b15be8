"""What the benchmarks tell is what they measured."""

from __future__ import annotations

import pytest

from benchmarks.measuring import Row, compare, machine, peak_megabytes, report


def test_the_first_turn_is_not_counted() -> None:
    ours, theirs = iter([1.0, 8.0, 4.0, 2.0]), iter([1.0, 1.0, 2.0, 4.0])
    row = compare("it", "a second", lambda: next(ours), lambda: next(theirs), repeats=3, bar=2.0)
    assert (row.fite, row.other, row.ratio) == (4.0, 2.0, 2.0)
    assert (row.lowest, row.highest, row.held) == (0.5, 8.0, True)


@pytest.mark.parametrize(
    ("ratio", "ceiling", "held", "word"),
    [
        (3.0, False, True, "| ≥ 2 | yes |"),
        (1.9, False, False, "| ≥ 2 | **no** |"),
        (1.9, True, True, "| ≤ 2 | yes |"),
        (2.1, True, False, "| ≤ 2 | **no** |"),
    ],
)
def test_a_missed_bar_is_seen(ratio: float, ceiling: bool, held: bool, word: str) -> None:
    row = Row("it", "MB", 1, 2, ratio, bar=2.0, ceiling=ceiling, note="Told once.")
    assert row.held is held
    assert word in report([row])
    assert report([row, row]).count("Told once.") == 1


def test_without_a_bar_nothing_is_held_or_missed() -> None:
    assert Row("it", "MB", 1, 2, 0.5).held is None


def test_the_machine_and_its_memory_are_told() -> None:
    assert "numpy" in machine()
    before = peak_megabytes()
    block = bytearray(200_000_000)
    block[::4096] = b"x" * len(block[::4096])
    assert peak_megabytes() >= before + 100
