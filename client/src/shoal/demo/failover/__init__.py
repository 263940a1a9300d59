"""Failover: steady writes and reads while one node is killed and another is told to go.

``settings`` says what a run does, ``lanes`` are the load, ``journal`` keeps what became of
every operation, ``story`` is what happens to the nodes; ``verdict`` reads every
acknowledged write back, ``recovery`` says how long each mark was felt, and ``report``,
``chart`` and ``summary`` show it.
"""

from shoal.demo.failover.command_line import command

__all__ = ["command"]
