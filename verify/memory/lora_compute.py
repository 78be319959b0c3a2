"""Operations of a run with an adapter of low rank: those of the model, of which fewer go backward, and its own.

Legend: a matrix of `n` elements costs `2 n` operations for each token forward, and an adapter on it `2 r (in + out)`.
Backward a matrix that is not trained has one product, for the gradient of what goes in; an adapter has the two of
each of its matrices. Where nothing that goes into a layer is trained, as in all before the first adapter, there is no
such gradient: the input of the first layer has none, unless checkpointing asks for one, and what stands after an
adapter in that layer does.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from msgspec import structs

from verify.config import Config
from verify.errors import ConfigError
from verify.formula import MOST_LAYERS, Formula, Layers
from verify.memory import compute, lora
from verify.memory.base import Mode, Setting
from verify.memory.compute import Compute, Work
from verify.memory.lora import Adapted
from verify.names import NameTable
from verify.symbols import Size

SOURCE = f"{compute.SOURCE}; Hu et al. 2021, arXiv:2106.09685, section 4.1"

#: Families whose layers are attention and then a feed-forward layer that takes what attention gives; in the others the
#: two stand side by side, or there are two stacks.
_SEQUENTIAL = frozenset(
    {
        "bert", "bloom", "deepseek_v3", "gemma", "gemma2", "gemma3_text", "gpt2", "gpt_bigcode", "gpt_neo", "llama",
        "mistral", "mixtral", "mpt", "opt", "qwen2", "qwen3", "roberta",
    }
)  # fmt: skip

#: What is computed from the input of a layer, by what takes it further.
_QUERIES = frozenset({"attention.q", "attention.qkv", "attention.q_a", "attention.q_b"})
_KEYS = frozenset({"attention.k", "attention.qkv", "attention.kv_a", "attention.kv_b"})
_VALUES = frozenset({"attention.v", "attention.qkv", "attention.kv_a", "attention.kv_b"})
_HEADS = _QUERIES | _KEYS | _VALUES
_BLOCK = _HEADS | {"attention.o"}
#: What stands before a linear layer inside a layer of the model.
_BEFORE = {
    **dict.fromkeys(_HEADS, frozenset[str]()),
    "attention.q_b": frozenset({"attention.q_a"}),
    "attention.kv_b": frozenset({"attention.kv_a"}),
    "attention.o": _HEADS,
    "mlp.down": _BLOCK | {"mlp.gate", "mlp.up"},
}


def predict(formula: Formula, names: NameTable, config: Config, setting: Setting) -> Compute:
    """The operations of a run, with the adapter of its setting if there is one.

    Args:
        formula: The parameters of the model.
        names: The name table of its family.
        config: Its config.json.
        setting: The run.

    Raises:
        UsageError: The model has no layers for the adapter.
        ConfigError: A field is missing or impossible, or such an adapter has no formula.
    """
    whole = compute.predict(formula, config, setting)
    if setting.lora is None:
        return whole
    found = lora.adapted(formula, names, config, setting.lora)
    _require(formula)
    plan = _Plan(formula, config, setting, found, whole)
    return replace(whole, terms=(*plan.frozen(), *plan.adapters()), source=SOURCE)


def _require(formula: Formula) -> None:
    what = "" if formula.name in _SEQUENTIAL else formula.name
    if any(term.slot.part.startswith("cross_") for term in formula.terms):
        what = "attention to an encoder"
    if what:
        raise ConfigError(
            f"no formula for the operations of an adapter on {what}",
            expected=f"one stack of {', '.join(sorted(_SEQUENTIAL))}",
        )


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is multiplied backward."""

    formula: Formula
    config: Config
    setting: Setting
    found: tuple[Adapted, ...]
    whole: Compute

    def frozen(self) -> Iterator[Work]:
        """The products of the model: forward as ever, backward those that a gradient comes through."""
        unreached, first = self._forward(range(self._first)), self._forward((self._first,))
        for work in self.whole.terms:
            once = work.forward - unreached.get(work.name, Size.of(0)) - first.get(work.name, Size.of(0))
            head = first.get(work.name, Size.of(0))
            backward = once * self._grads(work.name, inside=False) + head * self._grads(work.name, inside=True)
            yield Work(work.name, work.forward, self._in_training(backward + self._again(work)))

    def adapters(self) -> Iterator[Work]:
        """The two products of each adapter."""
        tokens = self.setting.b * self.setting.s * 2
        for each in self.found:
            name = str(each.slots[0])
            count = each.layers.count if each.layers else Size.of(1)
            a, b = tokens * each.rank * each.into, tokens * each.rank * each.out
            # The gradient of what goes into the first layer is not asked for.
            entered = count - self._blocked(each)
            backward = a * count + a * entered + b * count * 2
            if self._recomputed(each):
                backward += a * count + (Size.of(0) if self._is_last(name) else b * count)
            yield Work(f"{name}.lora", (a + b) * count, self._in_training(backward))

    @property
    def _adapted(self) -> frozenset[str]:
        return frozenset(str(slot) for each in self.found for slot in each.slots)

    @property
    def _full(self) -> bool:
        return self.setting.checkpointing == "full"

    @property
    def _first(self) -> int:
        """The first layer with an adapter, where gradients end; -1 where they go through to the embedding."""
        if self._full:
            return -1
        return min((min(each.layers.indices) for each in self.found if each.layers), default=MOST_LAYERS)

    def _forward(self, chosen: "range | tuple[int, ...]") -> dict[str, Size]:
        """Operations of some layers forward, by name."""
        terms = tuple(
            structs.replace(term, layers=Layers(kept, Size.of(len(kept))))
            for term in self.formula.terms
            if term.layers and (kept := tuple(index for index in term.layers.indices if index in chosen))
        )
        part = structs.replace(self.formula, terms=terms, extras=())
        return {work.name: work.forward for work in compute.predict(part, self.config, self.setting).terms}

    def _grads(self, name: str, *, inside: bool) -> int:
        """Products backward for one forward; `inside` the first layer with an adapter."""
        if name.endswith("attention.scores"):
            return sum(not inside or self._has(part) for part in (_QUERIES, _KEYS))
        if name.endswith("attention.values"):
            return sum(not inside or self._has(part) for part in (_QUERIES | _KEYS, _VALUES))
        return int(self._reached(name, inside=inside))

    def _reached(self, name: str, *, inside: bool) -> bool:
        """Whether what goes into a linear layer has a gradient."""
        if name.startswith("embedding."):
            return self._full
        if name.startswith("head."):
            later = "head.transform" in self._adapted and not name.startswith("head.transform")
            return later or self._full or any(each.layers for each in self.found)
        return not inside or self._has(_BEFORE.get(name, _BLOCK))

    def _has(self, slots: frozenset[str]) -> bool:
        return not self._adapted.isdisjoint(slots)

    def _blocked(self, each: Adapted) -> int:
        """How many of the layers with an adapter have no gradient of what goes in."""
        name = str(each.slots[0])
        if each.layers is None:
            return int(not self._reached(name, inside=False))
        return int(self._first in each.layers.indices and not self._reached(name, inside=True))

    def _again(self, work: Work) -> Size:
        """What checkpointing computes again: all but the last layer, which it needs to have for an adapter on it."""
        again = work.backward - work.forward * 2
        return work.forward if self._is_last(work.name) and work.name in self._adapted else again

    def _recomputed(self, each: Adapted) -> bool:
        return self._full and each.layers is not None

    def _is_last(self, name: str) -> bool:
        """Whether recomputation ends at a layer of the model."""
        inside = any(str(term.slot) == name and term.layers for term in self.formula.terms)
        return self._full and inside and any(w.name == name and w.backward == w.forward * 2 for w in self.whole.terms)

    def _in_training(self, backward: Size) -> Size:
        return backward if self.setting.mode is Mode.TRAINING else Size.of(0)
