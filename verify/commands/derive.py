"""`verify derive`: the formula of a class, from its code."""

import argparse
import os
from typing import TYPE_CHECKING, Any

from verify.commands import Console, Outcome
from verify.commands._model import access, add_fetching
from verify.errors import ConfigError, NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from verify.derive.building.classes import Target
    from verify.derive.confirming.booleans import Table
    from verify.derive.formulas.formula import Derived
    from verify.evidence.base import Evidence

SUMMARY = "derive the formula of a class of transformers from its code"
FORMATS = ("text", "json", "latex", "markdown")

#: How the names of numbers of modules end.
_MODULES = frozenset({"layers", "layer", "depth", "blocks", "experts", "labels"})


def add(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument(
        "model",
        metavar="TYPE|MODEL",
        help="a model_type of transformers; or owner/name[@revision] on the Hub, a folder or a config.json",
    )
    parser.add_argument(
        "--class", dest="class_", default="", metavar="NAME", help="the class, or how its name ends: ForCausalLM"
    )
    parser.add_argument(
        "--configurations",
        type=_count,
        default=20,
        metavar="N",
        help="random configurations in a row that the formula must predict; fewer than 20 do not confirm it",
    )
    parser.add_argument("--seed", type=_count, default=0, metavar="N", help="of the random configurations; default: 0")
    parser.add_argument("-v", "--verbose", action="store_true", help="print trivial conditions too")
    add_fetching(parser)


def run(options: argparse.Namespace, console: Console) -> Outcome:
    """Derive it; exit code 1 when anything that is printed is not confirmed."""
    from verify.derive.building import classes, configurations
    from verify.derive.report import report
    from verify.render import formats

    console.progress("loading transformers")
    evidence = None if _is_type(options.model, options.revision) else _evidence(options, console)
    from verify.evidence.meta import silence

    with silence():
        if evidence is None:
            target = classes.find(options.model, options.class_)
            keywords = configurations.keywords(target.config_class)
            given = f"the defaults of {target.config_class.__name__}"
        else:
            target = classes.find_for(evidence.config, options.class_)
            keywords = configurations.keywords(target.config_class, classes.part(target, evidence.config))
            given = f"the sizes of {options.model}"
        derived, table = _derived(target, keywords, options, console)
        found = report(
            target,
            keywords,
            derived,
            table,
            given=given,
            revision=evidence.revision if evidence else "",
            note=evidence.note if evidence else "",
        )
    text = formats.derived(found, options.format, verbose=options.verbose, color=console.color)
    return Outcome(text, 1 if found.failures else 0)


def _derived(
    target: "Target", keywords: dict[str, Any], options: argparse.Namespace, console: Console
) -> "tuple[Derived, Table]":
    from verify.derive.confirming import booleans, confirm

    console.progress(f"{target.model_type}")
    derived = confirm.derive(target, keywords, configurations=options.configurations, seed=options.seed)
    if not derived.confirmation.confirmed:  # what booleans change in a formula that may be wrong says nothing
        return derived, booleans.Table()
    table = booleans.table(
        target,
        keywords,
        derived,
        configurations=options.configurations,
        seed=options.seed,
        progress=console.progress,
    )
    return derived, table


def _is_type(model: str, revision: str) -> bool:
    """Whether MODEL is a model_type of transformers, known or not; a folder of that name is `./name`."""
    from verify.derive.building import classes

    if not model.strip():
        raise UsageError("MODEL is empty", expected="a model_type, owner/name[@revision], a folder or a config.json")
    if revision or set(model) & {os.sep, "/", "@", "."}:
        return False
    return model in classes.types("") or not os.path.exists(model)  # noqa: PTH110 - a name that no file can have


def _evidence(options: argparse.Namespace, console: Console) -> "Evidence":
    """The config.json of MODEL."""
    from verify.evidence import select
    from verify.reference import parse

    evidence = select.config_alone(parse(options.model, options.revision), access(options, console))
    if not evidence.config:
        raise NotFoundError(f"{options.model} has no config.json", expected="one", hint="name a model_type instead")
    _refuse_many(evidence.config, "")
    return evidence


def _refuse_many(config: "Mapping[str, object]", prefix: str) -> None:
    """Numbers of modules that no model has would fill the memory while it is built.

    Raises:
        ConfigError: There is one.
    """
    from verify.formula import MOST_LAYERS

    for name, value in config.items():
        if isinstance(value, dict):
            _refuse_many(value, f"{prefix}{name}.")
        elif isinstance(value, int) and value > MOST_LAYERS and name.rpartition("_")[2] in _MODULES:
            raise ConfigError(
                f"{prefix}{name} is {value}", expected=f"at most {MOST_LAYERS}", hint="correct config.json"
            )


def _count(text: str) -> int:
    if not text.isdecimal() or not text.isascii() or len(text) > len("1" * 6):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)
