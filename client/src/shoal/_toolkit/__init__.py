"""Cache-aside, whole: what ``shoal.Cache`` and ``shoal.asyncio.Cache`` are made of.

    flights     one load of a key at a time in a process; who comes later shares it
    bulkhead    how many loads the origin is given at once, of a key and in all
    circuit     when it is given none

Each of these decides without I/O, without a clock and without a thread of its own; its
neighbours ``blocking_...`` and ``aio_...`` wait for what was decided, in a thread or in an
event loop.
"""
