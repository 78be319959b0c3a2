"""MiMo-7B: a Qwen2 with layers beside it that predict further tokens.

Per layer: `attention.q : (heads x head) x hidden`, `attention.k`, `attention.v : (kv_heads x head) x
hidden`, each with a bias of its output, `attention.o : hidden x (heads x head)`, `mlp.gate`, `mlp.up :
inner x hidden`, `mlp.down : hidden x inner`, `norm.input`, `norm.post_attention : hidden`. Outside:
`embedding.tokens : vocab x hidden`, `norm.final : hidden`, `head.lm_head : vocab x hidden` unless tied.
A layer of the stack `mtp` has the same and `other.projection : hidden x (2 hidden)`, `norm.tokens`,
`norm.hidden`, `norm.final : hidden`.
"""

from verify.architectures._blocks import (
    DECODER_HEADS,
    attention,
    decoder_head,
    embedding,
    gated_mlp,
    head_size,
    kv_heads,
    linear,
    norm,
    size,
)
from verify.architectures._names import ATTENTION, GATED_MLP, LLAMA
from verify.config import Config
from verify.formula import Extra, Formula, Layers, Term
from verify.names import NameTable, modules
from verify.roles import Cause
from verify.symbols import Size

SOURCE = (
    "Xiaomi LLM-Core Team 2025, arXiv:2505.07608, section 2.2; modeling_mimo.py of XiaomiMiMo/MiMo-7B-Base, which "
    "extends transformers models/qwen2/modeling_qwen2.py"
)
ALIASES = ()

#: The stack of the layers that predict further tokens.
_MTP = "mtp"

NAMES = NameTable(
    backbone={
        **modules(LLAMA),
        **modules(
            {
                **{f"mtp_{module}": text for module, text in {**ATTENTION, **GATED_MLP}.items()},
                "mtp_layers.{}.input_layernorm": "norm.input",
                "mtp_layers.{}.post_attention_layernorm": "norm.post_attention",
                "mtp_layers.{}.token_layernorm": "norm.tokens",
                "mtp_layers.{}.hidden_layernorm": "norm.hidden",
                "mtp_layers.{}.input_proj": "other.projection",
                "mtp_layers.{}.final_layernorm": "norm.final",
            },
            stack=_MTP,
        ),
    },
    head=DECODER_HEADS,
    prefixes=("model.",),
)


def formula(config: Config) -> Formula:
    """The parameters of a MiMo.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    # Qwen2 has the three biases whatever `attention_bias` says.
    config.set_aside("max_position_embeddings", "layer_types", "use_mrope", "attention_bias")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False)
    terms = (
        embedding("embedding.tokens", vocab, hidden),
        *_layer(config, hidden, layers),
        *norm("final", hidden),
        *head_terms,
    )
    predictors = _predictors(config, hidden)
    return Formula(
        name="mimo",
        source=SOURCE,
        terms=terms,
        extras=(*extras, *predictors),
    )


def _layer(config: Config, hidden: Size, layers: Layers, *, stack: str = "") -> tuple[Term, ...]:
    """One layer of Qwen2."""
    heads = size(config, "num_attention_heads")
    groups = kv_heads(config, heads, required=True)
    head_dim = head_size(config, hidden, heads)
    return (
        *attention(hidden, heads, groups, head_dim, layers, qkv_bias=True, stack=stack),
        *gated_mlp(hidden, size(config, "intermediate_size"), layers, stack=stack),
        *norm("input", hidden, layers, stack=stack),
        *norm("post_attention", hidden, layers, stack=stack),
    )


def _predictors(config: Config, hidden: Size) -> tuple[Extra, ...]:
    """The multi-token-prediction layers, which share embedding and output layer with the model."""
    number = config.integer("num_nextn_predict_layers", default=0, minimum=0)
    if not number:
        return ()
    layers = Layers.every(Size.symbol("num_nextn_predict_layers", number))
    terms = (
        *linear("other.projection", hidden, 2 * hidden, layers, stack=_MTP),
        *norm("tokens", hidden, layers, stack=_MTP),
        *norm("hidden", hidden, layers, stack=_MTP),
        *_layer(config, hidden, layers, stack=_MTP),
        *norm("final", hidden, layers, stack=_MTP),
    )
    return (Extra(Cause.MTP_LAYER, terms, "layers that predict further tokens (MiMoMTPLayers)"),)
