"""What a rebalance still has to do, how fast it goes, and what it came to.

``outlook`` compares what is wanted with what is there, ``course`` makes a report of how
that changes, ``pace`` tells for how long it goes on: all pure. ``keeper`` looks, asks the
nodes and writes reports down while this coordinator leads.
"""
