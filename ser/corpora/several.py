"""Several corpora as one, each of them a session: fold k tests on the k-th corpus and trains on all others.

With two corpora, a fold trains on one and tests on the other. The corpora are in the order of their names.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from ser.config.paths import conf_dir
from ser.corpora.load import load
from ser.corpora.speakers import needs_speakers
from ser.corpora.table import Corpus, Utterance, make_corpus
from ser.errors import UserError

Members = Mapping[str, str | Mapping[str, Any]]

_FORM = "corpus.members='{emodb: /path/to/emodb, mine: {corpus: manifest, root: mine.csv, sessions: 2}}'"


def read(members: Members | None, *, exclude: Sequence[str] = ()) -> Corpus:
    """Read corpora, and keep the classes that all of them have.

    Ids, speakers and sessions have the corpus' name before them, as in ``emodb:03a01Fa``.

    Args:
        members: the corpora by name. A value is the corpus' root, where the name is that of an option of the group
            ``corpus``; or the keys of the option, with the option's name as ``corpus``.
        exclude: ids of utterances to leave out, with the corpus' name.

    Returns:
        The corpus; its sessions are the members.

    Raises:
        UserError: there are fewer than two members, one is no shipped option, cannot be read or names no speakers, or
            they have fewer than two classes in common.
    """
    if not isinstance(members, Mapping) or len(members) < 2:
        raise UserError(f"corpus=several needs two corpora or more: {_FORM}.")
    corpora = {name: _member(name, given) for name, given in members.items()}
    first = next(iter(corpora.values()))
    classes = tuple(each for each in first.classes if all(each in corpus.classes for corpus in corpora.values()))
    if len(classes) < 2:
        found = "; ".join(f"{name}: {', '.join(corpus.classes)}" for name, corpus in corpora.items())
        raise UserError(
            f"corpus=several: the corpora have fewer than two classes in common ({found}). Map them: labels."
        )
    dropped: Counter[str] = Counter()
    utterances = []
    for name, corpus in corpora.items():
        dropped.update({f"{name}: {reason}": count for reason, count in corpus.dropped.items()})
        dropped.update(f"{name}: class {each.emotion}" for each in corpus.utterances if each.emotion not in classes)
        utterances += [_renamed(name, each) for each in corpus.utterances if each.emotion in classes]
    synthetic = any(corpus.synthetic for corpus in corpora.values())
    root = Path("+".join(sorted(corpora)))
    made = make_corpus("several", root, utterances, dropped, classes=classes, exclude=exclude, synthetic=synthetic)
    keep = any(corpus.keep_duplicates for corpus in corpora.values())
    return replace(made, name=root.name, keep_duplicates=keep, session_rule="the corpora")


def _member(name: str, given: str | Mapping[str, Any]) -> Corpus:
    keys = dict(given) if isinstance(given, Mapping) else {"root": given}
    option = str(keys.pop("corpus", name))
    file = conf_dir() / "corpus" / f"{option}.yaml"
    if not file.is_file() or option == "several":
        raise UserError(f"corpus.members: there is no option corpus={option}. Name one: {_FORM}.")
    options: Any = OmegaConf.to_container(OmegaConf.merge(OmegaConf.load(file), keys), resolve=True)
    corpus = load(options)
    needs_speakers(corpus, f"corpus.members: {name} needs speakers", "other members")
    return corpus


def _renamed(name: str, utterance: Utterance) -> Utterance:
    id, speaker = f"{name}:{utterance.id}", f"{name}:{utterance.speaker}"
    return replace(utterance, id=id, speaker=speaker, session=name)
