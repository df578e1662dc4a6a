"""The one exception for a user's mistake."""

from hydra.errors import CompactHydraException


class UserError(CompactHydraException):
    """A mistake that the user can mend: what is wrong, the value, where it came from, what to do.

    Hydra prints its message without a traceback (unless HYDRA_FULL_ERROR=1), exits with 1, and lets the other
    points of a multirun go on.
    """
