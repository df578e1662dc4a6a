"""How the tests compare the outcomes of two trainings."""


def identical(outcome, reference):
    """Whether two outcomes are equal to the last bit."""
    return (
        outcome.history == reference.history
        and (outcome.average == reference.average).all()
        and (outcome.crop == reference.crop).all()
        and outcome.best_epoch == reference.best_epoch
    )
