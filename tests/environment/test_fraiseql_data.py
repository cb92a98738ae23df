"""What is put into a search engine before anyone uses it."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from environments.fraiseql import provision_search
from environments.system import SearchAddress

URL = "http://search:9200"


class Answer:
    """What the engine answers to anything."""

    def __init__(self, content: dict[str, Any]) -> None:
        self._content = content

    def json(self) -> dict[str, Any]:
        return self._content

    def raise_for_status(self) -> None:
        """Nothing is refused."""


@pytest.mark.parametrize(
    ("version", "timestamp", "waits"),
    [
        (
            {"number": "3.6.0", "distribution": "opensearch"},
            {"type": "date_nanos", "format": "rfc3339_lenient"},
            {"index.merge_on_flush.enabled": False},
        ),
        ({"number": "8.12.2"}, {"type": "date_nanos"}, {}),
    ],
    ids=["OpenSearch", "Elasticsearch"],
)
def test_the_template_is_one_that_the_engine_knows(
    version: dict[str, str], timestamp: dict[str, str], waits: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    put: dict[str, Any] = {}

    def take(url: str, *, json: dict[str, Any], timeout: float) -> Answer:
        put[url] = json
        return Answer({"acknowledged": True})

    monkeypatch.setattr(requests, "get", lambda url, timeout: Answer({"version": version}))
    monkeypatch.setattr(requests, "put", take)
    provision_search(SearchAddress(URL, "mine"))
    [(url, template)] = put.items()
    assert url == f"{URL}/_index_template/mine"
    assert template["index_patterns"] == ["mine-*"]
    assert template["template"]["mappings"]["properties"]["timestamp"] == timestamp
    settings = template["template"]["settings"]
    assert settings["index.translog.durability"] == "request"
    assert {name: value for name, value in settings.items() if "merge" in name} == waits
