"""IEMOCAP: dialogs of two actors, ten actors in five sessions. Several people rated the emotion of every turn.

The label files are described in ``ser.corpora.turns``. In the name of a turn, such as ``Ses01F_impro01_M003``, the
first part is the dialog. Its letter F or M (``Ses01F``) tells which actor wore the motion-capture markers. The letter
before the number (``_M003``) tells who speaks.

Source: Busso, Bulut, Lee, Kazemzadeh, Mower, Kim, Chang, Lee and Narayanan (2008), "IEMOCAP: interactive emotional
dyadic motion capture database", Language Resources and Evaluation 42.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ser.config.words import pasteable
from ser.corpora.audio_files import audio_below
from ser.corpora.known_speakers import warn_of_missing_speakers
from ser.corpora.labels import class_order, label_map
from ser.corpora.problems import for_each
from ser.corpora.roots import Source, require_audio, visible
from ser.corpora.sessions import SPEAKERS, how_made, in_sessions
from ser.corpora.table import Corpus, Utterance, dropped_text, ids_in, make_corpus
from ser.corpora.turns import EMOTIONS, Turn, check_listed_once, turns_in
from ser.errors import UserError

TURNS = ("improvised", "scripted", "all")
LABELS = {"ang": "angry", "hap": "happy", "exc": "happy", "sad": "sad", "neu": "neutral"}
"""Default mapping of IEMOCAP's labels to the paper's classes: excited is merged into happy (section 3)."""
MARKER_FILE = "SYNTHETIC.json"
"""A file of this name in the corpus' folder marks the corpus as generated, not recorded."""

SOURCE = Source(
    "iemocap", "IEMOCAP", "USC's SAIL lab gives IEMOCAP out on a licence form (https://sail.usc.edu/iemocap/)."
)

_SESSIONS = ("1", "2", "3", "4", "5")


def read(
    root: str | Path | None,
    *,
    turns: str = "improvised",
    labels: Mapping[str, str | None] = LABELS,
    sessions: Sequence[int] | str | None = None,
    exclude: Sequence[str] = (),
) -> Corpus:
    """Read IEMOCAP.

    Args:
        root: the folder ``IEMOCAP_full_release``, or the folder that contains it.
        turns: "improvised" (as in the paper, section 3), "scripted" or "all".
        labels: maps IEMOCAP's labels to classes. Turns whose label is missing here or maps to None are dropped.
        sessions: the sessions to read, such as ``[1, 2, 3]``; None stands for all five, and "speakers" for all five
            with each of the ten actors as a session. The other actor of a dialog is then trained on.
        exclude: ids of utterances to leave out, such as ``["Ses01F_impro01_F000"]``.

    Returns:
        The corpus; it has 2943 utterances with the defaults, as in the paper, and 2280 without the label ``exc``.
        Ratings are means over the raters; the scale is 1 to 5, but the files have values from 0.5 to 5.5.

    Raises:
        UserError: the folder does not exist or does not have IEMOCAP's layout, one of the sessions is missing or has no
            usable turn, a label file is damaged, an audio file is missing, or there is audio that no label file lists.
    """
    used = used_labels(turns, labels)
    chosen = _chosen(sessions)
    names = ids_in(exclude)
    root_folder = SOURCE.folder(root)
    release = _release(root_folder, chosen)
    listed = [turn for session in chosen for turn in _turns(release / f"Session{session}", session)]
    check_listed_once(listed)
    utterances, dropped = _used(release, listed, turns, used)
    require_audio(utterances, release)
    unlisted = _unlisted_audio(release, chosen, listed)
    _check_unlisted([path for path in unlisted if path.stem not in names])
    dropped["excluded audio that no label file lists"] += len(unlisted)
    corpus = make_corpus(
        SOURCE.name,
        release,
        utterances,
        dropped + _left_out(release, chosen),
        classes=class_order(used),
        exclude=[name for name in names if name not in {path.stem for path in unlisted}],
        synthetic=any((folder / MARKER_FILE).exists() for folder in (root_folder, release)),
    )
    _check_folds(corpus, chosen)
    corpus = replace(corpus, session_rule="as recorded, an actress and an actor each")
    if sessions == SPEAKERS:
        by_speaker = tuple(in_sessions(corpus.utterances, SPEAKERS))
        corpus = replace(corpus, utterances=by_speaker, session_rule=how_made(SPEAKERS))
    warn_of_missing_speakers(corpus, [f"Ses0{session}{person}" for session in chosen for person in "FM"])
    return corpus


def used_labels(turns: str, labels: Mapping[str, str | None]) -> dict[str, str]:
    """The labels that become classes.

    Args:
        turns, labels: as for ``read``.

    Raises:
        UserError: one of them has no possible value.
    """
    if turns not in TURNS:
        raise UserError(f"corpus.turns={turns} is not one of {', '.join(TURNS)}. Choose one of them.")
    return label_map(labels, EMOTIONS)


def _chosen(sessions: Sequence[int] | str | None) -> tuple[str, ...]:
    """The names of the sessions to read."""
    if sessions in (None, SPEAKERS):
        return _SESSIONS
    names = sorted(map(str, sessions)) if isinstance(sessions, Sequence) else []
    if not names or isinstance(sessions, str) or len({*names}) < len(names) or not {*names} <= {*_SESSIONS}:
        raise UserError(
            f"corpus.sessions={sessions} does not list sessions from 1 to 5, each once. Write it as "
            "corpus.sessions=[1,2,3], speakers for all five with each actor as a session, or null for all five."
        )
    return tuple(names)


def _release(root: Path, chosen: Sequence[str]) -> Path:
    """The folder that contains ``Session1`` to ``Session5``: ``root`` or its subfolder ``IEMOCAP_full_release``."""
    for folder in (root, root / "IEMOCAP_full_release"):
        present = [number for number in _SESSIONS if (folder / f"Session{number}").is_dir()]
        if present:
            _check_session_folders(folder, present, chosen)
            return folder
    raise SOURCE.wrong_layout(root, "the folders Session1 to Session5, here or in IEMOCAP_full_release")


def _check_session_folders(release: Path, present: Sequence[str], chosen: Sequence[str]) -> None:
    """Refuse missing and unknown sessions, so that no turn is lost and fold k tests session k."""
    known = {f"Session{number}" for number in _SESSIONS}
    for folder in visible(release.iterdir()):
        if folder.is_dir() and folder.name.lower().startswith("session") and folder.name not in known:
            raise UserError(
                f"{folder} is no session of IEMOCAP, which has Session1 to Session5, so its turns would be left out. "
                "Rename it if it is one of the five; otherwise move it to another place."
            )
    missing = [number for number in chosen if number not in present]
    if missing:
        raise UserError(
            f"{release} lacks Session{', Session'.join(missing)}, so folds would test other sessions than their "
            f"numbers say. Complete the copy, or say which sessions it holds: {_with_sessions(present)}."
        )


def _with_sessions(sessions: Iterable[str]) -> str:
    return f"corpus.sessions=[{','.join(sessions)}]"


def _turns(folder: Path, session: str) -> list[Turn]:
    """Every turn of a session.

    The subfolders of ``EmoEvaluation`` (Categorical, Attribute, ...) hold the answers of single raters; they are not
    read.
    """
    files = visible((folder / "dialog" / "EmoEvaluation").glob("*.txt"))
    if not files:
        raise SOURCE.wrong_layout(folder, "label files dialog/EmoEvaluation/*.txt")
    turns = [turn for of_file in for_each(turns_in, files) for turn in of_file]
    for turn in turns:
        if turn.session != session:
            raise UserError(
                f"{turn.place}: {turn.name} is a turn of session {turn.session}, but lies in {folder.name}. Move the "
                f"file to Session{turn.session}, or copy it again from your release."
            )
    return turns


def _used(
    release: Path, listed: Iterable[Turn], turns: str, used: Mapping[str, str]
) -> tuple[list[Utterance], Counter[str]]:
    """The utterances of the turns that are used, and counts of the other turns by reason."""
    utterances, dropped = [], Counter[str]()
    for turn in listed:
        reason = turn.reason_to_drop(turns, used)
        if reason:
            dropped[reason] += 1
        else:
            utterance = turn.utterance(release / f"Session{turn.session}", used)
            utterances.append(replace(utterance, path=_as_written(utterance.path)))
    return utterances, dropped


def _as_written(path: Path) -> Path:
    """The path of an audio file, with the ending in capital letters if only that file exists."""
    capital = path.with_suffix(path.suffix.upper())
    return capital if not path.is_file() and capital.is_file() else path


def _unlisted_audio(release: Path, chosen: Iterable[str], listed: Iterable[Turn]) -> list[Path]:
    """The audio files of the chosen sessions whose turn is in no label file."""
    names = {turn.name for turn in listed}
    folders = (release / f"Session{session}" / "sentences" / "wav" for session in chosen)
    return [path for folder in folders for path in audio_below(folder) if path.stem not in names]


def _check_unlisted(unlisted: Sequence[Path]) -> None:
    """Refuse audio without a label: its turn is missing from a label file that is damaged or was not copied."""
    if not unlisted:
        return
    first = unlisted[0]
    session = next(folder for folder in first.parents if folder.parent.name == "sentences").parent.parent
    file = session / "dialog" / "EmoEvaluation" / f"{first.parent.name}.txt"
    count = sum(path.parent == first.parent for path in unlisted)
    if not file.exists():
        raise UserError(
            f"{first.parent} holds audio of {count} turns, but there is no {file}. Copy it from your release."
        )
    raise UserError(
        f"{file} does not list {first.name} ({count} such audio files in {first.parent}), so the turn would be lost. "
        "Copy the label file again from your release, or leave the audio out: "
        f"{pasteable('corpus.exclude', [first.stem])}."
    )


def _left_out(release: Path, chosen: Sequence[str]) -> Counter[str]:
    """Counts of the audio files of the sessions that are there, but not to be read."""
    others = [session for session in _SESSIONS if session not in chosen]
    return Counter(
        {
            f"audio of Session{session}, which is not in corpus.sessions": len(
                audio_below(release / f"Session{session}" / "sentences" / "wav")
            )
            for session in others
        }
    )


def _check_folds(corpus: Corpus, chosen: Sequence[str]) -> None:
    """Check that every session is left, so that fold k tests the k-th session that the user asked for."""
    missing = [session for session in chosen if session not in corpus.sessions]
    if missing:
        raise UserError(
            f"{corpus.root} has no usable turn in session {', '.join(missing)}, so folds would test other sessions "
            f"than their numbers say. Dropped: {dropped_text(corpus.dropped)}. Change corpus.turns, corpus.labels or "
            f"corpus.exclude, or, with corpus=iemocap, read the other sessions only: {_with_sessions(corpus.sessions)}."
        )
