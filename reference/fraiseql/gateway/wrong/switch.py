"""The classes of a gateway with a defect, each in the place of the part that has it."""

from __future__ import annotations

from reference.fraiseql.gateway.defects import Defect
from reference.fraiseql.gateway.parts import Parts
from reference.fraiseql.gateway.wrong import pages, statements, web

_CHANGED: dict[Defect, Parts] = {
    Defect.IGNORES_LIMIT: Parts(statements=statements.Unlimited, web_statements=statements.Unlimited),
    Defect.SWAPS_COLUMNS: Parts(statements=statements.SwappedColumns),
    Defect.HTTP_SWAPS_COLUMNS: Parts(web_statements=statements.SwappedMembers),
    Defect.ALIAS_IGNORED: Parts(statements=statements.WithoutAliases, web_statements=statements.WithoutAliases),
    Defect.NESTED_MIXED_UP: Parts(statements=statements.MixedUp, web_statements=statements.MixedUp),
    Defect.NUMBER_AS_TEXT: Parts(statements=statements.NumbersAsText, web_statements=statements.NumbersAsText),
    Defect.VARIABLES_IGNORED: Parts(graphql=web.FirstVariables),
    Defect.DROPS_LAST_ROW: Parts(rows=web.WithoutLastRow),
    Defect.WRONG_STATUS: Parts(graphql=web.BlamingItself),
    Defect.GET_MUTATES: Parts(reader=web.TrustingReader),
    Defect.ERRORS_AS_EMPTY: Parts(graphql=web.SwallowingErrors),
    Defect.DIRECTIVES_IGNORED: Parts(graphql=web.WithoutDirectives),
    Defect.INLINE_FRAGMENTS_LOST: Parts(graphql=web.WithoutInlineFragments),
    Defect.ANY_CONTENT_TYPE: Parts(reader=web.CarelessReader),
    Defect.NO_BODY_LIMIT: Parts(reader=web.BoundlessReader),
    Defect.STALLS_A_SECOND: Parts(graphql=web.Stalling),
    Defect.LEAKS_PER_REQUEST: Parts(graphql=web.Hoarding),
    Defect.STALE_CACHE: Parts(cache=web.StaleCache),
    Defect.STALE_AFTER_OUTAGE: Parts(cache=web.BlindAfterOutage),
    Defect.WAITS_FOR_CACHE: Parts(cache=web.PatientCache),
    Defect.NEEDS_THE_CACHE: Parts(cache=web.IndispensableCache),
    Defect.HEALTH_LIES: Parts(pages=pages.HealthyPages),
    Defect.READINESS_LIES: Parts(pages=pages.ReadyPages),
    Defect.PAGES_WAIT: Parts(pages=pages.WaitingPages),
    Defect.METRICS_STAND_STILL: Parts(metrics=pages.StandingMetrics),
}


def parts_with(defect: Defect | None) -> Parts:
    """Return the parts of a gateway with a defect; those that are not about these parts, or none, change nothing."""
    return _CHANGED.get(defect, Parts()) if defect else Parts()
