"""What a soak did and found, as JSON and as sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tools.soak.campaign import Round
from tools.soak.simulated import Simulated

_ANOMALIES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Setting:
    """Of the whole soak."""

    seed: int
    network: str
    nodes: int
    replicas: int
    partitions: int
    lease_ttl_seconds: int


def as_json(
    setting: Setting, rounds: Sequence[Round], simulated: Simulated | None = None
) -> dict[str, Any]:
    return {
        **asdict(setting),
        "good": is_good(rounds, simulated),
        "simulated": None if simulated is None else asdict(simulated),
        "rounds": [
            {**asdict(one), "good": one.is_good, "anomalies": list(map(str, one.judged.anomalies))}
            for one in rounds
        ],
        "faults": dict(_faults(rounds)),
        "promotions": sum(fault.promotions for one in rounds for fault in one.faults),
        "operations": sum(one.judged.operations for one in rounds),
        "anomalies": sum(len(one.judged.anomalies) for one in rounds),
        "undecided": sum(len(one.judged.undecided) for one in rounds),
        "void": sum(bool(one.void) for one in rounds),
        "broken": sum(bool(one.broken) for one in rounds),
    }


def is_good(rounds: Sequence[Round], simulated: Simulated | None = None) -> bool:
    """A soak without a round has shown nothing. ``simulated``: None where none was asked for."""
    is_sound = simulated is None or simulated.is_good
    return is_sound and bool(rounds) and all(one.is_good for one in rounds)


def of_simulated(it: Simulated) -> str:
    lines = [
        f"{it.seeds} simulated clusters from seed {it.first}, {it.steps} steps in "
        f"{it.seconds:.0f} s: {len(it.broken)} broke something"
    ]
    lines += [f"  SEED {seed}: {found[0]}" for seed, found in it.broken.items()]
    return "\n".join(lines)


def of_round(one: Round) -> str:
    judged = one.judged
    lines = [
        f"round {one.number} (seed {one.seed}), {one.seconds:.0f} s: "
        f"{judged.operations} operations at {one.operations_per_second:.0f}/s on {judged.keys} "
        f"keys; {judged.failed} failed, {judged.unknown} unknown"
        + ("" if not one.errors else f" {one.errors}")
    ]
    lines += [f"  {fault.name}: {fault.did}; {fault.evidence}" for fault in one.faults]
    if judged.primary_adds.lost:
        lines.append(
            f"  {judged.primary_adds.lost} of {judged.primary_adds.acknowledged} adds that the "
            "primary alone acknowledged were lost (allowed)"
        )
    lines += [f"  VOID: {reason}" for reason in one.void]
    lines += [f"  BROKEN: {one.broken}"] if one.broken else []
    lines += [f"  UNDECIDED: {key}" for key in judged.undecided]
    lines += [f"  ANOMALY {anomaly}" for anomaly in judged.anomalies[:_ANOMALIES_SHOWN]]
    if len(judged.anomalies) > _ANOMALIES_SHOWN:
        lines.append(f"  and {len(judged.anomalies) - _ANOMALIES_SHOWN} anomalies more")
    lines += [f"  the history is in {one.saved}"] if one.saved else []
    return "\n".join(lines)


def of_all(setting: Setting, rounds: Sequence[Round], simulated: Simulated | None = None) -> str:
    told = as_json(setting, rounds, simulated)
    faults = ", ".join(f"{count} x {name}" for name, count in sorted(_faults(rounds).items()))
    verdict = "nothing wrong" if told["good"] else "NOT GOOD"
    before = "" if simulated is None else of_simulated(simulated) + "\n"
    return (
        f"{before}soak over {setting.network}, seed {setting.seed}: {len(rounds)} rounds, "
        f"{told['operations']} operations checked, {told['promotions']} promotions; "
        f"faults: {faults or 'none'}; {told['anomalies']} anomalies, "
        f"{told['undecided']} undecided, {told['void']} void, {told['broken']} broken: {verdict}"
    )


def _faults(rounds: Sequence[Round]) -> Counter[str]:
    return Counter(fault.name for one in rounds for fault in one.faults)
