"""Every error names the thing, the reason and what to do next; docs/errors.md tells them all."""

from __future__ import annotations

import re
from inspect import getdoc

import pytest

from fitecli import errors
from tests import doc_blocks
from tests.conftest import ROOT
from tests.told import HOLE, TREE, Message, messages

MESSAGES = messages()
STEP = re.compile(
    r"`(?:(?:fite|pip|hf|ray) |\x00)|pip install|(?i:\b(?:add|ask|bring|check|choose|close|copy|"
    r"drop|give|ingest|install|leave|make|mend|name|open|pull|put|reinstall|rename|run|say|takes?|try|unset|use|"
    r"wait)\b)"
)
REASON_ALONE = {  # of a file, picture or row: what to do is plain, or another message adds it
    "UnreadableSource", "Unwritable", "UnreadableImage", "DownloadFailed", "EngineFailed",
    "ShapeMismatch", "ParityFailure",
}  # fmt: skip
SAYS_ENOUGH = {  # the reason that is filled in, or the list of what there is, tells what to do
    f"There is no option {HOLE}; there are {HOLE}.",
    f"{HOLE} is a file; this format takes a folder.",
    f"{HOLE} is no address that fsspec knows: {HOLE}.",
    f"{HOLE} needs a package: {HOLE}.",
    f"{HOLE}: {HOLE} must be of type {HOLE}, not {HOLE}.",
    f"The language model {HOLE} is not on disk: {HOLE}.",
    f"{HOLE} cannot be opened: {HOLE}. {HOLE}",  # the last is what to do
    f"{HOLE} cannot be read: {HOLE}. {HOLE}",
}
ROW = re.compile(r"^\| `(\w+)` \| (\d+) \| (.+?) \| (.+?) \| (.+?) \|$", re.M)


def lacks_step(message: Message) -> bool:
    return (
        message.error not in REASON_ALONE
        and message.text.strip(HOLE) != ""  # put together elsewhere
        and message.text not in SAYS_ENOUGH
        and not STEP.search(message.text)
    )


def test_every_message_tells_what_to_do() -> None:
    assert len(MESSAGES) > 250
    wrong = {
        message.place: message.text.replace(HOLE, "{}")
        for message in MESSAGES
        if lacks_step(message)
    }
    assert wrong == {}
    assert {message.text for message in MESSAGES} >= SAYS_ENOUGH


@pytest.mark.parametrize(
    ("text", "lacks"),
    [
        (f"The store has no feature set {HOLE}.", True),
        (f"{HOLE} is no database.", True),
        (f"There is no gate {HOLE}; choose one of {HOLE}.", False),
        (f"The weights are not on disk: `{HOLE}`.", False),
    ],
)
def test_a_message_without_a_step_is_found(text: str, lacks: bool) -> None:
    assert lacks_step(Message("x.py:1", "NoExamples", text)) == lacks


def test_commands_in_messages_exist_and_can_be_completed() -> None:
    """They stand in backquotes: there the name of the store is added as the user gave it."""
    wrong = {}
    for message in MESSAGES:
        text = re.sub(r"\[[^\]]*\]", "", message.text.replace(HOLE, "X"))
        for command in doc_blocks.INLINE.findall(text):
            if why := doc_blocks.check_command(command.replace("…", "")):
                wrong[message.place] = why
        if re.search(r"\bfite (?!store\b)[a-z-]+ ", re.sub(r"`[^`]*`", "", text)):
            bare = re.search(r"\bfite ([a-z-]+)", re.sub(r"`[^`]*`", "", text))
            if bare and doc_blocks.check_command(f"fite {bare[1]}") is None:
                wrong[message.place] = f"not in backquotes: {bare[0]}"
    assert wrong == {}


def test_messages_are_sentences() -> None:
    """A message begins with what it is about and ends as a sentence, so that another can follow."""
    whole = [m for m in MESSAGES if m.error not in REASON_ALONE and not m.text.endswith(HOLE)]
    assert [
        m.place for m in whole if m.text[-1] not in ".:`)'" and "pip install" not in m.text
    ] == []


def test_the_page_of_errors_tells_each_class_with_its_exit_code() -> None:
    text = (ROOT / "docs" / "errors.md").read_text("utf-8")
    rows = {row[0]: row for row in ROW.findall(text)}
    assert list(rows) == list(TREE)
    for name, (_, code, what, typical, step) in rows.items():
        assert int(code) == TREE[name].exit_code
        assert what == (getdoc(TREE[name]) or "").splitlines()[0], name
        assert step
        shown = typical.replace("\\|", "|")
        told = [m.pattern for m in MESSAGES if issubclass(TREE[m.error], TREE[name])]
        assert any(pattern.fullmatch(shown) for pattern in told), (name, shown)
    for code in {cls.exit_code for cls in TREE.values()} | {0, 130, 141}:
        assert f"\n| {code} | " in text


def test_each_class_has_a_docstring_and_a_name_of_its_own() -> None:
    assert all(cls.__doc__ for cls in TREE.values())
    assert errors.FiteError in TREE.values()
