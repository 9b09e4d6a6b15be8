"""A spreadsheet that opens our CSV runs nothing."""

from __future__ import annotations

import pytest

from fitecli.spreadsheets import Cells, harmless


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "+cmd",
        "-cmd|' /C calc'!A0",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "@NavyHistory",
        "-",
        "\n=1",
        "\uff1d1+1",
    ],
)
def test_what_would_be_run_gets_an_apostrophe(cell: str) -> None:
    cells = Cells()
    assert cells.row([cell, "a"]) == [f"'{cell}", "a"]
    assert cells.told() == (
        "1 cell begins like a formula; an apostrophe stands before (--raw leaves it out)."
    )
    assert Cells(raw=True).row([cell]) == [cell]
    assert Cells.as_meant(f"'{cell}") == cell


def test_numbers_and_plain_texts_stay_as_they_are() -> None:
    cells = Cells()
    plain = [-1, -0.5, None, "", "-1", "+2.5", "-1e-3", "a=b", " =1", "'=1", "😀"]
    assert cells.row(plain) == plain
    assert cells.told() is None
    assert list(map(Cells.as_meant, ["'-1", "'a", "'", "''=1"])) == ["'-1", "'a", "'", "''=1"]
    cells.row(["=a", "=b"])
    assert str(cells.told()).startswith("2 cells begin like a formula")


def test_rows_of_another_writer_are_made_harmless() -> None:
    rows = b'a,"=b, ""c"""\r\n-1,"two\nlines"\r\n'
    assert harmless(rows) == b'a,"\'=b, ""c"""\r\n-1,"two\nlines"\r\n'
    assert harmless(b"") == b""
