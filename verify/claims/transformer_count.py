"""Article C: "Parameter count of the transformer".

Letters: L layers, h hidden size, V vocabulary. It speaks of a decoder with biases everywhere, which is GPT-2.
"""

from verify.claims._facts import LLAMAS, config, exactly, expression, family, gpt2, has, parameters
from verify.claims._ledger import Amount, Claim, Found, Source
from verify.claims._tiny import build, sight, stacks

SOURCE = Source("C", "Parameter count of the transformer", "after an article on Zhihu", "Chinese")

GPT2 = gpt2(768, 12, 12)
GPT3 = gpt2(12288, 96, 96, positions=2048)
_H = 768

#: The table: LLaMA by its size in billions, with h and L, and 12Lh^2 as published.
TABLE = {
    "6.7": (4096, 32, 6_442_450_944),
    "13.0": (5120, 40, 12_582_912_000),
    "32.5": (6656, 60, 31_897_681_920),
    "65.2": (8192, 80, 64_424_509_440),
}


def _products() -> Found:
    values = tuple(expression("12*L*h**2", h=hidden, L=layers) for hidden, layers, _ in TABLE.values())
    return Found(values, "12Lh^2 at the h and L of the table")


def _totals() -> Found:
    return family(
        *(parameters(LLAMAS[billions]) for billions in TABLE),
        of="of the family llama",
        note="both embedding matrices are left out, which weigh less the larger the model is",
    )


def _sizes() -> tuple[Claim, ...]:
    """One row for each LLaMA."""
    return tuple(
        has(f"C.6{letter}", f"LLaMA with h = {hidden} and L = {layers}", Amount(size, "B"), LLAMAS[size])
        for letter, (size, (hidden, layers, _)) in zip("bcde", TABLE.items(), strict=True)
    )


def _per_layer(*starts: str) -> Found:
    return family(parameters(GPT2, *starts) // 12, of="of the family gpt2, one layer (h = 768)")


def _sight(name: str, **values: object) -> Found:
    return Found(
        (sight(build(name, **values)),), f"measured on a tiny {name}: which positions a changed last token moves"
    )


_SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 64}

CLAIMS = (
    Claim(
        "C.1",
        "Attention has 4h^2+4h parameters in a layer, with biases.",
        (exactly(expression("4*h**2 + 4*h", h=_H)),),
        lambda: _per_layer("attention"),
    ),
    Claim(
        "C.2",
        "The MLP has 8h^2+5h parameters in a layer.",
        (exactly(expression("8*h**2 + 5*h", h=_H)),),
        lambda: _per_layer("mlp"),
    ),
    Claim(
        "C.3",
        "The two LayerNorms of a layer have 4h parameters.",
        (exactly(expression("4*h", h=_H)),),
        lambda: _per_layer("norm.input", "norm.post"),
    ),
    Claim(
        "C.4",
        "A layer has 12h^2+13h parameters.",
        (exactly(expression("12*h**2 + 13*h", h=_H)),),
        lambda: _per_layer("attention", "mlp", "norm.input", "norm.post"),
    ),
    Claim(
        "C.5a",
        "A model has L(12h^2+13h)+Vh parameters (GPT-2).",
        (exactly(expression("L(12h^2+13h)+Vh", h=_H, L=12, V=50257)),),
        lambda: family(
            parameters(GPT2), of="of the family gpt2", note="1024 learned positions and the last norm are left out"
        ),
    ),
    Claim(
        "C.5b",
        "For large h that is about 12Lh^2 (GPT-3, h = 12288).",
        (exactly(expression("12Lh^2", h=12288, L=96)),),
        lambda: Found((expression("L(12h^2+13h)+Vh", h=12288, L=96, V=50257),), "L(12h^2+13h)+Vh"),
    ),
    Claim(
        "C.5c",
        "For small h, too, it is about 12Lh^2 (GPT-2, h = 768).",
        (exactly(expression("12Lh^2", h=_H, L=12)),),
        lambda: Found(
            (expression("L(12h^2+13h)+Vh", h=_H, L=12, V=50257),), "L(12h^2+13h)+Vh", "the embedding is a third of it"
        ),
    ),
    Claim(
        "C.6a",
        "12Lh^2 of the four LLaMAs, as the table has it.",
        tuple(exactly(product) for _, _, product in TABLE.values()),
        _products,
    ),
    *_sizes(),
    Claim(
        "C.6f",
        "12Lh^2 is near the parameters of the four LLaMAs.",
        tuple(exactly(product) for _, _, product in TABLE.values()),
        _totals,
    ),
    Claim(
        "C.7",
        "GPT-3 has 175 billion parameters.",
        (Amount("175", "B"),),
        lambda: family(
            parameters(GPT3), of="of the family gpt2 at 96 layers, h = 12288, 96 heads, V = 50257, 2048 positions"
        ),
    ),
    Claim(
        "C.8",
        "It announces compute, intermediate activations and the KV cache of a decoder.",
        (),
        reason="it announces topics and states no number; `verify memory` computes them",
    ),
    Claim(
        "C.9a",
        "T5 is an encoder-decoder.",
        ("bidirectional encoder, causal decoder that sees the encoder",),
        lambda: Found((stacks(),), "measured on a tiny T5Model"),
    ),
    Claim(
        "C.9b",
        "GPT is causal.",
        ("causal",),
        lambda: _sight("GPT2Model", n_embd=32, n_layer=2, n_head=4, vocab_size=64),
    ),
    Claim(
        "C.9c",
        "GLM is a prefix model: its first tokens see each other, the rest is causal (GLM of 2021).",
        (),
        reason="transformers has no class of it: its `glm` is GLM-4, see C.9g",
    ),
    Claim(
        "C.9d", "BERT sees both ways.", ("bidirectional",), lambda: _sight("BertModel", **_SMALL, intermediate_size=48)
    ),
    Claim(
        "C.9e",
        "T5 is one of its systems: 11 billion parameters in its largest size (T5 v1.1 XXL).",
        (Amount("11", "B"),),
        lambda: family(
            parameters(config("google/t5-v1_1-xxl")), of="of the family t5 at the record of google/t5-v1_1-xxl"
        ),
    ),
    Claim(
        "C.9f",
        "GLM is one of its systems: ChatGLM2-6B has 6 billion parameters.",
        (Amount("6", "B"),),
        lambda: family(
            parameters(config("syjjhl/chatglm2-6b")), of="of the family chatglm at the record of chatglm2-6b"
        ),
    ),
    Claim(
        "C.9g",
        "GLM is a prefix model, tried on GLM-4, which transformers implements.",
        ("prefix",),
        lambda: _sight("GlmModel", **_SMALL, intermediate_size=48, num_key_value_heads=2, head_dim=8, pad_token_id=0),
    ),
)
