"""`fite report`: one page that holds everything, asks for nothing and runs nothing that was read."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fitecli.cli.report import unnamed_page
from fitecli.errors import UsageProblem
from fitecli.records import LABELS
from fitecli.reports.chains import UNSURE
from fitecli.store import Scope, open_store
from tests.cli.test_commands import Shell
from tests.conftest import DEMO

EVIL = "\u202e<script>ran()</script>\"'><img src=x onerror=ran()></title></style></script><!-- {{7*7}} 🙂"
TWEETS = {f"demo-{n}" for n in range(1, 8)}
CARD = ".fite-card:not([hidden])"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """The demo's tweets, classified from a file, with pictures of their own."""
    shell = Shell(tmp_path_factory.mktemp("demo"))
    shutil.copytree(DEMO / "pictures", shell.folder, dirs_exist_ok=True)
    lines = (DEMO / "tweets.jsonl").read_text("utf-8").splitlines()
    dated = [json.loads(line) | {"created_at": f"2024-03-0{n}T10:00:00Z"}
             for n, line in enumerate(lines, 1)]  # fmt: skip
    shell("classify", shell.file("tweets.jsonl", *map(json.dumps, dated)))
    return shell


def written(shell: Shell, *words: str, name: str = "report.html") -> Path:
    path = shell.folder / name
    shell("report", *words, "--output", str(path))
    return path


@pytest.fixture(scope="module")
def report(demo: Shell) -> Path:
    return written(demo, "tweets.jsonl", "--cases", "2")


def shown(page: Any) -> set[str]:
    """The ids of the tweets whose cards are seen."""
    return {
        heading.inner_text() for heading in page.locator(f"{CARD} h3").all() if heading.is_visible()
    }


def predicted(shell: Shell) -> list[dict[str, Any]]:
    """What the shipped model said, with its best probability and how much nearer the next is."""
    query = "select tweet, aspect, label, prediction, negative, neutral, positive from predictions"
    rows = shell.json("sql", f"{query} where gate is not null")
    for row in rows:
        _, second, row["best"] = sorted(row[name] for name in LABELS)
        row["margin"] = row["best"] - second
    return list(rows)


def wrong(row: dict[str, Any]) -> bool:
    return row["label"] not in (None, row["prediction"])


def chosen(rows: list[dict[str, Any]], number: int) -> set[str]:
    """The tweets that a report shows: the first few of each kind of case."""
    surest = sorted(rows, key=lambda row: -row["best"])
    kinds = [[row for row in surest if row["prediction"] == name] for name in LABELS]
    kinds += [sorted(rows, key=lambda row: row["margin"]), [row for row in surest if wrong(row)]]
    return {
        tweet for kind in kinds for tweet in list(dict.fromkeys(r["tweet"] for r in kind))[:number]
    }


# the page


def test_the_page_asks_for_nothing_and_blocks_nothing_of_its_own(
    demo: Shell, page: Any, report: Path
) -> None:
    page.goto(report.as_uri())
    assert shown(page) == chosen(predicted(demo), 2)
    assert page.heard.asked == [report.as_uri()]
    assert page.heard.said == []
    for image in page.locator("img").all():
        assert image.evaluate("image => image.complete && image.naturalWidth") > 100
    face = page.locator("#tweet-3 .fite-box").first.bounding_box()
    frame = page.locator("#tweet-3 img").first.bounding_box()
    for start, side, middle in (
        ("x", "width", (171 + 199 / 2) / 1024),
        ("y", "height", (105 + 199 / 2) / 512),
    ):
        found = face[start] + face[side] / 2 - frame[start]
        assert found / frame[side] == pytest.approx(middle, abs=0.01)


def test_the_page_tells_what_was_counted(page: Any, report: Path, demo: Shell) -> None:
    page.goto(report.as_uri())
    text = page.locator("body").inner_text()
    for part in ("How 14 mentions are felt about, as fite-mini reads them", "prominence (guess)",
                 "Eileen Collins\t4", "By aspect", "Over time", "Mentions by day",
                 "On the 8 mentions that are labelled", "Ages, genders, races"):  # fmt: skip
        assert part in text
    assert text.count("are guesses of networks about people") == 1
    rows = demo.json("sql", "select prediction, count(*) as n from predictions group by 1")
    for row in rows:
        assert f"{row['prediction']} {row['n']} (" in text.replace("\n", " ")
    assert page.locator(".timeline g").count() == 7


def test_cases_are_filtered_without_a_server(demo: Shell, page: Any, report: Path) -> None:
    page.goto(report.as_uri())
    everyone = shown(page)
    all_of_them = f"{len(everyone)} of {len(everyone)} tweets"
    rows = predicted(demo)

    def those(keep: Callable[[dict[str, Any]], bool]) -> set[str]:
        return {row["tweet"] for row in rows if keep(row)} & everyone

    form = page.get_by_role("search")
    said = form.locator("output")
    assert said.inner_text() == all_of_them
    form.get_by_label("sentiment").select_option("negative")
    negative = those(lambda row: row["prediction"] == "negative")
    assert shown(page) == negative < everyone
    assert "demo-5" in negative
    assert said.inner_text() == f"{len(negative)} of {len(everyone)} tweets"
    form.get_by_label("aspect").fill("smithsonian")
    assert shown(page) == {"demo-5"}
    assert not page.get_by_role("heading", name="Most positive").is_visible()
    form.get_by_role("button", name="All").click()
    page.wait_for_function(f"document.querySelector('output').value == '{all_of_them}'")
    assert shown(page) == everyone
    form.get_by_label("aspect").fill("eileen")
    assert shown(page) == {"demo-2", "demo-3", "demo-4", "demo-6"} & everyone
    form.get_by_label("sentiment").select_option("positive")  # of the same aspect
    both = those(lambda row: "Eileen" in row["aspect"] and row["prediction"] == "positive")
    assert shown(page) == both < those(lambda row: row["prediction"] == "positive")
    form.get_by_role("button", name="All").click()
    for faces, expected in (
        ("none", {"demo-5"}),
        ("one", {"demo-1", "demo-2", "demo-6", "demo-7"}),
        ("two or more", {"demo-3", "demo-4"}),
        ("at least one", TWEETS - {"demo-5"}),
    ):
        form.get_by_label("faces").select_option(label=faces)
        assert shown(page) == expected & everyone, faces
    form.get_by_label("faces").select_option("")
    form.get_by_label("text").fill("STERN")
    assert shown(page) == {"demo-3"}
    form.get_by_label("text").fill("")
    form.get_by_label("labelled otherwise").check()
    assert shown(page) == those(wrong) < everyone
    form.get_by_label("unsure").check()
    assert shown(page) == those(lambda row: wrong(row) and row["margin"] < UNSURE)


def test_a_link_to_a_hidden_card_shows_it(page: Any, report: Path) -> None:
    page.goto(report.as_uri())
    form = page.get_by_role("search")
    form.get_by_label("text").fill("stern")
    form.get_by_label("text").fill("lecture")
    page.evaluate("document.querySelectorAll('.kind').forEach(kind => { kind.hidden = false; })")
    page.locator(".above a[href='#tweet-3']").first.click()
    page.wait_for_function("!document.getElementById('tweet-3').hidden")
    assert page.locator("#tweet-3").is_visible()


def test_the_page_is_read_by_keyboard_in_the_dark_and_on_paper(browser: Any, report: Path) -> None:
    def colours(scheme: str, media: str = "screen") -> tuple[str, str]:
        context = browser.new_context(color_scheme=scheme)
        page = context.new_page()
        page.emulate_media(media=media, color_scheme=scheme)
        page.goto(report.as_uri())
        page.keyboard.press("Tab")
        if media == "screen":
            assert page.evaluate("document.activeElement.className") == "skip"
        assert page.get_by_role("search").is_visible() == (media == "screen")
        style = "getComputedStyle(document.querySelector('.fite-card'))"
        found = page.evaluate(f"[{style}.color, {style}.backgroundColor]")
        unnamed = page.evaluate(
            "[...document.querySelectorAll('img, svg[role=img], input, select, button')].filter("
            "e => !(e.alt || e.getAttribute('aria-label') || e.getAttribute('aria-labelledby')"
            " || e.closest('label') || e.textContent.trim())).length"
        )
        assert unnamed == 0
        context.close()
        return tuple(found)

    light, dark = colours("light"), colours("dark")
    assert light[1] == "rgb(255, 255, 255)"
    assert dark[1] != light[1]
    assert colours("light", "print") == ("rgb(0, 0, 0)", "rgb(255, 255, 255)")


# safety


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A dataset where everything that can be chosen from outside is hostile."""
    shell = Shell(tmp_path_factory.mktemp("hostile"))
    name = "a' onerror=ran() {{7*7}} <img src=x>.jpg"
    shutil.copyfile(DEMO / "pictures" / "joined.jpg", shell.folder / name)
    broken = "b <script>ran()<|script>.jpg"
    (shell.folder / broken).write_bytes(b"no picture")
    aspects = [{"text": EVIL, "start": 0, "end": len(EVIL), "label": "neutral"}, EVIL + " implicit"]
    line = {"id": EVIL, "text": EVIL, "aspects": aspects, "images": [name, broken],
            "created_at": EVIL}  # fmt: skip
    source = shell.file("t.jsonl", json.dumps(line))
    shell("ingest", source, "--dataset", EVIL, "--split", EVIL)
    shell("extract", code=3)
    shell("classify", "--dataset", EVIL, code=3)
    with sqlite3.connect(shell.db) as store:
        store.execute("UPDATE model SET name = ?", (EVIL,))
        store.execute("UPDATE feature_set SET name = ?", (EVIL,))
        store.execute("UPDATE face SET gender = ?, emotion = ?", (EVIL, EVIL))
        store.execute("UPDATE face_sentence SET text = ?", (EVIL,))
    return shell


def test_nothing_that_was_read_is_run(page: Any, hostile: Shell) -> None:
    path = written(hostile, "--dataset", EVIL, "--split", EVIL)
    page.add_init_script("window.ran = () => { window.hasRun = true; }")
    page.goto(path.as_uri())
    page.wait_for_timeout(200)
    assert page.evaluate("window.hasRun") is None
    assert page.heard.dialogs == []
    assert page.heard.said == []  # nothing even had to be blocked
    assert page.heard.asked == [path.as_uri()]
    assert page.locator("script").count() == 1
    assert page.locator("img").count() == 1
    assert page.title().startswith("<script>ran()</script>", 1)
    assert page.locator("h1").inner_text() == f"{EVIL}/{EVIL}"
    card = page.locator(CARD)
    assert card.locator(".fite-text").inner_text().startswith(EVIL)
    assert "cannot be read" in card.inner_text() or "no picture" in card.inner_text()
    assert "49" not in re.sub(r"\d\.\d+", "", card.locator(".fite-text").inner_text())
    page.get_by_label("aspect", exact=True).fill(EVIL)
    assert card.count() == 1


def test_what_were_to_slip_in_would_be_blocked(page: Any, report: Path) -> None:
    blocked: list[tuple[str, str]] = []
    page.on("requestfailed", lambda request: blocked.append((request.url, request.failure)))
    page.goto(report.as_uri())
    page.evaluate(
        """() => { const hole = document.createElement('div');
            hole.innerHTML = '<img src="https://example.invalid/x.png" onerror="window.hasRun = 1">'
                + '<a href="javascript:window.hasRun = 1">a</a>';
            document.body.append(hole);
            const script = document.createElement('script');
            script.textContent = 'window.hasRun = 1';
            document.body.append(script);
            hole.querySelector('a').click();
            return fetch('https://example.invalid/').catch(() => {}); }"""
    )
    page.wait_for_timeout(200)
    assert page.evaluate("window.hasRun") is None
    assert sum("Content Security Policy" in said for said in page.heard.said) >= 3
    assert blocked == [("https://example.invalid/x.png", "csp")]
    assert any("connect" in said.lower() for said in page.heard.said if "Policy" in said)


# faces and pictures


def test_blurred_pages_show_no_face(demo: Shell, page: Any) -> None:
    path = written(demo, "tweets.jsonl", "--blur", name="blurred.html")
    plain, blurred = (demo.folder / "report.html").read_text(), path.read_text()
    sources = re.compile(r'src="(data:image/jpeg;base64,[^"]+)"')
    assert len(set(sources.findall(blurred))) == 3
    assert not set(sources.findall(blurred)) & set(sources.findall(plain))
    assert "All faces that were found are blurred" in blurred
    with sqlite3.connect(demo.db) as store:
        store.execute("UPDATE face SET box_left = NULL, box_top = NULL, box_width = NULL, "
                      "box_height = NULL WHERE image_id = 1")  # fmt: skip
    text = written(demo, "tweets.jsonl", "--blur", name="bare.html").read_text()
    assert len(set(sources.findall(text))) == 2
    assert "nobody knows where, so they could not be blurred" in text


def test_a_page_is_made_without_the_pictures(demo: Shell, tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    shutil.copyfile(demo.db, shell.db)
    with sqlite3.connect(shell.db) as store:
        store.execute("UPDATE tweet_image SET path = '/gone/' || image_id || '.jpg'")
    text = written(shell, "tweets.jsonl").read_text()
    assert "the file is gone" in text
    assert "<img" not in text
    assert "/gone/" not in text


# the command


def test_the_page_is_the_groups_default(demo: Shell) -> None:
    said = demo("report", "--help").stdout
    assert re.search(r"^  page ", said, re.M)
    assert re.search(r"^  errors ", said, re.M)
    output = str(demo.folder / "same.html")
    for words in ((), ("page",), ("tweets.jsonl",), ("page", "--dataset", "tweets")):
        assert "Written: " in demo("report", *words, "--output", output).stdout
    assert "14 mentions by fite-mini" in demo("report", "--output", output).stdout
    report = demo.json("report", "errors", "fite-mini", "--dataset", "tweets", "--device", "cpu")
    assert report["n"] == 8


def test_anothers_page_is_left_alone(
    report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "report.html"
    assert unnamed_page() == Path(page.name)
    page.write_bytes(report.read_bytes())
    assert unnamed_page() == Path(page.name)
    page.write_text("<h1>of a year's work</h1>")
    with pytest.raises(UsageProblem, match="--output"):
        unnamed_page()


def test_the_numbers_are_had_as_json(demo: Shell) -> None:
    output = str(demo.folder / "same.html")
    found = demo.json("report", "tweets.jsonl", "--output", output)
    assert found["written"] == output
    assert (found["n"], found["model"], found["against"]) == (14, "fite-mini", None)
    assert found["read"]["tweets_by_faces"] == {"0": 1, "1": 4, "2+": 2}
    assert found["read"]["not_described"] == 0
    assert sum(found["sentiments"].values()) == 14
    evaluated = demo.json("evaluate", "fite-mini", "--dataset", "tweets", "--device", "cpu")
    reliability = found["reliability"]
    assert reliability["ece"] == pytest.approx(evaluated["ece"], rel=1e-2)  # other batches
    for name in ("accuracy", "macro_f1"):
        assert reliability[name] == pytest.approx(evaluated[name])


def test_two_models_are_set_against_each_other(demo: Shell, page: Any) -> None:
    with open_store(demo.db) as store:
        known = store.predicted(Scope())[0]
        other = store.register_model("fite-mini", "/elsewhere", "f" * 64, preset="fite-mini/text")
    with sqlite3.connect(demo.db) as store:
        store.execute(
            "INSERT INTO prediction (aspect_id, model_id, feature_set_id, input_sha256, label, "
            "negative, neutral, positive, gate, created_at) SELECT aspect_id, ?, feature_set_id, "
            "input_sha256, 'neutral', 0.1, 0.8, 0.1, NULL, created_at FROM prediction "
            "WHERE model_id = ?", (other, known.model_id),
        )  # fmt: skip
    result = demo("report", "tweets.jsonl", "--output", str(demo.folder / "two.html"))
    assert "Set against fite-mini, which reads the text alone" in result.stderr
    page.goto((demo.folder / "two.html").as_uri())
    text = page.locator("body").inner_text()
    assert "Against fite-mini (text only)" in text
    rows = predicted(demo)
    first = sum(row["label"] == row["prediction"] != "neutral" for row in rows)
    second = sum(row["label"] == "neutral" != row["prediction"] for row in rows)
    assert f"Only the first is right {first} times, only the second {second} (McNemar" in text
    assert "Disagreements" in text
    assert "fite-mini (text only): · neutral" in page.locator("#tweet-5").inner_text().replace(
        "\n", " "
    )


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--dataset", "none"), 1, "no dataset 'none' (known: tweets)"),
        (("--dataset", "tweets", "--split", "x"), 1, "no split 'x'"),
        (("{folder}/other.jsonl",), 1, "other.jsonl` does it"),
        (("erors",), 1, "no file erors, nor a dataset 'erors' in the store (known: tweets)"),
        (("tweets.jsonl", "--dataset", "tweets"), 2, "not both"),
        (("tweets.jsonl", "--model", "huge"), 1, "by 'huge' (known: fite-mini)"),
        (("tweets.jsonl", "--against", "fite-mini/"), 1, "There are no predictions of tweets by"),
        (("tweets.jsonl", "--features", "x"), 1, "no predictions of tweets with the features 'x'"),
        (("tweets.jsonl", "--output", "none/r.html"), 1, "cannot be written: No such file"),
        (("tweets.jsonl", "--output", "{folder}"), 1, "cannot be written: Is a directory"),
        (("tweets.jsonl", "--output", "{db}"), 2, "would be written over"),
        (
            ("{folder}/tweets.jsonl", "--output", "{folder}/tweets.jsonl"),
            2,
            "would be written over",
        ),
        (("tweets.jsonl", "--cases", "-1"), 2, "greater than or equal to 0"),
    ],
)
def test_what_cannot_be_reported_is_told(
    demo: Shell, words: tuple[str, ...], code: int, message: str
) -> None:
    kept = (demo.folder / "tweets.jsonl").read_bytes()
    (demo.folder / "other.jsonl").touch()
    filled = [word.format(folder=demo.folder, db=demo.db) for word in words]
    result = demo("report", *filled, code=code)
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.output
    assert list(demo.folder.glob("*.part")) == []
    assert (demo.folder / "tweets.jsonl").read_bytes() == kept
    assert demo.json("sql", "select count(*) as n from tweet") == [{"n": 7}]


def test_without_predictions_the_command_is_named(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    assert "There is no store" in shell("report", code=1).stderr
    shell("ingest", shell.file("t.jsonl", '{"text": "Hello Ann", "aspects": ["Ann"]}'))
    said = shell("report", "--output", str(tmp_path / "r.html"), code=1).stderr
    assert "There are no predictions of t yet" in said
    assert "classify --dataset t`" in said
    assert not (tmp_path / "r.html").exists()
    shell("ingest", shell.file("u.jsonl", '{"text": "Hello Bob"}'))
    assert "(known: t, u)" in shell("report", code=2).stderr


def test_no_cases_at_all(demo: Shell) -> None:
    text = written(demo, "tweets.jsonl", "--cases", "0", name="none.html").read_text()
    assert "None were asked for." in text
    assert "fite-card" not in text.split("</style>")[1].split("<script>")[0]
