"""Describe a corpus: ``python -m ser.corpora corpus=emodb corpus.root=/path/to/emodb format=json``."""

import json
import logging
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

from ser.config.paths import conf_dir
from ser.corpora.describe.layout import as_text
from ser.corpora.describe.request import Request, composed, options, parse
from ser.corpora.describe.summary import SHOWN_FILES, summarise
from ser.corpora.load import load
from ser.corpora.problems import refuse
from ser.corpora.table import Corpus, Utterance
from ser.errors import UserError
from ser.system.command import run_command
from ser.system.pool import cores
from ser.system.progress import track
from ser.system.text import aligned

_SHOWN = 5
_USAGE = """\
Describe a corpus: utterances by session, emotion and speaker, durations, ratings, copies, and what was left out.

  python -m ser.corpora                                            the default corpus
  python -m ser.corpora corpus=emodb corpus.root=/path/to/emodb    a corpus in the given folder
  python -m ser.corpora corpus=emodb format=json                   as JSON; the folder is taken from $EMODB
  python -m ser.corpora corpus=iemocap corpus.labels.exc=null      with another value of any key of the corpus
  python -m ser.corpora --config-dir my_conf corpus=mine           a corpus of your own
  python -m ser.corpora corpus=emodb verify=true                   read all audio: is any damaged, or was replaced
                                                                   unnoticed since ser.run cached it? (cache.dir=...)
"""


def cli() -> NoReturn:
    """Describe the corpus that the command line names, and exit (``run_command``)."""
    run_command(lambda: main(sys.argv[1:]))


def main(arguments: Sequence[str]) -> None:
    """Print the description of a corpus to standard output; messages go to standard error.

    Args:
        arguments: the command line without the program's name, such as ``["corpus=emodb", "format=json"]``.

    Raises:
        UserError: an argument is not understood, or the corpus cannot be read.
    """
    if "--help" in arguments or "-h" in arguments:
        print(help_text())
        return
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    print(describe(parse(arguments)))


def describe(request: Request) -> str:
    """Load the requested corpus and describe it as text.

    Args:
        request: the corpus, the overrides of its keys and the output format.

    Returns:
        Aligned columns for ``format="table"``, a JSON document for ``format="json"``.

    Raises:
        UserError: an override is wrong, or the corpus or one of its audio files cannot be read.
    """
    corpus = load(composed(request))
    if request.verify:
        _verify(corpus, request.cache_dir)
    summary = summarise(corpus)
    return json.dumps(summary, indent=2, ensure_ascii=False) if request.format == "json" else as_text(corpus, summary)


def _verify(corpus: Corpus, directory: Path) -> None:
    """Read and decode all audio, and say on standard error what the cache remembers otherwise or not at all.

    Args:
        corpus: the corpus.
        directory: the cache (``cache.dir``), which remembers the hashes of the audio.

    Raises:
        UserError: an audio file is missing, or is damaged, cut off or otherwise of no use for features.
    """
    from ser.data.hashes import changed_audio, unknown_audio

    unknown = unknown_audio(corpus, directory)  # before the next line remembers them
    changed = changed_audio(corpus, directory)
    files = len({utterance.path for utterance in corpus.utterances})
    with ThreadPoolExecutor(cores()) as threads:
        checks = threads.map(_problem, corpus.utterances)
        problems = [problem for problem in track(checks, len(corpus.utterances), "decoding") if problem]
    names = "".join(f"\n  {path}" for path in changed[:_SHOWN]) + "\n  ..." * (len(changed) > _SHOWN)
    print(
        f"verified: {files} audio files read; {len(unknown)} that the cache {directory} did not remember (new, "
        f"changed openly, or features are in another cache.dir), {len(changed)} other than it remembered{names}",
        file=sys.stderr,
    )
    refuse(
        problems,
        f"{len(problems)} of the {len(corpus.utterances)} utterances of {corpus.root} have no usable audio. Repair the "
        "files, or leave the utterances out with corpus.exclude=[id,...].",
        shown=SHOWN_FILES,
    )


def _problem(utterance: Utterance) -> str | None:
    from ser.features.audio import check_audio

    try:
        check_audio(utterance.path, utterance.start, utterance.end)
    except UserError as error:
        return f"{utterance.id}: {error}"
    return None


def help_text() -> str:
    """Return the text of ``--help``: the usage, and every corpus with the first line of its configuration file."""
    rows = [["corpus", "what it is"], *([name, _first_line(name)] for name in options())]
    return f"{_USAGE}\n{aligned(rows)}"


def _first_line(corpus: str) -> str:
    text = (conf_dir() / "corpus" / f"{corpus}.yaml").read_text(encoding="utf-8")
    return text.partition("\n")[0].removeprefix("#").strip()


if __name__ == "__main__":
    cli()
