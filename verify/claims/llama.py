"""LLaMA: the sizes of its table 2, and the width of its feed-forward layers."""

from fractions import Fraction

from verify.claims._facts import LLAMA_7B, LLAMAS, has
from verify.claims._ledger import Amount, Claim, Found, Source

SOURCE = Source(
    "LLAMA", "LLaMA: Open and Efficient Foundation Language Models", "Touvron et al. 2023", "arXiv:2302.13971"
)

CLAIMS = (
    *(
        has(f"LLAMA.{place}", f"LLaMA-{name} (table 2)", Amount(size, "B"), values)
        for place, (name, (size, values)) in enumerate(zip(("7B", "13B", "33B", "65B"), LLAMAS.items(), strict=True), 1)
    ),
    Claim(
        "LLAMA.5",
        "The inner size of the MLP is 2/3 of 4d (section 2.2), for LLaMA-7B.",
        (Amount(f"{2 / 3 * 4 * 4096:,.1f}", unit="wide", step=Fraction(1)),),
        lambda: Found(
            (int(str(LLAMA_7B["intermediate_size"])),),
            "the released config",
            "it is rounded up to a multiple of 256",
        ),
    ),
)
