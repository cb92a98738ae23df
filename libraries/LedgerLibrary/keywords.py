"""The keyword class of LedgerLibrary."""

from __future__ import annotations

from robot.api import logger
from robot.api.deco import keyword, library
from robot.api.types import KeywordArgument, KeywordName
from robot.errors import ExecutionFailed
from robot.libraries.BuiltIn import BuiltIn
from robot.running import RUN_KW_REGISTER

from LedgerLibrary.client_keywords import ClientKeywords
from LedgerLibrary.evidence import Evidence
from LedgerLibrary.sentence_keywords import SentenceKeywords


@library(scope="GLOBAL", auto_keywords=False, doc_format="MARKDOWN")
class LedgerLibrary(ClientKeywords, SentenceKeywords):
    """Clients that write and read in the background, and what can be said of a run afterwards.

    A write is *acked* when the server acknowledged it, *failed* when it was never sent or refused, *unknown* in all
    other cases. Everything is in a history under `histories/`, from which each verdict can be reached again.
    """

    def __init__(self) -> None:
        super().__init__()
        self._rehearsed: dict[tuple[str, str], Evidence | str] = {}

    @keyword(tags=["run"])
    def rehearse_once(self, name: KeywordName, /, *args: KeywordArgument) -> None:
        """Run a keyword that makes a run, unless this suite has done so already; then judge that run again.

        Several criteria can so be judged by one costly fault, and each test can still be run alone.

        Args:
            name: a keyword that ends with `Read What Survived`.
            *args: its arguments.
        """
        key = (str(BuiltIn().get_variable_value("${SUITE NAME}")), str(name))
        if key not in self._rehearsed:
            try:
                BuiltIn().run_keyword(name, *args)
            except ExecutionFailed as failure:
                self._rehearsed[key] = failure.message
                raise
            self._rehearsed[key] = self.judged()
        kept = self._rehearsed[key]
        if isinstance(kept, str):
            raise AssertionError(f"the run that this criterion shares with others has failed: {kept}")
        self.evidence = kept

    @keyword(tags=["run"])
    def mark_when(self, label: str, name: KeywordName, /, *args: KeywordArgument) -> None:
        """Run a keyword that waits for something, and name the instant at which it came.

        When it does not come the run goes on without that mark: the sentence that needs it will fail.

        Args:
            label: the name of the instant.
            name: the keyword that waits.
            *args: its arguments.
        """
        try:
            BuiltIn().run_keyword(name, *args)
        except ExecutionFailed as failure:
            if failure.dont_continue or failure.skip:
                raise
            logger.warn(f"'{label}' did not happen: {failure.message}")
            self.current().missed[label] = failure.message
        else:
            self.mark(label)


for _name in ("rehearse_once", "mark_when"):
    RUN_KW_REGISTER.register_run_keyword("LedgerLibrary", _name, 1, deprecation_warning=False, dry_run=True)
