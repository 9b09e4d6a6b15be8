"""What is written aside never goes through a link that somebody else put there."""

from __future__ import annotations

from pathlib import Path

import pytest

from fitecli.cli.writing import replacing
from fitecli.outgoing import open_part, part_of
from fitecli.reports.drawing import draw
from fitecli.reports.figures import Chart, Panel, Series


def by_open_part(path: Path) -> None:
    with open_part(path) as stream:
        stream.write(b"new")
    part_of(path).replace(path)


def by_replacing(path: Path) -> None:
    with replacing(path) as stream:
        stream.write(b"new")


def by_draw(path: Path) -> None:
    pytest.importorskip("matplotlib")
    draw(Chart("t", (Panel("p", "bars", "x", "y", (Series("", ("a",), (1.0,)),)),)), path)


@pytest.mark.parametrize("write", [by_open_part, by_replacing, by_draw])
def test_a_link_in_the_place_of_the_part_is_not_followed(write, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    place = tmp_path / "chart.svg"
    part_of(place).symlink_to(victim)
    write(place)
    assert victim.read_text() == "mine"
    assert place.stat().st_size > 0
    assert not place.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chart.svg", "victim"]


def test_what_an_interruption_left_is_replaced(tmp_path: Path) -> None:
    part_of(tmp_path / "a").write_text("half")
    by_open_part(tmp_path / "a")
    assert (tmp_path / "a").read_text() == "new"
