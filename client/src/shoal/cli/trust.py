"""``--tls-*``: whom a command trusts, and what it shows. Without them connections are plain.

The flags are kept beside the command's own arguments, and read where it connects.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

if TYPE_CHECKING:
    import ssl

    import grpc

    from shoal import Tls

_KEPT: Final = "shoal.cli.trust"
_FLAGS: Final = (
    ("--tls-ca", "authority", "Speak TLS; who signs the certificates of those that are asked."),
    ("--tls-cert", "certificate", "Speak TLS, and show this certificate."),
    ("--tls-key", "key", "Its key."),
)

Command = TypeVar("Command", bound=Callable[..., Any])


def tls_options(command: Command) -> Command:
    """For every command that connects to anything."""
    for flag, field, help_ in reversed(_FLAGS):
        command = click.option(
            flag,
            envvar=f"SHOAL_{flag.removeprefix('--').replace('-', '_').upper()}",
            metavar="FILE",
            show_envvar=True,
            expose_value=False,
            callback=_kept_as(field),
            help=help_,
        )(command)
    return command


def tls_given() -> Tls | None:
    """What this command was told. Raises click.UsageError where it does not go together."""
    context = click.get_current_context(silent=True)
    given = {} if context is None else context.meta.get(_KEPT, {})
    if not given:
        return None
    from shoal import ConfigurationError, Tls

    try:
        return Tls(**given)
    except ConfigurationError as error:
        raise click.UsageError("--tls-cert and --tls-key go together") from error


def open_channel(address: str) -> grpc.Channel:
    """A channel to a coordinator. Raises click.UsageError."""
    import grpc

    tls = tls_given()
    if tls is None:
        return grpc.insecure_channel(address)
    from shoal import ConfigurationError
    from shoal._drivers.identity import Identity

    try:
        identity = Identity(tls)
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from error
    return grpc.secure_channel(address, identity.latest().credentials(), identity.options)


def http_context() -> ssl.SSLContext | None:
    """To ask for https:// what a coordinator names. Raises click.UsageError."""
    tls = tls_given()
    if tls is None:
        return None
    import ssl

    try:
        context = ssl.create_default_context(cafile=tls.authority)
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.key, lambda: "")
    except OSError as error:
        raise click.UsageError(f"the files of --tls-* cannot be used: {error}") from error
    return context


def _kept_as(field: str) -> Callable[[click.Context, click.Parameter, str | None], None]:
    def keep(context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
        if value:
            context.meta.setdefault(_KEPT, {})[field] = value

    return keep
