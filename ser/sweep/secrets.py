"""Passwords in users' own options, which Hydra would store with the configuration of every job."""

from ser.config.words import quoted
from ser.errors import UserError
from ser.sweep.commandline import hide_password
from ser.sweep.compose import composer
from ser.system.text import shown_address


def with_hidden_password(overrides: list[str], config_name: str | None, config_dir: str | None) -> list[str]:
    """Take the password out of ``tracking.uri`` in a user's own options, as ``hide_password`` does with a typed one.

    Hydra stores the configuration of every job. An override that follows the others hides the address.

    Args:
        overrides: what was typed.
        config_name, config_dir: Hydra's flags of that name.

    Raises:
        UserError: the sweep has several stores, and the address of one has a password.
    """
    if not config_dir and config_name in (None, "config"):
        return overrides
    with composer(config_name, config_dir) as composing:
        try:
            addresses = composing.stores(overrides)
        except UserError:
            return overrides  # the plan says what is wrong
    with_password = [address for address in addresses if shown_address(address) != address]
    if with_password and len(addresses) > 1:
        raise UserError(
            f"{shown_address(with_password[0])}: a sweep delivers to one store where its address has a password."
        )
    return [*overrides, *hide_password([f"tracking.uri={quoted(address)}" for address in with_password])]
