"""The verbs of the store: nothing doubles, nothing is lost, what is known moves along."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fitecli.errors import NoExamples
from fitecli.records import (
    Aspect,
    Face,
    FeatureSet,
    Prediction,
    Reject,
    Tweet,
    TweetImage,
    Worker,
)
from fitecli.store import (
    DescriptionText,
    EpochRow,
    FacesFound,
    Failure,
    FeatureSetRow,
    Scope,
    Store,
    open_store,
    run_query,
)

ANN = Aspect("Ann", 0, 3, "positive")
BOB = Aspect("Bob", 8, 11)
TWEET = Tweet("Ann met Bob", "1", (ANN, BOB), (TweetImage("a.jpg", "/p/a.jpg", "aa"),))
HAPPY = Face(box=(1, 2, 3, 4), detection_score=1.5, age=30, gender="Man", emotion="happy",
             emotion_score=0.9, emotions={"happy": 0.9})  # fmt: skip


def ask(store: Store, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in run_query(store.place, sql)[1]]


def workers(store: Store) -> tuple[int, int, int]:
    """Registered workers for faces, captions and alignment."""
    faces, captions = Worker("faces", "f", "1"), Worker("captions", "c", "1")
    alignment = Worker("alignment", "prominence", "1", inputs=(faces.fingerprint,))
    first, second, third = map(store.register_worker, (faces, captions, alignment))
    return first, second, third


def features(store: Store, name: str = "set", **more: Any) -> FeatureSetRow:
    faces, captions, alignment = (store.worker(n).fingerprint for n in workers(store))
    number = store.register_feature_set(FeatureSet(name, faces, captions, alignment, **more))
    store.complete_feature_set(number)
    return next(row for row in store.feature_sets() if row.id == number)


def fill(store: Store, source: Tweet = TWEET) -> FeatureSetRow:
    """One tweet with a face, a caption, an alignment, a description."""
    (number,) = store.add_tweets("d", [source], source="x.jsonl").ids
    assert number is not None
    row = features(store)
    (image,) = store.claim_images(row.face_worker_id, Scope(), limit=9, owner="me")
    store.save_faces(row.face_worker_id, {image.id: FacesFound((HAPPY,), 640, 480)})
    store.save_captions(row.caption_worker_id or 0, {image.id: "A man."})
    (tweet,) = store.tweet_faces([number], row.face_worker_id)
    aspect, face = tweet.aspects[0][0], tweet.faces[0].face_id
    store.save_alignments(row.alignment_worker_id or 0, {number: [(aspect, face, 0.25)]})
    text = DescriptionText("One. Ann happy. ", 1, ((face, aspect, "Ann happy. "),))
    store.save_descriptions(row.id, {number: text})
    return row


# tweets


def test_adding_again_changes_nothing(store: Store) -> None:
    first = store.add_tweets("d", [TWEET], source="x")
    assert (first.tweets, first.aspects, first.images, first.skipped) == (1, 2, 1, 0)
    again = store.add_tweets("d", [TWEET, TWEET])
    assert (again.tweets, again.aspects, again.images, again.skipped) == (0, 0, 0, 2)
    assert again.ids == first.ids * 2
    assert store.add_tweets("other", [TWEET]).tweets == 1


def test_a_known_tweet_gains_aspects_labels_and_pictures(store: Store) -> None:
    row = fill(store)
    cid = Aspect("Cid")
    more = replace(
        TWEET,
        aspects=(replace(BOB, label="negative"), cid),
        images=(*TWEET.images, TweetImage("b.jpg")),
    )
    added = store.add_tweets("d", [more])
    assert (added.tweets, added.aspects, added.images, added.skipped) == (0, 1, 1, 0)
    assert ask(store, "select text, label, position from aspect order by position") == [
        ("Ann", "positive", 0),
        ("Bob", "negative", 1),
        ("Cid", None, 2),
    ]
    assert store.described(row.id, [1]) == set()  # it is read anew
    assert ask(store, "select count(*) from analysis where subject_kind = 'tweet'") == [(0,)]
    assert ask(store, "select count(*) from face") == [(1,)]


def test_a_tweet_that_gained_a_label_or_a_split_is_not_skipped(store: Store) -> None:
    store.add_tweets("d", [TWEET])
    labelled = replace(TWEET, aspects=(ANN, replace(BOB, label="negative")))
    assert store.add_tweets("d", [labelled]).skipped == 0
    assert store.add_tweets("d", [labelled]).skipped == 1
    assert store.add_tweets("d", [replace(labelled, split="dev")]).skipped == 0
    assert store.add_tweets("d", [replace(labelled, split="dev")]).skipped == 1


def test_a_label_is_never_overwritten(store: Store) -> None:
    store.add_tweets("d", [TWEET])
    store.add_tweets("d", [replace(TWEET, aspects=(replace(ANN, label="negative"),))])
    assert ask(store, "select label from aspect where text = 'Ann'") == [("positive",)]


def test_one_id_with_two_texts_is_a_conflict(store: Store) -> None:
    other = replace(TWEET, text="Somebody", aspects=(), line=7)
    within = store.add_tweets("d", [TWEET, other], source="x")
    assert within.ids[1] is None
    assert within.conflicts[0].line == 7
    across = store.add_tweets("d", [other], source="x")
    assert across.ids == [None]
    assert ask(store, "select line, source from reject") == [(7, "x")]
    assert ask(store, "select text from tweet") == [("Ann met Bob",)]


def test_rejects_are_kept_once(store: Store) -> None:
    reject = Reject(3, "no text")
    assert store.add_rejects("d", "x", [reject]) == 1
    store.add_rejects("d", "x", [reject])
    assert store.add_rejects("d", "x", []) == 0
    assert ask(store, "select line, reason from reject") == [(3, "no text")]


def test_one_picture_of_two_tweets_is_one_row(store: Store) -> None:
    store.add_tweets("d", [TWEET, replace(TWEET, source_id="2")])
    assert ask(store, "select count(*) from image") == [(1,)]
    assert ask(store, "select count(*) from tweet_image") == [(2,)]


def named(name: str = "a.jpg") -> Tweet:
    return replace(TWEET, images=(TweetImage(name),))


def test_facts_known_by_name_move_to_the_bytes(store: Store) -> None:
    store.add_tweets("d", [named()])
    faces, captions, _ = workers(store)
    (image,) = store.claim_images(faces, Scope(), limit=1, owner="me")
    store.save_faces(faces, {image.id: FacesFound((HAPPY,))})
    store.save_captions(captions, {image.id: Failure("not found")})
    added = store.add_tweets("d", [TWEET])
    assert (added.tweets, added.images) == (0, 1)
    assert ask(store, "select name, sha256 from image") == [("a.jpg", "aa")]
    assert ask(store, "select count(*) from face join image on image.id = image_id") == [(1,)]
    assert store.count_pending_images(faces, Scope()) == 0
    assert store.count_pending_images(captions, Scope()) == 1  # a failure by name is forgotten
    assert ask(store, "select path from tweet_image") == [("/p/a.jpg",)]


def test_a_replaced_picture_leaves_nothing_behind(store: Store) -> None:
    store.add_tweets("d", [TWEET, replace(TWEET, source_id="2")])
    faces, _, _ = workers(store)
    (image,) = store.claim_images(faces, Scope(), limit=1, owner="me")
    store.save_faces(faces, {image.id: FacesFound((HAPPY,))})
    other = tuple(replace(image, sha256="bb") for image in TWEET.images)
    store.add_tweets("d", [replace(TWEET, images=other)])
    assert ask(store, "select count(*) from face") == [(1,)]  # the second tweet still has it
    store.add_tweets("d", [replace(TWEET, source_id="2", images=other)])
    assert ask(store, "select sha256 from image") == [("bb",)]
    assert ask(store, "select count(*) from face") == [(0,)]
    assert ask(store, "select count(*) from analysis") == [(0,)]


def test_a_known_picture_that_is_named_again_is_no_new_one(store: Store) -> None:
    store.add_tweets("d", [TWEET])
    assert store.add_tweets("d", [named()]).images == 0
    assert ask(store, "select sha256 from image") == [("aa",)]


@pytest.mark.parametrize(("score", "kept"), [(0.3, "0.3-0.4"), (0.69, "0.6-0.7"), (0.7, "0.7-0.8")])
def test_a_detection_score_is_counted_in_its_bin(score: float, kept: str, store: Store) -> None:
    store.add_tweets("d", [TWEET])
    faces, _, _ = workers(store)
    (image,) = store.claim_images(faces, Scope(), limit=1, owner="me")
    store.save_faces(faces, {image.id: FacesFound((replace(HAPPY, detection_score=score),))})
    assert store.face_counts(Scope()).scores == {kept: 1}


def test_facts_of_the_bytes_win_over_those_of_the_name(store: Store) -> None:
    store.add_tweets("d", [named(), replace(TWEET, source_id="2")])
    faces, _, _ = workers(store)
    found = store.claim_images(faces, Scope(), limit=9, owner="me")
    store.save_faces(
        faces,
        {
            item.id: FacesFound((replace(HAPPY, age=40 + place),))
            for place, item in enumerate(found)
        },
    )
    (seen,) = ask(store, "select id from image where sha256 = 'aa'")
    kept = ask(store, f"select age from face where image_id = {seen[0]}")
    store.add_tweets("d", [TWEET])
    assert ask(store, "select age from face") == kept
    assert ask(store, "select count(*) from image") == [(1,)]


def other_readings(store: Store) -> FeatureSetRow:
    """Another analyser's faces of the first picture, with what was made from them."""
    faces = Worker("faces", "other", "1")
    alignment = Worker("alignment", "prominence", "1", inputs=(faces.fingerprint,))
    numbers = [store.register_worker(worker) for worker in (faces, alignment)]
    row = store.register_feature_set(
        FeatureSet("other", faces.fingerprint, None, alignment.fingerprint)
    )
    store.save_faces(numbers[0], {1: FacesFound((HAPPY,), 640, 480)})
    store.save_alignments(numbers[1], {1: [(1, None, 0.0)]})
    store.save_descriptions(row, {1: DescriptionText("One. ", 1, ())})
    return store.feature_set("other")


def predicted(store: Store, *readings: FeatureSetRow) -> None:
    model = store.register_model("m", "folder", "f" * 64)
    for row in readings:
        store.save_predictions(
            model,
            row.id,
            [(1, f"input of {row.name}", Prediction("positive", (0.1, 0.2, 0.7), None))],
        )


def read_without_picture(store: Store, tweet: Tweet) -> FeatureSetRow:
    """A tweet whose picture could not be looked at, which was described and predicted all the same."""
    store.add_tweets("d", [tweet])
    row = features(store)
    store.save_faces(row.face_worker_id, {1: Failure("it was not found")})
    store.save_alignments(row.alignment_worker_id or 0, {1: []})
    store.save_descriptions(row.id, {1: DescriptionText("", 0, ())})
    predicted(store, row, other_readings(store))
    return row


def left(store: Store) -> tuple[list[str], list[str], int]:
    """Whose descriptions and predictions there are, and how many alignments."""
    named = "select feature_set.name from {} t join feature_set on feature_set.id = feature_set_id"
    described, read = (
        sorted(row[0] for row in ask(store, named.format(name)))
        for name in ("description", "prediction")
    )
    ((alignments,),) = ask(store, "select count(*) from analysis where subject_kind = 'tweet'")
    return described, read, alignments


def test_the_bytes_of_a_picture_change_nothing_of_what_was_known_by_its_name(store: Store) -> None:
    row = fill(store, named())
    predicted(store, row)
    added = store.add_tweets("d", [TWEET])
    assert (added.images, added.skipped) == (1, 0)
    assert ask(store, "select sha256 from image") == [("aa",)]
    assert left(store) == (["set"], ["set"], 1)
    assert store.add_tweets("d", [TWEET]).skipped == 1


def test_a_picture_that_is_told_again_has_its_new_name(store: Store) -> None:
    store.add_tweets("d", [TWEET])
    again = TweetImage("new.jpg", "/new.jpg", TWEET.images[0].sha256)
    store.add_tweets("d", [replace(TWEET, images=(again,))])
    assert ask(store, "select picture, path from tweet_image") == [("new.jpg", "/new.jpg")]
    assert ask(store, "select name from image") == [("new.jpg",)]


def test_a_picture_that_a_tweet_leaves_is_not_called_as_it_did(store: Store) -> None:
    other = TweetImage("other.jpg", "/other.jpg", TWEET.images[0].sha256)
    store.add_tweets("d", [TWEET, replace(TWEET, source_id="2", images=(other,))])
    store.add_tweets("d", [replace(TWEET, images=(TweetImage("b.jpg", "/b.jpg", "bb"),))])
    assert ask(store, "select name from image order by 1") == [("b.jpg",), ("other.jpg",)]


def test_of_two_names_of_the_same_bytes_the_second_is_read_anew(store: Store) -> None:
    """… where it was known otherwise; in whichever batch the bytes came, and for all its tweets."""
    row = fill(store, named())
    predicted(store, row)
    second = replace(TWEET, source_id="2", images=(TweetImage("b.jpg"),))
    store.add_tweets("d", [second, replace(second, source_id="3")])
    (image,) = store.claim_images(row.face_worker_id, Scope(), limit=9, owner="me")
    store.save_faces(row.face_worker_id, {image.id: FacesFound((replace(HAPPY, age=70),))})
    store.save_captions(row.caption_worker_id or 0, {image.id: "A man."})
    for number in (2, 3):
        store.save_descriptions(row.id, {number: DescriptionText("Other. ", 1, ())})
    store.add_tweets("d", [TWEET])
    store.add_tweets("d", [replace(second, images=TWEET.images)])
    assert ask(store, "select name, sha256 from image") == [("a.jpg", "aa")]
    assert ask(store, "select age from face") == [(30,)]
    assert store.described(row.id, [1, 2, 3]) == {1}
    assert left(store) == (["set"], ["set"], 1)
    assert ask(store, "select count(*) from tweet_image") == [(3,)]


def test_names_of_the_same_bytes_that_were_known_alike_keep_their_readings(store: Store) -> None:
    """… whose sentences and alignments are of the one face from now on."""
    row = fill(store, named())
    second = replace(TWEET, source_id="2", images=(TweetImage("b.jpg"),))
    (number,) = store.add_tweets("d", [second]).ids
    (image,) = store.claim_images(row.face_worker_id, Scope(), limit=9, owner="me")
    store.save_faces(row.face_worker_id, {image.id: FacesFound((HAPPY,))})
    store.save_captions(row.caption_worker_id or 0, {image.id: "A man."})
    describe_faces(store, row, number)
    told = ask(store, "select description_id, aspect_id, text from face_sentence order by 1")
    similar = ask(store, "select aspect_id, similarity from alignment order by 1")
    assert (len(told), len(similar)) == (2, 2)
    store.add_tweets("d", [TWEET, replace(second, images=TWEET.images)])
    assert store.described(row.id, [1, 2]) == {1, 2}
    assert (
        ask(store, "select description_id, aspect_id, text from face_sentence order by 1") == told
    )
    assert ask(store, "select aspect_id, similarity from alignment order by 1") == similar
    assert ask(store, "select count(*) from face") == [(1,)]


def describe_faces(store: Store, row: FeatureSetRow, number: int | None) -> None:
    """Align each face with the aspect of its place, and describe them."""
    assert number is not None
    (tweet,) = store.tweet_faces([number], row.face_worker_id)
    pairs = [
        (aspect, found.face_id)
        for (aspect, _), found in zip(tweet.aspects, tweet.faces, strict=False)
    ]
    store.save_alignments(row.alignment_worker_id or 0, {number: [(*pair, 0.5) for pair in pairs]})
    told = tuple((face, aspect, f"{aspect} happy. ") for aspect, face in pairs)
    store.save_descriptions(row.id, {number: DescriptionText("Told. ", len(pairs), told)})


def test_a_tweet_whose_two_pictures_are_one_is_read_anew(store: Store) -> None:
    row = features(store)
    names = (TweetImage("a.jpg"), TweetImage("b.jpg"))
    store.add_tweets("d", [replace(TWEET, images=names)])
    for image in store.claim_images(row.face_worker_id, Scope(), limit=9, owner="me"):
        store.save_faces(row.face_worker_id, {image.id: FacesFound((HAPPY,))})
        store.save_captions(row.caption_worker_id or 0, {image.id: "A man."})
    describe_faces(store, row, 1)
    predicted(store, row)
    seen = tuple(TweetImage(image.name, f"/p/{image.name}", "aa") for image in names)
    store.add_tweets("d", [replace(TWEET, images=seen)])
    assert left(store) == ([], [], 0)
    assert ask(store, "select count(*) from face") == [(1,)]
    assert ask(store, "select name, sha256 from image") == [("a.jpg", "aa")]


def test_a_picture_that_was_not_found_is_looked_at_when_it_comes(store: Store) -> None:
    row = read_without_picture(store, named())
    assert store.add_tweets("d", [TWEET]).images == 1
    assert left(store) == (["other"], ["other"], 1)
    assert store.count_pending_images(row.face_worker_id, Scope()) == 1


def test_results_of_a_picture_that_has_got_its_bytes_meanwhile_are_not_kept(store: Store) -> None:
    store.add_tweets("d", [named()])
    faces, captions, _ = workers(store)
    claimed = store.claim_images(faces, Scope(), limit=9, owner="me")
    store.add_tweets("d", [TWEET])
    lost = {item.id: Failure("the file was not found") for item in claimed}
    assert store.save_faces(faces, lost, read=claimed) == 1
    assert store.save_captions(captions, lost, read=claimed) == 1
    assert store.save_embeddings(captions, lost, read=claimed) == 1
    assert ask(store, "select count(*) from analysis") == [(0,)]
    (again,) = store.claim_images(faces, Scope(), limit=9, owner="other")  # the lease has ended
    assert again.sha256 == "aa"
    assert store.save_faces(faces, {again.id: FacesFound((HAPPY,))}, read=[again]) == 0


def test_results_of_a_picture_that_is_gone_go_to_no_other(store: Store) -> None:
    second = replace(TWEET, source_id="2")
    store.add_tweets("d", [replace(second, images=TWEET.images), named()])
    faces, _, _ = workers(store)
    claimed = store.claim_images(faces, Scope(), limit=9, owner="me")
    (gone,) = (item for item in claimed if item.sha256 is None)
    store.add_tweets("d", [TWEET])  # the two are one
    other = replace(TWEET, source_id="3", images=(TweetImage("z.jpg", "/p/z.jpg", "zz"),))
    store.add_tweets("d", [other])  # may have the id that is free
    assert store.save_faces(faces, {gone.id: FacesFound((HAPPY,))}, read=claimed) == 1
    assert ask(store, "select count(*) from face") == [(0,)]


def test_tweets_that_share_a_name_share_the_file(store: Store) -> None:
    second = replace(named(), source_id="2")
    store.add_tweets("d", [named(), second])
    store.add_tweets("d", [TWEET])
    row = features(store)
    (found,) = store.tweet_faces([2], row.face_worker_id)
    assert [image.path for image in found.images] == ["/p/a.jpg"]


@pytest.mark.parametrize("known", [True, False])
def test_a_tweet_that_comes_twice_in_a_batch_has_one_picture_of_each_place(
    known: bool, store: Store
) -> None:
    if known:
        store.add_tweets("d", [TWEET])
    other = replace(TWEET, images=(TweetImage("b.jpg", "/p/b.jpg", "bb"),))
    store.add_tweets("d", [named(), TWEET, other, named()])
    assert ask(store, "select sha256 from image") == [("bb",)]
    assert ask(store, "select path from tweet_image") == [("/p/b.jpg",)]


def test_a_tweet_that_is_forgotten_while_it_is_read_is_left_out(store: Store) -> None:
    (number,) = store.add_tweets("d", [Tweet("nothing", "1")]).ids
    assert number is not None
    row = features(store)
    read = [tweet for tweet, _ in store.pending_descriptions(row, Scope(), after=0, limit=9)]
    store.forget(tweet_ids=[number])
    assert store.save_descriptions(row.id, {number: DescriptionText("", 0, ())}, read=read) == 1


def test_a_caption_that_was_known_by_name_takes_what_was_predicted_without_it(store: Store) -> None:
    row = fill(store)
    store.save_captions(row.caption_worker_id or 0, {1: Failure("gone")})
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM caption")
    predicted(store, row)
    store.add_tweets("d", [replace(named(), source_id="2")])
    (by_name,) = ask(store, "select id from image where sha256 is null")
    store.save_captions(row.caption_worker_id or 0, {by_name[0]: "A man."})
    store.add_tweets("d", [replace(TWEET, source_id="2")])
    assert left(store)[1] == []
    assert ask(store, "select text from caption") == [("A man.",)]


def test_two_files_of_one_name_are_two_pictures(store: Store) -> None:
    row = fill(store, named())
    second = replace(named(), source_id="2")
    store.add_tweets("d", [second])
    store.save_descriptions(row.id, {2: DescriptionText("As the first. ", 1, ())})
    other = replace(second, images=(TweetImage("a.jpg", "/q/a.jpg", "bb"),))
    store.add_tweets("d", [TWEET, other])
    faces = "(select count(*) from face where image_id = image.id)"
    assert ask(store, f"select sha256, {faces} from image order by 1") == [("aa", 1), ("bb", 0)]
    assert store.described(row.id, [1, 2]) == {1}


def test_no_faces_by_name_where_the_same_analyser_found_none_in_the_bytes(store: Store) -> None:
    store.add_tweets("d", [named(), replace(TWEET, source_id="2")])
    faces, _, _ = workers(store)
    for image in store.claim_images(faces, Scope(), limit=9, owner="me"):
        store.save_faces(faces, {image.id: FacesFound(() if image.sha256 else (HAPPY,))})
    store.add_tweets("d", [TWEET])
    assert ask(store, "select count(*) from face") == [(0,)]
    assert ask(store, "select status from analysis") == [("done",)]


def test_what_was_found_by_name_takes_the_place_of_a_failure(store: Store) -> None:
    store.add_tweets("d", [named(), replace(TWEET, source_id="2")])
    faces, captions, _ = workers(store)
    for image in store.claim_images(faces, Scope(), limit=9, owner="me"):
        found = Failure("broken") if image.sha256 else FacesFound((HAPPY,))
        store.save_faces(faces, {image.id: found})
        if image.sha256:  # and nobody told a caption by name
            store.save_captions(captions, {image.id: Failure("broken")})
    row = features(store)
    for number in (1, 2):
        store.save_descriptions(row.id, {number: DescriptionText("", 0, ())})
    store.add_tweets("d", [TWEET])
    assert store.described(row.id, [1, 2]) == {1}  # the other was read without the picture
    assert ask(store, "select count(*) from face") == [(1,)]
    assert ask(store, "select status from analysis order by worker_id") == [("done",), ("failed",)]


def test_a_moved_file_refreshes_the_path(store: Store) -> None:
    store.add_tweets("d", [TWEET])
    store.add_tweets("d", [replace(TWEET, images=(TweetImage("a.jpg", "/new/a.jpg", "aa"),))])
    assert ask(store, "select path from tweet_image") == [("/new/a.jpg",)]


# workers and feature sets


def test_workers_are_known_by_fingerprint(store: Store) -> None:
    worker = Worker("faces", "f", "1", {"threshold": 0.5}, "ff", ("x",))
    number = store.register_worker(worker)
    assert store.register_worker(worker) == number
    assert store.register_worker(replace(worker, settings={"threshold": 0.6})) != number
    assert store.worker(number) == worker


def test_a_taken_name_gets_a_number_and_the_last_completed_is_default(store: Store) -> None:
    assert store.feature_set() is None
    first = features(store)
    second = features(store, thresholds={"theta": 0.5})
    third = features(store, thresholds={"theta": 0.6})
    assert [row.name for row in (first, second, third)] == ["set", "set-2", "set-3"]
    assert store.feature_set() == store.feature_set("set-3")
    store.complete_feature_set(first.id)
    default = store.feature_set()
    assert default is not None
    assert default.name == "set"
    assert features(store).id == first.id
    assert store.feature_set("none") is None


def test_the_default_describes_the_datasets_asked_for(store: Store) -> None:
    first = fill(store)
    second = features(store, thresholds={"theta": 0.5})
    assert store.feature_set() == next(r for r in store.feature_sets() if r.id == second.id)
    found = store.feature_set(datasets=("d",))
    assert found is not None
    assert found.id == first.id
    assert store.feature_set(datasets=("d", "other")) is None
    store.add_tweets("d", [Tweet("more", "2")])
    store.save_descriptions(first.id, {2: DescriptionText("", 0)})
    store.save_descriptions(second.id, {2: DescriptionText("", 0)})  # one of two tweets
    assert store.feature_set(datasets=("d",)) == found


def test_wrong_names_are_told_with_the_known_ones(store: Store) -> None:
    store.add_tweets("d", [replace(TWEET, split="dev")])
    store.require("d", "dev")
    store.require(None, "dev")
    for words, message in (
        (("e",), "no dataset 'e' .known: d."),
        (("d", "test"), "no split 'test' .known: dev."),
        ((None, "test"), "no split 'test'"),
    ):
        with pytest.raises(NoExamples, match=message):
            store.require(*words)


def test_a_picture_that_a_tweet_has_twice_counts_once(store: Store) -> None:
    other = TweetImage("b.jpg", "/p/b.jpg", "bb")
    twice = replace(TWEET, images=(*TWEET.images, other, *TWEET.images))
    (number,) = store.add_tweets("d", [twice]).ids
    row = features(store)
    images = store.claim_images(row.face_worker_id, Scope(), limit=9, owner="me")
    found = {image.id: FacesFound((HAPPY, replace(HAPPY, age=5))) for image in images}
    store.save_faces(row.face_worker_id, found)
    store.save_captions(row.caption_worker_id or 0, {image.id: "A man." for image in images})
    (tweet,) = store.tweet_faces([number or 0], row.face_worker_id)
    assert (len(tweet.images), len(tweet.faces), len(tweet.pictures_seen)) == (2, 4, 2)
    parts = tuple((face.face_id, None, f"face {i}") for i, face in enumerate(tweet.faces))
    store.save_descriptions(row.id, {tweet.tweet_id: DescriptionText("", 4, parts)})
    assert [a.caption for a in store.stored_aspects(Scope(), row)] == ["A man. A man."] * 2
    assert ask(store, "select face, picture, sentence from face_descriptions order by face") == [
        (0, "a.jpg", "face 0"), (1, "a.jpg", "face 1"),
        (2, "b.jpg", "face 2"), (3, "b.jpg", "face 3"),
    ]  # fmt: skip
    chain = store.chain("1", features=row)
    assert [face["sentence"] for face in chain.faces] == [f"face {i}" for i in range(4)]


# claims


def test_claims_are_leased_and_given_back(store: Store) -> None:
    images = [TweetImage(f"{n}.jpg") for n in range(5)]
    store.add_tweets(
        "d", [replace(TWEET, source_id=str(n), images=(i,)) for n, i in enumerate(images)]
    )
    faces, _, _ = workers(store)
    mine = store.claim_images(faces, Scope(), limit=2, owner="me")
    theirs = store.claim_images(faces, Scope(), limit=9, owner="you")
    assert [i.name for i in mine] == ["0.jpg", "1.jpg"]
    assert [i.name for i in theirs] == ["2.jpg", "3.jpg", "4.jpg"]
    assert store.claim_images(faces, Scope(), limit=9, owner="third") == []
    assert store.claim_images(faces, Scope(), limit=9, owner="me", after=mine[0].id) == [mine[1]]
    store.release("you")
    assert len(store.claim_images(faces, Scope(), limit=9, owner="third")) == 3
    expired = store.claim_images(faces, Scope(), limit=9, owner="me", lease_seconds=-1)
    assert store.claim_images(faces, Scope(), limit=9, owner="late") == expired


def test_failures_are_facts_that_can_be_tried_again(store: Store) -> None:
    store.add_tweets("d", [TWEET])
    faces, _, _ = workers(store)
    for tries in (1, 2):
        (image,) = store.claim_images(faces, Scope(), limit=9, owner="me", retry_failed=tries == 2)
        store.save_faces(faces, {image.id: Failure("broken")})
        assert ask(store, "select status, error, tries from analysis") == [
            ("failed", "broken", tries)
        ]
    assert ask(store, "select count(*) from lease") == [(0,)]
    assert store.count_pending_images(faces, Scope()) == 0
    assert store.count_pending_images(faces, Scope(), retry_failed=True) == 1
    store.save_faces(faces, {image.id: FacesFound((HAPPY, HAPPY), 9, 9)})
    store.save_faces(faces, {image.id: FacesFound((HAPPY,), 9, 9)})
    assert ask(store, "select count(*) from face") == [(1,)]
    assert store.count_pending_images(faces, Scope(), retry_failed=True) == 0


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (Scope(), 3),
        (Scope("d"), 2),
        (Scope("d", "dev"), 1),
        (Scope(tweet_ids=(1, 3)), 2),
        (Scope(tweet_ids=()), 0),
    ],
)
def test_scopes(scope: Scope, expected: int, store: Store) -> None:
    for place, (dataset, split) in enumerate((("d", None), ("d", "dev"), ("e", "dev"))):
        image = TweetImage(f"{place}.jpg")
        store.add_tweets(
            dataset, [replace(TWEET, source_id=str(place), split=split, images=(image,))]
        )
    faces, _, _ = workers(store)
    assert store.count_pending_images(faces, scope) == expected
    assert len(store.tweet_ids(scope)) == expected


# what stages need and save


def test_embeddings_come_back_as_they_were(store: Store) -> None:
    store.add_tweets("d", [TWEET])
    _, _, aligner = workers(store)
    vector = np.array([0.5, -0.25, 1.0], np.float32)
    store.save_image_embeddings(aligner, {(1, "image"): vector})
    store.save_image_embeddings(aligner, {(1, "image"): vector * 2, (1, "0,0,2,3"): vector})
    store.save_text_embeddings(aligner, {"Ann, a man.": vector})
    known = store.image_embeddings(aligner, [1, 2])
    assert set(known) == {(1, "image"), (1, "0,0,2,3")}
    assert np.array_equal(known[1, "image"], vector)  # the first stays
    found = store.text_embeddings(aligner, ["Ann, a man.", "other"])
    assert list(found) == ["Ann, a man."]
    assert found["Ann, a man."].dtype == np.float32
    assert ask(store, "select vector from text_embedding") == [(bytes.fromhex("003800B4003C"),)]


def test_descriptions_wait_for_pictures_and_alignment(store: Store) -> None:
    store.add_tweets("d", [TWEET, Tweet("no picture", "2", (Aspect("x"),))])
    row = features(store)

    def pending() -> list[int]:
        found = store.pending_descriptions(row, Scope(), after=0, limit=9)
        assert store.count_pending_descriptions(row, Scope()) == len(found)
        return [tweet.tweet_id for tweet, _ in found]

    def unaligned() -> int:
        return store.count_pending_tweets(
            Scope(), worker_id=row.alignment_worker_id or 0, face_worker_id=row.face_worker_id
        )

    assert pending() == [2]
    assert unaligned() == 0
    store.save_faces(row.face_worker_id, {1: FacesFound((HAPPY,))})
    assert pending() == [2]
    assert unaligned() == 1
    store.save_alignments(row.alignment_worker_id or 0, {1: [(1, 1, 0.5), (2, None, 0.7)]})
    assert unaligned() == 0
    assert pending() == [1, 2]
    (tweet, similar), (other, _) = store.pending_descriptions(row, Scope(), after=0, limit=9)
    assert [(a.aspect, a.face, a.similarity) for a in similar] == [(0, 0, 0.5), (1, None, 0.7)]
    assert (tweet.pictures_seen, other.pictures_seen) == ((1,), ())
    assert tweet.faces[0].face == HAPPY
    store.save_alignments(row.alignment_worker_id or 0, {1: [(1, 1, 0.1)]})
    assert ask(store, "select similarity from alignment") == [(0.1,)]


def test_new_faces_forget_what_was_made_from_the_old_and_nothing_else(store: Store) -> None:
    row = fill(store)
    predicted(store, row, other_readings(store))
    assert left(store) == (["other", "set"], ["other", "set"], 2)
    store.save_faces(row.face_worker_id, {1: FacesFound((), 1, 1)})
    assert left(store) == (["other"], ["other"], 1)


def test_a_picture_that_fails_again_takes_nothing_away(store: Store) -> None:
    row = read_without_picture(store, TWEET)
    store.save_faces(row.face_worker_id, {1: Failure("broken still")})
    assert left(store) == (["other", "set"], ["other", "set"], 2)


@pytest.mark.parametrize("faces", [(), (HAPPY,)])
def test_a_picture_that_can_be_looked_at_by_now_is_read_anew(
    faces: tuple[Face, ...], store: Store
) -> None:
    """Also where there is no face in it: "nobody is in the picture" is said then."""
    row = read_without_picture(store, TWEET)
    store.save_faces(row.face_worker_id, {1: FacesFound(faces, 640, 480)})
    assert left(store) == (["other"], ["other"], 1)
    store.save_descriptions(row.id, {1: DescriptionText("Nobody. ", 0, ())})
    store.save_faces(row.face_worker_id, {1: FacesFound(faces, 640, 480)})
    assert (left(store)[0] == ["other", "set"]) is not bool(faces)
    store.save_faces(row.face_worker_id, {1: Failure("gone")})
    assert left(store)[0] == ["other"]


def test_faces_that_another_process_finds_meanwhile_are_read_next(store: Store) -> None:
    two = replace(TWEET, images=(*TWEET.images, TweetImage("b.jpg", "/p/b.jpg", "bb")))
    store.add_tweets("d", [two])
    row = features(store)
    faces, aligner = row.face_worker_id, row.alignment_worker_id or 0
    store.save_faces(faces, {1: Failure("gone for now"), 2: FacesFound((HAPPY,), 640, 480)})
    asked: dict[str, Any] = {"after": 0, "limit": 9}
    read = store.pending_tweets(Scope(), worker_id=aligner, face_worker_id=faces, **asked)
    store.save_faces(faces, {1: FacesFound((HAPPY,), 640, 480)})
    assert store.save_alignments(aligner, {1: [(1, None, 1.0)]}, read=read) == 1
    assert ask(store, "select count(*) from alignment") == [(0,)]
    read = store.pending_tweets(Scope(), worker_id=aligner, face_worker_id=faces, **asked)
    assert [len(tweet.faces) for tweet in read] == [2]
    assert store.save_alignments(aligner, {1: [(1, None, 1.0)]}, read=read) == 0
    assert store.save_alignments(aligner, {1: [(1, None, 1.0)]}, read=read) == 1  # by another one
    ((tries,),) = ask(store, "select tries from analysis where subject_kind = 'tweet'")
    assert tries == 1
    described = [tweet for tweet, _ in store.pending_descriptions(row, Scope(), **asked)]
    store.save_faces(faces, {1: Failure("gone again")})
    text = DescriptionText("Two. ", 2, ())
    assert store.save_descriptions(row.id, {1: text}, read=described) == 1
    assert ask(store, "select count(*) from description") == [(0,)]


def test_another_caption_takes_what_was_predicted_with_the_old(store: Store) -> None:
    row = fill(store)
    predicted(store, row, other_readings(store))
    captions = row.caption_worker_id or 0
    store.save_captions(captions, {1: "A man."})
    assert left(store)[1] == ["other", "set"]
    store.save_captions(captions, {1: "A woman."})
    assert left(store) == (["other", "set"], ["other"], 2)


def test_what_a_model_reads(store: Store) -> None:
    row = fill(store)
    first, second = store.stored_aspects(Scope("d"), row)
    assert (first.aspect, first.description, first.caption) == ("Ann", "One. Ann happy. ", "A man.")
    assert (first.faces, first.face, first.label) == (1, "Ann happy. ", "positive")
    assert (second.aspect, second.face, second.label) == ("Bob", None, None)
    assert [a.aspect for a in store.stored_aspects(Scope(), row, labelled=True)] == ["Ann"]
    assert list(store.stored_aspects(Scope("none"), row)) == []


def test_views_for_people(store: Store) -> None:
    row = fill(store)
    model = store.register_model("m", "/m", "mm", preset="p", precision="int8")
    assert store.register_model("m", "/moved", "mm") == model
    assert ask(store, "select path from model") == [("/moved",)]
    prediction = Prediction("positive", (0.1, 0.2, 0.7), 0.4)
    for gate, digest in ((0.4, "old"), (0.5, "hash"), (0.6, "hash")):  # of one input there is one
        store.save_predictions(model, row.id, [(1, digest, replace(prediction, gate=gate))])
    assert ask(
        store,
        "select features, tweet, picture, path, face, box_left, age, emotion, aspect, similarity, "
        "sentence, aligner, analyser from face_descriptions",
    ) == [
        ("set", "1", "a.jpg", "/p/a.jpg", 0, 1, 30, "happy", "Ann", 0.25, "Ann happy. ",
         "prominence (guess)", "f")
    ]  # fmt: skip
    assert ask(store, 'select aspect, start, "end", pictures from tweet_aspects') == [
        ("Ann", 0, 3, 1),
        ("Bob", 8, 11, 1),
    ]
    assert ask(store, "select model, prediction, label, gate, face from predictions") == [
        ("m", "positive", "positive", 0.5, "Ann happy. ")
    ]


def test_the_chain_of_a_tweet(store: Store) -> None:
    row = fill(store)
    chain = store.chain("1", features=row)
    assert chain.tweet["text"] == "Ann met Bob"
    assert chain.images[0]["caption"] == "A man."
    assert chain.images[0]["width"] == 640
    assert [aspect["text"] for aspect in chain.aspects] == ["Ann", "Bob"]
    assert chain.faces[0]["sentence"] == "Ann happy. "
    assert chain.similarities[0].similarity == 0.25
    assert chain.description == "One. Ann happy. "
    assert store.chain("1", dataset="d").description is None
    with pytest.raises(NoExamples, match="no tweet '1'"):
        store.chain("1", dataset="other")


def test_what_is_in_the_store(store: Store) -> None:
    fill(store)
    info = store.info()
    assert info.rows["tweet"] == 1
    assert info.datasets == {"d": 1}
    assert info.feature_sets == ("set",)
    assert info.workers == ("faces: f 1", "captions: c 1", "alignment: prominence 1")
    assert info.bytes
    assert store.splits("d") == [None]
    assert store.source_ids([1]) == {1: "1"}
    assert list(store.texts(Scope("d"))) == [
        ("Ann met Bob", "Ann", None, "positive"),
        ("Ann met Bob", "Bob", None, None),
    ]
    assert store.picture_counts(Scope("d"), 1) == (1, 2)
    assert store.picture_counts(Scope("d"), None) == (1, 0)


def test_runs_and_epochs(store: Store) -> None:
    row = features(store)
    common: dict[str, Any] = {
        "preset": "p", "datasets": ["d"], "feature_set_id": row.id, "settings": {},
        "fingerprint": "key",
    }  # fmt: skip
    first = store.start_run(seed=0, output="/a", **common)
    second = store.start_run(seed=0, output="/b", **common)
    found = store.find_run("key", 0)
    assert found is not None
    assert (found.id, found.status) == (second, "running")
    by_place = store.find_run("key", 0, "/a")
    assert by_place is not None
    assert by_place.id == first
    assert store.find_run("key", 1) is None
    for loss in (0.9, 0.8):
        store.add_epoch(first, EpochRow(1, loss, 0.5, 0.7, 0.6, 3.0))
    assert ask(store, "select train_loss from epoch") == [(0.8,)]
    store.finish_run(first, "done", best_epoch=1, dev_accuracy=0.7)
    assert ask(store, f"select status, best_epoch from run where id = {first}") == [("done", 1)]


def test_lookups_use_indexes(tmp_path: Path) -> None:
    store = open_store(tmp_path / "fite.db")
    for sql in (
        "select * from face_descriptions where dataset = 'd' and tweet = '1'",
        "select * from tweet_aspects where dataset = 'd' and tweet = '1'",
        "select * from predictions where dataset = 'd' and tweet = '1'",
    ):
        with store.engine.connect() as connection:
            plan = connection.exec_driver_sql(f"explain query plan {sql}").fetchall()
        assert not [step for step in plan if str(step[3]).startswith("SCAN") and "tweet" in step[3]]
