*** Settings ***
Documentation    A million rows, a rate that is held, a crowd at once, and memory that stays where it is.

Resource         ../../resources/fraiseql.resource

Test Teardown    Undo What The Test Did

Test Tags        phase:stress    system:fraiseql


*** Test Cases ***
Over Flight 1 000 000 rows come in less than 60 seconds at 100 000 a second, gateway and client below 500 MB each
    [Tags]    FQ-S01
    Given There Are At Least    1000000    orders
    ${streamed} =    When Rows Are Streamed Without Keeping Them
    ...    { orders(limit: 1000000) { id total status customerName createdAt } }
    Then All Rows Should Have Come    ${streamed}    1000000    within=60 seconds    rate=100000/s
    And Both Should Have Stayed Below    ${streamed}    500

Both sinks hold a rate of 10 000 events a second, their p99 lag is below 5 seconds, and no memory rises
    [Documentation]    For an hour in the full profile, as the seed has it. The first events of a new index cost more.
    [Tags]    FQ-S02
    Given Both Sinks Are Warm
    ${load} =    When Events Flow For    ${SUSTAINED_DURATION}    10000/s
    Then Rate Of Events Should Have Been Held    ${load}    99
    And Both Sinks Should Hold Exactly What Was Acknowledged    ${load}    within=60 seconds
    And Lag Should Be Below    ${load}    5 seconds    clickhouse    search
    And Memory Should Not Rise    ${load}

All of 128 Flight clients and 128 HTTP clients at once are served, and every answer is right
    [Tags]    FQ-S03
    Given There Are At Least    20000    orders
    ${crowd} =    When Clients Ask At Once
    ...    { orders(limit: 20000) { id total customerName createdAt } }
    ...    flight=128
    ...    http=128
    Then All Should Have Been Answered Rightly    ${crowd}

Memory grows by less than 200 MB over 100 000 events, and by less than 50 MB over 20 queries of 100 000 rows each way
    [Documentation]    Each way: over Flight and over HTTP, after ten of each to warm up.
    [Tags]    FQ-S04
    Given There Are At Least    100000    orders
    ${load} =    When Events Are Published    100000    5000/s    clickhouse    search
    Then Both Sinks Should Hold Exactly What Was Acknowledged    ${load}    within=60 seconds
    And Memory Should Have Grown By Less Than    200    ${load}
    ${repeated} =    When Rows Are Asked For Again And Again
    ...    { orders(limit: 100000) { id total customerName createdAt } }
    ...    rows=100000
    ...    times=20
    Then Gateway's Memory Should Have Stayed Flat    ${repeated}    50
