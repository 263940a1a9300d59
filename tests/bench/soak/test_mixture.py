"""What a soak's callers draw: within the bounds of the contract, and told by the seed."""

from __future__ import annotations

from random import Random

from bench.soak import mixture
from bench.soak.mixture import Deed, Keys
from hypothesis import given
from hypothesis import strategies as st

SEEDS = st.integers(0, 2**32)


@given(SEEDS)
def test_a_seed_tells_the_whole_load(seed: int) -> None:
    def drawn() -> list[object]:
        rng = Random(seed)
        return [
            (mixture.deed(rng), mixture.value_bytes(rng), mixture.ttl_ms(rng)) for _ in range(20)
        ]

    assert drawn() == drawn()


@given(SEEDS)
def test_values_and_batches_keep_within_the_bounds(seed: int) -> None:
    rng = Random(seed)
    assert all(1 <= mixture.value_bytes(rng) <= mixture.VALUE_BYTES_MAX for _ in range(50))
    sizes = mixture.batch_sizes(rng)
    assert 1 <= len(sizes) <= mixture.BATCH_KEYS_MAX
    assert sum(sizes) <= mixture.BATCH_BYTES_MAX


@given(SEEDS)
def test_pieces_are_cut_out_of_the_payload(seed: int) -> None:
    rng = Random(seed)
    payload = rng.randbytes(1000)
    sizes = [1, 999, 1000, 3]
    cut = mixture.pieces(payload, sizes, rng)
    assert [len(piece) for piece in cut] == sizes
    assert all(piece in payload for piece in cut)


def test_everything_is_done_in_the_long_run() -> None:
    rng = Random(7)
    drawn = {mixture.deed(rng) for _ in range(5_000)}
    assert drawn == set(Deed)
    keys = Keys(count=10, hot=2)
    assert {keys.any(rng) for _ in range(500)} == {b"soak:%d" % n for n in range(10)}
    assert {keys.any_hot(rng) for _ in range(100)} == {b"hot:0", b"hot:1"}
