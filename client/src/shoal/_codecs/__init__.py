"""How the toolkit turns an application's values into bytes, and back.

    frame = header (4 bytes) + body
    body  = what the codec wrote, compressed where the header says so

``header`` is the frame, one codec a file, ``compression`` the bounded zstd around them,
``serializer`` puts them together. The libraries are imported when they are first used.

Non-goal: the client's own ``get`` and ``set`` know nothing of this; there, values are bytes.
"""
