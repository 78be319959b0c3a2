"""The whole ledger, judged once for all tests here."""

import pytest

from verify.claims import Row, judged


@pytest.fixture(scope="session")
def rows() -> dict[str, Row]:
    """Every claim by its id."""
    return {row.claim.id: row for row in judged()}
