"""JSON: what every language reads.

Keeps what JSON has: None, bool, numbers, text, lists, and mappings with keys of text. What
would come back as something else (a tuple, a key that is a number, NaN) is refused.
"""

from __future__ import annotations

import json
from typing import Any

from shoal._codecs.codec import JSON
from shoal._errors import UnreadableValue

_PLAIN = frozenset({type(None), bool, int, float, str})


class Json:
    """The codec ``json``."""

    number = JSON

    def encode(self, value: Any, key: bytes) -> bytes:
        """Return compact UTF-8."""
        del key
        _check(value)
        return json.dumps(
            value, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        ).encode()

    def decode(self, body: bytes, key: bytes) -> Any:
        """Return the value."""
        del key
        try:
            return json.loads(body)
        except RecursionError as error:
            raise UnreadableValue("the value is nested too deeply to be read") from error


def _check(value: Any) -> None:
    kind = type(value)
    if kind in _PLAIN:
        return
    if kind is list:
        for item in value:
            _check(item)
    elif kind is dict:
        for name, item in value.items():
            if type(name) is not str:
                raise TypeError(f"a key of a JSON mapping must be str, not {type(name).__name__}")
            _check(item)
    else:
        raise TypeError(f"JSON has nothing that comes back as {kind.__name__}")
