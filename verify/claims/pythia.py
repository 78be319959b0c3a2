"""Pythia: the parameters without embeddings in its table 1."""

from verify.claims._facts import Values, exactly, family, without_embeddings
from verify.claims._ledger import Claim, Source

SOURCE = Source(
    "PYTHIA",
    "Pythia: A Suite for Analyzing Large Language Models Across Training and Scaling",
    "Biderman et al. 2023",
    "arXiv:2304.01373, table 1",
)

#: Name, parameters without embeddings, layers, width, heads.
TABLE = (
    ("Pythia-70m", 18_915_328, 6, 512, 8),
    ("Pythia-160m", 85_056_000, 12, 768, 12),
    ("Pythia-410m", 302_311_424, 24, 1024, 16),
    ("Pythia-1b", 805_736_448, 16, 2048, 8),
    ("Pythia-1.4b", 1_208_602_624, 24, 2048, 16),
    ("Pythia-2.8b", 2_517_652_480, 32, 2560, 32),
    ("Pythia-6.9b", 6_444_163_072, 32, 4096, 32),
    ("Pythia-12b", 11_327_027_200, 36, 5120, 40),
)


def _config(layers: int, width: int, heads: int) -> Values:
    return {
        "model_type": "gpt_neox",
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "vocab_size": 50304,
        "tie_word_embeddings": False,
    }


def _claim(place: int, row: tuple[str, int, int, int, int]) -> Claim:
    name, count, layers, width, heads = row
    return Claim(
        f"PYTHIA.{place}",
        f"{name} has {count:,} parameters without embeddings.",
        (exactly(count),),
        lambda: family(
            without_embeddings(_config(layers, width, heads)),
            of=f"of the family gpt_neox at h = {width}, L = {layers}, less both embedding matrices",
        ),
    )


CLAIMS = tuple(_claim(place, row) for place, row in enumerate(TABLE, 1))
