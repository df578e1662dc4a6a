"""The command ``python -m ser.corpora``, run as a process."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from corpora.trees import iemocap, turn, wav

REPOSITORY = Path(__file__).parents[2]
VARIABLES = ("IEMOCAP", "EMODB", "RAVDESS", "CREMAD", "MANIFEST", "AUDFORMAT", "HYDRA_FULL_ERROR")


ONE_EACH = (
    "as many as utterances (3), so tables over speakers are left out; validation=speaker and "
    "feature.normalisation=speaker take every utterance for a speaker of its own"
)
NO_MAN = "has no usable utterance of speaker Ses02M. Is the copy complete?\n"
NO_WOMAN = NO_MAN.replace("Ses02M", "Ses02F")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command without the environment variables that this machine may set."""
    clean = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    return subprocess.run(
        [sys.executable, "-m", "ser.corpora", *arguments],
        cwd=REPOSITORY,
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = iemocap(
        tmp_path_factory.mktemp("iemocap"),
        [
            turn("Ses01F_impro01_F000", "neu", "2.0000, 2.5000, 4.0000"),
            turn("Ses01F_impro01_M003", "ang", "1.5000, 5.5000, 3.9999"),
            turn("Ses02F_impro01_F000", "exc"),
            turn("Ses02F_impro01_M000", "xxx"),
            turn("Ses02F_script01_1_M000", "sad"),
        ],
    )
    wav(root / "Session2/sentences/wav/Ses02F_impro01/Ses02F_impro01_F000.wav", seconds=3.5)
    return root


def test_json_holds_the_counts_and_nothing_else(release: Path) -> None:
    done = run("corpus=iemocap", f"corpus.root={release}", "corpus.sessions=[1,2]", "format=json")
    assert (done.returncode, done.stderr) == (0, f"{release} {NO_MAN}")
    summary = json.loads(done.stdout)
    assert "have the same audio" in summary["copies"].pop("problems")[0]
    assert summary.pop("doubt_of_speakers") == ONE_EACH
    assert summary == {
        "corpus": "iemocap",
        "root": str(release),
        "synthetic": False,
        "utterances": 3,
        "emotions": {"angry": 1, "happy": 1, "neutral": 1},
        "genders": {"female": 2, "male": 1},
        "sessions": {"1": 2, "2": 1},
        "speakers": {"Ses01F": 1, "Ses01M": 1, "Ses02F": 1},
        "sessions_by_emotion": {
            "1": {"angry": 1, "happy": 0, "neutral": 1},
            "2": {"angry": 0, "happy": 1, "neutral": 0},
        },
        "session_rule": "as recorded, an actress and an actor each",
        "folds": {"1": "1", "2": "2"},
        "durations": {
            "total_s": 3.54,
            "mean_s": 1.18,
            "median_s": 0.02,
            "min_s": 0.02,
            "max_s": 3.5,
            "longer_than_3_s": 0.3333,
            "longer_than_9_s": 0.0,
        },
        "ratings": {
            "valence": {"low": 2, "medium": 1, "high": 0, "none": 0},
            "activation": {"low": 0, "medium": 2, "high": 1, "none": 0},
            "dominance": {"low": 0, "medium": 2, "high": 1, "none": 0},
        },
        "rating_ranges": {"valence": [1.5, 2.5], "activation": [2.5, 5.5], "dominance": [2.5, 4.0]},
        "copies": {"within_speaker": 0, "across": 1, "two_labels": 1, "reencoded": 0, "unseen_problems": []},
        "shared_speakers": None,
        "dropped": {"label xxx (no agreement)": 1, "scripted turn": 1},
    }


def test_the_table_is_aligned_and_complete(release: Path) -> None:
    done = run(
        "corpus=iemocap", "corpus.turns=all", "corpus.labels.exc=null", "corpus.sessions=[1,2]", IEMOCAP=str(release)
    )
    assert (done.returncode, done.stderr) == (0, f"{release} {NO_WOMAN}")
    description, copies, dropped = done.stdout.rpartition("\n\ncopies")[0], *done.stdout.split("\n\n")[-2:]
    assert copies.startswith("copies      1 in two sessions or under two speakers, 1 with two labels\n")
    assert (
        f"{description}\n\n{dropped}"
        == f"""\
corpus      iemocap
root        {release}
utterances  3 (1 female, 2 male)
sessions    as recorded, an actress and an actor each
speakers    {ONE_EACH}

session  angry  sad  neutral  all
1            1    0        1    2
2            0    1        0    1
all          1    1        1    3

speaker  gender  session  utterances
Ses01F   female  1                 1
Ses01M   male    1                 1
Ses02M   male    2                 1

durations   0.0 min in all; mean 0.02 s, median 0.02 s, 0.02 to 0.02 s
            0.0 % longer than 3 s, 0.0 % longer than 9 s

rating      low (<= 2)  medium  high (>= 4)  none  from  to
valence              2       1            0     0  1.5   2.5
activation           0       2            1     0  2.5   5.5
dominance            0       2            1     0  2.5   4

dropped                   turns
label exc                     1
label xxx (no agreement)      1
"""
    )


def test_durations_follow_start_and_end_and_unknown_genders_are_counted(tmp_path: Path) -> None:
    wav(tmp_path / "a.wav", seconds=2.0)
    (tmp_path / "a.csv").write_text(
        "path,emotion,session,speaker,gender,start,end\n"
        "a.wav,sad,1,anna,f,,0.5\na.wav,sad,1,anna,f,0.5,1.75\na.wav,joy,2,x,,1.75,\n"
    )
    done = run("corpus=manifest", f"corpus.root={tmp_path}", "corpus.labels={sad: blue,joy: joy}", "format=json")
    summary = json.loads(done.stdout)
    assert summary["emotions"] == {"blue": 2, "joy": 1}
    assert summary["genders"] == {"female": 2, "male": 0, "unknown": 1}
    assert (summary["durations"]["total_s"], summary["durations"]["max_s"]) == (2.0, 1.25)
    assert summary["ratings"]["valence"] == {"low": 0, "medium": 0, "high": 0, "none": 3}


def manifest(folder: Path, sessions: str) -> Path:
    """A CSV with two utterances of one speaker in each session; the sessions are separated by blanks."""
    rows = ["path,emotion,session,speaker,valence"]
    for session in sessions.split():
        for number, emotion in enumerate(("sad", "angry")):
            wav(folder / f"{session}{number}.wav")
            rows.append(f"{session}{number}.wav,{emotion},{session},speaker {session},{number or ''}")
    (folder / "a.csv").write_text("\n".join(rows))
    return folder


def test_the_fold_that_tests_each_session_is_told_where_it_is_not_the_sessions_number(tmp_path: Path) -> None:
    root = manifest(tmp_path, "1 2 4")
    table = run("corpus=manifest", f"corpus.root={root}").stdout.split("\n\n")[1]
    assert table.splitlines() == [
        "fold  session  angry  sad  all",
        "1     1            1    1    2",
        "2     2            1    1    2",
        "3     4            1    1    2",
        "      all          3    3    6",
    ]
    assert json.loads(run("corpus=manifest", f"corpus.root={root}", "format=json").stdout)["folds"]["3"] == "4"


@pytest.mark.parametrize("sessions", ["1 2 3", "01 02 03", "Ses1 Ses2 Ses3"])
def test_sessions_in_the_order_of_their_numbers_need_no_fold(tmp_path: Path, sessions: str) -> None:
    assert "fold" not in run("corpus=manifest", f"corpus.root={manifest(tmp_path, sessions)}").stdout


def test_the_range_of_ratings_is_told_and_is_empty_without_ratings(tmp_path: Path) -> None:
    done = run("corpus=manifest", f"corpus.root={manifest(tmp_path, '1 2')}")
    assert "valence              2       0            0     2  1     1\n" in done.stdout
    assert "activation           0       0            0     4\n" in done.stdout


@pytest.mark.parametrize(
    ("other", "parts"),
    [
        ("b.wav,sad,1,anna", ["copies      1 within a speaker and session (kept together, in training"]),
        ("b.wav,sad,2,bert", ["copies      1 in two sessions or under two speakers\n", "a (line 2, ", "b (line 5, "]),
        ("b.wav,joy,1,anna", ["1 with two labels\n", "a (line 2, ", "b (line 5, ", "but emotion sad and joy."]),
        ("c.wav,joy,1,anna", ["copies      none\n"]),
    ],
)
@pytest.mark.parametrize("duplicates", ["refuse", "keep"])
def test_copies_are_counted_and_what_is_refused_is_named(
    tmp_path: Path, other: str, parts: list[str], duplicates: str
) -> None:
    wav(tmp_path / "a.wav", 0.1)
    wav(tmp_path / "b.wav", 0.1)
    for number, name in enumerate("cde"):
        wav(tmp_path / f"{name}.wav", 0.2 + 0.1 * number)
    rows = ["path,emotion,session,speaker", "a.wav,sad,1,anna", "d.wav,sad,2,bert", "e.wav,joy,2,bert", other]
    (tmp_path / "a.csv").write_text("\n".join(rows))
    done = run("corpus=manifest", f"corpus.root={tmp_path}", f"corpus.duplicates={duplicates}")
    assert done.returncode == 0
    for part in parts:
        assert part in done.stdout
    word = "refuses" if duplicates == "refuse" else "accepts"
    assert (f"ser.run {word} (corpus.duplicates={duplicates}): " in done.stdout) == ("line 2" in done.stdout)


def test_a_reencoded_recording_under_another_speaker_is_named(tmp_path: Path) -> None:
    root = manifest(tmp_path, "1 2")
    for number, path in enumerate(sorted(tmp_path.glob("*.wav"))):
        wav(path, 0.1 + 0.1 * number)
    samples, rate = soundfile.read(tmp_path / "10.wav")
    soundfile.write(tmp_path / "x.flac", samples, rate)
    with (root / "a.csv").open("a") as file:
        file.write("\nx.flac,sad,2,speaker 2,")
    done = run("corpus=manifest", f"corpus.root={root}")
    assert "copies      1 as the same sound in files of other content\n" in done.stdout
    assert "ser.run does not see (their files differ): " in done.stdout
    assert "10 (line 2, " in done.stdout
    assert "x (line 6, " in done.stdout


def test_a_generated_corpus_is_labelled_synthetic(release: Path, tmp_path: Path) -> None:
    wrapped = tmp_path / "generated"
    wrapped.mkdir()
    (wrapped / "IEMOCAP_full_release").symlink_to(release)
    (wrapped / "SYNTHETIC.json").write_text("{}")
    arguments = ("corpus=iemocap", f"corpus.root={wrapped}", "corpus.sessions=[1,2]")
    assert run(*arguments).stdout.startswith("SYNTHETIC")
    assert json.loads(run(*arguments, "format=json").stdout)["synthetic"] is True


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["corpus=iemocop"], ["corpus=iemocop", "audformat, cremad, emodb, iemocap, manifest, ravdess"]),
        (["corpus=emodb,ravdess"], ["corpus=emodb,ravdess", "one corpus"]),
        (["format=xml"], ["format=xml", "table, json"]),
        (["corpus=emodb", "corpus.rot=/x"], ["'corpus.rot'", "corpus.root, corpus.labels.anger"]),
        (["corpus=emodb", "+corpus.rot=/x"], ["'rot'", "root, labels, sessions, exclude"]),
        (["corpus=emodb", "corpus.duplicates=drop"], ["corpus.duplicates=drop", "refuse, keep"]),
        (["corpus=iemocap", "corpus.root=.", "corpus.sessions=3"], ["corpus.sessions=3", "corpus.sessions=[1,2,3]"]),
        (["loss=cos"], ["loss=cos", "corpus=<name>"]),
        (["emodb"], ["emodb", "corpus=<name>"]),
        (["corpus=emodb", "corpus.labels={a"], ["corpus.labels={a is not understood", "corpus.<key>=<value>"]),
        (["corpus=emodb", "cache.dir="], ["cache.dir=", "names no folder"]),
        (["--json"], ["--json", "format=json"]),
        (["corpus=emodb"], ["corpus=emodb", "EMODB", "emodb.bilderbar.info", "corpus=synthetic"]),
        (["corpus=ravdess", "corpus.root=/nowhere"], ["/nowhere", "corpus.root", "zenodo.org/records/1188976"]),
        (["corpus=emodb", "corpus.root=${nowhere}"], ["corpus=emodb", "nowhere"]),
    ],
)
def test_a_mistake_gives_one_message_and_exit_status_2(arguments: list[str], parts: list[str]) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    for part in parts:
        assert part in done.stderr


def test_a_broken_audio_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "03a01Wa.wav").write_bytes(b"not audio")
    wav(tmp_path / "03a01Fa.wav")
    done = run("corpus=emodb", f"corpus.root={tmp_path}")
    assert done.returncode == 2
    assert f"{tmp_path}/03a01Wa.wav: cannot be read as audio" in done.stderr


def test_every_broken_audio_file_is_named(tmp_path: Path) -> None:
    wav(tmp_path / "03a01Fa.wav")
    broken = [tmp_path / f"03a0{number}Wa.wav" for number in range(1, 9)]
    for file in broken:
        file.write_bytes(b"version https://git-lfs.github.com/spec/v1")
    message = run("corpus=emodb", f"corpus.root={tmp_path}").stderr
    assert [line for line in message.splitlines() if "cannot be read as audio" in line][-8:] == [
        line for line in message.splitlines() if any(line.startswith(str(file)) for file in broken)
    ]
    assert sum(str(file) in message for file in broken) == 8


def test_how_speakers_were_put_into_sessions_is_told(tmp_path: Path) -> None:
    root = manifest(tmp_path, "1 2 3")
    arguments = ("corpus=manifest", f"corpus.root={root}")
    assert "\nsessions    the column session\n" in run(*arguments).stdout
    assert "\nsessions    2 groups of speakers with about as many men" in run(*arguments, "corpus.sessions=2").stdout
    by_speaker = run(*arguments, "corpus.sessions=speakers", "format=json")
    assert json.loads(by_speaker.stdout)["sessions"] == {"speaker 1": 2, "speaker 2": 2, "speaker 3": 2}


def test_labels_may_be_in_a_file(tmp_path: Path) -> None:
    root = manifest(tmp_path, "1 2")
    (tmp_path / "labels.yaml").write_text("sad: blue\nangry: red\n")
    done = run("corpus=manifest", f"corpus.root={root}", f"corpus.labels={tmp_path / 'labels.yaml'}", "format=json")
    assert json.loads(done.stdout)["emotions"] == {"blue": 2, "red": 2}


def test_verify_tells_what_the_cache_of_cache_dir_did_not_remember(tmp_path: Path) -> None:
    root = manifest(tmp_path, "1 2")
    arguments = ("corpus=manifest", f"corpus.root={root}", "verify=true", f"cache.dir={tmp_path / 'my cache'}")
    read = f"verified: 4 audio files read; {{}} that the cache {tmp_path / 'my cache'} did not remember "
    assert read.format(4) in run(*arguments).stderr
    assert read.format(0) in run(*arguments).stderr
    wav(tmp_path / "11.wav", seconds=0.5)
    done = run(*arguments)
    assert read.format(1) in done.stderr
    assert done.returncode == 0
    assert "0 other than it remembered" in done.stderr


def test_verify_decodes_every_file_and_names_damaged_ones(tmp_path: Path) -> None:
    root = manifest(tmp_path, "1 2")
    whole = wav(tmp_path / "11.wav", seconds=1.0).read_bytes()
    (tmp_path / "11.wav").write_bytes(whole[: len(whole) // 2])
    arguments = ("corpus=manifest", f"corpus.root={root}", f"cache.dir={tmp_path / 'cache'}")
    assert run(*arguments).returncode == 0
    done = run(*arguments, "verify=true")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"11: {tmp_path}/11.wav: is cut off" in done.stderr
    assert "1 of the 4 utterances" in done.stderr


def test_an_option_of_ones_own_may_take_its_keys_from_a_shipped_one(tmp_path: Path, release: Path) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "mine.yaml").write_text(f"defaults: [iemocap, _self_]\nroot: {release}\nsessions: [1, 2]\n")
    done = run("--config-dir", str(tmp_path), "corpus=mine", "format=json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["utterances"] == 3
    wrong = run("--config-dir", str(tmp_path), "corpus=mine", "corpus.rot=x")
    assert wrong.returncode == 2
    assert "corpus.root" in wrong.stderr and "corpus.defaults" not in wrong.stderr


def test_hydra_full_error_shows_the_traceback() -> None:
    assert "Traceback" in run("corpus=emodb", HYDRA_FULL_ERROR="1").stderr


def test_help_names_every_corpus() -> None:
    done = run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("audformat", "cremad", "emodb", "iemocap", "manifest", "ravdess"):
        assert f"\n{name} " in done.stdout


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from ser.corpora.__main__ import main; main(['--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    imported = set(done.stdout.splitlines()[-1].split())
    assert "ser.corpora.load" in imported
    assert not imported & {"torch", "librosa", "pandas", "numpy", "scipy", "soundfile", "mlflow"}


def test_a_closed_pipe_is_no_error(release: Path) -> None:
    command = [sys.executable, "-m", "ser.corpora", "corpus=iemocap", f"corpus.root={release}", "corpus.sessions=[1,2]"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read().decode() == f"{release} {NO_MAN}"
    assert process.returncode == 0


def test_an_ascii_terminal_gets_letters_of_ascii(tmp_path: Path) -> None:
    root = manifest(tmp_path, "1 2")
    (root / "a.csv").write_text((root / "a.csv").read_text().replace("speaker 1", "Zoë"))
    done = run("corpus=manifest", f"corpus.root={root}", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\nZoe " in done.stdout


def test_sigterm_ends_it_like_ctrl_c(tmp_path: Path) -> None:
    """While a reader of the user's own, in the current folder, is at work."""
    (tmp_path / "slow.py").write_text(
        "import time\n\ndef read():\n    print('reading', flush=True)\n    time.sleep(60)\n"
    )
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "slow.yaml").write_text("name: slow\n_target_: slow.read\n")
    command = [sys.executable, "-m", "ser.corpora", "--config-dir", ".", "corpus=slow"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=tmp_path, text=True, **pipes) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline() == "reading\n"
        process.send_signal(signal.SIGTERM)
        assert (process.wait(10), process.stderr.read()) == (143, "Interrupted.\n")
