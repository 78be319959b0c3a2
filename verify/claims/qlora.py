"""QLoRA: what the scales of NF4 cost."""

from fractions import Fraction

from verify.claims._facts import LLAMA_7B, parameters
from verify.claims._ledger import Amount, Claim, Found, Source, number

SOURCE = Source(
    "QLORA", "QLoRA: Efficient Finetuning of Quantized LLMs", "Dettmers et al. 2023", "arXiv:2305.14314, section 3"
)


def _double() -> Found:
    """An 8-bit scale for 64 weights, and a 32-bit one for 256 scales."""
    scales = Fraction(8, 64) + Fraction(32, 64 * 256)
    packed = parameters(LLAMA_7B, "attention", "mlp")
    rest = 2 * (parameters(LLAMA_7B) - packed)
    size = round(packed * (4 + scales) / 8) + rest
    return Found(
        (scales,),
        "8/64 + 32/(64*256)",
        f"Llama-2-7B is then {number(size)} bytes, with embedding, output layer and norms in 16 bit",
    )


CLAIMS = (
    Claim(
        "QLORA.1",
        "Scales in 32 bit for blocks of 64 weights cost 0.5 bits a weight.",
        (Amount("0.5", unit="bits"),),
        lambda: Found((Fraction(32, 64),), "32/64"),
    ),
    Claim(
        "QLORA.2", "With double quantisation they cost 0.127 bits a weight.", (Amount("0.127", unit="bits"),), _double
    ),
)
