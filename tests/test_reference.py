"""What MODEL may be."""

from pathlib import Path

import pytest

from verify.errors import NotFoundError, UsageError
from verify.reference import parse


def test_a_hub_id_may_carry_its_revision() -> None:
    found = parse("meta-llama/Llama-2-7b-hf@01c7f73")
    assert (found.name, found.revision, found.path) == ("meta-llama/Llama-2-7b-hf", "01c7f73", None)
    assert found.folder_name == "meta-llama--Llama-2-7b-hf"


def test_a_revision_may_be_given_apart() -> None:
    assert parse("gpt2", "main").revision == "main"
    with pytest.raises(UsageError, match="names revision a and --revision b"):
        parse("gpt2@a", "b")


def test_a_path_that_exists_is_a_path(tmp_path: Path) -> None:
    found = parse(str(tmp_path))
    assert found.path == tmp_path
    assert found.folder_name == tmp_path.name
    with pytest.raises(UsageError, match="is a path"):
        parse(str(tmp_path), "main")


@pytest.mark.parametrize("model", ["./nowhere", "/nowhere/at/all", "nowhere/config.json", "a/b/c"])
def test_a_path_that_does_not_exist_is_named(model: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        parse(model)
    assert model in str(caught.value)


def test_an_empty_model_is_refused() -> None:
    with pytest.raises(UsageError):
        parse("  ")


@pytest.mark.parametrize("model", ["~nosuchuser/model", "a" * 300 + "/config.json", "a\0b.json"])
def test_what_cannot_be_a_path_does_not_exist(model: str) -> None:
    with pytest.raises(NotFoundError, match="does not exist"):
        parse(model)


def test_an_id_too_long_for_a_path_is_an_id_still() -> None:
    assert parse("a" * 300).path is None


def test_a_sign_without_a_revision_is_refused() -> None:
    with pytest.raises(UsageError, match="names no revision"):
        parse("gpt2@")
