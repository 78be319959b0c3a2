"""GLM-130B: its size, recomputed from the shape that its repository runs it with."""

from verify.claims._facts import expression
from verify.claims._ledger import Amount, Claim, Found, Source

SOURCE = Source("GLM", "GLM-130B: An Open Bilingual Pre-trained Model", "Zeng et al. 2022", "arXiv:2210.02414")

#: Four matrices of attention with biases, GeGLU with biases, two LayerNorms; RoPE; a tied head. h = 12288, L = 70,
#: f = 32768, V = 150528: THUDM/GLM-130B, configs/model_glm_130b.sh.
_FORMULA = "L*(4*h**2 + 4*h + 3*h*f + 2*f + h + 4*h) + V*h + 2*h"

CLAIMS = (
    Claim(
        "GLM.1",
        "GLM-130B has 130B parameters.",
        (Amount("130", "B"),),
        lambda: Found(
            (expression(_FORMULA, h=12288, f=32768, L=70, V=150528),), f"{_FORMULA} at h = 12288, f = 32768, L = 70"
        ),
    ),
)
