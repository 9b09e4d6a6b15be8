"""Pictures in rows, a page per tweet: what the store knows is shown, and no more."""

from __future__ import annotations

import io
import re
import shutil
import sqlite3
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest
from PIL import Image

from fitecli.browsing.metadata import NAME
from fitecli.browsing.pages import LARGE, THUMBNAIL
from fitecli.browsing.site import opened_site
from fitecli.pipeline.extract import Extractor
from fitecli.pipeline.ingest import ingest
from fitecli.pipeline.predicting import WITHOUT_TORCH
from fitecli.records import FeatureSet
from fitecli.reports.cards import GUESSES
from fitecli.reports.thumbnails import thumbnail
from fitecli.settings import Settings
from fitecli.store import Scope, open_store
from tests.browsing.conftest import HOSTILE, SCRIPT, Asking
from tests.conftest import DEMO

JOINED = DEMO / "pictures" / "joined.jpg"

FACE = "/-/fite/face?dataset=demo&tweet=demo-3&features=bundled%2Bprominence&face="
YELLOW = (255, 210, 63)


def pixels(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        assert image.format == "JPEG"
        return np.asarray(image.convert("RGB")).astype(int)


def addresses(page: str, path: str) -> list[str]:
    found = re.findall(rf'(?:src|href)="({re.escape(path)}\?[^"]*)"', page)
    return [unescape(address) for address in found]


def test_rows_show_the_picture_with_the_faces_box(site: Asking) -> None:
    page = site(f"/{NAME}/face_descriptions").text
    shown = addresses(page, "/-/fite/face")
    assert len(shown) == 8
    for address in shown:
        answer = site(address)
        assert answer.headers["content-type"] == "image/jpeg"
        assert max(pixels(answer.content).shape) == THUMBNAIL
        assert (np.abs(pixels(answer.content) - YELLOW).max(axis=2) < 60).any()


def test_each_face_has_its_own_box(site: Asking) -> None:
    plain = pixels(thumbnail(JOINED, [], side=THUMBNAIL))
    left, right = (
        np.abs(pixels(site(f"{FACE}{number}").content) - plain).max(axis=2) > 60
        for number in (0, 1)
    )
    middle = plain.shape[1] // 2
    assert left[:, :middle].sum() > 100
    assert not left[:, middle:].any()
    assert right[:, middle:].sum() > 100
    assert not right[:, :middle].any()


def test_custom_queries_show_pictures_and_links_where_the_columns_tell_whose(site: Asking) -> None:
    sql = "select+features,dataset,tweet,face,picture+from+face_descriptions"
    assert len(addresses(site(f"/{NAME}?sql={sql}").text, "/-/fite/face")) == 8
    page = site(f"/{NAME}?sql=select+tweet,picture+from+face_descriptions").text
    assert addresses(page, "/-/fite/face") == []
    assert addresses(page, "/-/fite/tweet")[0] == "/-/fite/tweet?tweet=demo-1"
    assert site(addresses(page, "/-/fite/tweet")[0]).status_code == 200


def test_blurring_leaves_no_face_in_any_answer(demo_store: Path, site: Asking) -> None:
    with opened_site(str(demo_store), blur=True) as opened:
        blurred = Asking(opened.app)
        for number in (0, 1):
            sharp, soft = (pixels(ask(f"{FACE}{number}").content) for ask in (site, blurred))
            changed = np.abs(sharp - soft).max(axis=2) > 40
            width = changed.shape[1]
            for half in (changed[:, : width // 2], changed[:, width // 2 :]):
                assert half.sum() > 100  # both faces, whichever is shown
            assert not changed[-20:].any()
        assert "The faces that were found are blurred." in blurred(f"/{NAME}").text


def test_where_nobody_has_looked_for_faces_blurring_takes_the_whole_picture(tmp_path: Path) -> None:
    with open_store(tmp_path / "fite.db") as store:
        ingest(store, DEMO / "tweets.jsonl", dataset="demo", images=DEMO / "pictures", threads=1)
    address = "/-/fite/picture?dataset=demo&tweet=demo-3&position=0"
    assert contrast(tmp_path / "fite.db", address, blur=False) > 100
    assert contrast(tmp_path / "fite.db", address, blur=True) < 20


def contrast(store: Path, address: str, *, blur: bool) -> int:
    """How sharp the sharpest edge of a picture is."""
    with opened_site(str(store), blur=blur) as opened:
        return np.abs(np.diff(pixels(Asking(opened.app)(address).content), axis=1)).max()


def test_where_nobody_knows_where_a_face_is_blurring_takes_the_whole_picture(
    demo_store: Path, tmp_path: Path
) -> None:
    store = tmp_path / "fite.db"
    shutil.copyfile(demo_store, store)
    with sqlite3.connect(store) as connection:
        connection.execute(
            "INSERT INTO worker (kind, name, version, settings, inputs, fingerprint, created_at) "
            "VALUES ('faces', 'theirs', '1', '{}', '[]', 'theirs', '')"
        )
        connection.execute(
            "INSERT INTO face (image_id, worker_id, position, ages, genders, races, emotions) "
            "SELECT image_id, last_insert_rowid(), 0, '{}', '{}', '{}', '{}' FROM tweet_image "
            "JOIN tweet ON tweet.id = tweet_id WHERE source_id = 'demo-3'"
        )
    address = "/-/fite/picture?dataset=demo&tweet=demo-3&position=0"
    assert contrast(store, address, blur=False) > 100
    assert contrast(store, address, blur=True) < 20


def test_a_picture_that_has_changed_since_is_not_shown(tmp_path: Path) -> None:
    """Its faces are elsewhere now."""
    store, pictures = tmp_path / "fite.db", tmp_path / "pictures"
    shutil.copytree(DEMO / "pictures", pictures)
    settings = Settings(db=str(store), models=tmp_path / "models", offline=True)
    with open_store(store) as opened:
        ingest(opened, DEMO / "tweets.jsonl", dataset="demo", images=pictures, threads=1)
        Extractor(opened, WITHOUT_TORCH, settings, lambda message: None).run(Scope("demo"))
    with Image.open(pictures / "joined.jpg") as image:
        image.transpose(Image.Transpose.FLIP_TOP_BOTTOM).save(pictures / "joined.jpg")
    for blur in (False, True):
        with opened_site(str(store), blur=blur) as site:
            answer = Asking(site.app)("/-/fite/picture?dataset=demo&tweet=demo-3&position=0")
            assert answer.status_code == 404
            assert "changed" in answer.text


def test_pictures_that_are_gone_or_broken_tell_why(hostile: Asking) -> None:
    page = hostile(f"/{NAME}/face_descriptions").text
    answers = [hostile(address) for address in addresses(page, "/-/fite/face")]
    assert [answer.status_code for answer in answers].count(200) == 2
    told = [answer for answer in answers if answer.status_code == 404]
    assert len(told) == 4
    for answer in told:
        assert answer.headers["content-type"].startswith("image/svg+xml")
        words = " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", answer.text))
        assert "the file is gone" in words or "has changed since" in words, words
        assert "<b>" not in answer.text


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("dataset=demo&tweet=demo-3&features=bundled%2Bprominence&face=9", 404),
        ("dataset=demo&tweet=demo-3&features=none&face=0", 404),
        ("dataset=demo&tweet=none&features=bundled%2Bprominence&face=0", 404),
        ("dataset=demo&tweet=demo-3&features=bundled%2Bprominence&face=-1", 400),
        ("dataset=demo&tweet=demo-3&features=bundled%2Bprominence&face=%C2%B2", 400),
        ("dataset=demo&tweet=demo-3&features=bundled%2Bprominence", 400),
        ("tweet=demo-3&path=/etc/passwd&face=0", 400),
    ],
)
def test_only_pictures_of_the_store_are_served(query: str, status: int, site: Asking) -> None:
    answer = site(f"/-/fite/face?{query}")
    assert answer.status_code == status
    assert answer.headers["content-type"] != "image/jpeg"


def test_a_tweets_page_is_reached_from_every_row(hostile: Asking) -> None:
    for place in ("predictions", "tweet_aspects", "face_descriptions", "tweet"):
        page = hostile(f"/{NAME}/{place}").text
        link = next(a for a in addresses(page, "/-/fite/tweet") if "&tweet=it" in a)
        answer = hostile(link)
        assert answer.status_code == 200, link
        text = answer.text
        assert unescape(re.search("<h1>(.*?)</h1>", text)[1]) == HOSTILE
        assert SCRIPT not in text


def test_scores_are_short_on_pages_and_whole_in_data(site: Asking) -> None:
    row = site.rows(f"/{NAME}/predictions.json?_shape=array&_size=1")[0]
    assert len(str(row["gate"])) > 8
    page = site(f"/{NAME}/predictions?_size=1").text
    assert f'<span title="{row["gate"]}">{row["gate"]:.4g}</span>' in page


def test_a_tweets_page_shows_its_whole_chain(site: Asking) -> None:
    answer = site("/-/fite/tweet?tweet=demo-3")
    page = answer.text
    for told in ("could not be happier", "Eileen Collins with a happy expression.",
                 "prominence (guess)", "fite-mini", "bundled+prominence", GUESSES[:40]):  # fmt: skip
        assert told in page.replace("&#39;", "'"), told
    assert page.count('class="fite-box"') == 2
    (picture,) = addresses(page, "/-/fite/picture")
    shown = pixels(site(picture).content)
    assert shown.shape == (LARGE // 2, LARGE, 3)
    assert "blurred" not in page


def test_a_tweets_page_blurs_its_pictures(demo_store: Path, site: Asking) -> None:
    address = "/-/fite/tweet?tweet=demo-3"
    (picture,) = addresses(site(address).text, "/-/fite/picture")
    with opened_site(str(demo_store), blur=True) as opened:
        blurred = Asking(opened.app)
        assert "The faces that were found are blurred." in blurred(address).text
        changed = np.abs(pixels(site(picture).content) - pixels(blurred(picture).content))
    width = changed.shape[1]
    assert (changed[:, : width // 2] > 40).sum() > 1000
    assert (changed[:, width // 2 :] > 40).sum() > 1000


def test_a_tweet_is_read_under_any_features(demo_store: Path, tmp_path: Path) -> None:
    copy = tmp_path / "fite.db"
    shutil.copyfile(demo_store, copy)
    with open_store(copy) as store:
        base = store.feature_set()
        assert base is not None
        worker = store.worker(base.face_worker_id).fingerprint
        store.register_feature_set(FeatureSet("other & more", worker, None, None))
    with opened_site(str(copy), blur=False) as opened:
        ask = Asking(opened.app)
        page = ask("/-/fite/tweet?tweet=demo-3").text
        assert "<strong>bundled+prominence</strong>" in page
        (other,) = [a for a in addresses(page, "/-/fite/tweet") if "other" in a]
        page = ask(other).text
        assert "<strong>other &amp; more</strong>" in page
        assert "happy expression" not in page
        answer = ask("/-/fite/tweet?tweet=demo-3&features=none")
        assert answer.status_code == 404
        assert "no feature set" in answer.text


def test_a_tweets_page_tells_why_a_picture_is_not_there(hostile: Asking) -> None:
    query = urlencode({"tweet": HOSTILE, "dataset": "<i>"})
    page = hostile(f"/-/fite/tweet?{query}").text
    assert len(addresses(page, "/-/fite/picture")) == 1
    assert "the file is gone" in page
    page = hostile("/-/fite/tweet?tweet=2").text
    assert addresses(page, "/-/fite/picture") == []
    assert "the file has changed since it was looked at" in page
    answer = hostile("/-/fite/picture?dataset=%3Ci%3E&tweet=2&position=0")
    assert (answer.status_code, answer.headers["content-type"][:13]) == (404, "image/svg+xml")
