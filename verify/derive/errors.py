"""What goes wrong when a formula is derived, stored or evaluated."""

from verify.errors import VerifyError


class DeriveError(VerifyError):
    """No formula could be derived from an implementation, or a derived one cannot be evaluated here."""
