"""BERT: its two sizes."""

from verify.claims._facts import Values, has
from verify.claims._ledger import Amount, Source

SOURCE = Source(
    "BERT",
    "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding",
    "Devlin et al. 2019",
    "arXiv:1810.04805, section 3",
)


def _config(width: int, layers: int, heads: int) -> Values:
    """English BERT, uncased, with the pooler."""
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "vocab_size": 30522,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
    }


CLAIMS = (
    has("BERT.1", "BERT-Base (L = 12, H = 768, A = 12)", Amount("110", "M"), _config(768, 12, 12)),
    has("BERT.2", "BERT-Large (L = 24, H = 1024, A = 16)", Amount("340", "M"), _config(1024, 24, 16)),
)
