"""GPT-2: the sizes of its table 2, which are known to be too small."""

from verify.claims._facts import gpt2, has
from verify.claims._ledger import Amount, Source

SOURCE = Source(
    "GPT2", "Language Models are Unsupervised Multitask Learners", "Radford et al. 2019", "OpenAI report, table 2"
)

#: Millions of parameters, layers, width, heads; the paper states no heads, they are those of the released files.
_TABLE = (("117", 12, 768, 12), ("345", 24, 1024, 16), ("762", 36, 1280, 20), ("1542", 48, 1600, 25))

CLAIMS = tuple(
    has(
        f"GPT2.{place}",
        f"GPT-2 of {layers} layers and width {width}",
        Amount(millions, "M"),
        gpt2(width, layers, heads),
    )
    for place, (millions, layers, width, heads) in enumerate(_TABLE, 1)
)
