"""The summary of a corpus as text for a terminal."""

from typing import Any

from ser.corpora.describe.summary import LEVELS
from ser.corpora.ratings import EDGES
from ser.corpora.table import Corpus
from ser.system.text import aligned


def as_text(corpus: Corpus, summary: dict[str, Any]) -> str:
    """Lay out a summary in aligned columns. Ratings are left out if no utterance has one.

    Args:
        corpus: the corpus.
        summary: the result of ``summarise(corpus)``.
    """
    parts = [
        _head(corpus, summary),
        _sessions(corpus, summary),
        _speakers(corpus, summary),
        _durations(summary["durations"]),
        _ratings(summary["ratings"], summary["rating_ranges"]),
        _copies(corpus, summary["copies"]),
        _dropped(summary["dropped"]),
    ]
    return "\n\n".join(part for part in parts if part)


def _head(corpus: Corpus, summary: dict[str, Any]) -> str:
    warning = "SYNTHETIC: generated signals, numbers computed on them say nothing about people\n"
    genders = ", ".join(f"{count} {gender}" for gender, count in summary["genders"].items())
    lines = [
        ("corpus", summary["corpus"]),
        ("root", summary["root"]),
        ("utterances", f"{summary['utterances']} ({genders})"),
        *([(f"{corpus.part}s", summary["session_rule"])] if summary["session_rule"] else []),
        *([("speakers", doubt)] if (doubt := summary["doubt_of_speakers"]) else []),
        *([("speakers", summary["shared_speakers"])] if summary["shared_speakers"] else []),
    ]
    return (warning if summary["synthetic"] else "") + "\n".join(f"{name:<12}{value}" for name, value in lines)


def _sessions(corpus: Corpus, summary: dict[str, Any]) -> str:
    """The table of the sessions, with the fold that tests each where that is not the session's own number."""
    rows = [[corpus.part, *summary["emotions"], "all"]]
    for session, counts in summary["sessions_by_emotion"].items():
        rows.append([session, *counts.values(), sum(counts.values())])
    rows.append(["all", *summary["emotions"].values(), summary["utterances"]])
    if corpus.other_sessions:
        rows = [[fold, *row] for fold, row in zip(["fold", *summary["folds"], ""], rows, strict=True)]
    return aligned(rows)


def _speakers(corpus: Corpus, summary: dict[str, Any]) -> str:
    """The table of the speakers; an empty string if they are not known."""
    if not corpus.speakers:
        return ""
    genders = {u.speaker: u.gender or "unknown" for u in corpus.utterances}
    found, order = {(u.speaker, u.session) for u in corpus.utterances}, corpus.sessions
    rows = [
        [who, genders[who], ", ".join(session for session in order if (who, session) in found), count]
        for who, count in summary["speakers"].items()
    ]
    return aligned([["speaker", "gender", corpus.part, "utterances"], *rows])


def _durations(durations: dict[str, float]) -> str:
    long = ", ".join(f"{100 * durations[f'longer_than_{limit}_s']:.1f} % longer than {limit} s" for limit in (3, 9))
    return (
        f"durations   {durations['total_s'] / 60:.1f} min in all; "
        f"mean {durations['mean_s']:.2f} s, median {durations['median_s']:.2f} s, "
        f"{durations['min_s']:.2f} to {durations['max_s']:.2f} s\n"
        f"            {long}"
    )


def _ratings(ratings: dict[str, dict[str, int]], ranges: dict[str, tuple[float, float] | None]) -> str:
    """The table of the ratings; an empty string if no utterance is rated."""
    levels_in_use = {level for counts in ratings.values() for level, count in counts.items() if count}
    if levels_in_use <= {"none"}:
        return ""
    heading = ["rating", f"low (<= {EDGES[0]:g})", "medium", f"high (>= {EDGES[1]:g})", "none", "from", "to"]
    rows = [
        [name, *(counts[level] for level in LEVELS), *(f"{value:g}" for value in ranges[name] or ())]
        for name, counts in ratings.items()
    ]
    return aligned([heading, *([*row, *[""] * (len(heading) - len(row))] for row in rows)])


def _copies(corpus: Corpus, copies: dict[str, Any]) -> str:
    """How many utterances are copies, and what ``ser.run`` does about them."""
    known, part, accepted = bool(corpus.speakers), corpus.part, corpus.keep_duplicates
    within = f"within a {'speaker and ' * known}{part} (kept together, in training or in validation)"
    counts = {
        within: copies["within_speaker"],
        f"in two {part}s{' or under two speakers' * known}": copies["across"],
        "with two labels": copies["two_labels"],
        "as the same sound in files of other content": copies["reencoded"],
    }
    found = ", ".join(f"{count} {where}" for where, count in counts.items() if count)
    verdict = "ser.run accepts (corpus.duplicates=keep)" if accepted else "ser.run refuses (corpus.duplicates=refuse)"
    seen = [f"{verdict}: {problem}." for problem in copies["problems"]]
    unseen = [f"ser.run does not see (their files differ): {problem}." for problem in copies["unseen_problems"]]
    return "\n            ".join([f"copies      {found or 'none'}", *seen, *unseen])


def _dropped(dropped: dict[str, int]) -> str:
    if not dropped:
        return "dropped     nothing"
    return aligned([["dropped", "turns"], *dropped.items()])
