"""A derived formula as an ordinary one: terms, layers, copies and the table of names."""

import pytest

from verify.breakdown import expect, measure
from verify.derive.formulas import naming, terms
from verify.derive.formulas.expressions import Expression
from verify.derive.formulas.formula import DerivedTerm, Predicate, Region
from verify.diff import diff
from verify.evidence.packing import unpack
from verify.roles import Kind, Role
from verify.symbols import Size
from verify.tensor import DTYPES, Tensor


def predicate(stop: str, where: str = "", count: str = "") -> Predicate:
    return Predicate(Expression(stop), Expression(where) if where else None, count)


def term(pattern: str, *axes: str, repeats: tuple[Predicate, ...] = (), kind: str = "parameter") -> DerivedTerm:
    return DerivedTerm(pattern, kind, tuple(map(Expression, axes)), repeats)  # type: ignore[arg-type] # one of two


LAYERS = predicate("L", count="L")
SPARSE = predicate("L", "i >= first", "L - first")
REGION = Region(
    (
        term("model.embed.weight", "V", "h"),
        term("model.layers.{}.attn.q.weight", "(h//a)*a", "h", repeats=(LAYERS,)),
        term(
            "model.layers.{}.mlp.experts.{}.up.weight", "f", "h", repeats=(SPARSE, predicate("E", count="E"))
        ),
        term(
            "model.stages.{}.blocks.{}.conv.weight", "2**i*h", "size[i]",
            repeats=(predicate("len(depths)", count="len(depths)"), predicate("depths[i]", count="depths[i]")),
        ),
        term("model.layers.{}.mask", "3", repeats=(LAYERS,), kind="buffer"),
        term("head.weight", "V", "h"),
    ),
    (),
    {},
)  # fmt: skip
VALUES = {"V": 10, "h": 8, "a": 2, "L": 3, "first": 1, "E": 2, "f": 5, "depths": (1, 3), "size": (7, 9)}


@pytest.fixture
def tensors() -> list[Tensor]:
    """What REGION is at VALUES, written out by hand."""
    shapes: dict[str, tuple[int, ...]]
    shapes = {"model.embed.weight": (10, 8), "head.weight": (10, 8), "model.stages.0.blocks.0.conv.weight": (8, 7)}
    shapes |= {f"model.layers.{i}.attn.q.weight": (8, 8) for i in range(3)}
    shapes |= {f"model.layers.{i}.mlp.experts.{j}.up.weight": (5, 8) for i in (1, 2) for j in range(2)}
    shapes |= {f"model.stages.1.blocks.{j}.conv.weight": (16, 9) for j in range(3)}
    shapes |= {f"model.layers.{i}.mask": (3,) for i in range(3)}
    return [Tensor(name, DTYPES["F32"], shape) for name, shape in shapes.items()]


def test_a_formula_has_the_axes_layers_and_copies_of_the_derived_one() -> None:
    made, _ = terms.formula(terms.pieces(REGION, VALUES).values(), name="n", source="s", prefix="model")
    # By hand, term by term, in the order of REGION.
    assert made.count() == 10 * 8 + 3 * 64 + 2 * 2 * 40 + (56 + 3 * 144) + 10 * 8
    assert made.count(Kind.BUFFER) == 9
    by_slot = {str(each.slot): each for each in made.terms if each.layers}
    experts = by_slot["experts.layers.mlp.experts.up"]
    assert (experts.copies.text(), experts.layers and experts.layers.indices) == ("E", (1, 2))
    assert experts.layers
    assert (experts.layers.count.text(), experts.layers.text) == ("L - first", "i >= first")
    convolutions = [each for each in made.terms if each.slot.part == "stages.blocks.conv"]
    assert [(each.copies.text(), [axis.text() for axis in each.axes]) for each in convolutions] == [
        ("depths[0]", ["h", "size[0]"]), ("depths[1]", ["2*h", "size[1]"]),
    ]  # fmt: skip
    legend = {symbol.name: symbol.definition for symbol in made.symbols}
    assert legend["(h//a)"] == "computed from these"
    assert legend["h"] == ""


@pytest.mark.parametrize("prefix", ["", "model"])
@pytest.mark.parametrize("moved", ["", "model.layers.2.mlp.experts.1.up.weight", "model.stages.1.blocks.2.conv.weight"])
def test_the_table_tells_each_tensor_apart(prefix: str, moved: str, tensors: list[Tensor]) -> None:
    made, names = terms.formula(terms.pieces(REGION, VALUES).values(), name="n", source="s", prefix=prefix)
    for number in ("3", "7"):
        stored = [
            each._replace(name=moved.replace(".1.", f".{number}.").replace("blocks.2", f"blocks.{number}"))
            if each.name == moved
            else each
            for each in tensors
        ]
        found = measure(unpack(stored, ""), names)
        differs = bool(diff(expect(made.terms), found.cells)) or bool(found.unclassified)
        assert differs == bool(moved)


def test_numbers_that_leave_gaps_are_part_of_the_name() -> None:
    gaps = [terms.Piece(f"a.{i}.b.{j}.weight", Kind.PARAMETER, (Size.of(2),)) for i in range(2) for j in (1, 3)]
    made, names = terms.formula(gaps, name="n", source="s")
    assert [str(each.slot) for each in made.terms] == ["other.a.b.1", "other.a.b.3"]
    assert names.find("a.0.b.2.weight") is None
    deep = [terms.Piece(f"a.{i}.{j}.{k}.w", Kind.PARAMETER, ()) for i in range(2) for j in range(2) for k in range(2)]
    made, names = terms.formula(deep, name="n", source="s")
    assert len({each.slot for each in made.terms}) == 4
    assert names.find("a.1.0.1.w") is not None
    assert names.find("a.1.0.2.w") is None


def test_no_two_tensors_share_a_slot() -> None:
    odd = [terms.Piece(name, Kind.PARAMETER, (Size.of(1),)) for name in ("x", "x.weight", "m.x", "m.0.x", "m.x.weight")]
    made, names = terms.formula(odd, name="n", source="s", prefix="m")
    assert len({each.slot for each in made.terms}) == len(odd)
    assert all(names.find(each.name) for each in odd)


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("model.layers.{}.self_attn.q_proj.weight", Role.ATTENTION),
        ("model.layers.{}.self_attn.q_norm.weight", Role.NORM),
        ("model.layers.{}.mlp.gate_proj.weight", Role.MLP),
        ("model.layers.{}.mlp.gate.weight", Role.ROUTER),
        ("model.layers.{}.mlp.experts.{}.down_proj.weight", Role.EXPERTS),
        ("model.layers.{}.mlp.shared_experts.gate_proj.weight", Role.EXPERTS),
        ("model.embed_tokens.weight", Role.EMBEDDING),
        ("encoder.block.{}.layer.{}.SelfAttention.relative_attention_bias.weight", Role.ATTENTION),
        ("lm_head.weight", Role.HEAD),
        ("classifier.bias", Role.HEAD),
        ("vision_model.post_layernorm.bias", Role.NORM),
        ("logit_scale", Role.OTHER),
    ],
)
def test_names_speak_of_roles(name: str, role: Role) -> None:
    assert naming.role(name) is role
