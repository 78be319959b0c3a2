"""The layers of an encoder and a decoder as fairseq built them: BART and its relatives, Whisper.

Legend of the axes: `hidden` is the width of both stacks, `inner` that of a feed-forward layer.
"""

from verify.architectures._blocks import attention, linear, mlp, norm
from verify.errors import ConfigError
from verify.formula import Layers, Term
from verify.names import Entry, modules
from verify.symbols import Size

#: The two stacks.
STACKS = ("encoder", "decoder")


def stack_names(stack: str) -> dict[str, Entry]:
    """The names inside a stack; a norm is named after what it stands beside, before it or after it."""
    layer = f"{stack}.layers.{{}}"
    parts = {"q_proj": "q", "k_proj": "k", "v_proj": "v", "out_proj": "o"}
    return modules(
        {
            f"{stack}.embed_tokens": "embedding.tokens",
            f"{stack}.embed_positions": "position.embedding",
            f"{stack}.layernorm_embedding": "norm.embeddings",
            **{f"{layer}.self_attn.{module}": f"attention.{part}" for module, part in parts.items()},
            f"{layer}.self_attn_layer_norm": "norm.attention",
            **{f"{layer}.encoder_attn.{module}": f"attention.cross_{part}" for module, part in parts.items()},
            f"{layer}.encoder_attn_layer_norm": "norm.cross",
            f"{layer}.fc1": "mlp.up",
            f"{layer}.fc2": "mlp.down",
            f"{layer}.final_layer_norm": "norm.output",
            f"{stack}.layer_norm": "norm.final",
        },
        stack=stack,
    )


def stack_layers(
    hidden: Size, heads: int, inner: Size, layers: Layers, stack: str, *, key_bias: bool = True
) -> tuple[Term, ...]:
    """The layers of a stack: attention, in the decoder attention to the encoder, a feed-forward layer, their norms.

    Args:
        hidden: The width of the stack.
        heads: The number of heads, which shapes nothing and must divide the width.
        inner: The width of the feed-forward layer.
        layers: Its layers.
        stack: Which stack it is.
        key_bias: Whether keys have a bias, as everything else has.

    Raises:
        ConfigError: The heads do not divide the width.
    """
    if hidden.value % heads:
        raise ConfigError(
            f"d_model {hidden.value} is not divisible by {stack}_attention_heads {heads}",
            expected="a divisor",
            hint="correct config.json",
        )
    # All heads together are as wide as the model, so that one head of the full width has the same shapes.
    one = Size.of(1)
    own = attention(hidden, one, one, hidden, layers, qkv_bias=True, out_bias=True, stack=stack)
    cross = [
        term
        for part in "qkvo"
        for term in linear(f"attention.cross_{part}", hidden, hidden, layers, bias=True, stack=stack)
    ]
    unused = () if key_bias else ("k.bias", "cross_k.bias")
    return (
        *(term for term in own if term.slot.part not in unused),
        *norm("attention", hidden, layers, bias=True, stack=stack),
        *(term for term in cross if stack == "decoder" and term.slot.part not in unused),
        *(norm("cross", hidden, layers, bias=True, stack=stack) if stack == "decoder" else ()),
        *mlp(hidden, inner, layers, bias=True, stack=stack),
        *norm("output", hidden, layers, bias=True, stack=stack),
    )
