"""Small corpora on disk, each in the layout of the real one."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import soundfile

RATE = 16_000

RATERS = """C-E2:	Neutral;	()
C-F1:	Neutral; Anger;	(between the two)
A-E3:	val 3; act 2; dom  2;	()
A-F1:	val 3; act 2; dom  1;	(caf\xe9)
"""
MACOS_LITTER = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        \xff\xfe"


def wav(path: Path, seconds: float = 0.02) -> Path:
    """Write ``seconds`` of a tone to ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    times = np.arange(round(seconds * RATE)) / RATE
    soundfile.write(path, 0.1 * np.sin(2 * np.pi * 220 * times), RATE)
    return path


def split_csv(folder: Path, counts: dict[str, int], speakers: int = 2, column: str = "split") -> Path:
    """A CSV with an official split: of each word so many noises of both emotions, by ``speakers`` of that word."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [f"path,emotion,speaker,{column}"]
    for word, count in counts.items():
        for emotion in ("angry", "sad"):
            for number in range(count):
                name = f"{word}-{emotion}-{number}.wav"
                soundfile.write(folder / name, np.random.default_rng(len(rows)).normal(0, 0.1, RATE // 10), RATE)
                rows.append(f"{name},{emotion},{word}{number % speakers},{word}")
    (folder / "mine.csv").write_text("\n".join(rows), encoding="utf-8")
    return folder / "mine.csv"


def turn(name: str, label: str, ratings: str = "2.5000, 2.5000, 2.5000") -> str:
    """The line of a turn in a label file of IEMOCAP."""
    return f"[6.2901 - 8.2357]\t{name}\t{label}\t[{ratings}]"


def iemocap(root: Path, turns: Iterable[str]) -> Path:
    """Write a release of IEMOCAP: label files and audio of ``turns`` in their sessions, and files to be ignored."""
    dialogs: dict[str, list[str]] = {}
    for line in turns:
        name = line.split("\t")[1]
        dialogs.setdefault(name.rpartition("_")[0], []).append(line)
        wav(iemocap_wav(root, name))
    for dialog, lines in dialogs.items():
        iemocap_labels(root, dialog, lines)
    return root


def iemocap_wav(root: Path, name: str) -> Path:
    """The path of an utterance's audio file."""
    return root / f"Session{name[4]}" / "sentences" / "wav" / name.rpartition("_")[0] / f"{name}.wav"


def iemocap_labels(root: Path, dialog: str, lines: Sequence[str]) -> Path:
    """Write a dialog's label file, single raters in it and in subfolders, and the hidden file that macOS adds."""
    folder = root / f"Session{dialog[4]}" / "dialog" / "EmoEvaluation"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{dialog}.txt"
    blocks = [f"{line}\n{RATERS}\n" for line in lines]
    file.write_bytes(("% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n" + "".join(blocks)).encode("latin-1"))
    (folder / f"._{dialog}.txt").write_bytes(MACOS_LITTER + b"\n[not a turn]\n")
    for subfolder in ("Attribute", "Categorical", "Self-evaluation"):
        (folder / subfolder).mkdir(exist_ok=True)
        (folder / subfolder / f"{dialog}_e2.txt").write_text(f"{turn(f'{dialog}_F099', 'ang')}\n")
    return file


def ravdess_names(actors: Iterable[int], channel: int = 1) -> list[str]:
    """The names, without suffix, of all audio-only files of the given actors. Neutral has no strong intensity."""
    return [
        f"03-{channel:02}-{emotion:02}-{intensity:02}-{statement:02}-{repetition:02}-{actor:02}"
        for actor in actors
        for emotion in range(1, 9)
        for intensity in ((1,) if emotion == 1 else (1, 2))
        for statement in (1, 2)
        for repetition in (1, 2)
    ]


def ravdess(root: Path, names: Iterable[str], suffix: str = ".wav") -> Path:
    """Write empty files in the folders of their actors; the reader of RAVDESS opens no file."""
    for name in names:
        folder = root / f"Actor_{name[-2:]}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}{suffix}").touch()
    return root
