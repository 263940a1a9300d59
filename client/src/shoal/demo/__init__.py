"""Demonstrations that run Shoal at its job on real input, one folder each."""
