"""Keywords that judge a run: each is one sentence about writes, members or reads."""

from __future__ import annotations

from datetime import timedelta

from robot.api import logger
from robot.api.deco import keyword

from EnvironmentLibrary.context import record_value
from EnvironmentLibrary.telling import say
from LedgerLibrary import evidence as findings
from LedgerLibrary.base import Base, in_seconds
from LedgerLibrary.evidence import MINIMUM_ACKED, Takeover
from measurement.verdicts import Inconclusive
from oracles import primaries, writes

MINIMUM_SAMPLES = 20


class SentenceKeywords(Base):
    """What can be said of the run that ended with `Read What Survived`. `since` is always a mark of that run."""

    # -- writes --------------------------------------------------------------------------------------------

    @keyword(tags=["writes"])
    def no_acknowledged_write_should_be_lost(self) -> None:
        """Demand that the primary holds every acknowledged write at the end, and none that nobody sent."""
        run = self.judged()
        lost = writes.lost(run.ledger, run.oracle_marks)
        lost.require()
        writes.unexpected(run.ledger, run.oracle_marks).require()
        say(f"{lost.reason}, {len(writes.recovered(run.ledger))} of unknown outcome are there")

    @keyword(tags=["writes"])
    def writes_should_have_stopped_for_less_than(self, limit: timedelta, since: str) -> None:
        """Demand that the longest time without an acknowledged write is shorter than this.

        Args:
            limit: the budget.
            since: the mark of what may have interrupted them.
        """
        gap = findings.write_gap(self.judged(), since)
        record_value("write gap", gap.seconds, "s")
        text = f"writes stopped for {gap.seconds:.2f} s"
        if not gap.healed:
            raise AssertionError(
                f"{text} and did not come back while they were watched, expected less than {in_seconds(limit)}"
            )
        if gap.seconds >= limit.total_seconds():
            raise AssertionError(
                f"{text}, expected less than {in_seconds(limit)} (n = {gap.acked} acknowledged writes)"
            )
        say(f"{text} (n = {gap.acked})")

    @keyword(tags=["writes"])
    def writes_should_have_resumed_within(self, limit: timedelta, since: str) -> None:
        """Demand that writes were acknowledged again this soon after a mark.

        Args:
            limit: the budget.
            since: the mark from which the time counts.
        """
        gap = findings.write_gap(self.judged(), since)
        seconds = gap.end - self.judged().at(since)
        record_value("writes resume", seconds, "s")
        if not gap.healed:
            raise AssertionError(f"writes did not resume in the {seconds:.1f} s watched after '{since}'")
        if seconds > limit.total_seconds():
            raise AssertionError(f"writes resumed {seconds:.2f} s after '{since}', expected within {in_seconds(limit)}")
        say(f"writes resumed {seconds:.2f} s after '{since}' (gap {gap.seconds:.2f} s, n = {gap.acked})")

    @keyword(tags=["writes"])
    def writes_should_have_stopped_within(self, limit: timedelta, since: str, until: str) -> None:
        """Demand that writes stopped this soon after a mark, and stayed away until another.

        Args:
            limit: the budget.
            since: the mark from which the time counts.
            until: the mark before which none may have been acknowledged again.
        """
        run = self.judged()
        stop = findings.stop_of_writes(run, since, until, limit.total_seconds())
        record_value("writes stop", stop.seconds, "s")
        if stop.late:
            raise AssertionError(
                f"expected no acknowledged write from {in_seconds(limit)} after '{since}' until '{until}', "
                f"got {stop.late}, the last one {stop.seconds:.2f} s after '{since}'"
            )
        say(f"writes stopped {stop.seconds:.2f} s after '{since}'")

    @keyword(tags=["writes"])
    def exactly_the_writes_of_the_window_should_be_lost(self, began: str, begin: str, end: str) -> None:
        """Demand that every write sent and acknowledged between two marks is lost, and none from before.

        Args:
            began: the mark set before the cause of the loss began to act.
            begin: the mark set when it was known to act; every write sent after it must be lost.
            end: the mark up to which writes count.
        """
        found = findings.loss_in_window(self.judged(), began, begin, end)
        if len(found.acked) < MINIMUM_ACKED:
            raise AssertionError(
                f"expected at least {MINIMUM_ACKED} writes acknowledged between '{begin}' and '{end}', "
                f"got {len(found.acked)}"
            )
        if found.kept or found.elsewhere:
            raise AssertionError(
                f"expected all {len(found.acked)} writes of the window to be lost and none from before; "
                f"{len(found.kept)} of them are there, {len(found.elsewhere)} from before are lost"
            )
        say(f"{found.lost} acknowledged writes lost, all {len(found.acked)} of the window among them")

    # -- members -------------------------------------------------------------------------------------------

    @keyword(tags=["primaries"])
    def two_members_should_never_have_accepted_writes_at_once(self) -> None:
        """Demand that at no time two members both acknowledged writes on their own ports."""
        run = self.judged()
        seen = primaries.split_brain(run.observations, marks=run.oracle_marks)
        seen.require()
        logger.info(seen.reason)

    @keyword(tags=["primaries"])
    def another_member_should_have_taken_over_within(self, limit: timedelta, since: str) -> None:
        """Demand that a member other than the leader before accepted writes this soon after a mark.

        Args:
            limit: the budget.
            since: the mark from which the time counts.
        """
        found = self._takeover(since)
        if found.member == found.before:
            raise AssertionError(
                f"expected another member than {found.before} to take over, "
                f"it led again itself after {found.seconds:.2f} s"
            )
        self._in_time(found, limit, since)

    @keyword(tags=["primaries"])
    def same_member_should_have_led_again_within(self, limit: timedelta, since: str) -> None:
        """Demand that the leader before accepted writes again this soon after a mark, and no other did.

        Args:
            limit: the budget.
            since: the mark from which the time counts.
        """
        found = self._takeover(since)
        if found.member != found.before:
            raise AssertionError(
                f"expected {found.before} to be restarted in place, "
                f"{found.member} took over after {found.seconds:.2f} s"
            )
        self._in_time(found, limit, since)

    @keyword(tags=["primaries"])
    def timeline_should_have_grown_by(self, steps: int) -> None:
        """Demand that so many promotions lie between the first and the last acknowledged write."""
        first, last = findings.timelines(self.judged())
        if last - first != steps:
            raise AssertionError(f"expected the timeline to grow by {steps}, it went from {first} to {last}")

    @keyword(tags=["primaries"])
    def leader_should_have_changed(self, since: str) -> None:
        """Demand that another member accepts writes at the end of the run than did before a mark."""
        run = self.judged()
        before, after = run.leader_before(since), findings.last_leader(run)
        if before == after:
            raise AssertionError(f"expected another leader than {before}, it still is the one that accepts writes")
        logger.info(f"{before} led before, {after} after")

    @keyword(tags=["primaries"])
    def marked_instant_should_have_come_within(self, label: str, limit: timedelta, since: str) -> None:
        """Demand that one marked thing happened this soon after another.

        Args:
            label: the mark of what should have happened.
            limit: the budget.
            since: the mark from which the time counts.
        """
        run = self.judged()
        if label in run.missed:
            raise AssertionError(f"'{label}' did not happen: {run.missed[label]}")
        seconds = run.at(label) - run.at(since)
        record_value(label, seconds, "s")
        if seconds > limit.total_seconds():
            raise AssertionError(f"'{label}' {seconds:.2f} s after '{since}', expected within {in_seconds(limit)}")
        say(f"'{label}' {seconds:.2f} s after '{since}'")

    # -- reads ---------------------------------------------------------------------------------------------

    @keyword(tags=["reads"])
    def reads_should_have_gone_on(self, limit: timedelta, since: str) -> None:
        """Demand that background reads never went without an answer for longer than this after a mark.

        Args:
            limit: the longest silence allowed.
            since: the mark from which on they are judged.
        """
        run = self.judged()
        for history in run.reads:
            silence = findings.longest_silence(history, run.at(since))
            if silence.seconds > limit.total_seconds():
                raise AssertionError(
                    f"reads went unanswered for {silence.seconds:.2f} s after '{since}', "
                    f"expected at most {in_seconds(limit)} ({silence.answered} answered, {silence.failed} failed)"
                )
            say(f"reads never went unanswered for more than {silence.seconds:.2f} s ({silence.answered} answered)")

    @keyword(tags=["reads"])
    def every_replica_should_have_shown_rows_within(self, limit: timedelta) -> None:
        """Demand that every acknowledged row was to be seen on each replica this soon.

        Args:
            limit: the greatest age of an acknowledged row that a replica does not show yet.
        """
        run = self.judged()
        if not run.reads:
            raise Inconclusive("no replica was read from")
        for history in run.reads:
            lag = findings.row_lag(run.ledger, history)
            if lag.samples < MINIMUM_SAMPLES:
                raise Inconclusive(
                    f"{lag.samples} answered reads on {lag.replica or 'a replica'}, {MINIMUM_SAMPLES} needed"
                )
            record_value("age of an unseen row", lag.seconds, "s")
            if lag.seconds >= limit.total_seconds():
                raise AssertionError(
                    f"{lag.replica} did not show a row {lag.seconds:.2f} s after it was acknowledged, "
                    f"expected less than {in_seconds(limit)} ({lag.samples} samples)"
                )
            say(f"{lag.replica} at most {lag.seconds:.3f} s behind ({lag.samples} samples)")

    # -- inside --------------------------------------------------------------------------------------------

    def _takeover(self, since: str) -> Takeover:
        run = self.judged()
        found = findings.takeover(run, since)
        if found is None:
            watched = run.observations.operations[-1].completed - run.at(since)
            raise AssertionError(f"no member accepted writes in the {watched:.1f} s watched after '{since}'")
        return found

    def _in_time(self, found: Takeover, limit: timedelta, since: str) -> None:
        record_value("takeover", found.seconds, "s")
        if found.seconds > limit.total_seconds():
            raise AssertionError(
                f"{found.member} took over {found.seconds:.2f} s after '{since}', expected within {in_seconds(limit)}"
            )
        say(f"{found.member} accepted writes {found.seconds:.2f} s after '{since}'")
