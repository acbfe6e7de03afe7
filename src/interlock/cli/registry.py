"""contract serve: the schema registry."""

from __future__ import annotations

import json
import signal
from typing import Any

import click

from interlock.cli.output import output_option


@click.command()
@click.option(
    "--listen",
    envvar="INTERLOCK_REGISTRY_ADDRESS",
    metavar="HOST:PORT",
    default="127.0.0.1:8081",
    help="Where the registry answers (127.0.0.1:8081).",
)
@click.option("--store", envvar="INTERLOCK_STORE", metavar="URL", help="SQLite (the default) or a Postgres URL.")
@click.option("--no-auth", is_flag=True, help="Ask nobody for a token; on a loopback address alone.")
@output_option
@click.pass_obj
def serve(obj: dict[str, Any], listen: str, store: str | None, no_auth: bool, output: str) -> None:
    """Answer the API of Confluent Schema Registry; runs until interrupted.

    Clients send a token as the password: basic.auth.user.info=PERSON:TOKEN.
    """
    from interlock.config import registry_settings
    from interlock.wiring import SchemaRegistry

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C, in order
    settings = registry_settings(obj["workspace"].resolve(), listen, store, is_open=no_auth)
    registry = SchemaRegistry(settings)
    try:
        url = f"http://{listen}"
        if output == "json":
            click.echo(json.dumps({"ready": {"registry": url}}))
        else:
            click.echo(f"ready: schema registry {url}")
            who = "nobody is asked for a token" if no_auth else f"token in {settings.state_dir / 'token'}"
            click.echo(f"       {who}")
        registry.serve()
    except KeyboardInterrupt:
        pass
    finally:
        registry.close()
