"""GPT-J: attention and feed-forward layer side by side behind one LayerNorm, a head with a bias.

Per layer: `attention.q`, `.k`, `.v`, `.o : hidden x hidden` without biases, `mlp.up : inner x hidden`,
`mlp.down : hidden x inner` with biases, `norm.input : hidden` with a bias. Outside: `embedding.tokens : vocab
x hidden`, `norm.final : hidden` with a bias, `head.lm_head : vocab x hidden` unless tied, and its bias. Old
files hold the causal mask of each layer besides.
"""

from verify.architectures._blocks import DECODER_HEADS, decoder_head, embedding, labels, mlp, norm, size, whole_heads
from verify.architectures._gpt import inner_size, mask_names, masks, separate_attention
from verify.config import Config
from verify.formula import Formula, Layers
from verify.names import NameTable, modules

SOURCE = (
    "Wang and Komatsuzaki 2021, 'GPT-J-6B', github.com/kingoflolz/mesh-transformer-jax, section 'Model Details'; "
    "transformers models/gptj/modeling_gptj.py"
)
ALIASES = ()

NAMES = NameTable(
    backbone={
        **modules(
            {
                "wte": "embedding.tokens",
                "h.{}.ln_1": "norm.input",
                "h.{}.attn.q_proj": "attention.q",
                "h.{}.attn.k_proj": "attention.k",
                "h.{}.attn.v_proj": "attention.v",
                "h.{}.attn.out_proj": "attention.o",
                "h.{}.mlp.fc_in": "mlp.up",
                "h.{}.mlp.fc_out": "mlp.down",
                "ln_f": "norm.final",
            }
        ),
        **mask_names("h.{}.attn"),
    },
    head=DECODER_HEADS,
    prefixes=("transformer.",),
)


def formula(config: Config) -> Formula:
    """The parameters of a GPT-J.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size", "n_embd")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers", "n_layer"))
    whole_heads(hidden, size(config, "num_attention_heads", "n_head"))
    positions = size(config, "max_position_embeddings", "n_positions", default=2048)
    config.set_aside("rotary", "rotary_dim", "n_ctx")
    # The head for questions has as many outputs as there are labels, not two as elsewhere.
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False, bias=True, answers=labels(config))
    return Formula(
        name="gptj",
        source=SOURCE,
        terms=(
            embedding("embedding.tokens", vocab, hidden),
            *separate_attention(hidden, layers),
            *mlp(hidden, inner_size(config, hidden, "n_inner"), layers, bias=True),
            *norm("input", hidden, layers, bias=True),
            *norm("final", hidden, bias=True),
            *head_terms,
        ),
        extras=(*extras, *masks(positions, layers)),
    )
