"""Article A: "How is the parameter count of a large model computed?".

Letters: L layers, h hidden size, V vocabulary, N positions. It speaks of a plain decoder: multi-head attention without
biases, an MLP of inner size 4h, LayerNorms with biases.
"""

from fractions import Fraction

from verify.claims._facts import (
    LLAMA_7B,
    LLAMA_70B,
    config,
    declared,
    exactly,
    expression,
    family,
    gpt2,
    parameters,
)
from verify.claims._ledger import Amount, Claim, Found, Source, number
from verify.claims._tiny import elements, llama
from verify.evidence.base import DeclaredKind

SOURCE = Source(
    "A",
    "How is the parameter count of a large model computed? What do 7B, 13B, 65B mean?",
    "Chief AI Sharing Circle",
    "Chinese and Japanese",
)

GPT2 = gpt2(768, 12, 12)
#: Learned positions at the length that long-context readers of the article would ask about.
GPT2_4K = gpt2(4096, 32, 32, positions=4096)
BLOOM = {"model_type": "bloom", "n_embed": 1024, "n_layer": 24, "num_attention_heads": 16, "vocab_size": 250880}
_H, _L, _V = 4096, 32, 32000
_RECORD = "huggyllama/llama-7b"
_GB = Fraction(10**9)


def _heads() -> Found:
    counts = {heads: elements(llama(num_attention_heads=heads), "self_attn") for heads in (1, 2, 4, 8)}
    distinct = sorted(set(counts.values()))
    return Found(
        ("the same" if len(distinct) == 1 else "different",),
        "measured on a tiny Llama with 1, 2, 4 and 8 heads",
        f"attention has {' or '.join(map(number, distinct))} parameters in 2 layers of h = 32, 4h^2 each",
    )


def _tied() -> Found:
    sizes = [elements(llama(tie_word_embeddings=tied)) for tied in (True, False)]
    return Found((sizes[1] - sizes[0],), "measured on a tiny Llama, untied minus tied, V = 64 and h = 32")


def _real_files() -> Found:
    size = declared(_RECORD, DeclaredKind.FILE_BYTES)
    return Found((size,), f"the record of {_RECORD}: sizes of its 33 weight files")


def _rounding() -> Found:
    gap = 14 * _GB - declared(_RECORD, DeclaredKind.FILE_BYTES)
    named = 2 * (7 * 10**9 - parameters(LLAMA_7B))
    share = named / gap
    return Found(
        ("most of the gap" if share > Fraction(1, 2) else "little of the gap",),
        f"2 bytes times (7 billion minus {number(parameters(LLAMA_7B))} parameters)",
        f"that is {number(named)} bytes, and the gap {number(gap)}: the files hold a little besides the weights",
    )


def _biases() -> Found:
    count = parameters(LLAMA_7B) - parameters(LLAMA_7B, biases=False)
    return Found(("some" if count else "none",), "formula of the family llama", f"it has {count} bias parameters")


def _fp32() -> Found:
    total = declared(_RECORD, DeclaredKind.INDEX_BYTES)
    rest = total - 2 * parameters(LLAMA_7B)
    buffers = 2 * 32 * 64
    return Found(
        ("none" if rest == buffers else "some",),
        f"the record of {_RECORD}: the index holds {number(total)} bytes",
        f"that is 2 bytes a parameter and {number(rest)} bytes of 32 x 64 rotary frequencies",
    )


def _billion() -> Found:
    ratio = Fraction(parameters(LLAMA_7B), 7)
    power = next(power for power in range(18) if ratio < 10 ** (power + 1) / Fraction(2))
    return Found((10**power,), "7B against the 6,738,415,616 parameters of LLaMA-7B, to the nearest power of ten")


def _sizes() -> str:
    """Parameters that fill 100 GB, by dtype, as text."""
    bits = {"FP32": 32, "FP16 or BF16": 16, "8 bit": 8, "4 bit": 4}
    return ", ".join(f"{number(100 * 8 * 10**9 // width)} in {name}" for name, width in bits.items())


CLAIMS = (
    Claim(
        "A.1a",
        "Attention has 4h^2 parameters in each layer, without biases (at h = 4096).",
        (exactly(4 * _H**2),),
        lambda: family(parameters(LLAMA_7B, "attention") // _L, of="of the family llama at LLaMA-7B, one layer"),
    ),
    Claim("A.1b", "Single- and multi-head attention have the same parameters.", ("the same",), _heads),
    Claim(
        "A.1c",
        "4h^2 is attention also where heads share keys and values (Llama-2-70B, h = 8192, 8 of 64).",
        (exactly(4 * 8192**2),),
        lambda: family(
            parameters(LLAMA_70B, "attention") // 80,
            of="of the family llama at Llama-2-70B, one layer",
            note="the article does not mention grouped-query attention: keys and values are h/8 wide",
        ),
    ),
    Claim(
        "A.1d",
        "4h^2 is attention also where it has biases (GPT-2, h = 768).",
        (exactly(4 * 768**2),),
        lambda: family(
            parameters(GPT2, "attention") // 12,
            of="of the family gpt2, one layer",
            note="4h of it are biases",
        ),
    ),
    Claim(
        "A.2a",
        "The MLP has 8h^2 parameters in each layer (weights of GPT-2, h = 768).",
        (exactly(8 * 768**2),),
        lambda: family(parameters(GPT2, "mlp", biases=False) // 12, of="of the family gpt2 without biases, one layer"),
    ),
    Claim(
        "A.2b",
        "The MLP has 8h^2 parameters in each layer of LLaMA-7B (h = 4096).",
        (exactly(8 * _H**2),),
        lambda: family(
            parameters(LLAMA_7B, "mlp") // _L,
            of="of the family llama at LLaMA-7B, one layer",
            note="it has three matrices of 4096 x 11008, as 3hf with f near 8h/3",
        ),
    ),
    Claim(
        "A.3a",
        "LayerNorms have (2L+1)*2h parameters in all (GPT-2, L = 12, h = 768).",
        (exactly(25 * 2 * 768),),
        lambda: family(parameters(GPT2, "norm"), of="of the family gpt2"),
    ),
    Claim(
        "A.3b",
        "LayerNorms have (2L+1)*2h parameters in all, for LLaMA-7B.",
        (exactly(65 * 2 * _H),),
        lambda: family(
            parameters(LLAMA_7B, "norm"),
            of="of the family llama at LLaMA-7B",
            note="its RMSNorms have no bias, so (2L+1)h",
        ),
    ),
    Claim(
        "A.4",
        "The token embedding has Vh parameters (LLaMA-7B).",
        (exactly(_V * _H),),
        lambda: family(parameters(LLAMA_7B, "embedding"), of="of the family llama at LLaMA-7B"),
    ),
    Claim(
        "A.5a",
        "The output layer adds no parameters when it is tied (GPT-2).",
        (exactly(0),),
        lambda: family(parameters(GPT2, "head"), of="of the family gpt2"),
    ),
    Claim(
        "A.5b",
        "The output layer adds Vh parameters when it is not tied (LLaMA-7B).",
        (exactly(_V * _H),),
        lambda: family(parameters(LLAMA_7B, "head"), of="of the family llama at LLaMA-7B"),
    ),
    Claim(
        "A.5c",
        "Untying the output layer of a real class adds Vh parameters (V = 64, h = 32).",
        (exactly(64 * 32),),
        _tied,
    ),
    Claim(
        "A.6a",
        "Learned positions have N*h parameters (GPT-2, N = 1024, h = 768).",
        (exactly(1024 * 768),),
        lambda: family(parameters(GPT2, "position"), of="of the family gpt2"),
    ),
    Claim(
        "A.6b",
        "Learned positions have N*h parameters, for 4k positions (N = 4096, h = 4096).",
        (exactly(4096 * 4096),),
        lambda: family(parameters(GPT2_4K, "position"), of="of the family gpt2 with 4096 positions"),
    ),
    Claim(
        "A.6c",
        "RoPE adds no parameters (LLaMA-7B).",
        (exactly(0),),
        lambda: family(parameters(LLAMA_7B, "position"), of="of the family llama at LLaMA-7B"),
    ),
    Claim(
        "A.6d",
        "ALiBi adds no parameters (BLOOM-560m).",
        (exactly(0),),
        lambda: family(parameters(BLOOM, "position"), of="of the family bloom"),
    ),
    Claim(
        "A.7",
        "The total is about L(12h^2+4h)+Vh+2h when the head is tied (GPT-2).",
        (exactly(expression("L(12h^2+4h)+Vh+2h", h=768, L=12, V=50257)),),
        lambda: family(
            parameters(GPT2),
            of="of the family gpt2",
            note="biases of the linear layers and learned positions are left out",
        ),
    ),
    Claim(
        "A.8a",
        "The total is about 12Lh^2+Vh (GPT-2).",
        (exactly(expression("12Lh^2+Vh", h=768, L=12, V=50257)),),
        lambda: family(parameters(GPT2), of="of the family gpt2", note="biases, norms and positions are left out"),
    ),
    Claim(
        "A.8b",
        "The total is about 12Lh^2+Vh (Llama-2-70B).",
        (exactly(expression("12Lh^2+Vh", h=8192, L=80, V=32000)),),
        lambda: family(
            parameters(LLAMA_70B),
            of="of the family llama at Llama-2-70B",
            note="its attention is smaller, its gated MLP larger, and its head is not tied",
        ),
    ),
    Claim(
        "A.9a",
        "12Lh^2+Vh for LLaMA-7B (L = 32, h = 4096, V = 32000) is about 6.55B.",
        (Amount("6.55", "B"),),
        own=lambda: Found((expression("12Lh^2+Vh", h=_H, L=_L, V=_V),), "the expression itself"),
    ),
    Claim(
        "A.9b",
        "That 6.55B is close to what LLaMA-7B has.",
        (Amount("6.55", "B"),),
        lambda: family(
            parameters(LLAMA_7B),
            of="of the family llama at LLaMA-7B",
            note="the MLP is gated, the norms count, and the head is not tied",
        ),
    ),
    Claim(
        "A.9c",
        "LLaMA-7B has 6.7B parameters.",
        (Amount("6.7", "B"),),
        lambda: family(parameters(config(_RECORD)), of=f"of the family llama at the record of {_RECORD}"),
    ),
    Claim(
        "A.10a",
        "7 billion parameters take 28 GB in FP32 and 14 GB in FP16.",
        (Amount("28", "G", "bytes"), Amount("14", "G", "bytes")),
        lambda: Found((4 * 7 * 10**9, 2 * 7 * 10**9), "4 and 2 bytes a parameter, GB of 10^9 bytes"),
    ),
    Claim(
        "A.10b",
        "A model called 7B takes 28 GB in FP32 and 14 GB in FP16 (LLaMA-7B).",
        (Amount("28", "G", "bytes"), Amount("14", "G", "bytes")),
        lambda: Found(
            (4 * parameters(LLAMA_7B), 2 * parameters(LLAMA_7B)),
            "4 and 2 bytes for each parameter of LLaMA-7B",
            "it has 6.7 billion of them",
        ),
    ),
    Claim("A.11a", "The files of the real LLaMA-7B total about 13.5 GB.", (Amount("13.5", "G", "bytes"),), _real_files),
    Claim("A.11b", "The gap between 14 GB and the real files comes from rounding.", ("most of the gap",), _rounding),
    Claim("A.11c", "The gap comes from biases, too.", ("some",), _biases),
    Claim("A.11d", "The gap comes from parameters kept in FP32, too.", ("some",), _fp32),
    Claim(
        "A.12",
        "It asks which parameter count a file of 100 GB corresponds to.",
        (),
        reason=f"it is a question and states no number; 100 GB of weights are {_sizes()}",
    ),
    Claim("A.13", "In names such as 7B, B means 10^8 (Japanese version).", (exactly(10**8, ""),), _billion),
)
