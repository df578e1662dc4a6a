"""A picture of a corpus: how many utterances each class and session have, and how long they are."""

from typing import TYPE_CHECKING

import numpy as np

from ser.corpora.describe.summary import durations
from ser.corpora.table import Corpus
from ser.system.pictures import COLOURS, legible, legible_text, plain_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_LEVEL = 5  # names of more classes are slanted


@plain_text()
def draw(corpus: Corpus, length: float) -> "Figure":
    """Draw utterances by class and session, and the distribution of their durations.

    Args:
        corpus: the corpus.
        length: the length of a segment (s), which is drawn beside the durations.

    Raises:
        UserError: an audio file cannot be read.
    """
    from matplotlib.figure import Figure

    utterances = corpus.utterances
    seconds = np.array(durations(utterances))
    figure = Figure(figsize=(10.5, 4.4), dpi=120, layout="constrained")
    figure.suptitle(f"{legible_text(corpus.title)}: {len(utterances)} utterances, {seconds.sum() / 60:.0f} min")
    left, right = figure.subplots(1, 2)
    _draw_classes(left, corpus)
    _draw_durations(right, corpus, seconds, length)
    return figure


def _draw_classes(axes: "Axes", corpus: Corpus) -> None:
    """Bars of utterances by class, in parts for the sessions, which are the folds' test parts.

    Sessions have colours as long as there are enough of them.
    """
    few = len(corpus.sessions) <= len(COLOURS)
    below = np.zeros(len(corpus.classes))
    for index, session in enumerate(corpus.sessions):
        of_session = [each.emotion for each in corpus.utterances if each.session == session]
        counts = np.array([of_session.count(label) for label in corpus.classes])
        fold = "" if corpus.official_split else f" (fold {index + 1})"
        label, colour = f"{legible_text(session)}{fold}", COLOURS[index if few else 0]
        axes.bar(range(len(counts)), counts, bottom=below, label=label, color=colour, edgecolor="white")
        below += counts
    for place, count in enumerate(below):
        axes.annotate(f"{count:.0f}", (place, count), (0, 2), textcoords="offset points", ha="center")
    axes.set_xticks(range(len(corpus.classes)), legible(corpus.classes))
    if len(corpus.classes) > _MOST_LEVEL:
        axes.tick_params(axis="x", rotation=30)
    axes.set_ylabel("utterances")
    axes.set_ylim(0, 1.08 * below.max())
    if few:
        beside = (1.0, 1.0)
        axes.legend(title=corpus.part, reverse=True, loc="upper left", bbox_to_anchor=beside, fontsize=8, frameon=False)
    else:
        axes.set_title(f"each part of a bar: one of {len(corpus.sessions)} sessions", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_durations(axes: "Axes", corpus: Corpus, seconds: np.ndarray, length: float) -> None:
    """A line for each class: the share of its utterances that are no longer than a duration."""
    emotions = np.array([each.emotion for each in corpus.utterances])
    for index, label in enumerate(corpus.classes):
        own = np.sort(seconds[emotions == label])
        shares = 100 * np.arange(1, len(own) + 1) / len(own)
        style = ("-", "--")[index // len(COLOURS) % 2]
        name = f"{legible(corpus.classes)[index]} (median {np.median(own):.1f} s)"
        axes.step(own, shares, where="post", label=name, color=COLOURS[index % len(COLOURS)], linestyle=style)
    longer = 100 * float((seconds > length).mean())
    axes.axvline(length, color="0.4", linewidth=1, linestyle=":", label=f"length={length:g} s; {longer:.0f} % longer")
    axes.set(xlabel="duration (s)", ylabel="utterances that are no longer (%)", ylim=(0, 101))
    axes.set_xlim(0, max(float(seconds.max()), length) * 1.03)
    axes.legend(fontsize=8, loc="lower right")
    axes.grid(visible=True, color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
