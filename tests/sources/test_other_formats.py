"""CSV, X API, PyABSA and the benchmark's two formats."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitecli.errors import UnreadableSource
from fitecli.records import Aspect, Reject, Tweet
from fitecli.sources import find_aspects, read


def records(content: str | bytes, format: str = "auto", name: str = "x") -> list[Tweet | Reject]:
    raw = content.encode() if isinstance(content, str) else content
    return list(read(io.BytesIO(raw), format, name=name))


def tweets(content: str | bytes, format: str = "auto", name: str = "x") -> list[Tweet]:
    found = records(content, format, name)
    assert all(isinstance(item, Tweet) for item in found), found
    return [item for item in found if isinstance(item, Tweet)]


# CSV and TSV


def test_neighbouring_rows_of_a_tweet_are_joined() -> None:
    found = tweets(
        'id,text,aspect,label,images\n1,"Hi, Bob and Ann",Bob,Positive,a.jpg;b.jpg\n'
        '1,"Hi, Bob and Ann",Ann,-1,a.jpg;b.jpg\n2,Bye,,,\n'
    )
    assert [len(tweet.aspects) for tweet in found] == [2, 0]
    assert [a.label for a in found[0].aspects] == ["positive", "negative"]
    assert [i.name for i in found[0].images] == ["a.jpg", "b.jpg"]


def test_lists_of_aspects_and_offsets() -> None:
    found = tweets(
        "text\taspects\taspect\tstart\tend\nBob Ann Bob\tBob;Ann\t\t\t\n"
        'Bob Bob\t"[{""text"": ""Bob"", ""label"": ""neutral""}]"\t\t\t\nBob, Bob\t\tBob\t5\t8\n'
    )
    assert [[a.start for a in t.aspects] for t in found] == [[0, 8, 4], [0, 4], [5]]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_within_cells_stay(end: str) -> None:
    text = "line one\r\nline two NASA\nthree"
    rows = ["id,text,aspect,start,end", f'1,"{text}",NASA,19,23', "2,NASA,NASA,0,4"]
    first, second = tweets(end.join([*rows, ""]))
    assert (first.text, first.aspects[0].start) == (text, 19)
    assert second.text == "NASA"
    assert [tweet.text for tweet in tweets("id,text\r\r\n1,NASA\r\r\n")] == ["NASA"]
    assert [tweet.text for tweet in tweets('{"text": "NASA"}\r\n\r\n')] == ["NASA"]


@pytest.mark.parametrize("above", ["", "sep=;\r\n"])
def test_columns_may_be_separated_by_semicolons(above: str) -> None:
    (tweet,) = tweets(above + "id;text;aspect\r\n1;Hi, Bob;Bob\r\n")
    assert (tweet.text, [aspect.text for aspect in tweet.aspects]) == ("Hi, Bob", ["Bob"])


def test_two_columns_of_one_name_are_told() -> None:
    with pytest.raises(UnreadableSource, match="x has two columns 'text'; rename one of them"):
        records("id,text,Text\n1,a,b\n")


def test_text_over_two_lines_is_one_row() -> None:
    (tweet,) = tweets('id,text\n1,"two\nlines"\n')
    assert tweet.text == "two\nlines"


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("1,a,b,positive,extra", "5 cells, the header 4"),
        ("1,a,a,good", "label must be"),
        ("1,,a,neutral", "text must be a string"),
        (b"1,\xff,a,neutral", "not UTF-8"),
    ],
)
def test_a_bad_row_is_rejected(row: str | bytes, expected: str) -> None:
    raw = row.encode() if isinstance(row, str) else row
    bad, good = records(b"id,text,aspect,label\n" + raw + b"\n2,fine,fine,neutral\n", "csv")
    assert isinstance(bad, Reject)
    assert expected in bad.reason
    assert isinstance(good, Tweet)


def test_bad_offsets_and_lists_in_cells() -> None:
    found = records("text,aspect,start,end,aspects\na,a,x,1,\na,,,,[oops\n", "csv")
    assert [item.reason for item in found if isinstance(item, Reject)] == [
        "aspects[0].start must be a number, not a string",
        found[1].reason,  # type: ignore[union-attr]
    ]
    assert "no JSON list" in found[1].reason  # type: ignore[union-attr]


def test_a_quote_that_never_closes_costs_its_line_only() -> None:
    found = records('id,text\n1,"open\n2,fine\n3,fine too\n', "csv")
    assert isinstance(found[0], Reject)
    assert found[0].line == 2
    assert [item.text for item in found[1:] if isinstance(item, Tweet)] == ["fine", "fine too"]
    assert [item.line for item in found] == [2, 3, 4]
    many = records('id,text\n1,"open\n' + "2,fine\n" * 200, "csv")
    assert sum(isinstance(item, Tweet) for item in many) == 1  # neighbours of one id are joined
    assert isinstance(many[0], Reject)


def test_a_table_of_tabs_need_not_quote() -> None:
    found = tweets('id\ttext\n1\t"So true he said\n2\t"Hi" she said\n3\t"quoted"\n', "tsv")
    assert [tweet.text for tweet in found] == ['"So true he said', '"Hi" she said', "quoted"]
    long = tweets('id\ttext\n1\t"' + "x" * 200_000 + "\n2\tfine\n", "tsv")
    assert [len(tweet.text) for tweet in long] == [200_001, 4]


def test_a_table_without_text_is_told() -> None:
    with pytest.raises(UnreadableSource, match="no column 'text'"):
        records("id,body\n1,x\n", "csv")


# X API v2


RESPONSE = {
    "data": [
        {
            "id": "1",
            "text": "Barack Obama met @NASA #Moon",
            "author_id": "7",
            "created_at": "2015-06-01T10:00:00.000Z",
            "attachments": {"media_keys": ["3_1", "7_2", "3_9"]},
            "entities": {
                "annotations": [{"start": 0, "end": 11, "normalized_text": "Barack Obama"}],
                "mentions": [{"start": 17, "end": 22, "username": "NASA"}],
                "hashtags": [{"start": 23, "end": 28, "tag": "Moon"}],
            },
        }
    ],
    "includes": {
        "media": [
            {"media_key": "3_1", "type": "photo", "url": "https://img.example/media/AbC.jpg?x=1"},
            {"media_key": "7_2", "type": "video"},
        ],
        "users": [{"id": "7", "username": "me"}],
    },
}


@pytest.mark.parametrize("spread", [None, 2], ids=["one line", "many lines"])
def test_a_response_of_the_x_api(spread: int | None) -> None:
    (tweet,) = tweets(json.dumps(RESPONSE, indent=spread))
    assert tweet.aspects == (
        Aspect("Barack Obama", 0, 12),  # annotations.end is inclusive there
        Aspect("@NASA", 17, 22),
        Aspect("#Moon", 23, 28),
    )
    assert [image.name for image in tweet.images] == ["AbC.jpg", "3_9.jpg"]
    assert (tweet.author, tweet.created_at) == ("me", "2015-06-01T10:00:00.000Z")


def test_x_api_tweets_line_by_line_and_a_bad_one() -> None:
    good = {"id": "1", "text": "Hi", "public_metrics": {}}
    bad = {"id": "2", "text": "Hi", "entities": {"mentions": [{"start": 0, "end": 9}]}}
    worse = {"id": "3", "text": "Hi", "entities": {"hashtags": [{"start": "0", "end": 9}]}}
    lines = "\n".join(map(json.dumps, [good, bad, worse, {"data": [4]}]))
    found = records(lines + "\n\nnope")
    assert isinstance(found[0], Tweet)
    reasons = [item.reason for item in found[1:] if isinstance(item, Reject)]
    assert len(reasons) == 4
    assert "not in the text" in reasons[0]
    assert "no numbers" in reasons[1]


@pytest.mark.parametrize(
    "more",
    [
        {"aspects": ["data", "entities"], "split": "test"},
        {"aspects": ["NASA"], "public_metrics": {"likes": 1}, "data": {"x": 1}},
        {"images": ["a.jpg"], "entities": {"hashtags": [{"text": "x", "indices": [1, 2]}]}},
        {"data": "x", "aspects": []},
        {"entities": {"hashtags": [{"text": "x", "indices": [1, 2]}]}},
    ],
)
def test_own_records_are_no_x_api_whatever_else_they_hold(more: dict[str, object]) -> None:
    record = {"id": "1", "text": "data and entities of NASA", **more}
    (tweet,) = tweets(json.dumps(record) + "\n")
    assert len(tweet.aspects) == len(more.get("aspects", []))  # type: ignore[arg-type]
    assert [image.name for image in tweet.images] == more.get("images", [])
    assert tweet.split == more.get("split")


def test_a_list_of_own_records_is_read_whole() -> None:
    listed = [{"id": "1", "text": "Bob", "aspects": ["Bob"]}, {"id": "2", "text": "Ann"}]
    for spread in (None, 2):
        found = tweets(json.dumps(listed, indent=spread))
        assert [(t.source_id, len(t.aspects), t.line) for t in found] == [("1", 1, 1), ("2", 0, 2)]
    (bad,) = records(json.dumps([3]), "jsonl")
    assert isinstance(bad, Reject)
    (bad,) = records("[3", "jsonl")
    assert isinstance(bad, Reject)


@pytest.mark.parametrize("first", ["[broken", '["id", "text"]', '{"text": '])
def test_a_damaged_first_line_costs_itself_alone(first: str) -> None:
    found = records(f'{first}\n{{"text": "Bob"}}\n{{"text": "Ann"}}\n')
    assert [type(item) for item in found] == [Reject, Tweet, Tweet]
    assert [item.line for item in found] == [1, 2, 3]


def test_a_document_over_many_lines_is_told() -> None:
    record = {"id": "1", "text": "Bob", "aspects": ["Bob"]}
    with pytest.raises(UnreadableSource, match=r"x is one JSON document .* `jq -c \. x > tweets"):
        records(json.dumps(record, indent=2))


def test_an_annotation_is_where_its_name_stands() -> None:
    text = "&amp; Eileen Collins at NASA"
    named = {"start": 2, "end": 15, "normalized_text": "Eileen Collins"}
    other = {"start": 24, "end": 27, "normalized_text": "not there"}
    item = {"id": "1", "text": text, "entities": {"annotations": [named, other]}}
    (tweet,) = tweets(json.dumps({"data": [item]}))
    assert tweet.text == "& Eileen Collins at NASA"
    assert [aspect.text for aspect in tweet.aspects] == ["Eileen Collins", "NASA"]


def test_what_the_x_api_escapes_is_read_as_it_was_tweeted() -> None:
    text = "&lt;3 AT&amp;T @NASA &gt;#a &amp;lt; &quot;"
    at, tag = text.index("@"), text.index("#")
    entities = {
        "annotations": [{"start": 3, "end": 6, "normalized_text": "AT&T"}],
        "mentions": [{"start": at, "end": at + 5, "username": "NASA"}],
        "hashtags": [{"start": tag, "end": tag + 2, "tag": "a"}],
    }
    item = {"id": "1", "text": text, "entities": entities}
    (tweet,) = tweets(json.dumps({"data": [item]}))
    assert tweet.text == "<3 AT&T @NASA >#a &lt; &quot;"
    assert [aspect.text for aspect in tweet.aspects] == ["AT&T", "@NASA", "#a"]
    assert all(tweet.text[a.start : a.end] == a.text for a in tweet.aspects)


@pytest.mark.parametrize(("start", "end"), [(4, 5), (1, 5), (2, 8), (0, 9)])
def test_offsets_within_an_escape_stop_nothing(start: int, end: int) -> None:
    item = {"text": "&amp;abc", "entities": {"mentions": [{"start": start, "end": end}]}}
    (found,) = records(json.dumps({"data": [item]}))
    if isinstance(found, Reject):
        assert f"{start}:{end} is not in the text" in found.reason
    else:
        (aspect,) = found.aspects
        assert found.text[aspect.start : aspect.end] == aspect.text != ""


def test_videos_are_no_pictures_though_nothing_tells_of_them() -> None:
    item = {"id": "1", "text": "a", "attachments": {"media_keys": ["7_1", "3_2", "16_3"]}}
    (tweet,) = tweets(json.dumps({"data": [item]}))
    assert [image.name for image in tweet.images] == ["3_2.jpg"]


@pytest.mark.parametrize(
    "broken",
    [
        {"attachments": {"media_keys": ["1"]}},
        {"attachments": {"media_keys": [["1"]]}},
        {"author_id": ["7"]},
        {"author_id": {"a": 1}},
    ],
)
def test_wrong_types_of_the_x_api_stop_nothing(broken: dict[str, object]) -> None:
    includes = {
        "media": [{"media_key": "1", "url": "http://[bad/x.jpg"}, {"media_key": ["1"]}],
        "users": [{"id": ["7"], "username": "me"}],
    }
    data = [{"id": "1", "text": "Hi", **broken}, {"id": "2", "text": "Hi", **broken}, {"text": "a"}]
    found = records(json.dumps({"data": data, "includes": includes}), "x-api")
    assert len(found) == 3
    assert isinstance(found[2], Tweet)
    rejected = [item for item in found if isinstance(item, Reject)]
    assert len({(item.line, item.reason) for item in rejected}) == len(rejected)


def test_a_page_without_tweets_is_no_mistake() -> None:
    assert records(json.dumps({"meta": {"result_count": 0}}), "x-api") == []


def test_a_long_note_replaces_the_short_text_and_overlaps_count_once() -> None:
    entities = {
        "annotations": [{"start": 0, "end": 8, "normalized_text": "Bob Smith"}],
        "mentions": [{"start": 4, "end": 9, "username": "x"}],
    }
    item = {"id": "1", "text": "Bob …", "note_tweet": {"text": "Bob Smith", "entities": entities}}
    (tweet,) = tweets(json.dumps([item]), "x-api")
    assert tweet.text == "Bob Smith"
    assert [a.text for a in tweet.aspects] == ["Bob Smith"]


V1 = {
    "created_at": "Wed Oct 10 20:19:24 +0000 2018",
    "id": 1050118621198921728,
    "id_str": "1050118621198921728",
    "text": "Meet AT&amp;T and @NASA #Moon https://t.co/x",
    "truncated": False,
    "entities": {
        "user_mentions": [{"screen_name": "NASA", "indices": [18, 23]}],
        "hashtags": [{"text": "Moon", "indices": [24, 29]}],
        "media": [{"media_url": "http://img.example/media/AbC.jpg", "type": "photo"}],
    },
    "extended_entities": {
        "media": [
            {"media_url": "http://img.example/media/AbC.jpg", "type": "photo"},
            {"media_url_https": "https://img.example/media/DeF.png", "type": "photo"},
            {"media_url": "http://img.example/media/GhI.jpg", "type": "video"},
        ]
    },
    "user": {"id_str": "7", "screen_name": "me"},
}


@pytest.mark.parametrize(
    "source",
    [
        json.dumps(V1),
        json.dumps({"delete": {"status": {"id": 3}}}) + "\n" + json.dumps(V1),
        json.dumps({"statuses": [V1], "search_metadata": {}}, indent=1),
        json.dumps([V1], indent=2),
        json.dumps({k: v for k, v in V1.items() if k != "text"} | {"full_text": V1["text"]}),
        json.dumps(
            V1
            | {"text": "Meet …", "truncated": True, "entities": {}, "extended_entities": None}
            | {"extended_tweet": {**V1, "full_text": V1["text"], "text": None}}
        ),
    ],
    ids=["a line", "after a notice", "a search", "a list", "extended mode", "a stream"],
)
def test_tweets_of_the_older_x_api(source: str) -> None:
    (tweet,) = tweets(source)
    assert tweet.text == "Meet AT&T and @NASA #Moon https://t.co/x"
    assert [aspect.text for aspect in tweet.aspects] == ["@NASA", "#Moon"]
    assert all(tweet.text[a.start : a.end] == a.text for a in tweet.aspects)
    assert [image.name for image in tweet.images] == ["AbC.jpg", "DeF.png"]
    assert (tweet.source_id, tweet.author) == ("1050118621198921728", "me")
    assert tweet.created_at == "Wed Oct 10 20:19:24 +0000 2018"


def cut(original: dict[str, object], **more: object) -> str:
    """A retweet as the APIs write one: its own text and what is told of it end early."""
    entities = {"user_mentions": [], "mentions": [{"start": 3, "end": 6, "username": "me"}]}
    return json.dumps({"text": "RT @me: Meet AT&amp;…", "entities": entities, **original, **more})


@pytest.mark.parametrize(
    "source",
    [
        cut({"id_str": "5", "user": {"screen_name": "fan"}}, retweeted_status=V1),
        cut(
            {"id_str": "5", "user": {"screen_name": "fan"}},
            retweeted_status=V1
            | {"text": "Meet …", "entities": {}, "extended_entities": None}
            | {"extended_tweet": {**V1, "full_text": V1["text"], "text": None}},
        ),
        json.dumps({
            "data": [json.loads(cut(
                {"id": "5", "author_id": "8", "public_metrics": {}},
                referenced_tweets=[{"type": "quoted", "id": "3"}, {"type": "retweeted", "id": "1"}],
            ))],
            "includes": {
                "tweets": [{"id": "3", "text": "other"}, {
                    "id": "1", "text": V1["text"], "attachments": {"media_keys": ["3_1", "3_2"]},
                    "entities": {
                        "mentions": [{"start": 18, "end": 23, "username": "NASA"}],
                        "hashtags": [{"start": 24, "end": 29, "tag": "Moon"}],
                    },
                }],
                "media": [{"media_key": "3_1", "url": "https://img.example/AbC.jpg"},
                          {"media_key": "3_2", "url": "https://img.example/DeF.png"}],
                "users": [{"id": "8", "username": "fan"}],
            },
        }),
    ],
    ids=["v1.1", "a stream of v1.1", "v2"],
)  # fmt: skip
def test_a_retweet_has_the_whole_text_and_the_pictures_of_its_original(source: str) -> None:
    (tweet,) = tweets(source)
    assert tweet.text == "RT @me: Meet AT&T and @NASA #Moon https://t.co/x"
    assert [aspect.text for aspect in tweet.aspects] == ["@me", "@NASA", "#Moon"]
    assert all(tweet.text[a.start : a.end] == a.text for a in tweet.aspects)
    assert [image.name for image in tweet.images] == ["AbC.jpg", "DeF.png"]
    assert (tweet.source_id, tweet.author) == ("5", "fan")


def test_a_retweet_whose_original_is_not_told_stays_as_it_is() -> None:
    (tweet,) = tweets(cut({"id_str": "5"}, retweeted_status=None))
    assert tweet.text == "RT @me: Meet AT&…"


@pytest.mark.parametrize("spread", [None, 2], ids=["one line", "many lines"])
def test_the_archive_of_an_account(spread: int | None) -> None:
    tweet = {k: v for k, v in V1.items() if k not in ("user", "text")} | {"full_text": V1["text"]}
    mention = {"screen_name": "NASA", "indices": ["18", "23"]}
    tweet["entities"] = {**V1["entities"], "user_mentions": [mention]}
    listed = json.dumps([{"tweet": tweet}, {"tweet": tweet | {"id_str": "2"}}], indent=spread)
    first, second = tweets(f"window.YTD.tweets.part0 = {listed}")
    assert [aspect.text for aspect in first.aspects] == ["@NASA", "#Moon"]
    assert [image.name for image in first.images] == [
        "1050118621198921728-AbC.jpg",
        "1050118621198921728-DeF.png",
    ]
    assert (second.source_id, second.author) == ("2", None)


@pytest.mark.parametrize(
    "broken",
    [
        {"entities": 4, "extended_entities": [], "extended_tweet": "x", "user": "me"},
        {"entities": {"user_mentions": [3, {"indices": [1]}, {"indices": None}], "media": [None]}},
        {"entities": {"hashtags": "x", "media": {"a": 1}}, "user": {"screen_name": None}},
    ],
)
def test_wrong_types_of_the_older_x_api_stop_nothing(broken: dict[str, object]) -> None:
    plain = {k: v for k, v in V1.items() if k != "extended_entities"}
    (tweet,) = tweets(json.dumps(plain | broken))
    assert (tweet.aspects, tweet.images) == ((), ())
    wrong = [{"indices": ["1" * 9999, 3]}, {"indices": [2, 10**9]}, {"indices": [[], {}]}]
    for entity in wrong:
        (found,) = records(json.dumps(plain | {"entities": {"hashtags": [entity]}}))
        assert isinstance(found, Reject)


def test_five_pictures_are_too_many() -> None:
    item = {"text": "a", "attachments": {"media_keys": list("12345")}, "edit_history_tweet_ids": []}
    (found,) = records(json.dumps(item))
    assert isinstance(found, Reject)
    assert "at most 4" in found.reason


# PyABSA


def test_inline_tags() -> None:
    first, second = tweets(
        "The [B-ASP]food[E-ASP] was great but [B-ASP]staff[E-ASP] $LABEL$ Positive, -100\n\n"
        "[ASP]food[ASP] was bad !sent! Negative\n"
    )
    assert first.text == "The food was great but staff"
    assert first.aspects == (Aspect("food", 4, 8, "positive"), Aspect("staff", 23, 28))
    assert second.aspects == (Aspect("food", 0, 4, "negative"),)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"The [B-ASP]food was", "not closed"),
        (b"The [B-ASP]food[E-ASP] $LABEL$ good", "label must be"),
        (b"The [B-ASP]food[E-ASP] $LABEL$ Positive, Negative", "1 tags and 2 labels"),
        (b"The [B-ASP] [E-ASP] x", "the tag is empty"),
        (b"\xff [B-ASP]a[E-ASP]", "not UTF-8"),
    ],
)
def test_broken_tags_are_rejected(line: bytes, expected: str) -> None:
    (found,) = records(line, "pyabsa")
    assert isinstance(found, Reject)
    assert expected in found.reason


# the benchmark


TSV = (
    "index\t#1 Label\t#2 ImageID\t#3 String\t#3 String\n"
    "1\t2\t18.jpg\tRT @ a : $T$ is everything # MCM\tChuck Bass\n"
    '2\t1\t18.jpg\tRT @ a : Chuck  Bass is everything $T$\t# MCM\n3\t0\t19.jpg\t" $T$ "\tBob\n'
)
TXT = (
    "RT @ a : $T$ is everything # MCM\nChuck Bass\n1\n18.jpg\n"
    'RT @ a : Chuck  Bass is everything $T$\n# MCM\n0\n18.jpg\n" $T$ "\nBob\n-1\n19.jpg\n'
)


def test_rows_of_one_tweet_are_joined_and_keyed_by_line() -> None:
    first, second = tweets(TSV, name="train.tsv")
    assert first.text == "RT @ a : Chuck Bass is everything # MCM"
    assert [(a.text, a.label, a.key) for a in first.aspects] == [
        ("Chuck Bass", "positive", "line:1"),
        ("# MCM", "neutral", "line:2"),
    ]
    assert all(first.text[a.start : a.end] == a.text for a in first.aspects)
    assert first.split == "train"
    assert second.text == '" Bob "'


def test_both_formats_give_the_same_tweets() -> None:
    def plain(found: list[Tweet]) -> list[object]:
        return [(t.source_id, t.text, t.aspects, t.images, t.split) for t in found]

    assert plain(tweets(TSV, name="dev.tsv")) == plain(tweets(TXT, name="dev.txt"))


def test_broken_benchmark_rows() -> None:
    found = records(
        "index\t#1\n1\t5\tp\t$T$\ta\n1\t2\tp\n1\t2\tp\tno place\ta\n\xff\n", "tombert-tsv"
    )
    reasons = [item.reason for item in found if isinstance(item, Reject)]
    assert len(reasons) == 4
    assert "label must be one of 0, 1, 2" in reasons[0]
    (cut,) = records("$T$\na\n", "tombert-txt")
    assert isinstance(cut, Reject)
    assert "fewer than four" in cut.reason
    (bad,) = records(b"index\t#\n1\t2\t\xff\t$T$\ta", "tombert-tsv")
    assert isinstance(bad, Reject)


@pytest.mark.parametrize("dataset", ["twitter2015", "twitter"])
@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_the_real_files_agree(published: Path, dataset: str, split: str) -> None:
    folder = published / "TomBERT" / "absa_data" / dataset
    if not (folder / f"{split}.tsv").is_file():
        pytest.skip("this split is not here")
    first, second = (
        [(t.source_id, t.text, t.aspects) for t in read(folder / f"{split}{suffix}")]  # type: ignore[union-attr]
        for suffix in (".tsv", ".txt")
    )
    assert first == second


# aspects that are found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RT @me: Thank you Grace Hopper!", ["@me", "Grace Hopper"]),
        ("The University of Arizona won", ["University of Arizona"]),
        ("Happy birthday to Taylor Swift. The best", ["Taylor Swift"]),
        ("Chelsea won. What a day #CFC", ["Chelsea", "#CFC"]),
        ("I love it. I'm in New York https://t.co/AbC", ["New York"]),
        ("nothing here", []),
        ("Zoë Müller est à Paris", ["Zoë Müller", "Paris"]),
    ],
)
def test_aspects_are_found(text: str, expected: list[str]) -> None:
    assert [aspect.text for aspect in find_aspects(text)] == expected
    assert len(find_aspects("@a " * 1000)) == 250


@given(st.text())
def test_found_aspects_are_in_order_and_do_not_overlap(text: str) -> None:
    end = 0
    for aspect in find_aspects(text):
        assert aspect.start is not None
        assert aspect.end is not None
        assert end <= aspect.start < aspect.end
        assert text[aspect.start : aspect.end] == aspect.text
        assert aspect.origin == "found"
        end = aspect.end


@given(st.binary(max_size=300), st.sampled_from(["jsonl", "csv", "tsv", "x-api", "pyabsa"]))
def test_no_bytes_crash_a_reader(content: bytes, format: str) -> None:
    try:
        found = records(content, format)
    except UnreadableSource:
        return
    assert all(isinstance(item, Tweet | Reject) for item in found)
