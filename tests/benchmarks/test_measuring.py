"""What the benchmarks tell is what they measured."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks.measuring import Row, compare, machine, report
from tests.conftest import ROOT


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


def test_the_machine_is_told() -> None:
    assert "numpy" in machine()


def test_a_process_tells_its_own_peak_and_not_its_parents() -> None:
    def peak(megabytes: int) -> int:
        code = (
            f"block = b'x' * {megabytes * 1_000_000}; del block\n"
            "from benchmarks.measuring import peak_megabytes; print(peak_megabytes())"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT)
        return int(done.stdout)

    ours = bytearray(300_000_000)
    small = peak(1)
    assert small < 150
    assert peak(200) >= small + 150
    del ours
