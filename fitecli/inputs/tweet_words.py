"""BERTweet's normalisation: a tweet split into words, users and addresses made anonymous.

The order of the rules is part of the vocabulary that BERTweet was trained on, so the result
equals that of its authors' tokeniser (tested against the one in transformers).
"""

from __future__ import annotations

from functools import cache
from typing import Any

_EYES, _NOSE, _MOUTH = r"[:;=8]", r"[-o*']?", r"[)\]([dDpP/:}{@|\\]"
_WORD_RULES = (
    # web addresses: with a scheme or a path, then bare domains
    r"(?:https?:(?:/{1,3}|[a-z0-9%])|[a-z0-9.\-]+[.][a-z]{2,13}/)"
    r"(?:[^\s()<>{}\[\]]+|\([^\s()]*?\([^\s()]+\)[^\s()]*?\)|\([^\s]+?\))+"
    r"(?:\([^\s()]*?\([^\s()]+\)[^\s()]*?\)|\([^\s]+?\)|[^\s`!()\[\]{};:'\".,<>?«»“”‘’])",
    r"(?<!@)[a-z0-9]+(?:[.\-][a-z0-9]+)*[.][a-z]{2,13}\b/?(?!@)",
    # telephone numbers, which may hold spaces
    r"(?:\+?[01][ *\-.)]*)?(?:\(?\d{3}[ *\-.)]*)?\d{3}[ *\-.)]*\d{4}",
    # emoticons in both directions, and hearts
    rf"[<>]?{_EYES}{_NOSE}{_MOUTH}|{_MOUTH}{_NOSE}{_EYES}[<>]?|<3",
    r"<[^>\s]+>",  # tags
    r"-+>|<-+",  # arrows
    r"@\w+",  # users
    r"\#+\w+[\w'\-]*\w+",  # hashtags
    r"[\w.+-]+@[\w-]+\.(?:[\w-]\.?)+[\w-]",  # mail addresses
    r"[^\W\d_](?:[^\W\d_]|['\-_])+[^\W\d_]",  # words with apostrophes or dashes
    r"[+\-]?\d+[,/.:-]\d+[+\-]?",  # numbers and fractions
    r"\w+",
    r"\.(?:\s*\.)+",  # dots in a row
    r"\S",
)
_PUNCTUATION = {"’": "'", "…": "..."}
_CONTRACTIONS = (
    ("cannot ", "can not "),
    ("n't ", " n't "),
    ("n 't ", " n't "),
    ("ca n't", "can't"),
    ("ai n't", "ain't"),
    *((f"'{ending} ", f" '{ending} ") for ending in ("m", "re", "s", "ll", "d", "ve")),
    (" p . m .", "  p.m."),
    (" p . m ", " p.m "),
    (" a . m .", " a.m."),
    (" a . m ", " a.m "),
)


@cache
def _patterns() -> tuple[Any, Any, Any]:
    import regex

    words = regex.compile("|".join(f"(?:{rule})" for rule in _WORD_RULES), regex.I | regex.U)
    return words, regex.compile(r"([^a-zA-Z0-9])\1{3,}"), regex.compile(r"&(#?(x?))([^&;\s]+);")


def normalise_tweet(text: str) -> str:
    """Rewrite a raw tweet as BERTweet's authors did: `@USER`, `HTTPURL`, `:red_heart:`, `do n't`."""
    for mark, plain in _PUNCTUATION.items():
        text = text.replace(mark, plain)
    tweet = " ".join(_word(word) for word in split_words(text))
    for found, rewritten in _CONTRACTIONS:
        tweet = tweet.replace(found, rewritten)
    return " ".join(tweet.split())


def split_words(text: str) -> list[str]:
    """Split a tweet into words, users, hashtags, addresses, emoticons and single symbols."""
    words, long_run, entity = _patterns()
    return [
        match.group()
        for match in words.finditer(long_run.sub(r"\1\1\1", entity.sub(_character, text)))
    ]


def _character(match: Any) -> str:
    """The character that an HTML entity names; nothing where it names none."""
    from html.entities import name2codepoint

    numeric, hexadecimal, body = match.groups()
    try:
        code = int(body, 16 if hexadecimal else 10) if numeric else name2codepoint[body]
        if numeric and 0x80 <= code <= 0x9F:
            return bytes((code,)).decode("cp1252")
        return chr(code)
    except (KeyError, ValueError, OverflowError):
        return ""


def _word(word: str) -> str:
    if word.startswith("@"):
        return "@USER"
    if word.lower().startswith(("http", "www")):
        return "HTTPURL"
    if len(word) == 1:
        from emoji import demojize

        return _PUNCTUATION.get(word) or demojize(word)
    return word
