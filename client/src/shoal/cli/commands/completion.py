"""``shoal completion``: what makes a shell complete commands and flags."""

from __future__ import annotations

import click

_PROGRAM = "shoal"
_VARIABLE = "_SHOAL_COMPLETE"


@click.command(short_help="Print what makes a shell complete commands.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script for SHELL that completes commands and flags.

    bash, in ~/.bashrc: eval "$(shoal completion bash)"

    zsh, in ~/.zshrc: eval "$(shoal completion zsh)"

    fish: shoal completion fish > ~/.config/fish/completions/shoal.fish
    """
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    assert made is not None, f"click completes no {shell}"
    click.echo(made(ctx.find_root().command, {}, _PROGRAM, _VARIABLE).source())
