"""Cache-aside, whole: what ``shoal.Cache`` and ``shoal.asyncio.Cache`` are made of.

    freshness   how good a value still is
    flights     one load of a key at a time in a process; who comes later shares it
    bulkhead    how many loads the origin is given at once, of a key and in all
    circuit     when it is given none
    loading     the plan of ``get_or_load``: these together, and the cluster's lease
    keys        keys and tags from a function's arguments
    regions     read-through, write-through, write-behind

Each of these decides without I/O, without a clock and without a thread of its own. Plans
are generators of ``effects``; ``blocking_...`` and ``aio_...`` wait for what was decided, in a
thread or in an event loop.
"""
