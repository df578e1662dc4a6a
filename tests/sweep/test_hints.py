"""What a user is told who mistypes: quotes for the shell, the key or sweep that was meant. Each is one message."""

import pytest

from ser.config.settings import resolve
from ser.errors import UserError
from ser.sweep.commandline import rewrite
from ser.sweep.compose import composer
from ser.sweep.planned import Plan, Point
from ser.sweep.stored_plans import find_plans, store_plan

HINTS = {
    "loss = cos": "there must be no blanks around the equals sign: loss=cos",
    "trainer.lr =1e-3": "there must be no blanks around the equals sign: trainer.lr=1e-3",
    "loss": "it has no equals sign. Write key=value without blanks around the sign",
    "corpus.labels={joy:": "the brace is not closed. A shell divides .* at blanks: .* such as 'corpus.labels={...}'",
    "corpus.exclude=[a1": "the bracket is not closed. A shell divides .* such as 'corpus.exclude=",
    "corpus.labels={joy: not (so) sad}": "names and values in quotes, such as .*labels={joy: 'not .so. sad'}",
    "lr=0.1": "There is no key lr. Did you mean trainer.lr?",
    "margin=0.5": "There is no key margin. Did you mean loss.margin?",
    "epochs=3": "There is no key epochs. Did you mean trainer.max_epochs?",
    "metrics.kappa=x": r"There is no key metrics.kappa.* Write 'metrics=\{kappa: package\.module\.function\}'\.",
    "folds=1": "There is no key folds. Did you mean fold?",
    "anything=1": "There is no key anything. There are feature, length, .*, results.dir, cache.dir.$",
    "lambda=2": r"lambda.weight must be a number in .0, 1., got 2 \(from lambda=2 on the command line",
    "length=three": "length=three: there is no such option. length is a number, such as length=3, or one of fixed",
    "lambda=six": "lambda is a number, such as lambda=0.6, or one of constant, linear, warmup",
}


@pytest.mark.parametrize("typed", HINTS)
def test_a_mistake_is_answered_with_what_to_type(typed):
    with pytest.raises(UserError, match=HINTS[typed].replace("?", r"\?")), composer() as composing:
        for point in composing.points(rewrite([typed]), sweep=True):
            resolve(composing.config(point), point)


def test_the_name_of_a_sweep_that_was_meant(tmp_path):
    point = Point(("loss=cos",), {"loss": "cos"}, (0,), (1,), "c")
    store_plan(Plan("margins", ("loss=cos",), (point,), tmp_path))
    with pytest.raises(UserError, match=r"There is no sweep margin in .*sweeps. Did you mean margins\?"):
        find_plans(tmp_path, "margin")
    with pytest.raises(UserError, match=r"There is no sweep x in .*sweeps. There are: margins\."):
        find_plans(tmp_path, "x")
