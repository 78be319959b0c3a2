"""BLOOM: the largest size in its table 3, and the exact numbers of its model cards."""

from verify.claims._facts import Values, config, exactly, family, has, parameters
from verify.claims._ledger import Amount, Claim, Source

SOURCE = Source(
    "BLOOM",
    "BLOOM: A 176B-Parameter Open-Access Multilingual Language Model, and the model cards",
    "Le Scao et al. 2022",
    "arXiv:2211.05100, table 3",
)

_BLOOM = config("bigscience/bloom")


def _small(width: int, layers: int, heads: int) -> Values:
    return {
        "model_type": "bloom",
        "n_embed": width,
        "n_layer": layers,
        "num_attention_heads": heads,
        "vocab_size": 250880,
    }


CLAIMS = (
    has("BLOOM.1", "BLOOM (table 3)", Amount("176,247", "M"), _BLOOM),
    has("BLOOM.2", "BLOOM (model card)", exactly(176_247_271_424), _BLOOM),
    Claim(
        "BLOOM.3",
        "BLOOM has 3,596,615,680 embedding parameters (model card).",
        (exactly(3_596_615_680),),
        lambda: family(parameters(_BLOOM, "embedding.tokens"), of="of the family bloom"),
    ),
    has("BLOOM.4", "BLOOM-3b (model card)", exactly(3_002_557_440), _small(2560, 30, 32)),
    has("BLOOM.5", "BLOOM-1b1 (model card)", exactly(1_065_314_304), _small(1536, 24, 16)),
)
