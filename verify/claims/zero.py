"""ZeRO: what mixed-precision training with Adam keeps for each parameter."""

from fractions import Fraction

from verify.claims._facts import gpt2, parameters
from verify.claims._ledger import Amount, Claim, Found, Source

SOURCE = Source(
    "ZERO",
    "ZeRO: Memory Optimizations Toward Training Trillion Parameter Models",
    "Rajbhandari et al. 2020",
    "arXiv:1910.02054, section 3.1",
)

#: Bytes a parameter: FP16 weights and gradients; FP32 weights, momentum and variance.
_PARTS = {"weights": 2, "gradients": 2, "FP32 weights": 4, "momentum": 4, "variance": 4}

CLAIMS = (
    Claim(
        "ZERO.1",
        "Mixed-precision training with Adam keeps 16 bytes a parameter.",
        (Amount("16", unit="bytes"),),
        lambda: Found((sum(_PARTS.values()),), " + ".join(f"{count} {name}" for name, count in _PARTS.items())),
    ),
    Claim(
        "ZERO.2",
        "For GPT-2 of 1.5 billion parameters that is at least 24 GB.",
        (Amount("24", "G", "bytes"),),
        lambda: Found(
            (sum(_PARTS.values()) * parameters(gpt2(1600, 48, 25)),),
            "16 bytes for each parameter by the formula of the family gpt2",
            "the largest GPT-2 has 1.56 billion",
        ),
        own=lambda: Found((sum(_PARTS.values()) * Fraction(3, 2) * 10**9,), "16 bytes times 1.5 billion"),
    ),
)
