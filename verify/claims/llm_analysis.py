"""llm-analysis: the parameters of a model by its `analysis.py`, with the config that it infers itself.

It infers two matrices for most MLPs, three for that of Mixtral; the embedding counts as shared, and without being told
a number of experts by hand it counts one. The formula is a transcription; what it gives is what was measured of it.
"""

from verify.claims._facts import config, exactly, expression, parameters
from verify.claims._ledger import Claim, Found, Source

SOURCE = Source("LLMANALYSIS", "llm_analysis/analysis.py", "cli99/llm-analysis", "commit d841e40")

_FORMULA = "V*h + L*(2*h**2 + 2*h**2*k//a + matrices*h*f + 2*h) + h"


def _claim(place: int, model: str, note: str, *, matrices: int = 2, **sizes: int) -> Claim:
    values = config(model)
    return Claim(
        f"LLMANALYSIS.{place}",
        f"It counts {model} as {_FORMULA.replace('matrices', str(matrices))}.",
        (exactly(expression(_FORMULA, matrices=matrices, **sizes)),),
        lambda: Found((parameters(values),), f"formula of the family {values['model_type']}", note),
    )


CLAIMS = (
    _claim(1, "openai-community/gpt2", "positions and biases are left out", V=50257, h=768, L=12, f=3072, k=12, a=12),
    _claim(
        2,
        "meta-llama/Llama-2-7b-hf",
        "the MLP has three matrices, and the head is not tied",
        V=32000, h=4096, L=32, f=11008, k=32, a=32,
    ),
    _claim(
        3,
        "mistralai/Mixtral-8x7B-v0.1",
        "there are eight experts",
        matrices=3, V=32000, h=4096, L=32, f=14336, k=8, a=32,
    ),
    _claim(
        4,
        "deepseek-ai/DeepSeek-V3",
        "there are 256 experts in 58 layers, and attention is compressed",
        V=129280, h=7168, L=61, f=18432, k=128, a=128,
    ),
)  # fmt: skip
