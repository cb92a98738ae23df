*** Settings ***
Documentation    Observer events on their way from NATS: into ClickHouse, into the search index, and back over Flight.
...              The seed's example event could never be read (its entity_id is no UUID); these are as the contract has
...              them.

Resource         ../../resources/fraiseql.resource

Test Teardown    Undo What The Test Did

Test Tags        phase:integration    system:fraiseql


*** Test Cases ***
An observer event published to NATS is in ClickHouse exactly once within 5 seconds, also when it was published twice
    [Documentation]    The seed sleeps for five seconds and then looks.
    [Tags]    FQ-I04
    ${event} =    When An Event Is Published
    Then Event Should Be In Sink Exactly Once    clickhouse    ${event}    within=5 seconds
    When The Same Event Is Published Again    ${event}
    Then Event Should Be In Sink Exactly Once    clickhouse    ${event}    within=5 seconds

An observer event is in the search index exactly once within 5 seconds, and a term query finds it
    [Tags]    FQ-I05
    ${event} =    When An Event Is Published
    Then Event Should Be In Sink Exactly Once    search    ${event}    within=5 seconds
    And Event Should Be Found By Term Query    ${event}
    When The Same Event Is Published Again    ${event}
    Then Event Should Be In Sink Exactly Once    search    ${event}    within=5 seconds

An observer event comes back over Flight within 5 seconds, once and with all its fields
    [Tags]    FQ-I06
    ${event} =    When An Event Is Published
    Then Event Should Come Back Over Flight    ${event}    within=5 seconds
    And Event Should Be In Sink Exactly Once    clickhouse    ${event}    within=5 seconds

Of 10 000 events that both sinks take at once, both hold exactly those acknowledged within 30 seconds
    [Documentation]    Both dataplanes at the same time: analytics and operations.
    [Tags]    FQ-I07
    ${load} =    When Events Are Published    10000    5000/s    clickhouse    search
    Then Both Sinks Should Hold Exactly What Was Acknowledged    ${load}    within=30 seconds
    And Every Field Should Be As Published    ${load}
