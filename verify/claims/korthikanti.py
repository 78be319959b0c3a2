"""Korthikanti et al.: what a layer keeps for the backward pass, in 16 bit with dropout."""

from verify.claims._facts import exactly, gpt2, measured
from verify.claims._ledger import Claim, Found, Source
from verify.memory.base import Category

SOURCE = Source(
    "KORTHIKANTI",
    "Reducing Activation Recomputation in Large Transformer Models",
    "Korthikanti et al. 2022",
    "arXiv:2205.05198, section 4.1",
)

_B, _S, _H, _A = 1, 1024, 768, 12


def _layer() -> Found:
    """What one more layer adds."""
    runs = [
        measured({**gpt2(_H, layers, _A), "tie_word_embeddings": True}, batch=_B, sequence=_S, precision="bf16")
        for layers in (1, 2)
    ]
    one, two = (run.bytes[Category.ACTIVATIONS] for run in runs)
    return Found(
        (two - one,),
        f"measured: {runs[0].how}, bf16, what a second layer adds",
        "GPT-2 writes its GELU out in single operators, each of which keeps something",
    )


CLAIMS = (
    Claim(
        "KORTHIKANTI.1",
        "A layer keeps 34sbh + 5as^2b bytes for the backward pass (GPT-2 of h = 768, a = 12; s = 1024, b = 1).",
        (exactly(34 * _S * _B * _H + 5 * _A * _S**2 * _B, "bytes"),),
        _layer,
    ),
)
