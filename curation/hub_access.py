"""What the Hub refused, in words: with which token it was asked, and what would be let in. No token is ever shown."""

from __future__ import annotations

import os

FROM_ENVIRONMENT = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
UNKNOWN_TOKEN = "Invalid credentials"


def hub_refusal(error: BaseException, *, writing: bool) -> str | None:
    """Return why the Hub refused and what to do; None for what is no refusal (connections, 429, 5xx).

    The Hub answers 401 alike for what is private and for what is not there.
    """
    found = _from_hub(error)
    if found is None:
        return None
    kinds = {kind.__name__ for kind in type(found).__mro__}
    status = getattr(getattr(found, "response", None), "status_code", None)
    said = " ".join(str(getattr(found, "server_message", None) or "").split())[:200]
    asked, needed = asked_with(), "a token with write access" if writing else "a token that may read it"
    if "GatedRepoError" in kinds:
        return (
            f"is gated, asked {asked} ({said}); expected the token of an account that its owner let in; accept its "
            "conditions on its page, then set HF_TOKEN to a token of that account or run `hf auth login`"
        )
    if status == 401 and UNKNOWN_TOKEN in said:
        return (
            f"the Hub does not know the token it was asked {asked} (401), expired or mistyped; "
            f"set HF_TOKEN to {needed}, or run `hf auth login`"
        )
    if status == 401 and writing:
        return (
            f"no permission to write there, asked {asked} (401: {said}); expected {needed}; "
            "set HF_TOKEN to one, or run `hf auth login`"
        )
    if status == 401 or "RepositoryNotFoundError" in kinds:
        return (
            f"not found, or private, asked {asked} ({status}); expected an existing data set and {needed}; mend the "
            "address, or set HF_TOKEN or run `hf auth login`"
        )
    if status == 403:
        what = "write there" if writing else "read it"
        return (
            f"no permission to {what}, asked {asked} (403: {said}); expected {needed} to this account or organisation; "
            "make one in the settings of the account and set HF_TOKEN to it"
        )
    return None


def asked_with() -> str:
    """Return where the client takes its token from, in words."""
    for name in FROM_ENVIRONMENT:
        if os.environ.get(name, "").strip():
            return f"with the token of {name}"
    from huggingface_hub import get_token

    return "with the token of `hf auth login`" if get_token() else "without a token"


def _from_hub(error: BaseException) -> BaseException | None:
    """Return the answer of the Hub that an error is or was raised from."""
    seen: BaseException | None = error
    for _ in range(8):
        if seen is None:
            return None
        if "HfHubHTTPError" in {kind.__name__ for kind in type(seen).__mro__}:
            return seen
        seen = seen.__cause__ or seen.__context__
    return None
