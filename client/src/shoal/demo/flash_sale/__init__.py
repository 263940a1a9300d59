"""The flash sale: one viral product, a real database, and the cache between them.

A read of one product walks through the files in this order: ``popularity`` draws
which one, ``visitor`` asks for it, a strategy in ``cache_aside`` looks in the cache and
on a miss queries the ``origin``; ``tally`` counts, ``oracle`` judges whether the answer
was stale, ``chart`` and ``report`` show it. ``updater`` changes prices meanwhile, and
``run`` puts the processes together.
"""

from shoal.demo.flash_sale.command_line import command

__all__ = ["command"]
