"""Examples become token ids and masks: the only place where text pairs and masks are made."""

from fitecli.inputs.benchmark_text import PLACEHOLDER, mark_aspect, tokenise_like_benchmark
from fitecli.inputs.pairs import (
    BRANCHES,
    Batch,
    EncodedExample,
    InputBuilder,
    InputFormat,
    length_grouped,
)
from fitecli.inputs.tokenisers import BertweetTokeniser, FastTokeniser, Tokeniser, load_tokeniser

__all__ = [
    "BRANCHES",
    "PLACEHOLDER",
    "Batch",
    "BertweetTokeniser",
    "EncodedExample",
    "FastTokeniser",
    "InputBuilder",
    "InputFormat",
    "Tokeniser",
    "length_grouped",
    "load_tokeniser",
    "mark_aspect",
    "tokenise_like_benchmark",
]
