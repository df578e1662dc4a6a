"""What is malformed and typed: each command line is refused with one message, and leaves nothing behind.

A row is a command line, separated by blanks (``␣`` is a blank within an argument), and a part of its message. Further
ones stand where they belong: ``tests/sweep/test_refusals.py`` (as processes), ``tests/corpora`` (what is in the files
of a corpus), ``tests/test_damaged.py`` (what the program itself has stored).
"""

import importlib
import logging
import os
import signal
import socket
import sqlite3
import sys
from contextlib import closing

import pytest

MAINS = {
    "ser.run": "ser.run:main",
    "multirun_analysis": "multirun_analysis.__main__:cli",
    "ser.corpora": "ser.corpora.__main__:cli",
    "ser.predict": "ser.predict.__main__:main",
    "ser.tune": "ser.tune:main",
    "ser.status": "ser.status:main",
    "ser.show": "ser.show.__main__:cli",
    "ser.ui": "ser.ui:cli",
}
"""The function behind each command."""

ON_THE_TINY_CORPUS = ("ser.run", "ser.tune", "ser.show")
"""Commands that get a small corpus, where a row names no other one."""

OPTIONS = {
    "broken.yaml": "name: [broken\nb: }",
    "list.yaml": "- 1\n",
    "empty.yaml": "",
    "nameless.yaml": "_target_: ser.losses.cos.Cosine\n",
    "nowhere.yaml": "name: nowhere\n_target_: nowhere.Loss\n",
    "keyless.yaml": "name: keyless\n_target_: ser.losses.cos.Cosine\n",
    "sized.yaml": "name: sized\n_target_: ser.losses.arcface.ArcFace\nmargin: 0.5\nscale: 8\nnum_classes: 4\n",
    "itself.yaml": "name: itself\n_target_: ser.losses.center.center_loss\n",
    "nested.yaml": "name: nested\n_target_: ser.losses.cos.Cosine\nmargin: {_target_: builtins.float}\n",
}
"""The files in ``own/loss``, a folder of a user's own options."""

RUN = """
l2                                        | 'l2' cannot be read as key=value: it has no equals sign
lambda                                    | 'lambda' cannot be read as key=value
-                                         | '-' cannot be read as key=value
~loss                                     | loss has no option (was it deleted with ~loss?)
loss={a:1}                                | loss={a:1}: loss is chosen by the name of an option
loss=cos,coss                             | loss=coss: there is no such option. loss is one of
loss=glob(zz*)                            | loss=glob(zz*): this sweep has no points
loss.margin=2                             | loss.margin must be a number in [-1, 1), got 2
loss.name=mine                            | loss.name belongs to the option that is chosen
loader.name=loader_2                      | loader.name belongs to the option that is chosen
loader=loader_3                           | loader=loader_3: there is no such option
position=pos_3                            | position=pos_3: there is no such option
lambda=[0.6,0.7]                          | gives lambda a list. Write lambda=0.6,0.7 with -m
lambda=nan                                | or by a number, such as lambda=0.6
lambda=inf                                | or by a number, such as lambda=0.6
lambda=null                               | or by a number, such as lambda=0.6
lambda=true                               | or by a number, such as lambda=0.6
lambda=                                   | lambda=: there is no such option
lambda=-0.1                               | lambda.weight must be a number in [0, 1], got -0.1
lambda=range(1,0)                         | holds no number: the stop is left out
lambda=range(0,1,1e-7)                    | 10,000,000 points, and a sweep may have 100,000
length=0                                  | length.seconds must be a number above 0, got 0
length=-1                                 | length.seconds must be a number above 0, got -1
length=1e9                                | length.seconds must be a number of seconds up to 3600
length=1e400                              | or by a number, such as length=3
length=null                               | or by a number, such as length=3
length=[1,2]                              | gives length a list
length=abc                                | length=abc: there is no such option
length=1,2,                               | a value is missing before or behind a comma
repeats=0                                 | repeats must be a whole number of at least 1, got 0
repeats=1.5                               | repeats must be a whole number of at least 1, got 1.5
repeats=null                              | repeats must be a whole number of at least 1, got null
repeats=1000000000                        | repeats must be a whole number of at most 1,000,000
repeats=1000000                           | 2,000,000 trainings or more, and a sweep may have 1,000,000
seed=-1                                   | seed must be a whole number of at least 0, got -1
seed=1.5                                  | seed must be a whole number of at least 0, got 1.5
seed=abc                                  | seed must be a whole number of at least 0, got abc
seed=range(0)                             | seed=range(0): this sweep has no points
fold=0                                    | fold must be all, a session's number from 1, or a list such as [1,2], got 0
fold=[]                                   | or a list such as [1,2], got []
fold=a                                    | or a list such as [1,2], got a
fold={a:1}                                | or a list such as [1,2], got {'a': 1}
device=gpu                                | device must be auto, cpu, cuda or cuda:N, got gpu
device=cuda:x                             | device must be auto, cpu, cuda or cuda:N, got cuda:x
device=null                               | device must be a word
resume=maybe                              | resume must be one of true, false, failed, got maybe
save=weights                              | save must be one of none, best, all, got weights
results.dir=null                          | results.dir must be a word or a path, got null
results.dir=''                            | results.dir must be a word or a path, got ''
cache.dir=null                            | cache.dir must be a word or a path, got null
results.dir=file                          | results.dir ({folder}/file is a file, no folder)
hydra.sweep.dir=file/x                    | hydra.sweep.dir ({folder}/file is a file, no folder)
hydra.job.chdir=true                      | hydra.job.chdir=true is not supported
hydra.sweeper.params.x=1                  | (in hydra.sweeper.params.x=1)
hydra/launcher=foo                        | hydra/launcher=foo: there is no such option
hydra/sweeper=nowhere                     | hydra/sweeper=nowhere: there is no such option
tracking=foo                              | tracking=foo: there is no such option
tracking.uri=foo://x                      | MLflow knows no store foo:
tracking.uri=mysql+nope://u:hunter2@h/d   | tracking.uri=mysql+nope://u:***@h/d is no address of a database
tracking.uri=http://                      | tracking.uri=http:// cannot take runs
tracking.uri=[1]                          | tracking.uri must be a word or a path or null, got [1]
tracking.uri=sqlite:///garbage.db         | cannot take runs: file is not a database
tracking.uri=sqlite:///other.db           | it is the database of another program, with the tables songs
tracking.uri=sqlite:///file/m.db          | tracking.uri ({folder}/file is a file, no folder)
tracking.experiment=[1]                   | tracking.experiment must be a word
model=foo                                 | spectrogram_cnn_lstm. Those of your own need --config-dir FOLDER
model.hidden=8                            | There is no key model.hidden of model=cnn (model.hidden=8)
model.channels=0                          | model.channels must be a whole number of at least 1, got 0
model.channels=1000000000                 | model.channels must be a whole number of at most 1,000,000
model.channels=4.5                        | model.channels must be a whole number of at least 1, got 4.5
model.kernels=13                          | model.kernels must be a list such as [2,4], got 13
model._target_=nowhere.X                  | model._target_ belongs to the option that is chosen
feature=foo                               | feature=foo: there is no such option
feature.n_fft=1000000000                  | feature.n_fft must be a whole number of at most 1,000,000
feature.hop=0                             | feature.hop must be a whole number of at least 1, got 0
feature.fmax=99999                        | it must be at most 8000, half the sample rate
feature.fmin=7000                         | it must be below feature.fmax=6500
trainer.lr=0                              | trainer.lr must be a number above 0, got 0
trainer.lr=nan                            | trainer.lr must be a number above 0, got nan
trainer.lr=1e-4,,1e-3                     | a value is missing before or behind a comma
trainer.lr=range(0,1,1e-9)                | 1,000,000,000 points, and a sweep may have 100,000
trainer.batch_size=0                      | trainer.batch_size must be a whole number of at least 1
trainer.max_epochs=1e3                    | got 1000 as a decimal number, write 1000
trainer.min_lr=1                          | is above trainer.lr=0.0001, so that training would stop after one epoch
trainer.precision=float16                 | trainer.precision must be one of float32
++trainer.lr=abc                          | trainer.lr must be a number above 0, got abc
+trainer.x=1                              | trainer=adam has no key trainer.x
+new.key=1                                | There is no key new
++new=1                                   | There is no key new
validation.fraction=1                     | validation.fraction must be a number in (0, 1), got 1
validation.fraction=0.9999999             | Fold 1 has no training part
aux_task=foo                              | aux_task=foo: there is no such option
aux_task.weight=2                         | aux_task.weight must be a number in [0, 1], got 2
aux_task=valence aux_task.edges=[2,1]     | aux_task.edges must be a list of rising numbers, got [2, 1]
aux_task=valence aux_task.edges=[9,10]    | The ratings of valence go from
engine=gpu                                | engine=gpu: there is no such option
engine.workers=0                          | engine.workers must be a whole number of at least 1 or null, got 0
sweep=a/b                                 | sweep=a/b must be usable as a folder's name
sweep=../x                                | sweep=../x must be usable as a folder's name
sweep=''                                  | sweep must be a word
dry_run=maybe                             | dry_run=maybe: give true or false
experiment=foo                            | experiment=foo: there is no such option. experiment is one of
--config-name nowhere                     | Cannot find primary config 'nowhere'
--config-path x                           | --config-path is not supported
--config-dir file                         | --config-dir file: there is no such folder
--multirun=1                              | ignored explicit argument '1'
--config-dir own loss=broken              | The file of an option is no YAML: while parsing a flow sequence
--config-dir own loss=list                | The option of loss holds [1]
--config-dir own loss=empty               | The option loss=empty lacks the key `name`
--config-dir own loss=nameless            | The option loss=nameless lacks the key `name`
--config-dir own loss=nowhere             | nowhere.Loss cannot be imported (there is no module 'nowhere'
--config-dir own loss=keyless             | The option loss=keyless lacks the key margin
--config-dir own loss=itself              | center_loss takes labels, as a loss does. It has to name what makes the loss
--config-dir own loss=nested              | loss.margin has a _target_ of its own, which is not made
--config-dir own loss=sized               | loss=sized has the key num_classes, which the program sets
corpus=foo                                | corpus=foo: there is no such option. corpus is one of
corpus.size=huge                          | corpus.size=huge is not a size of the synthetic corpus
corpus.synthetic=1                        | There is no key corpus.synthetic
corpus.exclude=[nobody]                   | corpus.exclude names 'nobody', which is not among the 40 usable utterances
corpus.labels=5                           | corpus.labels=5 is not a mapping
corpus.labels={zzz:angry}                 | There is no key corpus.labels.zzz
corpus.labels=missing.yaml                | corpus.labels=missing.yaml: there is no such file
corpus.duplicates=maybe                   | corpus.duplicates=maybe is not one of refuse, keep
corpus.root=${nope}                       | corpus.root cannot be resolved: Interpolation key 'nope' not found
corpus.root=a␣(b                          | in quotes: "corpus.root='a (b'"
corpus.root=a=b                           | in quotes: "corpus.root='a=b'"
corpus=manifest                           | neither corpus.root nor the environment variable MANIFEST is set
corpus=manifest corpus.root=missing.csv   | there is no {folder}/missing.csv (from corpus.root=missing.csv)
corpus=manifest corpus.root=rows.csv      | has no column speaker and no column session; its header is path, emotion
corpus=manifest corpus.root=bytes.csv     | bytes.csv is not UTF-8
corpus=emodb corpus.root=empty            | does not look like this corpus. Looked for audio wav/*.wav
corpus=several                            | corpus=several needs two corpora or more
"""

ANALYSIS = """
foo                                       | foo: give one of table1, table2
table2 table3                             | table2 table3: give one of
--foo                                     | --foo: give one of
audit=maybe                               | audit must be refuse or shout, got maybe
sweep=nope                                | There is no sweep nope in results/sweeps. There are: none
by=loss                                   | by= is for one sweep: add sweep=NAME
foo=1                                     | foo is no key for a sweep
table3 experiment=fig4                    | table3 is made from the experiments baseline, fig3, fig4
table3 fig9:length=1                      | fig9: is no experiment
table3 loss=coss                          | loss=coss: there is no such option
table1 model.channels=0                   | model.channels must be a whole number of at least 1, got 0
fig2 length=0                             | length.seconds must be a number above 0
robustness show=x                         | show must be tables or commands, got x
robustness variants=missing.yaml          | variants=missing.yaml: there is no such file
robustness sweeps=zzz                     | zzz is no sweep
"""

CORPORA = """
corpus=foo                                | corpus=foo (on the command line) is not possible. Choose one of
format=xml                                | format=xml (on the command line) is not possible. Choose one of table, json
verify=maybe                              | verify=maybe (on the command line) is not possible. Choose one of true
corpus.rot=x                              | The keys of corpus=synthetic are corpus.root
corpus=emodb,ravdess                      | gives several values, but one corpus is described at a time
cache.dir=                                | names no folder
emodb                                     | emodb is not understood
loss=cos                                  | does not take the argument loss=cos
corpus.root=[1                            | corpus.root=[1 is not understood
--config-dir nowhere                      | there is no such folder. Give the folder with your own groups
corpus=emodb corpus.root=nowhere          | there is no {folder}/nowhere (from corpus.root=nowhere)
corpus=emodb corpus.root=file             | is a file, not a folder
corpus=ravdess corpus.root=empty          | Looked for audio Actor_*/*.wav
corpus=cremad corpus.root=empty           | Looked for audio AudioWAV/*.wav
corpus=iemocap corpus.root=empty          | Looked for the folders Session1 to Session5
corpus=audformat corpus.root=empty        | Looked for the header db.yaml
corpus.turns=x                            | corpus.turns=x is not one of improvised, scripted, all
corpus.labels=5                           | corpus.labels=5 is not a mapping
corpus.seed=abc                           | corpus.seed=abc is not a whole number of at least 0
"""

PREDICT = """
a.wav                                     | Which model? Give run=
run= a.wav                                | Which model? Give run=
run=x                                     | What is to be predicted? Give files
run=x a.wav                               | run=x: there is no sweep of this name in results/sweeps
run=x a.wav export=here                   | or export=FOLDER alone
run=x a.wav format=xml                    | format=xml: format is one of table, csv, json
run=x a.wav rows=lines                    | rows=lines: rows is one of files, segments
run=x a.wav seed=a                        | seed=a is not a number
run=x a.wav fold=-1                       | fold=-1 is not a number
run=x a.wav foo=1                         | foo=1 is not understood
run=empty a.wav                           | run=empty: there is no file *.safetensors in this folder
run=file a.wav                            | The file of weights file is damaged
"""

TUNE = """
loss=cos,l2 trials=0                      | trials=0 is not valid. Give a whole number of at least 1
loss=cos,l2 together=1.5                  | together=1.5 is not valid
loss=cos,l2 search_seed=-1                | search_seed=-1 is not valid. Give a whole number of at least 0
loss=cos                                  | Nothing is searched
loss                                      | 'loss' cannot be read as key=value
lambda=interval(1,0)                      | an interval needs two numbers with low < high
lambda=interval(a,b)                      | mismatch type argument start
lambda=interval(0,2)                      | lambda.weight must be a number in [0, 1], got 2
trainer.lr=0.1,0.1,                       | a value is missing before or behind a comma
foo=1,2                                   | There is no key foo
compare=missing.yaml                      | compare=missing.yaml cannot be read
compare=nope                              | compare=nope: there is no such comparison
loss=cos,l2 results.dir=file              | results.dir ({folder}/file is a file, no folder)
"""

STATUS = """
nope                                      | There is no sweep nope in results/sweeps. There are: none
last                                      | There is no sweep last
foo=1                                     | foo=1 is not understood. Give sweep=, results.dir=
"""

SHOW = """
bar                                       | 'bar' cannot be read as key=value
loss=cos,l2                               | One configuration is shown at a time
utterance=nobody                          | has no such utterance. It has 40
vectors utterance=x                       | utterance= is for the pictures of a corpus
vectors save=all                          | Leave out save=
vectors tracking=mlflow                   | Leave out tracking=
vectors fold=1,2                          | The vectors of one fold are shown at a time
"""

UI = """
port=0                                    | port=0 is no port
port=99999                                | port=99999 is no port
port=abc                                  | port=abc is no port
port=                                     | port= is no port
port={taken}                              | port={taken}: Address already in use
foo=1                                     | foo=1 is not understood. Give port=, uri=
uri=foo://x                               | MLflow knows no store foo:
uri=sqlite:///garbage.db                  | file is not a database
uri=sqlite:///other.db                    | it is the database of another program
uri=http://u:hunter2@127.0.0.1:9          | http://u:***@127.0.0.1:9 cannot take runs: Connection refused
"""

TABLES = {
    "ser.run": RUN, "multirun_analysis": ANALYSIS, "ser.corpora": CORPORA, "ser.predict": PREDICT, "ser.tune": TUNE,
    "ser.status": STATUS, "ser.show": SHOW, "ser.ui": UI,
}  # fmt: skip
CASES = [
    (command, *map(str.strip, row.split(" | ", 1)))
    for command, table in TABLES.items()
    for row in table.strip().splitlines()
]


@pytest.fixture
def call(tmp_path, monkeypatch, capsys, caplog):
    """``call("ser.run", "loss=coss")``: the exit status of a command in this process, and what it said."""
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MANIFEST", "EMODB"):
        monkeypatch.delenv(name, raising=False)
    before, path, on_term = dict(os.environ), list(sys.path), signal.getsignal(signal.SIGTERM)

    def called(command, *arguments):
        module, _, name = MAINS[command].partition(":")
        monkeypatch.setattr(sys, "argv", [command, *arguments])
        with pytest.raises(SystemExit) as end, caplog.at_level(logging.INFO):
            getattr(importlib.import_module(module), name)()
        return end.value.code, capsys.readouterr().err + caplog.text

    yield called
    os.environ.clear()
    os.environ.update(before)
    sys.path[:] = path
    signal.signal(signal.SIGTERM, on_term)


@pytest.fixture
def things(tmp_path):
    """Files and folders that no command can use, and a port that is taken."""
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "empty").mkdir()
    (tmp_path / "garbage.db").write_bytes(100 * b"garbage")
    with closing(sqlite3.connect(tmp_path / "other.db")) as database:
        database.execute("create table songs (name)")
    (tmp_path / "rows.csv").write_text("path,emotion\n")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "own" / "loss").mkdir(parents=True)
    for name, text in OPTIONS.items():
        (tmp_path / "own" / "loss" / name).write_text(text)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


@pytest.mark.parametrize(("command", "typed", "message"), CASES, ids=[" ".join(case[:2]) for case in CASES])
def test_a_malformed_command_line_is_one_message_and_leaves_nothing(command, typed, message, call, things, tiny):
    arguments = [each.replace("␣", " ").replace("{taken}", str(things)) for each in typed.split()]
    if command in ON_THE_TINY_CORPUS and not any(each.startswith("corpus=") for each in arguments):
        sizes = [] if "corpus.size" in typed else ["corpus.size=tiny"]
        roots = [] if "corpus.root" in typed else [f"corpus.root={tiny}"]
        arguments += [*sizes, *roots]
    if command in ON_THE_TINY_CORPUS:
        arguments += [] if "cache.dir" in typed else [f"cache.dir={tiny.parent}/cache"]
    if command == "ser.run":
        arguments = ["-m", *arguments]
    there = contents(".")
    status, said = call(command, *arguments)
    assert status == 2, said
    assert message.replace("{folder}", os.getcwd()).replace("{taken}", str(things)) in said
    assert "Traceback" not in said
    assert "hunter2" not in said
    assert len(said.strip().splitlines()) <= 3, said
    assert contents(".") == there


def contents(folder):
    return {os.path.join(path, name) for path, folders, files in os.walk(folder) for name in (*folders, *files)}
