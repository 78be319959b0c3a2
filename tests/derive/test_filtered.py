"""Lists that a model picks from a list of its configuration, and lists that a configuration copies."""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any

import pytest

from verify.derive.building import classes, configurations
from verify.derive.regions.region import region
from verify.derive.tracing.lists import whole
from verify.derive.tracing.recorder import Recorder
from verify.derive.tracing.shims import recording
from verify.derive.tracing.symbols import SymbolicInt, SymbolicStr, symbol
from verify.derive.tracing.trace import symbolic_keywords, trace

if TYPE_CHECKING:
    from collections.abc import Iterator

MADE = """
from torch import nn
from transformers import PreTrainedModel


class MadeModel(PreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        kinds = config.kinds
        self.layers = nn.ModuleList(nn.Linear(config.width, 2, bias=False) for _ in range(len(PICKED)))
        self.post_init()
"""

START = {"width": 12, "kinds": ["b", "a", "a", "b", "a", "c"], "limit": 3}
OTHER = {"width": 5, "kinds": ["a", "c", "b", "b", "a", "b", "b", "c", "a", "a", "a"], "limit": 3}


@pytest.fixture
def made(request: pytest.FixtureRequest) -> Iterator[classes.Target]:
    """A class with as many layers as the list has that the parameter of the test picks."""
    from transformers import PreTrainedConfig

    name = "transformers.models.picked.modeling_picked"
    module = types.ModuleType(name)
    sys.modules[name] = module
    source = compile(MADE.replace("PICKED", request.param), "/transformers/models/picked/modeling_picked.py", "exec")
    exec(source, vars(module))  # noqa: S102 - our own
    config_class = type("MadeConfig", (PreTrainedConfig,), {"model_type": "picked", "__module__": name})
    vars(module)["MadeModel"].config_class = config_class
    yield classes.Target("picked", config_class, vars(module)["MadeModel"], "base")
    del sys.modules[name]


@pytest.mark.parametrize(
    ("made", "length", "other"),
    [
        ("[i for i, kind in enumerate(kinds) if kind == 'a']", "kinds.count('a')", 5),
        ("[kind for kind in kinds if kind == 'b']", "kinds.count('b')", 4),
        ("[kind for kind in kinds]", "len(kinds)", 11),
    ],
    indirect=["made"],
)
def test_a_list_that_is_picked_is_as_long_as_the_word_is_frequent(
    made: classes.Target, length: str, other: int
) -> None:
    formula = region(trace(made, START))
    (term,) = formula.terms
    assert [(part.stop.text, part.where) for part in term.repeats] == [(length, None)]
    values = configurations.flatten(OTHER)
    assert formula.flipped(values) == ()
    assert formula.count(values) == other * 5 * 2


@pytest.mark.parametrize(
    "made",
    [
        "[i for i, kind in enumerate(kinds) if kind == 'a' and i > 1]",
        "[i for i, kind in enumerate(kinds) if kind != 'a']",
        "[0 for i, kind in enumerate(kinds) if kind == 'a']",
        "[i for i, kind in enumerate(kinds) if kind == 'a'][1:]",
        "[i for i, kind in enumerate(kinds) if kind == 'a'] + [9]",
    ],
    indirect=True,
)
def test_another_list_is_as_long_as_it_is(made: classes.Target) -> None:
    """Two, three or four modules, as Python counts them; no word is there as often by more than chance."""
    formula = region(trace(made, START))
    (term,) = formula.terms
    assert term.repeats[0].stop.text == str(term.repeats[0].stop.integer({}))


def test_a_list_that_is_copied_entry_by_entry_is_the_list_of_the_configuration() -> None:
    values: dict[str, Any] = {"kinds": ("a", "b", "a"), "sizes": (3, 4), "sizes[0]": 3, "sizes[1]": 4}
    with recording(Recorder()) as _:
        assert Recorder.current is not None
        given = symbolic_keywords({"kinds": ["a", "b", "a"], "sizes": [3, 4]}, Recorder.current)
        copied = whole(list(given["kinds"]), values)
        assert copied is not None
        assert (copied.path, list(copied)) == ("kinds", ["a", "b", "a"])
        sizes = whole(list(given["sizes"]), values)
        assert sizes is not None
        assert sizes.path == "sizes"
        assert whole(list(given["kinds"])[::-1], values) is None
        assert whole(list(given["kinds"])[:2], values) is None
        assert whole([given["kinds"][0], "b", "a"], values) is None
        assert whole(["a", "b", "a"], values) is None
        assert whole([], values) is None
        assert whole([SymbolicInt(3, symbol("unknown[0]", 3))], values) is None
        assert whole([SymbolicStr("a", symbol("kinds", 1))], values) is None
