"""What a check finds: a comparison that would mislead is refused, and a warning is to be kept in mind."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["refuse", "warn"]


@dataclass(frozen=True)
class Finding:
    """Something that a researcher must know before comparing.

    Attributes:
        severity: whether the comparison is refused.
        text: one or more sentences.
        in_tables: whether every table and figure must say it, because its numbers would be taken for others.
        in_title: what their titles say of it, in a few words; empty if nothing.
    """

    severity: Severity
    text: str
    in_tables: bool = False
    in_title: str = ""


def together(findings: Iterable[Finding]) -> list[Finding]:
    """Findings of several studies, each once, those that refuse a comparison first."""
    return refusals_first(dict.fromkeys(findings))


def refusals_first(findings: Iterable[Finding]) -> list[Finding]:
    """Findings in their order, those that refuse a comparison before the others."""
    return sorted(findings, key=lambda finding: finding.severity != "refuse")
