"""A guess without any network: the i-th person-like aspect gets the i-th largest sure face."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fitecli.records import Alignment, Face, Worker

VERSION = "2"
SURE = 0.5  # detection score from which a face counts
GUESS = 1.0  # the similarity that is written for a guess
_NOT_PEOPLE = frozenset(
    """airport association bank band bowl building bureau center centre championship church city
    club college committee company corporation council county court cup department district east
    fc festival field force foundation game games group hall high hospital hotel house inc
    institute international island league library lake ltd market ministry museum national north
    office open park party police press prize river road school series society south square
    stadium state states station street studio team theatre times tour tower town union united
    university valley village west world""".split()
)
_INITIALS = re.compile(r"(?:[^\W\d_]\.)+")
_PARTICLES = frozenset("al bin den der ten van von".split())


class ProminenceAligner:
    """Gives large faces to the aspects that look like people, in order; it is a guess."""

    def __init__(self) -> None:
        self.worker = Worker("alignment", "prominence", VERSION, settings={"sure": SURE})

    def align(self, aspects: Sequence[str], faces: Sequence[Face]) -> list[Alignment]:
        """Guess whose face is whose. aspects: texts in order; equal texts count once."""
        people = [text for text in dict.fromkeys(aspects) if is_person_like(text)]
        sure = [index for index, face in enumerate(faces) if _sure(face)]
        sure.sort(key=lambda index: (-_area(faces[index]), index))
        return [
            Alignment(aspects.index(text), face, GUESS)
            for text, face in zip(people, sure, strict=False)
        ]


def is_person_like(text: str) -> bool:
    """Whether an aspect may be a person: a mention, or one to four capitalised words.

    Initials before a name ("J.R.R. Tolkien") and small words inside one ("Ludwig van Beethoven")
    are allowed; "U.S." and "Washington D.C." are no people.
    Hashtags, words in capitals throughout, digits and words such as "University" are none; neither
    are names in scripts without capitals, for nothing there tells a person from a place.
    """
    text = text.strip()
    if text.startswith("@"):
        return True
    words = re.findall(r"[\w'’.-]+", text)
    if text.startswith("#") or not 1 <= len(words) <= 4:
        return False
    *first, last = words
    if _INITIALS.fullmatch(last):
        return False
    inside = [word for word in first[1:] if word.lower() not in _PARTICLES]
    return all(map(_name_like, [*first[:1], *inside, last]))


def _name_like(word: str) -> bool:
    acronym = word.isupper() and len(word) > 2 and not _INITIALS.fullmatch(word)
    return (
        word[0].isupper()
        and not acronym
        and not any(letter.isdigit() for letter in word)
        and word.lower() not in _NOT_PEOPLE
    )


def _sure(face: Face) -> bool:
    return face.detection_score is None or face.detection_score >= SURE


def _area(face: Face) -> int:
    return face.box[2] * face.box[3] if face.box else 0
