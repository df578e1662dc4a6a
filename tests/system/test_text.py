import re

import pytest

from ser.system.text import aligned, for_spreadsheets, from_spreadsheets, shown_address, without_passwords


def test_words_begin_together_and_counts_end_together():
    rows = [["dropped", "turns"], ["label fru", 12], ["scripted turn", 3]]
    assert aligned(rows) == "dropped        turns\nlabel fru         12\nscripted turn      3"


def test_a_column_with_one_word_among_its_counts_is_words():
    assert aligned([["n", "x"], [100, "a"], ["-", "b"]]) == "n    x\n100  a\n-    b"


def test_a_heading_may_be_the_widest_or_the_narrowest():
    assert aligned([["lambda", "WA"], ["0.6", "55.00 ± 1.20"], ["1", "X"]]) == (
        "lambda  WA\n0.6     55.00 ± 1.20\n1       X"
    )


def test_no_line_ends_in_blanks():
    lines = aligned([["a", "b"], ["one", ""], ["", "two"]]).splitlines()
    assert lines == ["a    b", "one", "     two"]


def test_a_heading_alone():
    assert aligned([["loss", "lambda"]]).split() == ["loss", "lambda"]


def test_rows_of_unequal_length_are_refused():
    with pytest.raises(ValueError):
        aligned([["a", "b"], ["c"]])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x=mysql://a:b@h/d y=http://h:80/a@b", "x=mysql://a:***@h/d y=http://h:80/a@b"),
        ("http://u:se@cret@h:5000", "http://u:***@h:5000"),
        ("postgresql+psycopg://u:se/cr?et@h/db?sslmode=require", "postgresql+psycopg://u:***@h/db?sslmode=require"),
        ("postgresql://h/db?user=u&password=secret&sslmode=x", "postgresql://h/db?user=u&password=***&sslmode=x"),
        ("('postgresql://u:secret@h/db', 'http://u:secret@h')", "('postgresql://u:***@h/db', 'http://u:***@h')"),
        ("http://u:***@h", "http://u:***@h"),
        ("HTTP://u:secret@h PostgreSQL://u:secret@h/d", "HTTP://u:***@h PostgreSQL://u:***@h/d"),
        ("http://u:pa/ss@h http://u:12345@h", "http://u:***@h http://u:***@h"),
        ("mysql+pymysql://h/db?user=u&passwd=secret", "mysql+pymysql://h/db?user=u&passwd=***"),
        (
            "mssql+pyodbc:///?odbc_connect=UID%3Du%3BPWD%3Ds%20x%3BA%3D1",
            "mssql+pyodbc:///?odbc_connect=UID%3Du%3BPWD%3D***%3BA%3D1",
        ),
        ("http://${oc.env:ME}:secret@h", "http://${oc.env:ME}:***@h"),
        ("http://u:${oc.env:PW}@h http://${oc.env:LOGIN}@h", "http://u:${oc.env:PW}@h http://${oc.env:LOGIN}@h"),
        ("sqlite:////data/a:b@c.db corpus.root=/a:b@c", "sqlite:////data/a:b@c.db corpus.root=/a:b@c"),
    ],
)
def test_passwords_are_hidden_and_nothing_else(text, shown):
    assert without_passwords(text) == shown


@pytest.mark.parametrize(
    "address",
    ["postgresql://u:two words@h/d", "http://u:a b/c@h:5000", "mysql://u:'s @'@h/d", "mysql://h/d?password=it's a&x=1"],
)
def test_the_password_of_an_address_may_have_any_characters(address):
    shown = shown_address(address)
    assert "***" in shown
    assert not {"two", "words", "a", "b/c", "s", "it's"} & set(re.split(r"[ @:]", shown))
    assert shown_address(shown) == shown
    assert without_passwords(f"{address}/api failed", address) == f"{shown}/api failed"


@pytest.mark.parametrize("cell", ["=1+1", "+49", "-x", "@SUM(A1)", "\tx", "'=1", "'quoted'", "-0.5", "sad", ""])
def test_a_cell_comes_back_from_a_spreadsheet_as_it_was(cell):
    made = for_spreadsheets(cell)
    assert made[:1] not in ("=", "@", "\t")
    assert from_spreadsheets(made) == cell
