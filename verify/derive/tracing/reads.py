"""Which switches of a configuration a model reads while it is built: fields that are true, false, None or a word.

A number that is read becomes part of a formula; a switch decides which formula it is.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from verify.derive.tracing.lists import whole
from verify.derive.tracing.recorder import place
from verify.derive.tracing.symbols import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from verify.derive.tracing.recorder import Recorder

#: Where a configuration object keeps the start of its paths; a copy of the object keeps it too.
_PREFIX = "_verify_prefix"
#: Where it keeps the symbolic number of labels: its own `num_labels` is the length of a dictionary.
LABELS = "_verify_num_labels"
#: Ends of the names of token numbers, which choose rows of an embedding and never a shape.
_TOKENS = ("token_id", "token_ids", "token_idx", "token_index")


@contextmanager
def reads(recorder: Recorder, values: Mapping[str, Any]) -> Iterator[Callable[[Any], None]]:
    """Tell the recorder which switches of a configuration are read inside the block.

    Args:
        recorder: What is told.
        values: The flat values of the configuration; a field whose value has changed since is not told.

    Yields:
        What is to be called with the configuration object once it is made: what it read of itself while it was made
        (`feed_forward_proj` of T5, from which it sets `is_gated_act`) is told then.
    """
    from transformers import PreTrainedConfig

    base: Any = PreTrainedConfig
    original = base.__getattribute__
    pending: list[tuple[Any, str, Any, str]] = []

    def getattribute(self: Any, name: str) -> Any:
        value = original(self, name)
        if name == "num_labels":
            labels = object.__getattribute__(self, "__dict__").get(LABELS)
            # A model may have set another number since: BartForQuestionAnswering does.
            return labels if labels is not None and plain(labels) == value else value
        if type(value) is list and (known := whole(value, values)) is not None:
            object.__getattribute__(self, "__dict__")[type(self).attribute_map.get(name, name)] = value = known
        if (value is None or value is True or value is False or type(value) is str) and recorder.reads(name):
            pending.append((self, name, value, place()))
            if _PREFIX in object.__getattribute__(self, "__dict__"):
                told()
        return value

    def told() -> None:
        for config, name, value, where in pending:
            prefix = vars(config).get(_PREFIX)
            path = f"{prefix}{type(config).attribute_map.get(name, name)}"
            same = prefix is not None and path in values and values[path] == value
            if same and not path.endswith(_TOKENS):
                recorder.switches.setdefault(path, (value, where))
        pending.clear()

    def made(config: Any) -> None:
        _mark(config, "")
        told()

    base.__getattribute__ = getattribute
    try:
        yield made
    finally:
        base.__getattribute__ = original


def _mark(config: Any, prefix: str) -> None:
    """Note in a configuration and its sections where their paths start."""
    from transformers import PreTrainedConfig

    vars(config)[_PREFIX] = prefix
    for name, value in list(vars(config).items()):
        if isinstance(value, PreTrainedConfig) and _PREFIX not in vars(value):
            _mark(value, f"{prefix}{name}.")
