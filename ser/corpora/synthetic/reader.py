"""The default corpus: generated speech-like turns in IEMOCAP's own layout, so that everything runs without data.

``synthetic_plan`` says who says what, ``voice`` how it sounds; this module writes the tree and hands it to IEMOCAP's
reader. The sound of a turn has its own generator, so the result does not depend on the order or number of workers: on
one machine the same size and seed give the same bytes.
"""

import json
import logging
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from scipy.io import wavfile

from ser.corpora import iemocap
from ser.corpora.synthetic import voice
from ser.corpora.synthetic.script import EMOTIONS, SIZES, Turn, generator, plan
from ser.corpora.table import Corpus
from ser.errors import UserError
from ser.system.files import write_text
from ser.system.pool import imap

VERSION = 3
"""To be raised with every change that alters a byte of what is generated."""

_LOG = logging.getLogger(__name__)
_DECIDES = ("generator", "version", "size", "seed")  # what the bytes depend on
_NOTICE = "Generated speech-like signals, not recordings of people: numbers computed on them say nothing about people."
_HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
_LITTER = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        \x00\x02\xff"  # what macOS leaves beside a file


def read(
    root: str | Path,
    *,
    size: str = "small",
    seed: int = 0,
    turns: str = "improvised",
    labels: Mapping[str, str | None] = iemocap.LABELS,
    exclude: Sequence[str] = (),
) -> Corpus:
    """The generated corpus in ``root``; if nothing is there it is made first, whole or not at all.

    Args:
        root: a folder of its own.
        size: "small", about 200 usable turns, or "paper", the paper's 2943.
        seed: of the whole corpus, from 0.
        turns: "improvised" (the paper's), "scripted" or "all".
        labels: IEMOCAP's label -> class; what is missing or None is dropped.
        exclude: ids of utterances to leave out.

    Raises:
        UserError: ``size`` or ``seed`` is not valid, ``root`` holds something else, or it cannot be written.
    """
    root = Path(root).expanduser()
    mark = _mark(size, seed)
    if not root.exists():
        _make_once(root, mark)
    _check(root, mark)
    corpus = iemocap.read(root, turns=turns, labels=labels, exclude=exclude)
    return replace(corpus, name="synthetic")


def sound(turn: Turn, seed: int) -> NDArray[np.int16]:
    """The recording of a turn: a speaker sounds alike in all turns, and so does a dialog's room."""
    rng = generator(seed, turn.id)
    who = voice.speaker(turn.gender, generator(seed, turn.session, turn.gender))
    speech = voice.speak(who, voice.manner(turn.affect, rng), turn.end - turn.start, rng)
    room = generator(seed, turn.dialog)
    gain, noise = room.normal(0.0, 1.0), room.normal(-64.0, 1.5)  # dB
    return voice.record(speech, gain + rng.normal(0.0, 0.7), noise, rng)


def _mark(size: str, seed: int) -> dict[str, Any]:
    """What ``SYNTHETIC.json`` says of a corpus."""
    if size not in SIZES:
        raise UserError(f"corpus.size={size} is not a size of the synthetic corpus. Choose small or paper.")
    if type(seed) is not int or seed < 0:
        raise UserError(f"corpus.seed={seed} is not a whole number from 0. Give one.")
    return {"generator": __name__, "version": VERSION, "size": size, "seed": seed, "notice": _NOTICE}


def _make_once(root: Path, mark: Mapping[str, Any]) -> None:
    """Make the corpus, once even if several jobs ask for it at the same time."""
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(root.with_name(f".{root.name}.lock")):
            if not root.exists():
                _make(root, mark)
    except OSError as error:
        raise UserError(
            f"The synthetic corpus could not be written to {root.absolute()} (corpus.root): {error}. "
            "Give corpus.root a folder on a disk that can be written to and has room."
        ) from error


def _make(root: Path, mark: Mapping[str, Any]) -> None:
    """Write the tree beside ``root`` and move it there when it is whole."""
    part = root.with_name(f".{root.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # of a program that was killed
    try:
        _write_tree(part, plan(mark["size"], mark["seed"]), mark["seed"])
        write_text(part / iemocap.SYNTHETIC_MARK, json.dumps(mark, indent=2) + "\n")
        part.rename(root)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _check(root: Path, mark: Mapping[str, Any]) -> None:
    """Refuse a folder that is not the corpus asked for; it is the user's, so nothing in it is touched."""
    file, where = root / iemocap.SYNTHETIC_MARK, f"{root.absolute()} (corpus.root)"
    advice = "Give corpus.root another folder, or remove this one yourself."
    try:
        found = dict(json.loads(file.read_text(encoding="utf-8")))
        found = {key: found[key] for key in _DECIDES}
    except (OSError, ValueError, TypeError, KeyError):
        raise UserError(f"{where} is not a generated corpus: it has no valid {file.name}. {advice}") from None
    for key in _DECIDES:
        if found[key] != mark[key]:
            raise UserError(f"{where} was generated with {key} {found[key]}, asked for is {mark[key]}. {advice}")


def _write_tree(root: Path, turns: Sequence[Turn], seed: int) -> None:
    seconds = sum(turn.end - turn.start for turn in turns)
    _LOG.info("Generating the synthetic corpus: %d turns, %.0f s of speech-like sound.", len(turns), seconds)
    dialogs = defaultdict(list)
    for turn in turns:
        dialogs[turn.dialog].append(turn)
    for dialog, spoken in dialogs.items():
        _wav(root, spoken[0]).parent.mkdir(parents=True)
        _write_labels(root / f"Session{spoken[0].session}" / "dialog" / "EmoEvaluation", dialog, spoken)
    for _ in imap(_write_sound, [(_wav(root, turn), turn, seed) for turn in turns], "Generating speech"):
        pass


def _wav(root: Path, turn: Turn) -> Path:
    return root / f"Session{turn.session}" / "sentences" / "wav" / turn.dialog / f"{turn.id}.wav"


def _write_sound(job: tuple[Path, Turn, int]) -> None:
    path, turn, seed = job
    wavfile.write(path, voice.SAMPLE_RATE, sound(turn, seed))


def _write_labels(folder: Path, dialog: str, turns: Sequence[Turn]) -> None:
    """The evaluation file of a dialog, and what lies around it in the real corpus and is not to be read."""
    write_text(folder / f"{dialog}.txt", _HEADER + "\n".join("\n".join(_block(turn)) + "\n" for turn in turns))
    (folder / f"._{dialog}.txt").write_bytes(_LITTER)
    words = "".join(f"{turn.id} :{EMOTIONS[turn.label].word}; ()\n" for turn in turns)
    scores = "".join(f"{turn.id} :{_scores(turn.scores[0], '; :')}; ()\n" for turn in turns)
    write_text(folder / "Categorical" / f"{dialog}_e2_cat.txt", words)
    write_text(folder / "Attribute" / f"{dialog}_e3_atr.txt", scores)
    write_text(folder / "Self-evaluation" / f"{dialog}_f{turns[0].session}_cat.txt", words)


def _block(turn: Turn) -> Iterator[str]:
    """A turn's lines in the evaluation file: what the raters agree on, then each rater and the speaker."""
    means = ", ".join(f"{mean:.4f}" for mean in turn.ratings)
    yield f"[{turn.start:.4f} - {turn.end:.4f}]\t{turn.id}\t{turn.label}\t[{means}]"
    word, speaker = EMOTIONS[turn.label].word, f"{turn.gender}{turn.session}"
    words = (word, "Frustration", "Sadness") if turn.label == "xxx" else (word, word, word)
    for rater, vote in zip(("E2", "E3", "E4", speaker), (*words, word), strict=True):
        yield f"C-{rater}:\t{vote};\t()"
    affect = turn.affect
    own = (round(affect.valence), round(affect.activation), round(affect.dominance))
    for rater, scores in zip(("E3", "E4", "E5"), turn.scores, strict=False):
        yield f"A-{rater}:\t{_scores(scores)};\t()"
    yield f"A-{speaker}:\t{_scores(own)};\t()"


def _scores(scores: Sequence[int], separator: str = "; ") -> str:
    valence, activation, dominance = scores
    return separator.join((f"val {valence}", f"act {activation}", f"dom  {dominance}"))
