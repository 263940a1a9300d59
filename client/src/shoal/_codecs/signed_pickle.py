"""pickle, for what nothing else keeps; only what this application signed is ever read.

    body = HMAC-SHA256 (32 bytes) + pickle

Reading a pickle runs what it says. Whoever can write to the cache could so run anything in
its readers; hence a pickle is touched only after its signature holds, and the signature
covers the key of the entry, so that nobody can put one value in another's place. An older
value of the same key can still be put back: a signature knows no time.
"""

from __future__ import annotations

import hmac
import pickle
from collections.abc import Sequence
from typing import Any, Final

from shoal._codecs.codec import SIGNED_PICKLE
from shoal._errors import ConfigurationError, UnreadableValue

_SIGNATURE_BYTES: Final = 32
_LEAST_SECRET_BYTES: Final = 16
_PURPOSE: Final = b"shoal signed pickle 1"


class SignedPickle:
    """The codec ``pickle``. The first secret signs; each of them is believed.

    To change the secret, put the new one first, and drop the old one once what it signed
    has expired.
    """

    number = SIGNED_PICKLE

    def __init__(self, *secrets: bytes) -> None:
        """Take one or more secrets of at least 16 bytes. Raises ConfigurationError."""
        if not secrets:
            raise ConfigurationError("SignedPickle needs a secret: pass 16 random bytes or more")
        for secret in secrets:
            if not isinstance(secret, bytes) or len(secret) < _LEAST_SECRET_BYTES:
                raise ConfigurationError(
                    f"a secret of SignedPickle must be bytes, {_LEAST_SECRET_BYTES} or more"
                )
        self._secrets: Sequence[bytes] = secrets

    def __repr__(self) -> str:
        return f"SignedPickle({len(self._secrets)} secrets)"

    def encode(self, value: Any, key: bytes) -> bytes:
        """Return signature and pickle. Raises TypeError for what cannot be pickled."""
        try:
            pickled = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
        except (pickle.PicklingError, AttributeError, RecursionError) as error:
            raise TypeError(f"it cannot be pickled: {error}") from error
        return _signature(self._secrets[0], key, pickled) + pickled

    def decode(self, body: bytes, key: bytes) -> Any:
        """Return the value, if one of the secrets signed it. Raises UnreadableValue."""
        signature, pickled = body[:_SIGNATURE_BYTES], body[_SIGNATURE_BYTES:]
        signed = [
            hmac.compare_digest(signature, _signature(secret, key, pickled))
            for secret in self._secrets
        ]
        if not any(signed):
            raise UnreadableValue(
                "the pickle is not signed for this key with a secret of this application, and "
                "is not read"
            )
        try:
            return pickle.loads(pickled)  # noqa: S301 - signed by this application
        except Exception as error:  # unpickling runs constructors: they raise what they like
            raise UnreadableValue(
                f"what this application pickled cannot be read by it now: {error!r}"
            ) from error


def _signature(secret: bytes, key: bytes, pickled: bytes) -> bytes:
    signed = hmac.new(secret, _PURPOSE, "sha256")
    signed.update(len(key).to_bytes(4, "big"))
    signed.update(key)
    signed.update(pickled)
    return signed.digest()
