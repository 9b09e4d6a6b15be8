"""Tables of the paper: what is missing is trained once, what cannot be run is told."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fitecli.errors import NoExamples, UsageProblem
from fitecli.pipeline.experiment_options import ExperimentOptions
from fitecli.pipeline.experiments import missing_runs, run_experiment
from fitecli.pipeline.extract import Extractor
from fitecli.pipeline.extract_options import ExtractOptions
from fitecli.pipeline.ingest import ingest
from fitecli.pipeline.plan import TrainOptions
from fitecli.pipeline.recorded import rounded
from fitecli.pipeline.tables import TABLES
from fitecli.records import Prediction
from fitecli.reports import experiments as report_page
from fitecli.settings import Settings
from fitecli.store import Scope, Store, open_store, run_query
from tests.conftest import DEMO, labelled_lines


class Lab:
    """A store with labelled tweets and a preset that is trained within a second."""

    def __init__(self, folder: Path, preset: Path) -> None:
        self.settings = Settings(models=folder / "models", offline=True)
        self.store: Store = open_store(folder / "fite.db")
        self.told: list[str] = []
        lines = [json.loads(line) for line in labelled_lines(45)]
        for number, line in enumerate(lines):
            line["split"] = ("train", "train", "dev", "test")[number % 4]
            line["images"] = ["joined.jpg"] if number % 3 else []
        text = "\n".join(map(json.dumps, lines)).encode()
        ingest(self.store, io.BytesIO(text), dataset="d", images=DEMO / "pictures")
        options = ExtractOptions(captioner="none", aligner="prominence")
        Extractor(self.store, options, self.settings, self.told.append).run(Scope())
        self.options = ExperimentOptions(
            "table6",
            "d",
            training=TrainOptions(
                preset=str(preset),
                seeds=(0, 1),
                folder=folder / "runs",
                device="cpu",
                epochs=1,
            ),
        )

    def run(self, **changes: Any) -> dict[str, Any]:
        options = replace(self.options, **changes)
        return run_experiment(self.store, options, self.settings, tell=self.told.append)

    def runs(self) -> int:
        (row,) = run_query(self.store.place, "select count(*) from run")[1]
        return int(row[0])


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, tiny_preset: Path) -> Lab:
    return Lab(tmp_path_factory.mktemp("lab"), tiny_preset)


def test_a_table_is_measured_once_and_read_again(lab: Lab) -> None:
    planned = missing_runs(lab.store, lab.options, lab.settings)
    assert [(row["system"], row["seeds"]) for row in planned] == [
        (system.name, [0, 1]) for system in TABLES["table6"].systems
    ]
    first = lab.run()
    (result,) = first["results"]
    assert (result["split"], result["n"], result["chosen_on_split"]) == ("test", 11, False)
    for row in result["rows"]:
        assert [run["seed"] for run in row["runs"]] == [0, 1]
        scores = [run["accuracy"] for run in row["runs"]]
        assert row["accuracy"]["mean"] == pytest.approx(sum(scores) / 2)
        assert row["accuracy"]["sd"] == pytest.approx(abs(scores[0] - scores[1]) / 2**0.5)
        assert ("difference" in row) == (row["name"] != "FITE")
        parts = {name: part["n"] for name, part in row["by_faces"].items()}
        assert parts["0"] + parts["2+"] == 11
        assert parts["1+"] == parts["2+"]
        assert ("difference" in row["by_faces"]["0"]) == (row["name"] != "FITE")
        assert row["paper"] is None  # the paper does not know this dataset
    assert lab.runs() == 8
    assert missing_runs(lab.store, lab.options, lab.settings) == []
    assert lab.run() == first
    assert lab.runs() == 8


def test_another_recipe_or_split_is_another_run(lab: Lab) -> None:
    lab.run()
    before = lab.runs()
    longer = replace(lab.options.training, epochs=2, seeds=(0,))
    (result,) = lab.run(training=longer)["results"]
    assert lab.runs() == before + 4
    paths = {run["model"] for row in result["rows"] for run in row["runs"]}
    (other,) = lab.run()["results"]
    assert paths.isdisjoint(run["model"] for row in other["rows"] for run in row["runs"])
    for path in paths:
        assert json.loads((Path(path) / "config.json").read_text())["recipe"]["epochs"] == 2


def test_what_is_not_there_is_trained_only_if_asked(lab: Lab) -> None:
    lab.run()
    before = lab.runs()
    (result,) = lab.run(table="table7", known=True)["results"]
    notes = {row["name"]: row["note"] for row in result["rows"]}
    assert notes.pop("FITE") == ""  # the same run as in table 6
    assert set(notes.values()) == {"not run"}
    assert lab.runs() == before


def test_systems_that_cannot_be_run_are_told(lab: Lab) -> None:
    (result,) = lab.run(table="table4", known=False)["results"]
    rows = {row["name"]: row for row in result["rows"]}
    assert "vinai/bertweet-base" in rows["FITE-DE"]["note"]
    assert "not public" in rows["Res-Target"]["note"]
    for name in ("BERT", "CapBERT", "face only", "FITE"):
        assert len(rows[name]["runs"]) == 2


def test_what_needs_pictures_that_are_not_there_is_not_measured(lab: Lab) -> None:
    notes = {
        row["system"]: row.get("note", "")
        for row in missing_runs(lab.store, replace(lab.options, table="table8"), lab.settings)
    }
    assert notes["FITE+face"].startswith("not measured: There is no CLIP embedding")
    (result,) = lab.run(table="table8", known=True)["results"]
    rows = {row["name"]: row["note"] for row in result["rows"]}
    assert rows["Res-BERT+BL"].startswith("not measured: There is no CLIP embedding")


def test_a_dry_run_fails_where_the_run_does(lab: Lab) -> None:
    line = {"id": "1", "text": "A day in Rome", "aspects": [{"text": "Rome", "label": "neutral"}]}
    ingest(lab.store, io.BytesIO(json.dumps(line).encode()), dataset="bare")
    options = replace(lab.options, dataset="bare")
    with pytest.raises(NoExamples, match="bare"):
        missing_runs(lab.store, options, lab.settings)
    with pytest.raises(NoExamples, match="bare"):
        lab.run(dataset="bare")
    options = replace(lab.options, known=True, record=Path("nowhere.jsonl"))
    with pytest.raises(UsageProblem, match=r"nowhere\.jsonl"):
        missing_runs(lab.store, options, lab.settings)


def test_without_a_test_dev_is_measured_and_stays_unseen(lab: Lab) -> None:
    lines = "\n".join(labelled_lines(30)).encode()
    ingest(lab.store, io.BytesIO(lines), dataset="e")
    options = ExtractOptions(captioner="none", aligner="prominence")
    Extractor(lab.store, options, lab.settings, lab.told.append).run(Scope("e"))
    (result,) = lab.run(dataset="e", known=True)["results"]
    assert (result["split"], result["chosen_on_split"]) == ("dev", False)
    assert any("chosen on a tenth of train" in message for message in lab.told)
    (result,) = lab.run(dataset="e", split="dev", known=True)["results"]
    assert result["chosen_on_split"]


def test_fidelities_and_a_student_of_those_before(lab: Lab) -> None:
    first = replace(lab.options, table="fidelity")
    planned = missing_runs(lab.store, first, lab.settings)
    assert [row["system"] for row in planned][-1] == "as shipped"
    (result,) = lab.run(table="fidelity")["results"]
    rows = {row["name"]: row for row in result["rows"]}
    assert list(rows) == [
        "released",
        "paper",
        "ours",
        "ours, taught",
        "ours, taught, withheld",
        "text, adversarial",
        "caption, adversarial",
        "ours, adversarial",
        "as shipped",
    ]
    configs = {
        name: json.loads((Path(row["runs"][0]["model"]) / "config.json").read_text())
        for name, row in rows.items()
    }
    assert configs["released"]["input"]["face_mask"] == "scene"
    assert configs["paper"]["features"].endswith("paper-template")
    assert configs["ours"]["input"] == configs["ours, taught"]["input"]
    assert rows["ours"]["runs"][0]["model"] != rows["ours, taught"]["runs"][0]["model"]
    shipped = configs["as shipped"]
    assert shipped["recipe"]["withhold_pictures"] > 0 < shipped["recipe"]["withhold_captions"]
    assert configs["ours, taught"]["recipe"]["withhold_pictures"] == 0
    steps = {name: config["recipe"]["adversarial"] > 0 for name, config in configs.items()}
    assert [name for name in rows if steps[name]] == list(rows)[-4:]
    teacher = {"preset": None, "datasets": ["d"], "hold_out": False, "taught": [], "seed": 0}
    assert (shipped["taught"], shipped["teachers"][0]) == (["d"], teacher)
    assert (configs["ours"]["taught"], configs["ours"]["teachers"]) == ([], [])
    assert missing_runs(lab.store, first, lab.settings) == []
    assert lab.run(table="fidelity", known=True)["results"][0]["rows"] == result["rows"]
    alone = replace(first.training, seeds=(5,))
    (result,) = lab.run(table="fidelity", known=True, training=alone)["results"]
    assert "its teachers (ours, adversarial) are not all there" in result["rows"][-1]["note"]


def test_wrong_names_are_told(lab: Lab) -> None:
    with pytest.raises(
        UsageProblem, match="table4, table5, table6, table7, table8, extras, fidelity"
    ):
        lab.run(table="table9")
    with pytest.raises(UsageProblem, match=r"no row 'BERT'; choose one of FITE, w/o gate"):
        lab.run(against="BERT")
    with pytest.raises(NoExamples, match="twitter2015, twitter2017"):
        lab.run(dataset=None)
    lab.told.clear()
    with pytest.raises(NoExamples, match="no dataset 'twitter2015'"):
        lab.run(table="table5", dataset="twitter-face")
    assert lab.told == []


def test_the_paper_and_ours_stand_side_by_side() -> None:
    spread = {"mean": 0.7522, "sd": 0.0111}
    row = {
        "name": "FITE",
        "paper": {"accuracy": 0.7849, "macro_f1": 0.739},
        "runs": [1, 2, 3],
        "accuracy": spread,
        "macro_f1": spread | {"sd": None},
        "difference": {
            name: {"value": 0.01, "low": -0.02, "high": 0.04, "p_value": 0.5}
            for name in ("accuracy", "macro_f1")
        },
        "note": "a|b",
        "by_faces": {"1": {"n": 7, "paper": None, "accuracy": spread, "macro_f1": spread}},
    }
    result = {
        "dataset": "twitter2015",
        "split": "test",
        "n": 1037,
        "chosen_on_split": False,
        "against": "BERT",
        "rows": [row],
    }
    report = {
        "title": "Table 6",
        "preset": "fite-mini",
        "fidelity": "ours",
        "command": "fite experiment table6",
        "notes": ["A note."],
        "results": [result],
    }
    change = "+1.00 [-2.00, +4.00] p=0.500"
    assert report_page.cells(result) == [
        ("FITE", "78.49 / 73.90", "75.22 ± 1.11", "75.22", "3", change, change, "a|b")
    ]
    text = report_page.page(report)
    assert "| FITE | 78.49 / 73.90 | 75.22 ± 1.11 | 75.22 | 3 |" in text
    assert "a\\|b" in text
    assert "| FITE | 1 | 7 |  | 75.22 ± 1.11 |" in text
    assert text.endswith("A note.\n")


def labs_without_runs(lab: Lab, folder: Path) -> Lab:
    """The same data in a store that nothing was trained with."""
    return Lab(folder, Path(lab.options.training.preset))


def test_recorded_runs_stand_for_models_that_are_gone(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    trained = lab.run(table="fidelity", record=file)
    before = file.read_text()
    lines = [json.loads(line) for line in before.splitlines()]
    assert [line["seed"] for line in lines] == [0, 1] * len(TABLES["fidelity"].systems)
    assert [line["system"] for line in lines[::2]] == [s.name for s in TABLES["fidelity"].systems]
    assert {len(line["scores"]) for line in lines} == {11}
    assert lab.run(table="fidelity", record=file) == trained
    assert file.read_text() == before
    lab.run(record=file)  # Table 6: its FITE is what this table calls "ours"
    added = [json.loads(line)["system"] for line in file.read_text()[len(before) :].splitlines()]
    assert set(added) == {s.name for s in TABLES["table6"].systems} - {"FITE"}

    fresh = labs_without_runs(lab, tmp_path)
    options = replace(fresh.options, table="fidelity", record=file)
    assert missing_runs(fresh.store, options, fresh.settings) == []
    read = fresh.run(table="fidelity", record=file)
    assert fresh.runs() == 0
    for mine, theirs in zip(read["results"][0]["rows"], trained["results"][0]["rows"], strict=True):
        assert mine.pop("note") == "recorded"
        assert theirs.pop("note") == ""
        for run, other in zip(mine.pop("runs"), theirs.pop("runs"), strict=True):
            assert run.pop("model") is None
            assert Path(other.pop("model")).is_dir()
            assert run == pytest.approx(other, abs=1e-4)
        assert mine == theirs


def test_a_student_is_not_trained_by_teachers_that_are_only_recorded(
    lab: Lab, tmp_path: Path
) -> None:
    file = tmp_path / "runs.jsonl"
    lab.run(table="fidelity", record=file)
    fresh = labs_without_runs(lab, tmp_path)
    kept = [line for line in file.read_text().splitlines() if '"ours, taught"' not in line]
    file.write_text("\n".join(kept[:-1]) + "\n")
    options = replace(fresh.options, table="fidelity", record=file)
    planned = missing_runs(fresh.store, options, fresh.settings)
    assert {row["system"] for row in planned} == {"ours, taught", "as shipped"}
    (result,) = fresh.run(table="fidelity", record=file)["results"]
    rows = {row["name"]: row for row in result["rows"]}
    for name, teachers, count in (
        ("ours, taught", "ours", 0),
        ("as shipped", "ours, adversarial", 1),
    ):
        assert rows[name]["note"] == f"not run: its teachers ({teachers}) are not all there"
        assert len(rows[name]["runs"]) == count
    assert fresh.runs() == 0

    other = replace(fresh.options.training, seeds=(0,))  # one teacher in place of two
    (result,) = fresh.run(table="fidelity", record=file, known=True, training=other)["results"]
    assert {row["name"]: len(row["runs"]) for row in result["rows"]}["as shipped"] == 0


def test_recorded_runs_of_other_data_or_recipes_are_not_taken(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    lab.run(record=file)
    fresh = labs_without_runs(lab, tmp_path)

    def rows(**changes: Any) -> list[Any]:
        (result,) = fresh.run(known=True, record=file, **changes)["results"]
        return [row["runs"] for row in result["rows"]]

    assert all(rows())
    assert not any(rows(split="dev"))
    assert not any(rows(training=replace(fresh.options.training, epochs=2)))
    new = json.loads(next(labelled_lines(1))) | {"id": "new"}  # a tweet more to learn from
    ingest(fresh.store, io.BytesIO(json.dumps(new).encode()), dataset="d")
    extracting = ExtractOptions(captioner="none", aligner="prominence")
    Extractor(fresh.store, extracting, fresh.settings, fresh.told.append).run(Scope())
    assert not any(rows())


def test_a_file_that_holds_no_runs_is_told(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    with pytest.raises(UsageProblem, match="no file"):
        lab.run(known=True, record=file)
    file.write_text('{"system": "FITE"}\n')
    with pytest.raises(UsageProblem, match=r"runs.jsonl, line 1 is no recorded run"):
        lab.run(known=True, record=file)
    file.write_bytes(b"\xff")
    with pytest.raises(UsageProblem, match="cannot be read"):
        lab.run(known=True, record=file)


def test_rounded_scores_keep_the_label() -> None:
    close = (0.33333331, 0.33333338, 0.33333331)
    plain = (0.123456789, 0.5, 0.376543211)
    assert rounded([Prediction.from_scores(plain, 0.5)]) == [[0.12346, 0.5, 0.37654]]
    (kept,) = rounded([Prediction.from_scores(close, None)])
    assert Prediction.from_scores(kept, None).label == "neutral"
