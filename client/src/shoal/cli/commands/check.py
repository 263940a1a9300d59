"""``shoal check``: whether something is to be done, for people and for monitoring systems."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import click

from shoal.cli.coordinator import TIMEOUT_SECONDS, administered, coordinator_option
from shoal.cli.output import JSON, output_option, print_json

if TYPE_CHECKING:
    from shoal.v1 import admin_pb2


class Verdict(IntEnum):
    """As monitoring systems number them."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


_GRAVEST_FIRST = (Verdict.CRITICAL, Verdict.WARNING, Verdict.UNKNOWN, Verdict.OK)

HELP = """Tell of every alarm whether it is raised, and what to do about it.

Exit codes, as monitoring systems expect them, of the gravest alarm: 0 OK, 1 WARNING,
2 CRITICAL, 3 UNKNOWN, which also is the answer where no coordinator gives one. The same
alarms are metrics of the coordinator that leads.
"""


@click.command(help=HELP, short_help="Tell whether something is to be done; for monitoring, too.")
@click.option("--all", "show_all", is_flag=True, help="Also alarms that are not raised.")
@coordinator_option
@output_option
@click.pass_context
def check(ctx: click.Context, show_all: bool, coordinator: str, output: str) -> None:  # noqa: FBT001
    from shoal.v1 import admin_pb2

    try:
        with administered(coordinator) as admin:
            request = admin_pb2.CheckClusterRequest()
            answer = admin.CheckCluster(request, timeout=TIMEOUT_SECONDS)
    except click.ClickException as error:
        click.echo(f"UNKNOWN: {error.format_message()}")
        ctx.exit(Verdict.UNKNOWN)
    alarms = [alarm_fields(it) for it in answer.alarms]
    worst = gravest(Verdict[it["level"]] for it in alarms)
    if output == JSON:
        print_json({"level": worst.name, "alarms": alarms})
        ctx.exit(worst)
    raised = [it for it in alarms if it["level"] != Verdict.OK.name]
    # Monitoring systems show the first line alone.
    told = "; ".join(it["says"] for it in raised) or f"all {len(alarms)} alarms are quiet"
    click.echo(f"{worst.name}: {told}")
    for it in sorted(alarms if show_all else raised, key=_gravity):
        advice = f": {it['advice']}" if it["advice"] else ""
        click.echo(f"{it['level']:<8}  {it['name']}: {it['says']}{advice}")
    ctx.exit(worst)


def gravest(verdicts: Iterable[Verdict]) -> Verdict:
    """UNKNOWN of none: nothing was looked at."""
    found = set(verdicts) or {Verdict.UNKNOWN}
    return next(it for it in _GRAVEST_FIRST if it in found)


def _gravity(alarm: dict[str, Any]) -> int:
    return _GRAVEST_FIRST.index(Verdict[alarm["level"]])


def alarm_fields(alarm: admin_pb2.Alarm) -> dict[str, Any]:
    from shoal.v1 import admin_pb2

    level = admin_pb2.AlarmLevel.Name(alarm.level).removeprefix("ALARM_LEVEL_")
    return {
        "name": alarm.name,
        "level": Verdict.UNKNOWN.name if level not in Verdict.__members__ else level,
        "value": alarm.value if alarm.HasField("value") else None,
        "warning_from": alarm.warning_from if alarm.HasField("warning_from") else None,
        "critical_from": alarm.critical_from if alarm.HasField("critical_from") else None,
        "says": alarm.says,
        "advice": alarm.advice,
    }
