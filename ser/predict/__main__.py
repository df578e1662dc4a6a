"""``python -m ser.predict``: emotions of recordings, by networks that a sweep trained with ``save=best``."""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ser.config.words import assignments
from ser.errors import UserError
from ser.system.command import run_command
from ser.system.environment import device
from ser.system.files import expanded

if TYPE_CHECKING:
    from ser.predict.predictor import Predictor

_HELP = """\
Emotions of recordings, by networks that a sweep trained with save=best.

  python -m ser.run -m corpus=emodb corpus.root=... loss=cos,l2 save=best sweep=mine    train and keep the weights
  python -m ser.predict run=mine a.wav folder list.csv                                  predict

run=              a sweep (its best configuration by validation), a run in MLflow (id or name), or a folder of weights
seed= fold=       one seed, one fold; without them the probabilities of all are averaged
format=           table, csv or json
rows=             files or segments: what a row of the table or CSV is; JSON has both
results.dir=      where the weights are: results
tracking.uri=     MLflow's store; as for python -m ser.run
device=           auto, cpu, cuda or cuda:N
export=FOLDER     write the networks as an MLflow model, for mlflow models serve; predict nothing

Audio files of any sampling rate and any number of channels; folders with those below them; CSV files with a column path
(or file, filename) and, if you like, id, start, end (seconds) and speaker, whose other columns are kept; - is
standard input: an audio file, or names, one a line.

Exit status: 0; 1 if a recording could not be predicted; 2 if nothing was tried."""

_KEYS = {
    "run": "", "seed": "", "fold": "", "format": "table", "rows": "files", "results.dir": "results", "tracking.uri": "",
    "device": "auto", "export": "",
}  # fmt: skip
_WORDS = {"format": ("table", "csv", "json"), "rows": ("files", "segments")}


def main() -> None:
    """Predict what the command line names, and exit (``run_command``)."""
    run_command(lambda: predict(sys.argv[1:]))


def predict(arguments: Sequence[str]) -> int:
    """Print predictions to standard output, and what could not be predicted to standard error.

    Args:
        arguments: what was typed.

    Returns:
        The exit status: 1 if any recording could not be predicted, else 0.

    Raises:
        UserError: an argument is not understood, or there are no such weights.
    """
    if not arguments or {"-h", "--help"} & set(arguments):
        print(_HELP)
        return 0
    keys = [each for each in arguments if each.partition("=")[0] in _KEYS or ("=" in each and not Path(each).exists())]
    inputs = [each for each in arguments if each not in keys]
    given = assignments(keys, _KEYS)
    _check(given, inputs)
    from ser.predict.find import find

    seed, fold = _number("seed", given), _number("fold", given)
    files = find(given["run"], seed, fold, expanded(given["results.dir"]), given["tracking.uri"] or None)
    if given["export"]:
        from ser.results.mlflow_models import export_model

        export_model(expanded(given["export"]), files)
        print(f"Written: {given['export']}. Serve it: mlflow models serve --env-manager local -m {given['export']}")
        return 0
    from ser.predict.predictor import Predictor

    model = Predictor(files, device(given["device"]))
    return _print_answers(model, inputs, given["format"], given["rows"] == "segments")


def _print_answers(model: "Predictor", inputs: Sequence[str], form: str, segments: bool) -> int:
    from ser.predict.inputs import recordings
    from ser.predict.output import as_text

    print(model.description, file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        results = model.attempt(recordings(inputs, Path(folder)))
    failed = [each for each in results if isinstance(each, UserError)]
    predictions = [each for each in results if not isinstance(each, UserError)]
    for error in failed:
        print(error, file=sys.stderr)
    if predictions or form != "table":
        print(as_text(model, predictions, form, segments), flush=True)
    return int(bool(failed))


def _check(given: dict[str, str], inputs: Sequence[str]) -> None:
    if not given["run"]:
        raise UserError("Which model? Give run=: a sweep, the id or name of a run in MLflow, or a folder of weights.")
    if bool(inputs) == bool(given["export"]):
        raise UserError("What is to be predicted? Give files, folders, a CSV or -; or export=FOLDER alone.")
    for key, known in _WORDS.items():
        if given[key] not in known:
            raise UserError(f"{key}={given[key]}: {key} is one of {', '.join(known)}.")


def _number(key: str, given: dict[str, str]) -> int | None:
    if given[key] and not given[key].isdecimal():
        raise UserError(f"{key}={given[key]} is not a number.")
    return int(given[key]) if given[key] else None


if __name__ == "__main__":
    main()
