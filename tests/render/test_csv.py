"""The CSV reports, read back as spreadsheets and pandas do."""

import csv
import io
from collections.abc import Callable
from fractions import Fraction

import pandas as pd
import pytest

from verify.render import csv as render_csv
from verify.verification import Verification

COLUMNS = ["layer_type", "role", "kind", "tensors", "expected", "measured", "difference", "ratio", "share"]


def read(text: str) -> list[dict[str, str]]:
    """The lines of a CSV file by column."""
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_breakdown_of_llama_2_7b_has_the_known_numbers(llama_2_7b: Verification) -> None:
    text = render_csv.breakdown(llama_2_7b)
    assert text.splitlines()[0] == ",".join(COLUMNS)
    assert "\r" not in text
    rows = {row["layer_type"]: row for row in read(text)}
    for part in "qkvo":
        assert rows[f"attention.{part}"]["measured"] == "536870912"
        assert rows[f"attention.{part}"]["share"] == "0.079673"
    for part in ("gate", "up", "down"):
        assert rows[f"mlp.{part}"]["expected"] == "1442840576"
        assert rows[f"mlp.{part}"]["share"] == "0.214122"
    for slot in ("embedding.tokens", "head.lm_head"):
        assert (rows[slot]["measured"], rows[slot]["share"]) == ("131072000", "0.019451")
    assert {row["difference"] for row in rows.values()} == {"0"}
    assert {row["ratio"] for row in rows.values()} == {"1.000000"}


def test_pandas_reads_whole_numbers_that_sum_to_the_total(llama_2_7b: Verification) -> None:
    frame = pd.read_csv(io.StringIO(render_csv.breakdown(llama_2_7b)))
    assert frame["measured"].dtype == "int64"
    assert frame["measured"].sum() == 6_738_415_616
    assert frame["tensors"].sum() == 291


def test_layers_go_by_index_between_what_stands_before_and_after(llama_2_7b: Verification) -> None:
    rows = read(render_csv.layers(llama_2_7b))
    assert list(rows[0]) == ["layer", *COLUMNS]
    assert len(rows) == 3 + 32 * 9
    assert (rows[0]["layer"], rows[0]["layer_type"]) == ("", "embedding.tokens")
    assert [row["layer"] for row in rows[1:-2]] == [str(layer) for layer in range(32) for _ in range(9)]
    assert [row["layer_type"] for row in rows[-2:]] == ["norm.final", "head.lm_head"]
    per_layer = sum(int(row["measured"]) for row in rows if row["layer"] == "31")
    assert per_layer == 4 * 4096**2 + 3 * 4096 * 11008 + 2 * 4096


def test_a_buffer_has_no_share_of_the_parameters(tiny: Verification) -> None:
    rows = {row["layer_type"]: row for row in read(render_csv.breakdown(tiny))}
    buffer = rows["position.inv_freq"]
    assert (buffer["kind"], buffer["difference"], buffer["share"]) == ("buffer", "2", "")


def test_what_was_not_measured_is_an_empty_cell(without_tensors: Callable[..., Verification]) -> None:
    rows = {row["layer_type"]: row for row in read(render_csv.breakdown(without_tensors()))}
    query = rows["attention.q"]
    assert (query["tensors"], query["expected"]) == ("32", "536870912")
    assert (query["measured"], query["difference"], query["ratio"]) == ("", "", "")
    assert query["share"] == "0.079673"


def test_unclassified_tensors_have_a_harmless_line_each(hostile: Verification) -> None:
    text = render_csv.breakdown(hostile)
    assert text.replace("\n", "").isprintable()
    rows = [row for row in read(text) if row["kind"] == "unclassified"]
    assert len(rows) == 11
    assert rows[0]["layer_type"] == "'=cmd()"
    assert rows[1]["layer_type"] == "'@SUM(1)"
    assert rows[2]["layer_type"] == r"\x1b[31mred"
    assert rows[4]["layer_type"] == r"two\nlines"
    for row in rows:
        assert not row["layer_type"].startswith(("=", "+", "-", "@", "\t", "\r"))
        assert row["measured"] == "3"


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_text_that_begins_like_a_formula_gets_an_apostrophe(cell: str) -> None:
    assert render_csv.defuse(cell)[0] == "'"


def test_negative_numbers_stay_numbers() -> None:
    assert render_csv.write(("a",), [(-5,), (None,), ("-5",)]) == 'a\n-5\n""\n\'-5\n'


def test_shares_and_ratios_do_not_go_through_floats(llama_2_7b: Verification) -> None:
    row = next(row for row in llama_2_7b.rows() if row.layer_type == "attention.q")
    assert isinstance(row.share, Fraction)
    assert row.share == Fraction(536_870_912, 6_738_415_616)
