"""Tiny configurations of every family, gathered from `cases/`.

A module there is one family. `BASES` has a configuration for each model type (and variant), all of whose sizes
differ, so that an axis in the wrong place never passes; `SWITCHES` what the modelling code can switch, of which
the whole product is tried; `RANDOM` a strategy for more of them; `NULLS` the keys whose null is not the same as
their absence; `REMOTE` is true where transformers has no such class, so that records are the only proof.
"""

from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from itertools import product
from pathlib import Path
from types import ModuleType

import pytest

Values = dict[str, object]


def _modules() -> Iterator[ModuleType]:
    for path in sorted((Path(__file__).parent / "cases").glob("*.py")):
        spec = spec_from_file_location(f"cases_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module


MODULES = tuple(_modules())
KNOWN = tuple(module for module in MODULES if not getattr(module, "REMOTE", False))
BASES: dict[str, Values] = {name: base for module in MODULES for name, base in module.BASES.items()}
BUILT: dict[str, Values] = {name: base for module in KNOWN for name, base in module.BASES.items()}
RANDOM = {name: strategy for module in KNOWN for name, strategy in getattr(module, "RANDOM", {}).items()}


def cases() -> Iterator[tuple[str, Values]]:
    """Every configuration with a name that says what is switched."""
    for module in KNOWN:
        nulls = getattr(module, "NULLS", ())
        for name, groups in module.SWITCHES.items():
            for group in groups:
                for chosen in product(*group.values()):
                    changes = dict(zip(group, chosen, strict=True))
                    values = {**module.BASES[name], **changes}
                    label = "-".join(_short(value) for value in changes.values())
                    yield f"{name}-{label}", {k: v for k, v in values.items() if v is not None or k in nulls}


def _short(value: object) -> str:
    if isinstance(value, dict):
        return f"{len(value)}keys"
    return "+".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each test what it asks for: a case, a base configuration (`base`: one that can be built), a strategy."""
    if "case" in metafunc.fixturenames:
        named = list(cases())
        metafunc.parametrize("case", [values for _, values in named], ids=[name for name, _ in named])
    if "base" in metafunc.fixturenames:
        metafunc.parametrize("base", BUILT.values(), ids=BUILT)
    if "described" in metafunc.fixturenames:
        metafunc.parametrize("described", BASES.values(), ids=BASES)
    if "strategy" in metafunc.fixturenames:
        metafunc.parametrize("strategy", RANDOM.values(), ids=RANDOM)


@pytest.fixture
def tiny() -> dict[str, Values]:
    """The base configuration of each model type and variant."""
    return BASES
