"""Templates of keys: ``"product:{id}"``, filled from a function's arguments.

Checked when the function is decorated: a name that is no parameter, an attribute or an index,
a format. Values are written so that different texts never make one key: in a text a ``:``,
a ``%`` and what is not printable ASCII are percent-encoded. Whole numbers, bools, UUIDs,
dates and enums of all these are written too, each as its text would be, so that 42 and "42"
are one; anything else has no one spelling and is refused. A parameter that the template
leaves out makes no difference: what differs in it alone shares a value.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from datetime import date, datetime
from enum import Enum
from string import Formatter
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from shoal._core.requests import wire_key
from shoal._errors import ConfigurationError, InvalidRequest

_SAFE: Final = "!$&'()*+,;=@/?#[]|^~-._<> "


class Template:
    """One template for one function."""

    def __init__(self, template: str, function: Callable[..., Any], what: str = "key") -> None:
        """Check it against the function's parameters. Raises ConfigurationError."""
        self._pieces: list[tuple[str, str | None]] = []
        self.names: list[str] = []
        parameters = list(inspect.signature(function).parameters)
        try:
            pieces = list(Formatter().parse(template))
        except ValueError as error:
            raise ConfigurationError(f"{what} {template!r} is no template: {error}") from error
        for literal, name, form, conversion in pieces:
            self._pieces.append((literal, name))
            if name is None:
                continue
            self._check(what, template, name, parameters, form, conversion)
            self.names.append(name)

    def fill(self, arguments: dict[str, Any]) -> str:
        """Return the text. Raises InvalidRequest for an argument that has no one spelling."""
        filled = []
        for literal, name in self._pieces:
            filled.append(literal)
            if name is not None:
                filled.append(spelt(name, arguments[name]))
        return "".join(filled)

    @staticmethod
    def _check(
        what: str,
        template: str,
        name: str,
        parameters: Sequence[str],
        form: str | None,
        conversion: str | None,
    ) -> None:
        if name in parameters and not form and not conversion:
            return
        if name in parameters:
            raise ConfigurationError(
                f"{what} {template!r} gives {name!r} a format: write {{{name}}} alone"
            )
        known = ", ".join(parameters) or "none"
        raise ConfigurationError(
            f"{what} {template!r} names {name!r}, which is no parameter of the function (it has: "
            f"{known}): name one of these, or write {{{{ and }}}} for braces"
        )


class Keys:
    """Key and tags of a decorated function's calls."""

    def __init__(self, key: str, tags: Sequence[str], function: Callable[..., Any]) -> None:
        """Check the templates. Raises ConfigurationError."""
        if isinstance(tags, str):
            raise ConfigurationError(f"tags must be several, in a list, not one {tags!r}")
        self._signature = inspect.signature(function)
        self._key = Template(key, function)
        self._tags = [Template(tag, function, "tag") for tag in tags]

    def of(self, *args: Any, **kwargs: Any) -> tuple[bytes, list[str]]:
        """Return key and tags of a call. Raises TypeError as the function itself would."""
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return (
            wire_key(self._key.fill(bound.arguments)),
            [tag.fill(bound.arguments) for tag in self._tags],
        )


def spelt(name: str, value: Any) -> str:
    """Return how an argument is written in a key. Raises InvalidRequest."""
    if isinstance(value, Enum):
        value = value.value
    kind = type(value)
    if kind is str:
        return quote(value, safe=_SAFE)
    if kind is int or kind is UUID:
        return str(value)
    if kind is bool:
        return str(value).lower()
    if kind is datetime or kind is date:
        return quote(value.isoformat(), safe=_SAFE)
    raise InvalidRequest(
        f"{name} is a {kind.__name__}, which has no one spelling in a key: pass text, a whole "
        "number, a bool, a UUID or a date"
    )
