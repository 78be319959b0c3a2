"""OPT: the nine sizes of its table 1, with 50272 tokens, 2048 positions and an inner size of 4 d_model."""

from verify.claims._facts import Values, has
from verify.claims._ledger import Amount, Source

SOURCE = Source(
    "OPT", "OPT: Open Pre-trained Transformer Language Models", "Zhang et al. 2022", "arXiv:2205.01068, table 1"
)

#: Published size, layers, heads, d_model.
TABLE = (
    (Amount("125", "M"), 12, 12, 768),
    (Amount("350", "M"), 24, 16, 1024),
    (Amount("1.3", "B"), 24, 32, 2048),
    (Amount("2.7", "B"), 32, 32, 2560),
    (Amount("6.7", "B"), 32, 32, 4096),
    (Amount("13", "B"), 40, 40, 5120),
    (Amount("30", "B"), 48, 56, 7168),
    (Amount("66", "B"), 64, 72, 9216),
    (Amount("175", "B"), 96, 96, 12288),
)


def _config(layers: int, heads: int, width: int) -> Values:
    """The released config; the second size has embeddings of 512, norms after its blocks, and none at the end."""
    narrow = width == 1024  # noqa: PLR2004 (OPT-350m, the only one of that width)
    return {
        "model_type": "opt",
        "hidden_size": width,
        "ffn_dim": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "vocab_size": 50272,
        "max_position_embeddings": 2048,
        "word_embed_proj_dim": 512 if narrow else width,
        "do_layer_norm_before": not narrow,
    }


CLAIMS = tuple(
    has(
        f"OPT.{place}",
        f"OPT of {layers} layers, {heads} heads and width {width}",
        amount,
        _config(layers, heads, width),
    )
    for place, (amount, layers, heads, width) in enumerate(TABLE, 1)
)
