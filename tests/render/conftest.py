"""Verifications of Llama-2-7B, of a tiny Llama and of a hostile checkpoint, made by hand."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from verify.architectures import llama
from verify.breakdown import Breakdown, expect, measure
from verify.config import Config
from verify.declared.check import DeclaredCheck
from verify.evidence.base import Declared, DeclaredKind, Evidence, Strength
from verify.evidence.packing import unpack
from verify.explain import Finding
from verify.formula import Formula
from verify.roles import Cause, Role
from verify.tensor import DTYPES, Tensor
from verify.verification import Comparison, Verdict, Verification

LLAMA_2_7B = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "vocab_size": 32000,
    "tie_word_embeddings": False,
}
TINY = {
    **LLAMA_2_7B,
    "hidden_size": 8,
    "intermediate_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 10,
}
HOSTILE = (
    "=cmd()",
    "@SUM(1)",
    "\x1b[31mred",
    "a|b",
    "two\nlines",
    "<script>alert(1)</script>",
    "[red]bold[/red]",
    "![x](http://example.org/x.png)",
    "back`tick",
    "\u202etxt.exe",
    "\ud800",
)


def llama_tensors(values: dict[str, Any], dtype: str = "F16") -> Iterator[Tensor]:
    """The tensors of a Llama as transformers names and shapes them, written down without the formula."""
    hidden, inner, vocab = values["hidden_size"], values["intermediate_size"], values["vocab_size"]
    head = hidden // values["num_attention_heads"]
    narrow = values["num_key_value_heads"] * head
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens": (vocab, hidden)}
    for layer in range(values["num_hidden_layers"]):
        shapes |= {
            f"model.layers.{layer}.{module}": shape
            for module, shape in {
                "self_attn.q_proj": (hidden, hidden),
                "self_attn.k_proj": (narrow, hidden),
                "self_attn.v_proj": (narrow, hidden),
                "self_attn.o_proj": (hidden, hidden),
                "mlp.gate_proj": (inner, hidden),
                "mlp.up_proj": (inner, hidden),
                "mlp.down_proj": (hidden, inner),
                "input_layernorm": (hidden,),
                "post_attention_layernorm": (hidden,),
            }.items()
        }
    shapes |= {"model.norm": (hidden,), "lm_head": (vocab, hidden)}
    for name, shape in shapes.items():
        yield Tensor(f"{name}.weight", DTYPES[dtype], shape)


def measured(values: dict[str, Any], *extra: Tensor) -> Breakdown:
    """What a checkpoint holds, with extra tensors."""
    tensors = [*llama_tensors(values), *extra]
    return measure(unpack(tensors, ""), llama.NAMES)


def inv_freq(values: dict[str, Any]) -> list[Tensor]:
    """The rotary frequencies that old versions of transformers stored."""
    half = values["hidden_size"] // values["num_attention_heads"] // 2
    names = (f"model.layers.{layer}.self_attn.rotary_emb.inv_freq" for layer in range(values["num_hidden_layers"]))
    return [Tensor(name, DTYPES["F32"], (half,)) for name in names]


def formula_of(values: dict[str, Any]) -> Formula:
    """The Llama formula at these values."""
    return llama.formula(Config(values))


def verification(values: dict[str, Any], found: Breakdown | None, **changes: object) -> Verification:
    """An exact verification of the family's own formula; `changes` replace its fields."""
    formula = formula_of(values)
    expected = Breakdown(expect(formula.terms))
    fields: dict[str, Any] = {
        "evidence": Evidence("acme/llama", Strength.HEADER, "local", "models/llama", values, "0" * 40),
        "architecture": "LlamaForCausalLM",
        "family": "llama",
        "formula": "llama",
        "exact": formula,
        "expected": expected,
        "expected_parameters": expected.total(),
        "expected_by_role": expected.by_role(),
        "measured": found,
        "measured_strength": "header" if found else "",
        "findings": (),
        "declared": (),
        "comparisons": (),
        "unread": (),
        "verdict": Verdict.EXACT,
        "formula_source": formula.source,
        **changes,
    }
    return Verification(**fields)


@pytest.fixture
def llama_2_7b() -> Verification:
    """Llama-2-7B: exact."""
    return verification(LLAMA_2_7B, measured(LLAMA_2_7B))


@pytest.fixture
def recorded() -> Verification:
    """Llama-2-7B from its recorded totals, with the implementation beside it and 2,048 stored buffers."""
    total = Declared(DeclaredKind.HUB_TOTAL, 6_738_417_664, "the Hub's API")
    stored = Finding(Cause.STORED_BUFFER, 2048, "position.inv_freq", explained=True, detail="rotary frequencies")
    return verification(
        LLAMA_2_7B,
        measured(LLAMA_2_7B),
        evidence=Evidence("acme/llama", Strength.TOTALS, "recorded", "llama-2-7b.json", declared=(total,)),
        measured_strength="meta",
        declared=(DeclaredCheck(total, 6_738_417_664, "parameters + stored buffers", explained=True),),
        comparisons=(Comparison("formula", "implementation", 6_738_415_616, 6_738_415_616, agree=True),),
        findings=(stored,),
        verdict=Verdict.EXPLAINED,
        notes=("gated: no token; compared with the recorded totals",),
    )


@pytest.fixture
def approximation() -> Verification:
    """Llama-2-7B against 12*L*h**2 + V*h."""
    parts = (("head.lm_head", 131_072_000), ("mlp.gate", 33_554_432), ("norm.input", 266_240))
    return verification(
        LLAMA_2_7B,
        measured(LLAMA_2_7B),
        formula="12*L*h**2 + V*h",
        formula_source="an article",
        expected=Breakdown({}),
        expected_parameters=6_573_522_944,
        expected_by_role={Role.EMBEDDING: 131_072_000, Role.ATTENTION: 2_147_483_648, Role.MLP: 4_294_967_296},
        findings=tuple(Finding(Cause.APPROXIMATION, gap, slot, explained=False) for slot, gap in parts),
        verdict=Verdict.UNEXPLAINED,
    )


@pytest.fixture
def tiny() -> Verification:
    """A Llama of two layers with stored buffers: explained."""
    stored = Finding(Cause.STORED_BUFFER, 2, "position.inv_freq", explained=True, detail="rotary frequencies")
    return verification(TINY, measured(TINY, *inv_freq(TINY)), findings=(stored,), verdict=Verdict.EXPLAINED)


@pytest.fixture
def hostile_names() -> tuple[str, ...]:
    """Names that attack a spreadsheet, a terminal, a table or a page."""
    return HOSTILE


@pytest.fixture
def hostile() -> Verification:
    """A tiny Llama with tensors, a model and config keys whose names attack the reports."""
    tensors = [Tensor(name, DTYPES["F16"], (3,)) for name in HOSTILE]
    return verification(
        TINY,
        measured(TINY, *tensors),
        findings=tuple(Finding(Cause.UNCLASSIFIED, 3, name, explained=False, detail=name) for name in HOSTILE),
        verdict=Verdict.UNEXPLAINED,
        evidence=Evidence("\x1b[31m|<b>evil", Strength.HEADER, "local", "a|b\n<i>", TINY),
        unread=HOSTILE,
        notes=("<script>|\x1b[2J",),
    )


@pytest.fixture
def without_tensors() -> Callable[..., Verification]:
    """Llama-2-7B with recorded numbers only; the arguments replace fields."""

    def make(**changes: object) -> Verification:
        total = Declared(DeclaredKind.HUB_TOTAL, 6_738_417_664, "the Hub's API")
        check = DeclaredCheck(total, 6_738_417_664, "parameters + stored buffers", explained=True)
        evidence = Evidence("acme/llama", Strength.TOTALS, "recorded", "llama.json", declared=(total,))
        return verification(LLAMA_2_7B, None, **{"evidence": evidence, "declared": (check,), **changes})

    return make
