"""Pictures as people look at them: the file of a face, and all the faces to hide."""

from __future__ import annotations

from dataclasses import replace

from fitecli.records import Aspect, Face, FeatureSet, Tweet, TweetImage, Worker
from fitecli.store import (
    DescriptionText,
    FacesFound,
    Failure,
    KnownPicture,
    PictureFaces,
    Scope,
    Store,
)

BUNDLED, OTHER = Worker("faces", "bundled", "1"), Worker("faces", "other", "1")

FACE = Face((10, 20, 30, 40), 0.9, 30, None, "Woman", 0.9)
TWEET = Tweet(
    "Grace Hopper", "t1", (Aspect("Grace Hopper", 0, 12),),
    (TweetImage("a.jpg", "/pictures/a.jpg", "a" * 64), TweetImage("b.jpg")),
)  # fmt: skip


UNKNOWN = PictureFaces((), unplaced=False, searched=False)


def placed(*boxes: tuple[int, int, int, int]) -> PictureFaces:
    return PictureFaces(boxes, unplaced=False, searched=True)


def image_ids(store: Store) -> list[int]:
    (row,) = store.tweet_faces(store.add_tweets("d", [TWEET]).ids, 0)
    return [image.id for image in row.images]


def test_a_described_face_leads_to_its_picture_and_box(store: Store) -> None:
    first, second = image_ids(store)
    worker = store.register_worker(BUNDLED)
    store.save_faces(worker, {first: FacesFound((FACE,), 100, 90),
                              second: FacesFound((replace(FACE, box=None),))})  # fmt: skip
    features = store.register_feature_set(FeatureSet("f", BUNDLED.fingerprint, None, None))
    (row,) = store.tweet_faces([store.find_tweet("t1")["id"]], worker)
    sentences = tuple((face.face_id, None, "s") for face in row.faces)
    store.save_descriptions(features, {row.tweet_id: DescriptionText("s", 2, sentences)})
    picture, box = store.picture_of_face("t1", "d", "f", 0) or (None, 0)
    assert picture == KnownPicture("a.jpg", "/pictures/a.jpg", "a" * 64, placed(FACE.box))
    assert box == FACE.box
    picture, box = store.picture_of_face("t1", "d", "f", 1) or (None, 0)
    assert picture == KnownPicture("b.jpg", None, None, PictureFaces((), True, False))
    assert box is None
    for asked in (
        ("t2", "d", "f", 0),
        ("t1", "e", "f", 0),
        ("t1", "d", "g", 0),
        ("t1", "d", "f", 2),
    ):
        assert store.picture_of_face(*asked) is None


def test_all_faces_that_anyone_found_are_known(store: Store) -> None:
    first, _ = image_ids(store)
    assert store.tweet_pictures("t1", "d") == (
        KnownPicture("a.jpg", "/pictures/a.jpg", "a" * 64, UNKNOWN),
        KnownPicture("b.jpg", None, None, UNKNOWN),
    )
    boxes = {(1, 2, 3, 4), (5, 6, 7, 8)}
    for worker, box in zip((BUNDLED, OTHER), boxes, strict=True):
        found = FacesFound((replace(FACE, box=box),), 100, 90)
        store.save_faces(store.register_worker(worker), {first: found})
    picture, other = store.tweet_pictures("t1", "d")
    assert set(picture.faces.boxes) == boxes
    assert picture.faces.searched
    assert not other.faces.searched
    assert store.tweet_pictures("t2", "d") == ()


def test_a_picture_without_faces_was_searched_one_that_failed_was_not(store: Store) -> None:
    first, second = image_ids(store)
    worker = store.register_worker(BUNDLED)
    store.save_faces(worker, {first: FacesFound((), 100, 90)})
    store.save_faces(worker, {second: FacesFound(())})  # as published facts: nobody opened it
    assert [p.faces.searched for p in store.tweet_pictures("t1", "d")] == [True, False]
    store.save_faces(worker, {first: Failure("broken by now")})
    assert [p.faces.searched for p in store.tweet_pictures("t1", "d")] == [False, False]


def test_where_faces_are_whoever_found_them(store: Store) -> None:
    images = tuple(TweetImage(f"{n}.jpg", f"/p/{n}", n * 2) for n in "abcd")
    store.add_tweets("d", [Tweet("Hi", "9", (), (*images, images[0]), split="dev")], source="x")
    worker = store.register_worker(BUNDLED)
    a, b, c, _ = sorted(store.claim_images(worker, Scope(), limit=9, owner="me"),
                        key=lambda image: image.name)  # fmt: skip
    box = (1, 2, 3, 4)
    found = {
        a.id: FacesFound((Face(box=box), Face(box=(5, 6, 7, 8))), 9, 9),
        c.id: FacesFound((), 9, 9),
    }
    store.save_faces(worker, found | {b.id: FacesFound((Face(), Face(box=box)))})
    known = [picture.faces for picture in store.tweet_pictures("9", "d")]
    assert sorted(known[0].boxes) == sorted(known[4].boxes) == [box, (5, 6, 7, 8)]
    assert (known[0].unplaced, known[0].searched) == (False, True)
    assert (known[1].boxes, known[1].unplaced) == ((box,), True)
    assert known[1].searched is False  # its faces are known, but nobody here saw the picture
    assert (known[2].boxes, known[2].unplaced, known[2].searched) == ((), False, True)
    assert known[3].searched is False
