"""Which node should own what: pure functions of (members, partitions, replicas).

``place`` in ``place.py`` is the way in. The algorithm is consistent hashing with
virtual nodes (Karger et al., "Consistent Hashing and Random Trees", STOC 1997)
under bounded loads (Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing with
Bounded Loads", SODA 2018), the bound being resolved by deferred acceptance (Gale
and Shapley, 1962) instead of by order of arrival, so that the outcome depends on
the members alone.
"""
