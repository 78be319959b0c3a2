"""GPT-NeoX and Pythia: attention and feed-forward layer side by side, a part of each head rotated, biases.

Per layer: `attention.qkv : (3 hidden) x hidden`, `attention.o : hidden x hidden`, `mlp.up : inner x hidden`,
`mlp.down : hidden x inner`, `norm.input`, `norm.post_attention : hidden`, each with a bias of its output
(those of attention only with `attention_bias`). Outside: `embedding.tokens : vocab x hidden`, `norm.final :
hidden`, `head.lm_head : vocab x hidden` unless tied. Old files hold masks and rotary frequencies besides.
"""

from verify.architectures._blocks import decoder_head, embedding, mlp, norm, size, whole_heads
from verify.architectures._gpt import GPT_HEADS, fused_attention, mask_names, masks, partial_rotary_buffer
from verify.config import Config
from verify.formula import Formula, Layers
from verify.names import NameTable, buffers, modules
from verify.symbols import Size

SOURCE = (
    "Black et al. 2022, arXiv:2204.06745, section 2; Biderman et al. 2023, arXiv:2304.01373, section 2; "
    "transformers models/gpt_neox/modeling_gpt_neox.py"
)
ALIASES = ()

NAMES = NameTable(
    backbone={
        **modules(
            {
                "embed_in": "embedding.tokens",
                "layers.{}.attention.query_key_value": "attention.qkv",
                "layers.{}.attention.dense": "attention.o",
                "layers.{}.mlp.dense_h_to_4h": "mlp.up",
                "layers.{}.mlp.dense_4h_to_h": "mlp.down",
                "layers.{}.input_layernorm": "norm.input",
                "layers.{}.post_attention_layernorm": "norm.post_attention",
                "final_layer_norm": "norm.final",
            }
        ),
        **mask_names("layers.{}.attention"),
        **buffers({"layers.{}.attention.rotary_emb.inv_freq": "position.inv_freq"}),
    },
    # Before transformers 5 the output layer was called `embed_out`.
    head={**GPT_HEADS, **modules({"embed_out": "head.lm_head"})},
    prefixes=("gpt_neox.",),
)


def formula(config: Config) -> Formula:
    """The parameters of a GPT-NeoX.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    heads = size(config, "num_attention_heads")
    head_dim = Size.symbol("head_dim", whole_heads(hidden, heads), "hidden_size // num_attention_heads")
    positions = size(config, "max_position_embeddings", default=2048)
    bias = config.flag("attention_bias", default=True)
    config.set_aside("use_parallel_residual")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False)
    frequencies = partial_rotary_buffer(config, head_dim, layers, default=0.25)
    return Formula(
        name="gpt_neox",
        source=SOURCE,
        terms=(
            embedding("embedding.tokens", vocab, hidden),
            *fused_attention(hidden, 3 * hidden, layers, bias=bias),
            *mlp(hidden, size(config, "intermediate_size"), layers, bias=True),
            *norm("input", hidden, layers, bias=True),
            *norm("post_attention", hidden, layers, bias=True),
            *norm("final", hidden, bias=True),
            *head_terms,
        ),
        extras=(*extras, *masks(positions, layers), frequencies),
    )
