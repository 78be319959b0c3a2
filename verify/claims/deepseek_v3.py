"""DeepSeek-V3: how many parameters there are and how many a token uses."""

from verify.claims._facts import active, config, family, has, parameters
from verify.claims._ledger import Amount, Claim, Found, Source, number

SOURCE = Source("DEEPSEEKV3", "DeepSeek-V3 Technical Report", "DeepSeek-AI 2024", "arXiv:2412.19437, abstract")

_CONFIG = config("deepseek-ai/DeepSeek-V3")


def _used() -> Found:
    looked_up = parameters(_CONFIG, "embedding")
    without = active(_CONFIG) - looked_up
    return family(
        active(_CONFIG),
        of="of the family deepseek_v3, 8 of 256 experts and the shared one",
        note=f"without the token embedding, of which a token reads one row, it is {number(without)}",
    )


CLAIMS = (
    has("DEEPSEEKV3.1", "DeepSeek-V3 without its multi-token-prediction layer", Amount("671", "B"), _CONFIG),
    Claim("DEEPSEEKV3.2", "A token uses 37B parameters of DeepSeek-V3.", (Amount("37", "B"),), _used),
)
