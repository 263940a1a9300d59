"""Breaks the concurrent parts on purpose, one at a time, to see the explorer notice."""
