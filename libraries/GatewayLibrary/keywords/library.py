"""The library itself: all its keywords."""

from __future__ import annotations

from robot.api.deco import library

from GatewayLibrary.keywords.reading import ReadingKeywords
from GatewayLibrary.keywords.requests import RequestKeywords
from LoadLibrary.rate import Rate


@library(scope="GLOBAL", auto_keywords=False, doc_format="MARKDOWN", converters={Rate: Rate.parse})
class GatewayLibrary(RequestKeywords, ReadingKeywords):
    """Bodies of an exact size, what a metrics page has counted, and rows that are read while they change."""
