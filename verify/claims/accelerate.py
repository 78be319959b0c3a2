"""accelerate: `accelerate estimate-memory` builds `AutoModel`, the model without its head."""

from verify.claims._facts import config, exactly, parameters
from verify.claims._ledger import Claim, Found, Source

SOURCE = Source(
    "ACCELERATE", "accelerate estimate-memory", "Hugging Face", "commands/estimate.py: AutoModel.from_config on meta"
)


def _claim(place: int, model: str, note: str) -> Claim:
    values = config(model)
    return Claim(
        f"ACCELERATE.{place}",
        f"It counts the parameters of {model} that are not in its head.",
        (exactly(parameters(values) - parameters(values, "head")),),
        lambda: Found((parameters(values),), f"formula of the family {values['model_type']}", note),
    )


CLAIMS = (
    _claim(1, "openai-community/gpt2", "its head is tied, so nothing is lost"),
    _claim(2, "meta-llama/Llama-2-7b-hf", "the head is a matrix of its own"),
    _claim(3, "meta-llama/Llama-3.1-8B", "the head is a matrix of its own, of 128256 tokens"),
)
