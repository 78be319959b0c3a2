"""BLOOM: fused attention with ALiBi, a LayerNorm on the embedding, biases everywhere, a tied head.

Per layer: `attention.qkv : (3 hidden) x hidden`, `attention.o : hidden x hidden`, `mlp.up : (4 hidden) x
hidden`, `mlp.down : hidden x (4 hidden)`, `norm.input`, `norm.post_attention : hidden`, each with a bias of
its output. Outside: `embedding.tokens : vocab x hidden`, `norm.embeddings`, `norm.final : hidden`,
`head.lm_head : vocab x hidden` only when it is not tied. Positions have no parameters.
"""

from verify.architectures._blocks import decoder_head, embedding, mlp, norm, size, whole_heads
from verify.architectures._gpt import GPT_HEADS, fused_attention
from verify.config import Config
from verify.formula import Formula, Layers
from verify.names import NameTable, modules

SOURCE = "BigScience 2022, arXiv:2211.05100, section 3.2; transformers models/bloom/modeling_bloom.py"
ALIASES = ()

NAMES = NameTable(
    backbone=modules(
        {
            "word_embeddings": "embedding.tokens",
            "word_embeddings_layernorm": "norm.embeddings",
            "h.{}.self_attention.query_key_value": "attention.qkv",
            "h.{}.self_attention.dense": "attention.o",
            "h.{}.mlp.dense_h_to_4h": "mlp.up",
            "h.{}.mlp.dense_4h_to_h": "mlp.down",
            "h.{}.input_layernorm": "norm.input",
            "h.{}.post_attention_layernorm": "norm.post_attention",
            "ln_f": "norm.final",
        }
    ),
    head=GPT_HEADS,
    prefixes=("transformer.",),
)


def formula(config: Config) -> Formula:
    """The parameters of a BLOOM.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size", "n_embed")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers", "n_layer"))
    whole_heads(hidden, size(config, "num_attention_heads", "n_head"))
    # Left from Megatron-DeepSpeed; the inner width is four times the hidden size whatever `n_inner` says.
    config.set_aside("n_inner", "seq_length", "offset_alibi", "apply_residual_connection_post_layernorm")
    config.set_aside("attention_softmax_in_fp32", "masked_softmax_fusion", "bias_dropout_fusion", "slow_but_exact")
    config.set_aside("skip_bias_add", "skip_bias_add_qkv")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=True)
    return Formula(
        name="bloom",
        source=SOURCE,
        terms=(
            embedding("embedding.tokens", vocab, hidden),
            *norm("embeddings", hidden, bias=True),
            *fused_attention(hidden, 3 * hidden, layers, bias=True),
            *mlp(hidden, 4 * hidden, layers, bias=True),
            *norm("input", hidden, layers, bias=True),
            *norm("post_attention", hidden, layers, bias=True),
            *norm("final", hidden, bias=True),
            *head_terms,
        ),
        extras=extras,
    )
