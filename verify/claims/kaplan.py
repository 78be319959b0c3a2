"""Kaplan et al.: parameters without embeddings, and operations of a forward pass."""

from verify.claims._facts import EXAMPLE, exactly, expression, formula, gpt2, measured
from verify.claims._ledger import Claim, Found, Source, number
from verify.conventions import counts
from verify.memory.base import Mode

SOURCE = Source(
    "KAPLAN", "Scaling Laws for Neural Language Models", "Kaplan et al. 2020", "arXiv:2001.08361, section 2.1"
)

#: The largest GPT-2.
XL = gpt2(1600, 48, 25)
_TOKENS = 1024


def _forward() -> Found:
    run = measured(EXAMPLE, batch=1, sequence=_TOKENS, mode=Mode.INFERENCE)
    head = 2 * _TOKENS * expression("V*h", V=50_000, h=768)
    return Found(
        (run.flops["forward"],),
        f"measured: {run.how}, one sequence of {_TOKENS} tokens",
        f"the output layer alone takes {number(head)}, and the masked half of attention is computed as well",
    )


CLAIMS = (
    Claim(
        "KAPLAN.1",
        "Without embeddings and positions a model has about 12 n_layer d_model^2 parameters (GPT-2 XL).",
        (exactly(expression("12*L*h**2", L=48, h=1600)),),
        lambda: Found(
            (counts(formula(XL))["without_embeddings_and_positions"],),
            "formula of the family gpt2, less both",
            "biases and norms are left out",
        ),
    ),
    Claim(
        "KAPLAN.2",
        "A forward pass takes 2N + 2 n_layer n_ctx d_model operations a token, without embeddings (GPT-2).",
        (exactly(_TOKENS * (2 * expression("12*L*h**2", L=12, h=768) + 2 * 12 * _TOKENS * 768), "operations"),),
        _forward,
    ),
)
