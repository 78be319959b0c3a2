"""What a model that was never read is asked for before its commit is known: its config, its index, all its headers.

Each round trip to the Hub takes longer than all that is computed for most models. What comes is taken where it is of
the commit. Where a model is not sharded, the last two are answered with 404.
"""

from collections.abc import Mapping
from concurrent.futures import Future
from functools import partial
from urllib.parse import quote

from verify.evidence import index as indexes
from verify.evidence.hub_http import Body, Http
from verify.evidence.hub_waits import later
from verify.evidence.weights import CONFIG, CONFIG_LIMIT

#: The branch that a repository has, and that is read where none is named.
MAIN = "main"

#: What stands for the answer with all headers, which is no file.
ALL_HEADERS = "/safetensors-metadata"

#: Bytes of an answer with all headers; those of the largest model there is are 60 MB.
LIMIT = 128 * 1024 * 1024


def ask(http: Http, endpoint: str, model: str, revision: str) -> Mapping[str, Future[Body]]:
    """Ask a repository for what most models have.

    Args:
        http: How the Hub is reached.
        endpoint: Its address.
        model: `owner/name`.
        revision: A branch, tag or commit; "" is `main`.

    Returns:
        The coming answers: those of files by their names and, of `main`, that with all headers as `ALL_HEADERS`.
    """
    at = f"{endpoint}/{model}/resolve/{quote(revision or MAIN, safe='')}"
    limits = {CONFIG: CONFIG_LIMIT, indexes.SHARDED: indexes.LIMIT}
    asked = {file: later(partial(http.read, f"{at}/{file}", limit=limit, tries=1)) for file, limit in limits.items()}
    if revision in {"", MAIN}:
        asked[ALL_HEADERS] = later(partial(all_headers, http, endpoint, model, tries=1))
    return asked


def all_headers(http: Http, endpoint: str, model: str, *, tries: int = 2) -> Body:
    """Ask for the answer with all headers.

    Args:
        http: How the Hub is reached.
        endpoint: Its address.
        model: `owner/name`.
        tries: Attempts.

    Raises:
        NetworkError: It does not come.
        RefusedError: The server refuses it.
    """
    url = f"{endpoint}/api/models/{model}/safetensors-metadata/{indexes.SHARDED}"
    return http.read(url, limit=LIMIT, tries=tries)
