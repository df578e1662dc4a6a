"""A corpus of integer noise that is the same, byte for byte, on every machine, and the sweep that was run on it."""

import wave
from pathlib import Path

SWEEP = [
    "-m", "corpus=manifest", "corpus.root=corpus.csv", "length=0.5", "model.channels=2", "trainer.max_epochs=2",
    "fold=[1,2]", "device=cpu", "engine=serial", "loss=cos,none", "lambda=0.6,0.7", "repeats=2", "sweep=former",
]  # fmt: skip
"""Three configurations (the baseline has no lambda), two seeds, two folds: twelve trainings."""


def make_corpus(folder: Path) -> None:
    """Write ``corpus.csv`` and 48 files of 0.6 s: three sessions of two speakers, two classes of unlike loudness."""
    lines, state = ["path,emotion,session,speaker,gender"], 12345
    for number in range(48):
        emotion, speaker = number % 2, number // 8
        loudness = 2000 if emotion else 300 * (1 + number % 3)
        samples = bytearray()
        for _ in range(9600):
            state = (1103515245 * state + 12345) % 2**31
            samples += ((state >> 16) * loudness // 32768 - loudness // 2).to_bytes(2, "little", signed=True)
        with wave.open(str(folder / f"{number:02d}.wav"), "wb") as file:
            file.setparams((1, 2, 16000, 9600, "NONE", ""))
            file.writeframes(bytes(samples))
        lines.append(f"{number:02d}.wav,{['calm', 'loud'][emotion]},{speaker // 2 + 1},s{speaker},{'fm'[speaker % 2]}")
    (folder / "corpus.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
