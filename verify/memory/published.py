"""Memory and compute as the literature has them: each formula as data, with its source and what it assumes.

Letters are those of `verify.symbols.LETTERS`, and besides: `P` parameters, `A` parameters that one token uses, `M`
those without embeddings and positions, `B` sequences, `S` tokens of each, `D` GPUs, `W` bytes of a weight in inference.
They are evaluated by the reader of published formulas, so no text is run.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from verify.config import Config
from verify.conventions import counts
from verify.errors import VerifyError
from verify.formula import Formula
from verify.memory.base import Category, Mode, Setting
from verify.memory.states import WIDTHS
from verify.published._expression import evaluate
from verify.symbols import Size

_MITTAL = 'A. Mittal, "Understanding large language model parameters and memory requirements" (Russian version)'
_KORTHIKANTI = "Korthikanti et al. 2022, arXiv:2205.05198"
_ZERO = "Rajbhandari et al. 2020, arXiv:1910.02054"
_STATES = (Category.PARAMETERS, Category.GRADIENTS, Category.OPTIMIZER)
_STEADY = (*_STATES, Category.INPUTS)

#: GPUs that the ZeRO formulas are shown for: one node.
DEVICES = 8


@dataclass(frozen=True, slots=True)
class Estimate:
    """A published formula for bytes.

    Attributes:
        name: What it is called here.
        expression: The formula in bytes.
        covers: The categories whose sum it predicts.
        mode: When it holds.
        source: Where it was published, with the section.
        assumptions: For which run it would be exact.
    """

    name: str
    expression: str
    covers: tuple[Category, ...]
    mode: Mode
    source: str
    assumptions: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A published formula for the operations of a forward pass, or of both.

    Attributes:
        name: What it is called here.
        expression: The operations of the whole batch.
        passes: `forward`, or `forward and backward`.
        source: Where it was published.
        assumptions: What it leaves out.
    """

    name: str
    expression: str
    passes: str
    source: str
    assumptions: str


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A published formula at one configuration.

    Attributes:
        name: What it is called here.
        size: Its value with its polynomial.
        covers: The categories it predicts, or the passes.
        source: Where it was published.
        assumptions: For which run it would be exact.
    """

    name: str
    size: Size
    covers: tuple[str, ...]
    source: str
    assumptions: str


ESTIMATES = (
    Estimate("weights, 4 bytes each", "4*P", (Category.PARAMETERS,), Mode.INFERENCE, _MITTAL, "float32"),
    Estimate("weights, 2 bytes each", "2*P", (Category.PARAMETERS,), Mode.INFERENCE, _MITTAL, "float16 or bfloat16"),
    Estimate(
        "inference, 2 x weights", "2*4*P", (Category.PEAK,), Mode.INFERENCE, _MITTAL,
        "float32; takes neither batch nor sequence into account",
    ),
    Estimate(
        "keys and values, 2Lh a token", "2*W*L*h*B*S", (Category.CACHE,), Mode.INFERENCE,
        'Pope et al. 2022, arXiv:2211.05102, section 2; kipply 2022, "Transformer Inference Arithmetic"',
        "every head has keys and values of its own: too much for GQA, MQA, MLA and windows",
    ),
    Estimate(
        "keys and values, 2Lkd a token", "2*W*L*k*d*B*S", (Category.CACHE,), Mode.INFERENCE,
        "Ainslie et al. 2023, arXiv:2305.13245, section 2.2", "grouped heads, no windows and no latents",
    ),
    Estimate(
        "training, 4 x weights", "4*4*P", (Category.PEAK,), Mode.TRAINING, _MITTAL,
        "float32; weights, gradients and two moments and nothing else",
    ),
    Estimate("16N + 8BD", "16*P + 8*B*S", _STEADY, Mode.TRAINING, _MITTAL, "float32, AdamW, and no labels"),
    Estimate(
        "L(14E + 4BSS) + 6BSV", "L*(14*B*S*h + 4*B*S**2) + 6*B*S*V", (Category.ACTIVATIONS,), Mode.TRAINING, _MITTAL,
        "E = BSh; one head, an inner size of h and 2 bytes are what it counts, and its items do not add up to 14E",
    ),
    Estimate(
        "16N + 8BD + L(14E + 4BSS) + 6BSV + 4BSV", "16*P + 8*B*S + L*(14*B*S*h + 4*B*S**2) + 10*B*S*V",
        (Category.PEAK,), Mode.TRAINING, _MITTAL, "the two before it and float32 logits",
    ),
    Estimate(
        "L sbh(34 + 5as/h)", "L*(34*S*B*h + 5*a*S**2*B)", (Category.ACTIVATIONS,), Mode.TRAINING,
        f"{_KORTHIKANTI}, equation 1", "16-bit activations of a GPT with dropout and f = 4h, layers only",
    ),
    Estimate(
        "34 L sbh, selective recomputation", "34*L*S*B*h", (Category.ACTIVATIONS,), Mode.TRAINING,
        f"{_KORTHIKANTI}, section 5", "the same, with scores, softmax and its dropout computed again",
    ),
    Estimate(
        "2 L sbh, full recomputation", "2*L*S*B*h", (Category.ACTIVATIONS,), Mode.TRAINING,
        f"{_KORTHIKANTI}, table 2", "the same, with only the input of each layer kept",
    ),
    Estimate("ZeRO stage 0, (2+2+12)N", "16*P", _STATES, Mode.TRAINING, f"{_ZERO}, section 3.1",
             "mixed precision with float16 weights and gradients, float32 copies of weights and moments"),
    Estimate("ZeRO stage 1, (2+2+12/D)N", "4*P + 12*P//D", _STATES, Mode.TRAINING, f"{_ZERO}, section 5.1",
             f"the same over D = {DEVICES} GPUs, optimizer state split"),
    Estimate("ZeRO stage 2, (2+14/D)N", "2*P + 14*P//D", _STATES, Mode.TRAINING, f"{_ZERO}, section 5.2",
             f"the same over D = {DEVICES} GPUs, gradients split as well"),
    Estimate("ZeRO stage 3, 16N/D", "16*P//D", _STATES, Mode.TRAINING, f"{_ZERO}, section 5.3",
             f"the same over D = {DEVICES} GPUs, weights split as well"),
    Estimate("mixed precision, (2+4+12)N", "18*P", _STATES, Mode.TRAINING,
             "Megatron-LM, documentation of its distributed optimizer", "bfloat16 weights, float32 gradients"),
    Estimate("mixed precision, (4+4+8)N", "16*P", _STATES, Mode.TRAINING,
             "Micikevicius et al. 2018, arXiv:1710.03740, section 3.1, as torch.autocast does it",
             "float32 weights, gradients and moments; operators cast as they go"),
)  # fmt: skip

RULES = (
    Rule("2N", "2*P*B*S", "forward", "Kaplan et al. 2020, arXiv:2001.08361, section 2.1",
         "every parameter multiplies every token, embedding included; no attention scores"),
    Rule("2N without embeddings", "2*M*B*S", "forward", "Kaplan et al. 2020, arXiv:2001.08361, table 1",
         "neither embedding nor output layer nor positions; no attention scores"),
    Rule("2N + 2LSh", "2*M*B*S + 2*L*S*h*B*S", "forward", "Kaplan et al. 2020, arXiv:2001.08361, section 2.1",
         "without embeddings; 2LSh of the 4LSh that the scores and values of all tokens cost"),
    Rule("2N of active parameters", "2*A*B*S", "forward", "Jiang et al. 2024, arXiv:2401.04088, section 2.1",
         "of the routed experts only the chosen ones; no attention scores"),
    Rule("6N", "6*P*B*S", "forward and backward", "Kaplan et al. 2020, arXiv:2001.08361, section 2.1",
         "three times the forward pass; no attention scores"),
    Rule("6N + 12LhS", "6*P*B*S + 12*L*h*S*B*S", "forward and backward",
         "Chowdhery et al. 2022, arXiv:2204.02311, appendix B",
         "every parameter, embedding included, and the scores of all tokens"),
)  # fmt: skip


def estimates(formula: Formula, config: Mapping[str, object], setting: Setting) -> Iterator[Evaluated]:
    """The published formulas for bytes that speak of the mode of a run and whose letters the config has."""
    letters = _letters(formula, config, setting)
    for each in ESTIMATES:
        size = _value(each.expression, letters) if each.mode is setting.mode else None
        if size is not None:
            yield Evaluated(each.name, size, each.covers, each.source, each.assumptions)


def rules(formula: Formula, config: Mapping[str, object], setting: Setting) -> Iterator[Evaluated]:
    """The published formulas for operations whose letters the config has."""
    letters = _letters(formula, config, setting)
    for each in RULES:
        size = _value(each.expression, letters)
        if size is not None and (setting.mode is Mode.TRAINING or each.passes == "forward"):
            yield Evaluated(each.name, size, (each.passes,), each.source, each.assumptions)


def _letters(formula: Formula, config: Mapping[str, object], setting: Setting) -> dict[str, object]:
    """The config of the text model, and the letters that are no hyper-parameters."""
    text = config.get("text_config")
    by = counts(formula)
    return {
        **(text if isinstance(text, Mapping) else config),
        "P": by["all"],
        "A": by["active"],
        "M": by["without_embeddings_and_positions"],
        "B": setting.batch,
        "S": setting.sequence,
        "D": DEVICES,
        "W": WIDTHS[setting.dtype],
    }


def _value(expression: str, letters: Mapping[str, object]) -> Size | None:
    try:
        return evaluate(expression, Config(letters))
    except VerifyError:
        return None  # the config lacks a letter: a state-space model has no heads
