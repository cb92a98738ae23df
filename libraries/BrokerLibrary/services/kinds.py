"""Who the five services are: what they send, ask for, and keep of what they get (contract, section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from BrokerLibrary.protocol_v2.header import Domain, Source
from BrokerLibrary.protocol_v2.messages import Message
from BrokerLibrary.protocol_v2.registry import TlvType

TOPIC_OF_DOMAIN: Mapping[Domain, str] = {
    Domain.MARKET_DATA: "market_data",
    Domain.SIGNAL: "signals",
    Domain.EXECUTION: "execution",
}
RELAY_NAMES: Mapping[str, str] = {"MarketData": "market_data", "Signal": "signals", "Execution": "execution"}
"""What the relays called the domains, which every configuration of their time has instead of topics."""

ALL_TOPICS = tuple(TOPIC_OF_DOMAIN.values())

_POOL_EVENTS = frozenset(
    {
        TlvType.INSTRUMENT_META,
        TlvType.POOL_LIQUIDITY,
        TlvType.POOL_SWAP,
        TlvType.POOL_MINT,
        TlvType.POOL_BURN,
        TlvType.POOL_TICK,
        TlvType.POOL_SYNC,
    }
)
"""What the strategy's own code reads of market data, beyond what MYC-006 lists."""

_LISTED = frozenset({TlvType.TRADE, TlvType.QUOTE, TlvType.ARBITRAGE_SIGNAL})


@dataclass(frozen=True, slots=True)
class Kind:
    """One service: the source it sends as, and the topics it asks for (none: a producer)."""

    name: str
    source: Source
    topics: tuple[str, ...] = ()

    def keeps(self, topic: str, message: Message | None) -> bool:
        """Whether it goes on with a message that came on a topic; None: the payload could not be read."""
        return True


class Strategy(Kind):
    """Keeps what it can trade on: trades, quotes, pool events, signals, and whatever is executed (MYC-006)."""

    def keeps(self, topic: str, message: Message | None) -> bool:
        """See `Kind.keeps`; what it cannot read it keeps as well."""
        if message is None or topic == TOPIC_OF_DOMAIN[Domain.EXECUTION]:
            return True
        types = {tlv.type for tlv in message.tlvs}
        if topic == TOPIC_OF_DOMAIN[Domain.MARKET_DATA]:
            return bool(types & (_LISTED | _POOL_EVENTS))
        return bool(types & _LISTED)


class Dashboard(Kind):
    """Shows everything, types it does not know too, but no message whose domain is not that of its topic."""

    def keeps(self, topic: str, message: Message | None) -> bool:
        """See `Kind.keeps`."""
        return message is not None and TOPIC_OF_DOMAIN.get(Domain(message.header.domain)) == topic


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("polygon_adapter", Source.POLYGON_COLLECTOR),
        Kind("kraken_collector", Source.KRAKEN_COLLECTOR),
        Strategy("flash_arbitrage", Source.ARBITRAGE_STRATEGY, ALL_TOPICS),
        Kind("portfolio_service", Source.PORTFOLIO_MANAGER, ALL_TOPICS),
        Dashboard("dashboard", Source.DASHBOARD, ALL_TOPICS),
    )
}
