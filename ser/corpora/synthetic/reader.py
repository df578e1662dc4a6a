"""The default corpus: generated speech-like turns in IEMOCAP's layout, so that everything can run without data.

``script`` decides who speaks when and with which emotion, ``voice`` makes the sound. This module writes the folders and
files, and IEMOCAP's reader reads them. Every turn has its own random generator, so the number and order of the workers
has no influence: on one machine, the same size and seed give the same bytes.
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
from numpy.typing import NDArray
from scipy.io import wavfile

from ser.corpora import iemocap
from ser.corpora.synthetic import voice
from ser.corpora.synthetic.script import EMOTIONS, SIZES, Turn, generator, plan
from ser.corpora.table import Corpus
from ser.errors import UserError
from ser.system.files import expanded, lock, write_text
from ser.system.pool import imap

VERSION = 3
"""Version of the generator. Raise it with every change that alters a byte of the generated files."""

_LOG = logging.getLogger(__name__)
_GENERATOR = "ser.corpora.synthetic"  # the name in corpora that were generated before; not this module's
_SIGNATURE_KEYS = ("generator", "version", "size", "seed")  # they determine every byte of the generated files
_NOTICE = "Generated speech-like signals, not recordings of people: numbers computed on them say nothing about people."
_HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
_LITTER = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        \x00\x02\xff"  # of macOS' ._ files


def read(
    root: str | Path,
    *,
    size: str = "small",
    seed: int = 0,
    turns: str = "improvised",
    labels: Mapping[str, str | None] = iemocap.LABELS,
    exclude: Sequence[str] = (),
) -> Corpus:
    """Read the synthetic corpus in ``root``; generate it first if ``root`` does not exist.

    If the generation fails or is interrupted, ``root`` is not created.

    Args:
        root: a folder for this corpus only.
        size: "small" (200 usable improvised turns) or "paper" (2943, as in the paper).
        seed: seed of the whole corpus, from 0.
        turns: "improvised" (as in the paper), "scripted" or "all".
        labels: maps IEMOCAP's labels to classes. Turns whose label is missing here or maps to None are dropped.
        exclude: ids of utterances to leave out.

    Raises:
        UserError: ``size`` or ``seed`` is not valid, ``root`` exists but holds something else, or ``root`` cannot be
            written.
    """
    root = expanded(root)
    signature = _signature(size, seed)
    iemocap.used_labels(turns, labels)  # a mistake is told before the speech is generated
    if not root.exists():
        _make_once(root, signature)
    _check(root, signature)
    corpus = iemocap.read(root, turns=turns, labels=labels, exclude=exclude)
    return replace(corpus, name="synthetic")


def sound(turn: Turn, seed: int) -> NDArray[np.int16]:
    """Generate the recording of a turn.

    The voice is the same in all turns of a speaker; recording level and noise are about the same in all turns of a
    dialog.

    Args:
        turn: the turn.
        seed: seed of the corpus.

    Returns:
        Samples at ``voice.SAMPLE_RATE`` Hz, shape (samples,).
    """
    rng = generator(seed, turn.id)
    speaker = voice.speaker(turn.gender, generator(seed, turn.session, turn.gender))
    speech = voice.speak(speaker, voice.manner(turn.affect, rng), turn.end - turn.start, rng)
    room = generator(seed, turn.dialog)
    gain, noise = room.normal(0.0, 1.0), room.normal(-64.0, 1.5)  # dB
    return voice.record(speech, gain + rng.normal(0.0, 0.7), noise, rng)


def _signature(size: str, seed: int) -> dict[str, Any]:
    """The content of ``SYNTHETIC.json``, after a check of ``size`` and ``seed``."""
    if size not in SIZES:
        raise UserError(f"corpus.size={size} is not a size of the synthetic corpus. Choose small or paper.")
    if type(seed) is not int or seed < 0:
        raise UserError(f"corpus.seed={seed} is not a whole number of at least 0. Give one.")
    return {"generator": _GENERATOR, "version": VERSION, "size": size, "seed": seed, "notice": _NOTICE}


def _make_once(root: Path, signature: Mapping[str, Any]) -> None:
    """Generate the corpus. If several processes call this at the same time, one generates and the others wait."""
    try:
        with lock(root.with_name(f".{root.name}.lock")):
            if not root.exists():
                _make(root, signature)
    except OSError as error:
        raise UserError(
            f"The synthetic corpus could not be written to {root.absolute()} (corpus.root): {error}. "
            "Give corpus.root a folder on a disk that can be written to and has room."
        ) from error


def _make(root: Path, signature: Mapping[str, Any]) -> None:
    """Write everything to a temporary folder beside ``root``, then rename the complete folder to ``root``."""
    temporary = root.with_name(f".{root.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)  # left by a process that was killed
    try:
        _write_tree(temporary, plan(signature["size"], signature["seed"]), signature["seed"])
        write_text(temporary / iemocap.MARKER_FILE, json.dumps(signature, indent=2) + "\n")
        temporary.rename(root)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _check(root: Path, signature: Mapping[str, Any]) -> None:
    """Refuse a folder that does not hold the requested corpus. It may hold the user's files, so nothing is changed."""
    file, where = root / iemocap.MARKER_FILE, f"{root.absolute()} (corpus.root)"
    try:
        found = dict(json.loads(file.read_text(encoding="utf-8")))
        found = {key: found[key] for key in _SIGNATURE_KEYS}
    except (OSError, ValueError, TypeError, KeyError):
        raise UserError(
            f"{where} is not a generated corpus (corpus=synthetic, the default): it has no valid {file.name}. Say "
            "which corpus it is, such as corpus=emodb, or corpus=manifest for a CSV file; or give corpus.root another "
            "folder."
        ) from None
    for key in _SIGNATURE_KEYS:
        if found[key] != signature[key]:
            difference = f"{key} {found[key]}, but {key} {signature[key]} is needed"
            raise UserError(
                f"{where} was generated with {difference}. Give corpus.root another folder, or delete this one "
                "yourself."
            )


def _write_tree(root: Path, turns: Sequence[Turn], seed: int) -> None:
    seconds = sum(turn.end - turn.start for turn in turns)
    _LOG.info("Generating the synthetic corpus: %d turns, %.0f s of speech-like sound.", len(turns), seconds)
    dialogs = defaultdict(list)
    for turn in turns:
        dialogs[turn.dialog].append(turn)
    for dialog, dialog_turns in dialogs.items():
        _wav(root, dialog_turns[0]).parent.mkdir(parents=True)
        folder = root / f"Session{dialog_turns[0].session}" / "dialog" / "EmoEvaluation"
        _write_labels(folder, dialog, dialog_turns)
    for _ in imap(_write_sound, [(_wav(root, turn), turn, seed) for turn in turns], "Generating speech"):
        pass


def _wav(root: Path, turn: Turn) -> Path:
    return root / f"Session{turn.session}" / "sentences" / "wav" / turn.dialog / f"{turn.id}.wav"


def _write_sound(job: tuple[Path, Turn, int]) -> None:
    path, turn, seed = job
    wavfile.write(path, voice.SAMPLE_RATE, sound(turn, seed))


def _write_labels(folder: Path, dialog: str, turns: Sequence[Turn]) -> None:
    """Write the label file of a dialog, and the files beside it in the real corpus that a reader must ignore."""
    write_text(folder / f"{dialog}.txt", _HEADER + "\n".join("\n".join(_block(turn)) + "\n" for turn in turns))
    (folder / f"._{dialog}.txt").write_bytes(_LITTER)
    words = "".join(f"{turn.id} :{EMOTIONS[turn.label].word}; ()\n" for turn in turns)
    scores = "".join(f"{turn.id} :{_scores(turn.scores[0], '; :')}; ()\n" for turn in turns)
    write_text(folder / "Categorical" / f"{dialog}_e2_cat.txt", words)
    write_text(folder / "Attribute" / f"{dialog}_e3_atr.txt", scores)
    write_text(folder / "Self-evaluation" / f"{dialog}_f{turns[0].session}_cat.txt", words)


def _block(turn: Turn) -> Iterator[str]:
    """The lines of a turn in the label file: the agreed label and mean ratings, then every rater and the speaker."""
    means = ", ".join(f"{mean:.4f}" for mean in turn.ratings)
    yield f"[{turn.start:.4f} - {turn.end:.4f}]\t{turn.id}\t{turn.label}\t[{means}]"
    word, speaker = EMOTIONS[turn.label].word, f"{turn.gender}{turn.session}"
    words = (word, "Frustration", "Sadness") if turn.label == "xxx" else (word, word, word)
    for rater, vote in zip(("E2", "E3", "E4", speaker), (*words, word), strict=True):
        yield f"C-{rater}:\t{vote};\t()"
    affect = turn.affect
    self_scores = (round(affect.valence), round(affect.activation), round(affect.dominance))
    for rater, scores in zip(("E3", "E4", "E5"), turn.scores, strict=False):
        yield f"A-{rater}:\t{_scores(scores)};\t()"
    yield f"A-{speaker}:\t{_scores(self_scores)};\t()"


def _scores(scores: Sequence[int], separator: str = "; ") -> str:
    valence, activation, dominance = scores
    return separator.join((f"val {valence}", f"act {activation}", f"dom  {dominance}"))
