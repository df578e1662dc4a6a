"""Tables as they are written: the texts of cells, Markdown, LaTeX, CSV and HTML."""

import io
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from multirun_analysis.inference.intervals import Interval
from multirun_analysis.inference.statistics import summarise
from multirun_analysis.output.tables import Missing, Percent, Rounded, Spread, Table, few_seeds

THIRD = 1 / 3
TABLE = Table(
    "mine",
    "Tasks & losses on 100 % #speech_corpus",
    ("loader_1 & co", "WA % [95 %]", "best", "λ", "p", "seeds"),
    [
        ("pos_1 & <b>", Percent(THIRD, Interval(0.1 + 0.2, 2 / 3)), Percent(THIRD, n=20), "0.6", Rounded(1e-7, 4), 4),
        ("x # y", Percent(0.5, None), Missing(3, 4), None, Rounded(0.05, 2), None),
        ("none", Missing(0, 0), Percent(1.0, n=5), "1e-05", None, "> 10000"),
    ],
    ("A note with 5 % & a_b.",),
)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (Percent(0.62194), "62.19"),
        (Percent(0.6), "60.00"),
        (Percent(-0.0125, Interval(-0.05, 0.025)), "-1.25 [-5.00, 2.50]"),
        (Percent(0.5, None), "50.00 [–]"),
        (Percent(0.5, n=20), "50.00 (n = 20)"),
        (Percent(0.5, Interval(0.4, 0.6), 3), "50.00 [40.00, 60.00] (n = 3)"),
        (Percent(0.5, None, values=(0.4, 0.6)), "50.00 (40.00, 60.00)"),
        (Percent.of(summarise([0.4, 0.6])), "50.00 (40.00, 60.00)"),
        (Percent.of(summarise([0.4])), "40.00 [–]"),
        (Percent.of(summarise([0.5] * 5)), "50.00 [50.00, 50.00]"),
        (Spread(20, 8, 31), "20 (8 to 31)"),
        (Spread(2.5, 2, 3), "2.5 (2 to 3)"),
        (Spread(3, 3, 3), "3"),
        (Missing(3, 4), "X (3 of 4)"),
        (Missing(0, 20), "X (0 of 20)"),
        (Missing(0, 0), "X"),
        (Rounded(0.05, 4), "0.0500"),
        (Rounded(0.00002, 4), "< 0.0001"),
        (Rounded(0.0, 4), "0.0000"),
        (Rounded(1.0, 2), "1.00"),
    ],
)
def test_a_cell_shows_its_content_rounded(cell, text):
    assert str(cell) == text


def test_markdown_has_the_title_aligned_columns_and_the_notes():
    title, table, note = TABLE.markdown().strip().split("\n\n")
    assert title == f"**{TABLE.title}**"
    assert note == TABLE.notes[0]
    lines = table.splitlines()
    assert len(lines) == 5
    assert {len(line) for line in lines} == {len(lines[0])}
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert rows[0] == list(TABLE.columns)
    assert all(re.fullmatch("-+", cell) for cell in rows[1])
    assert rows[2] == ["pos_1 & &lt;b>", "33.33 [30.00, 66.67]", "33.33 (n = 20)", "0.6", "< 0.0001", "4"]
    assert rows[3] == ["x # y", "50.00 [–]", "X (3 of 4)", "–", "0.05", "–"]
    assert rows[4] == ["none", "X", "100.00 (n = 5)", "1e-05", "–", "> 10000"]


def latex_rows(text):
    """The cells of a tabular, read back as TeX would: escaped characters as themselves."""
    rows = [line[: line.rindex(r" \\")] for line in text.splitlines() if re.search(r" \\\\(\{\})?$", line)]
    cells = [re.split(r"(?<!\\)&", row) for row in rows]
    return [[re.sub(r"^\{\}|\\([&%#_])|\$([<>])\$", r"\1\2", cell.strip()) for cell in row] for row in cells]


def test_latex_has_balanced_columns_and_escapes_what_tex_reads():
    text = TABLE.latex()
    assert r"\caption{Tasks \& losses on 100 \% \#speech\_corpus}" in text
    (form,) = re.findall(r"\\begin\{tabular\}\{(\w+)\}", text)
    rows = latex_rows(text)
    assert {len(row) for row in rows} == {len(form)} == {len(TABLE.columns)}
    assert rows[0][:2] == ["loader_1 & co", "WA % [95 %]"]
    assert rows[1][:3] == ["pos_1 & <b>", "33.33 [30.00, 66.67]", "33.33 (n = 20)"]
    assert rows[2] == ["x # y", "50.00 [--]", "X (3 of 4)", "--", "0.05", "--"]
    assert rows[0][3] == r"$\lambda$"
    assert rows[1][4] == "< 0.0001"
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    assert not re.search(r"(?<!\\)[%#_]", body)
    assert not re.search(r"(?<!\$)[<>]", body)
    assert not re.search("[λ–±]", body)
    for word in (r"\toprule", r"\midrule", r"\bottomrule", r"\end{tabular}"):
        assert text.count(word) == 1
    begun, ended = (re.findall(rf"\\{word}\{{(\w+)\}}", text) for word in ("begin", "end"))
    assert begun == ended[::-1] == ["table", "adjustbox", "tabular"]
    assert r"{\footnotesize A note with 5 \% \& a\_b.}" in text
    assert r"\label{tab:mine}" in text


@pytest.mark.parametrize("title", ["Table 3: contrastive loss", "Fig. 3: contrastive loss", "contrastive loss"])
def test_a_latex_caption_has_no_number_of_its_own(title):
    """LaTeX puts Table 3: before it."""
    assert r"\caption{Contrastive loss}" in Table("t", title, ("a",), [("b",)]).latex()


HOSTILE = [
    "a_b", "50 %", "$x_{b$", r"\input{/etc/passwd}", "#1", "{", "}", "~",
    "^2", "a & b", "<tag>", "a|b", "λ=0.6", "±1", "–",
    "≥ 5", "≤ 3", "× 2", "→ x", "…", "“q”", "Zoë łódź", "it's \"so\"", "[0.5", "] x", "*", "\\\\", "--", "`x`",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex, with booktabs and adjustbox")
def test_latex_compiles_whatever_the_cells_are(tmp_path):
    """``[`` and ``*`` at the start of a row too, which a rule or the row before would take for arguments."""
    rows = [(word, "1") for word in HOSTILE]
    tables = [Table(f"t_{n}", f"On 100 % {word}", (word, "%"), rows, (word,)) for n, word in enumerate(("[x] $_", "*"))]
    head = r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage{booktabs,adjustbox}\begin{document}"
    text = "\n".join([head, *(table.latex() for table in (*tables, TABLE)), r"\end{document}"])
    (tmp_path / "page.tex").write_text(text, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    assert (tmp_path / "page.pdf").stat().st_size > 10_000


@pytest.mark.parametrize("wrong", ["$HOME", "a^b", "a~b", "{x}", r"C:\data", "> 10000"])
def test_latex_escapes_all_that_tex_reads(wrong):
    assert f"\n{wrong} \\\\" not in Table("t", "t", ("a",), [(wrong,)]).latex()


def test_a_note_of_two_lines_is_one_paragraph_in_latex():
    text = Table("t", "t", ("a",), [("b",)], ("An error:\n\nits second line",)).latex()
    assert "{\\footnotesize An error: its second line}" in text


def test_words_of_users_are_no_markup_in_markdown_and_no_formulas_in_a_spreadsheet():
    hostile = ("<script>x</script>", "![x](http://h/y)", "=HYPERLINK(1)", "-0.5")
    made = Table("t", "@corpus <b>", ("+a", "b", "c", "d"), [hostile], ("[note](http://h)",))
    text = made.markdown()
    assert "<script" not in text and "<b>" not in text and "](" not in text
    assert made.csv().splitlines() == [
        "'+a,b,c,d,title",
        "<script>x</script>,![x](http://h/y),'=HYPERLINK(1),-0.5,'@corpus <b>",
    ]


def test_a_bar_or_a_new_line_in_a_cell_keeps_markdowns_rows():
    lines = Table("t", "t", ("a", "b"), [("x|y", "1\n2")]).markdown().strip().split("\n\n")[1].splitlines()
    assert len(lines) == 3
    assert len(re.findall(r"(?<!\\)\|", lines[2])) == 3


def test_csv_is_read_back_with_14_digits():
    frame = pd.read_csv(io.StringIO(TABLE.csv()))
    assert set(frame.pop("title")) == {TABLE.title}
    ends = ["WA % [95 %]", "WA % [95 %] low", "WA % [95 %] high"]
    assert list(frame.columns) == ["loader_1 & co", *ends, "best", "best n", "λ", "p", "seeds"]
    assert frame[ends].iloc[0].astype(float).tolist() == pytest.approx([100 * THIRD, 30, 100 * (2 / 3)], rel=1e-13)
    assert float(frame["best"][0]) == pytest.approx(100 * THIRD, rel=1e-13)
    assert frame["best n"].tolist()[0] == 20
    assert frame["p"].tolist()[:2] == [1e-7, 0.05]
    assert frame[ends[1:]].iloc[1:].isna().all(axis=None)
    assert frame["WA % [95 %]"][2] == "X"
    assert frame["best"][1] == "X (3 of 4)"
    assert pd.isna(frame["best n"][1])
    assert frame["seeds"][2] == "> 10000"


def test_csv_of_numbers_alone_is_read_as_numbers():
    values = np.random.default_rng(0).random(20)
    table = Table("t", "t", ("a", "b"), [(Percent(value), 3) for value in values])
    frame = pd.read_csv(io.StringIO(table.csv()))
    assert frame.dtypes.astype(str).tolist()[:2] == ["float64", "int64"]
    assert frame["a"].tolist() == pytest.approx(100 * values, rel=1e-13)


def test_csv_has_the_seeds_values_and_the_ends_of_a_spread():
    cells = [(Percent.of(summarise([0.4, 0.6])), Spread(20, 8, 31)), (Percent.of(summarise([0.5] * 5)), None)]
    frame = pd.read_csv(io.StringIO(Table("t", "t", ("WA %", "epochs"), cells).csv()), keep_default_na=False)
    assert list(frame.columns)[:-1] == [
        "WA %", "WA % low", "WA % high", "WA % values", "epochs", "epochs low", "epochs high",
    ]  # fmt: skip
    assert frame.iloc[0].tolist()[:-1] == [50.0, "", "", "40.0 60.0", "20", "8", "31"]
    assert frame.iloc[1].tolist()[:-1] == [50.0, "50.0", "50.0", "", "", "", ""]


def test_a_table_with_seeds_in_place_of_intervals_says_so():
    assert len(few_seeds([(Percent.of(summarise([0.4, 0.6])),)])) == 1
    assert few_seeds([(Percent.of(summarise([0.4] * 5)), "a", None)]) == []


class Page(HTMLParser):
    """The texts of cells, and whether all tags are closed in order."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.open, self.tags = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def test_html_escapes_and_is_balanced():
    text = TABLE.html()
    page = Page(text)
    assert page.open == []
    assert page.rows[0] == list(TABLE.columns)
    assert page.rows[1][0] == "pos_1 & <b>"
    assert "<b>" not in text
    assert [len(row) for row in page.rows] == [6] * 4
    assert "Tasks &amp; losses" in text
    assert "5 % &amp; a_b" in text


def test_html_breaks_no_line_within_an_interval():
    """Cells may be broken, so that a wide table is not cut off."""
    assert "33.33 [30.00,\N{NO-BREAK SPACE}66.67]" in TABLE.html()


LATEX = {"–": "--", "λ": r"$\lambda$", "±": r"$\pm$", "≤": r"$\leq$", "≥": r"$\geq$", "→": r"$\to$"}


@pytest.mark.parametrize(
    "name", ["table1", "table2", "table2_differences", "table3", "table3_speakers", "claims", "fig2"]
)
def test_each_form_of_a_table_says_the_same(full, name):
    """Markdown, LaTeX and CSV of the report: percent with two decimals are the fractions, rounded once."""
    body = full.markdown(name).split("\n\n")[1].splitlines()
    markdown = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in body]
    assert len({len(row) for row in markdown}) == 1
    latex = latex_rows((full.folder / f"{name}.tex").read_text(encoding="utf-8"))
    for words, (ours, others) in zip(markdown[2:], zip(markdown[2:], latex[1:], strict=True), strict=True):
        plain = [re.sub("[–λ±≤≥→]", lambda match: LATEX[match[0]], cell) for cell in ours]
        assert others == plain, words
    raw = full.raw(name)
    rest = [column for column in raw.columns if not column.endswith((" low", " high", " n", " values"))]
    assert [re.sub(r"^Unnamed: \d+$", "", column) for column in rest] == markdown[0]
    assert len(raw) == len(markdown) - 2
    checked = 0
    for row, (_, written) in zip(markdown[2:], raw.iterrows(), strict=True):
        for column, cell in zip(rest, row, strict=True):
            value = written[column]
            if re.match(r"-?\d+\.\d\d( \[|$| \()", cell) and "%" in column:
                assert cell.split()[0] == f"{float(value):.2f}"
                checked += 1
                ends = re.search(r"\[(-?[\d.]+), (-?[\d.]+)\]", cell)
                if ends:
                    assert ends[1] == f"{float(written[f'{column} low']):.2f}"
                    assert ends[2] == f"{float(written[f'{column} high']):.2f}"
                seeds = re.search(r"\((-?[\d.]+(?:, -?[\d.]+)+)\)", cell)
                if seeds:
                    values = written[f"{column} values"].split()
                    assert seeds[1].split(", ") == [f"{float(each):.2f}" for each in values]
            elif cell == "–":
                assert value == ""
            elif not re.match(r"[\d.<]", cell):
                assert cell == value
    assert checked or name in ("table1", "claims")
