"""The benchmarks of reading, starting and classifying run, and their two sides do the same work."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import pytest

from benchmarks import classify, ingest, scale, size
from benchmarks.__main__ import PARTS, main
from fitecli.records import Example
from fitecli.store import open_store
from tests.conftest import make_encoder
from tests.postgres import Server


def test_both_sides_read_every_tweet(tmp_path: Path) -> None:
    ours, bare = ingest.rows(tmp_path, 1, tweets=300)
    assert min(ours.fite, ours.other, bare.other) > 0
    file = ingest.write_tweets(tmp_path / "again.jsonl", 300)
    assert file.read_bytes() == (tmp_path / "tweets.jsonl").read_bytes()  # the draw is the same
    ingest.bare(file, tmp_path / "bare.db", 300)
    with sqlite3.connect(tmp_path / "bare.db") as connection:
        assert connection.execute("SELECT count(*) FROM tweet").fetchone() == (300,)
        (aspects,) = connection.execute("SELECT count(*) FROM aspect").fetchone()
    assert 300 <= aspects <= 900


def test_the_authors_loop_pads_every_pair_to_128(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fitecli.fusion.network import FiteModel
    from fitecli.fusion.presets import Preset
    from fitecli.fusion.training import build
    from fitecli.inputs import load_tokeniser

    (tmp_path / "encoder").mkdir()
    encoder = make_encoder(tmp_path / "encoder", positions=128)
    build([encoder], Preset("tiny", str(encoder)), seed=0).save_pretrained(tmp_path / "model")
    load_tokeniser(encoder).save(tmp_path / "model")
    shapes = []
    whole = FiteModel.forward

    def watched(self: FiteModel, **inputs: object) -> object:
        shapes.append(inputs["face_input_ids"].shape)  # type: ignore[attr-defined]
        return whole(self, **inputs)  # type: ignore[arg-type]

    monkeypatch.setattr(FiteModel, "forward", watched)
    examples = [Example(text="good $T$", aspect="nasa", description="", caption="")] * 20
    assert classify.authors_loop(tmp_path / "model", examples, 1)() > 0
    assert [tuple(shape) for shape in shapes] == [(16, 128), (4, 128)]


def test_an_unknown_part_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "speed"])
    with pytest.raises(SystemExit):
        main()
    assert "there is no part speed" in capsys.readouterr().err
    parts = {"start", "ingest", "classify", "train", "vision", "size", "scale", "writers"}
    assert set(PARTS) == parts


def test_big_stores_are_made_and_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(size, "COMMANDS", (("sql", "select count(*) from tweet"),))
    *memory, again, nothing, asked = size.rows(tmp_path, 60, 20)
    assert [row.what.split()[2] for row in memory] == ["ingest", "extract", "classify"]
    assert min(min(row.fite, row.other) for row in memory) > 20  # MB
    assert nothing.ceiling
    assert min(again.fite, nothing.fite, asked.fite, asked.other) > 0
    assert len((tmp_path / "lines").read_bytes().splitlines()) == 60
    with sqlite3.connect(tmp_path / "60.db") as connection:
        (done,) = connection.execute("SELECT count(*) FROM description").fetchone()
        assert (done, connection.execute("SELECT count(*) FROM image").fetchone()) == (60, (30,))


def test_the_simulation_looks_at_each_picture_once(tmp_path: Path) -> None:
    few, many, *rates = list(scale.rows(tmp_path, sizes=(20, 200)))[:6]
    for row, tweets in ((few, 20), (many, 200)):
        with open_store(tmp_path / f"{scale.EXPONENTS[0]}-{tweets}.db", create=False) as store:
            held = store.info().rows
        assert held["tweet"] == row.other == tweets
        assert held["image"] == row.fite < tweets
        assert held["description"] == tweets
        assert held["prediction"] == held["aspect"] > tweets
    assert many.ratio < few.ratio
    assert [row.unit for row in rates] == ["bytes/tweet", "tweets/s", "pictures/s", "tweets/s"]
    assert all(row.fite > 0 for row in rates)


def test_writers_share_the_pictures_of_a_server(postgres: Server) -> None:
    from benchmarks import writers

    rate, waiting = writers.together(postgres, 2, pictures=100)
    assert rate > 0
    assert 0 <= waiting <= 2
