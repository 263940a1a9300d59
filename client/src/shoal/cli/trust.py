"""``--tls-*`` and ``--token-file``: whom a command trusts, and what it shows. Without the first
connections are plain.

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
_TOKEN_FILE: Final = "token_file"  # noqa: S105  a field
_FLAGS: Final = (
    ("--tls-ca", "authority", "Speak TLS; who signs the certificates of those that are asked."),
    ("--tls-cert", "certificate", "Speak TLS, and show this certificate."),
    ("--tls-key", "key", "Its key."),
    ("--token-file", "token_file", "Show the token that stands in this file."),
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
    given = {name: value for name, value in _given().items() if name != _TOKEN_FILE}
    if not given:
        return None
    from shoal import ConfigurationError, Tls

    try:
        return Tls(**given)
    except ConfigurationError as error:
        raise click.UsageError("--tls-cert and --tls-key go together") from error


def token_file_given() -> str | None:
    """Where the token of this command stands, if it was told one."""
    return _given().get(_TOKEN_FILE)


def token_metadata() -> tuple[tuple[str, str], ...]:
    """What every call of this command shows. Raises click.UsageError."""
    file = token_file_given()
    if file is None:
        return ()
    from shoal import ConfigurationError
    from shoal._core.token import Token
    from shoal._drivers.bearing import Bearer

    try:
        return Bearer(Token(file=file)).metadata()
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from error


def open_channel(address: str) -> grpc.Channel:
    """A channel to a coordinator, whose calls show the token. Raises click.UsageError."""
    channel = _open(address)
    metadata = token_metadata()
    if not metadata:
        return channel
    import grpc

    from shoal._drivers.bearing import Shown

    return grpc.intercept_channel(channel, Shown(metadata))


def _open(address: str) -> grpc.Channel:
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


def _given() -> dict[str, str]:
    context = click.get_current_context(silent=True)
    kept: dict[str, str] = {} if context is None else context.meta.get(_KEPT, {})
    return kept


def _kept_as(field: str) -> Callable[[click.Context, click.Parameter, str | None], None]:
    def keep(context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
        if value:
            context.meta.setdefault(_KEPT, {})[field] = value

    return keep
