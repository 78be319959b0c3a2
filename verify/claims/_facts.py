"""What claims are recomputed from: formulas of ours at a configuration, shipped records, expressions."""

import json
from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import cache
from typing import Any, TypeAlias

from verify import architectures
from verify.claims._ledger import Amount, Claim, Found
from verify.config import Config
from verify.conventions import counts
from verify.evidence import recorded
from verify.evidence.base import DeclaredKind
from verify.formula import Formula
from verify.memory.base import Measured, Setting
from verify.published import resolve
from verify.published._hyperparameters import Hyperparameters
from verify.roles import Kind
from verify.symbols import LETTERS

#: The keys of a config.json.
Values: TypeAlias = Mapping[str, object]

#: What the letters of a formula mean.
_NAMES = {letter: name for name, letter in LETTERS.items()}


def llama(hidden: int, layers: int, inner: int, heads: int, *, groups: int = 0) -> Values:
    """A config.json of a LLaMA or Llama-2 of that shape: 32000 tokens, a head of its own, `groups` key/value heads."""
    return {
        "model_type": "llama",
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": groups or heads,
        "vocab_size": 32000,
        "tie_word_embeddings": False,
    }


#: LLaMA by its published size in billions (arXiv:2302.13971, table 2; inner sizes of the released files).
LLAMAS: Mapping[str, Values] = {
    "6.7": llama(4096, 32, 11008, 32),
    "13.0": llama(5120, 40, 13824, 40),
    "32.5": llama(6656, 60, 17920, 52),
    "65.2": llama(8192, 80, 22016, 64),
}
LLAMA_7B = LLAMAS["6.7"]
#: Llama-2-70B (arXiv:2307.09288, section 2.2, and its config.json).
LLAMA_70B = llama(8192, 80, 28672, 64, groups=8)


def gpt2(hidden: int, layers: int, heads: int, *, vocab: int = 50257, positions: int = 1024) -> Values:
    """A config.json of a GPT-2 of that shape; its inner size is 4 times the hidden one."""
    return {
        "model_type": "gpt2",
        "n_embd": hidden,
        "n_layer": layers,
        "n_head": heads,
        "vocab_size": vocab,
        "n_positions": positions,
    }


#: The model of 123 million parameters that article B works out, as a GPT-2; all measured rows but one rest on it.
EXAMPLE: Values = {**gpt2(768, 12, 12, vocab=50_000), "tie_word_embeddings": True}


def formula(values: Values) -> Formula:
    """The formula of the family that the config names.

    Raises:
        ConfigError: A field is missing or impossible.
    """
    return architectures.find(str(values["model_type"])).formula(Config(values))


def parameters(values: Values, *starts: str, biases: bool = True) -> int:
    """Parameters of the whole model by our formula.

    Args:
        values: The config.
        starts: Only slots whose text begins so (`attention`, `mlp.up`, `encoder.`); all of them when none is given.
        biases: Whether biases of linear layers and norms count.
    """
    return sum(
        term.count
        for term in formula(values).of(Kind.PARAMETER)
        if (not starts or str(term.slot).startswith(starts)) and (biases or not str(term.slot).endswith(".bias"))
    )


def active(values: Values) -> int:
    """Parameters that one token uses, by our formula."""
    return counts(formula(values))["active"]


def without_embeddings(values: Values) -> int:
    """Parameters without token embedding and output matrix, by our formula."""
    return counts(formula(values))["without_embeddings"]


def expression(text: str, **values: int) -> int:
    """A formula of a source at numbers, by the expression reader of `verify.published`.

    Args:
        text: A published formula's name, or an expression such as `12*L*h**2 + V*h`.
        values: The numbers by letter; the usual letters mean what they mean in `verify.symbols.LETTERS`.

    Raises:
        ExpressionError: It is no such expression, or names something that has no value.
    """
    return resolve(text, Config({_NAMES.get(letter, letter): value for letter, value in values.items()})).total


def exactly(value: int, unit: str = "parameters") -> Amount:
    """What an exact formula of a source states at a configuration: every digit counts."""
    return Amount(f"{value:,}", unit=unit)


def config(model: str) -> Values:
    """The config of a shipped record.

    Raises:
        NotFoundError: There is no record of it.
    """
    return recorded.read(model).config


def declared(model: str, kind: DeclaredKind) -> int:
    """The first number of a kind in a shipped record.

    Raises:
        NotFoundError: There is no record of it.
    """
    return next(number.value for number in recorded.read(model).declared if number.kind is kind)


def stored(model: str) -> tuple[str, ...]:
    """Names of the stored tensors in a shipped record."""
    return recorded.read(model).names


def measured(values: Values, **setting: Any) -> Measured:
    """A run of the transformers class on fake tensors; each is made once.

    Args:
        values: The config.
        setting: Fields of `verify.memory.base.Setting`.

    Raises:
        UnavailableError: torch, transformers or accelerate is not installed.
    """
    return _run(json.dumps(values), Setting(**setting))


@cache
def _run(values: str, setting: Setting) -> Measured:
    from verify.memory.measure import measure

    return measure(json.loads(values), setting)


def family(*values: int | Fraction | str, of: str, note: str = "") -> Found:
    """Values from the formula of a family."""
    return Found(values, f"formula {of}", note)


def has(number: str, name: str, amount: Amount, values: Values, *, note: str = "") -> Claim:
    """The claim that a model has so many parameters, recomputed by the formula of its family.

    Args:
        number: The id of the claim.
        name: The model.
        amount: Its parameters as published.
        values: Its config.
        note: What to add to the reason.
    """
    of = f"of the family {values['model_type']} at {_shape(values)}"
    return Claim(number, f"{name} has {amount}.", (amount,), lambda: family(parameters(values), of=of, note=note))


def _shape(values: Values) -> str:
    """The config in a few words."""
    found = Hyperparameters(Config(values))
    sizes = {letter: found.find(letter) for letter in ("h", "L", "f", "a", "k", "V", "N")}
    return ", ".join(f"{letter} = {size.value}" for letter, size in sizes.items() if size)


def shares(parts: Iterable[int]) -> tuple[Fraction, ...]:
    """Each part over the sum of all."""
    found = tuple(parts)
    return tuple(Fraction(part, sum(found)) for part in found)
