"""``shoal rebalance``: what moves, how far it is, and steering it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from shoal.cli.coordinator import TIMEOUT_SECONDS, administered, coordinator_option
from shoal.cli.exit_codes import ExitCode
from shoal.cli.failure import CommandRefused
from shoal.cli.introspection import print_rows
from shoal.cli.output import JSON, TABLE, output_option, print_json
from shoal.cli.progress import say_on_stderr, telling
from shoal.cli.rebalancing import (
    minute_of_day,
    minute_text,
    policy_fields,
    report_fields,
    sight,
    status_fields,
    status_lines,
)
from shoal.cli.sizes import size_bytes
from shoal.cli.waiting import Sight, patience_option, wait_until_over

if TYPE_CHECKING:
    from shoal.v1 import admin_pb2

_MINUTES_A_DAY = 24 * 60


@click.group(short_help="Show what moves and how far it is; wait, pause, resume, cancel.")
def rebalance() -> None:
    """Show what moves and how far it is, and steer it.

    Failovers, and copies where they are lacking, go on whatever is said here.
    """


@rebalance.command(short_help="Show what moves, what is left, and for how long.")
@coordinator_option
@output_option
def status(coordinator: str, output: str) -> None:
    """Show what moves, what is left, and for how long.

    The time left comes from the bytes that were sent over the last minute; it is unknown
    until something was measured, and while nothing may move.
    """
    answer = _asked(coordinator)
    fields = status_fields(answer)
    if output == JSON:
        print_json(fields)
        return
    for line in status_lines(fields):
        click.echo(line)
    if fields["flights"]:
        print_rows(
            ("partition", "from", "to", "for"),
            (
                (it["partition"], it["source"], ", ".join(it["targets"]), f"{it['seconds']:.0f} s")
                for it in fields["flights"]
            ),
            texts=3,
        )


@rebalance.command(short_help="Show what the last rebalances came to.")
@click.argument("number", type=int, required=False)
@coordinator_option
@output_option
@click.pass_context
def report(ctx: click.Context, number: int | None, coordinator: str, output: str) -> None:
    """Show what the last rebalances came to, or everything of the one of that NUMBER.

    The last twenty are kept. The exit code is 1 where there is none of that number.
    """
    reports = [report_fields(it) for it in _asked(coordinator).reports]
    if number is not None:
        found = next((it for it in reports if it["number"] == number), None)
        if found is None:
            click.echo(f"there is no report of a rebalance {number}", err=True)
            ctx.exit(ExitCode.NOT_THERE)
        _print_report(found, output)
        return
    if output == JSON:
        print_json({"reports": reports})
        return
    print_rows(
        ("number", "began", "outcome", "seconds", "copies", "repairs", "handed", "bytes", "p99"),
        (
            (
                it["number"],
                it["began"],
                it["outcome"],
                "" if it["seconds"] is None else f"{it['seconds']:.1f}",
                it["copies"],
                it["repairs"],
                it["hand_overs"],
                it["snapshot_bytes"],
                "" if it["worst_p99"] is None else f"<= {it['worst_p99']['at_most_ms']:.2f} ms",
            )
            for it in reports
        ),
        texts=3,
    )


def _print_report(report: Mapping[str, Any], output: str) -> None:
    if output == JSON:
        print_json(report)
        return
    lists = {name: it for name, it in report.items() if isinstance(it, list)}
    for name, value in report.items():
        if name not in lists:
            text = "unknown" if value is None else value
            if isinstance(value, dict):
                text = ", ".join(map(str, value.values()))
            click.echo(f"{name:<14}  {text}")
    for name, rows in lists.items():
        if rows:
            click.echo(f"\n{name}:")
            headings = [heading.replace("_", " ") for heading in rows[0]]
            print_rows(headings, ([*row.values()] for row in rows), texts=1)


@rebalance.command(short_help="Wait until everything is where it is wanted.")
@patience_option
@coordinator_option
@output_option
def wait(timeout_seconds: float, coordinator: str, output: str) -> None:
    """Wait until everything is where it is wanted, and show how far it is.

    It also waits for what is paused, or held up by a node that is down: stderr says so. Of
    a node that was started this instant it knows once `shoal node list` shows it.
    """

    fields: dict[str, Any] = {}

    def look() -> Sight:
        nonlocal fields
        fields = status_fields(_asked(coordinator))
        return sight(fields)

    with telling(say_on_stderr, may_draw=output == TABLE) as tell:
        seen = wait_until_over(look, timeout_seconds, tell)
    if seen is None or not seen.is_over:
        last = "" if seen is None else f"; {seen.sentence}"
        raise CommandRefused(
            f"not everything is where it is wanted after {timeout_seconds:g} s{last}\n"
            "`shoal rebalance wait` waits further, `shoal rebalance status` tells what moves"
        )
    if output == JSON:
        print_json(fields)
        return
    click.echo("everything is where it is wanted")


@rebalance.command(short_help="Begin no move; those under way end.")
@coordinator_option
@output_option
def pause(coordinator: str, output: str) -> None:
    """Begin no move until `shoal rebalance resume`; those under way end."""
    _steer(coordinator, output, "PAUSED", "the rebalance is paused")


@rebalance.command(short_help="Go on after a pause, or after it was cancelled.")
@coordinator_option
@output_option
def resume(coordinator: str, output: str) -> None:
    """Go on after a pause, or after it was cancelled."""
    _steer(coordinator, output, "RUNNING", "partitions move again")


@rebalance.command(short_help="Begin no move, and take back those under way.")
@coordinator_option
@output_option
def cancel(coordinator: str, output: str) -> None:
    """Begin no move, and take back those under way whose copy is not complete.

    What has moved stays where it is. It holds until the members that take a share change,
    or `shoal rebalance resume`.
    """
    _steer(coordinator, output, "CANCELLED", "the rebalance is cancelled")


@rebalance.command(short_help="Show or change how much moves at a time, and when.")
@click.option("--moves", "moves_max", type=int, help="Partitions on their way in the cluster.")
@click.option("--moves-per-node", "moves_per_node_max", type=int, help="From one node, or to one.")
@click.option(
    "--moves-per-zone-pair",
    "moves_per_zone_pair_max",
    type=int,
    help="From one zone to one zone.",
)
@click.option("--repairs", "repairs_max", type=int, help="Partitions given a copy they lack.")
@click.option(
    "--window",
    metavar="HH:MM-HH:MM",
    help="Moves begin within it, in UTC; it may pass midnight. `always`: at any time.",
)
@click.option(
    "--below", "below_max", type=int, help="Begin while at most so many partitions lack copies."
)
@click.option(
    "--abort-on-lost-node",
    type=click.Choice(["on", "off"]),
    help="Take moves back while a node is down.",
)
@click.option(
    "--snapshot-rate",
    metavar="SIZE",
    help="Bytes a second that each node sends, and takes; none: no bound.",
)
@coordinator_option
@output_option
def policy(
    window: str | None,
    abort_on_lost_node: str | None,
    snapshot_rate: str | None,
    coordinator: str,
    output: str,
    **limits: int | None,
) -> None:
    """Show or change how much moves at a time, and when.

    What is not named stays as it is; 0 of a limit is the usual one. Changes take effect at
    once, also for what moves already.
    """
    from shoal.v1 import admin_pb2

    change = admin_pb2.RebalanceChange()
    for name, value in limits.items():
        if value is not None:
            if value < 0:
                raise click.BadParameter("a limit is 0 or more", param_hint=name)
            setattr(change, name, value)
    if window is not None:
        change.window_from_minute, change.window_minutes = _window(window)
    if abort_on_lost_node is not None:
        change.abort_on_lost_node = abort_on_lost_node == "on"
    request = admin_pb2.UpdateConfigRequest(rebalance=change)
    if snapshot_rate is not None:
        rate = 0 if snapshot_rate == "none" else size_bytes(snapshot_rate)
        request.snapshot_bytes_per_second = rate
    with administered(coordinator) as admin:
        answer = admin.UpdateConfig(request, timeout=TIMEOUT_SECONDS)
    config = answer.config
    fields = policy_fields(config.rebalance, config.snapshot_bytes_per_second)
    if output == JSON:
        print_json(fields)
        return
    for name, value in fields.items():
        click.echo(f"{name:<25}  {value}")


def _window(text: str) -> tuple[int, int]:
    """The minute of the day from which on, and for how many."""
    if text == "always":
        return 0, 0
    start, dash, end = text.partition("-")
    first, last = minute_of_day(start), minute_of_day(end)
    if not dash or first is None or last is None or first == last:
        raise click.BadParameter(
            f"{text!r} is not a time of day: write one such as 22:00-06:00, in UTC, or always",
            param_hint="'--window'",
        )
    minutes = (last - first) % _MINUTES_A_DAY
    assert minute_text(first + minutes) == minute_text(last)
    return first, minutes


def _asked(coordinator: str) -> admin_pb2.GetRebalanceResponse:
    from shoal.v1 import admin_pb2

    with administered(coordinator) as admin:
        return admin.GetRebalance(admin_pb2.GetRebalanceRequest(), timeout=TIMEOUT_SECONDS)


def _steer(coordinator: str, output: str, mode: str, sentence: str) -> None:
    from shoal.v1 import admin_pb2, registry_pb2

    change = admin_pb2.RebalanceChange(
        mode=registry_pb2.RebalanceMode.Value(f"REBALANCE_MODE_{mode}")
    )
    with administered(coordinator) as admin:
        request = admin_pb2.UpdateConfigRequest(rebalance=change)
        answer = admin.UpdateConfig(request, timeout=TIMEOUT_SECONDS)
    fields: dict[str, Any] = policy_fields(
        answer.config.rebalance, answer.config.snapshot_bytes_per_second
    )
    if output == JSON:
        print_json(fields)
    else:
        click.echo(sentence)
