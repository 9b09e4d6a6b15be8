"""The plain-Python BERTweet tokeniser equals the one in transformers."""

from __future__ import annotations

import collections
import itertools
import random
from pathlib import Path

import pytest

from fitecli.errors import NotAModel
from fitecli.inputs import BertweetTokeniser, load_tokeniser
from fitecli.inputs.tokenisers import MOST_READ

WORDS = (
    "happy Grace Hopper @RoyalFamily #MCM :-) ;) <3 don't cannot it's we'll I'm http://t.co/ab12 "
    "www.example.org example.com/x 😀 ❤️ 👍🏽 🇬🇧 7.23 $5 10:30 p.m. 7 p . m . a . m so-called "
    "555-123-4567 (212) 555 0100 ... … ’tis !!!!!! ------ -> <- <b> me@example.org &amp; &lt; "
    "&#128; &#x41; &nope; &#99999999999; naïve 東京 Ünïcode_name __ #1 #a-b don ' t O'Neil's "
    "tweet-up 1,000 +44 20 3/4 \\o/ :P =D $T$ . , ! ? ain't can't n 't who'd they've you're"
).split(" ")


def made_up_texts(count: int, seed: int) -> list[str]:
    chosen = random.Random(seed)
    texts = []
    for _ in range(count):
        words = chosen.choices(WORDS, k=chosen.randint(1, 25))
        texts.append(chosen.choice((" ", " ", "  ", "\n", "")).join(words))
    return texts


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A byte-pair vocabulary learned from made-up texts, in BERTweet's two files."""
    from fitecli.inputs.tweet_words import normalise_tweet

    texts = made_up_texts(300, seed=7)
    corpus = collections.Counter(
        word for text in [*texts, *map(normalise_tweet, texts)] for word in text.split()
    )
    words = {word: (*word[:-1], word[-1] + "</w>") for word in corpus}
    merges = []
    for _ in range(250):
        pairs: collections.Counter[tuple[str, str]] = collections.Counter()
        for word, symbols in words.items():
            for pair in itertools.pairwise(symbols):
                pairs[pair] += corpus[word]
        if not pairs:
            break
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        for word, symbols in words.items():
            joined, place = [], 0
            while place < len(symbols):
                if symbols[place : place + 2] == best:
                    joined.append("".join(best))
                    place += 2
                else:
                    joined.append(symbols[place])
                    place += 1
            words[word] = tuple(joined)
    pieces = {piece for symbols in words.values() for piece in symbols}
    pieces |= {"".join(pair) for pair in merges} | {c + "</w>" for w in corpus for c in w}
    names = sorted({p[:-4] if p.endswith("</w>") else p + "@@" for p in pieces})
    folder = tmp_path_factory.mktemp("bertweet")
    (folder / "vocab.txt").write_text("".join(f"{n} 1\n" for n in names[::2]), "utf-8")
    (folder / "bpe.codes").write_text("".join(f"{a} {b} 1\n" for a, b in merges), "utf-8")
    return folder


@pytest.mark.parametrize("normalise", [False, True])
def test_equals_transformers_on_a_thousand_texts(vocabulary: Path, normalise: bool) -> None:
    from transformers import BertweetTokenizer, logging

    logging.set_verbosity_error()
    files = vocabulary / "vocab.txt", vocabulary / "bpe.codes"
    theirs = BertweetTokenizer(*map(str, files), normalization=normalise)
    ours = BertweetTokeniser(*files, normalise=normalise)
    firsts, seconds = made_up_texts(1000, seed=1), made_up_texts(1000, seed=2)
    unknown = pieces = 0
    for first, second in zip(firsts, seconds, strict=True):
        expected = theirs(first, second, truncation="longest_first", max_length=64)["input_ids"]
        (ids, segments), *_ = ours.encode_pairs([(first, second)], 64, "longest")
        assert ids == expected, (first, second)
        assert segments == [0] * len(ids)
        unknown, pieces = unknown + ids.count(3), pieces + len(ids)
    assert 0 < unknown < 0.8 * pieces  # known and unknown pieces were both compared
    assert ours.vocabulary_size == len(theirs)


def test_is_found_and_saved_by_its_two_files(vocabulary: Path, tmp_path: Path) -> None:
    ours = BertweetTokeniser(vocabulary / "vocab.txt", vocabulary / "bpe.codes", normalise=True)
    ours.save(tmp_path)
    again = load_tokeniser(tmp_path)
    text = "don't worry @RoyalFamily ❤️"
    assert again.encode_pairs([(text, "x")], 32) == ours.encode_pairs([(text, "x")], 32)


def test_a_broken_vocabulary_is_named(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("onlyaword\n")
    (tmp_path / "bpe.codes").write_text("")
    with pytest.raises(NotAModel, match=r"vocab\.txt has a line that is no .* Bring it again\."):
        load_tokeniser(tmp_path)


def test_a_folder_without_tokeniser_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotAModel, match=r"has no tokeniser: tokenizer\.json.* Bring it again"):
        load_tokeniser(tmp_path)


def test_a_separator_sets_sentences_apart(vocabulary: Path) -> None:
    ours = load_tokeniser(vocabulary)
    assert isinstance(ours, BertweetTokeniser)
    first, second = "good", "day"
    end = ours.special.end
    text = f"{first}{ours.separator}{second}"
    assert ours.ids(text) == [*ours.ids(first), end, end, *ours.ids(second)]
    assert end not in ours.ids("</s>")


def test_a_text_as_long_as_a_book_is_not_read_to_its_end(vocabulary: Path) -> None:
    tokeniser = load_tokeniser(vocabulary)
    assert isinstance(tokeniser, BertweetTokeniser)
    text = "Grace a.b.c " * 2000
    assert tokeniser.ids(text) == tokeniser.ids(text[:MOST_READ])
