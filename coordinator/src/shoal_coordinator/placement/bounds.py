"""How much a member may hold: the load bound, in integers.

No member holds more than ceil(1.05 x its fair share), the share going by weight.
Distinct nodes and distinct zones may make that impossible for replicas (a zone of
one node that must hold a copy of everything); ``filled_shares`` tells what a fair
share is then.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

SLACK_NUMERATOR = 21
SLACK_DENOMINATOR = 20
"""A bound of 21/20 = 1.05 x the fair share."""


def load_bounds(weights: Sequence[int], total: int) -> list[int]:
    """Return ceil(1.05 x total x weight / sum of weights) for each. They sum to >= total."""
    weight_sum = sum(weights)
    return [
        -(-SLACK_NUMERATOR * total * weight // (SLACK_DENOMINATOR * weight_sum))
        for weight in weights
    ]


def raised_bounds(shares: Sequence[Fraction]) -> list[int]:
    """Return ceil(1.05 x share) for each."""
    return [
        -(-SLACK_NUMERATOR * share.numerator // (SLACK_DENOMINATOR * share.denominator))
        for share in shares
    ]


def filled_shares(
    weights: Sequence[int], limits: Sequence[Fraction], total: Fraction
) -> list[Fraction]:
    """Divide ``total`` by weight where nobody may get more than its limit.

    What one cannot take goes to the others, by weight again (water-filling). If all
    limits together are below the total, everybody gets its limit.
    """
    shares = [Fraction(0)] * len(weights)
    # In the order in which rising water reaches the limits.
    open_ones = sorted(range(len(weights)), key=lambda n: (limits[n] / weights[n], n))
    left, weight_left = total, sum(weights)
    for n in open_ones:
        shares[n] = min(limits[n], left * weights[n] / weight_left)
        left -= shares[n]
        weight_left -= weights[n]
    return shares
