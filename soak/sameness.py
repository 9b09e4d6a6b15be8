"""What a store holds, without its row numbers and times: two stores of the same work are equal."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

TWEET = "t.dataset, t.source_id"
ASPECT = f"{TWEET}, a.key"
IMAGE = "coalesce(i.sha256, i.dataset || '/' || i.name)"
OF_ASPECT = "join aspect a on a.id = x.aspect_id join tweet t on t.id = a.tweet_id"
OF_IMAGE = "join image i on i.id = x.image_id"
BY = "join worker w on w.id = x.worker_id"
CONTENT = {
    "tweet": f"select {TWEET}, split, text, author, created_at, source, line from tweet t",
    "aspect": f'select {ASPECT}, position, a.text, start, "end", label, origin from aspect a '
    "join tweet t on t.id = a.tweet_id",
    "image": f"select {IMAGE}, name, width, height from image i",
    "tweet_image": f"select {TWEET}, x.position, {IMAGE}, x.path from tweet_image x "
    f"join tweet t on t.id = x.tweet_id {OF_IMAGE}",
    "analysis": f"select subject_kind, {IMAGE}, {TWEET}, w.fingerprint, status, error, tries "
    f"from analysis x {BY} left join image i on subject_kind = 'image' and i.id = subject_id "
    "left join tweet t on subject_kind = 'tweet' and t.id = subject_id",
    "face": f"select {IMAGE}, w.fingerprint, position, box_left, box_top, box_width, box_height, "
    f"detection_score, age, gender, emotion, ages, genders, emotions from face x {OF_IMAGE} {BY}",
    "caption": f"select {IMAGE}, w.fingerprint, text from caption x {OF_IMAGE} {BY}",
    "alignment": f"select {ASPECT}, {IMAGE}, f.position, w.fingerprint, similarity from alignment x "
    f"{OF_ASPECT} {BY} left join face f on f.id = x.face_id left join image i on i.id = f.image_id",
    "feature_set": "select fingerprint, name, completed_at is not null from feature_set",
    "description": f"select {TWEET}, s.fingerprint, x.text, x.faces from description x "
    "join tweet t on t.id = x.tweet_id join feature_set s on s.id = x.feature_set_id",
    "face_sentence": f"select {TWEET}, s.fingerprint, x.position, x.text, {IMAGE}, f.position "
    "from face_sentence x join description d on d.id = x.description_id "
    "join tweet t on t.id = d.tweet_id join feature_set s on s.id = d.feature_set_id "
    "join face f on f.id = x.face_id join image i on i.id = f.image_id",
    "prediction": f"select {ASPECT}, m.sha256, input_sha256, x.label, negative, neutral, positive, "
    f"gate from prediction x {OF_ASPECT} join model m on m.id = x.model_id",
    "reject": "select dataset, source, line, reason from reject",
    "lease": "select subject_kind, subject_id from lease",
}


def content(place: Path) -> dict[str, str]:
    """Table -> the sha256 of its rows, in an order of their own."""
    with closing(sqlite3.connect(place)) as connection:
        found = {}
        for table, query in CONTENT.items():
            rows = sorted(map(repr, connection.execute(query)))
            found[table] = f"{len(rows)} rows {hashlib.sha256(repr(rows).encode()).hexdigest()}"
    return found


def sha256(path: Path) -> str:
    """Of what a file holds."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def sound(place: Path) -> None:
    """Raise AssertionError where SQLite finds anything wrong in a store."""
    if not place.exists():
        return
    with closing(sqlite3.connect(place)) as connection:
        assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
        assert connection.execute("pragma foreign_key_check").fetchall() == []
