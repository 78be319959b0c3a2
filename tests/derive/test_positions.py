"""Lists of modules that several loops fill, against the modules themselves, built at other sizes."""

from __future__ import annotations

import itertools
import sys
import types
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from verify.derive.building import classes, configurations
from verify.derive.regions.linking import links, named
from verify.derive.regions.region import region
from verify.derive.tracing.trace import trace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verify.derive.formulas.formula import Region

MADE = """
from torch import nn
from transformers import PreTrainedModel


def line(inside, outside):
    return nn.Linear(inside, outside, bias=False)


class MadeModel(PreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        h, n, m = config.width, config.blocks, config.stages
        layers = []
        BODY
        self.layers = nn.ModuleList(layers)
        self.post_init()
"""

#: A codec: blocks and a convolution for each ratio, the ratios written out.
CODEC = """layers += [line(1, h)]
for ratio in reversed(config.ratios):
    for j in range(n):
        layers += [line(h, ratio)]
    layers += [nn.ReLU(), line(ratio, h)]
layers += [nn.ReLU(), line(h, 3)]"""

#: The same over a number of stages, whose loop the trace follows.
STAGES = """layers += [line(1, h)]
for i in range(m):
    layers += [nn.ReLU(), line(h, i + 2)]
    for j in range(n):
        layers += [line(h, j + 3)]
layers += [line(h, 7)]"""

BODIES = {
    "codec": CODEC,
    "stages": STAGES,
    "one after the other": "layers += [line(h, 1) for _ in range(n)]\nlayers += [line(h, 2) for _ in range(m)]",
    "two in each pass": "for i in range(n):\n    layers += [line(h, 1), nn.ReLU(), line(h, 2)]\nlayers += [line(h, 9)]",
    "the first differs": "for i in range(m):\n    for j in range(n):\n        layers += [line(h, 5 if j == 0 else 6)]",
    "as many as an entry": """for i, width in enumerate(config.ratios):
    for j in range(config.repeats[i]):
        layers += [line(h, width)]
layers += [line(h, 2)]""",
    "words with numbers": """inner = nn.ModuleDict()
for i in range(n):
    inner[f'block_{i + 1}'] = line(h, 4)
inner['norm_1'] = line(h, 8)
inner['norm_2'] = line(h, 9)
layers += [inner]""",
    "lists in a list": """for i in range(m):
    inner = nn.ModuleList(line(h, 2) for _ in range(n))
    inner.extend(line(h, 3) for _ in range(config.extras))
    layers += [inner]""",
}

START = {"width": 12, "blocks": 3, "stages": 2, "extras": 4, "ratios": [5, 7, 11], "repeats": [2, 3, 4]}
CHANGES: list[dict[str, Any]] = [
    {"blocks": n, "stages": m, "width": 6, "extras": k, "ratios": ratios, "repeats": repeats}
    for n, m, k, ratios, repeats in itertools.product((1, 4), (1, 3), (2, 5), ([13, 2, 8],), ([1, 1, 1], [3, 1, 6]))
]


@pytest.fixture
def made(request: pytest.FixtureRequest) -> Iterator[classes.Target]:
    """A class that fills a list as the parameter of the test says, in a module of the name that models have."""
    from transformers import PreTrainedConfig

    name = "transformers.models.listed.modeling_listed"
    module = types.ModuleType(name)
    sys.modules[name] = module
    source = MADE.replace("BODY", BODIES[request.param].replace("\n", "\n        "))
    exec(compile(source, "/transformers/models/listed/modeling_listed.py", "exec"), vars(module))  # noqa: S102 - our own
    config_class = type("MadeConfig", (PreTrainedConfig,), {"model_type": "listed", "__module__": name})
    vars(module)["MadeModel"].config_class = config_class
    yield classes.Target("listed", config_class, vars(module)["MadeModel"], "base")
    del sys.modules[name]


def measured(target: classes.Target, values: dict[str, Any]) -> Counter[tuple[str, tuple[int, ...]]]:
    with torch.device("meta"):
        model: nn.Module = target.model_class(configurations.build(target.config_class, values))
    return Counter((name, tuple(tensor.shape)) for name, tensor in model.named_parameters())


def predicted(formula: Region, values: dict[str, Any]) -> Counter[tuple[str, tuple[int, ...]]]:
    """Every tensor with its full name, so that each number is where the class has it."""
    found: Counter[tuple[str, tuple[int, ...]]] = Counter()
    for term in formula.terms:
        places: list[dict[str, int]] = [{}]
        for index, part in zip("ijk", term.repeats, strict=False):
            places = [{**at, index: number} for at in places for number in part.indices(values, index, at)]
        for at in places:
            name = term.pattern.format(*at.values())
            found[name, tuple(axis.integer(values, at) for axis in term.axes)] += 1
    return found


@pytest.mark.parametrize("made", BODIES, indirect=True)
def test_every_module_is_where_the_class_has_it(made: classes.Target) -> None:
    formula = region(trace(made, START))
    for values in (START, *CHANGES):
        flat = configurations.flatten(values)
        assert [each.text for each in formula.flipped(flat)] == []
        assert predicted(formula, flat) == measured(made, values)


@pytest.mark.parametrize(
    ("made", "rules"),
    [
        ("codec", {"i == 0": "1", "1 <= i < blocks + 1": "blocks", "blocks + 3 <= i < 2*blocks + 3": "blocks",
                   "i == blocks + 2": "1", "i == 3*blocks + 8": "1"}),
        ("stages", {"i == 0": "1", "3 <= i < blocks*stages + 2*stages + 3 and (i - 3) % (blocks + 2) < blocks":
                    "blocks*stages"}),
        ("one after the other", {"i < blocks": "blocks", "blocks <= i < blocks + stages": "stages"}),
        ("two in each pass", {"i < 3*blocks and i % 3 == 0": "blocks", "i == 3*blocks": "1",
                              "2 <= i < 3*blocks + 2 and (i - 2) % 3 == 0": "blocks"}),
        ("words with numbers", {"j != 0": "(blocks + 1) - 1"}),
    ],
    indirect=["made"],
)  # fmt: skip
def test_rules_are_said_in_the_settings(made: classes.Target, rules: dict[str, str]) -> None:
    formula = region(trace(made, START))
    written = {part.where.text: part.count for term in formula.terms for part in term.repeats if part.where}
    assert rules.items() <= written.items(), written


@pytest.mark.parametrize("made", ["words with numbers"], indirect=True)
def test_a_number_that_no_loop_makes_is_part_of_the_word(made: classes.Target) -> None:
    patterns = {term.pattern for term in region(trace(made, START)).terms}
    assert patterns == {"layers.{}.block_{}.weight", "layers.{}.norm_1.weight", "layers.{}.norm_2.weight"}


@pytest.mark.parametrize("made", ["stages"], indirect=True)
def test_a_loop_that_one_list_follows_needs_no_layout(made: classes.Target) -> None:
    found = trace(made, START)
    known, layouts = links(named(found), found)
    assert known == {}
    ((prefix, outer),) = layouts
    assert (prefix, outer) == ("layers.{}", ())
