"""Regions: a kind of thing that the application reads and writes through the cache alone.

    read_through    a miss is loaded from the origin
    write_through   a write goes to the origin first, then to the cache
    write_behind    a write goes to the cache, and to the origin a moment later
    write_queue     what write-behind still owes the origin

Strategies make plans, as ``loading`` does; ``blocking_region`` and ``aio_region`` run them.
"""
