"""What may be asked of every result of a load, whether each operation was kept or only counted."""

from __future__ import annotations

from typing import Protocol

from measurement.histogram import LatencyHistogram


class SetSeen(Protocol):
    """Operations of one kind of sample: counts, rates and histograms. See `measurement.results.SampleSet`."""

    @property
    def seconds(self) -> float:
        """How long their intended starts span."""

    @property
    def offered(self) -> int:
        """Operations whose intended start lies here."""

    @property
    def ok(self) -> int:
        """Correct responses."""

    @property
    def failed(self) -> int:
        """Errors and wrong responses."""

    @property
    def dropped(self) -> int:
        """Operations never sent."""

    @property
    def late(self) -> int:
        """Operations that found every worker busy at their intended start."""

    @property
    def offered_rate(self) -> float:
        """Intended starts a second."""

    @property
    def achieved_rate(self) -> float:
        """Correct responses a second."""

    @property
    def latency(self) -> LatencyHistogram:
        """From the intended start to the correct response; empty for a closed loop."""

    @property
    def system_latency(self) -> LatencyHistogram:
        """The latency less what the generator added to it."""

    @property
    def service_time(self) -> LatencyHistogram:
        """From sending to the correct response."""

    @property
    def queue_delay(self) -> LatencyHistogram:
        """How long operations waited because every worker was busy."""

    @property
    def generator_lag(self) -> LatencyHistogram:
        """How late operations were sent although a worker was free."""

    @property
    def errors(self) -> dict[str, int]:
        """Errors by class, the most frequent first."""


class OfNormal:
    """Passes questions about a load on to its operations after the warm-up."""

    @property
    def normal(self) -> SetSeen:
        """All operations after the warm-up."""
        raise NotImplementedError

    @property
    def duration_seconds(self) -> float:
        """How long the measured part was to last, without warm-up."""
        return self.normal.seconds

    @property
    def offered(self) -> int:
        """Operations that were to be sent after the warm-up."""
        return self.normal.offered

    @property
    def ok(self) -> int:
        """Correct responses after the warm-up."""
        return self.normal.ok

    @property
    def failed(self) -> int:
        """Errors and wrong responses after the warm-up."""
        return self.normal.failed

    @property
    def dropped(self) -> int:
        """Operations never sent, after the warm-up."""
        return self.normal.dropped

    @property
    def late(self) -> int:
        """Operations that found every worker busy at their intended start, after the warm-up."""
        return self.normal.late

    @property
    def offered_rate(self) -> float:
        """Intended starts a second."""
        return self.normal.offered_rate

    @property
    def achieved_rate(self) -> float:
        """Correct responses a second."""
        return self.normal.achieved_rate

    @property
    def latency(self) -> LatencyHistogram:
        """From the intended start to the correct response; empty for a closed loop."""
        return self.normal.latency

    @property
    def service_time(self) -> LatencyHistogram:
        """From sending to the correct response."""
        return self.normal.service_time

    @property
    def generator_lag(self) -> LatencyHistogram:
        """How late operations were sent although a worker was free."""
        return self.normal.generator_lag

    @property
    def queue_delay(self) -> LatencyHistogram:
        """How long operations waited because every worker was busy."""
        return self.normal.queue_delay

    @property
    def errors(self) -> dict[str, int]:
        """Errors by class after the warm-up, the most frequent first."""
        return self.normal.errors
