"""`interlock lens relay`: what it refuses before it connects anywhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from interlock.adapters.workspace.template import write_template
from interlock.cli.main import interlock

URLS = ("--from", "nats://127.0.0.1:1/ORDERS/orders.new", "--to", "nats://127.0.0.1:1/NEXT/next.new")


def said(workspace: Path, *arguments: str) -> tuple[int, str]:
    """Exit code, and what was said or raised."""
    done = CliRunner().invoke(interlock, ["-C", str(workspace), "lens", "relay", *arguments])
    return getattr(done.exception, "exit_code", done.exit_code), done.output + str(done.exception or "")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("order", *URLS), 2, "order@1..2"),
        (("order@1..9", *URLS), 3, "no version '9'"),
        (("order@1..2", *URLS, "--to-version", "3"), 2, "one of 1 and 2"),
        (("order@1..2", *URLS, "--name", "No Name"), 2, "is no name"),
        (("order@1..2", *URLS, "--pin", "r1"), 2, "RELEASE=VERSION"),
        (("order@1..2", *URLS, "--pin", "r1=7"), 3, "no version '7'"),
        (("order@1..2", *URLS, "--share", "120%"), 2, "no share like 10%"),
        (("order@1..2", *URLS, "--share", "inf"), 2, "no share like 10%"),
        (("order@1..2", URLS[0], "kafka://[::1/x", *URLS[2:]), 2, "this is no URL"),
        (("order@1..2", URLS[0], "kafka://h/x?partitions=²", *URLS[2:]), 2, "no list of numbers"),
        (("order@1..2", *URLS, "--share", "10%", "--follow"), 2, "leave out your own"),
        (("order@1..2", *URLS, "--key", "field:id"), 2, "no key of messages"),
        (("order@1..2", *URLS, "--metrics", "here"), 2, "host:port"),
        (("order@1..2", URLS[0], "nats://a/orders", *URLS[2:]), 2, "one stream and one subject"),
        (("order@1..2", *URLS, "--follow"), 1, "no running control plane"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_connected(
    tmp_path: Path, arguments: tuple[str, ...], code: int, says: str
) -> None:
    """Each with the exit code of its sort."""
    write_template(tmp_path)
    assert (code, True) == ((told := said(tmp_path, *arguments))[0], says in told[1]), told


def test_a_lens_with_errors_translates_nothing(tmp_path: Path) -> None:
    """The first error is told with its place."""
    write_template(tmp_path)
    lens = tmp_path / "lenses" / "order-1-2.yaml"
    lens.write_text(lens.read_text().replace("to: articles", "to: article"))
    code, told = said(tmp_path, "order@1..2", *URLS)
    assert code == 2
    assert "order-1-2.yaml" in told


def test_a_draft_translates_nothing(tmp_path: Path) -> None:
    """Nobody has confirmed it."""
    write_template(tmp_path)
    lens = tmp_path / "lenses" / "order-1-2.yaml"
    lens.write_text(lens.read_text() + "status: draft\n")
    code, told = said(tmp_path, "order@1..2", *URLS)
    assert code == 3
    assert "no lens leads" in told
