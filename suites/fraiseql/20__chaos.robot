*** Settings ***
Documentation    Services that die, hang or are cut off while events flow and clients ask. The seed's chaos tests slept
...              and counted more than zero rows; here every acknowledged event has to be there, once.

Resource         ../../resources/fraiseql.resource

Test Teardown    Everything Is Healed And Ended

Test Tags        phase:chaos    system:fraiseql


*** Test Cases ***
When ClickHouse and its observer are killed no event is lost or doubled, all is caught up in 30 seconds, search goes on
    [Tags]    FQ-C01
    ${load} =    Given Events Flow    ${EVENT_RATE}
    When Sink Is Away For Events    clickhouse    ${load}
    Then Both Sinks Should Hold Exactly What Was Acknowledged    ${load}    within=60 seconds
    And Sink Should Have Caught Up Within    clickhouse    ${load}    30 seconds    since=the fault was healed
    And Sink Should Never Have Stopped
    ...    search    ${load}    longest=4 seconds    since=the fault was injected    until=the fault was healed

When the search engine and its observer are killed ClickHouse and Flight go on, and documents are complete afterwards
    [Tags]    FQ-C02
    Given Flight Clients Stream
    ${load} =    And Events Flow    ${EVENT_RATE}
    When Sink Is Away For Events    search    ${load}
    Then Flight Clients Should Have Streamed Meanwhile
    And Both Sinks Should Hold Exactly What Was Acknowledged    ${load}    within=90 seconds
    And Sink Should Never Have Stopped
    ...    clickhouse    ${load}    longest=4 seconds    since=the fault was injected    until=the fault was healed

When NATS is cut off and then killed publishers buffer and resume, and no acknowledged event is lost
    [Tags]    FQ-C03
    ${load} =    Given Events Flow    ${EVENT_RATE}    through=publisher-nats
    When Link To NATS Is Cut And Healed    ${load}
    And NATS Is Killed And Started Again    ${load}
    Then Publisher Should Have Buffered And Resumed    ${load}
    And Both Sinks Should Hold Exactly What Was Acknowledged    ${load}    within=60 seconds

While Redis is killed, frozen and back every answer over HTTP is the newest, and takes less than 2 seconds
    [Documentation]    SQL changes what is read: an answer holds what was committed before it was asked for, or newer.
    [Tags]    FQ-C04
    ${readers} =    Given Rows Are Read While They Are Changed    100/s
    And Answers Should Come From The Cache    ${readers}    within=30 seconds
    When Redis Is Killed And Started Again    ${readers}
    And Redis Is Frozen And Goes On    ${readers}
    Then Every Answer Should Have Been The Newest    ${readers}
    And Every Answer Should Have Come Within    ${readers}    2 seconds

When ClickHouse, the search engine and Redis are away at once and come back in any order, all is complete and right
    [Documentation]    Both sinks hold what was acknowledged, and answers over HTTP are the newest all the time.
    [Tags]    FQ-C05
    ${readers} =    Given Rows Are Read While They Are Changed    50/s
    ${load} =    And Events Flow    ${EVENT_RATE}
    When Services Are Away At Once    ${load}    ${readers}    clickhouse    search    redis
    Then Both Sinks Should Hold Exactly What Was Acknowledged    ${load}    within=90 seconds
    And Every Answer Should Have Been The Newest    ${readers}

When PostgreSQL and the gateway go away under streams each is whole or an error, and within 10 seconds whole again
    [Documentation]    No part of a result may be taken for the whole; the next request works within 10 seconds.
    [Tags]    FQ-C06
    Given There Are At Least    60000    orders
    ${streams} =    And Streams Are Kept Going    ${MANY_ORDERS}    clients=96
    When Repeat Keyword    ${OUTAGES}    Services Are Away For Streams    ${streams}
    Then Each Stream Should Have Been Whole Or An Error    ${streams}    cut=${STREAMS_CUT}

Slow and vanishing Flight clients neither slow others down to 2 seconds nor make the gateway grow by 100 MB
    [Documentation]    A client's own buffers take in tens of megabytes; what is asked for is larger.
    [Tags]    FQ-C07
    Given There Are At Least    1000000    orders
    ${beside} =    When Readers Are Slow And Vanish
    ...    ${A_MILLION_ORDERS}
    ...    readers=16
    ...    duration=10 seconds
    ...    prompt={ orders(limit: 10) { id total } }
    Then Others Should Not Have Been Slowed To    ${beside}    2 seconds
    And Gateway Should Have Grown By Less Than    100    ${beside}
    And As Many Streams Should Be Served As Before    ${A_MILLION_ORDERS}    16
