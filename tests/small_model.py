"""A model small enough to count by hand, and its name table, for the tests of recorded numbers and names."""

from collections.abc import Iterable, Mapping

from verify.architectures._blocks import buffer, embedding, linear, norm
from verify.declared import judge as judging
from verify.declared import names as naming
from verify.declared.check import DeclaredCheck
from verify.evidence.base import Declared, DeclaredKind
from verify.explain import Finding
from verify.formula import Extra, Formula, Layers, Term
from verify.names import NameTable, buffers, modules
from verify.roles import Cause, Kind, Role, Slot
from verify.symbols import Size

BF16 = {"torch_dtype": "bfloat16"}


def number(kind: DeclaredKind, value: int, *, dtype: str = "", source: str = "somebody") -> Declared:
    return Declared(kind, value, source, dtype)


def weight(name: str, out: int, into: int, layers: Layers | None = None, *, bias: bool = False) -> tuple[Term, ...]:
    return linear(name, Size.of(out), Size.of(into), layers, bias=bias)


LAYERS = Layers.every(Size.of(2))

#: Two layers of a 4 x 4 weight and a norm of 4; 10 embeddings of 4, a final norm, a head: 2 * 20 + 40 + 4 + 40.
SMALL = Formula(
    name="small",
    source="made up",
    terms=(
        embedding("embedding.tokens", Size.of(10), Size.of(4)),
        *weight("attention.q", 4, 4, LAYERS),
        *norm("input", Size.of(4), LAYERS),
        *norm("final", Size.of(4)),
        *weight("head.lm_head", 10, 4),
    ),
    extras=(
        Extra(Cause.STORED_BUFFER, (buffer("position.inv_freq", Size.of(3), layers=LAYERS),), "rotary"),
        Extra(Cause.OTHER_HEAD, weight("head.score", 3, 4), "a classifier"),
    ),
)
PARAMETERS = 124

TABLE = NameTable(
    backbone={
        **modules(
            {
                "embed": "embedding.tokens",
                "layers.{}.q": "attention.q",
                "layers.{}.norm": "norm.input",
                "norm": "norm.final",
            }
        ),
        **buffers({"layers.{}.inv_freq": "position.inv_freq"}),
    },
    head=modules({"lm_head": "head.lm_head", "score": "head.score"}),
    prefixes=("model.",),
)
BACKBONE = ("embed.weight", "norm.weight", *(f"layers.{i}.{part}.weight" for i in (0, 1) for part in ("q", "norm")))
PREFIXED = tuple(f"model.{name}" for name in BACKBONE)
NAMES = (*PREFIXED, "lm_head.weight")
ROTARY = ("model.layers.0.inv_freq", "model.layers.1.inv_freq")


def judge(
    *numbers: Declared,
    formula: Formula = SMALL,
    names: Iterable[str] | None = None,
    config: Mapping[str, object] = BF16,
) -> tuple[DeclaredCheck, ...]:
    present = None if names is None else naming.stored(formula, TABLE, names)
    return judging.judge(formula, numbers, names_present=present, config=config)


def find(*numbers: Declared, formula: Formula = SMALL, names: Iterable[str] | None = None) -> tuple[Finding, ...]:
    present = None if names is None else naming.stored(formula, TABLE, names)
    return judging.findings(formula, numbers, names_present=present, config=BF16)


def _fp8() -> Formula:
    """DeepSeek-V3 in small: an fp8 weight, a scale and a router bias in each layer, and a layer on top."""
    after = Layers.some((2,), "i >= 2")
    scale = Slot(Role.ATTENTION, "q.weight_scale_inv", Kind.BOOKKEEPING)
    mtp = (*weight("attention.q", 4, 4, after), *weight("other.projection", 4, 8, after))
    return Formula(
        "fp8",
        "",
        (*SMALL.terms, buffer("router.correction", Size.of(5), layers=LAYERS)),
        (
            Extra(Cause.MTP_LAYER, mtp),
            Extra(Cause.SCALES, (Term(scale, (Size.of(1), Size.of(1)), LAYERS),)),
            Extra(Cause.SCALES, (Term(scale, (Size.of(1), Size.of(1)), after),)),
        ),
    )


FP8 = _fp8()
