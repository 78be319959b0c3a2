"""PaLM: the sizes of its table 1, recomputed from its description, as no implementation of it was released."""

from verify.claims._facts import EXAMPLE, exactly, expression, measured, parameters
from verify.claims._ledger import Amount, Claim, Found, Source, number

SOURCE = Source(
    "PALM",
    "PaLM: Scaling Language Modeling with Pathways",
    "Chowdhery et al. 2022",
    "arXiv:2204.02311, table 1 and appendix B",
)

#: Billions of parameters, layers, heads, d_model.
TABLE = (("8.63", 32, 16, 4096), ("62.50", 64, 32, 8192), ("540.35", 118, 48, 18432))

#: Tokens of the run in which its count of operations is tried.
_TOKENS = 1024

#: Multi-query attention with heads of 256, SwiGLU of inner size 4 d_model, no biases, a tied head, 256k tokens
#: (section 2); norms are left out, which are below the published precision.
_FORMULA = "L*(2*h*a*d + 2*h*d + 12*h**2) + V*h"


def _claim(place: int, row: tuple[str, int, int, int]) -> Claim:
    billions, layers, heads, width = row
    return Claim(
        f"PALM.{place}",
        f"PaLM of {layers} layers, {heads} heads and width {width} has {billions} billion parameters.",
        (Amount(billions, "B"),),
        lambda: Found(
            (expression(_FORMULA, h=width, L=layers, a=heads, d=256, V=256_000),), f"{_FORMULA} at d = 256, V = 256000"
        ),
    )


def _step() -> Found:
    run = measured(EXAMPLE, batch=1, sequence=_TOKENS)
    parts = ", ".join(f"{number(count)} {name}" for name, count in run.flops.items())
    return Found(
        (sum(run.flops.values()),),
        f"measured: {run.how}, one sequence of {_TOKENS} tokens",
        f"{parts}; positions, norms and biases are no products of matrices",
    )


def _stated() -> int:
    """(6N + 12LHQT) for each token, with N parameters, H heads of size Q and T tokens of context."""
    return _TOKENS * (6 * parameters(EXAMPLE) + 12 * 12 * 768 * _TOKENS)


CLAIMS = (
    *(_claim(place, row) for place, row in enumerate(TABLE, 1)),
    Claim(
        "PALM.4",
        "Training takes 6N + 12LHQT floating-point operations a token (appendix B; GPT-2, 1024 tokens).",
        (exactly(_stated(), "operations"),),
        _step,
    ),
)
