"""CodeGen: a GPT-J whose queries, keys and values are one matrix.

Per layer: `attention.qkv : (3 hidden) x hidden`, `attention.o : hidden x hidden` without biases, `mlp.up :
inner x hidden`, `mlp.down : hidden x inner` with biases, `norm.input : hidden` with a bias. Outside:
`embedding.tokens : vocab x hidden`, `norm.final : hidden` with a bias, `head.lm_head : vocab x hidden` unless
tied, and its bias. Old files hold the causal mask of each layer besides.
"""

from verify.architectures._blocks import DECODER_HEADS, buffer, decoder_head, embedding, mlp, norm, size, whole_heads
from verify.architectures._gpt import fused_attention, inner_size
from verify.config import Config
from verify.formula import Extra, Formula, Layers
from verify.names import NameTable, buffers, modules
from verify.roles import Cause
from verify.symbols import Size

SOURCE = "Nijkamp et al. 2022, arXiv:2203.13474, section 2.2; transformers models/codegen/modeling_codegen.py"
ALIASES = ()

NAMES = NameTable(
    backbone={
        **modules(
            {
                "wte": "embedding.tokens",
                "h.{}.ln_1": "norm.input",
                "h.{}.attn.qkv_proj": "attention.qkv",
                "h.{}.attn.out_proj": "attention.o",
                "h.{}.mlp.fc_in": "mlp.up",
                "h.{}.mlp.fc_out": "mlp.down",
                "ln_f": "norm.final",
            }
        ),
        **buffers({"h.{}.attn.causal_mask": "attention.mask"}),
    },
    head=DECODER_HEADS,
    prefixes=("transformer.",),
)


def formula(config: Config) -> Formula:
    """The parameters of a CodeGen.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size", "n_embd")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers", "n_layer"))
    whole_heads(hidden, size(config, "num_attention_heads", "n_head"))
    positions = size(config, "max_position_embeddings", "n_positions", default=2048)
    config.set_aside("rotary", "rotary_dim", "n_ctx")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False, bias=True)
    one = Size.of(1)
    mask = buffer("attention.mask", one, one, positions, positions, layers=layers)
    return Formula(
        name="codegen",
        source=SOURCE,
        terms=(
            embedding("embedding.tokens", vocab, hidden),
            *fused_attention(hidden, 3 * hidden, layers),
            *mlp(hidden, inner_size(config, hidden, "n_inner"), layers, bias=True),
            *norm("input", hidden, layers, bias=True),
            *norm("final", hidden, bias=True),
            *head_terms,
        ),
        extras=(*extras, Extra(Cause.STORED_BUFFER, (mask,), "causal masks, saved by older versions of transformers")),
    )
