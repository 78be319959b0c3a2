"""Options that commands on a model share."""

import argparse
from typing import TYPE_CHECKING

from verify.errors import VerifyError

if TYPE_CHECKING:
    from verify.commands import Console
    from verify.evidence.select import Access

MODEL = "owner/name[@revision] on the Hub, a folder, a weight file or a config.json"


def add_reading(parser: argparse.ArgumentParser) -> None:
    """What a model is read from, and how."""
    parser.add_argument(
        "--evidence",
        choices=("auto", "header", "recorded", "meta"),
        default="auto",
        help="what to rest on; auto takes the strongest and adds the transformers implementation",
    )
    parser.add_argument("--file", default="", metavar="NAME", help="the weights to read, where there are several")
    add_fetching(parser)


def add_fetching(parser: argparse.ArgumentParser) -> None:
    """How files of the Hub are reached."""
    parser.add_argument("--revision", default="", help="branch, tag or commit of a Hub model")
    parser.add_argument("--offline", action="store_true", help="stay off the network")
    parser.add_argument("--no-cache", action="store_true", help="neither use nor keep headers of earlier reads")
    parser.add_argument("--token", help="Hub token; default: where `hf auth login` keeps it, or HF_TOKEN")
    parser.add_argument("--timeout", type=_seconds, default=10.0, metavar="S", help="seconds to wait for a server")


def add_base(parser: argparse.ArgumentParser) -> None:
    """The model that an adapter is put on."""
    parser.add_argument(
        "--base", default="", metavar="MODEL", help="base model of an adapter; default: the one that it names"
    )


def access(options: argparse.Namespace, console: "Console") -> "Access":
    """How the files of a model are reached."""
    from verify.evidence.select import Access

    return Access(
        options.token,
        options.offline,
        options.timeout,
        file=getattr(options, "file", ""),
        cache=not options.no_cache,
        progress=console.progress,
    )


def call_ahead(model: str, options: argparse.Namespace) -> None:
    """Connect to the Hub while modules are loaded, where a model is read there."""
    from verify.reference import parse

    try:
        on_hub = parse(model, options.revision).path is None
    except VerifyError:  # said by who reads it
        return
    if on_hub and options.evidence in {"auto", "header"} and not options.offline:
        from huggingface_hub import constants

        from verify.evidence import hub_session

        if not constants.is_offline_mode():
            hub_session.prepare(constants.ENDPOINT, hub_session.AT_ONCE, options.timeout)


def add_judging(parser: argparse.ArgumentParser) -> None:
    """What a verdict is reached against, and what passes."""
    add_base(parser)
    parser.add_argument(
        "--formula", default="", metavar="NAME|EXPRESSION|FILE.py", help="default: the exact formula of the family"
    )
    parser.add_argument("--strict", action="store_true", help="only `exact` passes")
    parser.add_argument("--tolerance", type=_ratio, default=0.0, metavar="R", help="pass when |ratio - 1| <= R")
    parser.add_argument("--reports", metavar="DIR", help="write CSV, Markdown and JSON into DIR/<owner>--<name>/")


def _ratio(text: str) -> float:
    value = _number(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a ratio between 0 and 1")
    return value


def _seconds(text: str) -> float:
    value = _number(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds above 0")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
