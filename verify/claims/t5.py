"""T5: the sizes of its section 3, encoder and decoder together."""

from verify.claims._facts import Values, has
from verify.claims._ledger import Amount, Source

SOURCE = Source(
    "T5",
    "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer",
    "Raffel et al. 2020",
    "arXiv:1910.10683, sections 3.1.1 and 3.7",
)


def _config(width: int, inner: int, head: int, heads: int, layers: int) -> Values:
    """T5 v1.0: two stacks of so many layers, ReLU, one embedding for all, 32128 tokens."""
    return {
        "model_type": "t5",
        "d_model": width,
        "d_ff": inner,
        "d_kv": head,
        "num_heads": heads,
        "num_layers": layers,
        "vocab_size": 32128,
        "relative_attention_num_buckets": 32,
    }


CLAIMS = (
    has("T5.1", "T5-Small", Amount("60", "M"), _config(512, 2048, 64, 8, 6)),
    has("T5.2", "T5-Base", Amount("220", "M"), _config(768, 3072, 64, 12, 12)),
    has("T5.3", "T5-Large", Amount("770", "M"), _config(1024, 4096, 64, 16, 24)),
    has("T5.4", "T5-3B", Amount("3", "B"), _config(1024, 16384, 128, 32, 24)),
    has("T5.5", "T5-11B", Amount("11", "B"), _config(1024, 65536, 128, 128, 24)),
)
