"""Two tokenisers behind one interface; neither needs torch or transformers."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from fitecli.errors import NotAModel
from fitecli.inputs.tweet_words import normalise_tweet

TokenPair = tuple[list[int], list[int]]  # token ids and segment ids, with special tokens
TRUNCATIONS = ("second", "longest")
MOST_READ = 4000  # characters of a text that BERTweet's rules see; its networks read 128 tokens
SECOND_KEEPS = 4  # the second text keeps a quarter of the room before the first is cut


class Tokeniser(Protocol):
    """What the input builder needs of a tokeniser."""

    pad_id: int
    vocabulary_size: int
    separator: str  # what is written into a text to set its sentences apart

    def encode_pairs(
        self, pairs: Sequence[tuple[str, str]], max_length: int, truncation: str = "second"
    ) -> list[TokenPair]:
        """Encode pairs of texts; where one exceeds max_length, tokens are cut at the end.

        truncation: "second" cuts the second text (down to a quarter of the room) before the first;
        "longest" always the longer one, the second where both are equal.
        """

    def save(self, folder: Path) -> None:
        """Write what `load_tokeniser` reads."""


class FastTokeniser:
    """A tokenizer.json of the `tokenizers` library: WordPiece, byte-level BPE and the like."""

    def __init__(self, path: Path, pad_token: str | None = None) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        token = pad_token or next(
            (word for word in ("[PAD]", "<pad>") if self._tokenizer.token_to_id(word) is not None),
            None,
        )
        pad_id = None if token is None else self._tokenizer.token_to_id(token)
        if pad_id is None:
            raise NotAModel(
                f"{path} names no padding token ([PAD] or <pad>). Bring the model again, or name another."
            )
        self.pad_id: int = pad_id
        self.vocabulary_size: int = self._tokenizer.get_vocab_size(with_added_tokens=True)
        self.separator = next(
            (w for w in ("[SEP]", "</s>") if self._tokenizer.token_to_id(w) is not None), " "
        )

    def encode_pairs(
        self, pairs: Sequence[tuple[str, str]], max_length: int, truncation: str = "second"
    ) -> list[TokenPair]:
        """See Tokeniser."""
        whole = self._tokenizer.encode_batch_fast(list(pairs))
        cut = {
            place: self._cut(*pair, len(item.ids), max_length, truncation)
            for place, (pair, item) in enumerate(zip(pairs, whole, strict=True))
            if len(item.ids) > max_length
        }
        encoded = [cut.get(place, item) for place, item in enumerate(whole)]
        return [(item.ids, item.type_ids) for item in encoded]

    def _cut(self, first: str, second: str, tokens: int, max_length: int, truncation: str) -> Any:
        left = self._tokenizer.encode(first, add_special_tokens=False)
        right = self._tokenizer.encode(second, add_special_tokens=False)
        special = tokens - len(left.ids) - len(right.ids)
        kept = _kept(len(left.ids), len(right.ids), max_length - special, truncation)
        left.truncate(kept[0])
        right.truncate(kept[1])
        return self._tokenizer.post_process(left, right)

    def save(self, folder: Path) -> None:
        """See Tokeniser."""
        self._tokenizer.save(str(folder / "tokenizer.json"))


@dataclass(frozen=True)
class _SpecialTokens:
    begin: int = 0
    pad: int = 1
    end: int = 2
    unknown: int = 3


class BertweetTokeniser:
    """BERTweet's byte-pair encoding in plain Python: vocab.txt and bpe.codes.

    A pair is `<s> first </s></s> second </s>`, all of one segment. Text that spells a special
    token is ordinary text here. With normalise, users, addresses and emoji are rewritten first
    as BERTweet's authors did (needs the `emoji` package).
    Source: Nguyen, Vu and Nguyen, EMNLP 2020 (demos).
    """

    special = _SpecialTokens()
    separator = "\ue000"  # a character of no language: the text `</s>` stays ordinary text

    def __init__(self, vocabulary: Path, merges: Path, *, normalise: bool = False) -> None:
        self._files = (vocabulary, merges)
        self._normalise = normalise
        self._ids = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
        for line in vocabulary.read_text("utf-8").splitlines():
            word, space, _ = line.strip().rpartition(" ")
            if not space:
                raise NotAModel(
                    f"{vocabulary} has a line that is no '<token> <count>' of BERTweet's. Bring it again."
                )
            self._ids[word] = len(self._ids)
        lines = merges.read_text("utf-8").split("\n")[:-1]
        self._ranks = {tuple(line.split()[:-1]): rank for rank, line in enumerate(lines)}
        self._known: dict[str, list[int]] = {}
        self.pad_id = self.special.pad
        self.vocabulary_size = len(self._ids) + 1  # <mask> is added last

    def encode_pairs(
        self, pairs: Sequence[tuple[str, str]], max_length: int, truncation: str = "second"
    ) -> list[TokenPair]:
        """See Tokeniser."""
        special = self.special
        encoded = []
        for first, second in pairs:
            left, right = self.ids(first), self.ids(second)
            kept = _kept(len(left), len(right), max_length - 4, truncation)
            left, right = left[: kept[0]], right[: kept[1]]
            row = [special.begin, *left, special.end, special.end, *right, special.end]
            encoded.append((row, [0] * len(row)))
        return encoded

    def ids(self, text: str) -> list[int]:
        """Encode one text without special tokens; the separator becomes `</s></s>`.

        The rules' time grows with the square of the text, so no more than MOST_READ is read.
        """
        first, *more = text[:MOST_READ].split(self.separator)
        encoded = self._sentence(first)
        for sentence in more:
            encoded += [self.special.end, self.special.end, *self._sentence(sentence)]
        return encoded

    def _sentence(self, text: str) -> list[int]:
        if self._normalise:
            text = normalise_tweet(text)
        return [token for word in re.findall(r"\S+\n?", text) for token in self._word(word)]

    def _word(self, word: str) -> list[int]:
        known = self._known.get(word)
        if known is None:
            pieces = self._merge(word)
            known = [self._ids.get(piece, self.special.unknown) for piece in pieces]
            if len(self._known) < 100_000:  # bounded memory on endless streams
                self._known[word] = known
        return known

    def _merge(self, word: str) -> list[str]:
        """Join symbols pair by pair, the pair learned first first; `@@` marks an unfinished word."""
        if len(word) == 1:
            return [word]
        symbols = [*word[:-1], word[-1] + "</w>"]
        worst = len(self._ranks)
        while len(symbols) > 1:
            pairs = set(pairwise(symbols))
            best = min(pairs, key=lambda pair: self._ranks.get(pair, worst))
            if best not in self._ranks:
                break
            symbols = _join(symbols, best)
        text = "@@ ".join(symbols)[: -len("</w>")]
        return text.split(" ")

    def save(self, folder: Path) -> None:
        """See Tokeniser."""
        for source, name in zip(self._files, ("vocab.txt", "bpe.codes"), strict=True):
            (folder / name).write_bytes(source.read_bytes())
        settings = {"tokenizer_class": "BertweetTokenizer", "normalization": self._normalise}
        (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")


def _join(symbols: list[str], pair: tuple[str, str]) -> list[str]:
    joined: list[str] = []
    position = 0
    while position < len(symbols):
        if tuple(symbols[position : position + 2]) == pair:
            joined.append("".join(pair))
            position += 2
        else:
            joined.append(symbols[position])
            position += 1
    return joined


def _kept(left: int, right: int, room: int, truncation: str) -> tuple[int, int]:
    """How many tokens of two texts stay where only room are left; see Tokeniser.encode_pairs."""
    if truncation == "second":
        right = max(min(right, room - left), min(right, room // SECOND_KEEPS))
        return max(min(left, room - right), 0), right
    while left + right > room:
        if left > right:
            left -= 1
        else:
            right -= 1
    return left, right


def load_tokeniser(folder: Path) -> Tokeniser:
    """Load the tokeniser of a checkpoint, an exported folder or a language model's folder.

    Raises NotAModel where the folder holds neither tokenizer.json nor vocab.txt and bpe.codes.
    """
    settings: dict[str, Any] = {}
    if (folder / "tokenizer_config.json").is_file():
        settings = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    if (folder / "bpe.codes").is_file() and (folder / "vocab.txt").is_file():
        return BertweetTokeniser(
            folder / "vocab.txt",
            folder / "bpe.codes",
            normalise=bool(settings.get("normalization", False)),
        )
    if (folder / "tokenizer.json").is_file():
        pad = settings.get("pad_token")
        return FastTokeniser(
            folder / "tokenizer.json", pad["content"] if isinstance(pad, dict) else pad
        )
    raise NotAModel(
        f"{folder} has no tokeniser: tokenizer.json, or vocab.txt with bpe.codes, is needed. Bring it "
        "again, or name another model."
    )
