"""MPT: fused attention with ALiBi, LayerNorms without biases, no bias anywhere, a tied head.

Per layer: `attention.qkv : (3 hidden) x hidden`, `attention.o : hidden x hidden`, `mlp.up : (4 hidden) x
hidden`, `mlp.down : hidden x (4 hidden)`, `norm.input`, `norm.post_attention : hidden`. Outside:
`embedding.tokens : vocab x hidden`, `norm.final : hidden`, `head.lm_head : vocab x hidden` only when it is not
tied. Positions have no parameters.
"""

from verify.architectures._blocks import decoder_head, embedding, mlp, norm, size, whole_heads
from verify.architectures._gpt import GPT_HEADS, fused_attention
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Formula, Layers
from verify.names import NameTable, modules

SOURCE = (
    "MosaicML 2023, 'Introducing MPT-7B', and the model card of mosaicml/mpt-7b, section 'Model Description'; "
    "transformers models/mpt/modeling_mpt.py"
)
ALIASES = ()

NAMES = NameTable(
    backbone=modules(
        {
            "wte": "embedding.tokens",
            "blocks.{}.norm_1": "norm.input",
            "blocks.{}.attn.Wqkv": "attention.qkv",
            "blocks.{}.attn.out_proj": "attention.o",
            "blocks.{}.norm_2": "norm.post_attention",
            "blocks.{}.ffn.up_proj": "mlp.up",
            "blocks.{}.ffn.down_proj": "mlp.down",
            "norm_f": "norm.final",
        }
    ),
    head=GPT_HEADS,
    prefixes=("transformer.",),
)


def formula(config: Config) -> Formula:
    """The parameters of an MPT.

    Raises:
        ConfigError: A field is missing, impossible, does not fit the others, or asks for what
            only the code of LLM Foundry can build.
    """
    hidden = size(config, "hidden_size", "d_model")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers", "n_layers"))
    whole_heads(hidden, size(config, "num_attention_heads", "n_heads"))
    _only_what_transformers_builds(config)
    # How to start, to scale and to run; the ALiBi slopes are computed for `max_seq_len` and never stored.
    config.set_aside("max_seq_len", "learned_pos_emb", "init_device", "init_config", "logit_scale", "norm_type")
    config.set_aside("embedding_fraction", "emb_pdrop", "verbose", "tokenizer_name", "attn_impl", "fc_type")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=True)
    return Formula(
        name="mpt",
        source=SOURCE,
        terms=(
            embedding("embedding.tokens", vocab, hidden),
            *fused_attention(hidden, 3 * hidden, layers),
            *mlp(hidden, 4 * hidden, layers),
            *norm("input", hidden, layers),
            *norm("post_attention", hidden, layers),
            *norm("final", hidden),
            *head_terms,
        ),
        extras=extras,
    )


def _only_what_transformers_builds(config: Config) -> None:
    """Refuse options that LLM Foundry has and transformers accepts without building them.

    Raises:
        ConfigError: One of them is set.
    """
    section = config.section("attn_config") if "attn_config" in config else Config({}, path="attn_config.")
    section.set_aside("attn_pdrop", "attn_impl", "clip_qkv", "softmax_scale", "prefix_lm", "attn_uses_sequence_id")
    section.set_aside("alibi_bias_max")
    wanted = {
        "expansion_ratio": (config.integer("expansion_ratio", default=4), 4),
        "no_bias": (config.flag("no_bias", default=True), True),
        "attn_config.attn_type": (section.text("attn_type", default="multihead_attention"), "multihead_attention"),
        "attn_config.qk_ln": (section.flag("qk_ln", default=False), False),
        "attn_config.alibi": (section.flag("alibi", default=True), True),
    }
    for key, (found, expected) in wanted.items():
        if found != expected:
            raise ConfigError(f"{key} is {found!r}", expected=repr(expected), hint="transformers builds no other MPT")
