"""Where the gap between a stated formula and a checkpoint comes from."""

from hypothesis import given
from hypothesis import strategies as st

from verify.attribute import attribute
from verify.breakdown import Breakdown, Cell, Key
from verify.config import Config
from verify.published import Stated, resolve
from verify.roles import Cause, Kind, Role, Slot
from verify.tensor import DTYPES, Tensor

LLAMA_2_7B = {
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "vocab_size": 32000,
}


def cell(*shape: int) -> Cell:
    return Cell(((shape, 1),))


def llama_2_7b() -> Breakdown:
    """What the file holds: shapes as in its published checkpoint, and `inv_freq` of each layer as a buffer."""
    square, wide, tall = cell(4096, 4096), cell(11008, 4096), cell(4096, 11008)
    layer = {
        **{Slot(Role.ATTENTION, part): square for part in "qkvo"},
        Slot(Role.MLP, "gate"): wide,
        Slot(Role.MLP, "up"): wide,
        Slot(Role.MLP, "down"): tall,
        Slot(Role.NORM, "input"): cell(4096),
        Slot(Role.NORM, "post_attention"): cell(4096),
        Slot(Role.POSITION, "inv_freq", Kind.BUFFER): cell(64),
    }
    outside = {
        Slot(Role.EMBEDDING, "tokens"): cell(32000, 4096),
        Slot(Role.NORM, "final"): cell(4096),
        Slot(Role.HEAD, "lm_head"): cell(32000, 4096),
    }
    cells: dict[Key, Cell] = {(slot, index): shapes for index in range(32) for slot, shapes in layer.items()}
    return Breakdown({**cells, **{(slot, None): shapes for slot, shapes in outside.items()}})


def test_llama_2_7b_against_the_simplified_total() -> None:
    stated, measured = resolve("12Lh²+Vh", Config(dict(LLAMA_2_7B))), llama_2_7b()
    assert (stated.total, measured.total()) == (6_573_522_944, 6_738_415_616)
    findings = attribute(stated, measured)
    assert [(finding.slot, finding.elements) for finding in findings] == [
        # 32 x (3 x 4096 x 11008 - 8 x 4096^2)
        ("mlp", 33_554_432),
        # (2 x 32 + 1) x 4096
        ("norm", 266_240),
        # 32000 x 4096
        ("head", 131_072_000),
    ]
    assert sum(finding.elements for finding in findings) == 6_738_415_616 - 6_573_522_944
    assert all(finding.cause is Cause.APPROXIMATION and not finding.explained for finding in findings)


def test_the_detail_names_the_slots_behind_a_gap() -> None:
    findings = attribute(resolve("12Lh²+Vh", Config(dict(LLAMA_2_7B))), llama_2_7b())
    assert [finding.detail for finding in findings] == [
        (
            "stated 4,294,967,296, measured 4,328,521,728: "
            "mlp.gate 1,442,840,576 + mlp.up 1,442,840,576 + mlp.down 1,442,840,576"
        ),
        "stated 0, measured 266,240: norm.input 131,072 + norm.post_attention 131,072 + norm.final 4,096",
        "stated 0, measured 131,072,000: head.lm_head 131,072,000",
    ]


def test_llama_2_7b_against_a_total_alone() -> None:
    (finding,) = attribute(resolve("12*L*h**2 + 2*V*h", Config(dict(LLAMA_2_7B))), llama_2_7b())
    assert (finding.slot, finding.elements) == ("model", 33_554_432 + 266_240)
    assert finding.detail == (
        "stated 6,704,594,944, measured 6,738,415,616: embedding 131,072,000 + attention 2,147,483,648 + "
        "mlp 4,328,521,728 + norm 266,240 + head 131,072,000"
    )


def test_an_exact_statement_leaves_nothing() -> None:
    exact = resolve("2*V*h + L*(4*h**2 + 3*h*f + 2*h) + h", Config(dict(LLAMA_2_7B)))
    assert exact.total == 6_738_415_616
    assert attribute(exact, llama_2_7b()) == ()


def test_gaps_that_cancel_are_both_shown() -> None:
    stated = Stated("x", "", 30, {Role.MLP: 10, Role.HEAD: 20})
    measured = Breakdown({(Slot(Role.MLP, "up"), 0): cell(20), (Slot(Role.HEAD, "lm_head"), None): cell(10)})
    assert [(found.slot, found.elements) for found in attribute(stated, measured)] == [("mlp", 10), ("head", -10)]


def test_stated_slots_are_compared_slot_by_slot() -> None:
    stated = Stated("x", "", 25, {Role.ATTENTION: 5, Role.MLP: 20}, {"mlp.up": 8, "mlp.fc": 12})
    measured = Breakdown(
        {
            (Slot(Role.ATTENTION, "norm"), 0): cell(5),
            (Slot(Role.MLP, "up"), 0): cell(10),
            (Slot(Role.MLP, "up"), 1): cell(10),
            (Slot(Role.MLP, "gate"), 0): cell(7),
            (Slot(Role.NORM, "final"), None): cell(1),
        }
    )
    assert [(found.slot, found.elements, found.detail) for found in attribute(stated, measured)] == [
        ("mlp.up", 12, "stated 8, measured 20: mlp.up 20"),
        ("mlp.fc", -12, "stated 12, measured 0"),
        ("mlp.gate", 7, "stated 0, measured 7: mlp.gate 7"),
        ("norm", 1, "stated 0, measured 1: norm.final 1"),
    ]


def test_a_slot_named_like_a_role_belongs_to_its_own_role() -> None:
    stated = Stated("x", "", 5, {Role.ATTENTION: 5}, {"attention.norm": 5})
    assert attribute(stated, Breakdown({(Slot(Role.ATTENTION, "norm"), 0): cell(5)})) == ()


def test_unclassified_tensors_are_a_gap_under_other() -> None:
    stray = Tensor("stray", DTYPES["F32"], (3,))
    (finding,) = attribute(Stated("x", "", 5, {Role.MLP: 5}), Breakdown({(Slot(Role.MLP, "up"), 0): cell(5)}, (stray,)))
    assert (finding.slot, finding.elements, finding.detail) == ("other", 3, "stated 0, measured 3: unclassified 3")


SLOTS = st.builds(
    Slot,
    st.sampled_from(list(Role)),
    st.sampled_from(["q", "up", "norm", "up.bias"]),
    st.sampled_from(list(Kind)),
    st.sampled_from(["", "encoder"]),
)
CELLS = st.dictionaries(
    st.tuples(SLOTS, st.none() | st.integers(0, 2)), st.builds(cell, st.integers(0, 9), st.integers(0, 9)), max_size=12
)
STRAYS = st.lists(st.builds(Tensor, st.just("stray"), st.just(DTYPES["F32"]), st.tuples(st.integers(0, 9))), max_size=2)


@st.composite
def statements(draw: st.DrawFn) -> Stated:
    """Totals, roles, or roles of which some are stated slot by slot."""
    roles = draw(st.dictionaries(st.sampled_from(list(Role)), st.integers(0, 500), max_size=5))
    parameters = SLOTS.filter(lambda slot: slot.role not in roles)
    slots = draw(st.dictionaries(parameters.map(lambda slot: (str(slot), slot.role)), st.integers(0, 500), max_size=5))
    for (_, role), count in slots.items():
        roles[role] = roles.get(role, 0) + count
    total = sum(roles.values()) if roles else draw(st.integers(1, 5000))
    return Stated("x", "", total, roles, {text: count for (text, _), count in slots.items()})


@given(statements(), CELLS, STRAYS)
def test_the_gaps_sum_to_the_difference_of_the_totals(
    stated: Stated, cells: dict[Key, Cell], strays: list[Tensor]
) -> None:
    measured = Breakdown(cells, tuple(strays))
    findings = attribute(stated, measured)
    assert sum(finding.elements for finding in findings) == measured.total() - stated.total
    assert all(finding.elements for finding in findings)
