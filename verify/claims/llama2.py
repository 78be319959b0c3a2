"""Llama-2: the sizes of its table 1; the shapes are those of the released files."""

from verify.claims._facts import LLAMA_70B, config, has
from verify.claims._ledger import Amount, Claim, Source

SOURCE = Source(
    "LLAMA2", "Llama 2: Open Foundation and Fine-Tuned Chat Models", "Touvron et al. 2023", "arXiv:2307.09288"
)

CLAIMS = (
    has("LLAMA2.1", "Llama-2-7b (table 1)", Amount("7", "B"), config("meta-llama/Llama-2-7b-hf")),
    has("LLAMA2.2", "Llama-2-13b (table 1)", Amount("13", "B"), config("meta-llama/Llama-2-13b-hf")),
    Claim(
        "LLAMA2.3",
        "Llama-2-34b has 34B parameters (table 1).",
        (Amount("34", "B"),),
        reason="it was not released and the paper does not state its shape",
    ),
    has(
        "LLAMA2.4",
        "Llama-2-70b (table 1)",
        Amount("70", "B"),
        LLAMA_70B,
        note="Meta rounds 69 billion up",
    ),
)
