"""The fixture `hub`: a local Hub that the client library of this process asks, whatever tokens its user has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.curation.hub_server import Hub


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[Hub]:
    """An empty Hub that the client library of this process asks."""
    library = pytest.importorskip("huggingface_hub", reason="needs the extra `hub`")
    from huggingface_hub import constants

    running = Hub()
    settings = {
        "ENDPOINT": running.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": f"{running.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}",
        "HF_HUB_DISABLE_XET": True, "HF_HUB_CACHE": str(tmp_path / "hub-cache"), "HF_HUB_OFFLINE": False,
        "HF_TOKEN_PATH": str(tmp_path / "token"),
    }  # fmt: skip
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setattr("curation.sources.remote.FIRST_PAUSE_SECONDS", 0.01)
    library.HfFileSystem.clear_instance_cache()
    yield running
    library.HfFileSystem.clear_instance_cache()
    running.server.shutdown()
    running.server.server_close()
