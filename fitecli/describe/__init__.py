"""Faces and alignment become the sentences that the face encoder reads; pure text.

Wording and rules are those of the published descriptions (template "published"); the wording of
the paper's text is template "paper". Where the two differ is told in docs/fidelity.md.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fitecli.describe.assignment import ASSIGNMENTS, NOBODY_MARGIN, assign, softmax
from fitecli.records import ATTRIBUTES, EMOTIONS, GENDERS, RACES, Alignment, Face, FaceSentence

__all__ = [
    "ASSIGNMENTS", "ATTRIBUTES", "EXTRAS", "NOBODY_MARGIN", "TEMPLATES", "TEMPLATE_VERSION", "THETA",
    "Rules", "assign", "describe", "leave_out", "match", "sentence", "softmax", "with_emotion", "write",
]  # fmt: skip

THETA = 0.4  # attributes less sure than this are left out; FITE, section 3.3
TEMPLATE_VERSION = "1"  # raised when a rule below changes what is written


@dataclass(frozen=True)
class Template:
    """The words of a description."""

    count: str
    article: str
    expression: str
    gated: frozenset[str]  # attributes that are left out below THETA
    lower_gender: bool


TEMPLATES = {
    "published": Template(
        count="There are {n} people in the picture. ",
        article="a",
        expression=" with a {emotion} expression",
        gated=frozenset({"race", "emotion"}),
        lower_gender=False,
    ),
    "paper": Template(
        count="There are {n} people in the image. ",
        article="A",
        expression=" with a {emotion} expression",
        gated=frozenset({"age", "race", "gender", "emotion"}),
        lower_gender=True,
    ),
}
CHANGED = ("template", "theta", "without", "single_face", "extras")  # by a model's own rules
EXTRAS = ("aligned-first", "certainty", "distribution")
CERTAINTY = ((0.9, "clearly "), (0.6, ""), (0.0, "slightly "))  # least score -> word before
LIKELY = 0.15  # share from which a distribution names an emotion
_SURE = "|".join(word for _, word in CERTAINTY if word)
_EXPRESSION = re.compile(rf"( with a (?:{_SURE})?)(?:{'|'.join(EMOTIONS)})( expression\. )")
_PERSON = re.compile(
    r"(?P<article>\b[aA])(?P<age> \d+-year-old)?"
    rf"(?P<race> (?:{'|'.join(RACES)}))?(?P<gender> (?:{'|'.join(GENDERS)}|man|woman|person))"
    rf"(?=\. | with a (?:{_SURE})?(?:{'|'.join(EMOTIONS)}) expression\. )"
)


@dataclass(frozen=True)
class Rules:
    """How descriptions are written.

    template: one of TEMPLATES. theta: attributes that the template filters are left out below it.
    without: what an ablation leaves out, of ATTRIBUTES, "alignment" (no face is given to an
    aspect) and "pattern" (the attributes alone, all of them, without words between). single_face:
    tell only of the face whose emotion is surest. Source of the ablations: FITE, section 4.4.
    extras: what the paper does not tell, of EXTRAS: "aligned-first" (faces with an aspect come
    first), "certainty" (how sure the emotion is, in a word) and "distribution" (all likely
    emotions with their shares, sure or not). assignment, nobody_margin: see `assign`.
    """

    template: str = "published"
    theta: float = THETA
    without: frozenset[str] = frozenset()
    single_face: bool = False
    extras: frozenset[str] = frozenset()
    assignment: str = "paper"
    nobody_margin: float = NOBODY_MARGIN

    def __post_init__(self) -> None:
        """Raises ValueError for what there is not."""
        parts = {*ATTRIBUTES, "alignment", "pattern"}
        for name, value, known in (
            ("template", {self.template}, TEMPLATES),
            ("without", self.without, parts),
            ("extras", self.extras, EXTRAS),
            ("assignment", {self.assignment}, ASSIGNMENTS),
        ):
            if not value <= set(known):
                raise ValueError(f"descriptions: {name} must be of {', '.join(sorted(known))}")

    @property
    def words(self) -> Template:
        """The template itself."""
        return TEMPLATES[self.template]

    def told(self, face: Face, attribute: str) -> str | int | None:
        """An attribute's value as the sentence tells it, or None where it is left out."""
        value: str | int | None = getattr(face, attribute)
        score: float | None = getattr(face, f"{attribute}_score")
        if attribute in self.without:
            return None
        filtered = attribute in self.words.gated and "pattern" not in self.without
        if filtered and score is not None and score < self.theta:
            return None
        return value

    def changed(self, changes: Mapping[str, Any]) -> Rules:
        """These rules with some fields changed; what is left out or told more is added up.

        Raises ValueError for a field or value that there is not.
        """
        if unknown := set(changes) - set(CHANGED):
            raise ValueError(f"descriptions has no {min(unknown)!r}; it has {', '.join(CHANGED)}")
        return replace(
            self,
            template=changes.get("template", self.template),
            theta=changes.get("theta", self.theta),
            without=self.without | frozenset(changes.get("without", ())),
            single_face=self.single_face or bool(changes.get("single_face", False)),
            extras=self.extras | frozenset(changes.get("extras", ())),
        )

    def emotion(self, face: Face) -> str | None:
        """The face's emotion as the sentence tells it, or None where it is left out."""
        if "distribution" in self.extras and face.emotions and "emotion" not in self.without:
            likely = sorted(face.emotions.items(), key=lambda item: (-item[1], item[0]))
            kept = [item for item in likely if item[1] >= LIKELY] or likely[:1]
            return ", ".join(f"{share:.0%} {name}" for name, share in kept)
        emotion = self.told(face, "emotion")
        if emotion is None or "certainty" not in self.extras or face.emotion_score is None:
            return None if emotion is None else str(emotion)
        return next(word for least, word in CERTAINTY if face.emotion_score >= least) + str(emotion)


def with_emotion(text: str, emotion: str) -> str | None:
    """A sentence with another word for its expression; None where it tells of none."""
    changed, count = _EXPRESSION.subn(rf"\g<1>{emotion}\g<2>", text)
    return changed if count else None


def leave_out(text: str, attributes: Collection[str]) -> str:
    """A description whose persons are told without some of age, race and gender.

    For texts whose faces are not at hand, such as those a model is trained on; equal to what
    Rules(without=…) writes.
    """

    def told(person: re.Match[str]) -> str:
        kept = {name: person[name] or "" for name in ("age", "race", "gender")}
        kept |= dict.fromkeys(attributes, "")
        gender = kept["gender"] or " person"
        return f"{person['article']}{kept['age']}{kept['race']}{gender}"

    return _PERSON.sub(told, text)


def sentence(face: Face, *, aspect: str | None = None, rules: Rules = Rules()) -> str:
    """Write one face as a sentence that ends in ". ".

    Without an aspect: `a 28-year-old white Man with a sad expression. `. The face that was chosen
    for an aspect keeps only its emotion: `Lydia with a neutral expression. `; where the emotion is
    not sure it keeps the rest: `zendaya, a 20-year-old asian Woman. `. Without the pattern:
    `28 white Man sad. ` and `Lydia neutral. `. Source: FITE, Table 1 and appendix A.1, worded as
    in the published descriptions.
    """
    emotion = rules.emotion(face)
    if "pattern" in rules.without:
        values = [rules.told(face, name) for name in ATTRIBUTES]
        kept = [aspect, emotion] if aspect is not None and emotion else [aspect, *values]
        return " ".join(str(value) for value in kept if value is not None) + ". "
    expression = rules.words.expression.format(emotion=emotion) if emotion else ""
    if aspect is None:
        return f"{_person(face, rules)}{expression}. "
    if expression:
        return f"{aspect}{expression}. "
    return f"{aspect}, {_person(face, rules)}. "


def _person(face: Face, rules: Rules) -> str:
    age, race = rules.told(face, "age"), rules.told(face, "race")
    gender = str(rules.told(face, "gender") or "person")
    parts = [
        rules.words.article,
        f"{age}-year-old" if age is not None else None,
        str(race) if race else None,
        gender.lower() if rules.words.lower_gender else gender,
    ]
    return " ".join(part for part in parts if part)


def describe(
    faces: Sequence[Face],
    aspects: Sequence[str],
    alignments: Sequence[Alignment] = (),
    rules: Rules = Rules(),
) -> tuple[str, tuple[FaceSentence, ...]]:
    """Write the description of a tweet's pictures and tell which face each part is about.

    faces: pooled over the pictures, in order. aspects: the tweet's aspects; equal texts count
    once. alignments: indices into both. Returns what `write` returns.
    """
    first = {text: aspects.index(text) for text in aspects}
    distinct = list(first)
    position = {index: place for place, index in enumerate(first.values())}
    known = [
        Alignment(position[item.aspect], item.face, item.similarity)
        for item in alignments
        if item.aspect in position
    ]
    chosen = assign(
        distinct, len(faces), known, rule=rules.assignment, nobody_margin=rules.nobody_margin
    )
    return write(faces, aspects, {face: first[distinct[a]] for face, a in chosen.items()}, rules)


def write(
    faces: Sequence[Face],
    aspects: Sequence[str],
    chosen: Mapping[int, int],
    rules: Rules = Rules(),
) -> tuple[str, tuple[FaceSentence, ...]]:
    """Write the description where it is known which aspect each face was given to.

    chosen: index of a face -> index of its aspect. Returns `There are N people in the picture. `
    followed by one sentence a face, and those sentences with their face and aspect.
    """
    if "alignment" in rules.without:
        chosen = {}
    told = list(range(len(faces)))
    if rules.single_face and faces:
        told = [max(told, key=lambda index: (faces[index].emotion_score or 0.0, -index))]
    if "aligned-first" in rules.extras:
        told.sort(key=lambda index: index not in chosen)
    sentences = []
    for index in told:
        aspect = chosen.get(index)
        name = None if aspect is None else aspects[aspect]
        sentences.append(
            FaceSentence(index, aspect, sentence(faces[index], aspect=name, rules=rules))
        )
    count = "" if "pattern" in rules.without else rules.words.count.format(n=len(told))
    return count + "".join(item.text for item in sentences), tuple(sentences)


def match(
    description: str, faces: Sequence[Face], aspects: Sequence[str], rules: Rules = Rules()
) -> tuple[FaceSentence, ...] | None:
    """Recover from a published description which aspect each face was given to.

    Returns None where the text cannot be rebuilt sentence by sentence from these faces and
    aspects. aspect is the index of the first aspect with that text.
    """
    rest = description.removeprefix(rules.words.count.format(n=len(faces)))
    if rest == description:
        return None
    found = []
    for index, face in enumerate(faces):
        candidates: list[int | None] = [None, *range(len(aspects))]
        for aspect in candidates:
            name = None if aspect is None else aspects[aspect]
            text = sentence(face, aspect=name, rules=rules)
            if rest.startswith(text):
                found.append(FaceSentence(index, aspect, text))
                rest = rest[len(text) :]
                break
        else:
            return None
    return None if rest else tuple(found)
