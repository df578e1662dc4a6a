"""Figures as they are drawn: curves, intervals, missing points, published values; and the files' bytes."""

import io
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.transforms import IdentityTransform
from PIL import Image

from multirun_analysis.inference.intervals import Interval
from multirun_analysis.inference.statistics import summarise
from multirun_analysis.output import figures
from multirun_analysis.output.drawings import Band, Curve, CurvePoint, Drawing, LearningCurves, LearningPanel, Panel
from multirun_analysis.output.tables import Missing


def summaries(*rows):
    return [summarise(row) for row in rows]


SCORES = {"narrow": [0.5, 0.6] * 3, "high": [0.6, 0.62] * 3, "wide": [0.4, 0.7] * 3}


def drawing():
    """Two panels; a curve with a missing point and a star at a place, one with a star at the edge."""
    narrow, high, wide = summaries(*(SCORES[name] for name in ("narrow", "high", "wide")))
    first = Curve("first", (CurvePoint(1, narrow), CurvePoint(2, Missing(1, 2)), CurvePoint(3, high)), ((3, 61.05),))
    second = Curve("second", (CurvePoint(1, wide), CurvePoint(2, narrow), CurvePoint(3, narrow)), ((None, 63.21),))
    third = Curve("third", (CurvePoint(1, high), CurvePoint(2, high), CurvePoint(3, wide)))
    panels = (Panel("WA", (first, second)), Panel("UWA", (third,)))
    return Drawing("fig9", "Fig. 9: a test_of & things", "length (s)", panels, ("A note.",))


def lines(axes, label):
    (line,) = (line for line in axes.lines if line.get_label() == label)
    return line


def stars(axes):
    return [line for line in axes.lines if line.get_marker() == "*" and len(line.get_xdata())]


def test_axes_are_labelled_with_units():
    figure = figures.draw(drawing())
    assert [axes.get_xlabel() for axes in figure.axes] == ["length (s)"] * 2
    assert [axes.get_ylabel() for axes in figure.axes] == ["WA (%)", "UWA (%)"]
    assert figure.get_suptitle() == "Fig. 9: a test_of & things"


def test_each_curve_is_one_line_through_its_means():
    axes = figures.draw(drawing()).axes[0]
    first, second = lines(axes, "first"), lines(axes, "second")
    assert first.get_ydata() == pytest.approx([55, np.nan, 61], nan_ok=True)
    assert second.get_ydata() == pytest.approx([55, 55, 55])
    for line in (first, second):  # moved aside by less than a tenth of a step, so that they can be told apart
        assert line.get_xdata() == pytest.approx([1, 2, 3], abs=0.1)
    assert first.get_xdata() != pytest.approx(second.get_xdata())
    assert len({(line.get_color(), line.get_marker(), line.get_linestyle()) for line in (first, second)}) == 2
    assert lines(figures.draw(drawing()).axes[1], "third").get_xdata() == pytest.approx([1, 2, 3])


def test_intervals_and_highest_seeds_are_drawn():
    axes = figures.draw(drawing()).axes[1]
    high, wide = summaries(SCORES["high"], SCORES["wide"])
    (bars,) = (drawn for drawn in axes.collections if hasattr(drawn, "get_segments"))
    ends = [sorted(segment[:, 1]) for segment in bars.get_segments()]
    assert ends == [
        pytest.approx([100 * end for end in interval]) for interval in (high.interval, high.interval, wide.interval)
    ]
    hollow = [line for line in axes.lines if line.get_linestyle() == "None" and line.get_markerfacecolor() == "none"]
    assert [line.get_ydata().tolist() for line in hollow if line.get_marker() != "*" and len(line.get_xdata())] == [
        pytest.approx([62, 62, 70])
    ]


def test_a_missing_point_is_an_x_at_its_place():
    axes = figures.draw(drawing()).axes
    crosses = [text for text in axes[0].texts if text.get_text() == "X"]
    assert len(crosses) == 1
    assert crosses[0].xy[0] == pytest.approx(2, abs=0.1)
    assert crosses[0].get_color() == lines(axes[0], "first").get_color()
    assert not axes[1].texts


def test_published_scores_are_stars_at_their_places():
    axes = figures.draw(drawing()).axes
    place, edge = stars(axes[0])
    assert (list(place.get_xdata()), list(place.get_ydata())) == ([3], [61.05])
    assert list(edge.get_ydata()) == [63.21]
    assert edge.get_transform() == axes[0].get_yaxis_transform(), "at a share of the width, not at a place on the axis"
    assert 0.95 < edge.get_xdata()[0] < 1.1
    assert [star.get_color() for star in (place, edge)] == [
        lines(axes[0], name).get_color() for name in ("first", "second")
    ]
    assert not stars(axes[1])
    assert not isinstance(place.get_transform(), IdentityTransform)


def test_a_published_score_beyond_the_points_is_a_star_at_the_edge_and_stretches_nothing():
    """The paper's value is at 9 s; here are 1 to 3 s."""
    curve = Curve(
        "first", tuple(CurvePoint(x, summary) for x, summary in enumerate(summaries([0.5], [0.6]), 1)), ((9, 61),)
    )
    (axes,) = figures.draw(Drawing("fig9", "t", "length (s)", (Panel("WA", (curve,)),))).axes
    (star,) = stars(axes)
    assert star.get_transform() == axes.get_yaxis_transform()
    assert axes.get_xlim()[1] < 3
    assert list(axes.get_xticks()) == [1, 2]


def test_two_stars_at_the_edge_stand_beside_each_other():
    curves = tuple(Curve(name, (CurvePoint(1, summarise([0.5])),), ((None, 63.2),)) for name in ("cos", "l2"))
    (axes,) = figures.draw(Drawing("fig9", "t", "λ", (Panel("WA", curves),))).axes
    places = [star.get_xdata()[0] for star in stars(axes)]
    assert places[1] > places[0] + 0.01


@pytest.mark.parametrize("values", [(0.9, 0.99), (-0.2, 0.1), (0.9, 1.4)])
def test_bars_and_axes_show_all_of_an_interval(values):
    """A metric of one's own may be negative or above 1."""
    summary = summarise(list(values) * 3, bounds=Interval(-np.inf, np.inf))
    (axes,) = figures.draw(Drawing("f", "t", "λ", (Panel("KAPPA", (Curve("c", (CurvePoint(1, summary),)),)),))).axes
    (bars,) = (drawn for drawn in axes.collections if hasattr(drawn, "get_segments"))
    (segment,) = bars.get_segments()
    assert sorted(segment[:, 1]) == pytest.approx([100 * end for end in summary.interval])
    low, high = axes.get_ylim()
    assert low <= min(segment[:, 1]) and max(segment[:, 1]) <= high


def test_few_seeds_are_dashes_in_place_of_a_bar():
    curve = Curve("c", (CurvePoint(1, summarise([0.5, 0.6, 0.8])),))
    (axes,) = figures.draw(Drawing("f", "t", "λ", (Panel("WA", (curve,)),))).axes
    assert not [drawn for drawn in axes.collections if hasattr(drawn, "get_segments")]
    dashes = [line for line in axes.lines if line.get_marker() == "_" and len(line.get_xdata())]
    assert [line.get_ydata().tolist() for line in dashes] == [pytest.approx([50, 60, 80])]


def test_the_legend_names_every_curve_and_every_mark():
    (legend,) = figures.draw(drawing()).legends
    words = [text.get_text() for text in legend.get_texts()]
    assert words == ["first", "second", "highest seed", "published highest (IEMOCAP)"]
    few = Drawing("f", "t", "λ", (Panel("WA", (Curve("c", (CurvePoint(1, summarise([0.5, 0.6])),)),)),))
    (legend,) = figures.draw(few).legends
    assert [text.get_text() for text in legend.get_texts()] == ["c", "highest seed", "each seed"]


def test_learning_curves_have_a_column_for_each_cell_and_their_numbers():
    loss, accuracy = Band((2.0, 1.5), (1.0, 1.0), (3.0, 2.0)), Band((0.5, 0.6), (0.4, 0.5), (0.6, 0.7))
    panels = tuple(LearningPanel(name, 15, loss, accuracy) for name in ("cos", "l2"))
    curves = LearningCurves("mine_learning", "Learning", panels, ("A note.",))
    below, above, _, other = figures.draw(curves).axes
    assert [axes.get_title() for axes in (above, other)] == ["cos", "l2"]
    assert above.lines[0].get_ydata() == pytest.approx([2, 1.5])
    assert below.lines[0].get_ydata() == pytest.approx([50, 60])
    assert above.lines[0].get_xdata() == pytest.approx([1, 2])
    table = curves.table()
    assert [str(cell) for cell in table.rows[1]] == [
        "cos", "2", "1.500", "1.000", "2.000", "60.00", "50.00", "70.00", "15",
    ]  # fmt: skip
    assert len(table.rows) == 4


def test_many_learning_curves_stand_in_several_rows():
    band = Band((0.5, 0.6), (0.4, 0.5), (0.6, 0.7))
    panels = tuple(LearningPanel(f"cell {index}", 15, band, band) for index in range(8))
    figure = figures.draw(LearningCurves("mine_learning", "Learning", panels))
    above = figure.axes[1::2]
    assert [axes.get_title() for axes in above] == [panel.label for panel in panels]
    places = [(axes.get_subplotspec().rowspan.start, axes.get_subplotspec().colspan.start) for axes in above]
    assert places == [(row, column) for row in (0, 2) for column in range(4)]


def test_a_long_title_is_not_cut_off():
    title = f"Sweep {'length-1-' * 8}af6d24 over lambda on SYNTHETIC speech (only folds 1, 2 of 5)"
    curve = Curve("c", (CurvePoint(1, summarise([0.5, 0.6])),))
    figure = figures.draw(Drawing("f", title, "λ", (Panel("WA", (curve,)),)))
    figure.savefig(io.BytesIO())  # places the texts
    box = figure._suptitle.get_window_extent()
    assert 0 <= box.x0 < box.x1 <= figure.bbox.width
    assert figure.get_suptitle().replace("\n", " ") == title


def test_a_curve_without_any_complete_point_can_be_drawn():
    nothing = Curve("first", (CurvePoint(1, Missing(0, 2)), CurvePoint(2, Missing(0, 2))))
    for panel in (Panel("WA", (nothing,)), Panel("WA", (Curve("first", ()),))):
        assert len(figures.png(Drawing("fig9", "t", "λ", (panel,)))) > 1000


def test_what_does_not_depend_on_the_axis_is_a_horizontal_line_with_its_interval():
    five = summarise([0.5, 0.52, 0.55, 0.53, 0.6])
    curves = (Curve("first", (CurvePoint(1, summarise([0.5])), CurvePoint(2, summarise([0.6])))),)
    level = Curve("baseline", (CurvePoint(None, five),))
    (axes,) = figures.draw(Drawing("fig9", "t", "λ", (Panel("WA", (*curves, level)),))).axes
    assert axes.get_xticks().tolist() == [1, 2]
    line = lines(axes, "baseline")
    assert line.get_xdata() == [0, 1]
    assert line.get_ydata() == pytest.approx([54, 54])
    (band,) = axes.patches
    assert (band.get_y(), band.get_y() + band.get_height()) == pytest.approx(
        (100 * five.interval.low, 100 * five.interval.high)
    )
    few = Curve("baseline", (CurvePoint(None, summarise([0.5, 0.55, 0.6])),))
    (axes,) = figures.draw(Drawing("fig9", "t", "λ", (Panel("WA", (*curves, few)),))).axes
    assert not axes.patches
    assert [50, 55, 60] in [pytest.approx(line.get_ydata()) for line in axes.lines], "a dash for each seed"
    missing = Curve("baseline", (CurvePoint(None, Missing(1, 5)),))
    (axes,) = figures.draw(Drawing("fig9", "t", "λ", (Panel("WA", (*curves, missing)),))).axes
    assert [text.get_text() for text in axes.texts] == ["X"]


def test_one_seed_has_neither_bar_nor_hollow_mark():
    curve = Curve("first", (CurvePoint(1, summarise([0.5])), CurvePoint(2, summarise([0.6]))))
    (axes,) = figures.draw(Drawing("fig9", "t", "λ", (Panel("WA", (curve,)),))).axes
    assert len(axes.lines) == 1
    assert not axes.collections


def test_equal_numbers_are_equal_bytes(tmp_path):
    """In one process; test_report.py does it in two."""
    for folder in ("one", "other"):
        figures.save(drawing(), tmp_path / folder)
    for name in ("fig9.png", "fig9.pdf"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_other_numbers_are_other_bytes():
    changed = Drawing("fig9", "Fig. 9: a test_of & things", "length (s)", drawing().panels[::-1], ("A note.",))
    assert figures.png(changed) != figures.png(drawing())


def test_png_and_pdf_say_nothing_of_when_they_were_made(tmp_path):
    figures.save(drawing(), tmp_path)
    assert (tmp_path / "fig9.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert b"tIME" not in (tmp_path / "fig9.png").read_bytes()
    text = (tmp_path / "fig9.pdf").read_bytes()
    assert text.startswith(b"%PDF")
    assert b"CreationDate" not in text
    assert b"ModDate" not in text


def test_a_picture_s_file_says_what_its_notes_say(tmp_path):
    """A picture is shown without its notes, and its file is passed on without the table beside it."""
    noted = replace(drawing(), notes=("Only folds 1, 2 of 5.", "A second note."))
    figures.save(noted, tmp_path)
    with Image.open(tmp_path / "fig9.png") as picture:
        assert picture.info["Title"] == noted.title
        assert picture.info["Description"] == "Only folds 1, 2 of 5.\nA second note."
    assert b"/Subject" in (tmp_path / "fig9.pdf").read_bytes()
