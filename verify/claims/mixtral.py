"""Mixtral: how many parameters there are and how many a token uses."""

from verify.claims._facts import active, config, family, has
from verify.claims._ledger import Amount, Claim, Source

SOURCE = Source("MIXTRAL", "Mixtral of Experts", "Jiang et al. 2024", "arXiv:2401.04088, abstract")

_CONFIG = config("mistralai/Mixtral-8x7B-v0.1")

CLAIMS = (
    has("MIXTRAL.1", "Mixtral 8x7B", Amount("47", "B"), _CONFIG),
    Claim(
        "MIXTRAL.2",
        "A token uses 13B parameters of Mixtral 8x7B.",
        (Amount("13", "B"),),
        lambda: family(active(_CONFIG), of="of the family mixtral, two experts of each layer"),
    ),
)
