"""hf-mem: the KV cache of a model as two matrices of heads for each layer, whatever its attention."""

from verify.claims._facts import config, expression, formula
from verify.claims._ledger import Amount, Claim, Found, Source, number
from verify.config import Config
from verify.memory import cache
from verify.memory.base import Mode, Setting

SOURCE = Source("HFMEM", "hf-mem", "Alvaro Bartolome", "repository at commit e994679, 2026-06")

_CONFIG = config("deepseek-ai/DeepSeek-V3")
_TOKENS = 163_840


def _latent() -> Found:
    setting = Setting(sequence=_TOKENS, mode=Mode.INFERENCE, dtype="bfloat16")
    found = cache.predict(formula(_CONFIG), Config(_CONFIG), setting)
    wide = cache.expanded(formula(_CONFIG), Config(_CONFIG), setting)
    note = "latent attention keeps one vector a token and layer"
    if wide:
        note += f"; keys and values of all heads, written out, would be {number(wide.size.value)} bytes"
    return Found((found.size.value if found else 0,), "the latents and rotary keys of the family deepseek_v3", note)


CLAIMS = (
    Claim(
        "HFMEM.1",
        "The cache of DeepSeek-V3 takes 286.6 GB for 163,840 tokens in bf16.",
        (Amount("286.6", "G", "bytes"),),
        _latent,
    ),
    Claim(
        "HFMEM.2",
        "That is 2 matrices of 128 heads of 7168/128 in each of 61 layers.",
        (Amount("286.6", "G", "bytes"),),
        lambda: Found((2 * expression("2*L*h", L=61, h=7168) * _TOKENS,), "2 bytes * 2*L*h * tokens"),
    ),
)
