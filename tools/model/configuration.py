"""What TLC is asked: the model as designed, and once for every rule taken away.

A rule is a constant of ``Promotion.tla`` that is FALSE in ``as_designed.cfg``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_RULE = re.compile(r"^(\s*)(\w+) = FALSE$", re.MULTILINE)


class NoRules(Exception):
    """The configuration names no rule that could be taken away."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """One run of TLC."""

    name: str
    text: str
    must_break: bool


def configurations(as_designed: str) -> list[Configuration]:
    """The designed one first, then one for each rule. Raises NoRules."""
    rules = [match.group(2) for match in _RULE.finditer(as_designed)]
    if not rules:
        raise NoRules("no constant is FALSE: the model would have no rule to take away")
    return [
        Configuration("as designed", as_designed, must_break=False),
        *(Configuration(rule, _without(as_designed, rule), must_break=True) for rule in rules),
    ]


def _without(as_designed: str, rule: str) -> str:
    return _RULE.sub(
        lambda match: (
            match.group(0).replace("FALSE", "TRUE") if match.group(2) == rule else match.group(0)
        ),
        as_designed,
    )
