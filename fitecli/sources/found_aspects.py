"""Aspects of a tweet that names none: mentions, hashtags and runs of capitalised words.

A capitalised word that only opens a sentence counts where another one follows it, or where it is
no common English word; joining words ("of", "the", "de", …) may stand inside a run. Addresses,
"RT" and words all of whose letters are "I" are never aspects. It is a rule of thumb: give aspects
yourself where you can.
"""

from __future__ import annotations

import re

from fitecli.records import Aspect
from fitecli.sources.checks import MAX_ASPECTS

_WORD = re.compile(r"https?://\S+|www\.\S+|[@#]\w+|\w(?:[\w'’&.-]*\w)?|[^\w\s]")
_JOINING = frozenset("of the de la le da di van von der del al bin".split())
_COMMON = frozenset(
    """a about after again all also always am an and another any are as at back be because been
    before being big both but by call can come could day did do does don't down each even every
    everyone congrats congratulations few find finally first follow for from get getting give go
    going good got great had happy has have he her here hey hi him his how i i'd i'll i'm i've if
    in into is it it's its
    just know last let let's life like look looking lol long love made make many may me meet miss
    more morning most mr mrs ms much my need never new next nice night no not now of off oh ok old
    on one only open or our out over people photo please proud read really right rt said say see
    she should show so some still stop such take thank thanks that that's the their them then there
    these they thing think this those time to today tomorrow tonight too two up us very via
    wait want was watch way we we're well were what when where which while who why will win with
    won work world would wow year years yes yesterday you you're your""".split()
)
_STOPPERS = frozenset("RT MT via Via".split())
_ENDS = frozenset(".!?…:;\n")


def find_aspects(text: str) -> tuple[Aspect, ...]:
    """Find the aspects of a text, in order and without overlap, the first MAX_ASPECTS; origin is
    "found"."""
    found: list[tuple[int, int]] = []
    run: list[re.Match[str]] = []
    opens = True  # whether the next word opens a sentence
    for match in _WORD.finditer(text):
        word = match.group()
        if word[0] in "@#" and len(word) > 1:
            found += _span(run)
            run = []
            found.append(match.span())
            opens = False
        elif _capitalised(word) and word not in _STOPPERS:
            if opens and not run and word.lower() in _COMMON:
                run = []
            else:
                run.append(match)
            opens = False
        elif run and word.lower() in _JOINING and word.islower():
            run.append(match)
        else:
            found += _span(run)
            run = []
            opens = word in _ENDS or (opens and not word[0].isalnum()) or word in _STOPPERS
    found += _span(run)
    spans = sorted(found)[:MAX_ASPECTS]
    return tuple(Aspect(text[start:end], start, end, origin="found") for start, end in spans)


def _capitalised(word: str) -> bool:
    return word[0].isupper() and word.lower() not in {"i", "i'm", "i'd", "i'll", "i've", "i’m"}


def _span(run: list[re.Match[str]]) -> list[tuple[int, int]]:
    """The span of a run without joining words at its end; a lone common word is none."""
    while run and run[-1].group().islower():
        run.pop()
    if not run or (len(run) == 1 and run[0].group().lower() in _COMMON):
        return []
    return [(run[0].start(), run[-1].end())]
