"""GPT-3: the eight sizes of its table 2.1, all with 50257 tokens, 2048 positions and an inner size of 4 d_model."""

from verify.claims._facts import exactly, expression, gpt2, has
from verify.claims._ledger import Amount, Claim, Found, Source

SOURCE = Source("GPT3", "Language Models are Few-Shot Learners", "Brown et al. 2020", "arXiv:2005.14165, table 2.1")

#: Name, parameters, layers, d_model, n_heads, d_head, as published.
TABLE = (
    ("GPT-3 Small", Amount("125", "M"), 12, 768, 12, 64),
    ("GPT-3 Medium", Amount("350", "M"), 24, 1024, 16, 64),
    ("GPT-3 Large", Amount("760", "M"), 24, 1536, 16, 96),
    ("GPT-3 XL", Amount("1.3", "B"), 24, 2048, 24, 128),
    ("GPT-3 2.7B", Amount("2.7", "B"), 32, 2560, 32, 80),
    ("GPT-3 6.7B", Amount("6.7", "B"), 32, 4096, 32, 128),
    ("GPT-3 13B", Amount("13.0", "B"), 40, 5140, 40, 128),
    ("GPT-3 175B", Amount("175.0", "B"), 96, 12288, 96, 128),
)

_FORMULA = "L*(12*h**2 + 13*h) + V*h + N*h + 2*h"


def _size(place: int, row: tuple[str, Amount, int, int, int, int]) -> Claim:
    name, amount, layers, width, heads, _ = row
    if width % heads == 0:
        return has(f"GPT3.{place}", name, amount, gpt2(width, layers, heads, positions=2048))
    return Claim(
        f"GPT3.{place}",
        f"{name} has {amount}.",
        (amount,),
        lambda: Found(
            (expression(_FORMULA, h=width, L=layers, V=50257, N=2048),),
            f"{_FORMULA} at h = {width}, L = {layers}, which the heads do not divide",
        ),
    )


def _width(place: int, name: str, width: int, heads: int, head: int) -> Claim:
    return Claim(
        f"GPT3.{place}",
        f"{name} is {width} wide, with {heads} heads of {head}.",
        (exactly(width, "wide"),),
        own=lambda: Found((heads * head,), f"its own {heads} heads of {head}"),
    )


CLAIMS = (
    *(_size(place, row) for place, row in enumerate(TABLE, 1)),
    *(_width(place, row[0], *row[3:]) for place, row in enumerate(TABLE, 1 + len(TABLE))),
)
