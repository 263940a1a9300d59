"""Codecs of the toolkit: how an application's values become bytes.

>>> from shoal.codecs import Serializer, SignedPickle
>>> Serializer()                                  # msgpack, zstd above 2 KiB
>>> Serializer("json")
>>> Serializer(SignedPickle(secret), also_reads=["msgpack"])
"""

from __future__ import annotations

from shoal._codecs.codec import Codec
from shoal._codecs.json import Json
from shoal._codecs.msgpack import Msgpack
from shoal._codecs.serializer import Serializer
from shoal._codecs.signed_pickle import SignedPickle

__all__ = ["Codec", "Json", "Msgpack", "Serializer", "SignedPickle"]
