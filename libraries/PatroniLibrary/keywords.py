"""The keyword class of PatroniLibrary."""

from __future__ import annotations

from robot.api.deco import library

from PatroniLibrary.command_keywords import CommandKeywords
from PatroniLibrary.member_keywords import Bytes, MemberKeywords


@library(scope="GLOBAL", auto_keywords=False, doc_format="MARKDOWN", converters={Bytes: Bytes.parse})
class PatroniLibrary(MemberKeywords, CommandKeywords):
    """Ask and command the cluster through Patroni's REST API.

    The members and their addresses are read from the cluster each time they are needed.
    """
