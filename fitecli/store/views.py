"""The views for people, and what their columns tell; the migrations hold their SQL."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class View:
    """What a view is about, and what each of its columns tells, in their order."""

    about: str
    columns: dict[str, str]


_TWEET = {
    "dataset": "The dataset of the tweet.",
    "split": "train, dev or test; null where the dataset was not split.",
    "tweet": "The tweet's id in its source.",
}
_SPAN = {
    "start": "Offset of the aspect's first code point in the text; null if implicit.",
    "end": "Offset after its last code point; null if implicit.",
}
_WRITTEN = {
    "author": "Who wrote the tweet, as the source names them.",
    "created_at": "When the tweet was written, as the source tells it.",
}

FACE_DESCRIPTIONS = View(
    "One row per face of a tweet under a feature set: its number in the tweet (over all pictures), "
    "picture, box, attributes, scores, the aspect the face was given to, its sentence, who aligned "
    "it. Attributes are guesses of networks.",
    {
        "features": "The feature set that the row is read under.",
        **_TWEET,
        "picture": "The name of the picture that the face is in.",
        "path": "Where the picture's file was last found.",
        "face": "The face's number in the tweet, over all its pictures, from 0.",
        "box_left": "Left edge of the face's box, in pixels of the upright picture.",
        "box_top": "Upper edge of the box, in pixels.",
        "box_width": "Width of the box, in pixels.",
        "box_height": "Height of the box, in pixels.",
        "detection_score": "How sure the detector is that it is a face, by its own scale: dlib's "
        "(`bundled`) is a margin that can pass 1.",
        "age": "The guessed age in years.",
        "gender": "The guessed gender: Woman or Man.",
        "gender_score": "How sure the gender is, 0..1.",
        "race": "The guessed race, in the network's own words; null where not predicted.",
        "race_score": "How sure the race is, 0..1.",
        "emotion": "The guessed expression.",
        "emotion_score": "How sure the expression is, 0..1.",
        "aspect": "The aspect that the face was given to; null for nobody's.",
        "label": "The gold sentiment of that aspect, where there is one.",
        "similarity": "Raw cosine of aspect and face; 1.0 for a guess.",
        "sentence": "What the face encoder reads of this face.",
        "aligner": "Who found whose face it is; a guess is called one.",
        "analyser": "Who found the face and its attributes.",
    },
)

TWEET_ASPECTS = View(
    "One row per aspect (an entity that a tweet mentions) with its tweet.",
    {
        **_TWEET,
        "aspect": "The entity as the tweet writes it.",
        **_SPAN,
        "label": "The gold sentiment: negative, neutral or positive; null where unknown.",
        "origin": "given (by the source), found (in the text) or corrected (offsets).",
        **_WRITTEN,
        "pictures": "How many pictures the tweet has.",
        "text": "The tweet's text.",
        "tweet_id": "The row of the table tweet.",
        "aspect_id": "The row of the table aspect.",
    },
)

PREDICTIONS = View(
    "One row per aspect, model and input, with the gold label where there is one.",
    {
        "features": "The feature set that the model read.",
        "model": "The model's name.",
        **_TWEET,
        "aspect": "The entity that the sentiment is about.",
        **_SPAN,
        "label": "The gold sentiment, where there is one.",
        "prediction": "The predicted sentiment: that of the highest probability.",
        "negative": "Probability of negative, 0..1.",
        "neutral": "Probability of neutral, 0..1.",
        "positive": "Probability of positive, 0..1.",
        "gate": "Mean weight of the face sentence against the scene, 0..1; null without a gate.",
        "face": "The sentence of the face that was given to the aspect, if any.",
        **_WRITTEN,
        "text": "The tweet's text.",
        "predicted_at": "When it was predicted (UTC, ISO 8601).",
    },
)

VIEWS = {
    "face_descriptions": FACE_DESCRIPTIONS,
    "tweet_aspects": TWEET_ASPECTS,
    "predictions": PREDICTIONS,
}
