import pytest

from ser.system.text import aligned


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
