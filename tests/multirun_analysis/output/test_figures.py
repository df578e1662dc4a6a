"""Figures as they are drawn: curves, intervals, missing points, published values; and the files' bytes."""

import numpy as np
import pytest
from matplotlib.transforms import IdentityTransform

from multirun_analysis.inference.statistics import summarise
from multirun_analysis.output import figures
from multirun_analysis.output.drawings import Curve, CurvePoint, Drawing, Panel
from multirun_analysis.output.tables import Missing


def summaries(*rows):
    return [summarise(row) for row in rows]


def drawing():
    """Two panels; a curve with a missing point and a star at a place, one with a star at the edge."""
    narrow, high, wide = summaries([0.5, 0.6], [0.6, 0.62], [0.4, 0.7])
    first = Curve("first", (CurvePoint(1, narrow), CurvePoint(2, Missing(1, 2)), CurvePoint(3, high)), ((9, 61.05),))
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
    high, wide = summaries([0.6, 0.62], [0.4, 0.7])
    (bars,) = (drawn for drawn in axes.collections if hasattr(drawn, "get_segments"))
    ends = [sorted(segment[:, 1]) for segment in bars.get_segments()]
    assert ends == [
        pytest.approx([100 * end for end in interval]) for interval in (high.interval, high.interval, wide.interval)
    ]
    hollow = [line for line in axes.lines if line.get_linestyle() == "None" and line.get_markerfacecolor() == "none"]
    assert [line.get_ydata().tolist() for line in hollow if line.get_marker() != "*"] == [pytest.approx([62, 62, 70])]


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
    assert (list(place.get_xdata()), list(place.get_ydata())) == ([9], [61.05])
    assert list(edge.get_ydata()) == [63.21]
    assert edge.get_transform() == axes[0].get_yaxis_transform(), "at a share of the width, not at a place on the axis"
    assert 0.95 < edge.get_xdata()[0] < 1.1
    assert [star.get_color() for star in (place, edge)] == [
        lines(axes[0], name).get_color() for name in ("first", "second")
    ]
    assert not stars(axes[1])
    assert not isinstance(place.get_transform(), IdentityTransform)


def test_the_legend_names_every_curve():
    (legend,) = figures.draw(drawing()).legends
    assert [text.get_text() for text in legend.get_texts()][:2] == ["first", "second"]


def test_a_curve_without_any_complete_point_can_be_drawn():
    nothing = Curve("first", (CurvePoint(1, Missing(0, 2)), CurvePoint(2, Missing(0, 2))))
    for panel in (Panel("WA", (nothing,)), Panel("WA", (Curve("first", ()),))):
        figure = figures.draw(Drawing("fig9", "t", "λ", (panel,)))
        assert len(figures.png(figure)) > 1000


def test_one_seed_has_neither_bar_nor_hollow_mark():
    curve = Curve("first", (CurvePoint(1, summarise([0.5])), CurvePoint(2, summarise([0.6]))))
    (axes,) = figures.draw(Drawing("fig9", "t", "λ", (Panel("WA", (curve,)),))).axes
    assert len(axes.lines) == 1
    assert not axes.collections


def test_equal_numbers_are_equal_bytes(tmp_path):
    """In one process; test_report.py does it in two."""
    for folder in ("one", "other"):
        figures.save(figures.draw(drawing()), tmp_path / folder, "fig9")
    for name in ("fig9.png", "fig9.pdf"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_other_numbers_are_other_bytes():
    changed = Drawing("fig9", "Fig. 9: a test_of & things", "length (s)", drawing().panels[::-1], ("A note.",))
    assert figures.png(figures.draw(changed)) != figures.png(figures.draw(drawing()))


def test_png_and_pdf_say_nothing_of_when_they_were_made(tmp_path):
    figures.save(figures.draw(drawing()), tmp_path, "fig9")
    assert (tmp_path / "fig9.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert b"tIME" not in (tmp_path / "fig9.png").read_bytes()
    text = (tmp_path / "fig9.pdf").read_bytes()
    assert text.startswith(b"%PDF")
    assert b"CreationDate" not in text
    assert b"ModDate" not in text
