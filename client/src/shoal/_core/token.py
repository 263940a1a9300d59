"""The token that a client shows to the cluster: told as such, or kept in a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from os import PathLike, fspath

from shoal._errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Token:
    """One of the two. What is ``text`` is never shown: not here, and in no URL."""

    text: str | None = field(default=None, repr=False)
    file: str | None = None
    """Read again while the client is used, so that a token can be changed."""


def checked_token(text: str | None, file: str | PathLike[str] | None) -> Token | None:
    """None where neither is given. Raises ConfigurationError, which tells no token."""
    if text is not None and file is not None:
        raise ConfigurationError("token= and token_file= are two tokens: give one of them")
    if file is not None:
        if not isinstance(file, str | PathLike) or not fspath(file):
            raise ConfigurationError(f"token_file= must be the name of a file, not {file!r}")
        return Token(file=fspath(file))
    if text is None:
        return None
    if not is_token(text):
        raise ConfigurationError(
            "token= must be a text of letters, digits and signs, without spaces"
        )
    return Token(text)


def is_token(text: object) -> bool:
    """Whether it can travel in a head."""
    if not isinstance(text, str) or not text:
        return False
    return text.isascii() and text.isprintable() and " " not in text
