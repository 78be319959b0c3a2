"""Which evidence a check rests on: the strongest at hand, and why it was that.

Each kind of evidence is imported where it is used, so that a header check loads no other.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from verify.errors import (
    AccessError,
    NetworkError,
    NotFoundError,
    UnavailableError,
    UsageError,
    VerifyError,
)
from verify.evidence.base import Evidence, Strength
from verify.reference import Reference

# Digits of a commit that are taken for it, as git abbreviates.
_SHORTEST = 7

# What an adapter_config.json has, and no config.json; it names no class that could be built.
_ADAPTER = "peft_type"


class Choice(StrEnum):
    """What `--evidence` takes."""

    AUTO = "auto"
    HEADER = "header"
    RECORDED = "recorded"
    META = "meta"


@dataclass(frozen=True, slots=True)
class Access:
    """How the files of a checkpoint are reached.

    Attributes:
        token: A token given by the user; None means the usual places.
        offline: Whether to stay off the network.
        timeout: Seconds to wait for a server.
        file: The weights to read, by their path in the checkpoint; "" chooses as transformers does.
        cache: Whether headers of earlier reads may be used, and are kept.
        progress: Called with a line on a read that takes longer than a second, and again as it goes on.
    """

    token: str | None = field(default=None, repr=False)
    offline: bool = False
    timeout: float = 10.0
    file: str = ""
    cache: bool = True
    progress: Callable[[str], None] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Gathered:
    """The evidence of a check.

    Attributes:
        file: What is known of the checkpoint; the implementation itself when nothing else is asked for.
        implementation: What transformers builds from the same config, where it is at hand.
        notes: What could not be had, and why.
        module: The model that `implementation` describes, on the meta device; None where it was not built.
    """

    file: Evidence
    implementation: Evidence | None
    notes: tuple[str, ...]
    module: Any = field(default=None, repr=False, compare=False)


def gather(reference: Reference, choice: Choice, access: Access) -> Gathered:
    """Collect the evidence for a model.

    Raises:
        EvidenceError: There is none of the kind that was asked for.
        UsageError: What was asked for contradicts itself.
    """
    if choice is Choice.META or _is_config(reference):
        if choice in {Choice.HEADER, Choice.RECORDED}:
            raise UsageError(
                f"{reference.name} holds no tensors", expected="a folder or a weight file", hint="use --evidence meta"
            )
        from verify.evidence import meta

        config = _config(reference, access)
        if _ADAPTER in config.config:
            raise UsageError(
                f"{reference.name} is an adapter, and its config alone was asked for", expected="--evidence header"
            )
        built = meta.read(config.config, model=reference.name)
        return Gathered(replace(built, revision=config.revision), None, ())
    file = _file(reference, choice, access)
    if choice is Choice.HEADER or _ADAPTER in file.config:
        return Gathered(file, None, ())
    from verify.evidence import meta

    try:
        code = meta.build(file.config, model=reference.name)
    except VerifyError as error:
        return Gathered(file, None, (f"implementation not compared: {error}",))
    return Gathered(file, code.evidence, (), code.module)


def configured(reference: Reference, choice: Choice, access: Access) -> Gathered:
    """Collect no more than a formula needs: of a path its config.json, be there weights or not.

    Raises:
        EvidenceError: There is none.
        UsageError: What was asked for contradicts itself.
    """
    if choice is not Choice.RECORDED and (choice is Choice.META or reference.path is not None):
        return Gathered(_config(reference, access), None, ())
    return Gathered(_file(reference, choice, access), None, ())


def config_alone(reference: Reference, access: Access) -> Evidence:
    """Evidence of whose config alone is needed, such as that of the base model of an adapter.

    Raises:
        EvidenceError: There is none.
    """
    access = replace(access, file="")
    if reference.path is not None:
        return _config(reference, access)
    from verify.evidence import hub_config

    try:
        return hub_config.read(
            reference.name,
            revision=reference.revision,
            token=access.token,
            offline=access.offline,
            timeout=access.timeout,
            cache=access.cache,
        )
    except (AccessError, NetworkError, NotFoundError, UnavailableError) as error:
        return _recorded_instead(reference, error)


def _file(reference: Reference, choice: Choice, access: Access) -> Evidence:
    """The strongest evidence about the stored file."""
    if reference.path is not None:
        if choice is Choice.RECORDED:
            raise UsageError(f"{reference.name} is a path", expected="the Hub id of a recorded model")
        from verify.evidence import local

        return local.read(reference.path, model=reference.name, file=access.file)
    from verify.evidence import recorded

    if choice is Choice.RECORDED:
        if access.file:
            raise UsageError(
                f"--file {access.file} with --evidence recorded", expected="no --file: a record is of a whole model"
            )
        return _of_revision(recorded.read(reference.name), reference.revision)
    try:
        return _hub(reference, access)
    except (AccessError, NetworkError, NotFoundError, UnavailableError, UsageError) as error:
        if choice is Choice.HEADER or access.file:
            raise
        return _recorded_instead(reference, error)


def _recorded_instead(reference: Reference, error: VerifyError) -> Evidence:
    """What was recorded of a model that is out of reach, where no revision of it was asked for."""
    from verify.evidence import recorded

    if reference.revision:
        raise error
    try:
        record = recorded.read(reference.name)
    except NotFoundError:
        raise error from None
    reason = f"{error}; compared with what was recorded of it"
    return replace(record, note="; ".join(filter(None, (reason, record.note))))


def _of_revision(record: Evidence, revision: str) -> Evidence:
    """The record, where it is of the revision that was asked for."""
    if revision and not (len(revision) >= _SHORTEST and record.revision.startswith(revision)):
        held = f"revision {record.revision}" if record.revision else "no known revision"
        raise NotFoundError(
            f"the record of {record.model} is of {held}, not of {revision}",
            expected="the revision of the record",
            hint="ask for none, or use --evidence header",
        )
    return record


def _hub(reference: Reference, access: Access) -> Evidence:
    from verify.evidence import hub

    return hub.read(
        reference.name,
        revision=reference.revision,
        token=access.token,
        offline=access.offline,
        timeout=access.timeout,
        cache=access.cache,
        file=access.file,
        progress=access.progress,
    )


def _is_config(reference: Reference) -> bool:
    """Whether MODEL is a config.json by itself."""
    from verify.evidence import local

    return reference.path is not None and local.is_config(reference.path)


def _config(reference: Reference, access: Access) -> Evidence:
    """Evidence of whose config alone is needed."""
    if reference.path is None:
        return _file(reference, Choice.AUTO, access)
    from verify.evidence import local

    config = local.read_config_alone(reference.path, file=access.file)
    return Evidence(reference.name, Strength.META, "meta", str(reference.path), config)
