"""The command: your traffic and what you deploy in, the bill out. It asks AWS nothing."""

from __future__ import annotations

import argparse
import dataclasses

from openreplay_cw_stack.commands.cost.alternatives import alternatives
from openreplay_cw_stack.commands.cost.model import EVERYTHING, Counts, Traffic, monthly_cost
from openreplay_cw_stack.commands.cost.prices import Prices
from openreplay_cw_stack.commands.cost.report import as_json, as_text
from openreplay_cw_stack.commands.errors import CommandFailed

HELP = "print what a deployment costs a month, by item, for your traffic"

_PRICES = {field.name: field.default for field in dataclasses.fields(Prices)}
_TRAFFIC = {
    "lines_per_month": ("tagged_lines", "lines with a session tag"),
    "lines_per_payload": ("lines_per_payload", "lines that one log stream writes within moments"),
    "tagged_share": ("tagged_share", "of all lines of the tracked log groups, 0.1 for 10 %%"),
    "linkable_share": ("linkable_share", "of the tagged lines"),
    "bytes_per_line": ("line_bytes", "bytes of a line"),
    "questions_per_month": ("questions", "sessions that OpenReplay asks for"),
}
_COUNTS = {
    "log_groups": "tracked log groups",
    "verdicts": "verdicts that occur",
    "secrets": "secrets of the stack",
    "alarm_metrics": "metrics that its alarms look at, but for two of each log group",
    "dashboards": "CloudWatch dashboards",
    "encryption_keys": "customer managed keys",
    "hourly_schedules": "functions that are invoked each hour",
    "rotated_keys": "keys that rotation replaces",
    "polled_queues": "queues that feed a function",
    "streams": "Kinesis streams that the lines come through",
    "memory_megabytes": "of the validator and the bridge",
    "linked_retention_days": "days that linked lines are kept",
}
_SWITCHES = {
    "detailed_metrics": "count lines by log group and verdict, too",
    "http_api": "reach the bridge through an HTTP API",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    for option, (name, help_) in _TRAFFIC.items():
        default = getattr(Traffic(), name)
        parser.add_argument(
            _flag(option),
            dest=name,
            type=float,
            metavar="N",
            help=f"{help_} (default: {default:g})",
        )
    parser.add_argument(
        "--unfiltered",
        action="store_true",
        help="as if the subscription filter let lines without a tag through",
    )
    for name, help_ in _COUNTS.items():
        usual = getattr(Counts(), name)
        parser.add_argument(
            _flag(name), type=type(usual), metavar="N", help=f"{help_} (default: {usual:g})"
        )
    for name, help_ in _SWITCHES.items():
        parser.add_argument(_flag(name), action="store_true", default=None, help=help_)
    parser.add_argument(
        "--everything",
        action="store_true",
        help="begin with every option that costs something, instead of the default stack",
    )
    parser.add_argument(
        "--price",
        action="append",
        default=[],
        metavar="NAME=DOLLARS",
        help="a price of yours; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.epilog = (
        "It asks AWS nothing: list prices of us-east-1 without free tiers, and quantities that are "
        f"measured or assumed. Names of prices: {', '.join(_PRICES)}."
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the bill; the exit status.

    Raises:
        CommandFailed: a number is out of its range, or there is no such price.
    """
    given = {
        name: value
        for name in [name for name, _ in _TRAFFIC.values()] + [*_COUNTS, *_SWITCHES]
        if (value := getattr(arguments, name)) is not None
    }
    of_traffic = {field.name for field in dataclasses.fields(Traffic)}
    try:
        traffic = Traffic(
            filtered=not arguments.unfiltered,
            **{name: value for name, value in given.items() if name in of_traffic},
        )
        counts = dataclasses.replace(
            EVERYTHING if arguments.everything else Counts(),
            **{name: value for name, value in given.items() if name not in of_traffic},
        )
    except ValueError as error:
        raise CommandFailed(str(error)) from None
    prices = _prices(arguments.price)
    items = monthly_cost(traffic, counts, prices)
    others = alternatives(traffic, counts, prices)
    for line in [as_json(items, others)] if arguments.json else as_text(items, others):
        print(line)  # noqa: T201
    return 0


def _prices(given: list[str]) -> Prices:
    changed: dict[str, float] = {}
    for one in given:
        name, _, text = one.partition("=")
        if name not in _PRICES:
            raise CommandFailed(f"there is no price {name}; there are: {', '.join(_PRICES)}")
        try:
            changed[name] = float(text)
        except ValueError:
            raise CommandFailed(f"--price {name}= takes dollars, not {text!r}") from None
        if not 0 <= changed[name] < float("inf"):
            raise CommandFailed(f"--price {name}= takes dollars, 0 or more, not {text}")
    return Prices(**changed)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
